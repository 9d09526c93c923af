"""One record (a mapping of names to values) into one row of a batch, checked field by field.

This is the definition of decoding; `table.py` gives the same for whole columns.
"""

from __future__ import annotations

from math import nan
from sys import float_info
from typing import Any

import numpy as np

from riskweave.batch import TIME_ROW, TYPE_ROW, Batch
from riskweave.errors import EventError
from riskweave.events.hashing import hash_int, hash_pair, hash_text
from riskweave.events.plan import DecodePlan, Record, TypePlan
from riskweave.events.setters import find

FIELDS_MAX = 4_096

_FLOAT = {float}
_FLOAT_MAX = float_info.max


def decode_record(plan: DecodePlan, record: Record, batch: Batch, row: int, arrival: int = 0) -> str | None:
    """Fill row `row` of a batch of nulls and return the event's id, or raise an EventError.

    `arrival` is the event's number, which identifies it when it has no id. `watermark_ms` is left
    to who knows the events before.
    """
    kind = type_of(plan, record)
    time = kind.time
    value: Any = record.get(time.names[0])
    if value is None:
        value = find(record, time.names)
        if value is None:
            raise EventError(time.field.name, None, time.expected)
    time_ms = time.clean(value)

    rows, key_rows = plan.rows, plan.key_rows
    cells: list[float] = [nan] * (rows[-1] + 2)
    hashes = [0] * (key_rows[-1] + 2) if key_rows else [0]
    cells[TIME_ROW] = time_ms
    cells[TYPE_ROW] = kind.code
    for place in kind.others if _place_floats(kind, record, cells) else kind.setters:
        place(record, cells, hashes)
    for composite_row, parts in kind.composites:
        total = hashes[parts[0]]
        for part in parts[1:]:
            total = hash_pair(total, hashes[part])
        hashes[composite_row] = total
    identity = _id(kind, record)

    values, keys = batch.values, batch.keys
    if batch.size == 1 and plan.dense:
        # A column of one is a line of numbers: packing them costs half of what assigning a list does.
        plan.cells.pack_into(values, 0, *cells[:-1])  # type: ignore[arg-type]
        plan.hashes.pack_into(keys, 0, *hashes[:-1])  # type: ignore[arg-type]
    else:
        if plan.dense:
            values[: len(cells) - 1, row] = cells[:-1]
        else:
            for each in rows:
                values[each, row] = cells[each]
        for each in key_rows:
            keys[each, row] = hashes[each]
    batch.time_ms[row] = time_ms
    batch.event_hash[row] = hash_int(arrival) if identity is None else hash_text(identity)
    return identity


def _place_floats(kind: TypePlan, record: Record, cells: list[float]) -> bool:
    """Place all plain floats at once; False when any is not quite usual, and nothing counts."""
    floats = kind.floats
    if floats is None or type(record) is not dict:
        return False
    try:
        found = floats.get(record)
    except KeyError:
        return False
    # A sum is finite only when all are.
    if set(map(type, found)) != _FLOAT or not -_FLOAT_MAX <= sum(found) <= _FLOAT_MAX:
        return False
    for row, value in zip(floats.rows, found, strict=True):
        cells[row] = value
    return True


def event_id(plan: DecodePlan, record: Record) -> str | None:
    """Return the text that identifies a record which can be decoded; None when it has none."""
    return _id(type_of(plan, record), record)


def event_labels(plan: DecodePlan, record: Record) -> dict[str, float]:
    """Return the labels that a record which can be decoded brings along, by field."""
    labels = {}
    for field in type_of(plan, record).labels:
        value = find(record, field.names)
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


def _id(kind: TypePlan, record: Record) -> str | None:
    field = kind.id
    if field is None:
        return None
    value = find(record, field.names)
    if value is None:
        return None
    found = field.clean(value)
    return found if isinstance(found, str) else str(int(found))
