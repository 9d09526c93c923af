"""One record (a mapping of names to values) into one row of a batch, checked field by field.

This is the definition of decoding; `table.py` gives the same for whole columns.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from xxhash import xxh64_intdigest

from riskweave.batch import Batch
from riskweave.errors import EventError
from riskweave.events.hashing import hash_float, hash_int, hash_pair, hash_text
from riskweave.events.plan import DecodePlan, FieldPlan, Record, TypePlan
from riskweave.expressions.types import Type

FIELDS_MAX = 4_096


def decode_record(plan: DecodePlan, record: Record, batch: Batch, row: int, arrival: int = 0) -> None:
    """Fill row `row` of a batch of nulls, or raise an EventError.

    `arrival` is the event's number, which identifies it when it has no id. `watermark_ms` is left
    to who knows the events before.
    """
    kind = type_of(plan, record)
    get = record.get
    values, keys = batch.values, batch.keys
    pool = plan.pool
    codes = pool.codes

    value = _find(record, kind.time.names)
    if value is None:
        raise EventError(kind.time.field.name, None, kind.time.expected)
    time = kind.time.clean(value)
    values[0, row] = time
    values[1, row] = kind.code
    time_ms = int(time)
    batch.time_ms[row] = time_ms

    for field_type, name, others, clean, column, key_row, required, field, currency in kind.steps:
        value = get(name)
        if value is None:
            if field.pair is not None:
                value = _pair(record, field)
            for other in others:
                value = get(other)
                if value is not None:
                    break
            if value is None:
                if required:
                    raise EventError(name, None, field.expected)
                continue
        if field_type is _STRING or field_type is _IP:
            text = clean(value)
            if column >= 0:
                code = codes.get(text)
                values[column, row] = pool.code(text) if code is None else code
            if key_row >= 0:
                keys[key_row, row] = xxh64_intdigest(text.encode()) or 1
        elif field_type is _MONEY:
            code_text = None if currency is None else _currency(record, currency)
            number = clean(value, code_text, time_ms, _is_minor(field, record))
            if column >= 0:
                values[column, row] = number
            if key_row >= 0:
                keys[key_row, row] = hash_float(number)
        elif field_type is _LOCATION:
            latitude, longitude = clean(value)
            if column >= 0:
                values[column, row] = latitude
                values[column + 1, row] = longitude
            if key_row >= 0:
                keys[key_row, row] = hash_pair(hash_float(latitude), hash_float(longitude))
        else:
            number = clean(value)
            if column >= 0:
                values[column, row] = number
            if key_row >= 0:
                keys[key_row, row] = hash_float(number) if field_type is _FLOAT else hash_int(int(number))

    for composite_row, parts in kind.composites:
        total = int(keys[parts[0], row])
        for part in parts[1:]:
            total = hash_pair(total, int(keys[part, row]))
        keys[composite_row, row] = total

    identity = _id(kind, record)
    batch.event_hash[row] = hash_int(arrival) if identity is None else hash_text(identity)


# Looked up once: reading a member of an Enum class costs more than comparing it.
_STRING, _IP, _MONEY, _LOCATION, _FLOAT = Type.STRING, Type.IP, Type.MONEY, Type.LOCATION, Type.FLOAT


def event_id(plan: DecodePlan, record: Record) -> str | None:
    """Return the text that identifies a record which can be decoded; None when it has none."""
    return _id(type_of(plan, record), record)


def event_labels(plan: DecodePlan, record: Record) -> dict[str, float]:
    """Return the labels that a record which can be decoded brings along, by field."""
    labels = {}
    for field in type_of(plan, record).labels:
        value = _find(record, field.names)
        if value is not None:
            labels[field.field.name] = field.clean(value)
    return labels


def type_of(plan: DecodePlan, record: Record) -> TypePlan:
    """Return the plan of the event type that a record belongs to."""
    if len(record) > FIELDS_MAX:
        raise EventError("record", f"{len(record)} fields", f"at most {FIELDS_MAX} fields")
    types = plan.types
    if not types[0].match:
        return types[0]
    for kind in types:
        for name, text in kind.match:
            if match_text(record.get(name)) != text:
                break
        else:
            return kind
    name = types[0].match[0][0]
    known = [text for kind in types for key, text in kind.match if key == name]
    raise EventError(name, record.get(name), f"an event type: {' or '.join(known)}")


def match_text(value: Any) -> str | None:
    """Return the text of a value that `match:` compares; None for what has no one spelling."""
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (int, np.integer)):
        return str(value)
    return None


def _find(record: Record, names: tuple[str, ...]) -> object:
    for name in names:
        value = record.get(name)
        if value is not None:
            return value
    return None


def _pair(record: Record, field: FieldPlan) -> object:
    """Return both coordinates, or None when neither is there; one alone is refused by `clean`."""
    assert field.pair is not None
    latitude, longitude = record.get(field.pair[0]), record.get(field.pair[1])
    return None if latitude is None and longitude is None else (latitude, longitude)


def _is_minor(field: FieldPlan, record: Record) -> bool:
    """Tell whether the amount found counts minor units: under the foreign name, if there is one."""
    if not field.field.minor:
        return False
    return len(field.names) == 1 or record.get(field.names[0]) is None


def _currency(record: Record, field: FieldPlan) -> str | None:
    value = _find(record, field.names)
    if value is None:
        return None
    text: str = field.clean(value)
    return text


def _id(kind: TypePlan, record: Record) -> str | None:
    field = kind.id
    if field is None:
        return None
    value = _find(record, field.names)
    if value is None:
        return None
    found = field.clean(value)
    return found if isinstance(found, str) else str(int(found))
