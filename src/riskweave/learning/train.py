"""From a recipe and a training set to a model: fitted, calibrated, checked, ready to be written."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskweave import __version__
from riskweave.errors import RiskweaveError
from riskweave.learning.calibrate import apply_all, fit_calibration
from riskweave.learning.dataset import TEXT, Dataset
from riskweave.learning.recipe import Recipe, default_features
from riskweave.learning.sample import Sample, sample_of
from riskweave.learning.scoring import gated, sample_for
from riskweave.learning.trainers.trainer import Fitted, Floats, Progress, log_odds, silent, with_defaults
from riskweave.learning.zoo import BLENDS, trainer
from riskweave.models.artifact import About, Artifact, Blend, Calibration, Part, Training

Rows = NDArray[np.int64]

# Of the events learned from, about so many are scored by library and kernels alike.
PARITY_ROWS = 1000

# Options that early stopping finds the right value of.
LENGTHS = ("trees", "epochs")

PACKAGES = {"scikit-learn": "scikit-learn", "lightgbm": "lightgbm", "xgboost": "xgboost", "torch": "torch"}


@dataclass(frozen=True)
class Trained:
    """A model: its artifact, and the scores that the training library and the calibration give.

    `raw(rows)` are log-odds and `score(rows)` probabilities for places in the training set.
    """

    recipe: Recipe
    artifact: Artifact
    raw: Callable[[Rows], Floats]
    score: Callable[[Rows], Floats]
    seconds: float
    notes: Mapping[str, Any] = field(default_factory=dict)


def train(
    recipe: Recipe,
    dataset: Dataset,
    rows: Rows | None = None,
    recipes: Mapping[str, Recipe] | None = None,
    definitions: Mapping[str, str] | None = None,
    progress: Progress = silent,
    taught: Floats | None = None,
) -> Trained:
    """Train one model on the events at `rows` (all whose truth is known by default).

    `taught` is what to learn of every event of the training set instead of its truth, as
    probabilities (see `distill`); the truths still stop and calibrate.

    `recipes` are where a blend finds its parts. `definitions` say what each feature means, and travel
    in the artifact so that a policy in which they mean something else is refused.
    """
    started = time.perf_counter()
    known = np.flatnonzero(~np.isnan(dataset.label)) if rows is None else np.asarray(rows, np.int64)
    if not known.size:
        raise RiskweaveError("there are no events whose truth is known")
    if np.isnan((dataset.label if taught is None else taught)[known]).any():
        raise RiskweaveError("some events to learn from have an unknown truth; split them off first")
    task = _Task(dataset, known, dict(recipes or {}), dict(definitions or {}), progress, taught)
    made = task.blend(recipe) if recipe.trainer in BLENDS else task.single(recipe)
    about = {
        "training": task.training(),
        "seeds": {"numpy": recipe.seed},
        "libraries": _libraries(),
        "notes": {"recipe": _plain_recipe(recipe), **made.notes},
    }
    return replace(made, artifact=made.artifact.with_about(**about), seconds=time.perf_counter() - started)


@dataclass(frozen=True)
class _Task:
    """What all the models of one training share."""

    dataset: Dataset
    rows: Rows
    recipes: Mapping[str, Recipe]
    definitions: Mapping[str, str]
    progress: Progress
    taught: Floats | None = None

    def single(self, recipe: Recipe, rows: Rows | None = None) -> Trained:
        started = time.perf_counter()
        rows = self.rows if rows is None else rows
        sample = self.sample(recipe, rows)
        kind = trainer(recipe.trainer)
        options = with_defaults(kind, recipe.options)
        learned, held = _parts(sample, recipe, options)
        fitted = kind.fit(learned, held, options, recipe.seed, self.progress)
        calibration = self.calibration(recipe, fitted, held)
        if held is not None and recipe.refit:
            lengths = {name: fitted.notes[name] for name in LENGTHS if name in fitted.notes}
            again = kind.fit(sample, None, {**options, **lengths}, recipe.seed, self.progress)
            fitted = replace(again, notes={**fitted.notes, "held_back": len(held)})
        segments = self.segments(recipe.segment)

        def raw(which: Rows) -> Floats:
            return fitted.raw(sample.at(which))

        def score(which: Rows) -> Floats:
            names = None if segments is None else [segments[row] for row in which.tolist()]
            return apply_all(calibration, raw(which), names)

        artifact = fitted.artifact.with_about(calibration=calibration)
        if recipe.trainer != "profiles":
            some = rows[:: max(1, rows.size // PARITY_ROWS)]
            names = None if segments is None else [segments[row] for row in some.tolist()]
            artifact = gated(artifact, sample.at(some), score(some), fitted.library, names)
        return Trained(recipe, artifact, raw, score, time.perf_counter() - started, fitted.notes)

    def blend(self, recipe: Recipe) -> Trained:
        started = time.perf_counter()
        names = list(recipe.parts)
        recipes = [self.part(recipe, name) for name in names]
        if recipe.trainer == "blend":
            made = [self.single(each) for each in recipes]
            total = sum(recipe.parts.values())
            shares, intercept, space = [recipe.parts[name] / total for name in names], 0.0, "probability"
        else:
            # The parts learn from the earlier events, their weights from the later ones.
            sample = self.sample(recipes[0], self.rows)
            early, late = sample.parts_by_time(recipe.hold or 0.2)
            made = [self.single(each, early.rows) for each in recipes]
            shares, intercept = _stacked([each.raw(late.rows) for each in made], late.truth)
            if recipe.refit:
                made = [self.single(each) for each in recipes]
            space = "log_odds"

        def raw(which: Rows) -> Floats:
            if space == "log_odds":
                return (
                    sum((w * each.raw(which) for w, each in zip(shares, made, strict=True)), np.zeros(1))
                    + intercept
                )
            mixed: Floats = sum(
                (w * each.score(which) for w, each in zip(shares, made, strict=True)), np.zeros(1)
            )
            return log_odds(mixed)

        def score(which: Rows) -> Floats:
            return apply_all(Calibration(), raw(which))

        model = Blend(
            parts=tuple(Part(name=name, weight=w) for name, w in zip(names, shares, strict=True)),
            space=space,  # type: ignore[arg-type]
            intercept=intercept,
        )
        parts = {name: each.artifact for name, each in zip(names, made, strict=True)}
        notes = {"weights": dict(zip(names, shares, strict=True))}
        some = self.rows[:: max(1, self.rows.size // PARITY_ROWS)]
        artifact = Artifact(About(model=model), {}, parts)
        artifact = gated(artifact, sample_for(artifact, self.dataset, some), score(some), "riskweave")
        return Trained(recipe, artifact, raw, score, time.perf_counter() - started, notes)

    def part(self, recipe: Recipe, name: str) -> Recipe:
        found = self.recipes.get(name)
        if found is None:
            raise RiskweaveError(f"`{recipe.name}` needs the recipe `{name}`")
        if found.trainer in BLENDS:
            raise RiskweaveError(f"`{recipe.name}`: a part of a blend cannot be a blend (`{name}`)")
        return found

    def sample(self, recipe: Recipe, rows: Rows) -> Sample:
        names = list(recipe.features) if recipe.features is not None else default_features(self.dataset)
        names = [name for name in names if name not in recipe.without]
        sample = sample_of(self.dataset, names, rows, rows, self.definitions)
        return replace(sample, taught=self.taught)

    def calibration(self, recipe: Recipe, fitted: Fitted, held: Sample | None) -> Calibration:
        if recipe.calibrate == "none" or recipe.trainer == "profiles":
            return Calibration()
        if held is None:
            raise RiskweaveError(f"`{recipe.name}`: calibration needs events held back; set hold above 0")
        segments = self.segments(recipe.segment)
        names = None if segments is None else [segments[row] for row in held.rows.tolist()]
        return fit_calibration(recipe.calibrate, fitted.raw(held), held.truth, recipe.segment, names)

    def segments(self, name: str) -> Sequence[str | None] | None:
        if not name:
            return None
        column = self.dataset.column(name)
        if column.kind != TEXT:
            raise RiskweaveError(f"a segment is a text; `{name}` is a {column.kind}")
        return [None if value != value else column.texts[int(value)] for value in column.values.tolist()]

    def training(self) -> Training:
        times = self.dataset.time_ms[self.rows]
        return Training(
            from_ms=int(times.min()),
            until_ms=int(times.max()) + 1,
            rows=int(self.rows.size),
            positives=int(np.nansum(self.dataset.label[self.rows])),
            dataset=self.dataset.fingerprint,
            policy=str(self.dataset.meta.get("policy_version", "")),
        )


def _parts(sample: Sample, recipe: Recipe, options: Mapping[str, Any]) -> tuple[Sample, Sample | None]:
    """Return what to learn from, and what to hold back where stopping or calibration needs it."""
    if recipe.hold == 0 or ("patience" not in options and recipe.calibrate == "none"):
        return sample, None
    learned, held = sample.parts_by_time(recipe.hold)
    held = held.at(held.rows[~np.isnan(held.truth)])
    return (learned, held) if len(learned) and len(held) else (sample, None)


def _stacked(raws: list[Floats], truth: Floats) -> tuple[list[float], float]:
    """Return the weights of the parts' log-odds, none negative, and the intercept."""
    from riskweave.learning.trainers.trainer import need

    if not truth.size or truth.min() == truth.max():
        raise RiskweaveError("a stacked blend needs frauds and legitimate events among those held back")
    inputs = np.column_stack(raws)
    minimize = need("scipy.optimize", "train").minimize

    def loss(parameters: Floats) -> tuple[float, Floats]:
        margin = inputs @ parameters[:-1] + parameters[-1]
        value = np.mean(np.logaddexp(0.0, margin) - truth * margin)
        slope = (np.exp(-np.logaddexp(0.0, -margin)) - truth) / truth.size
        return float(value), np.append(inputs.T @ slope, slope.sum())

    start = np.append(np.full(inputs.shape[1], 1.0 / inputs.shape[1]), 0.0)
    bounds = [(0.0, None)] * inputs.shape[1] + [(None, None)]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return [float(each) for each in found[:-1]], float(found[-1])


def _libraries() -> dict[str, str]:
    found = {"riskweave": __version__, "numpy": np.__version__}
    for name, package in PACKAGES.items():
        try:
            found[name] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _plain_recipe(recipe: Recipe) -> dict[str, Any]:
    return {
        "name": recipe.name,
        "trainer": recipe.trainer,
        "options": dict(recipe.options),
        "calibrate": recipe.calibrate,
        "hold": recipe.hold,
        "refit": recipe.refit,
        "parts": dict(recipe.parts),
    }
