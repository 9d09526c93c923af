"""Recent event ids and their first answers: the same id again is answered, not decided again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

import msgspec
import numpy as np
from numpy.typing import NDArray

from riskweave.decision.outcome import Outcome
from riskweave.engine.decisions import Decision, Hit, ListMatch
from riskweave.engine.matches import PatternMatch
from riskweave.kernels import idset

# A record's values as texts: two records are the same when these are.
Content = dict[str, str | None]

_ROWS_MIN = 1 << 12


@dataclass(frozen=True, slots=True)
class Remembered:
    """A run of consecutively numbered events: `content(k)` and `answer(k)` give the k-th of them.

    `from_ms` and `watermark_ms` are the watermarks at its first and its last event.
    """

    first: int
    size: int
    from_ms: int
    watermark_ms: int
    content: Callable[[int], Content]
    answer: Callable[[int], Decision | None]


class EventMemory:
    """The ids of the last `period_ms` of event time, with what came and what was answered.

    Ids are compared by 64-bit hash and then by content, so a collision shows as a refused event,
    never as a wrong answer.
    """

    def __init__(self, period_ms: int) -> None:
        self.period_ms = period_ms
        self.table = np.zeros((_ROWS_MIN, 3), np.int64)
        self.taken = 0
        self.next_number = 0
        self.runs: deque[Remembered] = deque()

    def __len__(self) -> int:
        return sum(run.size for run in self.runs)

    def first_numbers(
        self, hashes: NDArray[np.uint64], watermarks_ms: NDArray[np.int64]
    ) -> tuple[int, NDArray[np.int64]]:
        """Number the events; return the first number and, for each, an earlier one's number or -1."""
        size = hashes.size
        first = np.empty(size, np.int64)
        begin = self.next_number
        if size:
            self._make_room(size, int(watermarks_ms[0]))
            self.taken += idset.remember(self.table, hashes, watermarks_ms, begin, self.period_ms, 0, first)
            self.next_number += size
        return begin, first

    def keep(self, run: Remembered) -> None:
        """Remember what came and what was answered; forget what is older than the period."""
        self.runs.append(run)
        while self.runs and run.from_ms - self.runs[0].watermark_ms > self.period_ms:
            self.runs.popleft()

    def find(self, number: int) -> tuple[Content, Decision] | None:
        """Return content and answer of an event by its number; None when they are forgotten."""
        low, high = 0, len(self.runs)
        while low < high:
            middle = (low + high) // 2
            run = self.runs[middle]
            if number < run.first:
                high = middle
            elif number >= run.first + run.size:
                low = middle + 1
            else:
                answer = run.answer(number - run.first)
                return None if answer is None else (run.content(number - run.first), answer)
        return None

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """Return ids, contents and answers as arrays."""
        kept = msgspec.msgpack.encode(list(self._kept()), enc_hook=_plain)
        return {
            "table": self._alive(),
            "next_number": np.array([self.next_number]),
            "kept": np.frombuffer(kept, np.uint8),
        }

    def _alive(self) -> NDArray[np.int64]:
        """Return the ids that a later event may see; with dead ones each restored table would be larger."""
        taken: NDArray[np.int64] = self.table[self.table[:, 1] != 0]
        if not len(taken):
            return taken
        return np.ascontiguousarray(taken[taken[:, 2] >= taken[:, 2].max() - self.period_ms], np.int64)

    def _kept(self) -> Iterator[tuple[int, int, Content, Decision]]:
        for run in self.runs:
            for k in range(run.size):
                answer = run.answer(k)
                if answer is not None:
                    yield run.first + k, run.watermark_ms, run.content(k), answer

    @classmethod
    def restore(cls, period_ms: int, arrays: Mapping[str, NDArray[np.generic]]) -> EventMemory:
        """Return the memory that `snapshot` described."""
        memory = cls(period_ms)
        memory.next_number = int(arrays["next_number"][0])
        old = np.ascontiguousarray(arrays["table"], np.int64)
        rows = _ROWS_MIN
        while rows < 4 * len(old):
            rows *= 2
        memory.table = np.zeros((rows, 3), np.int64)
        memory.taken = int(idset.rebuild(old, 0, 2**62, memory.table))
        kept = msgspec.msgpack.decode(arrays["kept"].tobytes(), type=list[_Kept])
        for number, watermark_ms, content, answer in kept:
            memory.runs.append(_one(number, watermark_ms, content, answer.decision()))
        return memory

    def _make_room(self, size: int, watermark_ms: int) -> None:
        if 2 * (self.taken + size) <= len(self.table):
            return
        alive = (self.table[:, 1] != 0) & (watermark_ms - self.table[:, 2] <= self.period_ms)
        rows = _ROWS_MIN
        while rows < 4 * (int(alive.sum()) + size):
            rows *= 2
        table = np.zeros((rows, 3), np.int64)
        self.taken = int(idset.rebuild(self.table, watermark_ms, self.period_ms, table))
        self.table = table


def content_of(record: Mapping[str, object], names: frozenset[str]) -> Content:
    """Return a record's values under these names as texts, in one spelling each."""
    return {name: _text(record[name]) for name in names if record.get(name) is not None}


def _text(value: object) -> str:
    if isinstance(value, datetime):
        moment = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        return moment.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_text(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_text(each) for each in value) + "]"
    return str(value)


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(type(value).__name__)


class _Answer(msgspec.Struct):
    """A decision as it lies in a snapshot."""

    event_id: str | None
    time_ms: int
    action: str
    score: float
    hits: list[Hit]
    features: dict[str, bool | int | float | str | None]
    lists: list[ListMatch]
    patterns: list[PatternMatch]
    elapsed: list[PatternMatch]
    incomplete: list[str]
    duplicate: bool
    outcome: Outcome | None
    values: list[float]
    rule_numbers: list[int]
    kept: list[float]
    policy: str

    def decision(self) -> Decision:
        return Decision(
            self.event_id,
            self.time_ms,
            self.action,
            self.score,
            tuple(self.hits),
            dict(self.features),
            tuple(self.lists),
            tuple(self.patterns),
            tuple(self.elapsed),
            tuple(self.incomplete),
            self.duplicate,
            self.outcome,
            np.array(self.values, np.float64),
            tuple(self.rule_numbers),
            np.array(self.kept, np.float64),
            self.policy,
        )


_Kept = tuple[int, int, Content, _Answer]


def _one(number: int, watermark_ms: int, content: Content, answer: Decision) -> Remembered:
    return Remembered(number, 1, watermark_ms, watermark_ms, lambda _: content, lambda _: answer)
