"""Deciding at its edges: evidence that cannot be, a score on a band's edge, a lead equal to the margin."""

import pytest

from riskweave import Engine, Policy

FIELDS = {
    "at": {"type": "time", "unit": "ms"},
    "who": "string",
    "amount": "money",
    "p": "float",
    "seen": "bool",
}
EVENTS = {"payment": {"time": "at", "fields": FIELDS}}
BASE = {"events": EVENTS, "entities": {"customer": "who"}, "features": {"n": 'customer.count("1h")'}}
START = 1_767_225_600_000


def engine(**decision):
    return Engine(Policy.from_dict(BASE | {"decision": decision}))


def event(minute=0, **values):
    return {"at": START + 60_000 * minute, "who": "ann", "amount": "100.00", "p": 0.5, **values}


def test_evidence_that_the_network_holds_for_impossible_leaves_the_prior():
    nodes = {
        "fraud": {"states": ["no", "yes"], "table": [0.93, 0.07]},
        "seen": {"states": ["no", "yes"], "parents": ["fraud"], "table": {"no": [1, 0], "yes": [1, 0]}},
    }
    made = engine(network={"nodes": nodes}, evidence={"seen": "seen"}, costs={"amount": "amount"})
    outcome = made.decide(event(seen=True)).outcome
    assert outcome.probability == outcome.prior == pytest.approx(0.07)


@pytest.mark.parametrize(
    ("p", "action"), [(0.2999, "PASS"), (0.3, "REVIEW"), (0.6999, "REVIEW"), (0.7, "BLOCK")]
)
def test_a_band_begins_at_its_threshold(p, action):
    made = engine(integrator="weighted", model="p", weights={"rules": 0, "patterns": 0, "model": 1})
    assert made.decide(event(p=p)).action == action


def test_the_price_of_capacity_is_a_cost_of_reviews_alone():
    costs = {"amount": "amount", "insult": 40, "review": {"cost": 1, "detection": 0.9}}
    free, short = (
        engine(belief="p", costs=costs, capacity={"per_hour": 5, "price": price})
        .decide(event())
        .outcome.economics
        for price in (0, 7)
    )
    change = {a.action: b.expected - a.expected for a, b in zip(free, short, strict=True)}
    assert change == {"PASS": 0.0, "REVIEW": pytest.approx(-7.0), "BLOCK": 0.0}


@pytest.mark.parametrize(("margin", "action"), [(39.0, "BLOCK"), (40.0, "PASS"), (41.0, "PASS")])
def test_the_last_action_stays_until_the_best_is_better_by_more_than_the_margin(margin, action):
    # Passing brings -100 p, blocking -20 (1 - p): at one half blocking leads by 40, to the last bit.
    costs = {"amount": "amount", "insult": 20}
    made = engine(belief="p", costs=costs, hysteresis={"key": "customer", "margin": margin, "for": "1h"})
    assert made.decide(event(p=0.0)).action == "PASS"
    second = made.decide(event(1, p=0.5))
    values = {each.action: each.expected for each in second.outcome.economics}
    assert values["BLOCK"] - values["PASS"] == 40.0
    assert second.action == action
