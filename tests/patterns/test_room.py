"""The patterns room: columns, absence, lateness, bounds, snapshots, hot change, single keys."""

from __future__ import annotations

import numpy as np
import pytest

from riskweave.batch import BY_EVENT, BY_TIME, TIMED_OUT
from riskweave.document import parse_yaml
from riskweave.errors import StateError
from riskweave.expressions.types import Type
from riskweave.patterns.plan import stages_of, step
from riskweave.patterns.spec import read_patterns
from riskweave.patterns.state import PatternsState
from tests.oracles.patterns import Matcher
from tests.patterns.little_engine import LittleEngine

FIELDS = {"amount": Type.MONEY, "ok": Type.BOOL, "device": Type.STRING}


def engine_of(text: str, roles: tuple[str, ...] = ("user",), read: tuple[str, ...] = ()) -> LittleEngine:
    engine = LittleEngine(read_patterns(parse_yaml(text)), FIELDS, roles)
    for path in read:
        assert engine.compiler.column(tuple(path.split("."))) is not None
    return engine.ready()


def events(text: str, key: int = 7, step: int = 1_000) -> list[dict[str, object]]:
    """`a5 b` is an event of type a with amount 5, then one of type b, a second later."""
    return [
        {"time": (at + 1) * step, "type": word[0], "key": key, "amount": float(word[1:] or 0)}
        for at, word in enumerate(text.split())
    ]


def column(engine: LittleEngine, batch_values: np.ndarray, path: str) -> list[float]:
    found = engine.compiler.column(tuple(path.split(".")))
    assert found is not None
    return batch_values[found.index].tolist()


GROWING = """
growing:
  key: user
  stages:
    - begin: small
      on: a
    - followed_by: large
      where: amount > 2 * small.last.amount
    - followed_by: end
      on: e
  within: 1h
  risk: 0.8
"""


def test_the_event_that_completes_a_match_gets_the_hit_and_the_risk():
    engine = engine_of(GROWING)
    batch = engine.batch(events("a5 a9 a30 x e"))

    matches = step(engine.plan, engine.state, batch)
    assert column(engine, batch.values, "growing") == [0, 0, 0, 0, 1]
    assert column(engine, batch.values, "growing.risk") == [0, 0, 0, 0, 0.8]
    assert [stages_of(engine.plan, matches, at) for at in range(len(matches))] == [
        {"small": [1], "large": [3], "end": [5]},
        {"small": [2], "large": [3], "end": [5]},
    ]
    assert set(matches.kind.tolist()) == {BY_EVENT}


def test_progress_and_stages_tell_how_far_a_key_is_after_the_event():
    engine = engine_of(GROWING, read=("growing.progress", "growing.stages"))
    batch = engine.batch(
        [*events("a5 x a30"), {"time": 4_000, "type": "x", "key": 8}, *events("x x x x e")[4:]]
    )

    step(engine.plan, engine.state, batch)
    assert column(engine, batch.values, "growing.stages") == [1, 1, 2, 0, 1]
    assert column(engine, batch.values, "growing.progress") == pytest.approx([1 / 3, 1 / 3, 2 / 3, 0, 1 / 3])


def test_partial_matches_can_be_looked_at():
    engine = engine_of(GROWING)
    engine.feed(events("a5 a30"))
    first, second = engine.state.partials(engine.plan, "user", 7)
    assert (first.pattern, first.stages_seen, first.stages, first.left_ms) == ("growing", 2, 3, 3_599_000)
    assert first.events == {"small": [1], "large": [2]}
    assert second.stages_seen == 1
    assert engine.state.partials(engine.plan, "user", 8) == []


NO_CALL = """
no_call:
  key: user
  stages:
    - begin: transfer
      on: t
    - not_followed_by: call
      on: c
  within: 10s
  timeouts: report
"""


def test_absence_is_a_match_of_its_own_when_event_time_passes_the_limit():
    engine = engine_of(NO_CALL)
    found = engine.feed([{"time": 1_000, "type": "t", "key": 7}, {"time": 2_000, "type": "t", "key": 8}])
    assert len(found) == 0
    # Another key's event moves time; at the limit itself an event no longer prevents it.
    found = engine.feed([{"time": 5_000, "type": "c", "key": 8}, {"time": 11_000, "type": "c", "key": 7}])
    assert found.kind.tolist() == [BY_TIME]
    assert (found.time_ms.tolist(), found.key.tolist(), found.row.tolist()) == ([11_000], [7], [1])
    assert engine.state.describe()["instances"] == 0


