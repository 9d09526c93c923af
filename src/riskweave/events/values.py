"""One value of one field, from whatever a record holds: checked, and in the form that a column holds.

`cleaner(field, ...)` gives a function from a value that is not None to a text (string, ip) or a
float (int, float, bool, time, money), or two floats (location). It raises an EventError that
names the field, what was found and what is expected. This is the definition of what is accepted;
decoding whole columns gives the same, or asks here.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from riskweave.errors import EventError
from riskweave.events.money import (
    FLOAT_MINOR_MAX,
    MINOR_MAX,
    currency_digits,
    is_currency,
    minor_from_decimal,
    minor_from_float,
    minor_from_text,
)
from riskweave.events.plan import Rates
from riskweave.events.spec import Field
from riskweave.events.times import TIME_MS_MAX, TIME_MS_MIN, date_ms, datetime_ms, iso_ms, number_ms
from riskweave.expressions.types import Type

TEXT_BYTES_MAX = 65_536
INT_MAX = 2**53
# A text this short is within the limit whatever its letters.
_TEXT_SAFE = TEXT_BYTES_MAX // 4

_INT_TEXT = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
_NUMBER_TEXT = re.compile(
    r"[+-]?(?:[0-9]{1,400}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,4})?", re.ASCII
)
_BOOLS = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0}
_LATITUDE_NAMES = ("lat", "latitude")
_LONGITUDE_NAMES = ("lon", "lng", "longitude")

Clean = Callable[[Any], Any]


def cleaner(field: Field) -> tuple[Clean, str]:
    """Return the function that reads a field's values, and the words for what it expects."""
    make = {
        Type.STRING: _string,
        Type.IP: _ip,
        Type.INT: _int,
        Type.FLOAT: _float,
        Type.BOOL: _bool,
        Type.LABEL: _bool,
        Type.TIME: _time,
        Type.LOCATION: _location,
    }[field.type]
    return make(field)


def plain(value: object) -> object:
    """Return NumPy's scalars as Python's own; everything else as it is."""
    if type(value).__module__ == "numpy" and hasattr(value, "item"):
        item: object = value.item()
        return item
    return value


# ---- text


def _string(field: Field) -> tuple[Clean, str]:
    allowed = frozenset(field.allowed)
    name = field.name
    expected = _one_of(field.allowed) if allowed else f"text of at most {TEXT_BYTES_MAX} bytes"

    def clean(value: Any) -> str:
        if type(value) is not str or len(value) > _TEXT_SAFE or not value.isascii():
            value = _checked_text(value, name, expected)
        if allowed and value not in allowed:
            raise EventError(name, value, expected)
        return value  # type: ignore[no-any-return]

    return clean, expected


def _checked_text(value: object, name: str, expected: str) -> str:
    """Return a text, or a whole number's digits; refuse what has no one spelling or no UTF-8."""
    given = value
    value = plain(value)
    if isinstance(value, int) and not isinstance(value, bool):
        if abs(value) >= 2**64:
            raise EventError(name, f"a number of {value.bit_length()} bits", expected)
        return str(value)
    if not isinstance(value, str):
        raise EventError(name, given, expected)
    text = str(value)
    if len(text) > TEXT_BYTES_MAX:
        raise EventError(name, text[:64], f"text of at most {TEXT_BYTES_MAX} bytes")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise EventError(name, given, "text that is valid Unicode") from None
    if size > TEXT_BYTES_MAX:
        raise EventError(name, text[:64], f"text of at most {TEXT_BYTES_MAX} bytes")
    return text


def _ip(field: Field) -> tuple[Clean, str]:
    name = field.name
    allowed = frozenset(filter(None, (canonical_ip(each) for each in field.allowed)))
    expected = _one_of(field.allowed) if allowed else "an IP address such as 192.0.2.1 or 2001:db8::1"

    def clean(value: Any) -> str:
        text = canonical_ip(value) if isinstance(value, str) else None
        if text is None or (allowed and text not in allowed):
            raise EventError(name, value, expected)
        return text

    return clean, expected


# IPv4 in its one spelling, which nearly every address is: told without taking it apart.
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_PLAIN_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}", re.ASCII)


