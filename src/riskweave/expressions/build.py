"""Makes typed nodes in one normal form: what means the same, written alike or mirrored, is one node.

Constants are folded; `a > b` becomes `b < a`; operands whose order cannot be seen in the result
(of `+`, `*`, `==`, `and`, `or`, distance) are put in one order; nested `and`s and `or`s are one.
Only rewritings that leave every result bit for bit as it was are made: `not (a < b)` is not
`a >= b` (they differ on null), and sums keep their grouping.
"""

from __future__ import annotations

from riskweave.expressions.fold import NOT_FOLDED, fold
from riskweave.expressions.types import Col, Const, Op, Type, Typed

_COMMUTATIVE = frozenset(("add", "mul", "eq", "ne"))
# These give 0 or 1, never null.
_TEXT_TESTS = frozenset(("startswith", "endswith", "contains", "matches", "in_network"))
_NEVER_NULL = _TEXT_TESTS | {"lt", "le", "eq", "ne", "in", "not_in", "is_null", "not", "and", "or", "truth"}
# Null beside a null; as comparisons: false.
STRICT = frozenset(
    ("add", "sub", "mul", "div", "floordiv", "mod", "pow", "neg", "min", "max", "time_diff", "time_add")
) | {"lt", "le", "eq", "ne", "distance_km"}
TRUE = Const(True, Type.BOOL)
FALSE = Const(False, Type.BOOL)


def make(op: str, args: tuple[Typed, ...], kind: Type, extra: tuple[object, ...] = ()) -> Typed:
    """Return the normal form of an operation."""
    if op in ("and", "or"):
        return _junction(op, args)
    if op == "not":
        return _negation(args[0])
    if op == "truth":
        return args[0] if never_null(args[0]) else Op("truth", args, Type.BOOL)
    if op == "gt":
        return make("lt", (args[1], args[0]), kind)
    if op == "ge":
        return make("le", (args[1], args[0]), kind)
    if op == "is_not_null":
        return _negation(make("is_null", args, Type.BOOL))
    if op in ("in", "not_in"):
        return _membership(op, args[0], extra)
    if op == "if":
        return _choice(args, kind)
    if op == "coalesce":
        return _coalesce(args, kind)
    if op == "neg" and isinstance(args[0], Op) and args[0].op == "neg":
        return args[0].args[0]
    if op in ("lt", "le", "eq", "ne"):
        args = tuple(_plain_number(each) for each in args)
    if op in _COMMUTATIVE and order(args[1]) < order(args[0]):
        args = (args[1], args[0])
    if op == "distance_km" and (order(args[2]), order(args[3])) < (order(args[0]), order(args[1])):
        args = (args[2], args[3], args[0], args[1])
    if op == "is_null" and never_null(args[0]):
        return FALSE
    if op in STRICT and any(isinstance(each, Const) and each.value is None for each in args):
        return FALSE if kind is Type.BOOL else Const(None, kind)
    return _folded(op, args, kind, extra)


def never_null(node: Typed) -> bool:
    """Tell whether a node is known to have a value at every event."""
    if isinstance(node, Const):
        return node.value is not None
    return isinstance(node, Op) and node.op in _NEVER_NULL


def order(node: Typed) -> str:
    """Return a text that puts nodes in one order: columns, operations, constants."""
    if isinstance(node, Col):
        return f"a{node.index:09d}"
    if isinstance(node, Const):
        return f"c{node.type.value}:{node.value!r}"
    return f"b{node.op}({','.join(map(order, node.args))}){node.extra!r}"


def _folded(op: str, args: tuple[Typed, ...], kind: Type, extra: tuple[object, ...]) -> Typed:
    if args and all(isinstance(each, Const) and not isinstance(each.value, tuple) for each in args):
        values = tuple(
            each.value for each in args if isinstance(each, Const) and not isinstance(each.value, tuple)
        )
        result = fold(op, values, extra)
        if result is not NOT_FOLDED and (result is None or isinstance(result, (float, bool, str))):
            return Const(result, kind)
    return Op(op, args, kind, extra)


def _plain_number(node: Typed) -> Typed:
    """A comparison does not care whether 1 was written as 1 or as 1.0."""
    if isinstance(node, Const) and node.type is Type.INT:
        return Const(node.value, Type.FLOAT)
    return node


def _junction(op: str, args: tuple[Typed, ...]) -> Typed:
    absorbing = op == "or"
    operands: dict[str, Typed] = {}
    for each in args:
        for part in each.args if isinstance(each, Op) and each.op == op else (each,):
            inner = part.args[0] if isinstance(part, Op) and part.op == "truth" else part
            if isinstance(inner, Const):
                if bool(inner.value) == absorbing:
                    return TRUE if absorbing else FALSE
                continue
            operands[order(inner)] = inner
    if not operands:
        return FALSE if absorbing else TRUE
    parts = tuple(operands[key] for key in sorted(operands))
    return make("truth", parts, Type.BOOL) if len(parts) == 1 else Op(op, parts, Type.BOOL)


def _negation(node: Typed) -> Typed:
    if isinstance(node, Op) and node.op == "not":
        return make("truth", node.args, Type.BOOL)
    if isinstance(node, Op) and node.op == "truth":
        return Op("not", node.args, Type.BOOL)
    return _folded("not", (node,), Type.BOOL, ())


def _membership(op: str, operand: Typed, extra: tuple[object, ...]) -> Typed:
    values = {(str(type(each)), each): each for each in extra}
    kept = tuple(values[key] for key in sorted(values))
    if len(kept) == 1 and isinstance(kept[0], (float, bool, str)):
        value = kept[0]
        kind = Type.STRING if isinstance(value, str) else Type.BOOL if isinstance(value, bool) else Type.FLOAT
        if isinstance(operand, (Col, Op)) and operand.type is Type.TIME:
            kind = Type.TIME
        return make("eq" if op == "in" else "ne", (operand, Const(value, kind)), Type.BOOL)
    return _folded(op, (operand,), Type.BOOL, kept)


def _choice(args: tuple[Typed, ...], kind: Type) -> Typed:
    condition, then, otherwise = args
    if isinstance(condition, Op) and condition.op == "truth":
        condition = condition.args[0]
    if isinstance(condition, Const):
        chosen = then if condition.value else otherwise
        return Const(None, kind) if isinstance(chosen, Const) and chosen.value is None else chosen
    if order(then) == order(otherwise):
        return then
    return Op("if", (condition, then, otherwise), kind)


def _coalesce(args: tuple[Typed, ...], kind: Type) -> Typed:
    kept: dict[str, Typed] = {}
    for each in args:
        if isinstance(each, Const) and each.value is None:
            continue
        kept.setdefault(order(each), each)
        if never_null(each):
            break
    if not kept:
        return Const(None, kind)
    operands = tuple(kept.values())
    return operands[0] if len(operands) == 1 else Op("coalesce", operands, kind)
