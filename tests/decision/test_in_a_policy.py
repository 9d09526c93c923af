"""A policy that decides by utility: the same bytes any way it runs, and outcomes that say what happened."""

import dataclasses
import math
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskweave import Engine, Policy, Snapshot
from riskweave.batch import ACTIONS
from riskweave.decision.networks.elimination import posterior
from riskweave.decision.networks.network import read_network
from riskweave.decision.outcome import Outcome
from riskweave.document import from_python
from tests.decision.world import NETWORK, TESTS, policy, stream
from tests.oracles import decision as oracle

POLICY = Policy.from_dict(policy())


def bits(decisions):
    """Everything the decision room left, as bytes."""
    return [
        decisions.action.tobytes(),
        decisions.score.tobytes(),
        decisions.kept.row(decisions.kept.plan.out).tobytes(),
        decisions.utilities.tobytes(),
    ]


def outcomes(engine, decisions):
    return [engine._answers.at(decisions, i).outcome for i in range(len(decisions))]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.integers(0, 100), max_size=5))
def test_any_split_gives_the_same_bytes_and_the_same_outcomes(seed, cuts):
    events = stream(seed, 90)
    whole, parts = Engine(POLICY), Engine(POLICY)
    expected = whole.decide_many(events)
    edges = [0, *sorted({cut for cut in cuts if 0 < cut < len(events)}), len(events)]
    found = [parts.decide_many(events[a:b]) for a, b in pairwise(edges)]
    assert b"".join(part.action.tobytes() for part in found) == expected.action.tobytes()
    assert b"".join(part.score.tobytes() for part in found) == expected.score.tobytes()
    told = [outcome for part in found for outcome in outcomes(parts, part)]
    assert told == outcomes(whole, expected)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 80))
def test_one_by_one_and_across_a_snapshot(seed, cut):
    events = stream(seed, 90)
    whole = Engine(POLICY)
    expected = whole.decide_many(events)
    told = outcomes(whole, expected)
    engine = Engine(POLICY)
    for i, event in enumerate(events):
        if i == cut:
            engine = Engine.restore(POLICY, Snapshot.from_bytes(engine.snapshot().to_bytes()))
        one = engine.decide(event)
        assert (one.action, one.score) == (ACTIONS[expected.action[i]], expected.score[i])
        assert one.outcome == told[i]


@pytest.mark.parametrize("seed", range(4))
def test_an_outcome_says_what_the_definition_says(seed):
    engine = Engine(POLICY)
    network = read_network(from_python(NETWORK), None)
    for event in {event["id"]: event for event in stream(seed, 120)}.values():
        decision = engine.decide(event)
        if decision.duplicate:
            continue
        outcome = decision.outcome
        seen = {each.node: each.state for each in outcome.evidence if each.state is not None}
        p = float(posterior(network, "fraud", seen)[1])
        assert outcome.probability == decision.score == pytest.approx(p, abs=1e-12)
        assert outcome.prior == pytest.approx(0.03)
        for each in outcome.evidence:
            left = {name: state for name, state in seen.items() if name != each.node}
            without = float(posterior(network, "fraud", left)[1])
            moved = math.log(p / (1 - p)) - math.log(without / (1 - without))
            assert each.log_odds == pytest.approx(moved, abs=1e-9)
        amount = None if event["amount"] is None else float(event["amount"])
        margin = event["margin"] if event["margin"] is not None else None if amount is None else 0.01 * amount
        given_costs = {
            "amount": amount, "recovery": 0.2, "margin": margin, "fine": 1.0,
            "insult": 40.0 if event["segment"] == "gold" else 12.0,
            "mfa.fee": 0.2, "mfa.customer_passes": 0.95, "mfa.attacker_passes": 0.3, "mfa.drop_off": 0.04,
            "review.cost": 4.0, "review.detection": 0.9, "review.cleared": 0.98, "review.delay": 0.5,
            "block.cost": 0.3, "price": 1.5,
        }  # fmt: skip
        platinum = event["segment"] == "platinum"
        changes = [("insult", "multiply", 3.0), ("review.cost", "add", 1.0)] if platinum else []
        n = oracle.numbers(given_costs, changes)
        for each in outcome.economics:
            a = ACTIONS.index(each.action)
            assert each.expected == pytest.approx(oracle.expected(a, n, p), abs=1e-8)
            assert sum(each.parts.values()) == pytest.approx(each.expected, abs=1e-8)
        opened = [a for a, each in enumerate(outcome.economics) if each.open]
        for each in outcome.tests:
            spec = TESTS[each.name]
            table = spec.get("likelihood")
            results = (
                [(table["fraud"][r], table["legitimate"][r]) for r in table["fraud"]]
                if table
                else [
                    (spec["sensitivity"], 1 - spec["specificity"]),
                    (1 - spec["sensitivity"], spec["specificity"]),
                ]
            )
            assert each.value == pytest.approx(oracle.information(opened, n, p, results), abs=1e-8)
        assert [each.net for each in outcome.tests] == sorted(
            (each.net for each in outcome.tests), reverse=True
        )
        assert ("bureau" in {each.name for each in outcome.tests}) == ((amount or 0) > 100)
        after_money = [line for line in outcome.lines if line.before != line.after]
        if after_money:
            assert after_money[-1].after == decision.action