def test_the_clock_moves_time_without_an_event():
    engine = engine_of(NO_CALL)
    engine.feed([{"time": 1_000, "type": "t", "key": 7}])
    assert len(engine.advance(10_999)) == 0
    found = engine.advance(11_000)
    assert (found.time_ms.tolist(), found.row.tolist()) == ([11_000], [-1])
    assert len(engine.advance(99_000)) == 0


HELD = """
held:
  key: user
  stages:
    - {begin: a, on: a}
    - {not_followed_by: n, where: 'event_type == "n" and amount < a.last.amount'}
    - {followed_by: b, on: b, where: amount > a.last.amount}
  within: 10s
  skip: skip_past_last_event
"""


def test_a_match_that_was_held_back_sets_no_hit_when_it_is_reported():
    engine = engine_of(HELD)
    # a1 b3 is complete, but a5 began earlier and still waits for something larger than 5.
    assert len(engine.feed(events("a5 a1 b3"))) == 0
    batch = engine.batch([{"time": 4_000, "type": "n", "key": 7, "amount": 4.0}])
    found = step(engine.plan, engine.state, batch)
    assert (found.kind.tolist(), found.row.tolist(), found.time_ms.tolist()) == ([BY_TIME], [0], [4_000])
    assert stages_of(engine.plan, found, 0) == {"a": [2], "b": [3]}
    assert column(engine, batch.values, "held") == [0]
    engine = engine_of(HELD)
    engine.feed(events("a5 a1 b3"))
    assert engine.advance(11_000).time_ms.tolist() == [11_000]


def test_timeouts_are_reported_when_asked_for():
    text = GROWING.replace("risk: 0.8", "timeouts: report").replace("1h", "5s")
    engine = engine_of(text)
    engine.feed(events("a5 a30"))
    found = engine.advance(6_000)
    assert found.kind.tolist() == [TIMED_OUT]
    assert stages_of(engine.plan, found, 0) == {"small": [1], "large": [2]}
    assert engine.advance(7_000).time_ms.tolist() == [7_000]


def test_an_event_that_arrives_late_is_taken_as_it_arrives_with_its_own_time():
    engine = engine_of(
        "late:\n  key: user\n  stages: [{begin: a, on: a}, {next: b, on: b}]\n"
        "  within: 10s\n  timeouts: report\n"
    )
    # b happened before a, but arrived after it: arrival order is what counts for `next`.
    assert (
        len(engine.feed([{"time": 9_000, "type": "a", "key": 7}, {"time": 8_000, "type": "b", "key": 7}]))
        == 1
    )
    # Time does not go back: what the greatest time so far has ended stays ended.
    engine.feed([{"time": 10_000, "type": "a", "key": 7}, {"time": 20_000, "type": "x", "key": 8}])
    assert len(engine.feed([{"time": 11_000, "type": "b", "key": 7}])) == 0
    # A window that begins late ends by its own time, here long ago.
    found = engine.feed([{"time": 3_000, "type": "a", "key": 7}, {"time": 20_000, "type": "b", "key": 7}])
    assert found.kind.tolist() == [TIMED_OUT]
    assert found.time_ms.tolist() == [13_000]


REORDERED = """
ordered:
  key: user
  stages: [{begin: a, on: a}, {next: b, on: b}]
  late: reorder 2s
"""


def test_a_pattern_may_wait_for_the_order():
    engine = engine_of(REORDERED)
    stream = [(5_000, "b"), (4_000, "a"), (7_100, "x"), (4_500, "a"), (9_500, "x")]
    found = engine.feed([{"time": time, "type": kind, "key": 7} for time, kind in stream])
    assert [stages_of(engine.plan, found, at) for at in range(len(found))] == [{"a": [2], "b": [1]}]
    # Known when the watermark (greatest time - 2 s - 1 ms) passed b, at the third event.
    assert (found.row.tolist(), found.time_ms.tolist()) == ([2], [5_000])
    assert engine.state.lanes[0].late_events == 1
    assert engine.state.describe()["waiting"] == 1
    # The clock lets events wait as long as another event would.
    engine.feed([{"time": 9_600, "type": "a", "key": 7}, {"time": 9_700, "type": "b", "key": 7}])
    assert len(engine.advance(11_700)) == 0
    assert engine.advance(11_701).row.tolist() == [-1]


FLOOD = """
flood:
  key: user
  stages:
    - begin: a
      on: a
    - followed_by: b
      on: b
      one_or_more: true
      allow_combinations: true
    - followed_by: c
      on: c
  keep: {partial_matches: 50, events: 300}
"""


