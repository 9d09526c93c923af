"""Speed of the patterns room alone: python benchmarks/patterns_kernel.py DATA [--curves] [--json FILE]

DATA holds tx.parquet and logins.parquet (columns ts, user_id, device_id, amount; ts, user_id, ok).
Timed is `step` of the room, with the conditions on single events evaluated by NumPy; the feature "a
device this user never used before" is another room's work and prepared before. Medians of `runs`.

  c1    three amount > 1000 (relaxed), then one on a new device: all within 40 min, the three within
        30 min of each other, the last at most 10 min after the third
  c2    five consecutive failed logins, next a success, within 30 min
  many  100 patterns at once, variations of c1
  idle  c1 on events of which none starts a match
  flood one key, 20,000 events that Flink's state would keep for ever: under the cap, losses counted

With --curves also: events/s against the number of patterns and the length of the window.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[1]
for folder in (str(ROOT), str(ROOT / "src")):
    if folder not in sys.path:
        sys.path.insert(0, folder)

from tests.patterns.little_engine import LittleEngine, evaluated  # noqa: E402

from riskweave.batch import BY_EVENT, Batch, Matches, empty_batch  # noqa: E402  # noqa: E402
from riskweave.document import from_python  # noqa: E402
from riskweave.errors import Span  # noqa: E402
from riskweave.expressions.types import Type  # noqa: E402
from riskweave.patterns.plan import step  # noqa: E402
from riskweave.patterns.spec import read_pattern  # noqa: E402

MINUTE = 60_000


def c1(threshold: float = 1000.0, window: str = "40m") -> dict[str, object]:
    return {
        "key": "user",
        "stages": [
            {
                "begin": "large",
                "where": [
                    f"amount > {threshold}",
                    "large.count == 0 or event_time - large.first.event_time < 1800",
                ],
                "times": 3,
            },
            {"followed_by": "new", "where": "new_device == 1", "within_previous": "10m"},
        ],
        "within": window,
    }


def c2() -> dict[str, object]:
    return {
        "key": "user",
        "stages": [
            {"begin": "failed", "where": "ok == 0", "times": 5, "consecutive": True},
            {"next": "success", "where": "ok == 1"},
        ],
        "within": "30m",
    }


def long(window: str) -> dict[str, object]:
    """A pattern whose partial matches live as long as its window: large, then on a new device."""
    stages = [
        {"begin": "large", "where": "amount > 1000"},
        {"followed_by": "new", "where": "new_device == 1"},
        {"followed_by": "more", "where": "amount > 2 * large.last.amount"},
    ]
    return {"key": "user", "stages": stages, "within": window}


def flood() -> dict[str, object]:
    """One key, events that all continue everything: what is kept, and what is counted as lost."""
    stages = [
        {"begin": "a", "where": "amount > 0"},
        {"followed_by": "b", "where": "amount > 0", "one_or_more": True, "allow_combinations": True},
        {"followed_by": "c", "where": "amount < 0"},
    ]
    engine = engine_of({"flood": {"key": "user", "stages": stages}}, {"amount": Type.FLOAT})
    count = 20_000
    found = batches(
        engine,
        {"time": np.arange(1, count + 1), "key": np.zeros(count, np.int64), "amount": np.ones(count)},
        1_000,
    )
    seconds, _ = run(engine, found)
    described = engine.state.describe()
    dropped = engine.state.losses(engine.plan, "flood")
    print(
        f"flood    {count / seconds:8.0f} events/s   {described['partial_matches']} partial matches, "
        f"{described['events']} events kept, {described['bytes']:,} bytes, {dropped:,} dropped and counted"
    )
    return {"name": "flood", "events_per_second": count / seconds, "dropped": dropped, **described}


def engine_of(patterns: dict[str, dict[str, object]], fields: dict[str, Type]) -> LittleEngine:
    specs = [read_pattern(name, from_python(each), Span(name)) for name, each in patterns.items()]
    return LittleEngine(specs, fields).ready()


def hashed(ids: np.ndarray) -> np.ndarray:
    """Spread small ids over 64 bits, as the events room does."""
    mixed = ids.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def batches(engine: LittleEngine, columns: dict[str, np.ndarray], size: int) -> list[Batch]:
    found = []
    keys = hashed(columns["key"])
    total = columns["time"].size
    for begin in range(0, total, size):
        end = min(begin + size, total)
        batch = empty_batch(engine.layout, end - begin)
        batch.time_ms[:] = columns["time"][begin:end]
        batch.watermark_ms[:] = batch.time_ms
        batch.values[0] = batch.time_ms
        batch.keys[0] = keys[begin:end]
        batch.event_hash[:] = np.arange(begin + 1, end + 1, dtype=np.uint64)
        for name, column in engine.fields.items():
            batch.values[column.index] = columns[name][begin:end]
        found.append(batch)
    return found


def run(engine: LittleEngine, found: list[Batch]) -> tuple[float, list[Matches]]:
    """Return CPU seconds and the matches of all batches."""
    results = []
    begin = time.process_time()
    for batch in found:
        for node, column in engine.nodes.items():
            batch.values[column.index] = evaluated(node, batch.values, engine)
        results.append(step(engine.plan, engine.state, batch))
    return time.process_time() - begin, results


def measure(
    name: str,
    patterns: dict[str, dict[str, object]],
    fields: dict[str, Type],
    columns: dict[str, np.ndarray],
    runs: int,
    size: int = 16_384,
) -> dict[str, object]:
    rates, matches, ends = [], 0, 0
    for _ in range(runs):
        engine = engine_of(patterns, fields)
        found = batches(engine, columns, size)
        seconds, results = run(engine, found)
        rates.append(columns["time"].size / seconds)
        matches = sum(int((each.kind == BY_EVENT).sum()) for each in results)
        ends = sum(np.unique(each.row[each.kind == BY_EVENT]).size for each in results if len(each))
    rate = statistics.median(rates)
    speed = f"{rate / 1e6:8.2f} M events/s   {1e9 / rate:8.0f} ns/event"
    print(f"{name:8} {speed}   {matches} matches, {ends} distinct ends")
    return {"name": name, "events_per_second": rate, "matches": matches, "ends": ends}


def new_device(users: np.ndarray, devices: np.ndarray) -> np.ndarray:
    """Tell at which events a user used a device for the first time."""
    pairs = users.astype(np.int64) * 10_000_000 + devices
    _, first = np.unique(pairs, return_index=True)
    new = np.zeros(users.size)
    new[first] = 1.0
    return new


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("data", type=Path)
    arguments.add_argument("--runs", type=int, default=5)
    arguments.add_argument("--curves", action="store_true")
    arguments.add_argument("--json", type=Path)
    given = arguments.parse_args()
    tx = {name: column.to_numpy() for name, column in zip(*_table(given.data / "tx.parquet"), strict=True)}
    logins = {
        name: column.to_numpy() for name, column in zip(*_table(given.data / "logins.parquet"), strict=True)
    }
    payments = {
        "time": tx["ts"],
        "key": tx["user_id"],
        "amount": tx["amount"],
        "new_device": new_device(tx["user_id"], tx["device_id"]),
    }
    fields = {"amount": Type.FLOAT, "new_device": Type.FLOAT}
    results = [
        measure("c1", {"c1": c1()}, fields, payments, given.runs),
        measure(
            "c2",
            {"c2": c2()},
            {"ok": Type.FLOAT},
            {"time": logins["ts"], "key": logins["user_id"], "ok": logins["ok"]},
            given.runs,
        ),
    ]
    many = {f"p{n}": c1(500.0 + 20.0 * n, f"{40 + n % 20}m") for n in range(100)}
    some = {name: column[:200_000] for name, column in payments.items()}
    results.append(measure("many", many, fields, some, max(1, given.runs // 2), 4_096))
    quiet = dict(payments, amount=np.minimum(payments["amount"], 900.0))
    results.append(measure("idle", {"c1": c1()}, fields, quiet, given.runs))
    results.append(flood())
    if given.curves:
        for count in (1, 3, 10, 30, 100, 300):
            several = {f"p{n}": c1(500.0 + 5.0 * n, f"{40 + n % 20}m") for n in range(count)}
            results.append(measure(f"n={count}", several, fields, some, 1, 4_096))
        for window in ("1m", "10m", "1h", "6h", "1d", "7d"):
            results.append(measure(f"w={window}", {"long": long(window)}, fields, payments, 1))
    if given.json:
        given.json.write_text(json.dumps(results, indent=1))


def _table(path: Path) -> tuple[list[str], list[object]]:
    table = pq.read_table(path)
    return table.column_names, [table.column(name) for name in table.column_names]


if __name__ == "__main__":
    main()
