"""What an explanation says is true: for random policies, ways of deciding and streams."""

import json
import math
from html.parser import HTMLParser

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from riskweave import Engine, Policy
from riskweave.batch import ACTIONS
from riskweave.decision.belief import log_odds
from riskweave.engine.explain import Explainer
from riskweave.engine.record import Record
from riskweave.errors import StateError
from riskweave.explanation.as_html import as_html
from riskweave.explanation.as_json import as_json
from riskweave.explanation.as_text import plain_text
from tests.explanation.world import WAYS, policy, rule_lists, streams

KNOWN = {"device_id": ["d1", "d2"], "country": ["FR"]}
few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def explained(made, events):
    """The engine, its last event's decision and explanation."""
    engine = Engine(Policy.from_dict(made))
    for event in events[:-1]:
        engine.decide(event)
    decision, explanation = Explainer(engine).decide(events[-1], KNOWN)
    return engine, decision, explanation


def again(made, events, changes):
    """What an engine of its own decides for the last event with changes."""
    other = Engine(Policy.from_dict(made))
    for event in events[:-1]:
        other.decide(event)
    return other.decide({**events[-1], **changes}).action


def as_fields(explanation, changes):
    found = {}
    for name, _, after in changes:
        if name == "amount":
            found[name] = f"{after.value:.2f}"
        elif name == "at":
            found[name] = int(after.value)
        else:
            found[name] = after.value
    return found


@few
@given(rule_lists(), st.sampled_from(sorted(WAYS)), streams())
def test_every_counterfactual_gives_its_action_in_an_engine_of_its_own(rules, way, events):
    made = policy(rules, way)
    _, decision, explanation = explained(made, events)
    for each in explanation.alternatives:
        action = again(made, events, as_fields(explanation, each.changes))
        assert action == each.action != decision.action
        assert each.gentler == (ACTIONS.index(action) < ACTIONS.index(decision.action))


@few
@given(rule_lists(), st.sampled_from(sorted(WAYS)), streams())
def test_contributions_lead_from_the_prior_to_the_posterior(rules, way, events):
    _, decision, explanation = explained(policy(rules, way), events)
    total = math.fsum(each.log_odds for each in explanation.contributions)
    assert explanation.prior + total == pytest.approx(explanation.posterior, abs=1e-9)
    if way == "utility":
        assert explanation.prior == pytest.approx(log_odds(decision.outcome.prior), abs=1e-9)
        assert explanation.posterior == pytest.approx(log_odds(decision.outcome.probability), abs=1e-9)
    else:
        held = min(max(decision.score, 0.01), 0.99)
        assert explanation.posterior == pytest.approx(log_odds(held), abs=1e-9)
    sizes = [abs(each.log_odds) for each in explanation.contributions]
    assert sizes == sorted(sizes, reverse=True)


@few
@given(rule_lists(), st.sampled_from(sorted(WAYS)), streams())
def test_nothing_that_fired_is_a_near_miss(rules, way, events):
    _, decision, explanation = explained(policy(rules, way), events)
    fired = {*decision.rules, *(match.pattern for match in decision.patterns), decision.action}
    assert not fired & {each.name for each in explanation.near_misses}
    for each in explanation.near_misses:
        if each.kind == "threshold":
            assert ACTIONS.index(each.name) > ACTIONS.index(decision.action)


@few
@given(rule_lists(), st.sampled_from(sorted(WAYS)), streams())
def test_explaining_changes_no_decision(rules, way, events):
    made = policy(rules, way)
    plain = Engine(Policy.from_dict(made))
    expected = [plain.decide(event) for event in events]
    engine = Engine(Policy.from_dict(made))
    explainer = Explainer(engine)
    found = [explainer.decide(event, KNOWN)[0] for event in events]
    assert found == expected
    mine, theirs = engine.describe(), plain.describe()
    assert mine == theirs


@few
@given(rule_lists(), st.sampled_from(sorted(WAYS)), streams())
def test_a_record_explains_the_same(rules, way, events):
    engine, decision, explanation = explained(policy(rules, way), events)
    record = Record.from_json(engine.record(decision).to_json())
    other = Explainer(Engine(engine.policy)).of_record(record)
    mine, theirs = as_json(explanation), as_json(other)
    for part in ("summary", "contributions", "log_odds", "evidence", "economics", "tests", "lines", "codes"):
        assert mine[part] == theirs[part]
    rules_near = [each for each in mine["near_misses"] if each["kind"] != "pattern"]
    assert [each for each in theirs["near_misses"] if each["kind"] != "pattern"][
        : len(rules_near)
    ] == rules_near


