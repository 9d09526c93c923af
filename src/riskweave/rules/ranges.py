"""Sets of values of one column: what a condition on it allows, as exact intervals.

Every set is a row of edges: a value is in the set when an odd number of edges is at or below it.
`x > 5` has the one edge just above 5, `x == 5` the two edges 5 and just above 5, so that
points, open and closed intervals are all alike and the algebra is exact. Text is its code, and a
code reaches up to the next: a text seen later than any constant lies beyond the last edge.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass

LOWEST = -math.inf


@dataclass(frozen=True, slots=True)
class Ranges:
    """A set of numbers, and whether null belongs to it."""

    edges: tuple[float, ...]
    null: bool = False

    def __contains__(self, value: float) -> bool:
        if math.isnan(value):
            return self.null
        return bisect_right(self.edges, value) % 2 == 1

    @property
    def is_empty(self) -> bool:
        return not self.edges and not self.null

    @property
    def is_everything(self) -> bool:
        return self.null and self.edges == (LOWEST,)

    def __and__(self, other: Ranges) -> Ranges:
        if self.is_everything:
            return other
        if other.is_everything:
            return self
        return Ranges(_merge(self.edges, other.edges, lambda a, b: a and b), self.null and other.null)

    def __or__(self, other: Ranges) -> Ranges:
        return Ranges(_merge(self.edges, other.edges, lambda a, b: a or b), self.null or other.null)

    def __invert__(self) -> Ranges:
        edges = self.edges[1:] if self.edges[:1] == (LOWEST,) else (LOWEST, *self.edges)
        return Ranges(edges, not self.null)

    def __sub__(self, other: Ranges) -> Ranges:
        return self & ~other

    def __le__(self, other: Ranges) -> bool:
        """Tell whether every value of this set is in the other."""
        return (self & ~other).is_empty

    def pieces(self) -> list[tuple[float, float]]:
        """Return the intervals [low, high) it is made of; the last high may be infinite (and included)."""
        edges = (*self.edges, math.inf) if len(self.edges) % 2 else self.edges
        return list(zip(edges[::2], edges[1::2], strict=True))


def _merge(
    left: tuple[float, ...], right: tuple[float, ...], keep: Callable[[bool, bool], bool]
) -> tuple[float, ...]:
    edges: list[float] = []
    inside = in_left = in_right = False
    a = b = 0
    while a < len(left) or b < len(right):
        edge = min(left[a] if a < len(left) else math.inf, right[b] if b < len(right) else math.inf)
        if a < len(left) and left[a] == edge:
            in_left, a = not in_left, a + 1
        if b < len(right) and right[b] == edge:
            in_right, b = not in_right, b + 1
        if keep(in_left, in_right) != inside:
            inside = not inside
            edges.append(edge)
    return tuple(edges)


NOTHING = Ranges(())
EVERYTHING = Ranges((LOWEST,), True)
NULL = Ranges((), True)
NOT_NULL = Ranges((LOWEST,), False)
TRUE = Ranges((1.0,))


def just_above(number: float) -> float:
    """Return the least float above `number`."""
    return math.nextafter(number, math.inf)


def compare(op: str, number: float) -> Ranges:
    """Return the numbers for which `x op number` holds; null never does."""
    number = number + 0.0  # -0.0 and 0.0 are one number
    if op == "<":
        return Ranges((LOWEST, number)) if number > LOWEST else NOTHING
    if op == "<=":
        return Ranges((LOWEST, just_above(number)))
    if op == ">":
        return Ranges((just_above(number),))
    if op == ">=":
        return Ranges((number,))
    if op == "==":
        return points([number])
    return NOT_NULL - points([number])


def points(numbers: Iterable[float]) -> Ranges:
    """Return the set of just these numbers."""
    edges: list[float] = []
    for number in sorted({each + 0.0 for each in numbers}):
        if edges and edges[-1] == number:
            edges[-1] = just_above(number)
        else:
            edges += [number, just_above(number)]
    return Ranges(tuple(edges))


def codes(numbers: Iterable[int]) -> Ranges:
    """Return the set of just these text codes (or truth values): each reaches up to the next."""
    edges: list[float] = []
    for number in sorted(set(numbers)):
        if edges and edges[-1] == number:
            edges[-1] = number + 1.0
        else:
            edges += [float(number), number + 1.0]
    return Ranges(tuple(edges))


def whole(ranges: Ranges) -> Ranges:
    """Return the same set of whole numbers, each edge moved up to a whole number."""
    edges: list[float] = []
    for low, high in ranges.pieces():
        first = math.ceil(low) if math.isfinite(low) else low
        last = math.ceil(high) if math.isfinite(high) else high
        if first < last:
            edges += [float(first), float(last)]
    if edges and edges[-1] == math.inf:
        edges.pop()
    return Ranges(tuple(edges), ranges.null)
