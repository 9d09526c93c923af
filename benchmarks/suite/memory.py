"""What is remembered costs: ten million events over a million keys, ten features on one entity.

The events are made block by block, so that the process grows by the engine's state alone. Twice:
windows that keep every event, then windows so short that nearly every key is idle.
"""

from __future__ import annotations

import argparse
import gc
import os
import time
import tracemalloc
from collections import deque
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from benchmarks.measure import write

from riskweave import Engine, Policy

KEYS = 1_000_000
EVENTS = 10_000_000
BLOCK = 100_000
START_MS = 1_704_067_200_000
SPAN_MS = 30 * 86_400_000
SAMPLE_KEYS = 20_000

_FEATURES = """count("{a}") sum(amount,"{a}") mean(amount,"{a}") max(amount,"{a}") count("{b}")
sum(amount,"{b}") mean(amount,"{b}") max(amount,"{b}") count("{c}") sum(amount,"{c}")"""


def run(arguments: argparse.Namespace) -> None:
    events = max(arguments.events * 10, KEYS)
    keys = min(KEYS, events // 10)
    kept = _carried(_policy("1d", "7d", "60d"), events, keys)
    # Keys whose windows have emptied stay as records until twice the longest window has passed.
    idle = _carried(_policy("1m", "10m", "1h"), keys, keys, span_ms=3_600_000)
    write("memory", {"keeping_all_events": kept, "one_event_per_key": idle, "peers": _peers(events, keys)})


def _policy(a: str, b: str, c: str) -> Policy:
    calls = _FEATURES.format(a=a, b=b, c=c).split()
    return Policy.from_dict(
        {
            "policy": {"name": "memory", "dedupe": "0s"},
            "events": {
                "tx": {
                    "time": "ts",
                    "fields": {"ts": {"type": "time", "unit": "ms"}, "card": "int", "amount": "float"},
                }
            },
            "entities": {"card": "card"},
            "features": {f"feature_{number}": f"card.{call}" for number, call in enumerate(calls)},
        }
    )


def block(number: int, size: int, total: int, keys: int, span_ms: int) -> pa.Table:
    """Return one block of the stream: any key is as likely as another, the first `keys` events meet all."""
    random = np.random.default_rng([7, number])
    place = np.arange(number * size, number * size + size)
    # A multiplier that shares no factor with the number of keys visits each once.
    card = np.where(place < keys, place * 7_919 % keys, random.integers(0, keys, size))
    amount = np.round(random.exponential(60.0, size), 2)
    return pa.table({"ts": START_MS + place * span_ms // total, "card": card, "amount": amount})


def _carried(policy: Policy, events: int, keys: int, span_ms: int = SPAN_MS) -> dict[str, object]:
    engine = Engine(policy)
    engine.warm_up()
    for _ in engine.decide_blocks(block(0, 1_000, 1_000, keys, 1_000)):
        pass
    del engine
    engine = Engine(policy)
    gc.collect()
    before = _resident_bytes()
    spent = 0.0
    for number in range(events // BLOCK):
        table = block(number, BLOCK, events, keys, span_ms)
        began = time.process_time()
        for _ in engine.decide_blocks(table):
            pass
        spent += time.process_time() - began
    del table
    gc.collect()
    grown = _resident_bytes() - before
    features = engine.describe()["features"]
    assert isinstance(features, dict)
    entity = features["entities"]["card"]
    plan = engine.plan.features.tables[0]
    return {
        "events": events,
        "keys": entity["keys"],
        "events_kept": entity["events"],
        "features": len(engine.outputs),
        "events_per_s": round(events / spent),
        "bytes_per_kept_event": 8 * plan.stride,
        "bytes_per_idle_record": 8 * (plan.record_words + 2),
        "described_bytes": features["bytes"],
        "described_free_bytes": features["free_bytes"],
        "resident_growth_bytes": grown,
        "resident_bytes_per_event_beside_records": round(
            (grown - 8 * (plan.record_words + 2) * entity["keys"]) / max(entity["events"], 1), 1
        ),
        "resident_bytes_per_kept_event_all_in": round(grown / max(entity["events"], 1), 1),
        "resident_bytes_per_key_all_in": round(grown / max(entity["keys"], 1), 1),
    }


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _peers(events: int, keys: int) -> dict[str, object]:
    """Return what the same history costs elsewhere: deques of tuples in a dict, and a table in DuckDB."""
    each = events // keys
    tracemalloc.start()
    began = tracemalloc.get_traced_memory()[0]
    state = {
        key: deque((START_MS + n * 1_000 + key, key / 7 + n) for n in range(each))
        for key in range(SAMPLE_KEYS)
    }
    deques = tracemalloc.get_traced_memory()[0] - began
    tracemalloc.stop()
    state.clear()
    connection = duckdb.connect(config={"threads": 1})
    connection.execute(
        f"CREATE TABLE tx AS SELECT {START_MS} + i AS ts, (i * 7919) % {keys} AS card,"
        f" random() * 100 AS amount FROM range({events}) t(i)"
    )
    table = connection.execute("SELECT sum(memory_usage_bytes)::BIGINT FROM duckdb_memory()").fetchall()[0][0]
    connection.close()
    return {
        "python_deques_bytes_per_event": round(deques / (SAMPLE_KEYS * each), 1),
        "python_deques_sample_keys": SAMPLE_KEYS,
        "duckdb_table_bytes_per_event": round(table / events, 1),
        "note": "histories alone: neither keeps the ten features' running values",
    }
