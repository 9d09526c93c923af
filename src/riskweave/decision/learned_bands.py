"""Bands learned from labelled history: cuts of a score between which the share of fraud rises (or falls).

Among all ways to cut a column into at most so many bands, the one that says most about the label
(information gain) with a share of fraud that never turns back from band to band. Values that a
monotone fit would pool anyway are never cut apart (pool adjacent violators), and among the blocks
that are left a dynamic programme finds the best cuts.

Kohavi & Sahami, "Error-based and entropy-based discretization of continuous features", KDD 1996;
Ayer et al., "An empirical distribution function for sampling with incomplete information", 1955.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# The dynamic programme looks at every pair of blocks: more blocks are merged beforehand.
BLOCKS_MAX = 400


@dataclass(frozen=True, slots=True)
class LearnedBand:
    """From `low` (minus infinity for the first) up to the next band: how many events, how many frauds."""

    low: float
    events: int
    frauds: int

    @property
    def rate(self) -> float:
        return self.frauds / self.events


@dataclass(frozen=True, slots=True)
class LearnedBands:
    """`gain` bits of the label's `entropy` bits an event are told by the band."""

    bands: tuple[LearnedBand, ...]
    gain: float
    entropy: float

    @property
    def cuts(self) -> list[float]:
        """Return the cuts, as `bands:` of a policy takes them."""
        return [band.low for band in self.bands[1:]]


def learn_bands(
    values: NDArray[np.float64],
    fraud: NDArray[np.bool_],
    *,
    bands_max: int = 4,
    events_min: int = 1,
    rising: bool | None = None,
) -> LearnedBands:
    """Return the bands of a column; NaN values are left out.

    `rising` says whether a greater value means more fraud; None: whichever tells more. Each band has
    at least `events_min` events. A cut is halfway between the values it separates.
    """
    known = ~np.isnan(values)
    values, fraud = values[known], fraud[known].astype(np.float64)
    if not values.size:
        return LearnedBands((), 0.0, 0.0)
    distinct, place = np.unique(values, return_inverse=True)
    events = np.bincount(place, minlength=distinct.size).astype(np.float64)
    frauds = np.bincount(place, weights=fraud, minlength=distinct.size).astype(np.float64)
    found = [
        _best(distinct, events, frauds, bands_max, events_min, up)
        for up in ((True, False) if rising is None else (rising,))
    ]
    return max(found, key=lambda each: each.gain)


def _best(
    distinct: NDArray[np.float64],
    events: NDArray[np.float64],
    frauds: NDArray[np.float64],
    bands_max: int,
    events_min: int,
    rising: bool,
) -> LearnedBands:
    starts = _few(_pooled(events, frauds if rising else events - frauds), events)
    events_of, frauds_of = np.add.reduceat(events, starts), np.add.reduceat(frauds, starts)
    chosen = _cut(events_of, frauds_of, bands_max, events_min)
    total, positive = events.sum(), frauds.sum()
    bands = []
    for k, first in enumerate(chosen):
        end = chosen[k + 1] if k + 1 < len(chosen) else len(starts)
        at = starts[first]
        low = -np.inf if k == 0 else _between(distinct[at - 1], distinct[at])
        bands.append(
            LearnedBand(float(low), int(events_of[first:end].sum()), int(frauds_of[first:end].sum()))
        )
    entropy = float(_bits(np.array([total]), np.array([positive]))[0]) / total
    left = sum(float(_bits(np.array([each.events]), np.array([each.frauds]))[0]) for each in bands) / total
    return LearnedBands(tuple(bands), entropy - left, entropy)


def _pooled(events: NDArray[np.float64], frauds: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return where the blocks of a rising fit begin: neighbours whose shares do not rise are one block."""
    starts: list[int] = []
    sums: list[tuple[float, float]] = []
    for k in range(events.size):
        block, size, hits = k, float(events[k]), float(frauds[k])
        while sums and sums[-1][1] * size >= hits * sums[-1][0]:
            before = sums.pop()
            block, size, hits = starts.pop(), size + before[0], hits + before[1]
        starts.append(block)
        sums.append((size, hits))
    return np.array(starts, np.int64)


def _few(starts: NDArray[np.int64], events: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return at most BLOCKS_MAX of the blocks' starts, so that each holds about as many events."""
    if starts.size <= BLOCKS_MAX:
        return starts
    before = np.concatenate([[0.0], np.cumsum(events)])[starts]
    share = np.floor(before / events.sum() * BLOCKS_MAX).astype(np.int64)
    keep: NDArray[np.bool_] = np.concatenate([[True], np.diff(share) > 0])
    return starts[keep]


def _bits(events: NDArray[np.float64], frauds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the entropy of the label times the number of events."""
    rest = events - frauds
    with np.errstate(divide="ignore", invalid="ignore"):
        fraud = np.where(frauds > 0, frauds * np.log2(events / frauds), 0.0)
        good = np.where(rest > 0, rest * np.log2(events / rest), 0.0)
    total: NDArray[np.float64] = fraud + good
    return total


def _cut(
    events: NDArray[np.float64], frauds: NDArray[np.float64], bands_max: int, events_min: int
) -> list[int]:
    """Return the first block of each band of the cut with the least entropy left; fewer bands on a tie."""
    size = events.size
    sums = np.concatenate([[0.0], np.cumsum(events)])
    hits = np.concatenate([[0.0], np.cumsum(frauds)])
    # left[b, e]: the least entropy of blocks [0, e) in b + 1 bands; before[b, e]: where the last begins.
    left = np.full((bands_max, size + 1), np.inf)
    before = np.zeros((bands_max, size + 1), np.int64)
    for end in range(1, size + 1):
        first = np.arange(end)
        room = sums[end] - sums[first]
        bits = np.where(room >= events_min, _bits(room, hits[end] - hits[first]), np.inf)
        left[0, end] = bits[0]
        for b in range(1, bands_max):
            total = left[b - 1, :end] + bits
            before[b, end] = int(np.argmin(total))
            left[b, end] = total[before[b, end]]
    best = 0
    for b in range(1, bands_max):
        if left[b, size] < left[best, size] - 1e-9:
            best = b
    chosen, end = [], size
    for b in range(best, 0, -1):
        end = int(before[b, end])
        chosen.append(end)
    return [0, *reversed(chosen)]


def _between(low: float, high: float) -> float:
    """Return a cut above `low` and not above `high`."""
    middle = low + (high - low) / 2.0
    return middle if middle > low else high
