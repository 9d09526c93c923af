"""tests.yaml: events, and what must come out."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from riskweave.batch import ACTIONS
from riskweave.document import Node
from riskweave.errors import PolicyError, did_you_mean

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "==": operator.eq,
    "!=": operator.ne,
}
_COMPARISON = re.compile(r"\s*(>=|<=|>|<|==|!=)\s*(-?\d[\d_.eE+-]*)\s*$")


@dataclass(frozen=True)
class Expectation:
    """What one decision must be; None means: not looked at."""

    node: Node
    action: str | None
    score: Node | None
    rules: list[str] | None
    includes: list[str]
    excludes: list[str]
    features: dict[str, Node]
    patterns: list[str] | None


@dataclass(frozen=True)
class PolicyTest:
    """Events in order, labels among them, and an expectation for some of the events."""

    name: str
    node: Node
    events: list[dict[str, object]]
    expect: dict[int, Expectation]


@dataclass(frozen=True)
class Known:
    """What tests may speak of: rules, named features and patterns, by name."""

    rules: Sequence[str]
    features: Sequence[str]
    patterns: Sequence[str]


def read_tests(root: Node, known: Known) -> list[PolicyTest]:
    """Read tests.yaml; names of rules, features and patterns that do not exist are refused."""
    root.only("tests")
    return [_test(node, known) for node in root.need("tests").elements()]


def _test(node: Node, known: Known) -> PolicyTest:
    node.only("name", "events", "expect", "description")
    events = [_record(each) for each in node.need("events").elements()]
    if not events:
        raise node.error("a test needs at least one event")
    expect = node.need("expect")
    if expect.is_list:
        elements = expect.elements()
        if len(elements) != len(events):
            raise expect.error(
                f"{len(elements)} expectations for {len(events)} events",
                "write one for each event, `{}` for any",
            )
        wanted = {index: _expectation(each, known) for index, each in enumerate(elements)}
    else:
        wanted = {len(events) - 1: _expectation(expect, known)}
    return PolicyTest(node.need("name").text(), node, events, wanted)


def _expectation(node: Node, known: Known) -> Expectation:
    node.only("action", "score", "rules", "includes", "excludes", "features", "patterns")
    action, score, rules, values = (node.get(key) for key in ("action", "score", "rules", "features"))
    for key, names, what in (
        ("rules", known.rules, "rule"),
        ("includes", known.rules, "rule"),
        ("excludes", known.rules, "rule"),
        ("patterns", known.patterns, "pattern"),
    ):
        named = node.get(key)
        for each in named.texts() if named else []:
            if each not in names:
                raise PolicyError(
                    f"there is no {what} `{each}`", named.span if named else None, did_you_mean(each, names)
                )
    for name, _ in values.items() if values else []:
        if name not in known.features:
            raise PolicyError(
                f"there is no feature `{name}`",
                values.key_span(name) if values else None,
                did_you_mean(name, known.features),
            )
    patterns = node.get("patterns")
    includes, excludes = node.get("includes"), node.get("excludes")
    return Expectation(
        node=node,
        action=action.choice(*ACTIONS) if action else None,
        score=score,
        rules=rules.texts() if rules else None,
        includes=includes.texts() if includes else [],
        excludes=excludes.texts() if excludes else [],
        features=dict(values.items()) if values else {},
        patterns=patterns.texts() if patterns else None,
    )


def _record(node: Node) -> dict[str, object]:
    return {key: plain_value(each) for key, each in node.items()}


def plain_value(node: Node) -> object:
    """Return a node as a JSON value: an unquoted number or true/false is one, everything else is text."""
    if node.is_list:
        return [plain_value(each) for each in node.elements()]
    if node.is_map:
        return {key: plain_value(each) for key, each in node.items()}
    if node.is_null:
        return None
    text = node.text()
    if not node.plain:
        return text
    if text in ("true", "false"):
        return text == "true"
    for convert in (int, float):
        try:
            number = convert(text)
        except ValueError:
            continue
        return number if math.isfinite(number) else text
    return text


def mismatch(wanted: Node, found: object) -> bool:
    """Tell whether a value is not what its node says: a value, or a comparison such as `> 0.7`."""
    text = wanted.text() if not wanted.is_null else None
    if text is None:
        return found is not None
    comparison = _COMPARISON.match(text)
    if comparison:
        if not isinstance(found, (int, float)):
            return True
        return not _COMPARE[comparison[1]](float(found), float(comparison[2].replace("_", "")))
    value = plain_value(wanted)
    if isinstance(value, bool) or isinstance(found, (bool, str)) or found is None:
        return found != value and str(found) != text
    if isinstance(value, (int, float)) and isinstance(found, (int, float)):
        return not math.isclose(value, found, rel_tol=1e-9, abs_tol=1e-9)
    return True