def canonical_ip(text: str) -> str | None:
    """Return an address in its one spelling, or None when it is none.

    IPv4 inside IPv6 (`::ffff:192.0.2.1`) is that IPv4 address.

    >>> canonical_ip("2001:DB8:0::1"), canonical_ip("::ffff:192.0.2.1"), canonical_ip("300.1.1.1")
    ('2001:db8::1', '192.0.2.1', None)
    """
    if _PLAIN_IPV4.fullmatch(text):
        return text
    if len(text) > 45 or "%" in text:
        return None
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


# ---- numbers


def _int(field: Field) -> tuple[Clean, str]:
    name, low, high = field.name, field.low, field.high
    allowed = frozenset(float(each) for each in field.allowed)
    expected = _one_of(field.allowed) if allowed else "a whole number" + _range(field)

    def clean(value: Any) -> float:
        number = value if type(value) is int else _whole(value)
        if number is None:
            raise EventError(name, value, expected)
        if not -INT_MAX <= number <= INT_MAX:
            raise EventError(
                name, _short_int(number), "a whole number of at most 2**53 (declare the field as string)"
            )
        if not low <= number <= high or (allowed and number not in allowed):
            raise EventError(name, value, expected)
        return float(number)

    return clean, expected


def _whole(value: object) -> int | None:
    """Return the whole number that a value of another type holds."""
    value = plain(value)
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, Decimal):
        return int(value) if value.is_finite() and abs(value) < 10**30 and value == int(value) else None
    if isinstance(value, str) and _INT_TEXT.fullmatch(value):
        return int(value)
    return None


def _float(field: Field) -> tuple[Clean, str]:
    name, low, high = field.name, field.low, field.high
    expected = "a finite number" + _range(field)

    def clean(value: Any) -> float:
        number = value if type(value) is float else _number(value)
        # NaN fails every comparison, infinity the last one.
        if number is None or not low <= number <= high or not -math.inf < number < math.inf:
            raise EventError(name, _short_int(value), expected)
        return number

    return clean, expected


def _number(value: object) -> float | None:
    """Return the float nearest to what a value of another type holds."""
    value = plain(value)
    if isinstance(value, bool):
        return None
    if isinstance(value, int) or (isinstance(value, str) and _NUMBER_TEXT.fullmatch(value)):
        try:
            return float(value)
        except OverflowError:
            return None
    if isinstance(value, (float, Decimal)):
        return float(value)
    return None


def _bool(field: Field) -> tuple[Clean, str]:
    name = field.name
    expected = "true or false"

    def clean(value: Any) -> float:
        if value is True:
            return 1.0
        if value is False:
            return 0.0
        found = plain(value)
        number = _BOOLS.get(found.lower()) if isinstance(found, str) else found
        if not isinstance(number, (int, float)) or number not in (0, 1):
            raise EventError(name, value, expected)
        return 1.0 if number else 0.0

    return clean, expected


def _range(field: Field) -> str:
    low, high = field.low, field.high
    if low == -math.inf and high == math.inf:
        return ""
    if high == math.inf:
        return f" from {low:.15g} up"
    if low == -math.inf:
        return f" up to {high:.15g}"
    return f" between {low:.15g} and {high:.15g}"


def _one_of(allowed: tuple[str, ...]) -> str:
    shown = ", ".join(allowed[:8])
    return f"one of: {shown}" + (f" and {len(allowed) - 8} more" if len(allowed) > 8 else "")


def _short_int(value: object) -> object:
    """Return a value that a message can hold: Python refuses to print very long integers."""
    if isinstance(value, int) and value.bit_length() > 256:
        return f"a number of {value.bit_length()} bits"
    return value


# ---- time and place


def _time(field: Field) -> tuple[Clean, str]:
    name, unit, origin_ms = field.name, field.unit, field.origin_ms
    counted = {
        "iso": "epoch seconds or milliseconds",
        "s": "seconds since " + ("1970" if not origin_ms else "the origin"),
        "ms": "milliseconds since " + ("1970" if not origin_ms else "the origin"),
    }[unit]
    expected = f"a time: ISO 8601 or {counted}, in the years 1 to 9999"

    def clean(value: Any) -> float:
        milliseconds: int | None = None
        if type(value) is int:
            milliseconds = number_ms(value, unit, origin_ms)
        elif type(value) is str:
            milliseconds = iso_ms(value)
            if milliseconds is None and _NUMBER_TEXT.fullmatch(value):
                number = int(value) if _INT_TEXT.fullmatch(value) else float(value)
                milliseconds = number_ms(number, unit, origin_ms)
        else:
            milliseconds = _moment_ms(value, unit, origin_ms)
        if milliseconds is None:
            raise EventError(name, _short_int(value), expected)
        return float(milliseconds)

    return clean, expected


