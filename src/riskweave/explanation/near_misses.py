"""Rules that almost fired: what was missing, and how far it was.

A rule is near when each part of its condition that fails compares numbers and is within NEAR of its
limit (or one step, where it counts), or when a single part fails and at least two others hold. What
holds is read from the columns the engine decided by, so a rule that fired is never near.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskweave.batch import TIME_ROW, TYPE_ROW
from riskweave.expressions.strings import StringPool
from riskweave.expressions.types import Col, Const, Op, Type, Typed
from riskweave.rules.conditions import Condition, read
from riskweave.rules.ranges import TRUE, Ranges

# A fourth of the limit.
NEAR = 0.25
# With so many parts failing a rule is not looked at.
FAILING_MAX = 3
# Beyond so much a number is far whatever its limit's rounding; below, it is looked at in full.
FAR = NEAR * 1.01
_ROUNDING = 1e-9
_DEPTH_MAX = 16

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Missing:
    """One comparison that failed.

    `kind` is above, at_least, below, at_most (with `limit` and `gap`, a share of the limit), `is` (one
    of `wanted`), `is_not`, `true`, `false` or `known`.
    """

    operand: Typed
    kind: str
    value: float
    limit: float = math.nan
    gap: float = math.inf
    wanted: tuple[float, ...] = ()

    @property
    def is_near(self) -> bool:
        step = self.operand.type is Type.INT and abs(self.value - self.limit) <= 1.0
        return self.gap <= NEAR or step


@dataclass(frozen=True, slots=True)
class NearRule:
    """A rule that almost fired; `number` is its place among the rules given."""

    number: int
    distance: float
    missing: tuple[Missing, ...]


class Unevaluable(Exception):  # noqa: N818
    """An operation that is only done by the kernels."""


class NearRules:
    """Finds near rules among those of one policy.

    `conditions[k]` is what rule k asks of its operands, `rows[k]` in which row of the batch each
    operand lies, in the same order.
    """

    def __init__(
        self, conditions: Sequence[Condition], rows: Sequence[Sequence[int]], pool: StringPool
    ) -> None:
        self.pool = pool
        self.parts = [list(condition.items()) for condition in conditions]
        flat = [
            (rule, row, allowed)
            for rule, (condition, places) in enumerate(zip(self.parts, rows, strict=True))
            for (_, allowed), row in zip(condition, places, strict=True)
        ]
        simple = [(rule, row, allowed) for rule, row, allowed in flat if _is_simple(allowed)]
        self.odd = [each for each in flat if not _is_simple(each[2])]
        self.rules = len(self.parts)
        self.owner = np.array([rule for rule, _, _ in simple], np.intp)
        self.row = np.array([row for _, row, _ in simple], np.intp)
        self.low = np.array([allowed.edges[0] for _, _, allowed in simple], np.float64)
        self.high = np.array(
            [allowed.edges[1] if len(allowed.edges) == 2 else math.inf for _, _, allowed in simple],
            np.float64,
        )
        kinds = [
            operand.type if isinstance(operand, Col) else None
            for condition in self.parts
            for operand, allowed in condition
            if _is_simple(allowed)
        ]
        self.number = np.array([kind is not None and kind.is_number for kind in kinds], np.bool_)
        self.step = np.array([1.0 if kind is Type.INT else 0.0 for kind in kinds], np.float64)
        self.open_end = np.array([len(allowed.edges) == 1 for _, _, allowed in simple], np.bool_)
        self.rows = [list(places) for places in rows]
        # The time and the kind of event are no near miss: the rule does not look at such events.
        fixed = (TIME_ROW, TYPE_ROW)
        self.fixed = np.array([row in fixed for _, row, _ in simple], np.bool_)

    def of(self, values: Floats, fired: Collection[int], most: int = 5) -> list[NearRule]:
        """Return the nearest of the rules that did not fire; `values` is the event's column of the batch."""
        if not self.rules:
            return []
        found = values[self.row]
        holds = (found >= self.low) & ((found < self.high) | (self.open_end & (found >= self.low)))
        failing = np.bincount(self.owner[~holds], minlength=self.rules)
        # A number far from its limit keeps its rule out: most rules are done with here.
        limit = np.where(found < self.low, self.low, self.high)
        gap = np.abs(found - limit)
        # Just above nothing is nothing.
        size = np.where(np.abs(limit) < 1e-300, 1.0, np.abs(limit))
        far = self.number & ~holds & (gap > self.step + _ROUNDING) & (gap > FAR * size)
        failing[self.owner[far]] = FAILING_MAX + 1
        if self.fixed.any():
            np.add.at(failing, self.owner[self.fixed & ~holds], FAILING_MAX + 1)
        for rule, row, allowed in self.odd:
            if values[row] not in allowed:
                failing[rule] += FAILING_MAX + 1 if row in (TIME_ROW, TYPE_ROW) else 1
        near = []
        for rule in np.flatnonzero((failing > 0) & (failing <= FAILING_MAX)).tolist():
            if rule not in fired:
                each = self._near(rule, values)
                if each is not None:
                    near.append(each)
        near.sort(key=lambda each: (each.distance, each.number))
        return near[:most]

    def _near(self, rule: int, values: Floats) -> NearRule | None:
        missing: list[Missing] = []
        holding = 0
        for (operand, allowed), row in zip(self.parts[rule], self.rows[rule], strict=True):
            value = float(values[row])
            if value in allowed:
                holding += row not in (TIME_ROW, TYPE_ROW)
                continue
            lacks = self._lacks(operand, allowed, value, values)
            if not lacks:
                # Seen with other eyes it holds: nothing certain can be said.
                return None
            missing += lacks
        if all(each.is_near for each in missing):
            return NearRule(rule, sum(each.gap for each in missing), tuple(missing))
        if (
            len(missing) == 1
            and missing[0].kind in ("true", "false", "is", "is_not", "known")
            and holding >= 2
        ):
            return NearRule(rule, 1.0 / (1.0 + holding), tuple(missing))
        return None

    # ---- what is missing

    def _lacks(self, operand: Typed, allowed: Ranges, value: float, values: Floats) -> list[Missing]:
        if isinstance(operand, Op) and operand.type is Type.BOOL:
            if allowed == TRUE:
                return self._for(operand, True, values, 0)
            if TRUE.edges[0] not in allowed:
                return self._for(operand, False, values, 0)
        return _outside(operand, allowed, value)

    def _for(self, node: Typed, wanted: bool, values: Floats, depth: int) -> list[Missing]:
        """Return what is missing for a condition to be true (or not); nothing when it is already so."""
        if isinstance(node, Op) and depth < _DEPTH_MAX:
            if node.op == "not":
                return self._for(node.args[0], not wanted, values, depth + 1)
            if node.op == "truth":
                return self._for(node.args[0], wanted, values, depth + 1)
            if node.op in ("and", "or"):
                parts = [self._for(each, wanted, values, depth + 1) for each in node.args]
                if (node.op == "and") == wanted:
                    return [each for part in parts for each in part]
                return min(parts, key=_farness)
            if node.op in ("lt", "le", "eq", "ne"):
                return self._comparison(node, wanted, values)
        operand, allowed = read(node, self.pool)
        if not wanted:
            allowed = ~allowed
        try:
            value = evaluate(operand, values)
        except Unevaluable:
            return [Missing(node, "true" if wanted else "false", math.nan)]
        if value in allowed:
            return []
        return _outside(operand, allowed, value)

    def _comparison(self, node: Op, wanted: bool, values: Floats) -> list[Missing]:
        operand, allowed = read(node, self.pool)
        try:
            if operand is not node:
                value = evaluate(operand, values)
                allowed = allowed if wanted else ~allowed
                return [] if value in allowed else _outside(operand, allowed, value)
            left, right = (evaluate(each, values) for each in node.args)
        except Unevaluable:
            return [Missing(node, "true" if wanted else "false", math.nan)]
        return _between(node, left, right, wanted)