@few
@given(rule_lists(), st.sampled_from(sorted(WAYS)), streams())
def test_every_form_says_the_same_in_both_languages(rules, way, events):
    _, _, explanation = explained(policy(rules, way), events)
    plain = as_json(explanation)
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    for language in ("en", "zh"):
        page = as_html(explanation, language)
        text = plain_text(explanation, language, width=4000)
        summary = plain["summary"][language]
        assert summary in text
        assert summary in shown_by(page)
        for each in plain["counterfactuals"]:
            assert each["text"][language] in text
        assert "{" not in text


def shown_by(page):
    """The text of a page, as a reader sees it."""
    found = []

    class Reader(HTMLParser):
        def handle_data(self, data):
            found.append(data)

    Reader(convert_charrefs=True).feed(page)
    return "".join(found)


HOSTILE = '<script>alert("x")</script>&amp;\u202e\x00'


def test_hostile_text_is_escaped_everywhere():
    rules = [
        {
            "id": "r0",
            "when": "country != 'FR' and amount > 10 and device_id not in blocked",
            "risk": 0.9,
            "reason": {"en": HOSTILE, "zh": HOSTILE},
        }
    ]
    made = policy(rules, explanation={"labels": {"amount": {"en": HOSTILE, "zh": HOSTILE}}})
    event = {"id": HOSTILE, "at": "2026-03-02T10:00:00Z", "who": HOSTILE, "device_id": HOSTILE,
             "country": HOSTILE, "channel": "web", "amount": "50.00"}  # fmt: skip
    _, _, explanation = explained(made, [event])
    for language in ("en", "zh"):
        page = as_html(explanation, language)
        assert "<script" not in page
        assert "\x00" not in page
        assert 'alert("x")' in shown_by(page)
        assert "http" not in page
    assert "\x00" not in plain_text(explanation)


def test_private_values_are_masked_in_every_form():
    rules = [
        {"id": "r0", "when": "device_id in blocked", "risk": 0.9},
        {"id": "r1", "when": "country == 'XX' and amount > 10 and channel == 'web'", "risk": 0.4},
    ]
    made = policy(rules, explanation={"mask": ["device_id", "country", "amount"]})
    event = {"id": "e", "at": "2026-03-02T10:00:00Z", "who": "ann", "device_id": "d9",
             "country": "US", "channel": "web", "amount": "4321.09"}  # fmt: skip
    _, _, explanation = explained(made, [event])
    forms = [json.dumps(as_json(explanation)), plain_text(explanation), as_html(explanation)]
    for form in forms:
        for private in ("d9", "d1", "4321", "4,321"):
            assert private not in form
        assert "US" not in form.replace("EUR", "")


def test_a_repeated_event_is_not_explained_as_a_new_one():
    made = policy([{"id": "r0", "when": "amount > 1", "risk": 0.5}])
    event = {"id": "e", "at": "2026-03-02T10:00:00Z", "who": "ann", "amount": "5.00"}
    engine = Engine(Policy.from_dict(made))
    explainer = Explainer(engine)
    explainer.decide(event)
    with pytest.raises(StateError, match="decided before"):
        explainer.decide(event)


def test_a_record_of_another_policy_is_refused():
    event = {"id": "e", "at": "2026-03-02T10:00:00Z", "who": "ann", "amount": "5.00"}
    engine = Engine(Policy.from_dict(policy([{"id": "r0", "when": "amount > 1", "risk": 0.5}])))
    record = engine.record(engine.decide(event))
    other = Engine(Policy.from_dict(policy([{"id": "r0", "when": "amount > 2", "risk": 0.5}])))
    with pytest.raises(StateError, match="made by policy version"):
        Explainer(other).of_record(record)


def test_the_codes_listed_are_those_given():
    rules = [{"id": "r0", "when": "amount > 1", "risk": 0.5}, {"id": "r1", "when": "amount > 2", "risk": 0.7}]
    made = policy(rules, "utility", explanation={"codes": {"r0": "AMT_01"}})
    event = {"id": "e", "at": "2026-03-02T10:00:00Z", "who": "ann", "amount": "5.00", "country": "US"}
    engine, _, explanation = explained(made, [event])
    listed = {each.code for each in Explainer(engine).codes()}
    assert {each.code for each in explanation.contributions} <= listed
    assert {"AMT_01", "rule.r1", "pattern.twice", "evidence.where.away"} <= listed
