"""What a durable engine asks of its storage, and the plain values that pass between the two.

`riskweave.storage` implements these for SQLite and PostgreSQL; `engine.durable` knows nothing else of
disks and databases.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from riskweave.engine.decisions import Decision

Hashes = NDArray[np.uint64]
Positions = NDArray[np.int64]


class Kind(IntEnum):
    """What an entry of the journal holds."""

    ONE_BY_ONE = 1
    """Events decided one by one, with all that one decision tells."""
    RECORDS = 2
    """Records decided as a block."""
    TABLE = 3
    """An Arrow table decided as a block."""
    LABEL = 4
    COMMAND = 5

    @property
    def holds_events(self) -> bool:
        return self <= Kind.TABLE


_HEAD = struct.Struct("<qqqqqqqqdqqq")
CHAIN_START = bytes(32)


@dataclass(frozen=True, slots=True)
class Entry:
    """A run of `count` positions of the journal that were decided alike, from `position` on.

    `body` is what came (events, a label, a command), `record` what was decided, `ids` the hash of each
    event's id (0: none). `policy` numbers the policy in force, `rung` how much of it was run, `skipped`
    the models left out. `crc` checks this entry alone, `chain` is a running SHA-256 over the whole journal.
    """

    position: int
    count: int
    kind: Kind
    policy: int
    rung: int
    skipped: str
    received_ms: int
    body: bytes
    record: bytes = b""
    ids: bytes = b""
    time_min_ms: int = 0
    time_max_ms: int = 0
    actions: int = 0
    score_max: float = 0.0
    crc: int = 0
    chain: bytes = CHAIN_START

    @property
    def last(self) -> int:
        return self.position + self.count - 1

    def head(self) -> bytes:
        """Return all that is no byte string, in one fixed form."""
        return (
            _HEAD.pack(
                self.position,
                self.count,
                self.kind,
                self.policy,
                self.rung,
                self.received_ms,
                self.time_min_ms,
                self.time_max_ms,
                self.score_max,
                self.actions,
                len(self.body),
                len(self.record),
            )
            + self.skipped.encode()
        )

    def checksum(self) -> int:
        """Return the CRC-32 of this entry's own content."""
        crc = zlib.crc32(self.head())
        for part in (self.body, self.record, self.ids):
            crc = zlib.crc32(part, crc)
        return crc

    def chain_after(self, before: bytes) -> bytes:
        """Return the running hash with this entry, given the one without it."""
        digest = hashlib.sha256(before)
        for part in (self.head(), self.body, self.record, self.ids):
            digest.update(part)
        return digest.digest()


@dataclass(frozen=True, slots=True)
class Tip:
    """The end of the journal: the last position taken (0: none) and the running hash there."""

    position: int = 0
    chain: bytes = CHAIN_START


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """A policy that was in force once: its number, version, and where its content and shape are stored."""

    number: int
    version: str
    content: bytes
    shape: bytes
    position: int


