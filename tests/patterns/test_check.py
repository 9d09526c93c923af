"""`riskweave check` on patterns: what can never complete, what grows without bound, what has no effect."""

from __future__ import annotations

import pytest

from riskweave.patterns.check import findings
from tests.patterns.test_room import engine_of

A = "{begin: a, on: a}"


def kinds(stages: str, rest: str = "  within: 1h") -> list[str]:
    engine = engine_of(f"p:\n  key: user\n  stages: [{stages}]\n{rest}\n")
    return [each.kind for each in findings(engine.compiler)]


@pytest.mark.parametrize(
    ("stages", "rest", "expected"),
    [
        (f"{A}, {{followed_by: b, on: b}}", "  within: 1h", []),
        (f"{A}, {{next: b, on: b}}", "", []),
        (f"{A}, {{followed_by: b, on: b}}", "", ["unbounded"]),
        ("{begin: a, on: a, one_or_more: true}, {next: b, on: b}", "", ["unbounded"]),
        (f"{A}, {{followed_by: b, where: False}}", "  within: 1h", ["never"]),
        (f"{A}, {{not_next: n}}, {{next: b, on: b}}", "  within: 1h", ["never"]),
        (f"{A}, {{not_followed_by: n}}, {{followed_by: b, on: b}}", "  within: 1h", ["never"]),
        (
            f"{A}, {{followed_by: b, on: b, one_or_more: true, allow_combinations: true}}",
            "  within: 1h",
            ["many"],
        ),
        (f"{A}, {{next: b, on: b, times: 2, within_previous: 5m}}", "  within: 1h", ["no_effect"]),
        (
            f"{A}, {{not_followed_by: n, on: n}}, {{not_next: m, on: m}}, {{next: b, on: b}}",
            "  within: 1h",
            ["no_effect"],
        ),
        (
            f"{A}, {{not_next: n, on: n}}, {{next: b, on: b}}",
            "  within: 1h\n  skip: {skip_to_first: n}",
            ["no_effect"],
        ),
    ],
)
def test_doubtful_patterns_are_found(stages, rest, expected):
    assert kinds(stages, rest) == expected


def test_a_finding_names_place_and_way_out():
    engine = engine_of(f"p:\n  key: user\n  stages: [{A}, {{followed_by: b, on: b}}]\n")
    (finding,) = findings(engine.compiler)
    assert str(finding) == (
        "policy.yaml:1:1: pattern `p` keeps partial matches for ever\n"
        "  add `within: 24h`; now only the caps bound it: 200 partial matches and 2000 events per key"
    )
