"""The library: every named pattern finds its story, and not the innocent one beside it."""

from __future__ import annotations

from typing import Any

import pytest

from riskweave.document import parse_yaml
from riskweave.expressions.types import Type
from riskweave.patterns import library
from riskweave.patterns.check import findings
from riskweave.patterns.spec import read_patterns
from tests.patterns.little_engine import LittleEngine

FIELDS = {
    "amount": Type.MONEY,
    "success": Type.BOOL,
    "new_device": Type.BOOL,
    "device": Type.STRING,
    "country": Type.STRING,
    "card_present": Type.BOOL,
    "counterparty": Type.STRING,
}
MINUTE, DAY = 60_000, 86_400_000


def engine_of(name: str) -> LittleEngine:
    section = parse_yaml(library.text(name), f"{name}.yaml").get("patterns")
    return LittleEngine(read_patterns(section), FIELDS, ("card", "customer", "account")).ready()


def matches(name: str, story: list[tuple[float, str, dict[str, Any]]]) -> int:
    """Return how often a pattern is matched by a story of (minutes, type, fields) of one key."""
    engine = engine_of(name)
    events = [
        {"time": 1_700_000_000_000 + int(at * MINUTE), "type": kind, "key": 7, **fields}
        for at, kind, fields in story
    ]
    return len(engine.feed(events)) + len(engine.advance(events[-1]["time"] + 500 * DAY))


def pay(at: float, amount: float, **fields: Any) -> tuple[float, str, dict[str, Any]]:
    return (at, "payment", {"amount": amount, **fields})


def login(at: float, success: bool, **fields: Any) -> tuple[float, str, dict[str, Any]]:
    return (at, "login", {"success": float(success), **fields})


def moved(at: float, kind: str, amount: float, other: str = "x") -> tuple[float, str, dict[str, Any]]:
    return (at, f"transfer_{kind}", {"amount": amount, "counterparty": other})


DAYS = 1_440

STORIES: dict[str, tuple[list[Any], list[Any]]] = {
    "card_testing": (
        [pay(0, 1), pay(2, 2), pay(3, 40), pay(4, 1), pay(9, 60)],
        [pay(0, 1), pay(2, 2), pay(4, 1), pay(9, 39), pay(40, 900)],
    ),
    "brute_force_then_success": (
        [*(login(at, False) for at in range(6)), login(7, True)],
        [*(login(at, False) for at in range(4)), login(5, True), login(6, False), login(7, True)],
    ),
    "account_takeover": (
        [login(0, True, new_device=1, device="d9"), (5, "profile_change", {}), pay(9, 300, device="d9")],
        [
            login(0, True, new_device=1, device="d9"),
            (5, "profile_change", {}),
            (6, "call_back", {}),
            pay(9, 300, device="d9"),
        ],
    ),
    "structuring_below_limit": (
        [(at * DAYS, "cash_deposit", {"amount": 9_500}) for at in (0, 1, 3)],
        [(at * DAYS, "cash_deposit", {"amount": 9_500}) for at in (0, 3, 6)],
    ),
    "rapid_in_and_out": (
        [moved(0, "in", 1_000), moved(10, "out", 400), moved(30, "out", 550)],
        [moved(0, "in", 1_000), moved(10, "out", 400), moved(30, "out", 200), moved(90, "out", 900)],
    ),
    "dormant_account_awakened": (
        [pay(0, 20), login(200 * DAYS, True), pay(201 * DAYS, 5_000)],
        [pay(0, 20), login(100 * DAYS, True), login(200 * DAYS, True), pay(201 * DAYS, 5_000)],
    ),
    "mule_fan_in_fan_out": (
        [
            moved(0, "in", 500, "a"),
            moved(5, "in", 400, "b"),
            moved(9, "in", 600, "c"),
            moved(60, "out", 1_400),
        ],
        [
            moved(0, "in", 500, "a"),
            moved(5, "in", 400, "a"),
            moved(9, "in", 600, "a"),
            moved(60, "out", 1_400),
        ],
    ),
    "impossible_travel": (
        [pay(0, 10, card_present=1, country="FR"), pay(30, 10, card_present=1, country="JP")],
        [
            pay(0, 10, card_present=1, country="FR"),
            pay(10, 10, card_present=0, country="JP"),
            pay(61, 10, card_present=1, country="JP"),
        ],
    ),
    "bust_out": (
        [
            *((at * DAYS, "repayment", {"amount": 50}) for at in (0, 5, 10)),
            pay(12 * DAYS, 900),
            pay(13 * DAYS, 800),
        ],
        [
            *((at * DAYS, "repayment", {"amount": 50}) for at in (0, 5, 10)),
            pay(12 * DAYS, 900),
            pay(13 * DAYS, 800),
            (20 * DAYS, "repayment", {"amount": 50}),
        ],
    ),
    "refund_abuse": (
        [
            each
            for at in range(3)
            for each in (pay(at * DAYS, 80), (at * DAYS + 60, "refund", {"amount": 80}))
        ],
        [
            each
            for at in range(3)
            for each in (pay(at * DAYS, 80), (at * DAYS + 60, "refund", {"amount": 20}))
        ],
    ),
}


def test_every_pattern_of_the_library_has_its_stories():
    assert library.names() == sorted(STORIES)


@pytest.mark.parametrize("name", sorted(STORIES))
def test_the_story_is_found_and_the_innocent_one_is_not(name):
    guilty, innocent = STORIES[name]
    assert matches(name, guilty) >= 1
    assert matches(name, innocent) == 0


@pytest.mark.parametrize("name", sorted(STORIES))
def test_a_library_pattern_has_no_findings_a_paragraph_and_reasons_in_two_languages(name):
    assert findings(engine_of(name).compiler) == []
    lines = library.text(name).splitlines()
    assert lines[0].startswith("# ")
    assert len(" ".join(line for line in lines if line.startswith("#"))) > 90
    (spec,) = read_patterns(parse_yaml(library.text(name)).get("patterns"))
    assert set(spec.reason) == {"en", "zh"}
    assert spec.within_ms
