"""Static checks: what can be said of rules, tables, scorecards and trees before any event comes.

Conditions are sets of values per operand (see `conditions.py`), so the checks are exact where a
condition is a function of single operands; a comparison of two operands is one opaque truth.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from riskweave.batch import ACTIONS
from riskweave.expressions.strings import StringPool
from riskweave.expressions.types import Const, Typed
from riskweave.rules.check_tables import check_bands, check_table, check_tree
from riskweave.rules.compile import RulesCompiler
from riskweave.rules.conditions import Condition
from riskweave.rules.findings import Finding, describe, name_of, possible
from riskweave.rules.ranges import EVERYTHING, Ranges
from riskweave.rules.spec import RuleSpec

FINDINGS_MAX = 1000

# Candidates that are compared exactly with one rule, and operands up to which subsets are looked up.
CANDIDATES_MAX = 200
OPERANDS_MAX = 6


def check(compiled: RulesCompiler) -> list[Finding]:
    """Return what is wrong or suspicious in a policy that compiled, in the order of the file."""
    pool, checked = compiled.pool, compiled.checked
    findings = _check_rules(checked.rules, compiled.spec.groups, pool)
    for table in checked.tables:
        findings += check_table(*table, pool)
    for bands in checked.bands:
        findings += check_bands(*bands, pool)
    for tree in checked.trees:
        findings += check_tree(*tree)
    findings.sort(key=lambda finding: (finding.span.file, finding.span.line, finding.span.column))
    return findings[:FINDINGS_MAX]


Known = tuple[RuleSpec, Condition, float | None]


def _check_rules(rules: Iterable[Known], groups: dict[str, str], pool: StringPool) -> list[Finding]:
    findings: list[Finding] = []
    alive: list[Known] = []
    for spec, written, risk in rules:
        condition = {operand: possible(operand, allowed) for operand, allowed in written.items()}
        empty = next((operand for operand, allowed in condition.items() if allowed.is_empty), None)
        if empty is not None:
            findings.append(_never(spec, empty))
            continue
        condition = {
            operand: allowed
            for operand, allowed in condition.items()
            if allowed != possible(operand, EVERYTHING)
        }
        if not condition and spec.when.text().strip().lower() != "true":
            findings.append(
                Finding(
                    "warning",
                    f"rule `{spec.id}` always holds",
                    spec.when.span,
                    "if it is meant, write `True`",
                )
            )
        alive.append((spec, condition, risk))
    repeated = _duplicates(alive, findings)
    _shadowed([each for each in alive if each[0].id not in repeated], groups, findings, pool)
    return findings


def _never(spec: RuleSpec, operand: Typed) -> Finding:
    if isinstance(operand, Const):
        return Finding("error", f"rule `{spec.id}` can never hold: its condition is false", spec.when.span)
    return Finding(
        "error",
        f"rule `{spec.id}` can never hold: no value of {name_of(operand)} meets all it asks",
        spec.when.span,
        "one of its conditions on it contradicts another" if "and" in spec.when.text() else "",
    )


def _duplicates(rules: list[Known], findings: list[Finding]) -> set[str]:
    """Report rules with the very condition of an earlier one; return their ids."""
    first: dict[frozenset[tuple[Typed, Ranges]], RuleSpec] = {}
    repeated: set[str] = set()
    for spec, condition, _ in rules:
        key = frozenset(condition.items())
        other = first.setdefault(key, spec)
        if other is not spec:
            repeated.add(spec.id)
            findings.append(
                Finding(
                    "warning",
                    f"rule `{spec.id}` has the same condition as rule `{other.id}`",
                    spec.when.span,
                    f"`{other.id}` is at {other.span.place()}; keep one of them",
                )
            )
    return repeated


class _Bucket:
    """Rules on the same operands; their hulls as arrays, to find the wider ones quickly."""

    def __init__(self, operands: tuple[Typed, ...], rules: list[Known]) -> None:
        self.operands = operands
        self.rules = rules
        self.low = np.array([[_hull(rule[1][each])[0] for each in operands] for rule in rules])
        self.high = np.array([[_hull(rule[1][each])[1] for each in operands] for rule in rules])

    def wider(self, condition: Condition) -> NDArray[np.int64]:
        """Return the rules whose hull holds that of `condition`."""
        if not self.operands:
            return np.arange(len(self.rules))
        hulls = [_hull(condition[each]) for each in self.operands]
        low, high = (np.array(side) for side in zip(*hulls, strict=True))
        return np.flatnonzero(((self.low <= low) & (self.high >= high)).all(axis=1))


def _hull(allowed: Ranges) -> tuple[float, float]:
    edges = allowed.edges
    if not edges:
        return math.inf, -math.inf
    return edges[0], math.inf if len(edges) % 2 else edges[-1]


def _shadowed(rules: list[Known], groups: dict[str, str], findings: list[Finding], pool: StringPool) -> None:
    """Report rules that only hold when another does that says at least as much, or that hides them."""
    grouped: dict[frozenset[Typed], list[Known]] = {}
    for rule in rules:
        grouped.setdefault(frozenset(rule[1]), []).append(rule)
    buckets = {key: _Bucket(tuple(key), each) for key, each in grouped.items()}
    place = {rule[0].id: index for index, rule in enumerate(rules)}
    for rule in rules:
        for bucket in _narrower_keys(frozenset(rule[1]), buckets):
            other = _cover(rule, bucket, groups, place)
            if other is None:
                continue
            operand = next(
                (each for each, allowed in other[1].items() if allowed != rule[1][each]),
                next(iter(rule[1]), None),
            )
            words = f"`{other[0].id}` asks for less"
            if operand is not None and operand in other[1]:
                enough = describe(operand, other[1][operand], pool)
                words = f"`{other[0].id}` already holds for {name_of(operand)}: {enough}"
            findings.append(
                Finding(
                    "warning",
                    f"rule `{rule[0].id}` adds nothing: whenever it holds, rule `{other[0].id}` does"
                    + (" and hides it" if _hides(other, rule, groups, place) else ", with no less risk"),
                    rule[0].when.span,
                    f"{words}, see {other[0].span.place()}",
                )
            )
            break


def _narrower_keys(key: frozenset[Typed], buckets: dict[frozenset[Typed], _Bucket]) -> list[_Bucket]:
    """Return the buckets whose operands are all among `key`."""
    operands = list(key)
    if len(operands) > OPERANDS_MAX:
        return [bucket for other, bucket in buckets.items() if other <= key]
    subsets = (
        frozenset(operand for bit, operand in enumerate(operands) if mask >> bit & 1)
        for mask in range(1 << len(operands))
    )
    return [buckets[each] for each in subsets if each in buckets]


def _cover(rule: Known, bucket: _Bucket, groups: dict[str, str], place: dict[str, int]) -> Known | None:
    """Return a rule of the bucket that holds whenever `rule` does, and makes it idle."""
    for index in bucket.wider(rule[1])[:CANDIDATES_MAX].tolist():
        other: Known = bucket.rules[index]
        if other[0] is rule[0] or not all(rule[1][each] <= other[1][each] for each in bucket.operands):
            continue
        if _hides(other, rule, groups, place) or _says_as_much(other, rule, groups):
            return other
    return None


def _hides(other: Known, rule: Known, groups: dict[str, str], place: dict[str, int]) -> bool:
    """Tell whether `rule` does not count when `other` hits, by their group."""
    first, second = other[0], rule[0]
    if first.group is None or first.group != second.group:
        return False
    take = groups[first.group]
    if take == "all":
        return False
    if first.priority != second.priority:
        return first.priority > second.priority
    return take == "first" and place[first.id] < place[second.id]


def _says_as_much(other: Known, rule: Known, groups: dict[str, str]) -> bool:
    first, second = other[0], rule[0]
    if other[2] is None or rule[2] is None or other[2] < rule[2]:
        return False
    # A rule of a group may be hidden by a third one, unless the group takes all.
    if first.group is not None and groups[first.group] != "all":
        return False
    if second.action is not None and (
        first.action is None or ACTIONS.index(first.action) < ACTIONS.index(second.action)
    ):
        return False
    return second.at_most is None or (
        first.at_most is not None and ACTIONS.index(first.at_most) <= ACTIONS.index(second.at_most)
    )