def _moment_ms(value: object, unit: str, origin_ms: int) -> int | None:
    value = plain(value)
    milliseconds: int | None = None
    if isinstance(value, datetime):
        milliseconds = datetime_ms(value)
    elif isinstance(value, date):
        milliseconds = date_ms(value)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        return number_ms(value, unit, origin_ms)
    elif isinstance(value, Decimal) and value.is_finite():
        return number_ms(float(value), unit, origin_ms)
    if milliseconds is None or not TIME_MS_MIN <= milliseconds <= TIME_MS_MAX:
        return None
    return milliseconds


def _location(field: Field) -> tuple[Clean, str]:
    name = field.name
    expected = "latitude (-90 to 90) and longitude (-180 to 180)"

    def clean(value: Any) -> tuple[float, float]:
        pair = _pair(value)
        if pair is not None:
            latitude, longitude = _number(pair[0]), _number(pair[1])
            if (
                latitude is not None
                and longitude is not None
                and -90.0 <= latitude <= 90.0
                and -180.0 <= longitude <= 180.0
            ):
                return latitude, longitude
        raise EventError(name, value, expected)

    return clean, expected


def _pair(value: object) -> tuple[object, object] | None:
    if isinstance(value, str):
        value = [part.strip() for part in value[:200].split(",")]
    if isinstance(value, Mapping):
        value = [
            next((value[name] for name in names if value.get(name) is not None), None)
            for names in (_LATITUDE_NAMES, _LONGITUDE_NAMES)
        ]
    if isinstance(value, (list, tuple)) and len(value) == 2:
        return value[0], value[1]
    return None


# ---- money


def money_cleaner(field: Field, base: str, rates: Rates | None) -> tuple[Callable[..., float], str]:
    """Return `clean(value, currency, time_ms, minor)` for an amount, in major units of `base`.

    `currency` is the text of the field that holds it, or None: then the field's own, or the base.
    """
    name, low, high = field.name, field.low, field.high
    usual = field.currency or base
    usual_digits = currency_digits(usual)
    base_digits = currency_digits(base)
    divisor: int = 10**base_digits
    bounds = _range(field)
    expected = _money_words(usual, usual_digits, field.minor and not field.sources) + bounds

    def clean(value: Any, currency: str | None, time_ms: int, minor: bool) -> float:
        code, digits = usual, usual_digits
        if currency is not None and currency != usual:
            if not is_currency(currency):
                raise EventError(field.currency_field, currency, "an ISO 4217 currency code such as EUR")
            code, digits = currency, currency_digits(currency)
        amount = _minor_units(value, digits, minor)
        if amount is None:
            raise EventError(name, _short_int(value), _money_words(code, digits, minor) + bounds)
        if code != base:
            converted = None if rates is None else rates.convert(amount, code, time_ms)
            if converted is None:
                raise EventError(
                    name, f"{value} {code}", f"a currency with a rate to {base} at that time: no rate"
                )
            if abs(converted) >= MINOR_MAX:
                raise EventError(name, f"{value} {code}", f"less than 2**53 minor units of {base}")
            amount = converted
        number: float = amount / divisor
        if not low <= number <= high:
            raise EventError(name, value, expected)
        return number

    return clean, expected


def _minor_units(value: object, digits: int, minor: bool) -> int | None:
    if minor:
        whole = _whole(value)
        return whole if whole is not None and abs(whole) < MINOR_MAX else None
    if type(value) is str:
        return minor_from_text(value, digits)
    value = plain(value)
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value * 10**digits if abs(value) * 10**digits < MINOR_MAX else None
    if isinstance(value, float):
        return minor_from_float(value, digits)
    if isinstance(value, Decimal):
        return minor_from_decimal(value, digits)
    return None


def _money_words(currency: str, digits: int, minor: bool) -> str:
    money = f"of {currency}" if currency else "of money"
    if minor:
        return f"whole minor units {money} below 2**53"
    if digits == 0:
        return f"an amount {money} without decimals"
    most = FLOAT_MINOR_MAX.bit_length() - 1
    return f"an amount {money} with at most {digits} decimals (text if above 2**{most} minor units)"
