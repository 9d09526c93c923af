"""Fitted scikit-learn estimators as artifacts: read in Python, written as plain arrays.

Read are: logistic regression, linear SVM, pipelines of a scaler (and a Nystroem map) before them,
MLPs, decision trees, random forests, extra trees, gradient boosting by histogram, isolation
forests and k-means. Categories of gradient boosting are positions, or texts that a feature names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskweave.errors import ModelError
from riskweave.models.artifact import (
    About,
    Activation,
    Artifact,
    Calibration,
    Curve,
    Feature,
    Linear,
    Mlp,
    Model,
    Profile,
    Trees,
)  # fmt: skip
from riskweave.models.importing.growing import Fork, Grove, Leaf
from riskweave.models.shapes import check

Floats = NDArray[np.float64]

_EULER = 0.5772156649015329
_ACTIVATIONS: dict[str, Activation] = {
    "identity": "identity", "logistic": "sigmoid", "tanh": "tanh", "relu": "relu",
}  # fmt: skip


def from_sklearn(estimator: Any, features: Sequence[Feature]) -> Artifact:
    """Return a fitted estimator as an artifact; `features` name its columns, in order.

    A pipeline may impute (SimpleImputer), scale (StandardScaler) and map (Nystroem) before the
    model. An SVM's log-odds are its margin: calibrate it.
    """
    about = About(model=Profile(), features=tuple(features))
    steps = [step for _, step in estimator.steps] if hasattr(estimator, "steps") else [estimator]
    weights: dict[str, Any] = {}
    mapped: Any = None
    for step in steps[:-1]:
        name = type(step).__name__
        if step == "passthrough" or step is None:
            continue
        if name == "SimpleImputer":
            weights["input_impute"] = np.asarray(step.statistics_, "<f8")
        elif name == "StandardScaler":
            width = step.n_features_in_
            weights["input_mean"] = np.zeros(width) if not step.with_mean else np.asarray(step.mean_, "<f8")
            weights["input_scale"] = np.ones(width) if not step.with_std else np.asarray(step.scale_, "<f8")
        elif name == "Nystroem":
            mapped = step
        else:
            raise ModelError(f"a pipeline with {name} is not read; do this step in the policy's features")
    model, own, precision, curve = _read(steps[-1], mapped, about.features)
    artifact = Artifact(
        About(
            model=model, features=tuple(features), precision=precision, calibration=Calibration(curve=curve)
        ),
        {**weights, **own},
    )
    check(artifact)
    return artifact


def _read(model: Any, mapped: Any, features: Sequence[Feature]) -> tuple[Model, dict[str, Any], Any, Curve]:
    name = type(model).__name__
    if name == "FrozenEstimator":
        return _read(model.estimator, mapped, features)
    none = Curve()
    if name in (
        "LogisticRegression",
        "LinearSVC",
        "SGDClassifier",
        "LogisticRegressionCV",
        "RidgeClassifier",
    ):
        kind, weights = _linear(model, mapped)
        return kind, weights, "float64", none
    if mapped is not None:
        raise ModelError(f"a Nystroem map before {name} is not read; put a linear model after it")
    if name in ("RandomForestClassifier", "ExtraTreesClassifier", "DecisionTreeClassifier"):
        return *_forest(model), "float32", none
    if name == "IsolationForest":
        return *_isolation(model), "float32", none
    if name == "HistGradientBoostingClassifier":
        return *_boosting(model, features), "float64", none
    if name == "MLPClassifier":
        return *_mlp(model), "float64", none
    if name in ("KMeans", "MiniBatchKMeans"):
        return Profile(), {"centers": np.asarray(model.cluster_centers_, "<f8")}, "float64", none
    raise ModelError(f"{name} is not read; export it to ONNX and use it as such")


def _two_classes(model: Any) -> None:
    if len(model.classes_) != 2:
        raise ModelError(f"the model has {len(model.classes_)} classes; a risk has two")


def _linear(model: Any, mapped: Any) -> tuple[Model, dict[str, Any]]:
    _two_classes(model)
    weights = {
        "coefficients": np.asarray(model.coef_, "<f8").reshape(-1),
        "intercept": np.asarray(model.intercept_, "<f8").reshape(-1)[:1],
    }
    if weights["intercept"].size == 0 or np.ndim(model.intercept_) == 0:
        weights["intercept"] = np.array([float(np.sum(model.intercept_))])
    if mapped is None:
        return Linear(), weights
    if mapped.kernel != "rbf":
        raise ModelError(f"a Nystroem map of the {mapped.kernel} kernel is not read, only rbf")
    weights["components"] = np.asarray(mapped.components_, "<f8")
    weights["normalization"] = np.asarray(mapped.normalization_, "<f8")
    gamma = mapped.gamma if mapped.gamma is not None else 1.0 / mapped.components_.shape[1]
    return Linear(gamma=float(gamma)), weights


def _grow(grove: Grove, tree: Any, values: Floats, columns: Any = None) -> None:
    """Append one tree of scikit-learn's own form."""
    missing = getattr(tree, "missing_go_to_left", None)

    def node(number: int) -> Fork | Leaf:
        cover = float(tree.weighted_n_node_samples[number])
        if tree.children_left[number] < 0:
            return Leaf(float(values[number]), cover)
        read = int(tree.feature[number])
        return Fork(
            read if columns is None else int(columns[read]),
            float(tree.threshold[number]),
            bool(missing[number]) if missing is not None else False,
            int(tree.children_left[number]),
            int(tree.children_right[number]),
            cover,
        )

    grove.add(0, node)


