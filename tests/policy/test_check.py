"""What `riskweave check` finds beyond mistakes: what cannot be meant."""

from riskweave import Policy
from riskweave.policy.check import check_policy

BASE = {
    "events": {
        "pay": {
            "time": "at",
            "fields": {"at": "time", "who": "string", "amount": "money", "country": "string"},
        }
    },
    "entities": {"customer": "who"},
}


def found(**parts: object) -> list[tuple[str, str]]:
    return [(each.severity, each.message) for each in check_policy(Policy.from_dict({**BASE, **parts}))]


def test_nothing_is_found_in_a_policy_that_is_meant():
    rules = [{"id": "much", "when": "n > 3 and who in known", "risk": 0.5}]
    assert found(features={"n": 'customer.count("1h")'}, lists={"known": ["ann"]}, rules=rules) == []


def test_what_nothing_reads_is_named():
    texts = {
        message: severity
        for severity, message in found(
            features={"n": 'customer.count("1h")'}, lists={"known": ["ann"]}, constants={"limit": 5}
        )
    }
    assert texts == {
        "nothing reads feature `n`": "note",
        "nothing asks list `known`": "warning",
        "nothing uses constant `limit`": "warning",
    }


def test_a_stage_that_no_event_can_meet_is_an_error():
    stages = [{"begin": "a"}, {"followed_by": "b", "where": "amount > 5 and amount < 2"}]
    assert ("error", "pattern `p`: no event can meet stage `b`") in found(
        patterns={"p": {"key": "customer", "stages": stages, "within": "1h"}}
    )


def test_a_pattern_whose_state_never_ends_is_named():
    stages = [{"begin": "a", "where": "amount > 5"}, {"followed_by": "b", "where": "amount < 2"}]
    messages = [message for _, message in found(patterns={"p": {"key": "customer", "stages": stages}})]
    assert "pattern `p` keeps partial matches for ever" in messages


def test_rules_that_contradict_themselves_repeat_or_add_nothing():
    rules = [
        {"id": "never", "when": "amount > 10 and amount < 5", "risk": 0.5},
        {"id": "big", "when": "amount > 100", "risk": 0.5},
        {"id": "again", "when": "100 < amount", "risk": 0.5},
        {"id": "bigger", "when": 'amount > 200 and country == "FR"', "risk": 0.4},
    ]
    messages = " | ".join(message for _, message in found(rules=rules))
    assert "rule `never` can never hold" in messages
    assert "rule `again` has the same condition as rule `big`" in messages
    assert "rule `bigger` adds nothing" in messages
