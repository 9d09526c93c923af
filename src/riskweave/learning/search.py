"""Search for options: optuna tries them on the earlier events and judges by the later ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from riskweave.errors import RiskweaveError
from riskweave.learning.dataset import Dataset
from riskweave.learning.ranking import average_precision
from riskweave.learning.recipe import Recipe
from riskweave.learning.train import train
from riskweave.learning.trainers.trainer import Progress, need, silent
from riskweave.learning.zoo import BLENDS, trainer


def search(
    recipe: Recipe,
    dataset: Dataset,
    rows: NDArray[np.int64],
    trials: int = 20,
    judge_share: float = 0.25,
    recipes: Mapping[str, Recipe] | None = None,
    progress: Progress = silent,
) -> Recipe:
    """Return the recipe with the options of best average precision on the last `judge_share` of the rows.

    The same seed tries the same options. The test that a model is reported by is never looked at.
    """
    if recipe.trainer in BLENDS:
        raise RiskweaveError("a blend has no options to search; search its parts")
    kind = trainer(recipe.trainer)
    optuna = need("optuna", "train")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    times = dataset.time_ms[rows]
    cut = np.quantile(times, 1.0 - judge_share)
    early, late = rows[times < cut], rows[times >= cut]
    truth = dataset.label[late]
    if not truth.size or truth.sum() == 0:
        raise RiskweaveError("the later events have no fraud to judge by; take a longer period")

    def objective(trial: object) -> float:
        options = {**recipe.options, **kind.space(trial)}
        model = train(replace(recipe, options=options), dataset, early, recipes)
        figure = average_precision(truth, model.score(late))
        progress(f"average precision {figure:.4f} with {options}")
        return figure

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=recipe.seed))
    study.optimize(objective, n_trials=trials)
    return replace(recipe, options={**recipe.options, **study.best_params})
