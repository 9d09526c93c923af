"""The functions of the language: their names, what they take, what node they become."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from riskweave.errors import PolicyError, Span
from riskweave.expressions import text_functions
from riskweave.expressions.build import make
from riskweave.expressions.types import Const, Op, Type, Typed

ROUND_DIGITS_MAX = 15
PREFIX_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Argument:
    """A checked argument and where it stands."""

    node: Typed
    span: Span


class Checker(Protocol):
    """What a function may ask of the checker."""

    def one_type(self, nodes: list[Typed], reader: str, span: Span) -> Type: ...


Build = Callable[["Function", list[Argument], Span, Checker], Typed]


@dataclass(frozen=True, slots=True)
class Function:
    """A function: how it is written, how many arguments it takes, how its node is made."""

    name: str
    usage: str
    least: int
    most: int | None
    build: Build
    takes_times: bool = False  # text constants beside a time argument are times
    repeats: bool = False  # its first argument stands twice in the node

    @property
    def hint(self) -> str:
        return f"as in `{self.usage}`"


_NAMED = {
    Type.BOOL: "true or false",
    Type.STRING: "text",
    Type.NULL: "None",
    Type.MONEY: "money",
    Type.INT: "a whole number",
    Type.FLOAT: "a number",
    Type.IP: "an ip address",
}


def named(kind: Type) -> str:
    """Return what errors call a type."""
    return _NAMED.get(kind, f"a {kind.value}")


def _number(function: Function, argument: Argument) -> Typed:
    if not argument.node.type.is_number:
        what = named(argument.node.type)
        raise PolicyError(f"`{function.name}` needs a number, this is {what}", argument.span, function.hint)
    return argument.node


def _text(function: Function, argument: Argument) -> Typed:
    if not argument.node.type.is_text:
        what = named(argument.node.type)
        raise PolicyError(f"`{function.name}` needs text, this is {what}", argument.span, function.hint)
    return argument.node


def _constant_text(function: Function, argument: Argument) -> str:
    node = argument.node
    if not isinstance(node, Const) or not isinstance(node.value, str):
        message = f"the last argument of `{function.name}` must be a constant text"
        raise PolicyError(message, argument.span, function.hint)
    return node.value


def _constant_whole(function: Function, argument: Argument, low: int, high: int) -> int:
    node = argument.node
    value = node.value if isinstance(node, Const) else None
    if isinstance(value, float) and low <= value <= high and value == int(value):
        return int(value)
    message = f"the last argument of `{function.name}` must be a whole number from {low} to {high}"
    raise PolicyError(message, argument.span, function.hint)


def _mathematical(kind: Type | None) -> Build:
    """A function of one number; its type is the argument's when `kind` is None."""

    def build(function: Function, arguments: list[Argument], span: Span, checker: Checker) -> Typed:
        node = _number(function, arguments[0])
        return make(function.name, (node,), kind or node.type)

    return build


def _build_round(function: Function, arguments: list[Argument], span: Span, checker: Checker) -> Typed:
    node = _number(function, arguments[0])
    digits = 0
    if len(arguments) == 2:
        digits = _constant_whole(function, arguments[1], -ROUND_DIGITS_MAX, ROUND_DIGITS_MAX)
    return make("round", (node,), Type.INT if digits <= 0 else Type.FLOAT, (digits,))


def _build_pow(function: Function, arguments: list[Argument], span: Span, checker: Checker) -> Typed:
    return make("pow", (_number(function, arguments[0]), _number(function, arguments[1])), Type.FLOAT)


def _build_extreme(function: Function, arguments: list[Argument], span: Span, checker: Checker) -> Typed:
    nodes = [each.node for each in arguments]
    kind = checker.one_type(nodes, f"`{function.name}`", span)
    if not (kind.is_number or kind is Type.TIME):
        raise PolicyError(f"`{function.name}` needs numbers or times, not {named(kind)}", span, function.hint)
    return make(function.name, tuple(nodes), kind)


