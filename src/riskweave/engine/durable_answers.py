"""What a durable engine answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from riskweave.engine.answers import Answers
from riskweave.engine.decisions import Decision, Decisions
from riskweave.errors import EventError
from riskweave.events.table import Rejected


@dataclass(frozen=True, slots=True)
class Answer:
    """One decision, and where it stands in the journal.

    `sequence` is its position, strictly rising; `durable` tells that it was on disk before it was told;
    `rung` how much of the policy had its say, `skipped` the models that had not; `duplicate` that this
    is the first answer to an event that came again.
    """

    decision: Decision
    sequence: int
    request_id: str
    durable: bool
    policy_version: str
    rung: str
    processing_us: float
    duplicate: bool = False
    skipped: tuple[str, ...] = ()

    @property
    def record(self) -> dict[str, object]:
        """Return everything as plain values."""
        import msgspec

        decision = self.decision
        plain: dict[str, object] = {
            "sequence": self.sequence,
            "request_id": self.request_id,
            "event_id": decision.event_id,
            "time_ms": decision.time_ms,
            "action": decision.action,
            "score": decision.score,
            "rules": decision.rules,
            "hits": msgspec.to_builtins(decision.hits),
            "features": decision.features,
            "lists": msgspec.to_builtins(decision.lists),
            "patterns": [each.to_json() for each in decision.patterns],
            "elapsed": [each.to_json() for each in decision.elapsed],
            "incomplete": list(decision.incomplete),
            "policy_version": self.policy_version,
            "rung": self.rung,
            "skipped": list(self.skipped),
            "durable": self.durable,
            "duplicate": self.duplicate,
            "processing_us": self.processing_us,
        }
        return plain


@dataclass(frozen=True, slots=True)
class Part:
    """Decisions of a block, of the rows `decisions.rows` of what was given, at consecutive positions."""

    answers: Answers
    decisions: Decisions
    first_sequence: int
    policy_version: str
    rung: str
    skipped: tuple[str, ...]


@dataclass(slots=True)
class ManyAnswers:
    """The answers to many events: new decisions as columns, first answers to repeats, refusals.

    `rows` is how many events were given; each is in a part, in `repeated` or in `rejected`.
    """

    rows: int
    journal: str
    durable: bool = True
    parts: list[Part] = field(default_factory=list)
    repeated: dict[int, Answer] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)
    processing_us: float = 0.0

    def __len__(self) -> int:
        return self.rows

    @property
    def decisions(self) -> Decisions | None:
        """Return the new decisions as one table of columns; None when there is none."""
        return Decisions.joined([part.decisions for part in self.parts]) if self.parts else None

    @property
    def sequences(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Return the position of each new decision."""
        runs = [np.arange(len(part.decisions)) + part.first_sequence for part in self.parts]
        return np.concatenate([np.zeros(0, np.int64), *runs])

    def __iter__(self) -> Iterator[Answer | EventError]:
        """Yield an answer or an error for each event, in the order given."""
        found: list[Answer | EventError | None] = [None] * self.rows
        for part in self.parts:
            for index, row in enumerate(part.decisions.rows.tolist()):
                found[row] = self._answer(part, index)
        for row, answer in self.repeated.items():
            found[row] = answer
        for each in self.rejected:
            found[each.row] = each.error
        for one in found:
            assert one is not None
            yield one

    def _answer(self, part: Part, index: int) -> Answer:
        sequence = part.first_sequence + index
        return Answer(
            part.answers.at(part.decisions, index),
            sequence,
            request_id(self.journal, sequence),
            self.durable,
            part.policy_version,
            part.rung,
            self.processing_us,
            False,
            part.skipped,
        )


def request_id(journal: str, sequence: int) -> str:
    """Return the name of a decision: the journal's, and the position in it.

    >>> request_id("5c0ffee05c0ffee0", 255)
    '5c0ffee0-ff'
    """
    return f"{journal[:8]}-{sequence:x}"


def sequence_of(journal: str, name: str) -> int | None:
    """Return the position that a request id names; None when it is none of this journal's."""
    start, _, number = name.partition("-")
    if start != journal[:8] or not number or len(number) > 15:
        return None
    try:
        return int(number, 16)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Health:
    """How a durable engine is.

    `state` is `ok`, `degraded` (it decides, but `why` should be looked at) or `failed` (it refuses).
    `lag` is how many positions are decided but not yet on disk. `damage` tells what was found damaged;
    `unchecked` positions before the snapshot of the start are still to be looked at in the background.
    """

    state: str
    why: tuple[str, ...]
    rung: str
    policy_version: str
    position: int
    lag: int
    queued: int
    decided: int
    refused: int
    dropped: int
    last_snapshot: int
    snapshot_age_s: float | None
    snapshot_stall_ms: float
    journal_bytes: int
    disk: str
    damage: tuple[str, ...]
    unchecked: int
    activating: str | None
    shadows: Mapping[str, str]
