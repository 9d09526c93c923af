"""Laws of patterns: what Flink refuses is refused with place, reason and a way out."""

from __future__ import annotations

import pytest

from riskweave.errors import PolicyError
from tests.patterns.test_room import engine_of

A = "{begin: a, on: a}"


def refusal(stages: str, rest: str = "", key: str = "user") -> str:
    with pytest.raises(PolicyError) as caught:
        engine_of(f"p:\n  key: {key}\n  stages: [{stages}]\n{rest}")
    return str(caught.value)


def test_an_error_shows_place_line_and_way_out():
    stages = f"{A}, {{not_next: b, on: b, times: 2}}"
    assert refusal(stages) == (
        "policy.yaml:3:59: `not_next: b` has `times`, but a NOT stage takes no quantifier\n"
        "      stages: [{begin: a, on: a}, {not_next: b, on: b, times: 2}]\n"
        "                                                              ^\n"
        "  say in `where` which event must not come"
    )


@pytest.mark.parametrize(
    ("stages", "rest", "says", "hint"),
    [
        (f"{A}, {{next: a}}", "", "two stages are named `a`", "groups included"),
        (f"{A}, {{next: b}}", "  skip: {skip_to_last: c}", "no stage `c`", "stages: a, b"),
        (
            f"{A}, {{next: [{{begin: b}}]}}",
            "  skip: {skip_to_last: b}",
            "inside a group",
            "outside of groups",
        ),
        (f"{A}, {{not_followed_by: b}}", "", "without a time limit", "within: 10m"),
        ("{begin: a, optional: true}, {not_next: b}, {next: c}", "", "may be left out", "two patterns"),
        ("{begin: a, times: 0}", "", "must be positive", "optional: true"),
        ("{begin: a, times: [3, 2]}", "", "from 3 to 2", "smaller"),
        ("{begin: a, times: [0, 2], optional: true}", "", "twice", "leave `optional` out"),
        ("{begin: a, greedy: true}", "", "needs a quantifier", "times: N"),
        ("{begin: a, consecutive: true}", "", "needs a quantifier", "times: N"),
        ("{begin: [{begin: a}], times: 2, greedy: true}", "", "cannot be greedy", "stages inside"),
        (
            "{begin: a, one_or_more: true, greedy: true}, {next: b, optional: true}",
            "",
            "behind a greedy",
            "leave `greedy` out",
        ),
        ("{begin: a, until: ok == True}", "", "ends a loop", "one_or_more"),
        ("{begin: [{begin: a}], where: ok == True}", "", "a group has no condition", "stages inside"),
        (
            f"{A}, {{next: b, within_previous: 10m}}",
            "  within: 5m",
            "longer than the pattern's window",
            "make it shorter",
        ),
        ("{begin: [{begin: a, optional: true}], one_or_more: true}", "", "can all be left out", "required"),
        (A + ", {begin: b}", "", "written with `begin`", "one of next"),
        ("{next: a}", "", "written with `next`", "`begin`"),
        ("{begin: a, times: 2, one_or_more: true}", "", "`times` and `one_or_more`", "one quantifier"),
        ("{begin: a, next: b}", "", "named behind one word", "followed_by: large"),
        (A, "  late: wait 5s", "`late` is `wait 5s`", "reorder 5s"),
        (A, "  skip: skip_to_first", "needs a stage", "skip_to_first: STAGE"),
        (A, "  wihtin: 5s", "unknown key `wihtin`", "did you mean `within`"),
        ("{begin: a, wehre: ok}", "", "unknown key `wehre`", "did you mean `where`"),
        ("{begin: a, where: a > 5}", "", "is a stage, not a value", "a.count"),
        ("{begin: a, where: a.totl(amount) > 5}", "", "not known of a stage", "known: count"),
        ("{begin: a, where: a.sum(device) > 5}", "", "`sum` of string values", "takes numbers"),
        ("{begin: user}", "", "name of an entity", "differently"),
        (
            "{begin: a, one_or_more: true, greedy: true, allow_combinations: true}",
            "",
            "order of the calls",
            "leave one",
        ),
    ],
)
def test_what_flink_refuses_is_refused_with_a_way_out(stages, rest, says, hint):
    text = refusal(stages, rest)
    assert says in text
    assert hint in text.splitlines()[-1]
    assert text.startswith("policy.yaml:")


def test_an_unknown_role_names_the_nearest():
    assert "did you mean `user`?" in refusal(A, key="usr")


def test_nesting_names_and_sizes_have_limits():
    deep = "{begin: a}"
    for _ in range(12):
        deep = f"{{begin: [{deep}]}}"
    assert "nested too deeply" in refusal(deep)
    wide = "{begin: [{begin: a, times: 900}], times: 900}"
    assert "more than 20000 states" in refusal(wide)
    assert "more than 64 stages" in refusal(", ".join([A, *(f"{{next: s{at}}}" for at in range(70))]))
