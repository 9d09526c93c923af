"""Linear models: logistic regression, a linear SVM, and an RBF SVM through a Nystroem map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from riskweave.learning.encode import Encoding
from riskweave.learning.sample import Sample
from riskweave.learning.trainers.trainer import (
    Fitted,
    Floats,
    Progress,
    as_truths,
    both_kinds,
    need,
    weights,
)
from riskweave.models.artifact import About, Artifact, Linear


class LogisticRegression:
    """Log-odds as a weighted sum."""

    name = "logistic_regression"
    options: Mapping[str, Any] = {"C": 1.0, "log": True, "class_weight": "none", "max_iter": 2000}

    def space(self, trial: Any) -> dict[str, Any]:
        return {
            "C": trial.suggest_float("C", 1e-3, 100.0, log=True),
            "log": trial.suggest_categorical("log", [True, False]),
        }

    def fit(
        self, sample: Sample, held: Sample | None, options: Mapping[str, Any], seed: int, progress: Progress
    ) -> Fitted:
        target = sample.target
        both_kinds(target, self.name)
        encoding = Encoding.fit(sample.features, sample.inputs, log=bool(options["log"]))
        model = need("sklearn.linear_model", "train").LogisticRegression(
            C=options["C"], max_iter=options["max_iter"], random_state=seed
        )
        weight = weights(target, options["class_weight"])
        inputs, truth, weight = as_truths(encoding.inputs(sample.inputs), target, weight)
        model.fit(inputs, truth, sample_weight=weight)

        def raw(other: Sample) -> Floats:
            found: Floats = model.decision_function(encoding.inputs(other.inputs))
            return found

        return Fitted(_artifact(encoding, model), raw, "scikit-learn", {"iterations": int(model.n_iter_[0])})


class LinearSvm:
    """A linear support vector machine (squared hinge loss); calibrate it to have probabilities."""

    name = "linear_svm"
    options: Mapping[str, Any] = {"C": 0.1, "log": True, "class_weight": "balanced", "max_iter": 5000}

    def space(self, trial: Any) -> dict[str, Any]:
        return {"C": trial.suggest_float("C", 1e-3, 10.0, log=True)}

    def fit(
        self, sample: Sample, held: Sample | None, options: Mapping[str, Any], seed: int, progress: Progress
    ) -> Fitted:
        encoding = Encoding.fit(sample.features, sample.inputs, log=bool(options["log"]))
        model = _svm(encoding.inputs(sample.inputs), sample.target, options, seed, self.name)

        def raw(other: Sample) -> Floats:
            found: Floats = model.decision_function(encoding.inputs(other.inputs))
            return found

        return Fitted(_artifact(encoding, model), raw, "scikit-learn")


class RbfSvm:
    """A support vector machine with the RBF kernel, through a Nystroem map of some training events."""

    name = "rbf_svm"
    options: Mapping[str, Any] = {
        "C": 1.0,
        "gamma": "scale",
        "components": 200,
        "log": True,
        "class_weight": "balanced",
        "max_iter": 5000,
    }

    def space(self, trial: Any) -> dict[str, Any]:
        return {
            "C": trial.suggest_float("C", 1e-2, 100.0, log=True),
            "gamma": trial.suggest_float("gamma", 1e-3, 1.0, log=True),
        }

    def fit(
        self, sample: Sample, held: Sample | None, options: Mapping[str, Any], seed: int, progress: Progress
    ) -> Fitted:
        encoding = Encoding.fit(sample.features, sample.inputs, log=bool(options["log"]))
        inputs = encoding.inputs(sample.inputs)
        spread = float(inputs.var())
        scale = 1.0 / (inputs.shape[1] * spread) if spread > 0 else 1.0
        gamma = scale if options["gamma"] == "scale" else float(options["gamma"])
        components = min(int(options["components"]), inputs.shape[0])
        chosen = _spread_choice(sample.target, components, seed)
        nystroem = need("sklearn.kernel_approximation", "train").Nystroem(
            gamma=gamma, n_components=chosen.size, random_state=seed
        )
        nystroem.fit(inputs[chosen])
        model = _svm(nystroem.transform(inputs), sample.target, options, seed, self.name)

        def raw(other: Sample) -> Floats:
            found: Floats = model.decision_function(nystroem.transform(encoding.inputs(other.inputs)))
            return found

        arrays = {
            **encoding.arrays(),
            "components": np.asarray(nystroem.components_, np.float64),
            "normalization": np.asarray(nystroem.normalization_, np.float64),
            "coefficients": np.asarray(model.coef_[0], np.float64),
            "intercept": np.asarray(model.intercept_, np.float64).reshape(1),
        }
        about = About(model=Linear(gamma=gamma), features=encoding.features)
        return Fitted(Artifact(about, arrays), raw, "scikit-learn", {"gamma": gamma})


def _spread_choice(truth: Floats, size: int, seed: int) -> Any:
    """Return events for the map: half of them frauds, if there are that many."""
    generator = np.random.default_rng(seed)
    frauds, others = np.flatnonzero(truth >= 0.5), np.flatnonzero(truth < 0.5)
    half = min(size // 2, frauds.size)
    rest = min(size - half, others.size)
    picked = [generator.choice(frauds, half, replace=False), generator.choice(others, rest, replace=False)]
    return np.sort(np.concatenate(picked))


def _svm(inputs: Floats, target: Floats, options: Mapping[str, Any], seed: int, name: str) -> Any:
    both_kinds(target, name)
    model = need("sklearn.svm", "train").LinearSVC(
        C=options["C"], dual=False, max_iter=options["max_iter"], random_state=seed
    )
    inputs, truth, weight = as_truths(inputs, target, weights(target, options["class_weight"]))
    return model.fit(inputs, truth, sample_weight=weight / weight.mean())


def _artifact(encoding: Encoding, model: Any) -> Artifact:
    arrays = {
        **encoding.arrays(),
        "coefficients": np.asarray(model.coef_[0], np.float64),
        "intercept": np.asarray(model.intercept_, np.float64).reshape(1),
    }
    return Artifact(About(model=Linear(), features=encoding.features), arrays)
