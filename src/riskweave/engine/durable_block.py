"""A block of many events: what can be read and is new is decided and committed at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from riskweave.engine.durable_answers import ManyAnswers, Part
from riskweave.engine.durable_host import event_bytes, events_body, read_event, table_body
from riskweave.engine.durable_records import encode_block
from riskweave.engine.engine import _Source
from riskweave.engine.ports import RUNGS, Kind
from riskweave.errors import EventError
from riskweave.events.table import Decoded, Rejected, row_place

if TYPE_CHECKING:
    from riskweave.engine.durable import DurableEngine


# An event, the hash of its id, the id, and where it stood in what was given.
Repeat = tuple[dict[str, object], int, str, int]


class Block:
    """A block of a bulk: the readable and new are decided and committed, the rest answered one by one."""

    def __init__(
        self, engine: DurableEngine, source: Any, answers: ManyAnswers, start: int, size: int
    ) -> None:
        self.engine = engine
        self.answers = answers
        self.start = start
        self.is_table = hasattr(source, "slice")
        # Positions in what was given, of the rows still in the running.
        self.rows = np.arange(start, start + size)
        self.table: Any = source.slice(start, size) if self.is_table else None
        self.given: Any = None if self.is_table else source[start : start + size]
        self.data: list[bytes] = []
        self.records: list[dict[str, object]] = []

    def read(self) -> tuple[Decoded, Any, list[Repeat]]:
        """Return what can be read and is new, its id hashes, and what is a repeat; the rest is refused."""
        engine = self.engine
        if not engine._draft.is_empty:
            engine._commit()  # so that the ids of what was decided before are known
        if not self.is_table:
            self._read_records()
        decoded = self._decoded()
        hashes = self._hashes(decoded)
        found = engine.stores.ids.find(hashes)
        found[hashes == 0] = -1
        fresh = self._fresh(hashes, found)
        rejected = {self.rows[each.row]: each for each in decoded.rejected}
        for row, each in rejected.items():
            self._reject(int(row), each.record, each.error)
        repeats = [
            (int(decoded.rows[k]), int(hashes[k]), str(decoded.ids[k].as_py()))  # type: ignore[index]
            for k in np.flatnonzero(~fresh).tolist()
        ]
        again = [
            (self._event(row), hashed, identity, int(self.rows[row])) for row, hashed, identity in repeats
        ]
        if decoded.rejected or repeats:
            self._keep(decoded.rows[fresh])
            decoded = self._decoded()
            hashes = hashes[fresh]
        return decoded, hashes, again

    def decide(self, decoded: Decoded, hashes: Any) -> None:
        """Decide what is new, and have it written."""
        if decoded.batch.size:
            self._commit_fresh(decoded, hashes)

    def repeat(self, again: list[Repeat]) -> None:
        """Give repeats their first answers."""
        if not again:
            return
        engine = self.engine
        engine._arrive()
        positions = engine._known([hashed for _, hashed, _, _ in again])
        for event, hashed, identity, row in again:
            try:
                self.answers.repeated[row] = engine._again(positions[hashed], identity, event)
            except EventError as error:
                self._reject(row, event, error)

    def _read_records(self) -> None:
        good = []
        for row, record in enumerate(self.given):
            try:
                data = event_bytes(record, self.engine.settings.event_bytes_max)
                self.records.append(read_event(data))
            except EventError as error:
                self._reject(int(self.rows[row]), record, error)
                continue
            self.data.append(data)
            good.append(row)
        self.rows = self.rows[good]

    def _source(self) -> _Source:
        return _Source(self.table if self.is_table else self.records, 0, self.rows.size)

    def _decoded(self) -> Decoded:
        return self.engine._host.decoded(self._source())

    def _hashes(self, decoded: Decoded) -> Any:
        hashes = decoded.batch.event_hash.copy()
        if decoded.ids is None:
            hashes[:] = 0
        elif decoded.ids.null_count:
            hashes[~decoded.ids.is_valid().to_numpy(zero_copy_only=False)] = 0
        return hashes

    @staticmethod
    def _fresh(hashes: Any, found: Any) -> Any:
        """Return which events are neither in the journal nor earlier in this block."""
        fresh = found < 0
        order = np.argsort(hashes, kind="stable")
        ordered = hashes[order]
        later = np.zeros(hashes.size, np.bool_)
        later[order[1:]] = (ordered[1:] == ordered[:-1]) & (ordered[1:] != 0)
        return fresh & ~later

    def _event(self, row: int) -> dict[str, object]:
        if self.is_table:
            event: dict[str, object] = self.table.slice(row, 1).to_pylist()[0]
            return event
        return self.records[row]

    def _keep(self, rows: Any) -> None:
        self.rows = self.rows[rows]
        if self.is_table:
            import pyarrow

            self.table = self.table.take(pyarrow.array(rows))
        else:
            self.data = [self.data[row] for row in rows.tolist()]
            self.records = [self.records[row] for row in rows.tolist()]

    def _commit_fresh(self, decoded: Decoded, hashes: Any) -> None:
        engine = self.engine
        # A bulk climbs down no ladder: nobody waits for one of its events, and it makes way for
        # single ones after each block. Models that rest are left out here too.
        how = engine._how(0.0, 0)
        decisions, how = engine._host.block(decoded, self._source(), how)
        teller = engine._host.engine.answers
        if engine._host.failures.failed:
            engine._rests.failed(engine._host.failures.take())
        elif engine._rests.failures:
            engine._rests.succeeded(how.skipped)
        kind = Kind.TABLE if self.is_table else Kind.RECORDS
        body = table_body(self.table) if self.is_table else events_body(self.data)
        position = engine._draft.block(
            kind, engine._host.policy.number, how, body, hashes, decisions, encode_block(decisions)
        )
        decisions.rows = self.rows.copy()
        self.answers.parts.append(
            Part(
                teller,
                decisions,
                position,
                engine._host.policy.version,
                RUNGS[how.rung],
                tuple(sorted(how.skipped)),
            )
        )
        engine._decided += len(decisions)
        engine._send()

    def _reject(self, row: int, record: object, error: EventError) -> None:
        error.place = row_place(row)
        self.engine._refused += 1
        self.answers.rejected.append(Rejected(error.place, row, record, error))
