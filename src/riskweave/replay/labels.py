"""A file of labels: columns event_id, value (or the label's own name), time of arrival, and label."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from riskweave.engine.engine import Engine
from riskweave.errors import EventError
from riskweave.events.hashing import hash_texts_of
from riskweave.events.labels import Label, read_label
from riskweave.events.readers import read_events

LABELS_MAX = 50_000_000


def read_labels(engine: Engine, path: Path) -> int:
    """Give all labels of a file to the engine; each counts from its own time on. Returns how many."""
    by_name: dict[str, list[Label]] = {}
    for label in _labels(list(engine.plan.labels), path):
        by_name.setdefault(label.name, []).append(label)
    for name, labels in by_name.items():
        due = np.array([label.time_ms for label in labels], np.int64)
        values = np.array([label.value for label in labels])
        engine.learn_many(name, hash_texts_of([label.event_id for label in labels]), values, due)
    return sum(len(labels) for labels in by_name.values())


def label_values(engine: Engine, path: Path, name: str) -> dict[str, float]:
    """Return what a file says last of each event: 1, 0, or NaN where it was taken back."""
    found = [label for label in _labels(list(engine.plan.labels), path) if label.name == name]
    return {label.event_id: label.value for label in sorted(found, key=lambda each: each.time_ms or 0)}


def _labels(known: list[str], path: Path) -> Iterator[Label]:
    count = 0
    for chunk in read_events(path):
        for rejected in chunk.rejected:
            error = rejected.error
            raise EventError(error.field, error.found, error.expected, rejected.place)
        records = chunk.table.to_pylist() if chunk.table is not None else chunk.records or ()
        count += len(records)
        if count > LABELS_MAX:
            raise EventError("labels", count, f"at most {LABELS_MAX} labels in one file", str(path))
        for row, record in enumerate(records):
            place = chunk.place(row)
            label = read_label(record, known, place)
            if label.time_ms is None:
                raise EventError("time", None, "when the label arrives: ISO 8601 or epoch", place)
            yield label
