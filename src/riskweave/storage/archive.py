"""Old entries in Parquet: one file of entries as the journal had them, one of decisions for people."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from riskweave.engine.durable_host import body_events
from riskweave.engine.durable_records import Record, read_shape
from riskweave.engine.ports import RUNGS, Entry, Journal, PolicyRow
from riskweave.storage.journal import COLUMNS, entry_of, row_of

_ENTRIES, _DECISIONS = "entries", "decisions"
# An entry may hold a block of thousands of events, a decision is one event with all its features in text.
_ENTRIES_AT_A_TIME = 8
_DECISIONS_AT_A_TIME = 4_096


class ParquetArchive:
    """What `engine.ports.Archive` asks for, in a folder; `decisions-*.parquet` is for any tool to read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, entries: Sequence[Entry], policies: Mapping[int, PolicyRow], journal: Journal) -> None:
        """Store entries; the same again are written over."""
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"{entries[0].position:020d}-{entries[-1].last:020d}.parquet"
        rows = (row for entry in entries for row in _decisions(entry, policies, journal))
        if any(entry.kind.holds_events for entry in entries):
            self._write(f"{_DECISIONS}-{name}", rows, _DECISION_SCHEMA, _DECISIONS_AT_A_TIME)
        self._write(f"{_ENTRIES}-{name}", map(row_of, entries), _SCHEMA, _ENTRIES_AT_A_TIME)

    def _write(self, name: str, rows: Iterator[dict[str, object]], schema: pa.Schema, size: int) -> None:
        """Write a file, whole or not at all; only `size` rows are in memory at a time."""
        path = self.folder / name
        beside = path.with_suffix(".part")
        try:
            with pq.ParquetWriter(beside, schema, compression="zstd") as writer:
                while some := list(islice(rows, size)):
                    writer.write_table(pa.Table.from_pylist(some, schema=schema))
            with beside.open("rb") as stream:
                os.fsync(stream.fileno())
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)

    def _files(self) -> list[tuple[int, int, Path]]:
        found = []
        for path in sorted(self.folder.glob(f"{_ENTRIES}-*.parquet")) if self.folder.exists() else []:
            _, first, last = path.stem.split("-")
            found.append((int(first), int(last), path))
        return found

    def read(self, first: int, last: int) -> Iterator[Entry]:
        """Yield the entries that reach into [first, last], ascending."""
        for begin, end, path in self._files():
            if end >= first and begin <= last:
                for entry in self._entries(path):
                    if entry.last >= first and entry.position <= last:
                        yield entry

    def read_back(self, last: int | None = None) -> Iterator[Entry]:
        """Yield the entries that begin at or before `last`, the latest first."""
        for begin, _, path in reversed(self._files()):
            if last is None or begin <= last:
                for entry in reversed(list(self._entries(path))):
                    if last is None or entry.position <= last:
                        yield entry

    def at(self, position: int) -> Entry | None:
        """Return the entry that holds a position."""
        for begin, end, path in self._files():
            if begin <= position <= end:
                column = pq.read_table(path, columns=["position"]).column(0)
                at = pc.sum(pc.less_equal(column, position)).as_py() - 1
                return next(self._entries(path, at), None)
        return None

    @staticmethod
    def _entries(path: Path, only: int | None = None) -> Iterator[Entry]:
        file = pq.ParquetFile(path)
        try:
            for batch in file.iter_batches(batch_size=_ENTRIES_AT_A_TIME):
                if only is not None and only >= batch.num_rows:
                    only -= batch.num_rows
                    continue
                rows = batch.to_pylist() if only is None else batch.slice(only, 1).to_pylist()
                for row in rows:
                    yield entry_of(_Row(row))
                if only is not None:
                    return
        finally:
            file.close()


class _Row:
    def __init__(self, values: dict[str, Any]) -> None:
        self.__dict__.update(values)


_INTS = {"position", "count", "kind", "policy", "rung", "received_ms", "time_min_ms", "time_max_ms", "crc"}
_SCHEMA = pa.schema(
    [
        (
            name,
            pa.int64()
            if name in _INTS | {"actions"}
            else pa.float64()
            if name == "score_max"
            else pa.string()
            if name == "skipped"
            else pa.binary(),
        )
        for name in COLUMNS
    ]
)
_DECISION_SCHEMA = pa.schema(
    [
        ("sequence", pa.int64()),
        ("event_id", pa.string()),
        ("received", pa.timestamp("ms", "UTC")),
        ("time", pa.timestamp("ms", "UTC")),
        ("action", pa.string()),
        ("score", pa.float64()),
        ("rules", pa.list_(pa.string())),
        ("policy_version", pa.string()),
        ("rung", pa.string()),
        ("event", pa.string()),
        ("features", pa.string()),
    ]
)


def _decisions(
    entry: Entry, policies: Mapping[int, PolicyRow], journal: Journal
) -> Iterator[dict[str, object]]:
    if not entry.kind.holds_events:
        return
    shape = read_shape(journal.content(policies[entry.policy].shape))
    record = Record(entry.kind, entry.record, shape)
    for index, event in enumerate(body_events(entry)):
        decision = record.decision(index)
        yield {
            "sequence": entry.position + index,
            "event_id": decision.event_id,
            "received": entry.received_ms,
            "time": decision.time_ms,
            "action": decision.action,
            "score": decision.score,
            "rules": decision.rules,
            "policy_version": shape.version,
            "rung": RUNGS[entry.rung],
            "event": json.dumps(event, default=str, ensure_ascii=False),
            "features": json.dumps(decision.features, default=str, ensure_ascii=False),
        }
