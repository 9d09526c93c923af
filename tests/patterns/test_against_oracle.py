"""The room agrees with the slow matcher on random patterns and streams, however the stream is cut."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.oracles.patterns import Answer, frozen, run_as_it_arrives, run_case
from tests.patterns.case_format import run_in_room
from tests.patterns.random_cases import cases

RELAXED = settings(
    deadline=None,
    max_examples=150,
    derandomize=True,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow, HealthCheck.data_too_large],
)


def bag(found: list[tuple[str, float, dict[str, list[int]]]]) -> Counter[Any]:
    return Counter((key, ts, frozen(stages)) for key, ts, stages in found)


def assert_same(expected: Answer, found: Answer) -> None:
    assert bag(found.matches) == bag(expected.matches)
    assert bag(found.timeouts) == bag(expected.timeouts)
    for key in ("k1", "k2"):
        mine = [ts for each, ts, _ in found.matches if each == key]
        assert mine == [ts for each, ts, _ in expected.matches if each == key]
    assert sorted(found.late) == sorted(expected.late)
    assert found.dropped == expected.dropped


@RELAXED
@given(cases(), st.lists(st.integers(1, 39), max_size=4))
def test_any_pattern_on_any_stream_in_any_batches_gives_the_defined_matches(case, cuts):
    bounds = {"partials_max": 60, "events_max": 400}
    expected = run_case(case, gap_timers=True, **bounds)
    cuts = [cut for cut in cuts if cut < len(case["events"])]
    assert_same(expected, run_in_room(case, cuts, **bounds))


@RELAXED
@given(cases(), st.integers(1, 5), st.integers(2, 12))
def test_caps_drop_the_earliest_partial_matches_and_count_each(case, partials_max, events_max):
    bounds = {"partials_max": partials_max, "events_max": events_max}
    assert_same(run_case(case, gap_timers=True, **bounds), run_in_room(case, [7], **bounds))


@RELAXED
@given(cases(events_max=25, late=True), st.lists(st.integers(1, 24), max_size=3))
def test_late_events_wait_for_their_order_or_are_named(case, cuts):
    bounds = {"partials_max": 60, "events_max": 400}
    expected = run_case(case, gap_timers=True, **bounds)
    cuts = [cut for cut in cuts if cut < len(case["events"])]
    assert_same(expected, run_in_room(case, cuts, **bounds))


@RELAXED
@given(cases(events_max=30, late=True), st.lists(st.integers(1, 29), max_size=3))
def test_late_events_are_taken_as_they_arrive_with_their_own_time(case, cuts):
    bounds = {"partials_max": 60, "events_max": 400}
    del case["watermark_delay_ms"]
    expected = run_as_it_arrives(case, **bounds)
    cuts = [cut for cut in cuts if cut < len(case["events"])]
    assert_same(expected, run_in_room(case, cuts, as_it_arrives=True, **bounds))
