"""Workload b: exact windows of three entities at every event, in batches."""

from __future__ import annotations

import argparse

import numpy as np
from benchmarks.measure import median_seconds, timed, write
from benchmarks.peers import windows_duckdb, windows_polars
from benchmarks.peers.workload import OUTPUTS, generate
from benchmarks.policies import transactions, windows_policy

from riskweave import Engine, Policy


def run(arguments: argparse.Namespace) -> None:
    folder = generate(arguments.events, arguments.seed)
    table = transactions(folder)
    policy = Policy.from_dict(windows_policy())
    Engine(policy).warm_up()
    ours = median_seconds(lambda: _decide(policy, table), arguments.runs)
    decisions, _ = timed(lambda: Engine(policy).decide_many(table))
    peers = {"duckdb": windows_duckdb, "polars": windows_polars}
    result: dict[str, object] = {"events": table.num_rows, "riskweave_per_s": round(table.num_rows / ours)}
    for name, peer in peers.items():
        columns, seconds = peer.measure(folder)
        result[f"{name}_per_s"] = round(table.num_rows / seconds)
        result[f"times_{name}"] = round(seconds / ours, 2)
        result[f"differs_from_{name}"] = _differences(decisions, columns, table)
    write("windows", result)


def _decide(policy: Policy, table: object) -> None:
    """Decide block by block, as a replay does; results are let go."""
    for _ in Engine(policy).decide_blocks(table):  # type: ignore[arg-type]
        pass


def _differences(decisions: object, columns: dict[str, np.ndarray], table: object) -> int:
    """Count values that differ, leaving out events that share key and time with a later one.

    SQL's RANGE lets such an event see the later one; ours sees only what arrived before it.
    """
    lonely = _lonely(table)
    wrong = 0
    for name in OUTPUTS:
        ours = decisions.feature(name)  # type: ignore[attr-defined]
        key = {"u": "user_id", "d": "device_id", "i": "ip"}[name[0]]
        theirs = columns[name]
        close = np.isclose(ours, theirs, rtol=1e-9, atol=1e-9, equal_nan=True)
        wrong += int((~close & lonely[key]).sum())
    return wrong


def _lonely(table: object) -> dict[str, np.ndarray]:
    """Tell, per key, which events have no later event of the same key at the same time."""
    times = np.asarray(table["ts"])  # type: ignore[index]
    found = {}
    for name in ("user_id", "device_id", "ip"):
        key = np.asarray(table[name]).astype(np.int64)  # type: ignore[index]
        order = np.lexsort((np.arange(key.size), times, key))
        same = (key[order][1:] == key[order][:-1]) & (times[order][1:] == times[order][:-1])
        lonely = np.ones(key.size, bool)
        lonely[order[:-1][same]] = False
        found[name] = lonely
    return found
