"""Why a model gave its score: what each feature added to the log-odds.

Exact for linear models (weight times value) and trees (TreeSHAP, path-dependent); integrated
gradients from the mean for networks and kernel machines; each feature's part of the error for an
autoencoder. Where a model adds up probabilities (forests, blends), its parts' contributions are
carried into log-odds by the one slope that keeps the sum exact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskweave.errors import ModelError
from riskweave.models import artifact as form
from riskweave.models import gradients
from riskweave.models.artifact import Artifact
from riskweave.models.inputs import Inputs, make_inputs
from riskweave.models.runners import LstmRunner, as_log_odds, make_runner
from riskweave.models.tree_shap import TreeShap
from riskweave.models.tree_shap import prepare as prepare_shap

Floats = NDArray[np.float64]

_ERROR_LEAST = 1e-12


@dataclass(frozen=True, slots=True)
class Explained:
    """Amounts by feature; `base` plus all of them is `raw`, the log-odds."""

    amounts: Mapping[str, float]
    base: float
    raw: float


class InputExplainer:
    """Explains one model (no blend) from its inputs; a sequence model from the lines of its sequence."""

    def __init__(self, artifact: Artifact, inputs: Inputs) -> None:
        self.artifact = artifact
        self.inputs = inputs
        self.runner = make_runner(artifact)
        self.shap: TreeShap | None = None
        if isinstance(artifact.about.model, form.Trees):
            self.shap = prepare_shap(artifact.weights)

    def explain(self, lines: Floats) -> Explained:
        """Return what the features of one event (one line) or sequence (several) added."""
        amounts, base, raw = self._by_input(lines)
        by_feature = self.inputs.by_feature(amounts)
        names = [feature.name for feature in self.artifact.about.features]
        return Explained(dict(zip(names, by_feature.tolist(), strict=True)), base, raw)

    def _by_input(self, lines: Floats) -> tuple[Floats, float, float]:
        model, weights = self.artifact.about.model, self.artifact.weights
        if isinstance(model, form.Trees):
            return self._trees(model, lines)
        known = np.nan_to_num(lines, nan=0.0, posinf=np.inf, neginf=-np.inf)
        nothing = np.zeros_like(known)
        if isinstance(model, form.Lstm):
            assert isinstance(self.runner, LstmRunner)
            length = np.array([len(lines)])
            raw = float(self.runner.sequences(known[None], length)[0])
            base = float(self.runner.sequences(nothing[None], length)[0])
            amounts = gradients.integrated(
                lambda x: gradients.lstm(weights, model.activations, x), known, raw - base
            )
            return amounts.sum(axis=0), base, raw
        raw, base = float(self.runner.raw(known)[0]), float(self.runner.raw(nothing)[0])
        line = known[0]
        if isinstance(model, form.Linear):
            if model.gamma is None:
                return weights["coefficients"] * line, base, raw
            gamma = model.gamma
            return (
                gradients.integrated(lambda x: gradients.kernel_machine(weights, gamma, x), line, raw - base),
                base,
                raw,
            )
        if isinstance(model, form.Mlp):
            gradient: Callable[[Floats], Floats] = lambda x: gradients.dense(weights, model.activations, x)  # noqa: E731
            return gradients.integrated(gradient, line, raw - base), base, raw
        if isinstance(model, form.Autoencoder):
            back = line
            for layer, activation in enumerate(model.activations):
                back = gradients._VALUES[activation](
                    weights[f"weight_{layer}"] @ back + weights[f"bias_{layer}"]
                )
            error = (back - line) ** 2
            base = float(np.log(_ERROR_LEAST))
            share = error / error.sum() if error.sum() > 0.0 else np.full(line.size, 1.0 / line.size)
            return share * (raw - base), base, raw
        raise ModelError(f"a {self.artifact.kind} model cannot say what moved it")

    def _trees(self, model: form.Trees, lines: Floats) -> tuple[Floats, float, float]:
        assert self.shap is not None
        amounts = self.shap.contributions(lines)[0] * model.scale
        start = model.base + model.scale * self.shap.expected
        raw = float(self.runner.raw(lines)[0])
        if model.link == "log_odds":
            return amounts, start, raw
        at = np.array([start])
        probability = at if model.link == "probability" else np.exp2(-at / model.typical_path)
        base = float(as_log_odds(probability)[0])
        return _carried(amounts, raw - base), base, raw


def _carried(amounts: Floats, difference: float) -> Floats:
    """Return amounts in proportion, adding up to `difference`."""
    total = float(amounts.sum())
    if abs(total) > 1e-300 and np.isfinite(difference / total):
        return amounts * (difference / total)
    return amounts + (difference - total) / max(amounts.size, 1)


def blended(
    model: form.Blend, parts: Mapping[str, Explained], score: Callable[[str, Floats], Floats]
) -> Explained:
    """Return what a blend owes each feature; `score(part, raw)` calibrates a part's log-odds."""
    amounts: dict[str, float] = {}
    if model.space == "log_odds":
        base = model.intercept + sum(part.weight * parts[part.name].base for part in model.parts)
        raw = model.intercept + sum(part.weight * parts[part.name].raw for part in model.parts)
        for part in model.parts:
            for name, amount in parts[part.name].amounts.items():
                amounts[name] = amounts.get(name, 0.0) + part.weight * amount
        return Explained(amounts, base, raw)
    from_, to = 0.0, 0.0
    for part in model.parts:
        each = parts[part.name]
        first, last = score(part.name, np.array([each.base, each.raw])).tolist()
        from_, to = from_ + part.weight * first, to + part.weight * last
        moved = _carried(np.array(list(each.amounts.values())), part.weight * (last - first))
        for name, amount in zip(each.amounts, moved.tolist(), strict=True):
            amounts[name] = amounts.get(name, 0.0) + amount
    base, raw = as_log_odds(np.array([from_, to])).tolist()
    carried = _carried(np.array(list(amounts.values())), raw - base)
    return Explained(dict(zip(amounts, carried.tolist(), strict=True)), base, raw)


