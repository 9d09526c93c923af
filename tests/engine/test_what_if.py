"""What-if: what a copy of the engine would decide, and no trace of having been asked."""

from contextlib import suppress
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskweave import Engine, EventError, Policy, Snapshot, StateError
from tests.parity.test_engine import POLICY, VALUES, stream

REORDERED = Policy.from_dict(
    {
        **VALUES,
        "patterns": {
            **VALUES["patterns"],  # type: ignore[dict-item]
            "waits": {
                "key": "customer",
                "stages": [
                    {"begin": "one", "where": "amount > 20"},
                    {"followed_by": "two", "where": "amount < 20"},
                ],
                "within": "3h",
                "late": "reorder 10m",
                "risk": 0.3,
            },
            "endless": {
                "key": "gadget",
                "stages": [
                    {"begin": "first", "where": "country == 'FR'"},
                    {"followed_by": "other", "where": "country != first.last.country and amount > 1"},
                ],
                "risk": 0.1,
            },
        },
    }
)

CHANGES = [
    {},
    {"amount": "950.50"},
    {"device": "d3"},
    {"device": "never seen"},
    {"card": "c2", "country": "ZZ"},
    {"shop": "s1", "amount": None},
    {"kind": "login", "ok": False},
    {"later": 7_500_000},
    {"later": -3_000_000},
]


def fed(policy, seed, size):
    engine = Engine(policy)
    events = stream(seed, size)
    for event in events:
        with suppress(EventError):
            engine.decide(event)
    return engine, {**events[-1], "id": "new", "amount": "10.00"}


def changed(event, change):
    """A change as the engine takes it: `later` moves the event's time."""
    change = dict(change)
    if "later" in change:
        change["at"] = event["at"] + change.pop("later")
    return change


def oracle(policy, data, event, change):
    """What a copy of the engine decides of the changed event."""
    other = Engine.restore(policy, Snapshot.from_bytes(data))
    return other.decide({name: value for name, value in {**event, **change}.items() if value is not None})


def bits(decision):
    """A decision with floats as bytes."""
    return (
        decision,
        np.float64(decision.score).tobytes(),
        [np.float64(each).tobytes() for each in decision.features.values() if isinstance(each, float)],
    )


def contents(engine):
    snapshot = engine.snapshot()
    return snapshot.meta, {name: array.tobytes() for name, array in snapshot.arrays.items()}


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 90), st.sampled_from([POLICY, REORDERED]))
def test_what_if_is_what_a_copy_decides_and_leaves_no_trace(seed, size, policy):
    engine, event = fed(policy, seed, size)
    data, before, told = engine.snapshot().to_bytes(), contents(engine), engine.describe()
    texts, free = list(engine.plan.pool.texts), list(engine.plan.pool.free)
    for change in CHANGES:
        change = changed(event, change)
        assert bits(engine.what_if(event, change)) == bits(oracle(policy, data, event, change))
        assert contents(engine) == before
        assert (engine.plan.pool.texts, engine.plan.pool.free) == (texts, free)
    again = engine.describe()
    assert {name: told[name] for name in told if name not in ("lists", "texts")} == {
        name: again[name] for name in again if name not in ("lists", "texts")
    }
    assert bits(engine.decide(event)) == bits(oracle(policy, data, event, {}))


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 90), st.sampled_from([POLICY, REORDERED]))
def test_a_scratch_stays_as_it_was_whatever_the_engine_decides_later(seed, size, policy):
    engine, event = fed(policy, seed, size)
    data = engine.snapshot().to_bytes()
    changes = [changed(event, change) for change in CHANGES]
    scratch = engine.scratch(event, changes)
    for later in stream(seed + 1, 30):
        with suppress(EventError):
            engine.decide({**later, "id": f"later {later['id']}", "at": later["at"] + 100_000_000})
    chance = Random(seed)
    for change in chance.sample(changes * 2, 2 * len(changes)):
        expected = oracle(policy, data, event, change)
        assert bits(scratch.decide(change)) == bits(expected)
        assert scratch.act(change) == (expected.action, expected.score)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 90))
def test_right_after_the_event_itself_any_variation_may_be_asked(seed, size):
    engine, event = fed(POLICY, seed, size)
    data = engine.snapshot().to_bytes()
    scratch = engine.scratch(event)
    first = engine.decide(event)
    assert bits(scratch.decide()) == bits(first)
    for change in CHANGES:
        change = changed(event, change)
        # A label that arrived with the event may have changed other keys: then it says so.
        with suppress(StateError):
            assert bits(scratch.decide(change)) == bits(oracle(POLICY, data, event, change))


def test_a_variation_with_keys_that_went_on_is_refused():
    engine, event = fed(POLICY, 3, 60)
    event |= {"at": event["at"] + 10**9, "kind": "payment", "card": "c1", "device": "d1"}
    scratch = engine.scratch(event)
    engine.decide({**event, "id": "other", "device": "d1"})
    assert scratch.decide({"amount": "1.00"}).features["paid_1h"] is not None
    with pytest.raises(StateError, match="gone on"):
        scratch.decide({"device": "d2", "card": "c9"})
    engine.replace_policy(REORDERED)
    with pytest.raises(StateError, match="too old"):
        scratch.decide()


def test_what_cannot_be_read_is_an_error_and_leaves_no_trace():
    engine, event = fed(POLICY, 4, 40)
    before = contents(engine)
    with pytest.raises(EventError, match="amount"):
        engine.what_if(event, {"amount": "ten", "country": "Nowhere"})
    scratch = engine.scratch(event)
    with pytest.raises(EventError, match="amount"):
        scratch.decide({"amount": "ten", "country": "Nowhere"})
    assert contents(engine) == before
    assert scratch.decide().action == engine.what_if(event).action


def test_a_list_match_of_a_text_that_is_gone_again_is_forgotten():
    engine, event = fed(POLICY, 5, 30)
    event["at"] += 10**9
    engine.add_to_list("bad_devices", "d99", by="ann", why="seen")
    assert engine.what_if(event, {"device": "d99"}).lists[0].value == "d99"
    # The same code is now given to another text.
    assert engine.what_if(event, {"device": "d98"}).lists == ()
    assert engine.decide({**event, "device": "d97"}).lists == ()
