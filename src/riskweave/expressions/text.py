"""`render(node)`: a typed node as an analyst would read it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from riskweave.expressions.types import Col, Const, Op, Type, Typed

_INFIX = {
    "or": ("or", 1),
    "and": ("and", 2),
    "lt": ("<", 4),
    "le": ("<=", 4),
    "eq": ("==", 4),
    "ne": ("!=", 4),
    "add": ("+", 6),
    "sub": ("-", 6),
    "time_diff": ("-", 6),
    "time_add": ("+", 6),
    "mul": ("*", 7),
    "div": ("/", 7),
    "floordiv": ("//", 7),
    "mod": ("%", 7),
    "pow": ("**", 9),
}
_MIRRORED = {"lt": ">", "le": ">=", "eq": "==", "ne": "!="}
_TIGHTEST = 10


def render(node: Typed) -> str:
    """Return the text of a node.

    >>> amount = Col(2, Type.MONEY, 0, "amount")
    >>> render(Op("lt", (Const(5000.0, Type.INT), amount), Type.BOOL))
    'amount > 5000'
    """
    return _render(node)[0]


def _render(node: Typed) -> tuple[str, int]:
    """Return the text and how tightly it holds together."""
    if isinstance(node, Col):
        return node.name, _TIGHTEST
    if isinstance(node, Const):
        return _constant(node.value, node.type), _TIGHTEST
    args = node.args
    if node.op in _INFIX:
        return _infix(node)
    if node.op == "not":
        inner = args[0]
        if isinstance(inner, Op) and inner.op == "is_null":
            return f"{_within(inner.args[0], 5)} is not None", 4
        return f"not {_within(inner, 3)}", 3
    if node.op == "is_null":
        return f"{_within(args[0], 5)} is None", 4
    if node.op in ("in", "not_in"):
        values = ", ".join(_constant(each, args[0].type) for each in node.extra)
        return f"{_within(args[0], 5)} {node.op.replace('_', ' ')} [{values}]", 4
    if node.op == "if":
        return f"{_within(args[1], 1)} if {_within(args[0], 1)} else {_within(args[2], 0)}", 0
    if node.op == "neg":
        return f"-{_within(args[0], 8)}", 8
    if node.op == "truth":
        return f"not not {_within(args[0], 3)}", 3
    if node.op == "collection":
        return "[" + ", ".join(_constant(each, Type.NULL) for each in node.extra) + "]", _TIGHTEST
    if node.op == "distance_km":
        return f"distance_km({_place(args[0], args[1])}, {_place(args[2], args[3])})", _TIGHTEST
    if node.op in ("lat", "lon"):
        return f"{_within(args[0], _TIGHTEST)}.{node.op}", _TIGHTEST
    parts = [_render(each)[0] for each in args]
    if not (node.op == "round" and node.extra == (0,)):
        parts += [_constant(each, Type.NULL) for each in node.extra if each is not None]
    return f"{node.op}({', '.join(parts)})", _TIGHTEST


def _infix(node: Op) -> tuple[str, int]:
    sign, strength = _INFIX[node.op]
    args = node.args
    if node.op in _MIRRORED and isinstance(args[0], Const) and not isinstance(args[1], Const):
        sign, args = _MIRRORED[node.op], (args[1], args[0])
    if node.op in ("and", "or"):
        return f" {sign} ".join(_within(each, strength + 1) for each in args), strength
    if node.op == "pow":
        return f"{_within(args[0], strength + 1)} ** {_within(args[1], 8)}", strength
    left = strength + 1 if strength == 4 else strength
    return f"{_within(args[0], left)} {sign} {_within(args[1], strength + 1)}", strength


def _within(node: Typed, strength: int) -> str:
    text, own = _render(node)
    negative = text.startswith("-") and own == _TIGHTEST and strength > 8
    return f"({text})" if own < strength or negative else text


def _place(lat: Typed, lon: Typed) -> str:
    if (
        isinstance(lat, Op)
        and isinstance(lon, Op)
        and (lat.op, lon.op) == ("lat", "lon")
        and lat.args == lon.args
    ):
        return _render(lat.args[0])[0]
    return f"point({_render(lat)[0]}, {_render(lon)[0]})"


def _constant(value: object, kind: Type) -> str:
    if isinstance(value, Const):
        return _constant(value.value, value.type)
    if value is None or isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, tuple):
        return f"point({', '.join(_constant(each, Type.FLOAT) for each in value)})"
    if not isinstance(value, (int, float)):
        return str(value)
    if kind is Type.TIME:
        return f'"{_moment(value)}"'
    if value == int(value) and abs(value) < 2**53:
        return str(int(value))
    return repr(float(value))


def _moment(milliseconds: float) -> str:
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return f"{milliseconds:g} ms"
    return moment.isoformat().replace("+00:00", "Z").replace("T00:00:00Z", "")
