"""The first start on a machine: two processes compile the kernels, so that it takes half the time.

The features kernel is as large as all others together. It compiles here while a child process
compiles the others, which this process then finds in the cache on disk.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys

from riskweave.batch import empty_batch
from riskweave.engine import pipeline
from riskweave.engine.state import State
from riskweave.events.table import decode_table
from riskweave.expressions.strings import StringPool
from riskweave.features.state import step as features_step
from riskweave.kernels.compile import is_cached
from riskweave.kernels.features import step as features_kernel
from riskweave.policy.compile import compile_policy
from riskweave.policy.plan import Plan
from riskweave.policy.policy import Policy

CHILD_SECONDS_MAX = 120

# A policy that needs every kernel but that of the features.
_OTHERS: dict[str, object] = {
    "events": {
        "event": {
            "id": "id",
            "time": "at",
            "fields": {"id": "string", "at": "time", "who": "string", "n": "int"},
        }
    },
    "entities": {"customer": {"key": "who", "attributes": {"columns": {"age": "int"}}}},
    "lists": {"some": ["a"]},
    "rules": [
        {"id": "all", "when": "n > 1 and who in some and customer.age > 3 and hour(at) == n", "risk": 0.1}
    ],
    "tables": {
        "t": {
            "inputs": {"n": "n"},
            "hit": "first",
            "outputs": {"x": "float"},
            "rows": [["> 1", 0.1], ["-", 0.0]],
        }
    },
    "scorecards": {"s": {"base": 1, "attributes": {"n": {"value": "n", "bands": [["< 1", 1], [">= 1", 2]]}}}},
    "trees": {"e": {"if": "n > 1", "then": {"x": 1.0}, "else": {"x": 0.0}}},
}


def warm_up(plan: Plan, state: State) -> None:
    """Compile or load every kernel that this plan runs; nothing is remembered."""
    nothing = empty_batch(plan.layout, 0)
    child = None
    if plan.features.tables and not is_cached(features_kernel) and (os.cpu_count() or 1) > 1:
        command = [sys.executable, "-c", "from riskweave.engine.warm import compile_others; compile_others()"]
        with contextlib.suppress(OSError):
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        features_step(plan.features, state.features, nothing)
    finally:
        if child is not None:
            try:
                child.wait(CHILD_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
    # What the child could not do is compiled now.
    _decode_everything()
    pipeline.decide(plan, state, nothing)
    state.memory.first_numbers(nothing.event_hash, nothing.watermark_ms)


def _decode_everything() -> None:
    """Run every kernel that decoding may need: columns of numbers and of texts, keys of all kinds."""
    import pyarrow as pa

    fields = {
        "id": "string",
        "at": "time",
        "n": "int",
        "x": "float",
        "m": "money",
        "ip": "ip",
        "flag": "bool",
    }
    policy = Policy.from_dict(
        {
            "events": {"event": {"id": "id", "time": "at", "fields": {**fields, "place": "location"}}},
            "entities": {"one": "ip", "number": "n", "both": {"key": ["ip", "n"]}, "name": "id"},
            "features": {
                "a": 'one.count("1h")',
                "b": 'number.sum(m, "1h")',
                "c": 'both.sum(x, "1h")',
                "d": 'name.count("1h")',
            },
        }
    )
    decode = compile_policy(policy, StringPool()).decode
    texts = {"id": "1", "at": "2026-01-01T00:00:00Z", "n": "1", "x": "1.5", "m": "1.50", "ip": "10.0.0.1"}
    table = pa.table({name: [value] for name, value in texts.items()})
    decode_table(decode, table)
    decode_table(decode, table.cast(pa.schema([(name, pa.large_string()) for name in texts])))
    decode_table(
        decode, pa.table({"id": [1], "at": [1], "n": [1], "x": [1.5], "m": [1.5], "ip": ["10.0.0.1"]})
    )


def compile_others() -> None:
    """Compile every kernel but that of the features into the cache on disk."""
    import pyarrow as pa

    _decode_everything()
    policy = Policy.from_dict(_OTHERS)
    plan = compile_policy(policy, StringPool())
    state = State.create(plan)
    table = pa.table({"id": ["1", "2"], "at": [0, 1], "who": ["a", "b"], "n": [1, 2]})
    batch = decode_table(plan.decode, table).batch
    pipeline.decide(plan, state, batch)
    state.memory.first_numbers(batch.event_hash, batch.watermark_ms)
    one = decode_table(plan.decode, table.slice(0, 1)).batch
    pipeline.decide(plan, state, one)
