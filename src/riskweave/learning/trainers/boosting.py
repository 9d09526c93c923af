"""Gradient-boosted trees: LightGBM, and XGBoost where a published figure was made with it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from riskweave.errors import RiskweaveError, did_you_mean
from riskweave.learning.encode import Encoding
from riskweave.learning.sample import Sample
from riskweave.learning.trainers.trainer import (
    Fitted,
    Floats,
    Progress,
    as_truths,
    both_kinds,
    is_soft,
    need,
    weights,
)

# Threads that wait for work would take the processor from everything else on a small machine.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


class Gbdt:
    """Boosted trees by LightGBM; categories and missing values as they are.

    `monotone` says for some features that more (1) or less (-1) never lowers the score. With events
    held back, boosting stops when their log loss no longer improves, but not before `least_trees`: a
    few frauds, or a share of frauds that has changed, would else stop it when little is learned.
    """

    name = "gbdt"
    options: Mapping[str, Any] = {
        "trees": 500,
        "rate": 0.05,
        "leaves": 31,
        "max_depth": -1,
        "min_leaf": 20,
        "feature_share": 1.0,
        "row_share": 1.0,
        "l2": 0.0,
        "class_weight": "none",
        "monotone": {},
        "least_trees": 100,
        "patience": 50,
        "stop_on": "binary_logloss",
    }

    def space(self, trial: Any) -> dict[str, Any]:
        return {
            "rate": trial.suggest_float("rate", 0.01, 0.2, log=True),
            "leaves": trial.suggest_int("leaves", 4, 63, log=True),
            "min_leaf": trial.suggest_int("min_leaf", 5, 200, log=True),
            "feature_share": trial.suggest_float("feature_share", 0.3, 1.0),
            "row_share": trial.suggest_float("row_share", 0.5, 1.0),
            "l2": trial.suggest_float("l2", 0.01, 100.0, log=True),
        }

    def fit(
        self, sample: Sample, held: Sample | None, options: Mapping[str, Any], seed: int, progress: Progress
    ) -> Fitted:
        from riskweave.models.importing import from_lightgbm

        lightgbm = need("lightgbm", "train")
        target = sample.target
        both_kinds(target, self.name)
        parameters = {
            "objective": "cross_entropy" if is_soft(target) else "binary",
            "metric": options["stop_on"],
            "learning_rate": options["rate"],
            "num_leaves": options["leaves"],
            "max_depth": options["max_depth"],
            "min_data_in_leaf": options["min_leaf"],
            "feature_fraction": options["feature_share"],
            "bagging_fraction": options["row_share"],
            "bagging_freq": 1 if options["row_share"] < 1 else 0,
            "lambda_l2": options["l2"],
            "monotone_constraints": _directions(options["monotone"], sample),
            "num_threads": 1,
            "deterministic": True,
            "force_row_wise": True,
            "seed": seed,
            "verbosity": -1,
        }
        categories = [k for k, feature in enumerate(sample.features) if feature.type == "category"]
        data = lightgbm.Dataset(
            sample.inputs,
            target,
            weight=weights(target, options["class_weight"]),
            categorical_feature=categories or "auto",
            free_raw_data=False,
            params={"verbosity": -1},
        )
        callbacks: list[Any] = [_telling(progress)]
        sets = []
        if held is not None and len(held) and held.truth.sum() > 0:
            sets = [lightgbm.Dataset(held.inputs, held.truth, reference=data)]
            # So long that `least_trees` are there even if the first one was best.
            patience = max(int(options["patience"]), int(options["least_trees"]))
            callbacks.append(lightgbm.early_stopping(patience, verbose=False))
        booster = lightgbm.train(
            parameters,
            data,
            options["trees"],
            valid_sets=sets,
            callbacks=callbacks,
            keep_training_booster=True,  # or only the best trees would be left
        )
        rounds = (
            booster.best_iteration if sets and booster.best_iteration > 0 else booster.current_iteration()
        )
        rounds = min(max(rounds, int(options["least_trees"])), booster.current_iteration())
        text = booster.model_to_string(num_iteration=rounds)

        def raw(other: Sample) -> Floats:
            found: Floats = booster.predict(other.inputs, raw_score=True, num_iteration=rounds)
            return found

        return Fitted(from_lightgbm(text, sample.features), raw, "lightgbm", {"trees": rounds})


class Xgboost:
    """Boosted trees by XGBoost (`pip install xgboost-cpu`): exact splits, categories one-hot."""

    name = "xgboost"
    options: Mapping[str, Any] = {
        "trees": 100,
        "rate": 0.1,
        "max_depth": 3,
        "tree_method": "exact",
        "class_weight": "none",
    }

    def space(self, trial: Any) -> dict[str, Any]:
        return {
            "trees": trial.suggest_int("trees", 25, 400, log=True),
            "max_depth": trial.suggest_int("max_depth", 2, 9),
        }

    def fit(
        self, sample: Sample, held: Sample | None, options: Mapping[str, Any], seed: int, progress: Progress
    ) -> Fitted:
        from riskweave.models.importing import from_xgboost

        xgboost = need("xgboost", "train")
        both_kinds(sample.target, self.name)
        encoding = Encoding.fit(sample.features, sample.inputs, log=False, scale=False)
        model = xgboost.XGBClassifier(
            n_estimators=options["trees"],
            learning_rate=options["rate"],
            max_depth=options["max_depth"],
            tree_method=options["tree_method"],
            base_score=0.5,
            random_state=seed,
            n_jobs=1,
        )
        weight = weights(sample.target, options["class_weight"])
        inputs, truth, weight = as_truths(encoding.inputs(sample.inputs), sample.target, weight)
        model.fit(inputs.astype(np.float32), truth, sample_weight=weight)

        def raw(other: Sample) -> Floats:
            inputs = encoding.inputs(other.inputs).astype(np.float32)
            found: Floats = model.predict(inputs, output_margin=True).astype(np.float64)
            return found

        return Fitted(encoding.attached(from_xgboost(model, encoding.input_features())), raw, "xgboost")


def _directions(monotone: object, sample: Sample) -> list[int]:
    """Return -1, 0 or 1 per feature."""
    if not isinstance(monotone, Mapping):
        raise RiskweaveError("monotone is a map of features to 1 or -1")
    for name, direction in monotone.items():
        if name not in sample.names:
            raise RiskweaveError(
                f"monotone names `{name}`, no feature of the model; {did_you_mean(name, sample.names)}"
            )
        if direction not in (1, -1):
            raise RiskweaveError(f"monotone `{name}` is 1 (more is riskier) or -1, not {direction!r}")
    return [int(monotone.get(name, 0)) for name in sample.names]


def _telling(progress: Progress) -> Any:
    def tell(environment: Any) -> None:
        if environment.iteration % 20 == 0:
            progress(f"tree {environment.iteration}")

    return tell
