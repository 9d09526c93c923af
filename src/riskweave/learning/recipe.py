"""A recipe says how a model is trained: which trainer, features, options, calibration and seed.

Recipes stand in a YAML file, by name:

    models:
      fast:   {trainer: gbdt, options: {leaves: 15, monotone: {terminal_risk: 1}}, calibrate: isotonic}
      deep:   {trainer: mlp, features: [amount, paid_24h], hold: 0.2}
      both:   {trainer: blend, parts: {fast: 0.6, deep: 0.4}}
      stacked: {trainer: stack, parts: [fast, deep]}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from riskweave.document import Node, read_yaml
from riskweave.errors import RiskweaveError, did_you_mean
from riskweave.learning.calibrate import KINDS
from riskweave.learning.dataset import TEXT, Dataset
from riskweave.learning.sample import CATEGORIES_MAX
from riskweave.learning.trainers.trainer import with_defaults
from riskweave.learning.zoo import BLENDS, TRAINERS, UNCALIBRATED, trainer

# The article's weights of logistic regression, boosted trees and network.
BLEND_DEFAULT = {"logistic_regression": 0.3, "gbdt": 0.4, "mlp": 0.3}


@dataclass(frozen=True)
class Recipe:
    """How one model is trained.

    `features` None means all that the policy has (see `default_features`), less `without`. `hold` is
    the last share of the training period that is kept back for early stopping and calibration; with
    `refit` the model then learns once more from all of the period, as long as was found best.
    """

    name: str
    trainer: str
    features: tuple[str, ...] | None = None
    without: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    calibrate: str = "none"
    segment: str = ""
    hold: float = 0.2
    refit: bool = True
    seed: int = 0
    parts: Mapping[str, float] = field(default_factory=dict)


def ready_recipes() -> dict[str, Recipe]:
    """Return a recipe for every trainer, with its defaults, and a blend and a stack of three of them."""
    recipes = {
        name: Recipe(name, name, calibrate="platt" if name in UNCALIBRATED else "none") for name in TRAINERS
    }
    recipes["blend"] = Recipe("blend", "blend", parts=BLEND_DEFAULT)
    recipes["stack"] = Recipe("stack", "stack", parts=dict.fromkeys(BLEND_DEFAULT, 1.0))
    return recipes


def read_recipes(path: Path) -> dict[str, Recipe]:
    """Return the recipes of a file beside the ready ones; raises PolicyError or RiskweaveError."""
    root = read_yaml(path, path.name)
    root.only("models")
    recipes = ready_recipes()
    for name, node in root.need("models").items():
        recipes[name] = _recipe(name, node)
    for recipe in recipes.values():
        for part in recipe.parts:
            if part not in recipes:
                hint = did_you_mean(part, recipes)
                raise RiskweaveError(f"`{recipe.name}` has a part `{part}`, which is no recipe; {hint}")
    return recipes


def _recipe(name: str, node: Node) -> Recipe:
    node.only(
        "trainer",
        "features",
        "without",
        "options",
        "calibrate",
        "segment",
        "hold",
        "refit",
        "seed",
        "parts",
        "description",
    )
    values = plain(node)
    kind = str(values.get("trainer", name))
    if kind not in BLENDS:
        with_defaults(trainer(kind), values.get("options", {}))
    calibrate = values.get("calibrate", "platt" if kind in UNCALIBRATED else "none")
    if calibrate not in KINDS:
        raise node.need("calibrate").error(
            f"there is no calibration `{calibrate}`", f"one of: {', '.join(KINDS)}"
        )
    hold = float(values.get("hold", 0.2))
    if not 0 <= hold < 1:
        raise node.need("hold").error("`hold` is a share of the training period", "write 0 to 0.9")
    features = values.get("features")
    return Recipe(
        name,
        kind,
        None if features in (None, "all") else tuple(features),
        tuple(values.get("without", ())),
        values.get("options", {}),
        calibrate,
        str(values.get("segment", "")),
        hold,
        bool(values.get("refit", True)),
        int(values.get("seed", 0)),
        _parts(kind, values.get("parts")),
    )


def _parts(kind: str, parts: Any) -> dict[str, float]:
    if kind not in BLENDS:
        return {}
    if parts is None:
        return dict(BLEND_DEFAULT)
    return (
        {name: float(weight) for name, weight in parts.items()}
        if isinstance(parts, dict)
        else dict.fromkeys(parts, 1.0)
    )


def plain(node: Node) -> Any:
    """Return a node's values without their places: maps, lists, numbers, true and false, text."""
    if node.is_map:
        return {name: plain(each) for name, each in node.items()}
    if node.is_list:
        return [plain(each) for each in node.elements()]
    return None if node.is_null else _scalar(node.text(), node.plain)


def _scalar(text: str, unquoted: bool) -> Any:
    """Return what an unquoted scalar means."""
    if not unquoted:
        return text
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def default_features(dataset: Dataset) -> list[str]:
    """Return what a model reads unless told: features and amounts, no moments, ids or crowded texts."""
    names = []
    for name, column in dataset.columns.items():
        if column.kind == "time" or (column.kind == TEXT and len(column.texts) > CATEGORIES_MAX):
            continue
        if (column.is_feature or column.kind in ("money", "float", "bool", TEXT)) and _varies(column.values):
            names.append(name)
    return names


def _varies(values: Any) -> bool:
    seen = values[~np.isnan(values)]
    return bool(seen.size and (seen.size < values.size or seen.min() < seen.max()))
