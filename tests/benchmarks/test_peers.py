"""What peers are measured on is what they should compute: equal to the definition on a small workload."""

from __future__ import annotations

import json

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from benchmarks.peers import rules_numpy, windows_duckdb
from benchmarks.peers.workload import OUTPUTS

EVENTS = 300
RULES = [
    ["R0", [["f0", "gt", 0.5], ["f1", "lt", 0.5]]],
    ["R1", [["amount", "gt", 50.0], ["country", "eq", "FR"], ["f0", "gt", 0.5]]],
    ["R2", [["country", "eq", "XX"], ["f1", "lt", 0.9]]],
    ["R3", [["mcc", "in", [4001, 4003]], ["lat", "lt", 0.0]]],
]


@pytest.fixture(scope="module")
def workload(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workload")
    generator = np.random.default_rng(5)
    table = {
        "ts": np.cumsum(generator.integers(1, 9_000_000, EVENTS)),
        "user_id": generator.integers(0, 6, EVENTS).astype(np.int32),
        "device_id": generator.integers(0, 4, EVENTS).astype(np.int32),
        "ip": generator.integers(0, 2, EVENTS).astype(np.int32),
        "amount": generator.integers(1, 10_000, EVENTS) / 100,
        "country": np.array(["FR", "DE"])[generator.integers(0, 2, EVENTS)].tolist(),
        "mcc": generator.integers(4000, 4005, EVENTS).astype(np.int32),
        "lat": generator.uniform(-60, 70, EVENTS),
    }
    pyarrow.parquet.write_table(pyarrow.table(table), folder / "tx.parquet")
    features = generator.random((EVENTS, 2))
    np.save(folder / "features.npy", features)
    (folder / "rules_4.json").write_text(json.dumps(RULES))
    events = [dict(zip(table, each, strict=True)) for each in zip(*table.values(), strict=True)]
    return folder, [event | {"f0": f[0], "f1": f[1]} for event, f in zip(events, features, strict=True)]


def within(events, at, key, length_ms):
    now = events[at]
    return [e for e in events[: at + 1] if e[key] == now[key] and e["ts"] > now["ts"] - length_ms]


def test_duckdb_computes_the_windows(workload):
    folder, events = workload
    columns, seconds = windows_duckdb.measure(folder)
    assert tuple(columns) == OUTPUTS
    assert seconds >= 0
    for at in range(EVENTS):
        wanted = {}
        for name, length_ms in (("1h", 3_600_000), ("24h", 86_400_000), ("7d", 604_800_000)):
            amounts = [each["amount"] for each in within(events, at, "user_id", length_ms)]
            wanted[f"user_count_{name}"] = len(amounts)
            wanted[f"user_sum_{name}"] = pytest.approx(sum(amounts))
            wanted[f"user_mean_{name}"] = pytest.approx(sum(amounts) / len(amounts))
            wanted[f"user_max_{name}"] = max(amounts)
        wanted["device_count_1h"] = len(within(events, at, "device_id", 3_600_000))
        wanted["device_users_24h"] = len({e["user_id"] for e in within(events, at, "device_id", 86_400_000)})
        wanted["ip_count_10m"] = len(within(events, at, "ip", 600_000))
        assert {name: column[at] for name, column in columns.items()} == wanted


def test_numpy_lists_the_rules_that_hit(workload, monkeypatch):
    folder, events = workload
    compare = {
        "gt": lambda a, b: a > b,
        "lt": lambda a, b: a < b,
        "eq": lambda a, b: a == b,
        "in": lambda a, b: a in b,
    }
    wanted = [
        [n for n, (_, all_of) in enumerate(RULES) if all(compare[op](event[c], v) for c, op, v in all_of)]
        for event in events
    ]
    for block in (64, 1000):
        monkeypatch.setattr(rules_numpy, "BLOCK", block)
        (offsets, ids), _ = rules_numpy.measure(folder, 4)
        assert [ids[offsets[at] : offsets[at + 1]].tolist() for at in range(EVENTS)] == wanted