class Explainer:
    """Explains rows of a matrix with a column for each of `features`."""

    def __init__(self, artifact: Artifact, features: Sequence[str]) -> None:
        from riskweave.models.curves import make_curves

        self.artifact = artifact
        self.features = tuple(features)
        self.parts = {name: Explainer(part, features) for name, part in artifact.parts.items()}
        self.curves = make_curves(artifact.about.calibration)
        self.own: InputExplainer | None = None
        if not isinstance(artifact.about.model, form.Blend):
            places = [self.features.index(feature.name) for feature in artifact.about.features]
            self.own = InputExplainer(artifact, make_inputs(artifact.about, artifact.weights, places))

    def explain(self, values: Floats) -> Explained:
        """Explain one event (a column of values) or sequence (several columns, oldest first)."""
        model = self.artifact.about.model
        if isinstance(model, form.Blend):
            parts = {name: part.explain(values) for name, part in self.parts.items()}
            return blended(model, parts, lambda name, raw: self.parts[name].score(raw))
        assert self.own is not None
        last = values.shape[1] - 1
        which = np.arange(values.shape[1]) if isinstance(model, form.Lstm) else np.array([last])
        return self.own.explain(self.own.inputs.gather(values, which))

    def score(self, raw: Floats) -> Floats:
        """Return probabilities of log-odds under the curve for all."""
        return self.curves.scores(raw, np.zeros(raw.size, np.int64))

    def contributions(self, X: Floats) -> Floats:
        """Return a row for each of X: what each feature added, and in the last column the base."""
        X = np.asarray(X, np.float64)
        found = np.zeros((len(X), len(self.features) + 1))
        for row in range(len(X)):
            values = np.ascontiguousarray(np.atleast_2d(X[row]).T)
            explained = self.explain(values)
            for name, amount in explained.amounts.items():
                found[row, self.features.index(name)] += amount
            found[row, -1] = explained.base
        return found