def _build_clip(function: Function, arguments: list[Argument], span: Span, checker: Checker) -> Typed:
    x, low, high = (_number(function, each) for each in arguments)
    kind = checker.one_type([x, low, high], "`clip`", span)
    return make("min", (make("max", (x, low), kind), high), kind)


def _build_between(function: Function, arguments: list[Argument], span: Span, checker: Checker) -> Typed:
    x, low, high = (each.node for each in arguments)
    kind = checker.one_type([x, low, high], "`between`", span)
    if not (kind.is_number or kind is Type.TIME):
        raise PolicyError(f"`between` needs numbers or times, not {named(kind)}", span, function.hint)
    return make("and", (make("le", (low, x), Type.BOOL), make("le", (x, high), Type.BOOL)), Type.BOOL)


def _build_coalesce(function: Function, arguments: list[Argument], span: Span, checker: Checker) -> Typed:
    nodes = [each.node for each in arguments]
    return make("coalesce", tuple(nodes), checker.one_type(nodes, "`coalesce`", span))


def _calendar(function: Function, arguments: list[Argument], span: Span, checker: Checker) -> Typed:
    node = arguments[0].node
    if node.type is not Type.TIME:
        what = named(node.type)
        message = f"`{function.name}` needs a time, this is {what}"
        raise PolicyError(message, arguments[0].span, function.hint)
    return make(function.name, (node,), Type.INT)


def _build_is_weekend(function: Function, arguments: list[Argument], span: Span, checker: Checker) -> Typed:
    day = _calendar(FUNCTIONS["weekday"], arguments, span, checker)
    return make("le", (Const(5.0, Type.INT), day), Type.BOOL)


def _build_point(function: Function, arguments: list[Argument], span: Span, checker: Checker) -> Typed:
    lat, lon = (_number(function, each) for each in arguments)
    for node, limit, argument in ((lat, 90, arguments[0]), (lon, 180, arguments[1])):
        if isinstance(node, Const) and isinstance(node.value, float) and abs(node.value) > limit:
            message = f"{node.value:g} is outside -{limit} to {limit} degrees"
            raise PolicyError(message, argument.span, function.hint)
    values = tuple(each.value for each in (lat, lon) if isinstance(each, Const))
    if len(values) == 2 and isinstance(values[0], float) and isinstance(values[1], float):
        return Const((values[0], values[1]), Type.LOCATION)
    return Op("point", (lat, lon), Type.LOCATION)


def coordinates(node: Typed) -> tuple[Typed, Typed]:
    """Return latitude and longitude of a location node."""
    if isinstance(node, Const) and isinstance(node.value, tuple):
        return Const(float(node.value[0]), Type.FLOAT), Const(float(node.value[1]), Type.FLOAT)
    if isinstance(node, Op) and node.op == "point":
        return node.args[0], node.args[1]
    return Op("lat", (node,), Type.FLOAT), Op("lon", (node,), Type.FLOAT)


def _build_distance(function: Function, arguments: list[Argument], span: Span, checker: Checker) -> Typed:
    for each in arguments:
        if each.node.type is not Type.LOCATION:
            what = named(each.node.type)
            raise PolicyError(
                f"`distance_km` needs locations, this is {what}", each.span, "make one: `point(lat, lon)`"
            )
    return make("distance_km", coordinates(arguments[0].node) + coordinates(arguments[1].node), Type.FLOAT)


def _text_value(kind: Type) -> Build:
    def build(function: Function, arguments: list[Argument], span: Span, checker: Checker) -> Typed:
        return make(function.name, (_text(function, arguments[0]),), kind)

    return build


def _build_prefix(function: Function, arguments: list[Argument], span: Span, checker: Checker) -> Typed:
    count = _constant_whole(function, arguments[1], 0, PREFIX_MAX)
    return make("prefix", (_text(function, arguments[0]),), Type.STRING, (count,))


def _build_text_test(function: Function, arguments: list[Argument], span: Span, checker: Checker) -> Typed:
    part = _constant_text(function, arguments[1])
    return make(function.name, (_text(function, arguments[0]),), Type.BOOL, (part,))


