"""Confidence intervals by drawing customers, not events: one customer's events are not independent."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from riskweave.learning.ranking import Order, Ranking

Floats = NDArray[np.float64]


def intervals(
    truth: Floats,
    score: Floats,
    group: NDArray[np.generic],
    figures: dict[str, Callable[[Ranking], float]],
    draws: int = 200,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """Return a percentile interval for each figure of a ranking.

    Each draw takes as many groups (customers) as there are, with repetition. Draws in which a figure
    has no value are left out.
    """
    generator = np.random.default_rng(seed)
    present, place = np.unique(group, return_inverse=True)
    order = Order.of(score)
    found: dict[str, list[float]] = {name: [] for name in figures}
    for _ in range(draws):
        times = np.bincount(generator.integers(0, present.size, present.size), minlength=present.size)
        ranking = order.ranking(truth, times[place].astype(np.float64))
        for name, figure in figures.items():
            value = figure(ranking)
            if not np.isnan(value):
                found[name].append(value)
    tail = (1.0 - level) / 2.0
    return {
        name: (float(np.quantile(values, tail)), float(np.quantile(values, 1.0 - tail)))
        if values
        else (float("nan"), float("nan"))
        for name, values in found.items()
    }