class Journal(Protocol):
    """Append-only entries in the order of their positions, and content stored by its SHA-256."""

    identity: str

    def tip(self) -> Tip:
        """Return where the journal ends."""
        ...

    def first(self) -> Tip:
        """Return the position before the first entry kept, and the running hash there."""
        ...

    def append(self, entries: Sequence[Entry], policies: Sequence[PolicyRow] = ()) -> None:
        """Make entries durable, all or none; the same call again after a failure does no harm."""
        ...

    def read(self, first: int = 1, last: int | None = None) -> Iterator[Entry]:
        """Yield the entries that reach into [first, last], ascending, not yet checked."""
        ...

    def read_back(self, last: int | None = None) -> Iterator[Entry]:
        """Yield the entries that begin at or before `last`, the latest first."""
        ...

    def at(self, position: int) -> Entry | None:
        """Return the entry that holds a position."""
        ...

    def first_beyond(self, time_ms: int) -> int | None:
        """Return the first position of the first entry with an event later than `time_ms`."""
        ...

    def ids(self, first: int) -> Iterator[tuple[int, int, bytes]]:
        """Yield position, count and id hashes of the entries of events from `first` on."""
        ...

    def damage(self) -> list[str]:
        """Return what this process found missing or damaged when it opened the journal."""
        ...

    def policies(self) -> list[PolicyRow]:
        """Return every policy that was in force, in order."""
        ...

    def put_content(self, content: bytes) -> bytes:
        """Store content (once) and return its SHA-256."""
        ...

    def content(self, key: bytes) -> bytes:
        """Return stored content; raises StorageFailed when it is missing or damaged."""
        ...

    def set_aside(self, position: int, why: str) -> str:
        """Keep the sound entries before `position` only; return where the others were put."""
        ...

    def cut(self, position: int, chain: bytes) -> None:
        """Drop the entries up to and including `position`, behind which a snapshot stands."""
        ...

    def set_durable(self, durable: bool) -> None:
        """Choose whether `append` waits for the disk."""
        ...

    def backup(self, target: Path) -> None:
        """Write a consistent copy while others write."""
        ...

    def reopen(self) -> None:
        """Begin anew after an error, as if the process had started."""
        ...

    def nbytes(self) -> int:
        """Return how much room the journal takes."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class SnapshotFile:
    """A snapshot in storage: the position it was taken behind, the running hash there, and its parts.

    `policy` numbers the policy in force; `state` is a container of `engine.snapshot`; `shadows` are
    name, version and content of the shadow policies.
    """

    position: int
    chain: bytes
    policy: int
    journal: str
    state: bytes
    shadows: tuple[tuple[str, str, bytes], ...] = ()


class Snapshots(Protocol):
    """Snapshots by position."""

    def write(self, snapshot: SnapshotFile) -> int:
        """Store a snapshot whole or not at all; return its bytes."""
        ...

    def positions(self) -> list[int]:
        """Return the positions of those stored, ascending."""
        ...

    def read(self, position: int) -> SnapshotFile:
        """Return a snapshot; raises StateError when it is damaged."""
        ...

    def keep(self, newest: int) -> None:
        """Delete all but the newest few."""
        ...


class Ids(Protocol):
    """Which positions hold the events whose ids have these hashes: a part of the journal made fast to ask."""

    def find(self, hashes: Hashes) -> Positions:
        """Return the position of each, -1 where there is none."""
        ...

    def add(self, hashes: Hashes, first_position: int) -> None:
        """Take in events at consecutive positions; a hash of 0 stands for no id."""
        ...

    def ready(self, journal: Journal) -> list[str]:
        """Take in what the journal has and this has not; build anew what is damaged, and say what was."""
        ...

    def stored(self) -> tuple[Ids, int, list[str]]:
        """Return what is stored, to be asked; up to which position it goes; and what of it is damaged."""
        ...

    def forget_from(self, position: int) -> None:
        """Drop positions from there on."""
        ...

    def close(self) -> None: ...


class Archive(Protocol):
    """Old entries, out of the journal, still to be found."""

    def put(self, entries: Sequence[Entry], policies: Mapping[int, PolicyRow], journal: Journal) -> None:
        """Store entries that the journal is about to drop."""
        ...

    def read(self, first: int, last: int) -> Iterator[Entry]:
        """Yield the entries that reach into [first, last], ascending."""
        ...

    def read_back(self, last: int | None = None) -> Iterator[Entry]:
        """Yield the entries that begin at or before `last`, the latest first."""
        ...

    def at(self, position: int) -> Entry | None:
        """Return the entry that holds a position."""
        ...


@dataclass(frozen=True, slots=True)
class ShadowRecord:
    """What a shadow policy would have answered at a position."""

    position: int
    shadow: str
    action: str
    score: float
    rules: tuple[str, ...]


class ShadowRecords(Protocol):
    """What shadow policies said."""

    def add(self, shadow: str, records: Sequence[ShadowRecord]) -> None: ...

    def last(self, shadow: str) -> int:
        """Return the last position a shadow has answered, 0 for none."""
        ...

    def read(self, shadow: str, first: int = 1, limit: int = 1000) -> list[ShadowRecord]: ...


@dataclass(slots=True)
class Stores:
    """All of a durable engine's storage; `folder` is where policies are unpacked."""

    journal: Journal
    snapshots: Snapshots
    ids: Ids
    archive: Archive
    shadows: ShadowRecords
    folder: Path

    def close(self) -> None:
        self.ids.close()
        self.journal.close()


# ---- settings

RUNGS = ("full", "light", "rules", "safe")


@dataclass(frozen=True, slots=True)
class Rung:
    """From which wait of the oldest request, or which length of the queue, on the engine does less.

    `light` leaves out heavy models, `rules` all models and the decision's network, `safe` answers the
    safe action.
    """

    name: str
    after_ms: float
    queued: int | None = None


@dataclass(frozen=True, slots=True)
class DurableSettings:
    """How a durable engine works.

    `relaxed` answers before the commit, which then comes at most `relaxed_commit_ms` later. A group is
    committed after `group_events` events or `group_ms`, or as soon as nobody waits. `heavy_models` None
    means those that run in ONNX and sequence models. `deadline_ms` is for requests that bring none.
    """

    relaxed: bool = False
    relaxed_commit_ms: float = 50.0
    group_ms: float = 5.0
    group_events: int = 512
    block_rows: int = 4_096
    queue_events: int = 20_000
    queue_bulk_rows: int = 20_000_000
    ladder: tuple[Rung, ...] = ()
    safe_action: str = "REVIEW"
    deadline_ms: float | None = None
    heavy_models: tuple[str, ...] | None = None
    model_rest_s: float = 30.0
    model_failures: int = 3
    snapshot_every_events: int = 1_000_000
    snapshot_every_s: float = 600.0
    snapshots_kept: int = 3
    keep_days: float | None = None
    retry_s: float = 0.2
    event_bytes_max: int = 1_000_000


# ---- what comes out


@dataclass(frozen=True, slots=True)
class StoredDecision:
    """A decision as the journal keeps it, with the event as it came."""

    sequence: int
    request_id: str
    received_ms: int
    event: Mapping[str, object]
    decision: Decision
    policy_version: str
    rung: str
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DecisionFilter:
    """Which decisions to find; None leaves a question open. `fields` compares event fields as texts."""

    actions: tuple[str, ...] | None = None
    from_ms: int | None = None
    until_ms: int | None = None
    score_min: float | None = None
    rule: str | None = None
    policy_version: str | None = None
    rung: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DecisionPage:
    """Decisions, the latest first; `cursor` goes on from here, None at the end."""

    decisions: list[StoredDecision]
    cursor: int | None


class DecisionStore(Protocol):
    """Decisions that were acknowledged, in the journal and in the archive."""

    def get(self, identity: str) -> StoredDecision | None:
        """Return a decision by event id or request id."""
        ...

    def search(
        self, filters: DecisionFilter | None = None, cursor: int | None = None, limit: int = 100
    ) -> DecisionPage:
        """Return decisions, the latest first, before the position `cursor`."""
        ...

    def stream(self, from_sequence: int = 1) -> Iterator[StoredDecision]:
        """Yield the decisions from a position on, as far as there are any now."""
        ...
