"""One by one, in any batches, after a restart: the same bytes of features, hits and decisions."""

import random
from contextlib import suppress
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskweave import DuplicateError, Engine, EventError, Policy, Snapshot
from riskweave.engine.matches import match_at

VALUES: dict[str, object] = {
    "policy": {"name": "parity", "time_zone": "Europe/Paris", "dedupe": "2h", "currency": "EUR"},
    "events": {
        "payment": {
            "id": "id",
            "time": "at",
            "match": {"kind": "payment"},
            "fields": {
                "id": "string",
                "at": {"type": "time", "unit": "ms"},
                "kind": "string",
                "card": "string",
                "device": "string",
                "shop": "string",
                "amount": "money",
                "country": "string",
                "place": {"type": "location", "from": ["lat", "lon"]},
                "fraud": {"type": "label", "delay": "90m"},
            },
        },
        "login": {
            "id": "id",
            "time": "at",
            "match": {"kind": "login"},
            "fields": {
                "id": "string",
                "at": {"type": "time", "unit": "ms"},
                "kind": "string",
                "card": "string",
                "device": "string",
                "ok": "bool",
            },
        },
    },
    "entities": {
        "customer": "card",
        "gadget": "device",
        "store": "shop",
        "pair": {"key": ["card", "shop"]},
    },
    "constants": {"near": ["FR", "DE"], "big": 50},
    "lists": {"bad_devices": ["d3", "d7"]},
    "features": {
        "paid_1h": 'customer.sum(amount, "1h")',
        "paid_big_6h": 'customer.sum(amount, "6h", where=amount > big)',
        "mean_before": 'customer.mean(amount, "1d", before=True)',
        "spread": 'customer.std(amount, "1d")',
        "middle": 'customer.median(amount, "6h")',
        "largest": 'customer.max(amount, "3h")',
        "failed": 'customer.count("1h", on=login, where=not ok)',
        "shops": 'customer.distinct(shop, "6h")',
        "new_device": 'customer.is_new(device, "1d")',
        "last_country": "customer.last(country)",
        "since": "customer.time_since()",
        "people": 'gadget.distinct(card, "12h")',
        "shop_fraud": 'store.rate(fraud, "12h", delay="1h")',
        "frauds": 'store.count("1d", where=fraud and amount > big)',
        "again": 'pair.count("1d", before=True)',
        "speed": "customer.speed_kmh(place)",
        "habit": 'customer.hour_habit("1d")',
        "usual": "country == last_country",
        "times": "amount / mean_before",
    },
    "patterns": {
        "guessed": {
            "key": "customer",
            "stages": [
                {"begin": "failed", "on": "login", "where": "not ok", "times": 2},
                {"followed_by": "paid", "on": "payment", "where": "amount > 20 and paid_1h > 0"},
            ],
            "within": "6h",
            "risk": 0.55,
        },
        "silent": {
            "key": "gadget",
            "stages": [
                {"begin": "seen", "on": "payment"},
                {"not_followed_by": "again", "on": "login"},
            ],
            "within": "2h",
            "skip": "skip_past_last_event",
            "risk": 0.2,
        },
    },
    "rules": [
        {"id": "pattern", "when": "guessed and guessed.progress >= 0", "risk": 0.65},
        {"id": "large", "when": "paid_1h > 120 and country not in near", "risk": 0.6},
        {"id": "fresh", "when": "new_device and times > 2", "risk": 0.5, "action": "MFA"},
        {"id": "listed", "when": "device in bad_devices", "risk": 0.9},
        {"id": "shop", "when": "shop_fraud > 0.2 or frauds >= 2", "risk": 0.4},
        {"id": "guessing", "when": "failed >= 3", "risk": 0.3, "on": ["payment"]},
        {"id": "quiet", "when": "since > 7200 and not usual", "risk": "0.1 + 0.1 * shops"},
    ],
    "tables": {
        "limits": {
            "inputs": {"country": "country", "paid": "paid_1h"},
            "hit": "first",
            "outputs": {"risk": "float"},
            "risk": "risk",
            "rows": [["FR", "> 200", 0.35], ["-", "> 150", 0.45], ["-", "-", 0.0]],
        }
    },
}
POLICY = Policy.from_dict(VALUES)
START_MS = 1_767_225_600_000


def stream(seed: int, size: int) -> list[dict[str, object]]:
    """Events that are mostly in order: late, equal in time, repeated and incomplete ones among them."""
    chance = random.Random(seed)
    now = START_MS
    events: list[dict[str, object]] = []
    for number in range(size):
        now += chance.choice([0, 0, 1_000, 60_000, 600_000, 3_000_000])
        late = chance.choice([0] * 8 + [500_000, 7_200_000, 90_000_000, 200_000_000])
        event: dict[str, object] = {
            "id": f"e{number}",
            "at": now - late,
            "kind": chance.choice(["payment", "payment", "payment", "login"]),
            "card": chance.choice(["c1", "c2", "c3", None]),
            "device": chance.choice(["d1", "d2", "d3", None]),
            "shop": chance.choice(["s1", "s2", None]),
            "amount": chance.choice(["10.00", "60.10", "99.99", "0.30", None]),
            "country": chance.choice(["FR", "DE", "US", None]),
            "lat": chance.choice([48.8, 52.5, None]),
            "lon": chance.choice([2.3, 13.4]),
            "ok": chance.choice([True, False]),
            "fraud": chance.choice([True, False, None]),
        }
        if event["lat"] is None:
            event["lon"] = None
        events.append(event)
        if chance.random() < 0.05:
            events.append(dict(chance.choice(events[-8:])))
        if chance.random() < 0.03:
            events.append({**chance.choice(events[-8:]), "amount": "77.00"})
        if chance.random() < 0.03:
            events.append({**event, "id": f"bad{number}", "amount": "ten"})
    return events


