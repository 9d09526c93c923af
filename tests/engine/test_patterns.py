"""Patterns inside the engine: told in decisions, kept in snapshots, through a policy change, from history."""

import json

import pytest

from riskweave import Engine, Policy, PolicyError, Snapshot
from riskweave.replay.replay import replay

EVENTS = {
    "login": {
        "id": "id",
        "time": "at",
        "match": {"kind": "login"},
        "fields": {"id": "string", "at": "time", "who": "string", "ok": "bool"},
    },
    "pay": {
        "id": "id",
        "time": "at",
        "match": {"kind": "pay"},
        "fields": {"id": "string", "at": "time", "who": "string", "amount": "money"},
    },
}
TAKEOVER = {
    "key": "customer",
    "stages": [
        {"begin": "failed", "on": "login", "where": "not ok", "times": 2},
        {"followed_by": "paid", "on": "pay", "where": "amount > 100"},
    ],
    "within": "10m",
    "risk": 0.8,
    "reason": {"en": "Failed logins, then a payment", "zh": "登录失败后付款"},
}
UNCONFIRMED = {
    "key": "customer",
    "stages": [
        {"begin": "large", "on": "pay", "where": "amount > 500"},
        {"not_followed_by": "login_again", "on": "login"},
    ],
    "within": "30m",
}


def policy(**patterns: object) -> Policy:
    rules = (
        [{"id": "under_way", "when": "takeover.stages >= 1 and not takeover", "risk": 0.4}]
        if "takeover" in patterns
        else []
    )
    return Policy.from_dict(
        {"events": EVENTS, "entities": {"customer": "who"}, "patterns": patterns, "rules": rules}
    )


def event(number: int, minute: int, kind: str, who: str = "ann", **more: object) -> dict[str, object]:
    return {
        "id": f"e{number}",
        "at": f"2026-01-01T{10 + minute // 60:02d}:{minute % 60:02d}:00Z",
        "kind": kind,
        "who": who,
        **more,
    }


STORY = [
    event(1, 0, "login", ok=False),
    event(2, 1, "login", ok=False),
    event(3, 2, "pay", who="bob", amount="500.00"),
    event(4, 5, "pay", amount="200.00"),
]


def test_the_completing_event_is_stopped_with_the_matched_events_told():
    engine = Engine(policy(takeover=TAKEOVER))
    decisions = [engine.decide(each) for each in STORY]
    assert [one.action for one in decisions] == ["PASS", "REVIEW", "PASS", "BLOCK"]
    (match,) = decisions[-1].patterns
    assert (match.pattern, match.kind, match.reason["zh"]) == ("takeover", "event", "登录失败后付款")
    assert [each.stage for each in match.events] == ["failed", "failed", "paid"]
    assert decisions[1].rules == ["under_way"]  # a stage counts once its times are full


def test_what_is_under_way_can_be_looked_at():
    engine = Engine(policy(takeover=TAKEOVER))
    for each in STORY[:2]:
        engine.decide(each)
    furthest = engine.partial_matches("customer", "ann")[0]
    assert (furthest.pattern, furthest.stages_seen, furthest.stages) == ("takeover", 1, 2)
    assert furthest.left_ms == 9 * 60_000
    assert engine.partial_matches("customer", "eve") == []


def test_an_absence_is_told_with_the_event_that_lets_time_pass():
    engine = Engine(policy(unconfirmed=UNCONFIRMED))
    assert engine.decide(event(1, 0, "pay", amount="900.00")).elapsed == ()
    told = engine.decide(event(2, 45, "pay", who="bob", amount="1.00"))
    assert [(match.pattern, match.kind) for match in told.elapsed] == [("unconfirmed", "time")]
    assert told.patterns == ()


def test_the_clock_alone_lets_time_pass():
    engine = Engine(policy(unconfirmed=UNCONFIRMED))
    decision = engine.decide(event(1, 0, "pay", amount="900.00"))
    assert engine.advance(decision.time_ms + 29 * 60_000) == []
    (match,) = engine.advance(decision.time_ms + 30 * 60_000)
    assert match.pattern == "unconfirmed"


@pytest.mark.parametrize("cut", range(1, len(STORY)))
def test_a_snapshot_in_the_middle_of_a_match(cut):
    engine = Engine(policy(takeover=TAKEOVER))
    for each in STORY[:cut]:
        engine.decide(each)
    again = Engine.restore(engine.policy, Snapshot.from_bytes(engine.snapshot().to_bytes()))
    for each in STORY[cut:-1]:
        again.decide(each)
    assert again.decide(STORY[-1]).action == "BLOCK"


def test_an_unchanged_pattern_keeps_its_partial_matches_and_a_changed_one_takes_the_history():
    for history, action in (([], "PASS"), ([STORY[:3]], "BLOCK")):
        engine = Engine(policy(takeover=TAKEOVER))
        engine.decide_many(STORY[:3])
        engine.replace_policy(policy(takeover=TAKEOVER, unconfirmed=UNCONFIRMED))
        kept = Engine.restore(engine.policy, engine.snapshot())
        assert kept.decide(STORY[-1]).action == "BLOCK"
        changed = {**TAKEOVER, "within": "12m"}
        engine.replace_policy(policy(takeover=changed), history)
        assert engine.decide(STORY[-1]).action == action


def test_a_flood_stays_under_its_cap_and_decisions_say_what_they_could_lack():
    open_ended = {
        "key": "customer",
        "stages": [{"begin": "a", "on": "pay"}, {"followed_by": "b", "on": "login", "where": "ok"}],
        "keep": {"partial_matches": 5},
    }
    engine = Engine(policy(open_ended=open_ended))
    for number in range(40):
        decision = engine.decide(event(number, number, "pay", amount="1.00"))
    assert decision.incomplete == ("open_ended",)
    assert len(engine.partial_matches("customer", "ann")) == 5
    assert engine.describe()["patterns"]["dropped"] == 35
    assert engine.decide(event(99, 50, "pay", who="bob", amount="1.00")).incomplete == ()


def test_matches_go_to_a_file(tmp_path):
    source = tmp_path / "events.jsonl"
    source.write_text("".join(json.dumps(each) + "\n" for each in [*STORY, event(9, 300, "login", ok=True)]))
    engine = Engine(
        policy(
            takeover=TAKEOVER,
            unconfirmed={
                **UNCONFIRMED,
                "stages": [
                    {"begin": "large", "on": "pay", "where": "amount > 400"},
                    {"not_followed_by": "x", "on": "login"},
                ],
            },
        )
    )
    report = replay(engine, [source], out=tmp_path / "out.parquet", matches=tmp_path / "matches.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "matches.jsonl").read_text().splitlines()]
    assert [(line["pattern"], line["kind"]) for line in lines] == [
        ("takeover", "event"),
        ("unconfirmed", "time"),
    ]
    assert report.patterns == {"takeover": 1, "unconfirmed": 1}


def test_a_pattern_that_flink_refuses_is_refused_with_its_place(tmp_path):
    (tmp_path / "policy.yaml").write_text(
        "events: {pay: {time: at, fields: {at: time, who: string}}}\n"
        "entities: {customer: who}\n"
        "patterns:\n"
        "  endless:\n"
        "    key: customer\n"
        "    stages:\n"
        "      - {begin: a}\n"
        "      - {not_followed_by: b}\n"
    )
    with pytest.raises(PolicyError) as caught:
        Engine(Policy.read(tmp_path))
    assert str(caught.value).startswith("policy.yaml:8:")
    assert "within" in str(caught.value)
