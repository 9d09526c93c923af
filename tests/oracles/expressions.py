"""What an expression means, by a walk over Python's own syntax tree, with None for null.

Slow and readable; imports nothing of ours. Fields are plain values: float, bool, str, an aware
`datetime` for times, (lat, lon) for places, None when missing.
"""

from __future__ import annotations

import ast
import ipaddress
import math
import operator
import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def evaluate(text, fields, zone="UTC"):
    """Return the value of `text` for one event."""
    return _Walk(fields, ZoneInfo(zone)).value(ast.parse(f"({text}\n)", mode="eval").body)


def finite(compute, *numbers):
    """Return a number, or None where Python raises or leaves the finite numbers."""
    if any(number is None for number in numbers):
        return None
    try:
        result = compute(*numbers)
    except (ArithmeticError, ValueError):
        return None
    if isinstance(result, complex) or not math.isfinite(result):
        return None
    return float(result)


def round_half_even(x, digits=0.0):
    """Round after scaling by a power of ten; numbers without decimals stay."""
    places = int(digits)
    if places == 0:
        return round(x)
    if places < 0:
        return round(x / 10.0**-places) * 10.0**-places
    scaled = x * 10.0**places
    return round(scaled) / 10.0**places if abs(scaled) < 2.0**52 else x


def distance_km(place, other):
    (lat, lon), (lat2, lon2) = place, other
    if None in (lat, lon, lat2, lon2):
        return None
    phi, phi2 = math.radians(lat), math.radians(lat2)
    chord = math.sin((phi2 - phi) / 2) ** 2
    chord += math.cos(phi) * math.cos(phi2) * math.sin(math.radians(lon2 - lon) / 2) ** 2
    return 2 * 6371.0088 * math.asin(min(1, math.sqrt(chord)))


def in_network(address, network):
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def moment(value, other):
    """Return ISO text beside a time as the time it means."""
    if isinstance(value, str) and isinstance(other, datetime):
        parsed = datetime.fromisoformat(value)
        return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return value


ARITHMETIC = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: math.pow,
}
COMPARE = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
NUMERIC = {
    "abs": abs,
    "min": min,
    "max": max,
    "round": round_half_even,
    "floor": math.floor,
    "ceil": math.ceil,
    "sqrt": math.sqrt,
    "log": math.log,
    "log10": math.log10,
    "exp": math.exp,
    "pow": math.pow,
    "sign": lambda x: (x > 0) - (x < 0),
    "clip": lambda x, low, high: min(max(x, low), high),
}
CALENDAR = {
    "hour": lambda t: t.hour,
    "minute": lambda t: t.minute,
    "weekday": lambda t: t.weekday(),
    "day": lambda t: t.day,
    "month": lambda t: t.month,
    "year": lambda t: t.year,
}
TEXT_VALUES = {
    "lower": str.lower,
    "upper": str.upper,
    "strip": str.strip,
    "len": lambda text: float(len(text)),
    "prefix": lambda text, count: text[: int(count)],
}
TEXT_TESTS = {
    "startswith": str.startswith,
    "endswith": str.endswith,
    "contains": operator.contains,
    "matches": lambda text, expression: re.search(expression, text) is not None,
    "in_network": in_network,
}


class _Walk:
    def __init__(self, fields, zone):
        self.fields = fields
        self.zone = zone

    def true(self, node):
        value = self.value(node)
        return value is not None and bool(value)

    def value(self, node):
        if isinstance(node, ast.Constant):
            number = isinstance(node.value, int) and not isinstance(node.value, bool)
            return float(node.value) if number else node.value
        if isinstance(node, ast.Name):
            spelled = {"true": True, "false": False, "null": None}
            return spelled[node.id] if node.id in spelled else self.fields[node.id]
        if isinstance(node, ast.Attribute):
            return self.fields[ast.unparse(node)]
        if isinstance(node, ast.BoolOp):
            join = all if isinstance(node.op, ast.And) else any
            return join([self.true(each) for each in node.values])
        if isinstance(node, ast.UnaryOp):
            if isinstance(node.op, ast.Not):
                return not self.true(node.operand)
            sign = operator.neg if isinstance(node.op, ast.USub) else operator.pos
            return finite(sign, self.value(node.operand))
        if isinstance(node, ast.IfExp):
            return self.value(node.body) if self.true(node.test) else self.value(node.orelse)
        if isinstance(node, ast.BinOp):
            return self.arithmetic(node.op, self.value(node.left), self.value(node.right))
        if isinstance(node, ast.Compare):
            operands = [node.left, *node.comparators]
            return all(map(self.compare, node.ops, operands, operands[1:]))
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute):
                return self.call(node.func.attr, [node.func.value, *node.args])
            return self.call(node.func.id, node.args)
        raise AssertionError(ast.dump(node))

    def arithmetic(self, op, left, right):
        if isinstance(left, datetime):
            right = moment(right, left)
            if right is None:
                return None
            if isinstance(right, datetime):
                return (left - right) / timedelta(milliseconds=1) / 1000.0
            seconds = right if isinstance(op, ast.Add) else -right
            return left + timedelta(milliseconds=math.floor(seconds * 1000.0 + 0.5))
        return finite(ARITHMETIC[type(op)], left, right)

    def compare(self, op, left_node, right_node):
        left = self.value(left_node)
        if isinstance(op, (ast.In, ast.NotIn)):
            values = [self.value(each) for each in right_node.elts]
            found = any(left == moment(each, left) for each in values)
            return left is not None and found == isinstance(op, ast.In)
        right = self.value(right_node)
        if isinstance(op, ast.Is):
            return left is None or left == (None, None)
        if isinstance(op, ast.IsNot):
            return left is not None and left != (None, None)
        if left is None or right is None:
            return False
        return COMPARE[type(op)](moment(left, right), moment(right, left))

    def call(self, name, nodes):
        values = [self.value(each) for each in nodes]
        if name in ("min", "max") and any(isinstance(each, datetime) for each in values):
            return None if None in values else {"min": min, "max": max}[name](values)
        if name in NUMERIC:
            return finite(NUMERIC[name], *values)
        if name == "coalesce":
            return next((each for each in values if each is not None), None)
        if name == "between":
            x, low, high = values
            low, high = moment(low, x), moment(high, x)
            return None not in values and low <= x <= high
        if name in CALENDAR:
            return None if values[0] is None else float(CALENDAR[name](values[0].astimezone(self.zone)))
        if name == "is_weekend":
            return values[0] is not None and values[0].astimezone(self.zone).weekday() >= 5
        if name in TEXT_VALUES:
            return None if values[0] is None else TEXT_VALUES[name](*values)
        if name in TEXT_TESTS:
            return values[0] is not None and TEXT_TESTS[name](*values)
        if name == "point":
            return tuple(values)
        if name == "distance_km":
            return distance_km(*values)
        raise AssertionError(name)
