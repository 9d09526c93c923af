"""Deciding by utility, with a network that learns or one that stands: the same bytes however it runs."""

from contextlib import suppress

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskweave import Engine, EventError, Policy, Snapshot
from riskweave.engine.record import Record
from riskweave.engine.redecide import Redecider
from riskweave.replay.records import find_record
from riskweave.replay.replay import replay
from tests.decision.world import labelled_stream, learning_policy
from tests.decision.world import policy as standing_policy

POLICIES = {
    "standing": Policy.from_dict(standing_policy()),
    "learning": Policy.from_dict(learning_policy()),
    "counting": Policy.from_dict(learning_policy({"missing": "available", "every": "45m", "events": 40})),
}
either = st.sampled_from(sorted(POLICIES))


def bits(decisions):
    """Everything that was decided, as bytes; the numbers of the decision room among them."""
    return [decisions.action.tobytes(), decisions.score.tobytes(), decisions.kept.values.T.tobytes()]


def in_batches(policy, events, sizes):
    engine, parts, at = Engine(policy), [], 0
    while at < len(events):
        size = sizes[len(parts) % len(sizes)]
        parts.append(engine.decide_many(events[at : at + size]))
        at += size
    return engine, [b"".join(each) for each in zip(*map(bits, parts), strict=True)]


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), either, st.lists(st.integers(1, 60), min_size=1, max_size=4))
def test_any_split_into_batches_gives_the_same_bytes(seed, name, sizes):
    events = labelled_stream(seed, 150)
    engine, expected = in_batches(POLICIES[name], events, [4096])
    other, found = in_batches(POLICIES[name], events, sizes)
    assert found == expected
    if name != "standing":
        learned = [each.state.decision.learning.snapshot() for each in (engine, other)]
        assert {key: array.tobytes() for key, array in learned[0].items()} == {
            key: array.tobytes() for key, array in learned[1].items()
        }


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("size", [1, 7, 4096])
def test_batches_of_one_of_seven_and_of_thousands(name, size):
    events = labelled_stream(11, 400)
    assert in_batches(POLICIES[name], events, [size])[1] == in_batches(POLICIES[name], events, [50])[1]


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000), either, st.integers(0, 120))
def test_one_by_one_and_across_a_restart(seed, name, cut):
    events = labelled_stream(seed, 120)
    policy = POLICIES[name]
    whole = Engine(policy)
    expected = whole.decide_many(events)
    engine, singles = Engine(policy), []
    for number, event in enumerate(events):
        if number == cut:
            engine = Engine.restore(policy, Snapshot.from_bytes(engine.snapshot().to_bytes()))
        with suppress(EventError):
            singles.append(engine.decide(event))
    assert b"".join(np.float64(each.score).tobytes() for each in singles) == expected.score.tobytes()
    assert b"".join(each.kept.tobytes() for each in singles) == expected.kept.values.T.tobytes()
    assert [each.outcome for each in singles] == [
        whole.answers.at(expected, k).outcome for k in range(len(expected))
    ]


@pytest.mark.parametrize("name", POLICIES)
def test_a_replay_decides_the_same_and_its_records_are_decided_again(name, tmp_path):
    events = labelled_stream(5, 150)
    policy, path = POLICIES[name], tmp_path / "events.parquet"
    pq.write_table(pa.Table.from_pylist(events), path)
    replay(Engine(policy), [path], out=tmp_path / "out.parquet", records=tmp_path / "records.parquet")
    expected = Engine(policy).decide_many(events).without_repeats()
    table = pq.read_table(tmp_path / "out.parquet")
    assert np.array(table["score"]).tobytes() == expected.score.tobytes()
    assert table["action"].to_pylist() == expected.to_arrow()["action"].to_pylist()
    redecider, versions = Redecider(policy), set()
    for event_id in ["e0", "e40", "e100", "e149"]:
        record = find_record(tmp_path / "records.parquet", event_id)
        again = redecider.redecide(record)
        assert again.same, (event_id, again.differences, again.missing)
        versions.add(record.outcome.network)
    assert len(versions) == (1 if name == "standing" else 4)


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10_000), name=either)
def test_a_variation_is_decided_as_a_copy_of_the_engine_would(seed, name):
    policy = POLICIES[name]
    engine = Engine(policy)
    events = labelled_stream(seed, 60)
    engine.decide_many(events)
    event = {**events[-1], "id": "new"}
    changes = [{}, {"amount": "3000.00"}, {"at": event["at"] + 9_000_000}, {"at": event["at"] - 9_000_000}]
    data = engine.snapshot().to_bytes()
    scratch = engine.scratch(event, changes)
    for change in [*changes, *changes]:
        expected = Engine.restore(policy, Snapshot.from_bytes(data)).decide({**event, **change})
        found = scratch.decide(change)
        assert (str(found), found.kept.tobytes()) == (str(expected), expected.kept.tobytes())
    assert engine.snapshot().to_bytes() == data
    engine.decide(event)
    assert scratch.decide(changes[2]).kept.tobytes() == expected_later(policy, data, event, changes[2])


def expected_later(policy, data, event, change):
    return Engine.restore(policy, Snapshot.from_bytes(data)).decide({**event, **change}).kept.tobytes()


def test_a_record_made_at_once_names_the_version_in_force():
    engine = Engine(POLICIES["learning"])
    redecider, versions = Redecider(POLICIES["learning"]), []
    for event in labelled_stream(8, 80):
        with suppress(EventError):
            decision = engine.decide(event)
            if decision.duplicate:
                continue
            record = Record.from_json(engine.record(decision).to_json())
            versions.append(record.outcome.network)
            assert versions[-1] == engine.state.decision.learning.version.network.version[:12]
            assert redecider.redecide(record).same
            assert engine.recorder.expand(engine.lean_record(decision)).to_json() == record.to_json()
    assert len(set(versions)) > 3
