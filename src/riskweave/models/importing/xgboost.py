"""An XGBoost model in its JSON form as an artifact."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from riskweave.errors import ModelError
from riskweave.models.artifact import About, Artifact, Feature, Trees
from riskweave.models.importing.growing import Fork, Grove, Leaf, below, finite
from riskweave.models.shapes import check

TEXT_BYTES_MAX = 512 * 1024 * 1024


def from_xgboost(model: Any, features: Sequence[Feature] | None = None) -> Artifact:
    """Return a binary XGBoost model as an artifact.

    `model` is a Booster or classifier, the path of its JSON, or its text.
    `features` name what its columns are in the policy, in order. Categorical columns are categories
    whose position is XGBoost's code.
    """
    try:
        learner = _document(model)["learner"]
        objective = learner["objective"]["name"]
        booster = learner["gradient_booster"]
        weights_of: list[float] = []
        if booster["name"] == "dart":
            weights_of = [finite(each, "weight_drop") for each in booster["weight_drop"]]
            booster = booster["gbtree"]
        elif booster["name"] != "gbtree":
            raise ModelError(f"booster `{booster['name']}` is not read; train with gbtree")
        if objective not in ("binary:logistic", "binary:logitraw", "reg:logistic"):
            raise ModelError(f"objective `{objective}` gives no probability; train with binary:logistic")
        head = learner["learner_model_param"]
        count = int(head["num_feature"])
        start = finite(str(head["base_score"]).strip("[]").split(",")[0], "base_score")
        base = start if objective == "binary:logitraw" else math.log(start / (1.0 - start))
        if features is None:
            names = learner.get("feature_names") or [f"f{each}" for each in range(count)]
            features = [Feature(name=each) for each in names]
        if len(features) != count or any(feature.inputs != 1 for feature in features):
            raise ModelError(f"the model reads {count} columns: name as many features, one input each")
        grove = Grove()
        trees = booster["model"]["trees"]
        for number, tree in enumerate(trees):
            _grow(tree, grove, weights_of[number] if weights_of else 1.0)
    except (KeyError, TypeError, ValueError, IndexError, ZeroDivisionError) as error:
        raise ModelError(f"this is no XGBoost model in JSON ({error!r})") from None
    if not trees:
        raise ModelError("the model has no trees")
    artifact = Artifact(
        About(model=Trees(link="log_odds", base=base), features=tuple(features), precision="float32"),
        grove.weights(),
    )
    check(artifact)
    return artifact


def _document(model: Any) -> Any:
    if hasattr(model, "get_booster"):
        model = model.get_booster()
    if hasattr(model, "save_raw"):
        return json.loads(bytes(model.save_raw("json")))
    if isinstance(model, (bytes, bytearray)):
        return json.loads(bytes(model))
    if isinstance(model, str) and model.lstrip().startswith("{"):
        return json.loads(model)
    path = Path(model)
    try:
        if path.stat().st_size > TEXT_BYTES_MAX:
            raise ModelError(f"{path} is larger than {TEXT_BYTES_MAX} bytes")
        return json.loads(path.read_text())
    except (OSError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read: {error}") from None


def _grow(tree: Any, grove: Grove, weight: float) -> None:
    left, right = tree["left_children"], tree["right_children"]
    cut, split = tree["split_conditions"], tree["split_indices"]
    default, cover = tree["default_left"], tree["sum_hessian"]
    kinds = tree.get("split_type", [0] * len(left))
    sets = {
        int(node): frozenset(int(each) for each in tree["categories"][begin : begin + size])
        for node, begin, size in zip(
            tree.get("categories_nodes", []), tree.get("categories_segments", []),
            tree.get("categories_sizes", []), strict=True,
        )
    }  # fmt: skip
    seen = 0

    def node(number: int) -> Fork | Leaf:
        nonlocal seen
        seen += 1
        if seen > len(left):
            raise ModelError("a tree does not end")
        if left[number] < 0:
            return Leaf(float(np.float32(cut[number])) * weight, float(cover[number]))
        a, b, missing_left = int(left[number]), int(right[number]), bool(default[number])
        if kinds[number]:
            # XGBoost sends the set to the right; codes it does not know go left.
            return Fork(int(split[number]), 0.0, not missing_left, b, a, float(cover[number]), sets[number])
        return Fork(int(split[number]), below(cut[number]), missing_left, a, b, float(cover[number]))

    grove.add(0, node)
