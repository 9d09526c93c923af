"""Decisions that were acknowledged, found by id, by question, or in their order."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np

from riskweave.batch import ACTIONS
from riskweave.engine.durable_answers import sequence_of
from riskweave.engine.durable_first import FirstAnswers, Opened
from riskweave.engine.durable_host import body_events, check, entries
from riskweave.engine.durable_recovery import record_at
from riskweave.engine.memory import content_of
from riskweave.engine.ports import RUNGS, DecisionFilter, DecisionPage, Entry, StoredDecision, Stores
from riskweave.engine.record import Record as DecisionRecord
from riskweave.events.hashing import hash_text

# A page looks at no more decisions than this; its cursor goes on from there.
SCANNED_MAX = 200_000


class Decisions:
    """What `engine.ports.DecisionStore` asks for, over the journal and the archive; for any thread."""

    def __init__(self, stores: Stores) -> None:
        self.stores = stores
        self._first = FirstAnswers(stores)
        self._lock = threading.Lock()

    def get(self, identity: str) -> StoredDecision | None:
        """Return a decision by event id or request id."""
        position = sequence_of(self.stores.journal.identity, identity)
        if position is not None and (found := self.at(position)) is not None:
            return found
        position = int(self.stores.ids.find(np.array([hash_text(identity)], np.uint64))[0])
        found = self.at(position) if position > 0 else None
        return found if found is not None and found.decision.event_id == identity else None

    def at(self, sequence: int) -> StoredDecision | None:
        """Return the decision at a position."""
        if not 0 < sequence <= self.stores.journal.tip().position:
            return None
        with self._lock:
            return self._first.at(sequence)

    def record(self, identity: str) -> DecisionRecord | None:
        """Return the whole record of a decision, by event id or request id: decided again, and compared."""
        found = self.get(identity)
        return None if found is None else record_at(self.stores, found.sequence)

    def search(
        self, filters: DecisionFilter | None = None, cursor: int | None = None, limit: int = 100
    ) -> DecisionPage:
        """Return decisions, the latest first, before the position `cursor`.

        A page may hold fewer than `limit`, even none, and still have a cursor: it looks at a bounded
        number of decisions.
        """
        filters = filters or DecisionFilter()
        found: list[StoredDecision] = []
        scanned = 0
        last = None if cursor is None else cursor - 1
        for entry in self._back(last):
            if entry.kind.holds_events:
                scanned += entry.count
                if _may_hold(filters, entry):
                    for decision in self._matching(filters, entry, last):
                        found.append(decision)
                        if len(found) >= limit:
                            return DecisionPage(found, decision.sequence)
            if scanned >= SCANNED_MAX:
                return DecisionPage(found, entry.position)
        return DecisionPage(found, None)

    def _back(self, last: int | None) -> Iterator[Entry]:
        yield from self.stores.journal.read_back(last)
        first = self.stores.journal.first().position
        if first:
            yield from self.stores.archive.read_back(first if last is None else min(first, last))

    def _matching(self, filters: DecisionFilter, entry: Entry, last: int | None) -> Iterator[StoredDecision]:
        record = self._first.shapes.record(check(entry))
        shape = record.shape
        if filters.policy_version is not None and not shape.version.startswith(filters.policy_version):
            return
        which = np.ones(len(record), np.bool_)
        if last is not None:
            which &= np.arange(len(record)) + entry.position <= last
        if filters.actions is not None:
            which &= np.isin(record.action, [ACTIONS.index(each) for each in filters.actions])
        if filters.from_ms is not None:
            which &= record.time_ms >= filters.from_ms
        if filters.until_ms is not None:
            which &= record.time_ms < filters.until_ms
        if filters.score_min is not None:
            which &= record.score >= filters.score_min
        rows = np.flatnonzero(which)[::-1].tolist()
        if filters.rule is not None:
            numbers = {k for k, hit in enumerate(shape.rules) if hit.rule == filters.rule}
            rows = [row for row in rows if numbers.intersection(record.rules(row))]
        if not rows:
            return
        opened = Opened(entry, record, body_events(entry))
        names = frozenset(filters.fields)
        for row in rows:
            if not names or content_of(opened.events[row], names) == dict(filters.fields):
                yield self._first.told(opened, row)

    def stream(self, from_sequence: int = 1) -> Iterator[StoredDecision]:
        """Yield the decisions from a position on, as far as there are any now."""
        for entry in entries(self.stores, max(from_sequence, 1)):
            if entry.kind.holds_events:
                opened = Opened(entry, self._first.shapes.record(entry), body_events(entry))
                for row in range(max(0, from_sequence - entry.position), entry.count):
                    yield self._first.told(opened, row)


def _may_hold(filters: DecisionFilter, entry: Entry) -> bool:
    """Return whether an entry's summary leaves open that it has what is asked for."""
    if filters.actions is not None and not any(
        entry.actions >> ACTIONS.index(each) & 1 for each in filters.actions if each in ACTIONS
    ):
        return False
    if filters.from_ms is not None and entry.time_max_ms < filters.from_ms:
        return False
    if filters.until_ms is not None and entry.time_min_ms >= filters.until_ms:
        return False
    if filters.score_min is not None and entry.score_max < filters.score_min:
        return False
    return filters.rung is None or RUNGS[entry.rung] == filters.rung