def answers(decisions) -> pa.Table:
    """Decisions as a table, with what time brought about as a column of its own."""
    elapsed = [[] for _ in range(len(decisions))]
    for at in range(len(decisions.patterns.matches) if decisions.patterns is not None else 0):
        match = match_at(decisions.patterns.plan, decisions.patterns.matches, at)
        if match.kind != "event":
            elapsed[int(decisions.patterns.matches.row[at])].append(str(match))
    table = decisions.to_arrow().replace_schema_metadata(None)
    return table.append_column("elapsed", pa.array(elapsed, pa.list_(pa.string())))


def whole(events) -> pa.Table:
    return answers(Engine(POLICY).decide_many(events))


def in_parts(events, cuts) -> pa.Table:
    engine = Engine(POLICY)
    edges = [0, *sorted(cuts), len(events)]
    parts = [answers(engine.decide_many(events[a:b])) for a, b in pairwise(edges) if b > a]
    return pa.concat_tables(parts)


def bits(table: pa.Table) -> dict[str, list[object]]:
    """Values with floats as their bytes, so that equal means identical."""
    columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        values = column.to_pylist()
        columns[name] = [np.float64(v).tobytes() if isinstance(v, float) else v for v in values]
    return columns


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.integers(0, 120), max_size=6))
def test_any_split_into_batches_gives_the_same_bytes(seed, cuts):
    events = stream(seed, 100)
    assert bits(in_parts(events, [cut for cut in cuts if cut < len(events)])) == bits(whole(events))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000))
def test_one_by_one_gives_what_a_batch_gives(seed):
    events = stream(seed, 80)
    table = whole(events)
    engine = Engine(POLICY)
    singles = []
    for event in events:
        with suppress(EventError):  # a DuplicateError is one
            singles.append(engine.decide(event))
    assert [one.event_id for one in singles] == table["event_id"].to_pylist()
    assert [one.action for one in singles] == table["action"].to_pylist()
    assert [np.float64(one.score).tobytes() for one in singles] == bits(table)["score"]
    assert [one.rules for one in singles] == table["rules"].to_pylist()
    assert [sorted({match.pattern for match in one.patterns}) for one in singles] == [
        sorted(names) for names in table["patterns"].to_pylist()
    ]
    assert [[str(match) for match in one.elapsed] for one in singles] == table["elapsed"].to_pylist()
    for name in POLICY.document.section("features").value:
        if name == "last_country" or table[name].type not in (pa.float64(),):
            assert [one.features[name] for one in singles] == table[name].to_pylist(), name
        else:
            single = [
                None if one.features[name] is None else np.float64(one.features[name]).tobytes()
                for one in singles
            ]
            assert single == bits(table)[name], name


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 90))
def test_an_engine_goes_on_from_a_snapshot_as_if_nothing_happened(seed, cut):
    events = stream(seed, 90)
    engine = Engine(POLICY)
    before = answers(engine.decide_many(events[:cut])) if cut else None
    data = engine.snapshot().to_bytes()
    again = Engine.restore(POLICY, Snapshot.from_bytes(data))
    after = answers(again.decide_many(events[cut:]))
    parts = [after] if before is None else [before, after]
    assert bits(pa.concat_tables(parts)) == bits(whole(events))


def test_a_table_gives_what_records_give():
    events = stream(5, 300)
    table = pa.Table.from_pylist(events)
    assert bits(answers(Engine(POLICY).decide_many(table))) == bits(whole(events))


def test_a_repeated_id_has_its_first_answer_and_changes_nothing():
    events = [event for event in stream(9, 60) if not str(event["id"]).startswith("bad")]
    ids = [event["id"] for event in events]
    once = [event for position, event in enumerate(events) if ids.index(event["id"]) == position]
    twice = [event for event in once for _ in range(2)]
    decisions = Engine(POLICY).decide_many(twice)
    assert decisions.duplicate.tolist() == [False, True] * len(once)
    assert bits(answers(decisions.without_repeats())) == bits(whole(once))
    assert decisions.score[::2].tolist() == decisions.score[1::2].tolist()


def test_the_same_id_with_other_content_names_what_differs():
    engine = Engine(POLICY)
    event = stream(1, 1)[0] | {"amount": "10.00", "kind": "payment"}
    engine.decide(event)
    with pytest.raises(DuplicateError, match="amount") as caught:
        engine.decide(event | {"amount": "11.00"})
    assert caught.value.difference == {"amount": ("10.00", "11.00")}
    assert engine.decide(event).duplicate


def test_an_id_is_forgotten_after_the_policys_period():
    engine = Engine(POLICY)
    event = stream(1, 1)[0] | {"amount": "10.00", "kind": "payment"}
    engine.decide(event)
    engine.decide(event | {"id": "later", "at": event["at"] + 2 * 3_600_000 + 1})
    assert not engine.decide(event).duplicate
