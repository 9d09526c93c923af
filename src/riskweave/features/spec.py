"""The aggregates: what each is called, what it takes, what it gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from riskweave.expressions.types import Col, Expr, Type, Typed

WINDOW_MS_MIN = 1_000
WINDOW_MS_MAX = 400 * 86_400_000


class ArgumentReader(Protocol):
    """Reads the arguments of a feature call; each method raises a PolicyError at the expression."""

    def typed(self, expr: Expr) -> Typed:
        """Return an expression, checked."""
        ...

    def literal(self, expr: Expr) -> str | float | bool | None:
        """Return what is written out: text, a number, true or false."""
        ...

    def conjuncts(self, expr: Expr) -> Sequence[Typed]:
        """Return the parts of a condition that `and` joins at its top; a bare label is a LABEL column."""
        ...

    def all_of(self, parts: Sequence[Typed]) -> Typed:
        """Return the condition that all of several hold."""
        ...

    def types(self, expr: Expr) -> Typed:
        """Return the condition that the event is of one of the types that `on=` names."""
        ...

    def label(self, column: Col) -> int:
        """Return the number by which a label's arrivals call its field."""
        ...

    def hour(self) -> Typed:
        """Return the hour of the event's time, in the policy's zone."""
        ...


class Entity(Protocol):
    """A kind of entity: its name, and the key fields of each of its roles."""

    @property
    def name(self) -> str: ...

    @property
    def roles(self) -> dict[str, tuple[str, ...]]: ...


class EventKeys(Protocol):
    """Where the hashes of key fields are."""

    def key(self, fields: tuple[str, ...]) -> int:
        """Return the row of `Batch.keys` for these fields; KeyError or PolicyError when one is none."""
        ...


class ColumnCompiler(Protocol):
    """Makes columns of expressions."""

    def column(self, node: Typed) -> Col:
        """Return a column that is kept and holds `node`; a column as it is."""
        ...


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One aggregate: `takes` names its arguments in order, `?` marks those that may be left out.

    `before` says that it always looks at the events before the current one; `result` is None when
    it has the type of its value.
    """

    name: str
    takes: tuple[str, ...]
    result: Type | None
    before: bool = False


AGGREGATES: dict[str, Aggregate] = {
    each.name: each
    for each in (
        Aggregate("count", ("window",), Type.INT),
        Aggregate("sum", ("number", "window"), None),
        Aggregate("mean", ("number", "window"), Type.FLOAT),
        Aggregate("std", ("number", "window"), Type.FLOAT),
        Aggregate("min", ("number", "window"), None),
        Aggregate("max", ("number", "window"), None),
        Aggregate("median", ("number", "window"), Type.FLOAT),
        Aggregate("quantile", ("number", "share", "window"), Type.FLOAT),
        Aggregate("distinct", ("value", "window"), Type.INT),
        Aggregate("is_new", ("value", "window"), Type.BOOL, before=True),
        Aggregate("first_seen", ("window?",), Type.TIME),
        Aggregate("last", ("value", "window?"), None, before=True),
        Aggregate("time_since", ("window?",), Type.FLOAT, before=True),
        Aggregate("rate", ("condition", "window"), Type.FLOAT),
        Aggregate("ratio", ("number", "window", "window"), Type.FLOAT),
        Aggregate("entropy", ("value", "window"), Type.FLOAT),
        Aggregate("mode", ("value", "window"), None),
        Aggregate("decayed_count", ("half_life",), Type.FLOAT),
        Aggregate("decayed_sum", ("number", "half_life"), Type.FLOAT),
        Aggregate("rank", ("number", "window"), Type.FLOAT, before=True),
        Aggregate("zscore", ("number", "window"), Type.FLOAT, before=True),
        Aggregate("distance_from_last", ("place", "window?"), Type.FLOAT, before=True),
        Aggregate("speed_kmh", ("place", "window?"), Type.FLOAT, before=True),
        Aggregate("distance_from_usual", ("place", "window?"), Type.FLOAT, before=True),
        Aggregate("distinct_places", ("place", "window", "cell_km?"), Type.INT),
        Aggregate("hour_habit", ("window?",), Type.FLOAT, before=True),
    )
}

OPTIONS = ("where", "before", "delay", "on")
