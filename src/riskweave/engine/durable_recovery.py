"""Starting: the newest good snapshot, then the journal; what is damaged is told, never passed over."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from riskweave.engine.durable_activation import Activation
from riskweave.engine.durable_commands import Activated, decode_command, encode_command
from riskweave.engine.durable_draft import Draft
from riskweave.engine.durable_host import Host, How, Shapes, body_event, check, entries, policy_of, policy_row
from riskweave.engine.durable_records import shape_of
from riskweave.engine.engine import Engine
from riskweave.engine.ports import Entry, Kind, PolicyRow, SnapshotFile, Stores, Tip
from riskweave.engine.record import Record as DecisionRecord
from riskweave.engine.snapshot import Snapshot
from riskweave.errors import RiskweaveError, StateError, StorageFailed
from riskweave.policy.policy import Policy

log = logging.getLogger("riskweave.durable")


@dataclass
class Recovered:
    """An engine at the journal's end, the snapshot it came from (0: none), and what was damaged."""

    host: Host
    snapshot: int
    damage: list[str] = field(default_factory=list)


def start(stores: Stores, policy: Policy, clock: Callable[[], int]) -> None:
    """Put the first policy in force, at position 1 of an empty journal."""
    content = Activation.packed(stores, policy)
    row = PolicyRow(1, policy.version, content, b"", 1)
    engine = Engine(policy_of(stores, row))
    shape = stores.journal.put_content(shape_of(engine))
    draft = Draft(stores.journal.tip(), clock)
    command = Activated(policy=1, version=policy.version, content=content, by="start")
    draft.change(Kind.COMMAND, 1, encode_command(command))
    stores.journal.append(draft.sealed(), [PolicyRow(1, policy.version, content, shape, 1)])


def recover(stores: Stores) -> Recovered:
    """Return an engine in the state that the journal describes."""
    damage: list[str] = []
    sound_to = sound_tail(stores, damage)
    host, position, snapshot = _base(stores, None, damage)
    damage += [f"an id run is built anew: {each}" for each in stores.ids.ready(stores.journal)]
    for entry in entries(stores, position + 1):
        if entry.position == position + 1:
            host.replay(entry, stores)
            position = entry.last
    if position != sound_to:
        raise StorageFailed(f"the journal ends at {sound_to}, but only {position} could be carried out")
    return Recovered(host, snapshot, damage)


def sound_tail(stores: Stores, damage: list[str]) -> int:
    """Check the entries behind the newest snapshot; put aside what follows the first damaged one."""
    journal = stores.journal
    damage += journal.damage()
    base = _checked_from(stores)
    position, chain = base.position, base.chain
    why: str | None = None
    try:
        for entry in journal.read(position + 1):
            why = fault(entry, position, chain)
            if why is not None:
                break
            position, chain = entry.last, entry.chain
    except StorageFailed as error:
        why = str(error)
    if why is None:
        return position
    if position == 0:
        raise StorageFailed(f"the journal is damaged from its first entry on ({why}); restore a backup")
    where = journal.set_aside(position + 1, why)
    stores.ids.forget_from(position + 1)
    damage.append(f"the journal was damaged from position {position + 1} on ({why}); kept in {where}")
    return position


def fault(entry: Entry, position: int, chain: bytes) -> str | None:
    """Return what is wrong with an entry that should follow a position; None when it is sound."""
    if entry.position != position + 1:
        return f"position {entry.position} follows {position}"
    if entry.checksum() != entry.crc:
        return "wrong checksum"
    if entry.chain_after(chain) != entry.chain:
        return "wrong running hash"
    return None


def _checked_from(stores: Stores) -> Tip:
    """Return where to begin checking: behind the newest snapshot that fits, or the start."""
    found = next(_good_snapshots(stores, None, []), None)
    if found is not None:
        return Tip(found[0].position, found[0].chain)
    return stores.journal.first()