def _forest(model: Any) -> tuple[Model, dict[str, Any]]:
    _two_classes(model)
    estimators = getattr(model, "estimators_", [model])
    grove = Grove()
    for estimator in estimators:
        counts = np.asarray(estimator.tree_.value, np.float64)[:, 0, :]
        _grow(grove, estimator.tree_, counts[:, 1] / counts.sum(axis=1))
    return Trees(link="probability", scale=1.0 / len(estimators)), grove.weights()


def _isolation(model: Any) -> tuple[Model, dict[str, Any]]:
    grove = Grove()
    for estimator, columns in zip(model.estimators_, model.estimators_features_, strict=True):
        tree = estimator.tree_
        depth = np.zeros(tree.node_count)
        for node in range(tree.node_count):
            for child in (tree.children_left[node], tree.children_right[node]):
                if child >= 0:
                    depth[child] = depth[node] + 1
        _grow(grove, tree, depth + _mean_path(tree.n_node_samples), columns)
    typical = float(_mean_path(np.array([model._max_samples]))[0])
    scale = 1.0 / len(model.estimators_)
    return Trees(link="path", scale=scale, typical_path=typical), grove.weights()


def _mean_path(samples: Any) -> Floats:
    """Return the mean path length of unsuccessful searches among so many rows (Liu et al. 2008)."""
    n = np.asarray(samples, np.float64)
    more = np.maximum(n, 3.0) - 1.0
    found: Floats = np.where(
        n <= 1.0,
        0.0,
        np.where(n <= 2.0, 1.0, 2.0 * (np.log(more) + _EULER) - 2.0 * more / np.maximum(n, 1.0)),
    )
    return found


def _boosting(model: Any, features: Sequence[Feature]) -> tuple[Model, dict[str, Any]]:
    _two_classes(model)
    if model.n_features_in_ != sum(feature.inputs for feature in features):
        raise ModelError(f"the model reads {model.n_features_in_} columns: name as many features")
    columns, known = _boosted_columns(model, features)
    grove = Grove()
    for (predictor,) in model._predictors:
        nodes, sets = predictor.nodes, predictor.raw_left_cat_bitsets

        def node(number: int, nodes: Any = nodes, sets: Any = sets) -> Fork | Leaf:
            each = nodes[number]
            if each["is_leaf"]:
                return Leaf(float(each["value"]), float(each["count"]))
            column, missing_left = int(each["feature_idx"]), bool(each["missing_go_to_left"])
            left, right, cover = int(each["left"]), int(each["right"]), float(each["count"])
            if not each["is_categorical"]:
                threshold = float(each["num_threshold"])
                return Fork(columns[column], threshold, missing_left, left, right, cover)
            bits = sets[int(each["bitset_idx"])]
            of_left = {code for code in known[column] if int(bits[code // 32]) >> code % 32 & 1}
            # Texts that training did not see go where null goes; here codes outside a set go right.
            codes = set(known[column]) - of_left if missing_left else of_left
            inside = frozenset(known[column][code] for code in codes)
            if missing_left:
                return Fork(columns[column], 0.0, False, right, left, cover, inside)
            return Fork(columns[column], 0.0, False, left, right, cover, inside)

        grove.add(0, node)
    return Trees(link="log_odds", base=float(np.ravel(model._baseline_prediction)[0])), grove.weights()


def _boosted_columns(model: Any, features: Sequence[Feature]) -> tuple[list[int], dict[int, dict[int, int]]]:
    """Return which input each column of the trees is, and for categories what position each code means.

    The estimator puts categories first, numbered in the order of their values.
    """
    preparation = model._preprocessor
    if preparation is None:
        return list(range(model.n_features_in_)), {}
    of_categories = np.flatnonzero(model.is_categorical_).tolist()
    columns = of_categories + np.flatnonzero(~np.asarray(model.is_categorical_)).tolist()
    known: dict[int, dict[int, int]] = {}
    if not of_categories:
        return columns, known
    values = preparation.named_transformers_["encoder"].categories_
    for number, place in enumerate(of_categories):
        feature = features[place]
        positions = {text: at for at, text in enumerate(feature.categories)}
        known[number] = {}
        for code, value in enumerate(values[number]):
            if value is None or value != value:
                continue
            text = isinstance(value, str)
            at = positions.get(value) if text else int(value)
            if at is None or (not text and (at != value or at < 0)):
                raise ModelError(
                    f"`{feature.name}` was trained with the category {value!r}, which is no position and "
                    f"none of its texts: name it in `categories`"
                )
            known[number][code] = at
    return columns, known


def _mlp(model: Any) -> tuple[Model, dict[str, Any]]:
    _two_classes(model)
    hidden = _ACTIVATIONS[model.activation]
    weights = {}
    for layer, (matrix, bias) in enumerate(zip(model.coefs_, model.intercepts_, strict=True)):
        weights[f"weight_{layer}"] = np.ascontiguousarray(np.asarray(matrix, "<f8").T)
        weights[f"bias_{layer}"] = np.asarray(bias, "<f8")
    activations: tuple[Activation, ...] = (*[hidden] * (len(model.coefs_) - 1), "identity")
    return Mlp(activations=activations), weights
