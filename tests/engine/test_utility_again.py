"""Deciding by utility: what-if equals a copy of the engine, and a record is decided again bit for bit."""

from contextlib import suppress

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskweave import Engine, EventError, Policy, Snapshot
from riskweave.engine.record import Record
from riskweave.engine.redecide import Redecider
from tests.decision.world import policy, stream

POLICY = Policy.from_dict(policy())
CHANGES = [{}, {"amount": "3000.00"}, {"amount": "12.00"}, {"card": "c2"}, {"card": None}, {"score": 0.95}]


@pytest.fixture(scope="module")
def redecider():
    return Redecider(POLICY)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60))
def test_what_if_knows_the_last_action_of_a_key_and_leaves_it(seed, size):
    engine = Engine(POLICY)
    events = stream(seed, size)
    for event in events:
        with suppress(EventError):
            engine.decide(event)
    event = {**events[-1], "id": "new", "at": events[-1]["at"] + 60_000}
    data = engine.snapshot().to_bytes()
    scratch = engine.scratch(event, CHANGES)
    engine.decide({**event, "id": "between", "amount": "900.00"})
    for change in [*CHANGES, *CHANGES]:
        varied = {name: value for name, value in {**event, **change}.items() if value is not None}
        expected = Engine.restore(POLICY, Snapshot.from_bytes(data)).decide(varied)
        found = scratch.decide(change)
        assert str(found) == str(expected)


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_decision_by_utility_is_decided_again_with_all_its_reasons(redecider, seed):
    engine = Engine(POLICY)
    for event in stream(seed, 60):
        with suppress(EventError):
            decision = engine.decide(event)
            if decision.duplicate:
                continue
            record = Record.from_json(engine.record(decision).to_json())
            again = redecider.redecide(record)
            assert again.same, again.differences
            assert str(again.outcome) == str(decision.outcome)
            assert engine.recorder.expand(engine.lean_record(decision)).to_json() == record.to_json()


def test_a_changed_outcome_is_named(redecider):
    engine = Engine(POLICY)
    record = engine.record(engine.decide({**stream(3, 1)[0], "amount": "640.00"}))
    assert record.outcome is not None
    outcome = record.outcome
    assert outcome.probability is not None
    changed = type(outcome)(**{**_fields(outcome), "probability": outcome.probability / 2})
    again = redecider.redecide(msgspec.structs.replace(record, outcome=changed).sealed())
    assert again.first is not None
    assert (again.first.room, again.first.column) == ("decision", "outcome.probability")


def _fields(outcome):
    return {name: getattr(outcome, name) for name in outcome.__slots__}
