"""A file of labels: which event, what is true of it, and when that became known.

Columns: `event_id`; `time`, the moment the label arrives; the value under the label field's own
name or as `value` (true, false, empty to take it back; true when there is no such column); and
`label`, the name of the label field, when the policy has several.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from riskweave.engine.engine import Engine
from riskweave.errors import EventError, Span
from riskweave.events.hashing import hash_texts_of
from riskweave.events.plan import Record
from riskweave.events.readers import read_events
from riskweave.events.spec import Field
from riskweave.events.values import cleaner
from riskweave.expressions.types import Type

LABELS_MAX = 50_000_000

_READ_TIME, _ = cleaner(Field("time", Type.TIME, Span()))
_READ_FLAG, _ = cleaner(Field("value", Type.BOOL, Span()))


def read_labels(engine: Engine, path: Path) -> int:
    """Give all labels of a file to the engine; each counts from its own time on. Returns how many."""
    ids: dict[str, list[str]] = {}
    times: dict[str, list[int]] = {}
    values: dict[str, list[float]] = {}
    for place, record in _records(path):
        name = _label(engine, record, place)
        ids.setdefault(name, []).append(_identity(record, place))
        times.setdefault(name, []).append(_time(record, place))
        values.setdefault(name, []).append(_value(record, name, place))
    for name in ids:
        due = np.array(times[name], np.int64)
        engine.learn_many(name, hash_texts_of(ids[name]), np.array(values[name]), due)
    return sum(len(each) for each in ids.values())


def _records(path: Path) -> Iterator[tuple[str, Record]]:
    count = 0
    for chunk in read_events(path):
        for rejected in chunk.rejected:
            raise EventError(
                rejected.error.field, rejected.error.found, rejected.error.expected, rejected.place
            )
        records = chunk.table.to_pylist() if chunk.table is not None else chunk.records or ()
        count += len(records)
        if count > LABELS_MAX:
            raise EventError("labels", count, f"at most {LABELS_MAX} labels in one file", str(path))
        for row, record in enumerate(records):
            yield chunk.place(row), record


def _label(engine: Engine, record: Record, place: str) -> str:
    known = list(engine.plan.labels)
    named = record.get("label")
    if named is None and len(known) == 1:
        return known[0]
    if not isinstance(named, str) or named not in known:
        raise EventError("label", named, f"one of: {', '.join(known) or 'the policy has no label'}", place)
    return named


def _identity(record: Record, place: str) -> str:
    identity = record.get("event_id")
    if not isinstance(identity, (str, int)) or isinstance(identity, bool):
        raise EventError("event_id", identity, "the id of an event", place)
    return str(identity)


def _time(record: Record, place: str) -> int:
    return int(_cleaned(_READ_TIME, record.get("time"), place))


def _value(record: Record, name: str, place: str) -> float:
    value = record.get(name, record.get("value", True))
    return float("nan") if value is None or value == "" else _cleaned(_READ_FLAG, value, place)


def _cleaned(clean: Callable[..., Any], value: object, place: str) -> float:
    try:
        return float(clean(value))
    except EventError as error:
        raise EventError(error.field, value, error.expected, place) from None
