"""A training set holds what was known at each event, and nothing that came later."""

import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from riskweave import Engine, Policy, RiskweaveError
from riskweave.learning.collect import collect
from riskweave.learning.dataset import Dataset

DAY_MS = 86_400_000
START_MS = 1_767_225_600_000

POLICY = {
    "policy": {"currency": "EUR"},
    "events": {
        "payment": {
            "id": "pid",
            "time": "at",
            "fields": {
                "pid": "int",
                "at": "time",
                "who": "string",
                "shop": "string",
                "amount": "money",
                "kind": "string",
                "fraud": {"type": "label", "delay": "2d"},
            },
        }
    },
    "entities": {"customer": "who", "shop_": "shop"},
    "features": {
        "paid_7d": 'customer.sum(amount, "7d")',
        "shop_risk": 'shop_.rate(fraud, "10d")',
        "shop_kind": 'shop_.mode(kind, "10d")',
    },
}


def events(size=300, seed=1):
    generator = np.random.default_rng(seed)
    at = START_MS + np.sort(generator.integers(0, 30 * DAY_MS, size))
    return [
        {
            "pid": k,
            "at": int(at[k]),
            "who": f"c{generator.integers(12)}",
            "shop": f"s{generator.integers(5)}",
            "amount": f"{generator.integers(100, 9999) / 100:.2f}",
            "kind": ["web", "pos", None][generator.integers(3)],
            "fraud": bool(generator.random() < 0.3),
        }
        for k in range(size)
    ]


@pytest.fixture(scope="module")
def policy():
    return Policy.from_dict(POLICY)


def test_features_are_those_of_the_live_decision(policy):
    rows = events(80)
    found = collect(policy, [rows], delay_ms=DAY_MS)
    engine = Engine(policy)
    for place, row in enumerate(rows):
        decision = engine.decide(row)
        for name, value in decision.features.items():
            column = found.column(name)
            there = column.values[place]
            if isinstance(value, str):
                assert column.texts[int(there)] == value
            else:
                assert there == value if value is not None else np.isnan(there)
    assert found.column("amount").values.tolist() == [float(row["amount"]) for row in rows]
    assert found.label.tolist() == [float(row["fraud"]) for row in rows]
    assert (found.known_ms - found.time_ms == 2 * DAY_MS).all()  # the field's own delay is longer


def test_nothing_before_a_labels_arrival_changes_with_it(policy):
    """Labels that arrive after a moment are shuffled; nothing at or before it changes."""
    rows = events()
    moment = START_MS + 15 * DAY_MS
    generator = np.random.default_rng(3)
    later = [k for k, row in enumerate(rows) if row["at"] + 2 * DAY_MS > moment]
    shuffled = [dict(row) for row in rows]
    values = generator.permutation([not rows[k]["fraud"] for k in later])
    for k, value in zip(later, values.tolist(), strict=True):
        shuffled[k]["fraud"] = value
    first, second = collect(policy, [rows]), collect(policy, [shuffled])
    before = np.flatnonzero(first.time_ms <= moment)
    names = first.features()
    assert np.array_equal(first.matrix(names)[before], second.matrix(names)[before], equal_nan=True)
    assert not np.array_equal(first.matrix(names), second.matrix(names), equal_nan=True)


def test_a_file_of_labels_says_the_truth_and_when(policy, tmp_path):
    rows = [{k: v for k, v in row.items() if k != "fraud"} for row in events(50)]
    labels = tmp_path / "labels.jsonl"
    lines = [
        {"event_id": "3", "value": True, "time": rows[3]["at"] + 9 * DAY_MS},
        {"event_id": "4", "value": True, "time": rows[4]["at"] + 1000},
        {"event_id": "4", "value": False, "time": rows[4]["at"] + 5 * DAY_MS},
        {"event_id": "999", "value": True, "time": rows[4]["at"]},
    ]
    labels.write_text("\n".join(json.dumps(line) for line in lines))
    found = collect(policy, [rows], labels=labels, delay_ms=7 * DAY_MS)
    assert (found.label[3], found.label[4]) == (1.0, 0.0)
    assert np.isnan(np.delete(found.label, [3, 4])).all()
    days = (found.known_ms - found.time_ms) / DAY_MS
    assert (days[3], days[4]) == (9, 7)
    complete = collect(policy, [rows], labels=labels, delay_ms=7 * DAY_MS, unlabelled="legitimate")
    assert complete.label.sum() == 1
    assert not np.isnan(complete.label).any()


def test_a_period_is_cut_out_with_its_history_before(policy):
    rows = events()
    whole = collect(policy, [rows])
    low, high = START_MS + 10 * DAY_MS, START_MS + 20 * DAY_MS
    part = collect(policy, [rows], from_ms=low, to_ms=high)
    inside = np.flatnonzero((whole.time_ms >= low) & (whole.time_ms < high))
    assert np.array_equal(part.matrix(["paid_7d"]), whole.take(inside).matrix(["paid_7d"]))
    assert 0 < len(part) < len(whole)


def test_a_file_gives_back_what_was_written(policy, tmp_path):
    found = collect(policy, [events()])
    found.write(tmp_path / "set.parquet")
    again = Dataset.read(tmp_path / "set.parquet")
    first, second = found.to_arrow(), again.to_arrow()
    assert first.schema.names == second.schema.names
    assert all(first[name].equals(second[name]) for name in first.column_names)
    assert again.fingerprint == found.fingerprint
    assert len(found.fingerprint) == 64
    for name, column in found.columns.items():
        assert (again.columns[name].kind, again.columns[name].texts) == (column.kind, column.texts)
        assert np.array_equal(again.columns[name].values, column.values, equal_nan=True)
    other = Policy.from_dict({**POLICY, "features": {"paid_7d": 'customer.sum(amount, "6d")'}})
    assert collect(other, [events()]).fingerprint != found.fingerprint
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    with pytest.raises(RiskweaveError, match="no training set"):
        Dataset.read(tmp_path / "other.parquet")


def test_mistakes_are_named(policy):
    with pytest.raises(RiskweaveError, match="did you mean `fraud`"):
        collect(policy, [events(5)], label="fruad")
    with pytest.raises(RiskweaveError, match="did you mean `paid_7d`"):
        collect(policy, [events(5)]).column("paid_8d")
    bare = {**POLICY, "features": {}}
    bare["events"] = {"payment": {"time": "at", "fields": {"at": "time"}}}
    bare["entities"] = {}
    with pytest.raises(RiskweaveError, match="declares no label"):
        collect(Policy.from_dict(bare), [[]])


def test_the_command_writes_the_file(tmp_path):
    mine, file = tmp_path / "mine", tmp_path / "payments.parquet"
    for command in (
        ["new", mine],
        ["simulate", "--events", 2000, "--out", file],
        ["dataset", mine, file, "--delay", "3d", "--from", "2026-01-05", "--out", tmp_path / "set.parquet"],
    ):
        line = [sys.executable, "-m", "riskweave", *map(str, command)]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    found = Dataset.read(tmp_path / "set.parquet")
    assert 0 < len(found) < 2000
    assert {"paid_24h", "amount", "category"} <= set(found.columns)
    assert 0 < found.label.mean() < 0.1
