"""What is decided and not yet on disk: entries of the journal in the making."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskweave.engine.decisions import Decision, Decisions
from riskweave.engine.durable_host import How, events_body, summary
from riskweave.engine.durable_records import ACTION_NUMBERS, encode_ones
from riskweave.engine.ports import Entry, Kind, PolicyRow, Tip

# An entry holds at most so many events that were decided one by one: to read one is to read all.
ONES_MAX = 256

# A wall clock that goes back by less is a clock being set right.
_STEP_MS = 1_000


@dataclass(slots=True)
class _Open:
    position: int
    kind: Kind
    policy: int
    how: How
    received_ms: int
    bodies: list[bytes] = field(default_factory=list)
    hashes: list[int] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    done: Entry | None = None


class Draft:
    """The journal's end as it will be: `committed` is what is durable, `position` the last one taken."""

    def __init__(self, tip: Tip, clock: Callable[[], int]) -> None:
        self.committed = tip
        self.position = tip.position
        self.policies: list[PolicyRow] = []
        self.hashes: dict[int, int] = {}
        self.clock_step_ms = 0
        self._clock = clock
        self._latest_ms = 0
        self._open: list[_Open] = []
        self._away: tuple[list[_Open], Tip] | None = None

    @property
    def is_empty(self) -> bool:
        return not self._open

    @property
    def size(self) -> int:
        """Return how many positions are not durable yet."""
        return self.position - self.committed.position

    def one(self, policy: int, how: How, data: bytes, id_hash: int, decision: Decision) -> int:
        """Take an event decided one by one; return its position."""
        last = self._open[-1] if self._open else None
        if (
            last is None
            or last.kind is not Kind.ONE_BY_ONE
            or last.policy != policy
            or last.how != how
            or len(last.bodies) >= ONES_MAX
        ):
            last = _Open(self.position + 1, Kind.ONE_BY_ONE, policy, how, self._now())
            self._open.append(last)
        last.bodies.append(data)
        last.hashes.append(id_hash)
        last.decisions.append(decision)
        self.position += 1
        if id_hash:
            self.hashes[id_hash] = self.position
        return self.position

    def change(self, kind: Kind, policy: int, body: bytes) -> int:
        """Take a label or a command; return its position."""
        self.position += 1
        entry = Entry(self.position, 1, kind, policy, 0, "", self._now(), body)
        self._open.append(_Open(self.position, kind, policy, How(), entry.received_ms, done=entry))
        return self.position

    def block(
        self,
        kind: Kind,
        policy: int,
        how: How,
        body: bytes,
        hashes: NDArray[np.uint64],
        decisions: Decisions,
        record: bytes,
    ) -> int:
        """Take events decided as a block; return the position of the first."""
        first = self.position + 1
        about: dict[str, Any] = summary(decisions.time_ms, decisions.action, decisions.score)
        entry = Entry(
            first,
            len(decisions),
            kind,
            policy,
            how.rung,
            how.note,
            self._now(),
            body,
            record,
            _hash_bytes(hashes),
            **about,
        )
        self._open.append(_Open(first, kind, policy, how, entry.received_ms, done=entry))
        self.position += len(decisions)
        return first

    def sealed(self) -> list[Entry]:
        """Return the entries with their checksums; the same again until they are written."""
        chain = self.committed.chain if self._away is None else self._away[1].chain
        sealed = []
        for each in self._open:
            entry = each.done or _ones(each)
            entry = replace(entry, crc=entry.checksum(), chain=entry.chain_after(chain))
            chain = entry.chain
            sealed.append(entry)
        self._chain = chain
        return sealed

    def written(self) -> None:
        """Note that all is durable."""
        self.committed = Tip(self.position, self._chain)
        self._open.clear()
        self.policies.clear()
        self.hashes.clear()

    def sent(self) -> list[Entry]:
        """Return the entries that another thread is to write, until `arrived` or `returned`."""
        assert self._away is None
        entries = self.sealed()
        self._away = (self._open, Tip(self.position, self._chain))
        self._open = []
        self.hashes.clear()
        return entries

    def arrived(self) -> None:
        """Note that what was sent is durable."""
        assert self._away is not None
        self.committed = self._away[1]
        self._away = None

    def returned(self) -> None:
        """Take back what was sent and could not be written."""
        assert self._away is not None
        self._open = self._away[0] + self._open
        self._away = None

    def _now(self) -> int:
        now = self._clock()
        if now < self._latest_ms - _STEP_MS:
            self.clock_step_ms = self._latest_ms - now
        self._latest_ms = now
        return now


def _ones(group: _Open) -> Entry:
    times = np.array([each.time_ms for each in group.decisions], np.int64)
    actions = np.array([ACTION_NUMBERS[each.action] for each in group.decisions], np.int8)
    scores = np.array([each.score for each in group.decisions])
    about: dict[str, Any] = summary(times, actions, scores)
    return Entry(
        group.position,
        len(group.bodies),
        Kind.ONE_BY_ONE,
        group.policy,
        group.how.rung,
        group.how.note,
        group.received_ms,
        events_body(group.bodies),
        encode_ones(group.decisions),
        _hash_bytes(np.array(group.hashes, np.uint64)),
        **about,
    )


def _hash_bytes(hashes: NDArray[np.uint64]) -> bytes:
    return hashes.astype("<u8").tobytes() if hashes.any() else b""
