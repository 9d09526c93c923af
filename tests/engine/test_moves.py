"""A key that moves to another engine goes on there bit for bit."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskweave import Engine, EventError, Snapshot, StateError
from riskweave.events.hashing import hash_pair, hash_text
from tests.engine.test_what_if import REORDERED, bits
from tests.parity.test_engine import stream

CARDS, DEVICES, SHOPS = ("c1", "c2", "c3"), ("d1", "d2", "d3"), ("s1", "s2")
KEYS = {
    "customer": [hash_text(each) for each in CARDS],
    "gadget": [hash_text(each) for each in DEVICES],
    "store": [hash_text(each) for each in SHOPS],
    "pair": [hash_pair(hash_text(card), hash_text(shop)) for card in CARDS for shop in SHOPS],
}


def unlabelled(seed, size):
    """Labels on their way do not move with a key."""
    return [{**event, "fraud": None} for event in stream(seed, size)]


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.integers(10, 70))
def test_keys_that_moved_one_by_one_go_on_bit_for_bit(seed, cut):
    events = unlabelled(seed, 110)
    here, there = Engine(REORDERED), Engine(REORDERED)
    for text in ("other", "texts", "first"):
        there.plan.pool.code(text)
    for event in events[:cut]:
        with suppress(EventError):
            here.decide(event)
    for role, keys in KEYS.items():
        for key in keys:
            moved = here.export_keys({role: [key]})
            there.import_keys(Snapshot.from_bytes(moved.to_bytes()))
    there.state.watermark_ms, there.state.events = here.state.watermark_ms, here.state.events
    there.state.memory = Engine.restore(REORDERED, here.snapshot()).state.memory
    for event in events[cut:]:
        try:
            expected = here.decide(event)
        except EventError:
            with pytest.raises(EventError):
                there.decide(event)
            continue
        found = there.decide(event)
        if expected.elapsed:
            # Deadlines of different keys that end together are told in the order they were set.
            assert sorted(map(str, found.elapsed)) == sorted(map(str, expected.elapsed))
            continue
        assert bits(found) == bits(expected)


def test_a_key_that_is_known_already_is_refused_and_nothing_has_changed():
    here, there = Engine(REORDERED), Engine(REORDERED)
    for event in unlabelled(3, 60):
        with suppress(EventError):
            here.decide(event)
            there.decide(event)
    moved = here.export_keys(KEYS)
    before = {name: array.tobytes() for name, array in there.snapshot().arrays.items()}
    with pytest.raises(StateError, match="already"):
        there.import_keys(moved)
    assert {name: array.tobytes() for name, array in there.snapshot().arrays.items()} == before
    assert len(here.export_keys({"customer": [hash_text("nobody")]}).room("features")["heap"])