def _between(node: Op, left: float, right: float, wanted: bool) -> list[Missing]:
    """Return what two values lack to compare as wanted; the operand that an event brings is named."""
    a, b = node.args
    if math.isnan(left) or math.isnan(right):
        if not wanted:
            return []
        return [Missing(a if math.isnan(left) else b, "known", math.nan)]
    holds = {"lt": left < right, "le": left <= right, "eq": left == right, "ne": left != right}[node.op]
    if holds == wanted:
        return []
    if not (a.type.is_number or a.type is Type.TIME):
        return [Missing(a, "is" if (node.op == "eq") == wanted else "is_not", left, wanted=(right,))]
    kinds = {
        "lt": ("below", "at_least"),
        "le": ("at_most", "above"),
        "eq": ("is", "is_not"),
        "ne": ("is_not", "is"),
    }
    kind = kinds[node.op][0 if wanted else 1]
    mirrored = {"below": "above", "at_most": "at_least", "at_least": "at_most", "above": "below"}
    subject, value, limit = a, left, right
    if _weight(b) < _weight(a):
        subject, value, limit, kind = b, right, left, mirrored.get(kind, kind)
    if kind in ("is", "is_not"):
        return [Missing(subject, kind, value, limit, _gap(value, limit), (limit,))]
    return [Missing(subject, kind, value, limit, _gap(value, limit))]


