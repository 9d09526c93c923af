"""Which of several recipes is best, by cross-validation within the training period alone.

By time (the default) each fold is judged by a model of everything before it, as in production: the
first 40 % of the events are only learned from, the rest are cut into `folds` of equal size. Rows
without time are dealt out by chance, each kind (fraud or not) evenly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from riskweave.errors import RiskweaveError
from riskweave.learning.dataset import Dataset
from riskweave.learning.ranking import average_precision
from riskweave.learning.recipe import Recipe
from riskweave.learning.train import train
from riskweave.learning.trainers.trainer import Progress, silent

Rows = NDArray[np.int64]

FIRST_SHARE = 0.4


def choose(
    names: Sequence[str],
    recipes: Mapping[str, Recipe],
    dataset: Dataset,
    rows: Rows,
    folds: int = 4,
    by_time: bool = True,
    progress: Progress = silent,
) -> tuple[str, dict[str, float]]:
    """Return the name of the recipe with the best mean average precision, and every recipe's.

    On a tie the earlier one wins. The test that a model is reported by is never looked at. Truths that
    were not known when a fold begins are not learned from in its model.
    """
    parts = forward(dataset, rows, folds) if by_time else dealt(dataset, rows, folds)
    judged = [each for each in parts if dataset.label[each[1]].sum() > 0 and _both(dataset, each[0])]
    if not judged:
        raise RiskweaveError("no fold has frauds and legitimate events to choose by; take a longer period")
    found = {}
    for name in names:
        figures = []
        for early, late in judged:
            score = train(recipes[name], dataset, early, recipes).score(late)
            figures.append(average_precision(dataset.label[late], score))
        found[name] = float(np.mean(figures))
        progress(f"{name}: average precision {found[name]:.4f} over {len(judged)} folds")
    return max(names, key=found.__getitem__), found


def forward(dataset: Dataset, rows: Rows, folds: int) -> list[tuple[Rows, Rows]]:
    """Return training and judged rows of each fold, in order of time."""
    times = dataset.time_ms[rows]
    edges = np.quantile(times, np.linspace(FIRST_SHARE, 1.0, folds + 1), method="lower")
    edges[-1] += 1
    found = []
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        early = rows[(times < start) & (dataset.known_ms[rows] <= start)]
        found.append((early, rows[(times >= start) & (times < end)]))
    return [(early, late) for early, late in found if early.size and late.size]


def dealt(dataset: Dataset, rows: Rows, folds: int, seed: int = 0) -> list[tuple[Rows, Rows]]:
    """Return training and judged rows of each fold, by chance."""
    generator = np.random.default_rng(seed)
    number = np.empty(rows.size, np.int64)
    for kind in (0.0, 1.0):
        places = np.flatnonzero(dataset.label[rows] == kind)
        number[generator.permutation(places)] = np.arange(places.size) % folds
    return [(rows[number != fold], rows[number == fold]) for fold in range(folds)]


def _both(dataset: Dataset, rows: Rows) -> bool:
    return 0 < float(dataset.label[rows].sum()) < rows.size
