"""How a recipe would have done week after week: trained, tested, moved on, trained again (prequential)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from riskweave.errors import RiskweaveError
from riskweave.learning.dataset import Dataset
from riskweave.learning.ranking import average_precision, roc_auc
from riskweave.learning.recipe import Recipe
from riskweave.learning.reliability import brier
from riskweave.learning.splits import Split, prequential
from riskweave.learning.train import train
from riskweave.learning.trainers.trainer import Progress, silent


def fold_splits(dataset: Dataset, split: Split, folds: int) -> list[Split]:
    """Cut the test period of `split` into `folds`, each with a training period as long as the first's."""
    length = (split.test_to_ms - split.test_from_ms) // folds
    if folds < 1 or length < 1:
        raise RiskweaveError(f"the test period cannot be cut into {folds} folds")
    return prequential(
        dataset.time_ms,
        dataset.known_ms,
        dataset.label,
        split.train_from_ms,
        split.train_to_ms - split.train_from_ms,
        split.test_from_ms - split.train_to_ms,
        length,
        folds,
    )


def roll(
    recipe: Recipe,
    dataset: Dataset,
    splits: list[Split],
    recipes: Mapping[str, Recipe] | None = None,
    progress: Progress = silent,
) -> list[dict[str, Any]]:
    """Return each fold's figures, by a model that learned what was known when the fold began."""
    found = []
    for number, split in enumerate(splits, 1):
        progress(f"fold {number} of {len(splits)}")
        score = train(recipe, dataset, split.train, recipes, progress=progress).score(split.test)
        truth = dataset.label[split.test]
        found.append(
            {
                "from": datetime.fromtimestamp(split.test_from_ms / 1000, UTC).date().isoformat(),
                "learned_from": int(split.train.size),
                "events": int(truth.size),
                "frauds": int(truth.sum()),
                "auc": roc_auc(truth, score),
                "ap": average_precision(truth, score),
                "brier": brier(truth, score),
            }
        )
    return found