def _build_matches(function: Function, arguments: list[Argument], span: Span, checker: Checker) -> Typed:
    expression = _constant_text(function, arguments[1])
    if any(ord(letter) < 32 and letter not in "\t\n\r" for letter in expression):
        raise PolicyError(
            "the regular expression has a control character", arguments[1].span, r'write r"\b", not "\b"'
        )
    try:
        text_functions.pattern(expression)
    except ValueError as error:
        message = f"the regular expression cannot be read: {error}"
        raise PolicyError(
            message, arguments[1].span, "the syntax is RE2's: no lookahead, no back-references"
        ) from None
    return make("matches", (_text(function, arguments[0]),), Type.BOOL, (expression,))


def _build_in_network(function: Function, arguments: list[Argument], span: Span, checker: Checker) -> Typed:
    address = _constant_text(function, arguments[1])
    try:
        network = str(ipaddress.ip_network(address, strict=False))
    except ValueError:
        raise PolicyError(f'"{address}" is no network', arguments[1].span, 'write "10.0.0.0/8"') from None
    return make("in_network", (_text(function, arguments[0]),), Type.BOOL, (network,))


_ALL = (
    Function("abs", "abs(x)", 1, 1, _mathematical(None)),
    Function("min", "min(a, b, ...)", 2, None, _build_extreme, takes_times=True),
    Function("max", "max(a, b, ...)", 2, None, _build_extreme, takes_times=True),
    Function("round", "round(x, digits)", 1, 2, _build_round),
    Function("floor", "floor(x)", 1, 1, _mathematical(Type.INT)),
    Function("ceil", "ceil(x)", 1, 1, _mathematical(Type.INT)),
    Function("sqrt", "sqrt(x)", 1, 1, _mathematical(Type.FLOAT)),
    Function("log", "log(x)", 1, 1, _mathematical(Type.FLOAT)),
    Function("log10", "log10(x)", 1, 1, _mathematical(Type.FLOAT)),
    Function("exp", "exp(x)", 1, 1, _mathematical(Type.FLOAT)),
    Function("pow", "pow(x, y)", 2, 2, _build_pow),
    Function("sign", "sign(x)", 1, 1, _mathematical(Type.INT)),
    Function("clip", "clip(x, low, high)", 3, 3, _build_clip),
    Function("between", "between(x, low, high)", 3, 3, _build_between, takes_times=True, repeats=True),
    Function("coalesce", "coalesce(a, b, ...)", 1, None, _build_coalesce, takes_times=True),
    Function("hour", "hour(time)", 1, 1, _calendar),
    Function("minute", "minute(time)", 1, 1, _calendar),
    Function("weekday", "weekday(time)", 1, 1, _calendar),
    Function("day", "day(time)", 1, 1, _calendar),
    Function("month", "month(time)", 1, 1, _calendar),
    Function("year", "year(time)", 1, 1, _calendar),
    Function("is_weekend", "is_weekend(time)", 1, 1, _build_is_weekend),
    Function("point", "point(lat, lon)", 2, 2, _build_point),
    Function("distance_km", "distance_km(place, other)", 2, 2, _build_distance),
    Function("lower", "lower(text)", 1, 1, _text_value(Type.STRING)),
    Function("upper", "upper(text)", 1, 1, _text_value(Type.STRING)),
    Function("strip", "strip(text)", 1, 1, _text_value(Type.STRING)),
    Function("len", "len(text)", 1, 1, _text_value(Type.INT)),
    Function("prefix", "prefix(text, count)", 2, 2, _build_prefix),
    Function("startswith", 'startswith(text, "part")', 2, 2, _build_text_test),
    Function("endswith", 'endswith(text, "part")', 2, 2, _build_text_test),
    Function("contains", 'contains(text, "part")', 2, 2, _build_text_test),
    Function("matches", 'matches(text, "regex")', 2, 2, _build_matches),
    Function("in_network", 'in_network(ip, "10.0.0.0/8")', 2, 2, _build_in_network),
)
FUNCTIONS = {function.name: function for function in _ALL}
TEXT_METHODS = frozenset(
    ("lower", "upper", "strip", "prefix", "startswith", "endswith", "contains", "matches")
)
