"""The quick way through one record: a small function per field that finds, checks and places its value.

A setter takes the record, `cells` (the event's values by row, one more at the end for values that
nobody reads) and `hashes` (its keys by row, likewise). It knows the usual form of a value at a
glance; anything else goes to the field's `clean`, which defines what is right.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from sys import float_info
from typing import Any

from xxhash import xxh64_intdigest

from riskweave.errors import EventError
from riskweave.events.hashing import hash_float, hash_int, hash_pair
from riskweave.events.money import FLOAT_MINOR_MAX, currency_digits
from riskweave.events.plan import FieldPlan, Record, Setter
from riskweave.events.values import INT_MAX, TEXT_BYTES_MAX
from riskweave.expressions.strings import StringPool
from riskweave.expressions.types import Type

_pack_int = Struct("<q").pack
_TEXT_SAFE = TEXT_BYTES_MAX // 4


def setter(plan: FieldPlan, base: str, pool: StringPool) -> Setter:
    """Return the setter of a field."""
    kind = plan.field.type
    if kind is Type.STRING:
        return _string(plan, pool)
    if kind is Type.IP:
        return _ip(plan, pool)
    if kind is Type.MONEY:
        return _money(plan, base)
    if kind is Type.LOCATION:
        return _location(plan)
    if kind is Type.INT:
        return _int(plan)
    if kind is Type.FLOAT:
        return _float(plan)
    return _other_number(plan)


def find(record: Record, names: tuple[str, ...]) -> Any:
    """Return the first value that is there, None when none is."""
    for name in names:
        value = record.get(name)
        if value is not None:
            return value
    return None


def _absent(plan: FieldPlan) -> Callable[[Record], Any]:
    """Return how to go on when a field's own name is not there: other names, then null or an error."""
    name, others = plan.names[0], plan.names[1:]
    required, expected = plan.field.required, plan.expected

    def absent(record: Record) -> Any:
        value = find(record, others) if others else None
        if value is None and required:
            raise EventError(name, None, expected)
        return value

    return absent


def _string(plan: FieldPlan, pool: StringPool) -> Setter:
    name, column, key, clean = plan.names[0], plan.row, plan.key_row, plan.clean
    absent, codes, new_code = _absent(plan), pool.codes, pool.code
    # Texts that are allowed are right as they are.
    allowed = frozenset(plan.field.allowed)

    def set_text(record: Record, cells: list[float], hashes: list[int]) -> None:
        text = record.get(name)
        if text is None:
            text = absent(record)
            if text is None:
                return
        if type(text) is not str:
            text = clean(text)
        elif allowed:
            if text not in allowed:
                text = clean(text)
        elif len(text) > _TEXT_SAFE or not text.isascii():
            text = clean(text)
        if column >= 0:
            code = codes.get(text)
            cells[column] = new_code(text) if code is None else code
        if key >= 0:
            hashes[key] = xxh64_intdigest(text.encode()) or 1

    return set_text


def _ip(plan: FieldPlan, pool: StringPool) -> Setter:
    name, column, key, clean = plan.names[0], plan.row, plan.key_row, plan.clean
    absent, codes, new_code = _absent(plan), pool.codes, pool.code

    def set_ip(record: Record, cells: list[float], hashes: list[int]) -> None:
        value = record.get(name)
        if value is None:
            value = absent(record)
            if value is None:
                return
        text = clean(value)
        if column >= 0:
            code = codes.get(text)
            cells[column] = new_code(text) if code is None else code
        if key >= 0:
            hashes[key] = xxh64_intdigest(text.encode()) or 1

    return set_ip


def _int(plan: FieldPlan) -> Setter:
    name, column, key, clean, absent = plan.names[0], plan.row, plan.key_row, plan.clean, _absent(plan)
    low, high = max(plan.field.low, -INT_MAX), min(plan.field.high, INT_MAX)
    if plan.field.allowed:
        low, high = 1, 0  # nothing is usual

    def set_int(record: Record, cells: list[float], hashes: list[int]) -> None:
        value: Any = record.get(name)
        if value is None:
            value = absent(record)
            if value is None:
                return
        if type(value) is not int or not low <= value <= high:
            value = int(clean(value))
        cells[column] = value
        if key >= 0:
            hashes[key] = xxh64_intdigest(_pack_int(value)) or 1

    return set_int


