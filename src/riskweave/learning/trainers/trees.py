"""Trees by scikit-learn: one tree, a random forest, and an isolation forest that needs no labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from riskweave.errors import RiskweaveError
from riskweave.learning.encode import Encoding
from riskweave.learning.sample import Sample
from riskweave.learning.trainers.trainer import (
    Fitted,
    Floats,
    Progress,
    as_truths,
    both_kinds,
    log_odds,
    need,
    weights,
)
from riskweave.models.artifact import Artifact, Feature


class DecisionTree:
    """One tree."""

    name = "decision_tree"
    options: Mapping[str, Any] = {"max_depth": 6, "min_samples_leaf": 20, "class_weight": "none"}

    def space(self, trial: Any) -> dict[str, Any]:
        return {
            "max_depth": trial.suggest_int("max_depth", 2, 12),
            "min_samples_leaf": trial.suggest_int("min_samples_leaf", 5, 200, log=True),
        }

    def fit(
        self, sample: Sample, held: Sample | None, options: Mapping[str, Any], seed: int, progress: Progress
    ) -> Fitted:
        model = need("sklearn.tree", "train").DecisionTreeClassifier(
            max_depth=options["max_depth"], min_samples_leaf=options["min_samples_leaf"], random_state=seed
        )
        return _classifier(model, sample, options, self.name)


class RandomForest:
    """Many trees on drawn events and features, averaged."""

    name = "random_forest"
    options: Mapping[str, Any] = {
        "trees": 100,
        "max_depth": 12,
        "min_samples_leaf": 5,
        "max_features": "sqrt",
        "class_weight": "none",
    }

    def space(self, trial: Any) -> dict[str, Any]:
        return {
            "max_depth": trial.suggest_int("max_depth", 4, 20),
            "min_samples_leaf": trial.suggest_int("min_samples_leaf", 1, 50, log=True),
        }

    def fit(
        self, sample: Sample, held: Sample | None, options: Mapping[str, Any], seed: int, progress: Progress
    ) -> Fitted:
        model = need("sklearn.ensemble", "train").RandomForestClassifier(
            n_estimators=options["trees"],
            max_depth=options["max_depth"],
            min_samples_leaf=options["min_samples_leaf"],
            max_features=options["max_features"],
            random_state=seed,
            n_jobs=1,
        )
        return _classifier(model, sample, options, self.name)


class IsolationForest:
    """How easily an event is told apart from all others; reads no labels."""

    name = "isolation_forest"
    options: Mapping[str, Any] = {"trees": 200, "max_samples": 512}

    def space(self, trial: Any) -> dict[str, Any]:
        return {"max_samples": trial.suggest_int("max_samples", 64, 2048, log=True)}

    def fit(
        self, sample: Sample, held: Sample | None, options: Mapping[str, Any], seed: int, progress: Progress
    ) -> Fitted:
        if not len(sample):
            raise RiskweaveError(f"`{self.name}` cannot learn from no events")
        encoding = _single_inputs(sample.features, sample.inputs)
        model = need("sklearn.ensemble", "train").IsolationForest(
            n_estimators=options["trees"],
            max_samples=min(int(options["max_samples"]), len(sample)),
            random_state=seed,
            n_jobs=1,
        )
        model.fit(_single(encoding.inputs(sample.inputs)))

        def raw(other: Sample) -> Floats:
            # scikit-learn's score_samples is minus the score in (0, 1).
            return log_odds(-model.score_samples(_single(encoding.inputs(other.inputs))))

        return Fitted(_imported(model, encoding), raw, "scikit-learn")


def _classifier(model: Any, sample: Sample, options: Mapping[str, Any], name: str) -> Fitted:
    target = sample.target
    both_kinds(target, name)
    encoding = _single_inputs(sample.features, sample.inputs)
    weight = weights(target, options["class_weight"])
    inputs, truth, weight = as_truths(encoding.inputs(sample.inputs), target, weight)
    model.fit(_single(inputs), truth, sample_weight=weight)

    def raw(other: Sample) -> Floats:
        return log_odds(model.predict_proba(_single(encoding.inputs(other.inputs)))[:, 1])

    return Fitted(_imported(model, encoding), raw, "scikit-learn")


def _single_inputs(features: tuple[Feature, ...], x: Floats) -> Encoding:
    """Return one-hot categories and medians for what is missing, otherwise values as they are."""
    return Encoding.fit(features, x, log=False, scale=False)


def _single(inputs: Floats) -> Any:
    """Return what scikit-learn's trees see: float32."""
    return inputs.astype(np.float32)


def _imported(model: Any, encoding: Encoding) -> Artifact:
    from riskweave.models.importing import from_sklearn

    return encoding.attached(from_sklearn(model, encoding.input_features()))