def test_no_adjustment_undercuts_a_floor_and_no_floor_is_silent():
    engine = Engine(POLICY)
    seen = set()
    for event in stream(3, 400):
        decision = engine.decide(event)
        amount = float(event["amount"] or 0)
        lines = {(line.kind, line.name) for line in decision.outcome.lines}
        seen |= lines
        if amount > 2500:
            assert decision.action in ("REVIEW", "BLOCK")
            assert ("floor", "law") in lines
        if amount > 900:
            assert decision.action != "PASS"
            assert ("floor", "large") in lines
        if 0 < amount < 5 and amount <= 900:
            assert decision.action in ("PASS", "MFA")
        for line in decision.outcome.lines:
            assert set(line.reason) <= {"en", "zh"}
    kinds = {kind for kind, _ in seen}
    assert kinds == {"floor", "ceiling", "adjustment", "test", "hysteresis", "capacity"}


def test_a_key_keeps_its_action_while_another_is_hardly_better():
    flat = dict.fromkeys(
        ["network", "evidence", "adjustments", "floors", "ceilings", "capacity", "tests", "ask"]
    )
    section = {
        "belief": "score",
        "costs": {"amount": "amount", "insult": 10},
        "hysteresis": {"key": "customer", "margin": 1, "for": "30m"},
    }
    engine = Engine(Policy.from_dict({**policy(**flat, **section), "rules": []}))

    def act(minute, score, card="a", event=None):
        record = {"id": f"{card}{minute}{event}", "at": 1_767_225_600_000 + minute * 60_000, "card": card}
        return engine.decide({**record, "amount": "100.00", "score": score}).action

    # PASS brings -100 p, BLOCK -10 (1 - p): equal at p = 1/11, one apart at p = 0.1.
    assert act(0, 0.05) == "PASS"
    assert act(1, 0.099) == "PASS"
    assert act(2, 0.099, card="b") == "BLOCK"
    assert act(3, 0.12) == "BLOCK"
    assert act(4, 0.085) == "BLOCK"
    assert act(5, 0.08) == "PASS"
    assert act(2, 0.12, event="late") == "BLOCK"
    assert act(6, 0.095) == "PASS"
    assert act(40, 0.095) == "BLOCK"
    line = engine.decide(
        {"id": "z", "at": 1_767_225_600_000 + 41 * 60_000, "card": "a", "amount": "100.00", "score": 0.089}
    )
    assert [(each.kind, each.before, each.after) for each in line.outcome.lines] == [
        ("hysteresis", "PASS", "BLOCK")
    ]


def test_another_policy_takes_the_last_actions_over():
    engine = Engine(POLICY)
    engine.decide_many(stream(2, 60))
    before = engine.state.decision.describe()
    engine.replace_policy(Policy.from_dict(policy(floors=None)))
    assert engine.state.decision.describe() == before
    engine.replace_policy(Policy.from_dict(policy(hysteresis=None)))
    assert engine.state.decision.describe()["keys"] == 0


