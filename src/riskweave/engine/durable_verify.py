"""Replaying the journal: every decision comes out bit for bit, or the first that does not is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from riskweave.engine.durable_host import Host, Shapes, body_events
from riskweave.engine.durable_recovery import base_host, fault, first_host
from riskweave.engine.ports import Entry, Kind, Stores
from riskweave.errors import RiskweaveError, StorageFailed

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
            _check_ids(host, entry, found)
        if progress is not None:
            progress(found)
    tip = stores.journal.tip()
    if found.position != tip.position:
        raise StorageFailed(f"the journal ends at {found.position}, not at {tip.position}")


def _check_ids(host: Host, entry: Entry, found: Verified) -> None:
    """Compare the hashes by which repeats are found with the events' ids."""
    from riskweave.events.hashing import hash_text

    if entry.kind is Kind.TABLE:
        return
    kept = np.frombuffer(entry.ids, "<u8").tolist() if entry.ids else [0] * entry.count
    for row, event in enumerate(body_events(entry)):
        identity = host.identity(event)
        if (0 if identity is None else hash_text(identity)) != kept[row]:
            found.damage.append(f"the id hash at position {entry.position + row} is not that of its event")
            return


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
