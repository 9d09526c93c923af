"""What an expression is made of once it is checked: typed nodes over columns.

The parser gives a tree of text (`parse.py`), the checker turns it into the nodes below
(`check.py`), the compiler into a flat program (`compile.py`). Other rooms read these nodes: rules
take a condition apart into its conjuncts, features read their `where`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from riskweave.errors import Span


class Type(Enum):
    """What a column holds. In a batch every column is float64 and NaN stands for null.

    INT and FLOAT are numbers; MONEY is an amount in major units of the policy's base currency
    (exact: minor units divided by a power of ten); BOOL is 0 or 1; STRING and IP are codes of the
    engine's string pool; TIME is milliseconds UTC; LOCATION is a pair of columns (latitude, then
    longitude, side by side); LABEL is a truth that arrives later and only features may read.
    """

    INT = "int"
    FLOAT = "float"
    MONEY = "money"
    BOOL = "bool"
    STRING = "string"
    TIME = "time"
    LOCATION = "location"
    IP = "ip"
    LABEL = "label"
    NULL = "null"

    @property
    def is_number(self) -> bool:
        return self in (Type.INT, Type.FLOAT, Type.MONEY)

    @property
    def is_text(self) -> bool:
        return self in (Type.STRING, Type.IP)


@dataclass(frozen=True, slots=True)
class Const:
    """A constant: a number, a bool, text, a time in ms, a (lat, lon) pair, or None."""

    value: float | bool | str | tuple[float, float] | None
    type: Type


@dataclass(frozen=True, slots=True)
class Col:
    """A column of the batch: its row in `Batch.values` and the stage at which it is filled."""

    index: int
    type: Type
    stage: int
    name: str


@dataclass(frozen=True, slots=True)
class Op:
    """An operation on nodes.

    `op` is one of OPS in `expressions/compile.py`; `extra` holds what is constant in it, hashable:
    the values of an `in`, the text of a string test. Equal nodes compare equal, whatever text they
    were written as, so equal sub-expressions are computed once.
    """

    op: str
    args: tuple[Typed, ...]
    type: Type
    extra: tuple[object, ...] = ()


Typed = Const | Col | Op


def stage_of(node: Typed) -> int:
    """Return the first stage at which every column that `node` reads is filled."""
    if isinstance(node, Col):
        return node.stage
    if isinstance(node, Op):
        return max((stage_of(each) for each in node.args), default=0)
    return 0


class Scope(Protocol):
    """Where the checker asks what a name means. Each method raises a PolicyError at `span`."""

    def name(self, name: str, span: Span) -> Typed:
        """Return what a bare name means: a field, a feature, a named value."""
        ...

    def attribute(self, path: tuple[str, ...], span: Span) -> Typed:
        """Return what `a.b` or `a.b.c` means: an attribute of an entity, a part of a field, an output."""
        ...

    def is_entity(self, name: str) -> bool:
        """Tell whether `name.something(...)` is a feature call."""
        ...

    def feature(self, call: FeatureCall) -> Typed:
        """Return the column that a feature call fills."""
        ...

    def is_list(self, name: str) -> bool:
        """Tell whether `x in name` asks a named list."""
        ...

    def member(self, list_name: str, operand: Typed, span: Span) -> Typed:
        """Return a BOOL node: is `operand` on that list at the event's time."""
        ...


class Expr(Protocol):
    """An unchecked expression, as the parser gives it."""

    @property
    def span(self) -> Span: ...


@dataclass(frozen=True, slots=True)
class FeatureCall:
    """`entity.aggregate(args, name=value)`, before its arguments are checked.

    `path` is what stands before the aggregate: `("customer",)`, or `("payer", "as_payee")` when
    another role of the same key is asked.
    """

    path: tuple[str, ...]
    aggregate: str
    args: tuple[Expr, ...]
    named: tuple[tuple[str, Expr], ...]
    span: Span
    aggregate_span: Span
