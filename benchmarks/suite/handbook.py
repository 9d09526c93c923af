"""The Handbook's features over its card stream: how fast, and how far from the oracle (not at all)."""

from __future__ import annotations

import argparse
import runpy
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
from benchmarks.measure import median_times, timed, write
from benchmarks.peers.workload import DATA, ROOT

from riskweave import Engine, Policy
from riskweave.replay.replay import replay
from riskweave.replay.tests import run_tests

HANDBOOK = ROOT / "benchmarks" / "handbook"


def run(arguments: argparse.Namespace) -> None:
    oracle = runpy.run_path(str(HANDBOOK / "oracle.py"))
    raw: Path = arguments.handbook or oracle["RAW_DEFAULT"]
    if not raw.is_file():
        print(f"handbook: left out, its transactions are not at {raw} (see --handbook)")
        return
    policy = Policy.read(HANDBOOK / "policy")
    failed = [f"{each.name}: {text}" for each in run_tests(policy) for text in each.failures]
    Engine(policy).warm_up()
    DATA.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=DATA) as scratch:
        ours = Path(scratch) / "ours.parquet"
        report = replay(Engine(policy), [raw], out=ours)
        seconds = median_times(lambda: replay(Engine(policy), [raw], out=ours), arguments.runs)
        connection = duckdb.connect(config={"threads": 1})
        _, oracle_seconds = timed(lambda: oracle["features"](connection, raw))
        names = oracle["COUNTS"] + oracle["MEANS"]
        _, all_rows = oracle["load"](connection, "ours", ours)
        rows, differences = oracle["greatest_differences"](connection, "ours", "event_id", names)
        wanted = oracle["count"](connection, "SELECT count(*) FROM oracle")
    bounds = {name: 0.0 if name in oracle["COUNTS"] else 1e-9 for name in names}
    wrong = [name for name, most in differences.items() if most is None or not most <= bounds[name]]
    complete = rows == wanted == all_rows
    write(
        "handbook",
        {
            "events": report.events,
            "rejected": report.rejected,
            "riskweave_per_s": round(report.events / seconds.cpu),
            "duckdb_per_s": round(wanted / oracle_seconds),
            "times_duckdb": round(oracle_seconds / seconds.cpu, 2),
            "rows_compared": rows,
            "all_rows_there": complete,
            "differ": wrong,
            "greatest_difference_of_counts": max(differences[name] or 0.0 for name in oracle["COUNTS"]),
            "greatest_difference_of_means": max(differences[name] or 0.0 for name in oracle["MEANS"]),
            "tests_failed": failed,
            "actions": report.actions,
        },
    )
    if wrong or failed or not complete:
        sys.exit(f"handbook: {wrong or failed or f'{rows} of {wanted} rows'} not as they should be")
