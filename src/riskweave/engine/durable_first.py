"""First answers: what was decided under an id, however long ago, as long as the journal or archive has it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace

from riskweave.engine.durable_answers import request_id
from riskweave.engine.durable_host import How, Shapes, body_events, check
from riskweave.engine.durable_ladder import SAFE
from riskweave.engine.durable_records import Record
from riskweave.engine.memory import content_of
from riskweave.engine.ports import RUNGS, Entry, StoredDecision, Stores
from riskweave.errors import DuplicateError, EventError, StorageFailed

_OPENED_MAX = 8


@dataclass(slots=True)
class Opened:
    """An entry whose bytes have been read."""

    entry: Entry
    record: Record
    events: list[dict[str, object]]


class FirstAnswers:
    """Finds stored decisions by position; the entries read last stay open. Serves one thread."""

    def __init__(self, stores: Stores) -> None:
        self.stores = stores
        self.shapes = Shapes(stores)
        self._opened: OrderedDict[int, Opened] = OrderedDict()

    def find(
        self, position: int, identity: str, event: Mapping[str, object], names: frozenset[str]
    ) -> StoredDecision:
        """Return the first answer to an event; raises DuplicateError when its content was another."""
        opened = self.opened(position)
        if opened is None:
            raise StorageFailed(f"the first answer to event `{identity}` at {position} is no longer there")
        index = position - opened.entry.position
        if opened.record.event_id(index) != identity:
            # Two ids with one 64-bit hash: refused, never answered wrongly.
            raise EventError("event id", identity, "an id with a hash of its own; send it under another")
        then, now = content_of(opened.events[index], names), content_of(event, names)
        if then != now:
            changed = sorted(name for name in now | then if now.get(name) != then.get(name))
            raise DuplicateError(identity, {name: (then.get(name), now.get(name)) for name in changed})
        return self.told(opened, index, duplicate=True)

    def at(self, position: int) -> StoredDecision | None:
        """Return the decision at a position; None when there is none there."""
        opened = self.opened(position)
        if opened is None:
            return None
        return self.told(opened, position - opened.entry.position)

    def opened(self, position: int) -> Opened | None:
        """Return the entry of events that holds a position, read; raises StorageFailed for a damaged one."""
        for first, opened in self._opened.items():
            if first <= position <= opened.entry.last:
                self._opened.move_to_end(first)
                return opened
        entry = self.stores.journal.at(position) or self.stores.archive.at(position)
        if entry is None or not entry.kind.holds_events:
            return None
        opened = self.open(entry)
        self._opened[entry.position] = opened
        if len(self._opened) > _OPENED_MAX:
            self._opened.popitem(last=False)
        return opened

    def open(self, entry: Entry) -> Opened:
        """Read an entry of events."""
        check(entry)
        return Opened(entry, self.shapes.record(entry), body_events(entry))

    def told(self, opened: Opened, index: int, duplicate: bool = False) -> StoredDecision:
        """Return one decision of an entry, whole, with its event."""
        entry, record = opened.entry, opened.record
        how = How.of(entry)
        decision = record.decision(index, duplicate)
        if record.ones is None and how.rung != SAFE:
            outcome = self.shapes.outcomes.later(
                entry.policy, how.rung, record.kept(index), decision.score, decision.rule_numbers
            )
            decision = replace(decision, outcome=outcome)
        return StoredDecision(
            entry.position + index,
            request_id(self.stores.journal.identity, entry.position + index),
            entry.received_ms,
            opened.events[index],
            decision,
            record.shape.version,
            RUNGS[entry.rung],
            tuple(sorted(how.skipped)),
        )