def _good_snapshots(
    stores: Stores, upto: int | None, damage: list[str]
) -> Iterator[tuple[SnapshotFile, Snapshot]]:
    """Yield the snapshots that are whole and belong to this journal, the newest first."""
    for position in reversed(stores.snapshots.positions()):
        if upto is not None and position > upto:
            continue
        try:
            file = stores.snapshots.read(position)
            if file.journal != stores.journal.identity:
                raise StateError("it belongs to another journal")
            if _chain_at(stores, position) != file.chain:
                raise StateError("the journal says something else up to there")
            yield file, Snapshot.from_bytes(file.state)
        except (RiskweaveError, OSError) as error:
            damage.append(f"the snapshot at {position} cannot be used: {error}")


def _chain_at(stores: Stores, position: int) -> bytes | None:
    first = stores.journal.first()
    if position == first.position:
        return first.chain
    entry = stores.journal.at(position)
    return entry.chain if entry is not None and entry.last == position else None


def _base(stores: Stores, upto: int | None, damage: list[str]) -> tuple[Host, int, int]:
    """Return a host to go on from: of the newest good snapshot, or of the journal's first entry."""
    for file, snapshot in _good_snapshots(stores, upto, damage):
        try:
            host = Host.restored(stores, policy_row(stores, file.policy), snapshot)
        except (RiskweaveError, OSError) as error:
            damage.append(f"the snapshot at {file.position} cannot be used: {error}")
            continue
        host.shadows = {name: (version, content) for name, version, content in file.shadows}
        return host, file.position, file.position
    if stores.journal.first().position != 0:
        raise StorageFailed("the journal was cut, and no snapshot behind the cut is whole; restore a backup")
    return first_host(stores), 1, 0


def base_host(stores: Stores) -> tuple[Host, int]:
    """Return a host restored from the oldest good snapshot, and its position."""
    for position in stores.snapshots.positions():
        try:
            host, at, _ = _base(stores, position, [])
        except StorageFailed:
            continue
        return host, at
    raise StorageFailed("the journal was cut, and no snapshot behind the cut is whole; restore a backup")


def first_host(stores: Stores) -> Host:
    """Return a host under the journal's first policy, right behind its first entry."""
    entry = stores.journal.at(1)
    if entry is None:
        raise StorageFailed("the journal is empty")
    command = decode_command(entry.body)
    if not isinstance(command, Activated):
        raise StorageFailed("the journal does not begin with a policy; restore a backup")
    row = policy_row(stores, command.policy)
    return Host(Engine(policy_of(stores, row)), row)


def record_at(stores: Stores, position: int) -> DecisionRecord | None:
    """Return the whole record of a decision, decided again by an engine as it was; None when there is none.

    Raises StorageFailed when it does not come out as it was answered.
    """
    entry = stores.journal.at(position) or stores.archive.at(position)
    if entry is None or not entry.kind.holds_events:
        return None
    shapes = Shapes(stores)
    then = shapes.record(check(entry)).decision(position - entry.position)
    host = host_at(stores, position - 1)
    decision, _ = host.one(body_event(entry, position - entry.position), How.of(entry))
    same = (decision.action, decision.features, decision.rules) == (then.action, then.features, then.rules)
    if not same or not (decision.score == then.score or decision.score != decision.score):
        raise StorageFailed(f"the decision at {position} does not come out as it was answered; see `verify`")
    if host.engine.latest is None or host.engine.latest.decision is not decision:
        return None  # the rung `safe` had the say, not the policy
    return host.engine.record(decision)


def position_before(stores: Stores, time_ms: int) -> int:
    """Return the last position before the first event later than `time_ms`."""
    beyond = stores.journal.first_beyond(time_ms)
    if beyond is None:
        return stores.journal.tip().position
    entry = stores.journal.at(beyond)
    assert entry is not None
    times = Shapes(stores).record(check(entry)).time_ms
    return entry.position + int((times > time_ms).argmax()) - 1


def host_at(stores: Stores, position: int) -> Host:
    """Return a host as it was right behind a position."""
    host, at, _ = _base(stores, position, [])
    for entry in entries(stores, at + 1, position):
        host.replay(entry, stores, position)
    return host
