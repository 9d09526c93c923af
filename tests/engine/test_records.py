"""Decision records: whole, the same in every form, and decided again bit for bit."""

import copy
from contextlib import suppress

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskweave import Engine, EventError, Policy, RiskweaveError, StateError
from riskweave.engine.record import Record
from riskweave.engine.redecide import Redecider, redecide
from riskweave.replay.records import RecordsFile, find_record
from tests.parity.test_engine import POLICY, VALUES, stream

REDECIDER = Redecider(POLICY)


def recorded(policy, events):
    """The record of every event that is decided."""
    engine, records = Engine(policy), []
    for event in events:
        with suppress(EventError):
            decision = engine.decide(event)
            if not decision.duplicate:
                records.append(engine.record(decision))
    return engine, records


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000))
def test_every_decision_is_decided_again_bit_for_bit(seed):
    for record in recorded(POLICY, stream(seed, 80))[1]:
        again = REDECIDER.redecide(Record.from_json(record.to_json()))
        assert again.same, (again.first, again.missing)
        assert (again.action, again.score, list(again.rules)) == (record.action, record.score, record.rules)


def test_a_record_is_the_same_in_every_form():
    engine = Engine(POLICY)
    for event in stream(7, 120):
        with suppress(EventError):
            decision = engine.decide(event)
            if decision.duplicate:
                continue
            record = engine.record(decision)
            assert record.intact
            assert Record.from_bytes(record.to_bytes()) == record
            assert Record.from_json(record.to_json()) == record
            assert engine.recorder.expand(engine.lean_record(decision)) == record
            assert record.features == {
                name: value if not isinstance(value, float) or value == value else None
                for name, value in decision.features.items()
            }


def test_a_record_is_asked_for_before_the_next_event():
    engine = Engine(POLICY)
    first, second = [each for each in stream(1, 9) if each["kind"] == "payment"][:2]
    decision = engine.decide({**first, "amount": "1.00"})
    engine.decide({**second, "amount": "1.00", "id": "second"})
    with pytest.raises(StateError, match="before the next event"):
        engine.record(decision)


def test_damaged_and_foreign_records_are_refused():
    engine, records = recorded(POLICY, stream(2, 20))
    with pytest.raises(StateError, match="no decision record"):
        Record.from_json(b'{"schema": 1}')
    with pytest.raises(StateError, match="no decision record"):
        Record.from_bytes(records[0].to_bytes()[:-9])
    with pytest.raises(StateError, match="schema 9"):
        Record.from_json(msgspec.structs.replace(records[0], schema=9).to_json())
    lean = engine.lean_record(engine.decide({**stream(2, 1)[0], "id": "last", "amount": "1.00"}))
    with pytest.raises(StateError, match="damaged"):
        engine.recorder.expand(lean[:-1] + bytes([lean[-1] ^ 1]))
    other = Engine(Policy.from_dict({**VALUES, "constants": {"near": ["FR"], "big": 50}}))
    with pytest.raises(StateError, match="another policy"):
        other.recorder.expand(lean)


def test_records_of_a_batch_are_those_of_its_events_one_by_one(tmp_path):
    events = stream(11, 150)
    singles = recorded(POLICY, events)[1]
    engine = Engine(POLICY)
    with RecordsFile(tmp_path / "records.parquet") as file:
        engine.keep_records = file.write
        engine.decide_many(pa.Table.from_pylist(events))
    for single in singles[::7]:
        found = find_record(tmp_path / "records.parquet", str(single.event_id))
        # A table gives a value to every column: None where the record said nothing.
        assert {name: found.event.get(name) for name in single.event} == single.event
        assert (
            msgspec.structs.replace(found, event=single.event, incomplete=single.incomplete).sealed()
            == single
        )
        assert redecide(POLICY, found).same
    with pytest.raises(RiskweaveError, match="no record of event `none`"):
        find_record(tmp_path / "records.parquet", "none")
    with pytest.raises(RiskweaveError, match="no file"):
        find_record(tmp_path / "nothing.parquet", "none")


