"""Distillation: a light model learns a heavy one's probabilities, and what that costs is told.

The student learns `soft` parts of the teacher's calibrated score and the rest of the truth (Hinton,
Vinyals, Dean 2015); where no truth is known yet, the teacher's score alone, so that events between
training and test teach too. Teacher, student, and the same light model without a teacher are judged
by the same later events.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskweave.errors import RiskweaveError
from riskweave.learning.dataset import Dataset
from riskweave.learning.evaluate import calibration_figures, ranking_figures
from riskweave.learning.ranking import rank_correlation
from riskweave.learning.recipe import Recipe
from riskweave.learning.scoring import score, size_of
from riskweave.learning.splits import Split
from riskweave.learning.train import Trained, train
from riskweave.learning.trainers.trainer import Progress, silent
from riskweave.learning.zoo import BLENDS, UNSUPERVISED
from riskweave.models.artifact import Artifact

Floats = NDArray[np.float64]

# What a student is unless its recipe says otherwise: a fraction of the trainers' usual size.
LIGHT: Mapping[str, Mapping[str, Any]] = {
    "gbdt": {"trees": 100, "rate": 0.1, "leaves": 15},
    "random_forest": {"trees": 30, "max_depth": 8},
    "mlp": {"layers": [32, 16], "dropout": 0.0},
}
FIGURES = ("auc", "ap", "brier", "log_loss", "ece")
TOP_SHARE = 0.01


def distill(
    recipe: Recipe,
    teacher: Artifact,
    dataset: Dataset,
    split: Split,
    soft: float = 0.7,
    recipes: Mapping[str, Recipe] | None = None,
    definitions: Mapping[str, str] | None = None,
    progress: Progress = silent,
) -> Trained:
    """Return the student; `artifact.about.notes["distillation"]` holds what `compare` finds."""
    if recipe.trainer in BLENDS or recipe.trainer in UNSUPERVISED:
        raise RiskweaveError(
            f"`{recipe.trainer}` cannot learn from a teacher; take gbdt, logistic_regression or mlp"
        )
    if not 0 < soft <= 1:
        raise RiskweaveError("`soft` is the share of the teacher's word, above 0 and at most 1")
    until_ms = teacher.about.training.until_ms
    if until_ms is not None and until_ms > split.test_from_ms:
        raise RiskweaveError(
            "the teacher learned from events that are to judge it: split as it was trained "
            "(the same test share and gap), or take a later training set"
        )
    student = replace(recipe, options={**LIGHT.get(recipe.trainer, {}), **recipe.options})
    rows = np.flatnonzero((dataset.time_ms >= split.train_from_ms) & (dataset.time_ms < split.test_from_ms))
    progress("the teacher scores")
    said = score(teacher, dataset, rows)
    taught = np.full(len(dataset), np.nan)
    taught[rows] = said
    taught[split.train] = soft * taught[split.train] + (1.0 - soft) * dataset.label[split.train]
    known = np.full(len(dataset), np.nan)
    known[split.train] = dataset.label[split.train]
    made = train(student, replace(dataset, label=known), rows, recipes, definitions, progress, taught)
    alone = train(student, dataset, split.train, recipes, definitions, progress)
    found = compare(
        dataset.label[split.test],
        {
            "teacher": (teacher, score(teacher, dataset, split.test)),
            "student": (made.artifact, made.score(split.test)),
            "without_teacher": (alone.artifact, alone.score(split.test)),
        },
    )
    found |= {"hash": teacher.hash, "soft": soft, "unlabelled": int(rows.size - split.train.size)}
    notes = {**made.artifact.about.notes, "distillation": found}
    return replace(made, artifact=made.artifact.with_about(notes=notes))


def compare(truth: Floats, scored: Mapping[str, tuple[Artifact, Floats]]) -> dict[str, Any]:
    """Return each model's figures and size on the same events, and how far student and teacher agree."""
    found: dict[str, Any] = {}
    for name, (artifact, said) in scored.items():
        figures = {**ranking_figures(truth, said), **calibration_figures(truth, said)}
        found[name] = {
            "kind": artifact.kind,
            **{each: figures[each] for each in FIGURES},
            "bytes": size_of(artifact),
        }
    teacher, student = scored["teacher"][1], scored["student"][1]
    found["loss"] = {each: found["student"][each] - found["teacher"][each] for each in FIGURES}
    found["agreement"] = {
        "events": int(truth.size),
        "mean_abs_difference": float(np.abs(teacher - student).mean()),
        "rank_correlation": rank_correlation(teacher, student),
        "same_riskiest_percent": _same_top(teacher, student),
    }
    return found


def _same_top(first: Floats, second: Floats) -> float:
    """Return the share of the riskiest 1 % by one score that are so by the other too."""
    size = max(1, round(first.size * TOP_SHARE))
    top = [set(np.argsort(-each, kind="stable")[:size].tolist()) for each in (first, second)]
    return len(top[0] & top[1]) / size