def test_a_flood_stays_under_the_cap_and_losses_are_counted_exactly():

    engine = engine_of(FLOOD)
    stream = events("a b b a b b b " * 12)
    engine.feed_in_parts(stream, [5, 40])
    spec = {
        "stages": [
            {"name": "a", "contiguity": "begin", "where": {"type": "a"}},
            {
                "name": "b",
                "contiguity": "followed_by",
                "where": {"type": "b"},
                "times": {"from": 1, "to": None},
                "inner": "combinations",
            },
            {"name": "c", "contiguity": "followed_by", "where": {"type": "c"}},
        ]
    }
    slow = Matcher(spec, partials_max=50, events_max=300)
    for at, event in enumerate(stream):
        slow.feed({"ts": event["time"], "type": event["type"], "value": 0, "order": at, "id": at})
    described = engine.state.describe()
    assert described["partial_matches"] <= 51
    assert described["events"] <= 300
    assert slow.dropped > 500
    assert engine.state.losses(engine.plan, "flood") == slow.dropped
    dropped, last_ms = engine.state.loss_of(engine.plan, "flood", 7) or (0, 0)
    assert dropped == slow.dropped
    assert last_ms == stream[-1]["time"]
    assert engine.state.could_be_affected(engine.plan, "flood", 7, 10**9)
    assert not engine.state.could_be_affected(engine.plan, "flood", 8, 10**9)


def test_a_flood_of_keys_is_forgotten_when_their_window_ends():
    engine = engine_of(GROWING.replace("1h", "10s"))
    rng = np.random.default_rng(5)
    keys = rng.integers(1, 2**63, 5_000)
    engine.feed([{"time": 1_000 + at, "type": "a", "key": int(key)} for at, key in enumerate(keys)])
    assert engine.state.describe()["keys"] == 5_000
    engine.feed([{"time": 13_499, "type": "x", "key": 1}])
    assert engine.state.describe()["keys"] == 2_500
    engine.advance(60_000)
    described = engine.state.describe()
    assert (described["keys"], described["partial_matches"], described["events"]) == (0, 0, 0)


def test_a_key_silent_for_long_can_be_forgotten():
    engine = engine_of(GROWING.replace("  within: 1h\n", ""))
    engine.feed([{"time": 1_000, "type": "a", "key": 7}, {"time": 5_000, "type": "a", "key": 8}])
    assert engine.state.forget(engine.plan, 2_000) == 1
    assert engine.state.partials(engine.plan, "user", 7) == []
    assert len(engine.state.partials(engine.plan, "user", 8)) == 1


def test_a_missing_key_takes_part_in_nothing():
    engine = engine_of(GROWING)
    engine.feed([{"time": 1_000, "type": "a", "key": 0}])
    assert engine.state.describe()["instances"] == 0


def test_patterns_of_several_roles_read_the_same_event():
    text = """
    paid: {key: payer, stages: [{begin: a, on: t}, {next: b, on: t}]}
    got: {key: payee, stages: [{begin: a, on: t}, {next: b, on: t}]}
    """
    engine = engine_of(text.replace("\n    ", "\n"), roles=("payer", "payee"))
    found = engine.feed(
        [
            {"time": 1, "type": "t", "key": {"payer": 7, "payee": 8}},
            {"time": 2, "type": "t", "key": {"payer": 9, "payee": 8}},
            {"time": 3, "type": "t", "key": {"payer": 7, "payee": 7}},
        ]
    )
    named = [
        (engine.plan.patterns[int(number)].name, int(key))
        for number, key in zip(found.pattern, found.key, strict=True)
    ]
    assert named == [("got", 8), ("paid", 7)]


