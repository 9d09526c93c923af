"""The value of an operation on constants: the same answer that the kernel gives, in plain Python.

None stands for null, as in the language. A test holds the two together.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from riskweave.expressions.text_functions import TEXT_FUNCTIONS

Value = float | bool | str | None
EARTH_RADIUS_KM = 6371.0088

NOT_FOLDED: object = object()


def fold(op: str, values: tuple[Value, ...], extra: tuple[object, ...]) -> Value | object:
    """Return the constant result, or NOT_FOLDED when the operation needs what only a plan knows."""
    if op in TEXT_FUNCTIONS:
        text = values[0]
        if text is None:
            return None if op in ("lower", "upper", "strip", "len", "prefix") else False
        return TEXT_FUNCTIONS[op](str(text), extra[0] if extra else None)
    if op in _TESTS:
        return _TESTS[op](values, extra)
    if op not in _NUMERIC:
        return NOT_FOLDED
    if any(value is None for value in values):
        return None
    try:
        result = _NUMERIC[op](*[float(value) for value in values if value is not None], *extra)
    except (OverflowError, ValueError, ZeroDivisionError):
        return None
    return result if math.isfinite(result) else None


def _power(a: float, b: float) -> float:
    return math.pow(a, b)


def _round(x: float, digits: object = 0) -> float:
    """Round half to even at `digits` decimals, by scaling; what is too large to scale stays."""
    places = int(str(digits))
    if places == 0:
        return float(round(x))
    scale = 10.0 ** abs(places)
    if places < 0:
        return round(x / scale) * scale
    scaled = x * scale
    return round(scaled) / scale if abs(scaled) < 4503599627370496.0 else x


def _min(*numbers: float) -> float:
    least = numbers[0]
    for number in numbers[1:]:
        least = number if number < least else least
    return least


def _max(*numbers: float) -> float:
    greatest = numbers[0]
    for number in numbers[1:]:
        greatest = number if number > greatest else greatest
    return greatest


def _distance(lat_a: float, lon_a: float, lat_b: float, lon_b: float) -> float:
    phi_a, phi_b = math.radians(lat_a), math.radians(lat_b)
    half_lat = math.sin((phi_b - phi_a) / 2.0)
    half_lon = math.sin(math.radians(lon_b - lon_a) / 2.0)
    h = half_lat * half_lat + math.cos(phi_a) * math.cos(phi_b) * half_lon * half_lon
    return 2.0 * EARTH_RADIUS_KM * math.asin(min(1.0, math.sqrt(h)))


_NUMERIC: dict[str, Callable[..., float]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "floordiv": lambda a, b: a // b,
    "mod": lambda a, b: a % b,
    "pow": _power,
    "neg": lambda a: -a,
    "abs": abs,
    "floor": lambda a: float(math.floor(a)),
    "ceil": lambda a: float(math.ceil(a)),
    "round": _round,
    "sqrt": math.sqrt,
    "log": math.log,
    "log10": math.log10,
    "exp": math.exp,
    "sign": lambda a: float((a > 0) - (a < 0)),
    "min": _min,
    "max": _max,
    "time_diff": lambda a, b: (a - b) / 1000.0,
    "time_add": lambda t, s: t + math.floor(s * 1000.0 + 0.5),
    "distance_km": _distance,
}


def _true(value: Value) -> bool:
    return value is not None and bool(value)


def _compare(test: Callable[[object, object], bool]) -> Callable[..., Value]:
    def compared(values: tuple[Value, ...], extra: tuple[object, ...]) -> Value:
        a, b = values
        return a is not None and b is not None and test(a, b)

    return compared


_TESTS: dict[str, Callable[[tuple[Value, ...], tuple[object, ...]], Value]] = {
    "lt": _compare(lambda a, b: bool(a < b)),  # type: ignore[operator]
    "le": _compare(lambda a, b: bool(a <= b)),  # type: ignore[operator]
    "eq": _compare(lambda a, b: a == b),
    "ne": _compare(lambda a, b: a != b),
    "in": lambda values, extra: values[0] is not None and values[0] in extra,
    "not_in": lambda values, extra: values[0] is not None and values[0] not in extra,
    "is_null": lambda values, extra: values[0] is None,
    "not": lambda values, extra: not _true(values[0]),
    "truth": lambda values, extra: _true(values[0]),
    "and": lambda values, extra: all(map(_true, values)),
    "or": lambda values, extra: any(map(_true, values)),
}
