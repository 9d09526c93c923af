"""Small promises of the engine that were once broken."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskweave import Engine, Policy
from riskweave.events.hashing import hash_text
from tests.parity.test_engine import POLICY, VALUES, stream

LABELLED = Policy.from_dict(
    {
        "events": {
            "payment": {
                "id": "id",
                "time": "at",
                "fields": {
                    "id": "string",
                    "at": {"type": "time", "unit": "ms"},
                    "who": "string",
                    "fraud": "label",
                },
            }
        },
        "entities": {"customer": "who"},
        "features": {"frauds": 'customer.count("1d", where=fraud)'},
        "rules": [{"id": "some", "when": "frauds > 0", "risk": 0.5}],
    }
)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=12),
    st.lists(st.integers(0, 12), max_size=4),
)
def test_a_label_with_its_events_own_time_is_known_to_the_next_event(gaps, cuts):
    times = np.cumsum([gap for gap, _ in gaps]).tolist()
    events = [{"id": f"e{at}", "at": 10**12 + time, "who": "ann"} for at, time in enumerate(times)]
    bad = [at for at, (_, fraud) in enumerate(gaps) if fraud]
    engine = Engine(LABELLED)
    hashes = np.array([hash_text(f"e{at}") for at in bad], np.uint64)
    due = np.array([10**12 + times[at] for at in bad], np.int64)
    engine.learn_many("fraud", hashes, np.ones(len(bad)), due)
    edges = sorted({0, len(events), *(cut for cut in cuts if cut < len(events))})
    found = [
        value
        for first, last in pairwise(edges)
        for value in engine.decide_many(events[first:last]).feature("frauds").tolist()
    ]
    assert found == [sum(each < at for each in bad) for at in range(len(events))]
    engine.decide({"id": "last", "at": 10**12 + times[-1] + 1, "who": "ann"})
    assert len(engine.state.labels) == 0


def test_decisions_of_a_batch_name_the_list_entries_that_matched():
    engine, other = Engine(POLICY), Engine(POLICY)
    for each in (engine, other):
        each.add_to_list("bad_devices", "d1", by="ann", why="stolen")
    events = [each for each in stream(4, 60) if str(each["amount"]) != "ten" and each["id"] != "bad"]
    seen: set[object] = set()
    events = [each for each in events if not (each["id"] in seen or seen.add(each["id"]))]
    decisions = engine.decide_many([*events, events[-1]])
    singles = [other.decide(event) for event in events]
    assert any(single.lists for single in singles)
    for at, single in enumerate([*singles, singles[-1]]):
        assert engine.answers.at(decisions, at).lists == single.lists
    told = decisions.to_arrow()["lists"].to_pylist()
    assert told[: len(singles)] == [
        [{"list": each.list, "operand": each.operand, "value": each.value} for each in single.lists]
        for single in singles
    ]
    # The first answer of an event decided in a batch names them too.
    again = engine.decide(events[-1])
    assert again.duplicate
    assert again.lists == singles[-1].lists


def test_policies_that_take_turns_leave_no_scratch_behind():
    small = Policy.from_dict(
        {
            **VALUES,
            "features": {"paid_1h": 'customer.sum(amount, "1h")'},
            "rules": [],
            "patterns": {},
            "tables": {},
        }
    )
    engine = Engine(POLICY)
    engine.decide_many(stream(5, 200))
    sizes = []
    for _ in range(6):
        engine.replace_policy(small)
        engine.replace_policy(POLICY)
        features = engine.describe()["features"]
        sizes.append(features["bytes"] - features["free_bytes"])  # type: ignore[index, operator]
    assert sizes[1:] == [sizes[1]] * 5
    for _ in range(6):
        engine.replace_policy(Policy.from_dict({**VALUES, "constants": {"near": ["FR"], "big": 50}}))
        engine.replace_policy(POLICY)
    features = engine.describe()["features"]
    assert features["bytes"] - features["free_bytes"] == sizes[1]  # type: ignore[index, operator]


@pytest.mark.parametrize("seed", [1, 2])
def test_partial_matches_are_counted_without_the_state_in_which_nothing_has_begun(seed):
    engine = Engine(POLICY)
    engine.decide_many(stream(seed, 80))
    keys = {"customer": ("c1", "c2", "c3"), "gadget": ("d1", "d2", "d3")}
    found = sum(len(engine.partial_matches(role, key)) for role, each in keys.items() for key in each)
    assert engine.describe()["patterns"]["partial_matches"] == found  # type: ignore[index]
