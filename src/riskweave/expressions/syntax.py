"""The tree of text: what an analyst wrote, before anyone asked what the names mean.

Every node knows its `span`. Rooms that get unchecked arguments (a feature call's) read them from
here: a `Literal` is a constant as written, a `Name` a bare name, `Items` a written list.
"""

from __future__ import annotations

from dataclasses import dataclass

from riskweave.errors import Span
from riskweave.expressions.types import Expr


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, text, True, False or None. Whole numbers stay int."""

    value: int | float | bool | str | None
    span: Span


@dataclass(frozen=True, slots=True)
class Name:
    """A bare name."""

    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class Dotted:
    """`a.b` or `a.b.c`."""

    path: tuple[str, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Items:
    """`[a, b]`, `(a, b)` or `{a, b}`: the three mean the same."""

    elements: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Unary:
    """`-x`, `+x` or `not x`."""

    op: str
    operand: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Binary:
    """Two operands and `+ - * / // % **`."""

    op: str
    left: Expr
    right: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Logic:
    """Two or more operands joined by `and` or by `or`."""

    op: str
    operands: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Compare:
    """`a < b`, and chains such as `a < b <= c`: one operator fewer than operands."""

    ops: tuple[str, ...]
    operands: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Choice:
    """`a if condition else b`."""

    condition: Expr
    then: Expr
    otherwise: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Call:
    """`function(args, name=value)`."""

    function: str
    args: tuple[Expr, ...]
    named: tuple[tuple[str, Expr], ...]
    span: Span
    function_span: Span


@dataclass(frozen=True, slots=True)
class Method:
    """`receiver.method(args, name=value)`: a text function in method style, or a feature call."""

    receiver: Expr
    method: str
    args: tuple[Expr, ...]
    named: tuple[tuple[str, Expr], ...]
    span: Span
    method_span: Span
