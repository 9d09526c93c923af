"""Labels on their way: known to the engine, not yet arrived in event time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskweave.batch import LabelArrivals


@dataclass(slots=True)
class _Run:
    """Labels sorted by (due, number); `row` is the row of their event in the present batch, -1 before it.

    The event of a `loose` label, which did not come with it, may be still to come.
    """

    due_ms: NDArray[np.int64]
    number: NDArray[np.int64]
    event_hash: NDArray[np.uint64]
    label: NDArray[np.int64]
    value: NDArray[np.float64]
    loose: NDArray[np.bool_]
    row: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return self.due_ms.size

    @property
    def nbytes(self) -> int:
        return (5 * 8 + 1) * self.due_ms.size

    def part(self, which: slice | NDArray[np.bool_] | NDArray[np.intp]) -> _Run:
        """Return some of the labels; where their events stood is forgotten."""
        return _Run(
            self.due_ms[which],
            self.number[which],
            self.event_hash[which],
            self.label[which],
            self.value[which],
            self.loose[which],
        )

    def arriving(
        self, watermark_ms: NDArray[np.int64], event_hash: NDArray[np.uint64] | None
    ) -> tuple[NDArray[np.int64], _Run, _Run]:
        """Part the labels that arrive before a row of the batch, with that row, from those that wait.

        A loose label may be due at the very time of the event it names. Until event time has passed that
        time it waits, too, and arrives once more right after the event: to hear it twice changes nothing.
        """
        if self.row is not None:
            position = np.maximum(np.searchsorted(watermark_ms, self.due_ms, "left"), self.row + 1)
            arrives = position < watermark_ms.size
            return position[arrives], self.part(arrives), self.part(~arrives)
        latest = watermark_ms[-1]
        count = int(np.searchsorted(self.due_ms, latest, "right"))
        taken = self.part(slice(0, count))
        position = np.searchsorted(watermark_ms, taken.due_ms, "left")
        stays = self.due_ms > latest
        stays[:count] |= self.loose[:count] & (taken.due_ms == latest)
        rest = self.part(stays) if stays[:count].any() else self.part(slice(count, None))
        if event_hash is None or not taken.loose.any():
            return position, taken, rest
        order = np.argsort(event_hash, kind="stable")
        place = np.minimum(np.searchsorted(event_hash[order], taken.event_hash), event_hash.size - 1)
        after = order[place] + 1
        again = (
            taken.loose
            & (event_hash[order[place]] == taken.event_hash)
            & (after > position)
            & (after <= np.searchsorted(watermark_ms, taken.due_ms, "right"))
            & (after < watermark_ms.size)
        )
        if not again.any():
            return position, taken, rest
        return np.concatenate([position, after[again]]), _merged_as_is(taken, taken.part(again)), rest


def _merged_as_is(first: _Run, second: _Run) -> _Run:
    """Return one run behind the other."""
    return _Run(
        np.concatenate([first.due_ms, second.due_ms]),
        np.concatenate([first.number, second.number]),
        np.concatenate([first.event_hash, second.event_hash]),
        np.concatenate([first.label, second.label]),
        np.concatenate([first.value, second.value]),
        np.concatenate([first.loose, second.loose]),
    )


def _merged(first: _Run, second: _Run) -> _Run:
    """Return two runs as one."""
    both = _merged_as_is(first, second)
    return both.part(np.lexsort((both.number, both.due_ms)))


def _append(runs: list[_Run], run: _Run) -> None:
    """Keep few runs, each more than twice the next: however many labels wait, a batch looks at few."""
    runs.append(run)
    while len(runs) > 1 and len(runs[-2]) <= 2 * len(runs[-1]) and runs[-1].row is runs[-2].row is None:
        runs[-2:] = [_merged(runs[-2], runs[-1])]


class LabelQueue:
    """A label arrives before the first event at which event time has reached its due time.

    Never before the event it names: a label that comes with its event and a delay of 0, or from elsewhere
    with the event's own time, is known to the next one. Among labels due before the same event, the
    earlier due comes first, then the one that was given first. How events are split into batches makes
    no difference.
    """

    def __init__(self) -> None:
        self.runs: list[_Run] = []
        self.next_number = 0
        # Labels of lower numbers have arrived if they were due.
        self.heard = 0

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
        loose: bool | NDArray[np.bool_] = False,
    ) -> None:
        """Queue labels, in the order given; `row` is where their events stand in the batch to come.

        `loose` says that a label did not come with its event, which may be still to come.
        """
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
            np.broadcast_to(np.asarray(loose, np.bool_), (size,)).copy(),
        )
        if np.any(np.diff(run.due_ms) < 0):
            order = np.argsort(run.due_ms, kind="stable")
            run = run.part(order)
            row = None if row is None else row[order]
        run.row = None if row is None else row.astype(np.int64)
        _append(self.runs, run)

    def arrivals(
        self, watermark_ms: NDArray[np.int64], event_hash: NDArray[np.uint64] | None = None
    ) -> LabelArrivals | None:
        """Return the labels that arrive before a row of the batch with these watermarks and events."""
        self.heard = self.next_number
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
                position, arriving, rest = run.arriving(watermark_ms, event_hash)
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

    def any_due(self, since_ms: int, until_ms: int) -> bool:
        """Tell whether a label is due by `until_ms` that had not arrived by `since_ms`."""
        return any(
            bool(np.any((run.due_ms <= until_ms) & ((run.due_ms > since_ms) | (run.number >= self.heard))))
            for run in self.runs
        )

    def copy(self) -> LabelQueue:
        """Return a queue of its own with the same labels."""
        other = LabelQueue()
        other.runs, other.next_number, other.heard = list(self.runs), self.next_number, self.heard
        return other

    def take(self, other: LabelQueue, label: int) -> None:
        """Queue what another queue has of one label field."""
        for run in other.runs:
            mine = run.part(run.label == label)
            self.add(mine.due_ms, mine.event_hash, label, mine.value, loose=mine.loose)

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """Return the queue as arrays."""
        names = ("due_ms", "number", "event_hash", "label", "value", "loose")
        types = (np.int64, np.int64, np.uint64, np.int64, np.float64, np.bool_)
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
                    arrays["loose"][order].astype(np.bool_),
                )
            ]
        return queue
