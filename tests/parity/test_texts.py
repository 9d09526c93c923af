"""Dropping texts that nobody uses any more changes nothing: not whether, not when, not how often."""

from contextlib import suppress

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskweave import Engine, EventError, Policy, Snapshot
from tests.parity.test_engine import VALUES, answers, bits, stream

FEATURES = {
    "last_device": "customer.last(device)",
    "last_short": 'customer.last(lower(device), "2h")',
    "usual_device": 'customer.mode(device, "6h")',
    "shouted": 'customer.distinct(upper(device), "6h")',
    "variety": 'customer.entropy(lower(device), "1d")',
    "usual_segment": 'store.mode(customer.segment, "1d")',
    "segment": "customer.segment",
    "seen_card": 'gadget.last(card, "3h", before=True)',
    "same_device": "device == last_device",
    "is_known": 'device in ["d-1", "d-2", "d-3"]',
}
WORLD: dict[str, object] = VALUES | {
    "entities": {
        "customer": {"key": "card", "attributes": {"columns": {"segment": "string", "age": "int"}}},
        "gadget": "device",
        "store": "shop",
        "pair": {"key": ["card", "shop"]},
    },
    "lists": {"bad_devices": ["d-3", "d-7"], "rooted": {"kind": "prefix", "values": ["d-1", "r-"]}},
    "features": VALUES["features"] | FEATURES,
    "rules": [
        *VALUES["rules"],
        {"id": "rooted", "when": "lower(device) in rooted or contains(device, '9')", "risk": 0.2},
    ],
}
POLICY = Policy.from_dict(WORLD)
PATIENT = Policy.from_dict(WORLD | {"policy": VALUES["policy"] | {"dedupe": "90d"}})


def world(seed, size):
    """The stream of the other parity tests, with devices that keep coming and are gone for ever."""
    events = stream(seed, size)
    for number, event in enumerate(events):
        if event["device"] is not None:
            event["device"] = f"D-{(number * 7 + seed) % (number + 3)}"
    # What comes twice has to come twice alike.
    first = {}
    return [first.setdefault((event["id"], event["amount"]), event) for event in events]


def cramped(engine):
    """Have the engine look for unused texts before every batch."""
    engine.plan.pool.limit = 0
    engine.plan.pool.until = 0
    return engine


def carried(engine, events, size, tight):
    parts = []
    for first in range(0, len(events), size):
        if first and first % (5 * size) == 0:
            engine.update_attributes("customer", "c1", {"segment": f"s{first % 3}"})
            engine.add_to_list("bad_devices", f"D-{first % 20}", expires_ms=2**52)
        if tight:
            cramped(engine)
        parts.append(answers(engine.decide_many(events[first : first + size])))
    return parts


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 30))
def test_in_batches_of_any_size(seed, size):
    events = world(seed, 90)
    tight = carried(Engine(POLICY), events, size, True)
    roomy = carried(Engine(POLICY), events, size, False)
    assert bits(pa.concat_tables(tight)) == bits(pa.concat_tables(roomy))


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000))
def test_one_by_one(seed):
    events = world(seed, 60)
    table = answers(Engine(POLICY).decide_many(events))
    engine, singles = Engine(POLICY), []
    for event in events:
        with suppress(EventError):
            singles.append(cramped(engine).decide(event))
    for name in FEATURES:
        assert [one.features[name] for one in singles] == table[name].to_pylist(), name
    assert [one.rules for one in singles] == table["rules"].to_pylist()


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 80))
def test_around_snapshots_and_a_policy_replaced(seed, cut):
    events = world(seed, 90)
    results = []
    for tight in (True, False):
        engine = Engine(POLICY)
        parts = carried(engine, events[:cut], 10, tight)
        again = Engine.restore(POLICY, Snapshot.from_bytes(engine.snapshot().to_bytes()))
        if tight:
            cramped(again)
        again.replace_policy(POLICY, [events[:cut]])
        again.update_attributes("customer", "c2", {"segment": "gold"})
        parts += carried(again, events[cut:], 10, tight)
        results.append(bits(pa.concat_tables(parts)))
    assert results[0] == results[1]


def test_a_new_policys_features_start_with_their_history_in_the_tightest_pool():
    events = world(3, 120)
    plain = Policy.from_dict(VALUES)
    results = []
    for tight in (True, False):
        engine = Engine(plain)
        engine.decide_many(events[:80])
        if tight:
            cramped(engine)
        engine.block_rows = 16
        engine.replace_policy(POLICY, [events[:80]])
        results.append(bits(pa.concat_tables(carried(engine, events[80:], 7, tight))))
    assert results[0] == results[1]


def test_decisions_keep_their_texts_whatever_is_dropped_later():
    events = world(4, 100)
    engine = Engine(PATIENT)
    first = engine.decide_many(events[:50])
    told = first.to_arrow().to_pylist()
    for start in range(50, 100, 5):
        cramped(engine).decide_many(events[start : start + 5])
    assert first.to_arrow().to_pylist() == told
    again = cramped(engine).decide_many(events[45:50])
    known = {row["event_id"]: row for row in told}
    assert len(again)
    assert all(row == known[row["event_id"]] for row in again.to_arrow().to_pylist())


def test_blocks_between_which_texts_were_dropped_join():
    events = world(5, 200)
    whole = answers(Engine(POLICY).decide_many(events))
    engine = cramped(Engine(POLICY))
    engine.block_rows = 9
    assert bits(answers(engine.decide_many(events))) == bits(whole)


@pytest.mark.parametrize("restored", [False, True])
def test_a_pool_holds_what_is_in_use_and_little_more(restored):
    engine = Engine(POLICY)
    engine.plan.pool.limit = engine.plan.pool.until = 200
    at = 1_767_225_600_000
    for number in range(4_000):
        event = {"id": f"{number}", "at": at + number * 600_000, "kind": "payment", "card": f"c{number % 3}"}
        engine.decide(event | {"device": f"device number {number}", "shop": "s1", "country": "FR"})
        if restored and number % 1_000 == 999:
            engine = Engine.restore(POLICY, engine.snapshot())
            engine.plan.pool.limit = engine.plan.pool.until = 200
        if number % 1_000 == 500:
            engine.replace_policy(POLICY)
    # A day of history holds 144 events, each with its device in two spellings.
    assert len(engine.plan.pool) < 2_000
    assert engine.describe()["texts"]["count"] < 2_000


def test_long_texts_count_as_several():
    engine = Engine(POLICY)
    engine.plan.pool.limit = engine.plan.pool.until = 1_000
    at = 1_767_225_600_000
    for number in range(200):
        event = {"id": f"{number}", "at": at + number * 86_400_000, "kind": "payment", "card": "c1"}
        engine.decide(event | {"device": f"{number}" + 20_000 * "x"})
    assert sum(map(len, engine.plan.pool.texts)) < 2_000_000
