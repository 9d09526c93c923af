"""Replaying the journal: every decision comes out bit for bit, or the first that does not is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from riskweave.engine.durable_host import Host, Shapes
from riskweave.engine.durable_recovery import base_host, fault, first_host
from riskweave.engine.ports import Entry, Stores
from riskweave.errors import RiskweaveError, StorageFailed
from riskweave.events.hashing import hash_text

_COMPARED = (
    "action",
    "score",
    "rules",
    "time_ms",
    "lists",
    "patterns",
    "elapsed",
    "incomplete",
    "outcome",
)


@dataclass
class Verified:
    """What a replay found: how far it came, and everything that is not as it should be."""

    start: int = 0
    position: int = 0
    decisions: int = 0
    differences: list[str] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not (self.differences or self.damage)


def verify(stores: Stores, progress: Callable[[Verified], None] | None = None) -> Verified:
    """Check every entry kept, replay from the start (or the oldest snapshot behind a cut), compare.

    Ends at the first difference or damaged entry: what follows says nothing more.
    """
    found = Verified()
    found.damage += stores.journal.damage()
    for position in stores.snapshots.positions():
        try:
            stores.snapshots.read(position)
        except (RiskweaveError, OSError) as error:
            found.damage.append(f"the snapshot at {position}: {error}")
    try:
        _replay(stores, found, progress)
    except (RiskweaveError, OSError) as error:
        found.damage.append(str(error))
    return found


def _replay(stores: Stores, found: Verified, progress: Callable[[Verified], None] | None) -> None:
    first = stores.journal.first()
    host: Host | None = None
    shapes = Shapes(stores)
    ids = _IdCheck(stores, shapes, found)
    if first.position == 0:
        begin = 1
        host = first_host(stores)
    else:
        host, begin = base_host(stores)
    found.start = begin
    chain = first.chain
    found.position = first.position
    for entry in stores.journal.read(first.position + 1):
        why = fault(entry, found.position, chain)
        if why is not None:
            found.damage.append(f"the journal at position {found.position + 1}: {why}")
            return
        chain, found.position = entry.chain, entry.last
        if entry.position <= begin and entry.last <= begin:
            continue
        record = host.replay(entry, stores)
        if entry.kind.holds_events:
            found.decisions += entry.count
            if record != entry.record:
                found.differences.append(difference(shapes, entry, record))
                return
            if not ids.check(entry):
                return
        if progress is not None:
            progress(found)
    tip = stores.journal.tip()
    if found.position != tip.position:
        raise StorageFailed(f"the journal ends at {found.position}, not at {tip.position}")


class _IdCheck:
    """Compares what repeats are found by, the hashes in the journal and the runs, with the events' ids."""

    def __init__(self, stores: Stores, shapes: Shapes, found: Verified) -> None:
        self.shapes = shapes
        self.found = found
        self.runs, self.last, damaged = stores.ids.stored()
        found.damage += [f"an id run: {each}" for each in damaged]

    def check(self, entry: Entry) -> bool:
        """Return whether an entry's ids are right; its record was compared before."""
        record = self.shapes.record(entry)
        wanted = np.array(
            [0 if (each := record.event_id(row)) is None else hash_text(each) for row in range(len(record))],
            np.uint64,
        )
        kept = np.frombuffer(entry.ids, "<u8") if entry.ids else np.zeros(entry.count, np.uint64)
        if kept.size != wanted.size or (kept != wanted).any():
            row = int((kept != wanted).argmax()) if kept.size == wanted.size else 0
            self.found.damage.append(
                f"the id hash at position {entry.position + row} is not that of its event"
            )
            return False
        if entry.last > self.last:
            return True
        places = self.runs.find(wanted)
        wrong = (places != entry.position + np.arange(entry.count)) & (wanted != 0)
        if wrong.any():
            position = entry.position + int(wrong.argmax())
            self.found.damage.append(f"the id runs do not have the event at position {position}")
            return False
        return True


def difference(shapes: Shapes, entry: Entry, record: bytes) -> str:
    """Say where two records of an entry part."""
    from dataclasses import replace

    then, now = shapes.record(entry), shapes.record(replace(entry, record=record))
    for row in range(min(len(then), len(now))):
        first, second = then.decision(row), now.decision(row)
        if first == second:
            continue
        place = f"position {entry.position + row} (event `{first.event_id}`)"
        for name in _COMPARED:
            if getattr(first, name) != getattr(second, name):
                return f"{place}: {name} was {getattr(first, name)}, is now {getattr(second, name)}"
        for name, value in first.features.items():
            if second.features.get(name) != value:
                return f"{place}: feature `{name}` was {value}, is now {second.features.get(name)}"
    return f"position {entry.position}: the records differ in bytes, not in what they say"
