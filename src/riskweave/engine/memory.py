"""Recent event ids and their first answers: the same id again is answered, not decided again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskweave.kernels import idset

_ROWS_MIN = 1 << 12


@dataclass(frozen=True, slots=True)
class Remembered:
    """A run of consecutively numbered events: `content(k)` and `answer(k)` give the k-th of them."""

    first: int
    size: int
    watermark_ms: int
    content: Callable[[int], dict[str, object]]
    answer: Callable[[int], object]


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
            self._make_room(size, int(watermarks_ms[-1]))
            self.taken += idset.remember(self.table, hashes, watermarks_ms, begin, self.period_ms, 0, first)
            self.next_number += size
        return begin, first

    def keep(self, run: Remembered) -> None:
        """Remember what came and what was answered; forget what is older than the period."""
        self.runs.append(run)
        while self.runs and run.watermark_ms - self.runs[0].watermark_ms > self.period_ms:
            self.runs.popleft()

    def find(self, number: int) -> tuple[dict[str, object], object] | None:
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
                return run.content(number - run.first), run.answer(number - run.first)
        return None

    def _make_room(self, size: int, watermark_ms: int) -> None:
        if 2 * (self.taken + size) <= len(self.table):
            return
        rows = _ROWS_MIN
        while rows < 4 * (self.taken + size):
            rows *= 2
        table = np.zeros((rows, 3), np.int64)
        self.taken = int(idset.rebuild(self.table, watermark_ms, self.period_ms, table))
        self.table = table