# ---- tampering: the first step that differs is named


@pytest.fixture(scope="module")
def one():
    records = recorded(POLICY, stream(3, 200))[1]
    return next(each for each in reversed(records) if each.rules and each.columns["amount"] is not None)


def other_value(value):
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return value + "x"
    return 1.5 if value is None else value + 1.5


def test_a_changed_value_breaks_the_seal(one):
    columns = {**one.columns, "amount": 7.0}
    again = REDECIDER.redecide(msgspec.structs.replace(one, columns=columns))
    assert not again.intact
    assert again.first is not None
    assert again.first.room == "record"


def test_a_changed_value_is_named_where_it_is_first_computed(one):
    """What can be computed again is named itself; what cannot, by the first step that reads it."""
    for column in REDECIDER.columns:
        if column.definition:
            continue
        value = one.columns[column.name]
        changed = {**one.columns, column.name: other_value(value)}
        again = REDECIDER.redecide(msgspec.structs.replace(one, columns=changed).sealed())
        assert again.first is not None, column.name
        assert (again.first.room, again.first.column) == (column.room, column.name)
        assert again.first.now == value


def test_a_changed_feature_is_named_because_it_was_told(one):
    rooms = {column.name: column.room for column in REDECIDER.columns}
    for name, row in REDECIDER.recorder.outputs:
        column = REDECIDER.recorder.names[row]
        if rooms[column] != "features":
            continue
        changed = {**one.columns, column: other_value(one.columns[column])}
        again = REDECIDER.redecide(msgspec.structs.replace(one, columns=changed).sealed())
        assert again.first is not None
        assert (again.first.room, again.first.column) == ("features", name)


@pytest.mark.parametrize(
    ("field", "value", "room", "column"),
    [("score", 0.123, "decision", "score"), ("action", "MFA", "decision", "action")],
)
def test_a_changed_decision_is_named(one, field, value, room, column):
    again = REDECIDER.redecide(msgspec.structs.replace(one, **{field: value}).sealed())
    assert again.first is not None
    assert (again.first.room, again.first.column) == (room, column)


def test_a_changed_event_is_named_by_its_field(one):
    event = {**one.event, "amount": "5.55"}
    again = REDECIDER.redecide(msgspec.structs.replace(one, event=event).sealed())
    assert again.first is not None
    assert (again.first.room, again.first.column) == ("events", "amount")


# ---- another policy


def mutated(change):
    values = copy.deepcopy(VALUES)
    change(values)
    return Policy.from_dict(values)


def test_a_changed_rule_is_named_by_its_id(one):
    hit = one.rules[-1]
    number = next(at for at, rule in enumerate(VALUES["rules"]) if rule["id"] == hit)  # type: ignore[index, arg-type]

    def never(values):
        values["rules"][number]["when"] = "amount > 1000000 and amount < 1000001"

    again = redecide(mutated(never), one)
    assert not again.same_policy
    assert any(each.room == "rules" and each.column == hit for each in again.differences)
    assert hit not in again.rules


def test_another_policy_says_what_the_record_does_not_have(one):
    def more(values):
        values["features"]["paid_5h"] = 'customer.sum(amount, "5h")'
        values["features"]["renamed"] = values["features"].pop("spread")
        values["rules"].append({"id": "five", "when": "paid_5h > 1", "risk": 0.9})

    again = redecide(mutated(more), one)
    assert len(again.missing) == 1
    assert "18000000" in again.missing[0]
    assert again.action == one.action


def test_a_list_that_has_changed_is_looked_up_anew(one):
    def listed(values):
        values["lists"]["bad_devices"] = ["d1", "d2", "d3", "d7"]

    again = redecide(mutated(listed), one)
    assert again.looked_up == ("device in bad_devices",)
    assert ("listed" in again.rules) == (one.columns["device"] is not None)