def test_a_repeated_id_has_its_first_outcome_as_columns_too():
    engine = Engine(POLICY)
    events = list({each["id"]: each for each in stream(6, 40)}.values())
    first = engine.decide_many(events)
    again = engine.decide_many(events)
    assert again.duplicate.all()
    assert bits(again) == bits(first)
    assert outcomes(engine, again) == outcomes(engine, first)


def test_without_a_section_the_greatest_risk_decides_and_floors_are_told():
    values = {key: part for key, part in policy().items() if key != "decision"}
    engine = Engine(Policy.from_dict(values))
    event = stream(1, 1)[0]
    large = engine.decide({**event, "amount": "1000.00", "card": "c9"})
    assert (large.action, large.score) == ("REVIEW", 0.6)
    assert large.outcome.integrator == "maximum"
    assert large.outcome.probability is None
    assert [(each.kind, each.name) for each in large.outcome.lines] == [("floor", "large")]
    small = engine.decide({**event, "id": "other", "amount": "1.00", "card": "c8"})
    assert small.outcome.lines == ()


def test_the_weighted_sum_is_the_article_s():
    values = policy()
    values["decision"] = {
        "integrator": "weighted",
        "model": "score",
        "ceilings": {"c": {"when": "urgent", "action": "MFA"}},
    }
    values["patterns"] = {
        "twice": {
            "key": "customer",
            "stages": [{"begin": "one"}, {"next": "two"}],
            "within": "1h",
            "risk": 0.5,
        }
    }
    engine = Engine(Policy.from_dict(values))
    event = {**stream(1, 1)[0], "amount": "1000.00", "card": "c7", "score": 0.9, "urgent": False}
    assert engine.decide(event).score == pytest.approx(0.3 * 0.6 + 0.5 * 0.9)
    second = engine.decide({**event, "id": "second"})
    assert second.score == pytest.approx(0.3 * 0.6 + 0.2 * 0.5 + 0.5 * 0.9)
    assert second.action == "BLOCK"
    third = engine.decide({**event, "id": "third", "score": None, "urgent": True})
    assert third.score == pytest.approx(0.3 * 0.6 + 0.2 * 0.5)
    assert third.action == "MFA"
    assert third.outcome.lines[0].name == "c"


def test_one_model_is_believed_and_evidence_without_a_network_moves_nothing():
    flat = dict.fromkeys(
        ["network", "adjustments", "floors", "ceilings", "capacity", "tests", "ask", "hysteresis"]
    )
    engine = Engine(
        Policy.from_dict(
            policy(**flat, belief="score", prior=0.02, evidence={"segment": "segment", "much": "paid_1h"})
        )
    )
    event = {**stream(1, 1)[0], "amount": "10.00", "segment": "gold", "score": 0.5}
    told = engine.decide(event).outcome
    assert [(each.node, each.value) for each in told.evidence] == [
        ("score", 0.5),
        ("segment", "gold"),
        ("much", 10.0),
    ]
    assert [each.log_odds for each in told.evidence] == [pytest.approx(math.log(0.98 / 0.02)), 0.0, 0.0]
    unknown = engine.decide({**event, "id": "unknown", "score": None})
    assert unknown.score == 0.02
    assert unknown.outcome.evidence[0].value is None


def test_the_columns_of_many_are_those_of_one():
    engine = Engine(POLICY)
    many = engine.decide_many(stream(4, 50))
    assert np.array_equal(many.probability[~many.duplicate], many.score[~many.duplicate])
    for i, outcome in enumerate(outcomes(engine, many)):
        assert [each.expected for each in outcome.economics] == many.utilities[:, i].tolist()


def test_an_outcome_told_later_is_the_one_told_now():
    told = Engine(POLICY).decide(stream(1, 1)[0]).outcome
    written = msgspec.msgpack.encode(told)
    again = msgspec.msgpack.decode(written, type=Outcome)
    assert told == again
    assert again == told
    assert dataclasses.asdict(told) == dataclasses.asdict(again)
    other = Engine(POLICY).decide({**stream(1, 1)[0], "score": 0.99}).outcome
    assert other != told
    with pytest.raises(AttributeError):
        _ = told.probabilities
