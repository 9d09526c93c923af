"""Decision records as columns: a block of decisions as an Arrow table, and a row of it as a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from riskweave.batch import ACTIONS, Batch
from riskweave.engine.decisions import Decision, ListMatch, arrow_column
from riskweave.engine.matches import PatternMatch, made_by_time, match_at
from riskweave.engine.record import (
    SCHEMA,
    Column,
    Record,
    Value,
    plain_event,
    plain_outcome,
    read_outcome,
    recorded,
)
from riskweave.engine.recorder import Recorder
from riskweave.errors import StateError
from riskweave.expressions.types import Type

if TYPE_CHECKING:
    import pyarrow as pa

HEAD = b"riskweave.records"


class Head(msgspec.Struct, frozen=True):
    """What all records of a table have in common; `features` maps a named feature to its column."""

    schema: int
    engine: str
    policy: str
    models: dict[str, str]
    columns: list[Column]
    features: dict[str, str]


class _Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """What few decisions have."""

    lists: list[ListMatch] = []
    patterns: list[PatternMatch] = []
    elapsed: list[PatternMatch] = []
    incomplete: list[str] = []
    outcome: Any = None


def record_table(
    recorder: Recorder,
    batch: Batch,
    decisions: Sequence[Decision],
    events: Sequence[Mapping[str, object]],
    arrival: int,
) -> pa.Table:
    """Return the records of a decided batch; `arrival` is the number of its first event."""
    import pyarrow as pa

    elapsed = _elapsed(recorder, batch)
    told = [
        _Told(
            list(each.lists),
            list(each.patterns),
            elapsed.get(row, []),
            list(each.incomplete),
            plain_outcome(each.outcome),
        )
        for row, each in enumerate(decisions)
    ]
    texts = recorder.plan.pool.texts
    columns = [
        arrow_column(np.ascontiguousarray(batch.values[row]), _stored(recorder.types[row]), texts)
        for row in range(len(recorder.names))
    ]
    head = Head(
        SCHEMA,
        recorder.engine,
        recorder.plan.version,
        recorder.models,
        recorder.columns,
        {name: recorder.names[row] for name, row in recorder.outputs},
    )
    table = pa.table(
        {
            "event_id": pa.array([each.event_id for each in decisions], pa.string()),
            "time": pa.array(batch.time_ms, pa.int64()).cast(pa.timestamp("ms", "UTC")),
            "action": pa.array([ACTIONS[code] for code in batch.action.tolist()], pa.string()),
            "score": pa.array(batch.score),
            "rules": pa.array([each.rules for each in decisions], pa.list_(pa.string())),
            "watermark_ms": pa.array(batch.watermark_ms, pa.int64()),
            "arrival": pa.array(np.arange(arrival, arrival + batch.size), pa.int64()),
            "event": pa.array(
                [msgspec.json.encode(plain_event(each)).decode() for each in events], pa.string()
            ),
            "told": pa.array([msgspec.json.encode(each).decode() for each in told], pa.string()),
            "columns": pa.StructArray.from_arrays(columns, recorder.names),
        }
    )
    return table.replace_schema_metadata({HEAD: msgspec.json.encode(head)})


def record_of(row: Mapping[str, Any], metadata: Mapping[bytes, bytes] | None) -> Record:
    """Return the record in a row of such a table (as Python values); raises StateError."""
    try:
        head = msgspec.json.decode((metadata or {})[HEAD], type=Head)
        told = msgspec.json.decode(row["told"], type=_Told)
        event = msgspec.json.decode(row["event"])
    except (KeyError, msgspec.DecodeError) as error:
        raise StateError(f"this is no file of decision records: {error}") from None
    if head.schema != SCHEMA:
        raise StateError(f"the records have schema {head.schema}, this version reads {SCHEMA}")
    values = row["columns"]
    columns: dict[str, Value] = {
        each.name: _read(values[each.name], Type(each.type)) for each in head.columns
    }
    return Record(
        schema=head.schema,
        engine=head.engine,
        policy=head.policy,
        models=head.models,
        event=event,
        event_id=row["event_id"],
        time_ms=round(row["time"].timestamp() * 1000),
        watermark_ms=row["watermark_ms"],
        arrival=row["arrival"],
        columns=columns,
        definitions={each.name: each.definition for each in head.columns if each.definition},
        features={name: columns[column] for name, column in head.features.items()},
        rules=row["rules"],
        score=row["score"],
        action=row["action"],
        lists=told.lists,
        patterns=told.patterns,
        elapsed=told.elapsed,
        incomplete=told.incomplete,
        outcome=read_outcome(told.outcome),
    ).sealed()


def _stored(kind: Type) -> Type:
    """Return as what a column is stored: numbers of all kinds as they are in the batch."""
    return kind if kind.is_text or kind is Type.BOOL else Type.FLOAT


def _read(value: Any, kind: Type) -> Value:
    return value if value is None or isinstance(value, (str, bool)) else recorded(value, kind)


def _elapsed(recorder: Recorder, batch: Batch) -> dict[int, list[PatternMatch]]:
    """Return what the passing of time brought about, by the row before which it did."""
    found: dict[int, list[PatternMatch]] = {}
    if batch.matches is not None:
        for number in made_by_time(batch.matches).tolist():
            match = match_at(recorder.plan.patterns, batch.matches, number)
            found.setdefault(int(batch.matches.row[number]), []).append(match)
    return found
