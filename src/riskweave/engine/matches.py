"""Matches of patterns as the caller sees them: which, whose, when, and the events that made them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from riskweave.batch import BY_EVENT, BY_TIME, Matches
from riskweave.patterns.plan import PatternsPlan

KINDS = ("event", "time", "timeout")


@dataclass(frozen=True, slots=True)
class Accepted:
    """An event that a stage accepted, named by the hash of its id."""

    stage: str
    time_ms: int
    event_hash: int


@dataclass(frozen=True, slots=True)
class PatternMatch:
    """A match: `kind` is `event` (the decided event completed it), `time` (an absence was long enough, or
    a match that was held back), or `timeout` (a partial match ran out of time)."""

    pattern: str
    kind: str
    time_ms: int
    key_hash: int
    risk: float
    reason: dict[str, str]
    events: tuple[Accepted, ...]

    def to_json(self) -> dict[str, object]:
        """Return JSON values; hashes as hexadecimal text."""
        return {
            "pattern": self.pattern,
            "kind": self.kind,
            "time_ms": self.time_ms,
            "key": f"{self.key_hash:016x}",
            "risk": self.risk,
            "reason": self.reason,
            "events": [
                {"stage": each.stage, "time_ms": each.time_ms, "event": f"{each.event_hash:016x}"}
                for each in self.events
            ],
        }


def match_at(plan: PatternsPlan, matches: Matches, number: int) -> PatternMatch:
    """Return one match."""
    info = plan.patterns[int(matches.pattern[number])]
    events = range(int(matches.start[number]), int(matches.start[number + 1]))
    return PatternMatch(
        info.name,
        KINDS[int(matches.kind[number])],
        int(matches.time_ms[number]),
        int(matches.key[number]),
        info.risk,
        info.reason,
        tuple(
            Accepted(
                info.stages[int(matches.stage[at])],
                int(matches.event_time_ms[at]),
                int(matches.event_hash[at]),
            )
            for at in events
        ),
    )


def completed_by(matches: Matches | None, row: int) -> NDArray[np.int64]:
    """Return the matches that the event of a row completed."""
    if matches is None:
        return np.zeros(0, np.int64)
    return np.flatnonzero((matches.kind == BY_EVENT) & (matches.row == row))


def made_by_time(matches: Matches | None) -> NDArray[np.int64]:
    """Return the matches and timeouts that belong to no event."""
    return np.zeros(0, np.int64) if matches is None else np.flatnonzero(matches.kind >= BY_TIME)


def moved(matches: Matches, position: NDArray[np.int64]) -> Matches:
    """Return the matches with rows renumbered: row r becomes position[r], -1 stays."""
    row = np.where(matches.row >= 0, position[np.maximum(matches.row, 0)], -1)
    return replace(matches, row=row)
