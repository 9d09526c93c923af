"""Whether a score of 0.3 means three in ten: Brier score, calibration error, and the diagram."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Bin:
    """Events whose probability lies in [low, high): how many, what was said, what came true."""

    low: float
    high: float
    count: int
    said: float
    true: float


def brier(truth: Floats, probability: Floats) -> float:
    """Return the mean squared distance of probability and truth; less is better."""
    return float(np.mean((probability - truth) ** 2)) if truth.size else float("nan")


def log_loss(truth: Floats, probability: Floats) -> float:
    """Return the mean of minus the log of the probability given to what came true."""
    p = np.clip(probability, 1e-15, 1 - 1e-15)
    return float(-np.mean(truth * np.log(p) + (1 - truth) * np.log1p(-p))) if truth.size else float("nan")


def reliability(
    truth: Floats,
    probability: Floats,
    bins: int = 10,
    equal: Literal["widths", "counts", "odds"] = "widths",
) -> list[Bin]:
    """Return the bins of a reliability diagram; empty bins are left out.

    Bins are equally wide, or hold about as many events each (`counts`), or are equally wide in
    log-odds (`odds`), which shows most when nearly all probabilities are small.
    """
    if not truth.size:
        return []
    if equal == "counts":
        edges = np.unique(np.quantile(probability, np.linspace(0, 1, bins + 1)))
        edges[0], edges[-1] = 0.0, 1.0
    elif equal == "odds":
        ends = np.clip([probability.min(), probability.max()], 1e-5, 1 - 1e-5)
        low, high = np.log(ends / (1 - ends)).tolist()
        logs = np.linspace(low, high, bins + 1)
        edges = 1.0 / (1.0 + np.exp(-logs))
        edges[0], edges[-1] = 0.0, 1.0
    else:
        edges = np.linspace(0.0, 1.0, bins + 1)
    edges = np.unique(edges)
    place = np.clip(np.searchsorted(edges, probability, "right") - 1, 0, edges.size - 2)
    count = np.bincount(place, minlength=edges.size - 1)
    said = np.bincount(place, probability, edges.size - 1)
    true = np.bincount(place, truth, edges.size - 1)
    return [
        Bin(
            low=float(edges[i]),
            high=float(edges[i + 1]),
            count=int(count[i]),
            said=float(said[i] / count[i]),
            true=float(true[i] / count[i]),
        )
        for i in np.flatnonzero(count).tolist()
    ]


def expected_calibration_error(truth: Floats, probability: Floats, bins: int = 10) -> float:
    """Return the mean over events of |said - true| of their bin, equally wide bins."""
    found = reliability(truth, probability, bins)
    if not found:
        return float("nan")
    return float(sum(each.count * abs(each.said - each.true) for each in found) / truth.size)
