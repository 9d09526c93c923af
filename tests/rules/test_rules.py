"""Rules: hits equal the definition, whatever the conditions, the nulls and the batch split."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from riskweave.batch import ACTIONS
from tests.oracles.rules import as_text, counted_hits, outcome
from tests.rules.fake import Room

NUMBERS = st.sampled_from([-1.0, 0.0, 4.9, 5.0, 5.1, 100.0, 1e9])
AGES = st.sampled_from([17, 18, 19, 65])
TEXTS = st.sampled_from(["FR", "DE", "GB", "XX"])
BELOW = st.sampled_from(["<", "<="])
COMPARISON = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])

LEAVES = st.one_of(
    st.tuples(COMPARISON, st.sampled_from(["amount", "limit"]), NUMBERS),
    st.tuples(COMPARISON, st.just("age"), AGES),
    st.tuples(st.sampled_from(["==", "!="]), st.sampled_from(["country", "segment"]), TEXTS),
    st.tuples(st.just("in"), st.just("country"), st.lists(TEXTS, min_size=1, max_size=3).map(tuple)),
    st.tuples(st.just("in"), st.just("amount"), st.lists(NUMBERS, min_size=1, max_size=3).map(tuple)),
    st.tuples(st.just("null"), st.sampled_from(["amount", "country", "flag"])),
    st.tuples(st.just("flag"), st.sampled_from(["flag", "new_device"])),
    st.tuples(st.just("between"), NUMBERS, BELOW, st.just("amount"), BELOW, NUMBERS),
    st.tuples(st.just("<cols"), st.just("amount"), st.just("limit")),
)
CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(st.just("and"), inner, inner),
        st.tuples(st.just("or"), inner, inner),
        st.tuples(st.just("not"), inner),
    ),
    max_leaves=6,
)
EVENTS = st.lists(
    st.fixed_dictionaries(
        {
            "event_type": st.sampled_from(["payment", "login"]),
            "event_time": st.sampled_from([999, 1000, 1001, 2000]),
            "amount": st.none() | NUMBERS,
            "limit": st.none() | NUMBERS,
            "age": st.none() | AGES,
            "country": st.none() | TEXTS | st.just("new text"),
            "segment": st.none() | TEXTS,
            "flag": st.none() | st.booleans(),
            "new_device": st.none() | st.booleans(),
        }
    ),
    min_size=1,
    max_size=12,
)
RULES = st.lists(
    st.fixed_dictionaries(
        {
            "condition": CONDITIONS,
            "types": st.none() | st.just(["login"]) | st.just(["payment", "login"]),
            "start": st.none() | st.just(1000),
            "end": st.none() | st.just(2000),
            "group": st.none() | st.sampled_from(["g", "h"]),
            "priority": st.sampled_from([0, 1, 5]),
            "risk": st.sampled_from([0.0, 0.25, 0.5, 1.0]),
            "floor": st.none() | st.sampled_from(range(4)),
            "ceiling": st.none() | st.sampled_from(range(4)),
        }
    ),
    max_size=12,
)
TAKES = st.fixed_dictionaries(
    {"g": st.sampled_from(["all", "highest", "first"]), "h": st.sampled_from(["all", "highest", "first"])}
)


def as_policy(rules, takes):
    written = []
    for number, rule in enumerate(rules):
        if None not in (rule["floor"], rule["ceiling"]) and rule["floor"] > rule["ceiling"]:
            rule["floor"] = None
        each = {
            "id": f"r{number}",
            "when": as_text(rule["condition"]),
            "risk": rule["risk"],
            "priority": rule["priority"],
        }
        if rule["types"]:
            each["on"] = rule["types"]
        for key, name in (("start", "from"), ("end", "until")):
            if rule[key] is not None:
                each[name] = f"1970-01-01T00:00:0{rule[key] // 1000}Z"
        if rule["group"]:
            each["group"] = rule["group"]
        if rule["floor"] is not None:
            each["action"] = ACTIONS[rule["floor"]]
        if rule["ceiling"] is not None:
            each["at_most"] = ACTIONS[rule["ceiling"]]
        written.append(each)
    return {"rules": written, "rule_groups": {name: {"take": take} for name, take in takes.items()}}


@settings(deadline=None, max_examples=150)
@given(RULES, TAKES, EVENTS)
def test_hits_and_outcome_equal_their_definition(rules, takes, events):
    room = Room(as_policy(rules, takes))
    batch = room.run(events)
    columns = [room.values(batch, f"rules.{name}") for name in ("risk", "floor", "ceiling")]
    for index, event in enumerate(events):
        expected = counted_hits(rules, takes, event)
        assert room.hits(batch)[index] == [f"r{number}" for number in expected]
        assert tuple(column[index] for column in columns) == outcome(rules, expected)


@settings(deadline=None, max_examples=40)
@given(RULES, TAKES, EVENTS)
def test_one_by_one_is_the_same_as_a_batch(rules, takes, events):
    room = Room(as_policy(rules, takes))
    together = room.run(events)
    for index, event in enumerate(events):
        alone = room.run([event])
        assert room.hits(alone)[0] == room.hits(together)[index]
        assert alone.values[:, 0].tobytes() == together.values[:, index].tobytes()


def test_a_text_seen_after_compiling_is_none_of_the_constants():
    room = Room({"rules": [
        {"id": "known", "when": 'country in ["FR", "DE"]'},
        {"id": "other", "when": 'country not in ["FR", "DE"]'},
        {"id": "not_known", "when": 'not (country in ["FR", "DE"])'},
    ]})  # fmt: skip
    batch = room.run([{"country": "FR"}, {"country": "never seen"}, {"country": None}])
    assert room.hits(batch) == [["known"], ["other", "not_known"], ["not_known"]]


def test_a_disabled_rule_is_not_there():
    room = Room(
        {"rules": [{"id": "off", "when": "amount > 0", "enabled": False}, {"id": "on", "when": "amount > 0"}]}
    )
    assert room.hits(room.run([{"amount": 1.0}])) == [["on"]]
    assert [rule.id for rule in room.plan.rules] == ["on"]


def test_risk_may_be_computed_and_stays_within_0_and_1():
    room = Room({"rules": [{"id": "r", "when": "amount > 0", "risk": "amount / limit"}]})
    events = [{"amount": 1.0, "limit": 4.0}, {"amount": 9.0, "limit": 4.0}, {"amount": 9.0, "limit": None}]
    assert room.values(room.run(events), "rules.risk") == [0.25, 1.0, 0.0]


def test_a_constant_condition_always_or_never_holds():
    room = Room({"rules": [{"id": "always", "when": "True"}, {"id": "never", "when": "False"}]})
    assert room.hits(room.run([{"amount": None}, {"amount": 1.0}])) == [["always"], ["always"]]


def test_a_policy_without_rules_has_no_hits():
    room = Room({})
    batch = room.run([{"amount": 1.0}] * 3)
    assert batch.hit_start.tolist() == [0, 0, 0, 0]
    assert room.values(batch, "rules.risk") == [0.0, 0.0, 0.0]
    assert room.values(batch, "rules.floor") == [None, None, None]


def test_more_hits_than_expected_are_all_there():
    rules = [{"id": f"r{number}", "when": f"amount > {number % 7}"} for number in range(700)]
    room = Room({"rules": rules})
    events = [{"amount": 100.0}] * 600 + [{"amount": 3.0}]
    batch = room.run(events)
    assert np.diff(batch.hit_start).tolist() == [700] * 600 + [300]
    assert batch.hit_rule[:700].tolist() == list(range(700))
    assert batch.hit_rule[-300:].tolist() == [number for number in range(700) if number % 7 < 3]


def test_a_rule_carries_what_is_told_of_it():
    room = Room({"rules": [{
        "id": "r", "when": "amount > 5", "risk": 0.5, "action": "MFA", "at_most": "REVIEW",
        "reason": {"en": "large", "zh": "大"}, "owner": "ana", "tags": ["a", "b"], "description": "d",
    }]})  # fmt: skip
    (rule,) = room.plan.rules
    assert (rule.when, rule.risk, rule.action, rule.at_most) == ("amount > 5", 0.5, "MFA", "REVIEW")
    assert (rule.reason, rule.owner, rule.tags) == ({"en": "large", "zh": "大"}, "ana", ("a", "b"))
