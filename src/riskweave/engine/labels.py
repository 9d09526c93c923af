"""Labels on their way: known to the engine, not yet arrived in event time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskweave.batch import LabelArrivals


@dataclass(slots=True)
class _Run:
    """Labels sorted by (due, number); `row` is the row of their event in the present batch, -1 before it."""

    due_ms: NDArray[np.int64]
    number: NDArray[np.int64]
    event_hash: NDArray[np.uint64]
    label: NDArray[np.int64]
    value: NDArray[np.float64]
    row: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return self.due_ms.size

    @property
    def nbytes(self) -> int:
        return 5 * 8 * self.due_ms.size

    def part(self, which: slice | NDArray[np.bool_] | NDArray[np.intp]) -> _Run:
        """Return some of the labels; where their events stood is forgotten."""
        return _Run(
            self.due_ms[which],
            self.number[which],
            self.event_hash[which],
            self.label[which],
            self.value[which],
        )

    def arriving(self, watermark_ms: NDArray[np.int64]) -> tuple[NDArray[np.int64], _Run, _Run]:
        """Part the labels that arrive before a row of the batch, with that row, from those that do not."""
        if self.row is None:
            count = int(np.searchsorted(self.due_ms, watermark_ms[-1], "right"))
            taken = self.part(slice(0, count))
            return np.searchsorted(watermark_ms, taken.due_ms, "left"), taken, self.part(slice(count, None))
        position = np.maximum(np.searchsorted(watermark_ms, self.due_ms, "left"), self.row + 1)
        arrives = position < watermark_ms.size
        return position[arrives], self.part(arrives), self.part(~arrives)


def _merged(first: _Run, second: _Run) -> _Run:
    """Return two runs as one."""
    both = _Run(
        np.concatenate([first.due_ms, second.due_ms]),
        np.concatenate([first.number, second.number]),
        np.concatenate([first.event_hash, second.event_hash]),
        np.concatenate([first.label, second.label]),
        np.concatenate([first.value, second.value]),
    )
    return both.part(np.lexsort((both.number, both.due_ms)))


def _append(runs: list[_Run], run: _Run) -> None:
    """Keep few runs, each more than twice the next: however many labels wait, a batch looks at few."""
    runs.append(run)
    while len(runs) > 1 and len(runs[-2]) <= 2 * len(runs[-1]) and runs[-1].row is runs[-2].row is None:
        runs[-2:] = [_merged(runs[-2], runs[-1])]


class LabelQueue:
    """A label arrives before the first event at which event time has reached its due time.

    Never before the event it names: a label that comes with its event and a delay of 0 is known to
    the next one. Among labels due before the same event, the earlier due comes first, then the one
    that was given first. How events are split into batches makes no difference.
    """

    def __init__(self) -> None:
        self.runs: list[_Run] = []
        self.next_number = 0

    def __len__(self) -> int:
        return sum(map(len, self.runs))

    @property
    def nbytes(self) -> int:
        return sum(run.nbytes for run in self.runs)

    def add(
        self,
        due_ms: NDArray[np.int64],
        event_hash: NDArray[np.uint64],
        label: int | NDArray[np.int64],
        value: NDArray[np.float64],
        row: NDArray[np.int64] | None = None,
    ) -> None:
        """Queue labels, in the order given; `row` is where their events stand in the batch to come."""
        size = due_ms.size
        if size == 0:
            return
        number = np.arange(self.next_number, self.next_number + size)
        self.next_number += size
        run = _Run(
            due_ms.astype(np.int64),
            number,
            event_hash.astype(np.uint64),
            np.broadcast_to(np.asarray(label, np.int64), (size,)).copy(),
            value.astype(np.float64),
        )
        if np.any(np.diff(run.due_ms) < 0):
            order = np.argsort(run.due_ms, kind="stable")
            run = run.part(order)
            row = None if row is None else row[order]
        run.row = None if row is None else row.astype(np.int64)
        _append(self.runs, run)

    def arrivals(self, watermark_ms: NDArray[np.int64]) -> LabelArrivals | None:
        """Take the labels that arrive before a row of the batch with these watermarks."""
        if not self.runs or watermark_ms.size == 0:
            return None
        latest = watermark_ms[-1]
        positions: list[NDArray[np.int64]] = []
        taken: list[_Run] = []
        kept: list[_Run] = []
        for run in self.runs:
            if run.due_ms[0] > latest:
                run.row = None
                rest = run
            else:
                position, arriving, rest = run.arriving(watermark_ms)
                if len(arriving):
                    positions.append(position)
                    taken.append(arriving)
            if len(rest):
                _append(kept, rest)
        self.runs = kept
        if not taken:
            return None
        before = np.concatenate(positions)
        due = np.concatenate([run.due_ms for run in taken])
        number = np.concatenate([run.number for run in taken])
        order = np.lexsort((number, due, before))
        return LabelArrivals(
            before_row=before[order],
            event_hash=np.concatenate([run.event_hash for run in taken])[order],
            label=np.concatenate([run.label for run in taken])[order],
            value=np.concatenate([run.value for run in taken])[order],
            time_ms=due[order],
        )

    def copy(self) -> LabelQueue:
        """Return a queue of its own with the same labels."""
        other = LabelQueue()
        other.runs, other.next_number = list(self.runs), self.next_number
        return other

    def take(self, other: LabelQueue, label: int) -> None:
        """Queue what another queue has of one label field."""
        for run in other.runs:
            mine = run.part(run.label == label)
            self.add(mine.due_ms, mine.event_hash, label, mine.value)

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """Return the queue as arrays."""
        names = ("due_ms", "number", "event_hash", "label", "value")
        types = (np.int64, np.int64, np.uint64, np.int64, np.float64)
        arrays: dict[str, NDArray[np.generic]] = {
            name: np.concatenate([np.zeros(0, kind), *(getattr(run, name) for run in self.runs)]).astype(kind)
            for name, kind in zip(names, types, strict=True)
        }
        arrays["next_number"] = np.array([self.next_number])
        return arrays

    @classmethod
    def restore(cls, arrays: dict[str, NDArray[np.generic]]) -> LabelQueue:
        """Return the queue that `snapshot` described."""
        queue = cls()
        queue.next_number = int(arrays["next_number"][0])
        order = np.lexsort((arrays["number"], arrays["due_ms"]))
        if order.size:
            queue.runs = [
                _Run(
                    arrays["due_ms"][order].astype(np.int64),
                    arrays["number"][order].astype(np.int64),
                    arrays["event_hash"][order].astype(np.uint64),
                    arrays["label"][order].astype(np.int64),
                    arrays["value"][order].astype(np.float64),
                )
            ]
        return queue
