"""Parquet in, Parquet out: workload b's windows and 100 rules, from disk to decisions on disk."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow.parquet as parquet
from benchmarks.measure import median_times, write
from benchmarks.peers import windows_duckdb
from benchmarks.peers.workload import generate
from benchmarks.policies import both_policy, transactions

from riskweave import Engine, Policy
from riskweave.events.readers import read_events
from riskweave.replay import replay as replaying
from riskweave.replay.files import DecisionFile

RULES = 100
_OPERATORS = {"gt": ">", "lt": "<", "eq": "=", "in": "IN"}


def run(arguments: argparse.Namespace) -> None:
    folder = generate(arguments.events, arguments.seed)
    source = events_file(folder)
    policy = Policy.from_dict(both_policy(folder, RULES))
    Engine(policy).warm_up()
    with TemporaryDirectory(dir=folder) as scratch:
        ours_file, theirs_file = Path(scratch) / "ours.parquet", Path(scratch) / "theirs.parquet"
        events = parquet.read_metadata(source).num_rows
        ours = median_times(lambda: replaying.replay(Engine(policy), [source], out=ours_file), arguments.runs)
        theirs = median_times(lambda: _duckdb(folder, source, theirs_file), arguments.runs)
        result: dict[str, object] = {
            "events": events,
            "features": len(Engine(policy).outputs),
            "rules": RULES,
            "riskweave_per_s": round(events / ours.cpu),
            "riskweave_per_s_wall": round(events / ours.wall),
            "duckdb_per_s": round(events / theirs.cpu),
            "times_duckdb": round(theirs.cpu / ours.cpu, 2),
            "hits": _hits(ours_file, "coalesce(len(rules), 0)"),
            "duckdb_hits": _hits(theirs_file, "hits"),
            "bytes_in": source.stat().st_size,
            "bytes_out": ours_file.stat().st_size,
            "share_of_time": _shares(policy, source, Path(scratch) / "parts.parquet"),
        }
    write("files", result)


def events_file(folder: Path) -> Path:
    """Return the transactions with f0..f19 as one file, written now when it is not there yet."""
    path = folder / "tx_features.parquet"
    if not path.is_file():
        part = path.with_suffix(".part")
        # Written as most writers do, with snappy.
        parquet.write_table(transactions(folder, features=True), part)
        part.rename(path)
    return path


def _duckdb(folder: Path, source: Path, out: Path) -> None:
    """Read the same file, compute the same windows and how many rules hit, write Parquet; one thread."""
    tests = []
    for _, comparisons in json.loads((folder / f"rules_{RULES}.json").read_text()):
        tests.append(
            " AND ".join(f"{column} {_OPERATORS[op]} {_sql(value)}" for column, op, value in comparisons)
        )
    hits = " + ".join(f"coalesce(({test})::INT, 0)" for test in tests)
    read = f"read_parquet('{source}', file_row_number = true)"
    windows = windows_duckdb.query().replace("SELECT row,", "SELECT row, ts, hits,")
    connection = duckdb.connect(config={"threads": 1})
    connection.execute(
        f"COPY (WITH tx AS (SELECT file_row_number AS row, ts, user_id, device_id, ip, amount,"
        f" {hits} AS hits FROM {read}) {windows}) TO '{out}' (FORMAT parquet, COMPRESSION zstd)"
    )
    connection.close()


def _sql(value: object) -> str:
    if isinstance(value, list):
        return f"({', '.join(_sql(each) for each in value)})"
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


def _hits(path: Path, column: str) -> int:
    rows = duckdb.connect().execute(f"SELECT sum({column}) FROM read_parquet('{path}')").fetchall()
    return int(rows[0][0])


def _shares(policy: Policy, source: Path, out: Path) -> dict[str, float]:
    """Go the replay's way by hand and return the share of the time that each part takes."""
    engine = Engine(policy)
    spent = dict.fromkeys(("read", "decode_and_decide", "write"), 0.0)
    with DecisionFile(out, engine.nothing()) as file:
        clock = time.process_time()

        def lap(name: str) -> None:
            nonlocal clock
            now = time.process_time()
            spent[name] += now - clock
            clock = now

        for chunk in read_events([source], engine.plan.decode.sources):
            lap("read")
            for decisions in engine.decide_blocks(chunk.table, chunk.place):
                lap("decode_and_decide")
                file.write(decisions)
                lap("write")
        lap("read")
        file.flush()
        lap("write")
    total = sum(spent.values())
    return {name: round(seconds / total, 3) for name, seconds in spent.items()}
