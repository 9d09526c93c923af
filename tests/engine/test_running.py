"""An engine that runs on: labels, lists and attributes change, policies are replaced."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskweave import Engine, EventError, Policy, PolicyError
from tests.parity.test_engine import POLICY as RICH
from tests.parity.test_engine import answers, bits, stream

EVENTS = {
    "payment": {
        "id": "id",
        "time": "at",
        "fields": {
            "id": "string",
            "at": "time",
            "who": "string",
            "shop": "string",
            "amount": "money",
            "fraud": "label",
        },
    }
}
ENTITIES = {"customer": "who", "store": "shop"}


def policy(**parts: object) -> Policy:
    return Policy.from_dict({"events": EVENTS, "entities": ENTITIES, **parts})


def pay(
    number: int, minute: int, who: str = "ann", shop: str = "s", amount: str = "10.00"
) -> dict[str, object]:
    at = f"2026-01-01T{10 + minute // 60:02d}:{minute % 60:02d}:00Z"
    return {"id": f"p{number}", "at": at, "who": who, "shop": shop, "amount": amount}


def test_a_label_counts_from_the_next_event_and_can_be_taken_back():
    engine = Engine(policy(features={"rate": 'store.rate(fraud, "1d")'}))
    assert engine.decide(pay(1, 0)).features["rate"] == 0
    engine.learn({"event_id": "p1", "value": True})
    assert engine.decide(pay(2, 1)).features["rate"] == 0.5
    engine.learn({"event_id": "p1", "value": None})
    assert engine.decide(pay(3, 2)).features["rate"] == 0


def test_a_label_with_a_time_waits_for_it():
    engine = Engine(policy(features={"frauds": 'store.count("1d", where=fraud)'}))
    engine.decide(pay(1, 0))
    engine.learn({"event_id": "p1", "time": "2026-01-01T10:30:00Z"})
    assert engine.decide(pay(2, 29)).features["frauds"] == 0
    assert engine.decide(pay(3, 30)).features["frauds"] == 1


@pytest.mark.parametrize(
    ("label", "field"),
    [
        ({"value": True}, "event_id"),
        ({"event_id": "p1", "value": "maybe"}, "value"),
        ({"event_id": "p1", "label": "x"}, "label"),
    ],
)
def test_a_bad_label_is_named(label, field):
    engine = Engine(policy())
    with pytest.raises(EventError) as caught:
        engine.learn(label)
    assert caught.value.field == field


def test_a_list_changes_while_running_and_says_what_matched():
    engine = Engine(
        policy(lists={"blocked": ["eve"]}, rules=[{"id": "b", "when": "who in blocked", "risk": 1.0}])
    )
    assert engine.decide(pay(1, 0, "ann")).action == "PASS"
    engine.add_to_list("blocked", "ann", by="risk", why="proven")
    found = engine.decide(pay(2, 1, "ann"))
    assert (found.action, found.lists[0].value, found.lists[0].by, found.lists[0].why) == (
        "BLOCK",
        "ann",
        "risk",
        "proven",
    )
    engine.remove_from_list("blocked", "ann")
    assert engine.decide(pay(3, 2, "ann")).action == "PASS"
    assert engine.decide(pay(4, 2, "eve")).action == "BLOCK"


def test_an_attribute_counts_from_its_update_on():
    entities = {**ENTITIES, "customer": {"key": "who", "attributes": {"columns": {"age": "int"}}}}
    engine = Engine(
        Policy.from_dict({"events": EVENTS, "entities": entities, "features": {"age": "customer.age"}})
    )
    engine.decide(pay(1, 0))
    engine.update_attributes("customer", "ann", {"age": 17})
    assert engine.decide(pay(2, 1)).features["age"] == 17
    assert engine.decide(pay(3, 1, "bob")).features["age"] is None
    late = Engine.restore(engine.policy, engine.snapshot())
    assert late.decide(pay(4, 2)).features["age"] == 17


OLD = {"paid": 'customer.sum(amount, "1d")'}
NEW = {**OLD, "shops": 'customer.distinct(shop, "1d")', "store_paid": 'store.sum(amount, "1d")'}


@settings(max_examples=20)
@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from("abc"), st.sampled_from("st")), min_size=1, max_size=40
    ),
    st.integers(0, 40),
)
def test_a_new_feature_starts_with_its_history(steps, cut):
    minute, events = 0, []
    for number, (gap, who, shop) in enumerate(steps):
        minute += gap
        events.append(pay(number, minute, who, shop, f"{number}.50"))
    engine = Engine(policy(features=OLD))
    engine.decide_many(events[:cut])
    engine.replace_policy(policy(features=NEW), [events[:cut]])
    always = Engine(policy(features=NEW))
    always.decide_many(events[:cut])
    assert bits(answers(engine.decide_many(events[cut:]))) == bits(answers(always.decide_many(events[cut:])))


@settings(max_examples=8)
@given(st.integers(0, 1_000), st.integers(1, 70))
def test_replacing_a_policy_by_itself_changes_nothing(seed, cut):
    events = stream(seed, 80)
    engine, still = Engine(RICH), Engine(RICH)
    for one in (engine, still):
        one.decide_many(events[:cut])
    engine.replace_policy(RICH)
    assert bits(answers(engine.decide_many(events[cut:]))) == bits(answers(still.decide_many(events[cut:])))


def test_without_history_what_was_kept_goes_on_and_what_is_new_is_empty():
    engine = Engine(policy(features=OLD))
    engine.decide(pay(1, 0))
    engine.replace_policy(policy(features={**OLD, "store_paid": 'store.sum(amount, "1d")'}))
    decision = engine.decide(pay(2, 1))
    assert decision.features == {"paid": 20.0, "store_paid": 10.0}


def test_a_wrong_policy_changes_nothing():
    engine = Engine(policy(features=OLD))
    engine.decide(pay(1, 0))
    with pytest.raises(PolicyError):
        engine.replace_policy(policy(features={"paid": 'customer.sum(amout, "1d")'}))
    assert engine.decide(pay(2, 1)).features == {"paid": 20.0}


def test_a_repeated_id_has_its_first_answer_under_a_new_policy_too():
    engine = Engine(policy(features=OLD))
    first = engine.decide(pay(1, 0))
    engine.replace_policy(policy(features=NEW))
    assert engine.decide(pay(1, 0)).score == first.score
    again = engine.decide_many([pay(1, 0), pay(2, 1)])
    assert again.duplicate.tolist() == [True, False]
    assert np.isnan(again.feature("shops")[0])


def test_labels_reach_history_replayed_into_a_new_policy():
    engine = Engine(policy(features=OLD))
    events = [pay(1, 0), pay(2, 1)]
    engine.decide_many(events)
    labels = [{"event_id": "p1", "value": True, "time": "2026-01-01T10:01:00Z"}]
    engine.replace_policy(policy(features={"rate": 'store.rate(fraud, "1d")'}), [events], labels)
    assert engine.decide(pay(3, 2)).features["rate"] == pytest.approx(1 / 3)


def test_every_part_of_the_state_is_described():
    engine = Engine(policy(features=NEW))
    engine.decide_many([pay(number, number, "abc"[number % 3]) for number in range(50)])
    told = engine.describe()
    assert told["events"] == 50
    assert told["features"]["entities"]["customer"]["keys"] == 3
    assert told["features"]["bytes"] > 0
