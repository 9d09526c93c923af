"""What a value of each field type means, in the plainest Python there is.

Each function takes what a record may hold and gives what the column holds, or None when the value
is refused.
"""

import ipaddress
import struct
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from tests.oracles.hash64 import composite_hash, key_hash

DIGITS = {"EUR": 2, "JPY": 0, "BHD": 3, "CLF": 4}


def money(value: object, currency: str, minor: bool = False) -> float | None:
    """Return the amount in major units, by exact fractions."""
    if isinstance(value, bool):
        return None
    digits = DIGITS[currency]
    if isinstance(value, float):
        # The text that a float prints as, in plain notation.
        value = repr(value)
        if "e" in value or "n" in value:
            value = f"{Decimal(value):f}" if "n" not in value else "nan"
        if value != "nan" and abs(Decimal(value)) * 10**digits >= 2**50:
            return None
    try:
        amount = Decimal(value)
    except InvalidOperation:
        return None
    if not amount.is_finite():
        return None
    units = Fraction(amount) * (1 if minor else 10**digits)
    if units.denominator != 1 or abs(units) >= 2**53:
        return None
    return float(units / 10**digits)


def time_of_text(text: str) -> float | None:
    """Return the milliseconds of ISO 8601 text by the standard library."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    microseconds = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return float(microseconds // 1_000)


def time_of_number(number: float, unit: str, origin_ms: int) -> float:
    """Return the milliseconds of a number, rounded once."""
    if unit == "iso":
        unit = "s" if abs(number) < 1e11 else "ms"
    return float(origin_ms + round(number * 1000 if unit == "s" else number))


def address(text: str) -> str | None:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    return str(found)


def hash_of(value: str | int | float) -> int:
    """Return the key hash of a text, a whole number, or another number."""
    if isinstance(value, str):
        return key_hash(value.encode())
    if isinstance(value, int):
        return key_hash(struct.pack("<q", value))
    return key_hash(struct.pack("<d", value if value else 0.0))


def hash_of_all(values: list[str | int | float | None]) -> int:
    return composite_hash([0 if value is None else hash_of(value) for value in values])
