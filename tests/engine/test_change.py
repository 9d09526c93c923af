"""A policy replaced while running: nothing that was said to the engine is forgotten."""

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from riskweave import Engine, Policy
from tests.engine.test_running import ENTITIES, EVENTS, OLD, pay, policy
from tests.parity.test_engine import answers, bits

KNOWN = {"customer": {"key": "who", "attributes": {"columns": {"age": "int", "home": "string"}}}}


def test_what_was_told_of_lists_and_attributes_goes_on():
    parts = {
        "entities": ENTITIES | KNOWN,
        "lists": {"blocked": ["eve"]},
        "rules": [{"id": "b", "when": "who in blocked", "risk": 1.0}],
    }
    engine = Engine(policy(**parts, features={"age": "customer.age"}))
    engine.decide(pay(1, 0))
    engine.add_to_list("blocked", "ann")
    engine.remove_from_list("blocked", "eve")
    engine.update_attributes("customer", "ann", {"age": 30, "home": "Oslo"})
    engine.replace_policy(policy(**parts, features={"age": "customer.age", "home": "customer.home"}))
    found = engine.decide(pay(2, 1))
    assert (found.rules, found.features) == (["b"], {"age": 30, "home": "Oslo"})
    assert engine.decide(pay(3, 1, "eve")).rules == []
    again = Engine.restore(engine.policy, engine.snapshot())
    assert again.decide(pay(4, 2)).features == {"age": 30, "home": "Oslo"}


def test_ids_are_remembered_for_the_new_policys_period():
    engine = Engine(policy(policy={"dedupe": "1h"}))
    engine.decide(pay(1, 0))
    engine.replace_policy(policy(policy={"dedupe": "1m"}))
    engine.decide(pay(2, 30))
    assert not engine.decide(pay(1, 0)).duplicate


def with_label(delay: str) -> dict[str, object]:
    fields = EVENTS["payment"]["fields"] | {"fraud": {"type": "label", "delay": delay}}
    return {"payment": EVENTS["payment"] | {"fields": fields}}


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from("st"), st.sampled_from([None, True, True, False])),
        min_size=12,
        max_size=30,
    ),
    st.integers(1, 11),
    st.sampled_from(["0s", "3m", "10m"]),
)
def test_a_label_field_that_is_new_counts_with_its_delay_over_the_history(steps, cut, delay):
    minute, events = 0, []
    for number, (gap, shop, fraud) in enumerate(steps):
        minute += gap
        events.append(pay(number, minute, shop=shop) | {"fraud": fraud})
    unlabelled = {"payment": EVENTS["payment"] | {"fields": dict(EVENTS["payment"]["fields"])}}
    del unlabelled["payment"]["fields"]["fraud"]
    old = Policy.from_dict({"events": unlabelled, "entities": ENTITIES, "features": OLD})
    new = Policy.from_dict(
        {
            "events": with_label(delay),
            "entities": ENTITIES,
            "features": OLD | {"frauds": 'store.count("1d", where=fraud)'},
        }
    )
    engine, always = Engine(old), Engine(new)
    engine.decide_many(events[:cut])
    always.decide_many(events[:cut])
    engine.replace_policy(new, [pa.Table.from_pylist(events[:cut])])
    assert bits(answers(engine.decide_many(events[cut:]))) == bits(answers(always.decide_many(events[cut:])))


def test_a_restored_engine_counts_on():
    engine = Engine(policy(features=OLD))
    engine.decide_many([pay(number, number) for number in range(5)])
    again = Engine.restore(engine.policy, engine.snapshot())
    assert again.describe() == engine.describe()
    assert again.describe()["events"] == 5


def test_a_refused_repeat_is_named_by_its_place_in_what_was_given():
    engine = Engine(policy(features=OLD))
    engine.block_rows = 4
    events = [pay(number, number) for number in range(10)] + [pay(3, 3, amount="99.00")]
    found = engine.decide_many(events)
    assert [(each.place, each.row) for each in found.rejected] == [("row 11", 10)]
    assert len(found) == 10
