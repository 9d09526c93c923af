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
    row: NDArray[np.int64]

    def part(self, which: slice | NDArray[np.bool_]) -> _Run:
        return _Run(
            self.due_ms[which],
            self.number[which],
            self.event_hash[which],
            self.label[which],
            self.value[which],
            self.row[which],
        )


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
        return sum(run.due_ms.size for run in self.runs)

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
            np.full(size, -1, np.int64) if row is None else row.astype(np.int64),
        )
        if np.any(np.diff(run.due_ms) < 0):
            order = np.argsort(run.due_ms, kind="stable")
            run = _Run(
                run.due_ms[order],
                run.number[order],
                run.event_hash[order],
                run.label[order],
                run.value[order],
                run.row[order],
            )
        self.runs.append(run)

    def arrivals(self, watermark_ms: NDArray[np.int64]) -> LabelArrivals | None:
        """Take the labels that arrive before a row of the batch with these watermarks."""
        if not self.runs or watermark_ms.size == 0:
            return None
        size, latest = watermark_ms.size, watermark_ms[-1]
        taken: list[_Run] = []
        before: list[NDArray[np.int64]] = []
        kept: list[_Run] = []
        for run in self.runs:
            if run.due_ms[0] > latest:
                kept.append(run)
                run.row[:] = -1
                continue
            position = np.maximum(np.searchsorted(watermark_ms, run.due_ms, "left"), run.row + 1)
            arrives = position < size
            if arrives.any():
                taken.append(run.part(arrives))
                before.append(position[arrives])
            if not arrives.all():
                rest = run.part(~arrives)
                rest.row[:] = -1
                kept.append(rest)
        self.runs = kept
        if not taken:
            return None
        position = np.concatenate(before)
        due = np.concatenate([run.due_ms for run in taken])
        number = np.concatenate([run.number for run in taken])
        order = np.lexsort((number, due, position))
        return LabelArrivals(
            before_row=position[order],
            event_hash=np.concatenate([run.event_hash for run in taken])[order],
            label=np.concatenate([run.label for run in taken])[order],
            value=np.concatenate([run.value for run in taken])[order],
            time_ms=due[order],
        )

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
                    np.full(order.size, -1, np.int64),
                )
            ]
        return queue
