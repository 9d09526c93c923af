"""One event at a time: from a dict to a decision, and against 1,000 rules."""

from __future__ import annotations

import argparse
import time

import numpy as np
from benchmarks.measure import percentiles_us, write
from benchmarks.peers.workload import generate
from benchmarks.policies import both_policy, rules_policy, transactions

from riskweave import Engine, Policy
from riskweave.events.table import decode_table
from riskweave.rules import plan as rules


def run(arguments: argparse.Namespace) -> None:
    folder = generate(arguments.events, arguments.seed)
    records = transactions(folder, features=True).slice(0, 40_000).to_pylist()
    engine = Engine(Policy.from_dict(both_policy(folder, 100)))
    engine.warm_up()
    for record in records[:20_000]:
        engine.decide(record)
    seconds = []
    for record in records[20_000:]:
        started = time.perf_counter()
        engine.decide(record)
        seconds.append(time.perf_counter() - started)
    write(
        "single",
        {
            "dict_to_decision_us": percentiles_us(seconds),
            "features": len(engine.outputs),
            "rules": len(engine.rule_ids),
            "one_event_1000_rules_us": _thousand_rules(folder),
        },
    )


def _thousand_rules(folder: object) -> dict[str, float]:
    """Time the rules room on batches of one that are decoded already."""
    engine = Engine(Policy.from_dict(rules_policy(folder, 1000)))  # type: ignore[arg-type]
    table = transactions(folder, features=True).slice(0, 5_000)  # type: ignore[arg-type]
    batch = decode_table(engine.plan.decode, table).batch
    ones = [np.ascontiguousarray(batch.values[:, i : i + 1]) for i in range(batch.size)]
    one = decode_table(engine.plan.decode, table.slice(0, 1)).batch
    seconds = []
    for values in ones + ones:
        one.values = values
        started = time.perf_counter()
        rules.step(engine.plan.rules, one)
        seconds.append(time.perf_counter() - started)
    return percentiles_us(seconds[len(ones) :])