def _weight(node: Typed) -> int:
    """Order operands by how much an event says of them itself: fields, features, calculations, constants."""
    if isinstance(node, Col):
        return node.stage
    return 99 if isinstance(node, Op) else 100


def _outside(operand: Typed, allowed: Ranges, value: float) -> list[Missing]:
    """Return what a value lacks to be one of those allowed."""
    if operand.type.is_text:
        pieces = allowed.pieces()
        if len(pieces) > 1 and pieces[0][0] == -math.inf:
            return [Missing(operand, "is_not", value)]
        wanted = tuple(low for low, high in pieces if math.isfinite(low) and high == low + 1.0)
        return [Missing(operand, "is" if wanted else "is_not", value, wanted=wanted)]
    if operand.type is Type.BOOL:
        return [Missing(operand, "true" if 1.0 in allowed else "false", value)]
    if math.isnan(value):
        return [Missing(operand, "known", value)]
    best: Missing | None = None
    for low, high in allowed.pieces():
        if value < low:
            plain = math.nextafter(low, -math.inf)
            strict = len(repr(plain)) < len(repr(low))
            limit = plain if strict else low
            each = Missing(operand, "above" if strict else "at_least", value, limit, _gap(value, limit))
        else:
            plain = math.nextafter(high, -math.inf)
            closed = len(repr(plain)) < len(repr(high))
            limit = plain if closed else high
            each = Missing(operand, "at_most" if closed else "below", value, limit, _gap(value, limit))
        if best is None or each.gap < best.gap:
            best = each
    return [best] if best is not None else [Missing(operand, "is_not", value)]


def _gap(value: float, limit: float) -> float:
    """Return how far a value is from its limit, as a share of the limit."""
    return abs(value - limit) / (abs(limit) or 1.0)


def _farness(missing: list[Missing]) -> tuple[int, float]:
    return sum(not each.is_near for each in missing), sum(each.gap for each in missing)


def _is_simple(allowed: Ranges) -> bool:
    return not allowed.null and 1 <= len(allowed.edges) <= 2


# ---- values of expressions that no column holds


def evaluate(node: Typed, values: Floats) -> float:
    """Return the value of an expression over one event's columns; NaN is null.

    Raises Unevaluable for what only the kernels do.
    """
    if isinstance(node, Col):
        return float(values[node.index])
    if isinstance(node, Const):
        if node.value is None:
            return math.nan
        if isinstance(node.value, (int, float)):
            return float(node.value)
        raise Unevaluable
    if node.op == "coalesce":
        known = (evaluate(each, values) for each in node.args)
        return next((each for each in known if not math.isnan(each)), math.nan)
    work = _ARITHMETIC.get(node.op)
    if work is None:
        raise Unevaluable
    args = [evaluate(each, values) for each in node.args]
    if any(math.isnan(each) for each in args):
        return math.nan
    try:
        return work(args)
    except (ZeroDivisionError, OverflowError, ValueError):
        return math.nan


_ARITHMETIC: dict[str, Callable[[list[float]], float]] = {
    "add": lambda a: a[0] + a[1],
    "sub": lambda a: a[0] - a[1],
    "mul": lambda a: a[0] * a[1],
    "div": lambda a: a[0] / a[1],
    "neg": lambda a: -a[0],
    "abs": lambda a: abs(a[0]),
    "sqrt": lambda a: math.sqrt(a[0]),
    "time_diff": lambda a: (a[0] - a[1]) / 1000.0,
    "time_add": lambda a: a[0] + a[1] * 1000.0,
}


def columns_of(node: Typed) -> Iterable[Col]:
    """Yield the columns that an expression reads, in the order written."""
    if isinstance(node, Col):
        yield node
    elif isinstance(node, Op):
        for each in node.args:
            yield from columns_of(each)