SEVERAL = GROWING + NO_CALL + REORDERED + FLOOD
STREAM = [
    {
        "time": 1_000 * at,
        "type": "aabtecxba"[(at * 7 + at // 3) % 9],
        "key": 5 + at % 3,
        "amount": float(at * at % 17),
    }
    for at in range(1, 80)
]


def told(found):
    return sorted(
        zip(
            found.pattern.tolist(),
            found.key.tolist(),
            found.time_ms.tolist(),
            found.kind.tolist(),
            [found.event_hash[a:b].tolist() for a, b in zip(found.start[:-1], found.start[1:], strict=True)],
            strict=True,
        ),
        key=repr,
    )


@pytest.mark.parametrize("cuts", [list(range(1, 79)), [1], [40], [13, 14, 60]])
def test_one_by_one_or_in_any_batches_the_matches_are_the_same(cuts):
    whole, parts = engine_of(SEVERAL), engine_of(SEVERAL)
    expected = told(whole.feed(STREAM))
    assert len(expected) > 20
    assert told(parts.feed_in_parts(STREAM, cuts)) == expected
    assert told(whole.advance(10**9)) == told(parts.advance(10**9))


@pytest.mark.parametrize("cut", [3, 25, 50])
def test_a_snapshot_in_the_middle_of_a_match_goes_on_where_it_was(cut):
    whole, first = engine_of(SEVERAL), engine_of(SEVERAL)
    expected = told(whole.feed(STREAM))
    before = told(first.feed(STREAM[:cut]))
    saved = first.state.snapshot()
    first.feed(STREAM[:10])
    second = engine_of(SEVERAL)
    second.state = PatternsState.restore(second.plan, saved)
    second.arrived, second.clock = cut, STREAM[cut - 1]["time"]
    assert sorted(before + told(second.feed(STREAM[cut:])), key=repr) == expected


def test_a_snapshot_of_other_patterns_or_a_damaged_one_is_refused():
    one, other = engine_of(GROWING), engine_of(NO_CALL)
    with pytest.raises(StateError, match="other patterns"):
        PatternsState.restore(other.plan, one.state.snapshot())
    damaged = one.state.snapshot()
    del damaged["0.meta"]
    with pytest.raises(StateError, match="damaged"):
        PatternsState.restore(one.plan, damaged)
    one.feed(events("a5"))
    cut_short = one.state.snapshot()
    cut_short["0.nodes"] = cut_short["0.nodes"][:1]
    with pytest.raises(StateError, match="cut short"):
        PatternsState.restore(one.plan, cut_short)


@pytest.mark.parametrize("cut", [20, 50])
def test_a_pattern_that_did_not_change_keeps_its_partial_matches_through_a_change(cut):
    whole = engine_of(SEVERAL)
    expected = told(whole.feed(STREAM))
    old = engine_of(SEVERAL)
    before = told(old.feed(STREAM[:cut]))
    new = engine_of(
        NO_CALL.replace("no_call", "zero") + FLOOD + REORDERED + NO_CALL.replace("10s", "11s") + GROWING
    )
    new.state = PatternsState.adopt(new.plan, old.plan, old.state)
    new.arrived, new.clock = cut, STREAM[cut - 1]["time"]
    found = new.feed(STREAM[cut:])
    names = {info.number: info.name for info in whole.plan.patterns}
    kept = {"growing", "ordered", "flood"}
    mine = [(names_of(new)[number], *rest) for number, *rest in told(found) if names_of(new)[number] in kept]
    theirs = [(names[number], *rest) for number, *rest in expected if names[number] in kept]
    earlier = [(names[number], *rest) for number, *rest in before if names[number] in kept]
    assert sorted(mine + earlier, key=repr) == sorted(theirs, key=repr)
    assert new.state.losses(new.plan, "flood") == whole.state.losses(whole.plan, "flood")


def test_a_pattern_that_changed_starts_from_the_history_that_is_replayed():
    text = GROWING.replace("2 * small", "3 * small")
    old, new = engine_of(GROWING + FLOOD), engine_of(FLOOD + text)
    old.feed(STREAM[:40])
    new.feed(STREAM[:40])
    whole = engine_of(text + FLOOD)
    before, expected = told(whole.feed(STREAM[:40])), told(whole.feed(STREAM[40:]))
    assert before
    new.state = PatternsState.adopt(new.plan, old.plan, old.state, replayed=new.state)
    swapped = [(1 - number, *rest) for number, *rest in told(new.feed(STREAM[40:]))]
    assert sorted(swapped, key=repr) == expected


def names_of(engine: LittleEngine) -> dict[int, str]:
    return {info.number: info.name for info in engine.plan.patterns}


def test_one_key_can_move_to_another_engine():
    whole, here, there = (engine_of(GROWING + FLOOD) for _ in range(3))
    expected = told(whole.feed(STREAM))
    before = told(here.feed(STREAM[:40]))
    for at, event in enumerate(STREAM):
        event["id"] = at + 1
    moved = here.state.export_key(here.plan, "user", 6)
    assert set(moved) == {"growing", "flood"}
    here.state.drop_key(here.plan, "user", 6)
    assert here.state.partials(here.plan, "user", 6) == []
    there.state.import_key(there.plan, "user", moved)
    rest = [event for event in STREAM[40:] if event["key"] == 6]
    others = [event for event in STREAM[40:] if event["key"] != 6]
    after = told(here.feed(others)) + told(there.feed(rest))
    assert sorted(before + after, key=repr) == expected


def test_state_tells_its_size():
    engine = engine_of(GROWING)
    engine.feed(events("a5 a30"))
    described = engine.state.describe()
    assert described["keys"] == 1
    assert described["instances"] == 1
    assert described["events"] == 3
    assert described["bytes"] > 1_000
