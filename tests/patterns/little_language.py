"""Just enough of the expression language for tests of patterns: text to typed nodes."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from riskweave.errors import PolicyError, Span
from riskweave.expressions.types import Const, FeatureCall, Op, Scope, Type, Typed

_COMPARE = {ast.Lt: "lt", ast.LtE: "le", ast.Eq: "eq", ast.NotEq: "ne", ast.Gt: "lt", ast.GtE: "le"}
_ARITHMETIC = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div"}


@dataclass(frozen=True)
class Name:
    """A bare name, as the parser of the real language gives it."""

    name: str
    span: Span


def check_text(text: str, span: Span, scope: Scope) -> Typed:
    """Return the typed node of an expression."""
    return _typed(ast.parse(text.strip(), mode="eval").body, span, scope)


def _typed(node: ast.expr, span: Span, scope: Scope) -> Typed:
    def part(each: ast.expr) -> Typed:
        return _typed(each, span, scope)

    if isinstance(node, ast.Constant):
        return _constant(node.value)
    if isinstance(node, ast.Name):
        return scope.name(node.id, span)
    if isinstance(node, ast.Attribute):
        return scope.attribute(_path(node), span)
    if isinstance(node, ast.BoolOp):
        return Op("and" if isinstance(node.op, ast.And) else "or", tuple(map(part, node.values)), Type.BOOL)
    if isinstance(node, ast.UnaryOp):
        inner = part(node.operand)
        return (
            Op("not", (inner,), Type.BOOL)
            if isinstance(node.op, ast.Not)
            else Op("neg", (inner,), inner.type)
        )
    if isinstance(node, ast.BinOp):
        left, right = part(node.left), part(node.right)
        op = _ARITHMETIC[type(node.op)]
        if op == "sub" and left.type is right.type is Type.TIME:
            op = "time_diff"
        return Op(op, (left, right), Type.FLOAT)
    if isinstance(node, ast.Compare):
        return _comparison(node, span, scope)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        args = tuple(Name(each.id, span) for each in node.args if isinstance(each, ast.Name))
        return scope.feature(FeatureCall(_path(node.func)[:-1], node.func.attr, args, (), span, span))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "coalesce":
        parts = tuple(map(part, node.args))
        return Op("coalesce", parts, parts[0].type)
    raise PolicyError("not in the little language", span)


def _comparison(node: ast.Compare, span: Span, scope: Scope) -> Typed:
    op, left, right = node.ops[0], node.left, node.comparators[0]
    if isinstance(op, ast.In | ast.NotIn):
        assert isinstance(right, ast.List)
        values = tuple(each.value for each in right.elts if isinstance(each, ast.Constant))
        return Op(
            "in" if isinstance(op, ast.In) else "not_in", (_typed(left, span, scope),), Type.BOOL, values
        )
    one, other = _typed(left, span, scope), _typed(right, span, scope)
    if isinstance(op, ast.Is | ast.IsNot):
        null = Op("is_null", (one,), Type.BOOL)
        return null if isinstance(op, ast.Is) else Op("not", (null,), Type.BOOL)
    if isinstance(op, ast.Gt | ast.GtE):
        one, other = other, one
    return Op(_COMPARE[type(op)], (one, other), Type.BOOL)


def _constant(value: object) -> Const:
    if value is None:
        return Const(None, Type.NULL)
    if isinstance(value, bool):
        return Const(value, Type.BOOL)
    if isinstance(value, str):
        return Const(value, Type.STRING)
    assert isinstance(value, int | float)
    return Const(float(value), Type.INT if isinstance(value, int) else Type.FLOAT)


def _path(node: ast.expr) -> tuple[str, ...]:
    if isinstance(node, ast.Attribute):
        return (*_path(node.value), node.attr)
    assert isinstance(node, ast.Name)
    return (node.id,)
