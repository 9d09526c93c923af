"""What a model may learn from, and what it is judged by: split by time, with the labels' delay between.

    train                 gap                   test
    [start, start + t)    labels become known   [start + t + gap, ... + length)

A training row counts only if its label was known when the test begins.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DAY_MS = 86_400_000

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Row numbers of the training and test events, and the moments between which they lie."""

    train: Rows
    test: Rows
    train_from_ms: int
    train_to_ms: int
    test_from_ms: int
    test_to_ms: int


def split_by_time(
    time_ms: Rows,
    known_ms: Rows,
    label: NDArray[np.float64],
    train_from_ms: int,
    train_to_ms: int,
    gap_ms: int,
    test_to_ms: int | None = None,
) -> Split:
    """Split once; the test runs from `train_to_ms + gap_ms` to `test_to_ms` (by default to the end)."""
    if gap_ms < 0 or train_to_ms <= train_from_ms:
        raise ValueError("the training period must have a length, and the gap must not be negative")
    test_from = train_to_ms + gap_ms
    test_to = int(time_ms.max(initial=test_from)) + 1 if test_to_ms is None else test_to_ms
    labelled = ~np.isnan(label)
    learnable = labelled & (known_ms <= test_from)
    train = np.flatnonzero(learnable & (time_ms >= train_from_ms) & (time_ms < train_to_ms))
    test = np.flatnonzero(labelled & (time_ms >= test_from) & (time_ms < test_to))
    return Split(train, test, train_from_ms, train_to_ms, test_from, test_to)


def prequential(
    time_ms: Rows,
    known_ms: Rows,
    label: NDArray[np.float64],
    start_ms: int,
    train_ms: int,
    gap_ms: int,
    test_ms: int,
    folds: int,
    step_ms: int | None = None,
) -> list[Split]:
    """Return `folds` splits, each starting `step_ms` (by default the test's length) after the one before."""
    step = test_ms if step_ms is None else step_ms
    return [
        split_by_time(
            time_ms,
            known_ms,
            label,
            start_ms + k * step,
            start_ms + k * step + train_ms,
            gap_ms,
            start_ms + k * step + train_ms + gap_ms + test_ms,
        )
        for k in range(folds)
    ]


def shares_by_time(
    time_ms: Rows, known_ms: Rows, label: NDArray[np.float64], test_share: float = 0.2, gap_ms: int = 0
) -> Split:
    """Split so that about the last `test_share` of the labelled events are the test."""
    labelled = np.sort(time_ms[~np.isnan(label)])
    if labelled.size < 2 or not 0 < test_share < 1:
        raise ValueError("a split needs at least two labelled events and a share between 0 and 1")
    test_from = int(labelled[min(int(labelled.size * (1.0 - test_share)), labelled.size - 1)])
    first = int(labelled[0])
    return split_by_time(time_ms, known_ms, label, first, max(test_from - gap_ms, first + 1), gap_ms)


def without_known_compromised(
    split: Split, time_ms: Rows, card: NDArray[np.generic], label: NDArray[np.float64], delay_days: int
) -> Split:
    """Return the split without test events of cards that were known to be compromised by then.

    On a test day d these are the cards with a fraud in the training period, or on any later day up to
    and including d - delay - 1 (the Handbook's rule). Days count from the start of training.
    """
    day = (time_ms - split.train_from_ms) // DAY_MS
    first_day = (split.test_from_ms - split.train_from_ms) // DAY_MS
    train_days = (split.train_to_ms - split.train_from_ms) // DAY_MS
    present, place = np.unique(card, return_inverse=True)
    fraud = np.flatnonzero((label == 1.0) & (day >= 0) & (time_ms < split.test_to_ms))
    # From which day on each card is known: at once for a fraud in training, else delay + 1 days later.
    known_from = np.full(present.size, np.iinfo(np.int64).max)
    since = np.where(day[fraud] < train_days, first_day, day[fraud] + delay_days + 1)
    np.minimum.at(known_from, place[fraud], since)
    kept = split.test[day[split.test] < known_from[place[split.test]]]
    return Split(
        split.train, kept, split.train_from_ms, split.train_to_ms, split.test_from_ms, split.test_to_ms
    )
