"""What a static check found, and how sets of values are put into words."""

from __future__ import annotations

import math
from dataclasses import dataclass

from riskweave.errors import Span
from riskweave.expressions.strings import StringPool
from riskweave.expressions.types import Col, Op, Type, Typed
from riskweave.rules.ranges import LOWEST, NULL, Ranges, codes, just_above, whole

_BOOLS = codes([0, 1]) | NULL
_TEXTS = Ranges((0.0,), True)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is surely not meant (`error`) or probably not meant (`warning`)."""

    severity: str
    message: str
    span: Span
    hint: str = ""

    def __str__(self) -> str:
        lines = [f"{self.span.place()}: {self.severity}: {self.message}"]
        caret = self.span.caret()
        if caret:
            lines.append(caret)
        if self.hint:
            lines.append(f"  {self.hint}")
        return "\n".join(lines)


def possible(operand: Typed, allowed: Ranges) -> Ranges:
    """Return the part of a set that values of the operand's type can reach."""
    if operand.type is Type.INT:
        return whole(allowed)
    if operand.type is Type.BOOL:
        return allowed & _BOOLS
    if operand.type.is_text:
        return allowed & _TEXTS
    return allowed


def name_of(operand: Typed) -> str:
    """Return how a message calls an operand."""
    if isinstance(operand, Col):
        return f"`{operand.name}`"
    if isinstance(operand, Op):
        columns = sorted({column.name for column in _columns(operand)})
        return "a value of " + " and ".join(f"`{name}`" for name in columns) if columns else "a value"
    return "a constant"


def _columns(node: Typed) -> set[Col]:
    if isinstance(node, Col):
        return {node}
    return {column for each in node.args for column in _columns(each)} if isinstance(node, Op) else set()


def sample(operand: Typed, allowed: Ranges, pool: StringPool) -> str:
    """Return one value of a set that is not empty, as an analyst would write it."""
    if not allowed.edges:
        return "missing"
    low, high = allowed.pieces()[-1 if operand.type.is_text else 0]
    if operand.type is Type.BOOL:
        return "true" if low >= 1.0 else "false"
    if operand.type.is_text:
        if high == math.inf:
            return "any other text"
        return f'"{pool.texts[int(low)]}"' if 0 <= int(low) < len(pool.texts) else "any other text"
    return f"{_simple_number(low, high, operand.type is Type.INT):.15g}"


def _simple_number(low: float, high: float, integer: bool) -> float:
    """Return a number in [low, high) that is short to write."""
    if low == LOWEST:
        if high == math.inf:
            return 0.0
        return -1.0 if -1.0 < high <= 0.0 else math.ceil(high) - 1.0 if not high > 0.0 else 0.0
    if integer or (low == math.ceil(low) and low < high):
        return math.ceil(low)
    up = math.floor(low) + 1.0
    if up < high:
        return up
    for digits in range(1, 18):
        for number in (round(low, digits), round(low + 10.0**-digits, digits)):
            if low <= number < high:
                return number
    return low


def describe(operand: Typed, allowed: Ranges, pool: StringPool) -> str:
    """Return a set in the words of a table's cell."""
    if operand.type.is_text or operand.type is Type.BOOL:
        return sample(operand, allowed, pool)
    parts = ["missing"] if allowed.null else []
    for low, high in allowed.pieces()[:5]:
        opening, first = _bound(low)
        closing, last = _bound(high)
        if low == LOWEST and high == math.inf:
            parts.append("any number")
        elif low == LOWEST:
            parts.append(f"{'<=' if closing else '<'} {last:.15g}")
        elif high == math.inf:
            parts.append(f"{'>' if opening else '>='} {first:.15g}")
        elif not opening and closing and first == last:
            parts.append(f"{first:.15g}")
        else:
            parts.append(f"{'(' if opening else '['}{first:.15g}..{last:.15g}{']' if closing else ')'}")
    return " or ".join(parts) or "nothing"


def _bound(edge: float) -> tuple[bool, float]:
    """Return whether an edge stands just above a number, and the number."""
    below = math.nextafter(edge, LOWEST)
    if math.isfinite(edge) and len(repr(below)) < len(repr(edge)) and just_above(below) == edge:
        return True, below
    return False, edge