def _float(plan: FieldPlan) -> Setter:
    name, column, key, clean, absent = plan.names[0], plan.row, plan.key_row, plan.clean, _absent(plan)
    # NaN fails every comparison, infinity these.
    low, high = max(plan.field.low, -float_info.max), min(plan.field.high, float_info.max)

    def set_float(record: Record, cells: list[float], hashes: list[int]) -> None:
        value: Any = record.get(name)
        if value is None:
            value = absent(record)
            if value is None:
                return
        if type(value) is not float or not low <= value <= high:
            value = clean(value)
        cells[column] = value
        if key >= 0:
            hashes[key] = hash_float(value)

    return set_float


def _other_number(plan: FieldPlan) -> Setter:
    """Return the setter of a bool, a label or a time."""
    name, column, key, clean, absent = plan.names[0], plan.row, plan.key_row, plan.clean, _absent(plan)

    def set_number(record: Record, cells: list[float], hashes: list[int]) -> None:
        value = record.get(name)
        if value is None:
            value = absent(record)
            if value is None:
                return
        number = clean(value)
        cells[column] = number
        if key >= 0:
            hashes[key] = hash_int(int(number))

    return set_number


def _money(plan: FieldPlan, base: str) -> Setter:
    field = plan.field
    name, column, key, clean, absent = plan.names[0], plan.row, plan.key_row, plan.clean, _absent(plan)
    currency = plan.currency
    own_is_minor = field.minor and len(plan.names) == 1
    scale = 10 ** currency_digits(base)
    low, high = field.low, field.high
    plain = currency is None and not own_is_minor and field.currency in ("", base)

    def set_money(record: Record, cells: list[float], hashes: list[int]) -> None:
        value: Any = record.get(name)
        minor = own_is_minor
        if value is None:
            value = absent(record)
            if value is None:
                return
            minor = field.minor
        if plain and not minor and type(value) is float:
            scaled = value * scale
            if (
                -FLOAT_MINOR_MAX < scaled < FLOAT_MINOR_MAX
                and (number := round(scaled) / scale) == value
                and low <= number <= high
            ):
                cells[column] = number
                if key >= 0:
                    hashes[key] = hash_float(number)
                return
        code = None
        if currency is not None:
            found = find(record, currency.names)
            if found is not None:
                code = currency.clean(found)
        number = clean(value, code, int(cells[0]), minor)
        cells[column] = number
        if key >= 0:
            hashes[key] = hash_float(number)

    return set_money


def _location(plan: FieldPlan) -> Setter:
    name, column, key, clean, absent = plan.names[0], plan.row, plan.key_row, plan.clean, _absent(plan)
    latitude_name, longitude_name = plan.pair or ("", "")

    def place(latitude: float, longitude: float, cells: list[float], hashes: list[int]) -> None:
        if column >= 0:
            cells[column] = latitude
            cells[column + 1] = longitude
        if key >= 0:
            hashes[key] = hash_pair(hash_float(latitude), hash_float(longitude))

    def set_location(record: Record, cells: list[float], hashes: list[int]) -> None:
        value: Any = record.get(name)
        if value is None:
            if latitude_name:
                value = (record.get(latitude_name), record.get(longitude_name))
                latitude, longitude = value
                if (
                    type(latitude) is float
                    and type(longitude) is float
                    and -90.0 <= latitude <= 90.0
                    and -180.0 <= longitude <= 180.0
                ):
                    place(latitude, longitude, cells, hashes)
                    return
                if latitude is None and longitude is None:
                    value = None
            if value is None:
                value = absent(record)
                if value is None:
                    return
        latitude, longitude = clean(value)
        place(latitude, longitude, cells, hashes)

    return set_location
