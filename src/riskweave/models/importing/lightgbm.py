"""A LightGBM model file (its text form) as an artifact."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from riskweave.errors import ModelError
from riskweave.models.artifact import About, Artifact, Feature, Trees
from riskweave.models.importing.growing import Fork, Grove, Leaf, finite, numbers
from riskweave.models.shapes import check

TEXT_BYTES_MAX = 512 * 1024 * 1024

# Bits of decision_type.
_CATEGORICAL = 1
_DEFAULT_LEFT = 2
_MISSING = {0: "none", 1: "zero", 2: "nan"}
_MULTI = ("lambdarank", "rank_xendcg", "multiclass", "multiclassova", "poisson", "gamma", "tweedie")


def from_lightgbm(model: Any, features: Sequence[Feature] | None = None) -> Artifact:
    """Return a binary LightGBM model as an artifact: a Booster, the path of its file, or its text.

    `features` name what its columns are in the policy, in order; by default they have the names
    they had in training. Categorical columns are categories whose position is LightGBM's code.
    """
    text = _text(model)
    head, trees = _parse(text)
    if head.get("num_class", "1") != "1" or head.get("num_tree_per_iteration", "1") != "1":
        raise ModelError("a model of several classes cannot be a risk; train a binary one")
    objective = head.get("objective", "binary sigmoid:1").split()
    name = objective[0] if objective else "custom"
    if name in _MULTI:
        raise ModelError(f"objective `{name}` gives no probability; train with `binary`")
    slope = next((finite(each[8:], "sigmoid") for each in objective if each.startswith("sigmoid:")), 1.0)
    if name not in ("binary", "cross_entropy", "xentropy"):
        slope = 1.0
    columns = head.get("feature_names", "").split()
    if features is None:
        features = [Feature(name=each) for each in columns]
    if len(features) != len(columns) or any(feature.inputs != 1 for feature in features):
        raise ModelError(f"the model reads {len(columns)} columns: name as many features, one input each")
    grove = Grove()
    zero: set[int] = set()
    other: set[int] = set()
    for tree in trees:
        _grow(tree, grove, zero, other)
    if not trees:
        raise ModelError("the model has no trees")
    if zero & other:
        raise ModelError("a column is missing at zero in one tree and not in another; this is not read")
    weights = grove.weights()
    if zero:
        weights["input_zero_missing"] = np.isin(np.arange(len(columns)), sorted(zero)).astype("|u1")
    count = len(trees)
    scale = slope / count if "average_output" in head else slope
    artifact = Artifact(About(model=Trees(link="log_odds", scale=scale), features=tuple(features)), weights)
    check(artifact)
    return artifact


def _text(model: Any) -> str:
    if hasattr(model, "booster_"):
        model = model.booster_
    if hasattr(model, "model_to_string"):
        return str(model.model_to_string())
    if isinstance(model, Path) or (isinstance(model, str) and "\n" not in model):
        path = Path(model)
        try:
            if path.stat().st_size > TEXT_BYTES_MAX:
                raise ModelError(f"{path} is larger than {TEXT_BYTES_MAX} bytes")
            return path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(f"{path} cannot be read: {error}") from None
    return str(model)


def _parse(text: str) -> tuple[dict[str, str], list[dict[str, str]]]:
    """Return the head's facts and each tree's."""
    if not text.startswith("tree\n"):
        raise ModelError("this is no LightGBM model file: it begins with `tree`")
    body = text.split("\nend of trees", 1)[0]
    parts = re.split(r"\n(?=Tree=\d+\n)", body)
    facts = [_facts(part) for part in parts]
    return facts[0], facts[1:]


def _facts(part: str) -> dict[str, str]:
    found = {}
    for line in part.split("\n"):
        name, _, value = line.partition("=")
        found[name.strip()] = value.strip()
    return found


def _grow(tree: dict[str, str], grove: Grove, zero: set[int], other: set[int]) -> None:
    if tree.get("is_linear", "0") != "0":
        raise ModelError("trees with linear leaves are not read; train without linear_tree")

    def column(name: str) -> list[float]:
        # A threshold is infinite where a test asks only whether the value is missing.
        return numbers(tree.get(name, "").split(), f"`{name}`", bounded=name != "threshold")

    leaf_value = column("leaf_value")
    if int(finite(tree.get("num_leaves", ""), "`num_leaves`")) != len(leaf_value):
        raise ModelError("a tree has another number of leaves than it says")
    counts = column("leaf_count") or [1.0] * len(leaf_value)
    if len(leaf_value) == 1:
        grove.add(-1, lambda _: Leaf(leaf_value[0], counts[0] if counts else 1.0))
        return
    names = ("split_feature", "threshold", "decision_type", "left_child", "right_child", "internal_count")
    split, threshold, decision, left, right, inner = (column(name) for name in names)
    if {len(split), len(threshold), len(decision), len(left), len(right), len(inner)} != {
        len(leaf_value) - 1
    }:
        raise ModelError("a tree's columns have different lengths")
    boundaries = [int(each) for each in column("cat_boundaries")]
    words = [int(each) for each in column("cat_threshold")]
    seen = 0

    def node(number: int) -> Fork | Leaf:
        nonlocal seen
        seen += 1
        if seen > 2 * len(leaf_value):
            raise ModelError("a tree does not end")
        if number < 0:
            at = -1 - number
            if at >= len(leaf_value):
                raise ModelError("a tree leads to a leaf that does not exist")
            return Leaf(leaf_value[at], counts[at])
        if number >= len(split):
            raise ModelError("a tree leads to a node that does not exist")
        kind, feature, cut = int(decision[number]), int(split[number]), threshold[number]
        if kind & _CATEGORICAL:
            at = int(cut)
            if not 0 <= at < len(boundaries) - 1:
                raise ModelError("a tree reads a set of categories that does not exist")
            codes = frozenset(
                32 * place + bit
                for place, word in enumerate(words[boundaries[at] : boundaries[at + 1]])
                for bit in range(32)
                if word >> bit & 1
            )
            other.add(feature)
            return Fork(feature, 0.0, False, int(left[number]), int(right[number]), inner[number], codes)
        missing = _MISSING.get(kind >> 2 & 3, "none")
        (zero if missing == "zero" else other).add(feature)
        # Without missing values in training, NaN is read as 0.
        to_left = cut >= 0.0 if missing == "none" else bool(kind & _DEFAULT_LEFT)
        return Fork(feature, cut, to_left, int(left[number]), int(right[number]), inner[number])

    grove.add(0, node)
