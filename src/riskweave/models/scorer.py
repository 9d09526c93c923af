"""An artifact as a function: a matrix of features in, log-odds and probabilities out.

What `learning` evaluates with, and what the parity check compares; the engine runs the same
runners on its own columns (plan.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from riskweave.errors import ModelError
from riskweave.models.artifact import Artifact, Blend, Trees
from riskweave.models.curves import make_curves
from riskweave.models.inputs import make_inputs
from riskweave.models.runners import LstmRunner, ProfileRunner, as_log_odds, make_runner
from riskweave.models.tree_shap import prepare as prepare_shap

Floats = NDArray[np.float64]


class Scorer:
    """Scores matrices of features.

    `X` has a column for each of `features` (of a blend: the features of all parts, each once, in
    order); a category is the position of its text in `categories`, -1 when it is not among them;
    null is NaN.

    >>> from riskweave.models.artifact import About, Artifact, Feature, Linear
    >>> about = About(model=Linear(), features=(Feature(name="amount"),))
    >>> weights = {"coefficients": np.array([2.0]), "intercept": np.array([-1.0])}
    >>> scorer = Scorer(Artifact(about, weights))
    >>> scorer.raw(np.array([[0.5], [3.0]])).tolist(), scorer.score(np.array([[0.5]])).tolist()
    ([0.0, 5.0], [0.5])
    """

    def __init__(self, artifact: Artifact, features: Sequence[str] | None = None) -> None:
        self.artifact = artifact
        self.features = tuple(features) if features is not None else artifact.feature_names()
        self._curves = make_curves(artifact.about.calibration)
        model = artifact.about.model
        self._parts = {name: Scorer(part, self.features) for name, part in artifact.parts.items()}
        self._runner = None if isinstance(model, Blend) else make_runner(artifact)
        places = [self.features.index(feature.name) for feature in artifact.about.features]
        self._inputs = make_inputs(artifact.about, artifact.weights, places)

    def inputs(self, X: Floats) -> Floats:
        """Return what the model proper sees: features encoded, filled in and scaled."""
        values = np.ascontiguousarray(np.asarray(X, np.float64).T)
        if values.ndim != 2 or len(values) != len(self.features):
            raise ModelError(f"the matrix must have {len(self.features)} columns: {', '.join(self.features)}")
        return self._inputs.gather(values, np.arange(values.shape[1]))

    def raw(self, X: Floats, lengths: NDArray[np.int64] | None = None) -> Floats:
        """Return log-odds, before calibration.

        For an LSTM, X is (rows, steps, features) and a row's events are `X[row, :lengths[row]]`,
        oldest first; in a blend with one, other parts read each row's last event.
        """
        model = self.artifact.about.model
        if isinstance(model, Blend):
            if model.space == "log_odds":
                parts = [part.weight * self._parts[part.name].raw(X, lengths) for part in model.parts]
                total: Floats = model.intercept + np.sum(parts, axis=0)
                return total
            return as_log_odds(
                np.sum(
                    [p.weight * self._parts[p.name].score(X, lengths=lengths) for p in model.parts], axis=0
                )
            )
        assert self._runner is not None
        if np.ndim(X) != 3:
            return self._runner.raw(self.inputs(X))
        X = np.asarray(X, np.float64)
        rows, steps, _ = X.shape
        sizes = np.full(rows, steps) if lengths is None else np.asarray(lengths, np.int64)
        if sizes.size != rows or (sizes > steps).any():
            raise ModelError("`lengths` must say for each row how many of its steps count")
        if not isinstance(self._runner, LstmRunner):
            last = self._runner.raw(self.inputs(X[np.arange(rows), sizes - 1]))
            return np.where(sizes > 0, last, np.nan)
        inputs = self.inputs(X.reshape(rows * steps, -1)).reshape(rows, steps, -1)
        return self._runner.sequences(inputs, sizes)

    def score(
        self,
        X: Floats,
        segments: Sequence[str | None] | None = None,
        lengths: NDArray[np.int64] | None = None,
    ) -> Floats:
        """Return calibrated probabilities; `segments` are the values of the calibration's segment."""
        raw = self.raw(X, lengths)
        which = np.zeros(raw.size, np.int64)
        if segments is not None and self._curves.numbers:
            which = np.array([self._curves.numbers.get(str(each), 0) for each in segments], np.int64)
        return self._curves.scores(raw, which)

    def nearest(self, X: Floats) -> tuple[Floats, Floats]:
        """Return a profile's cluster and distance."""
        if not isinstance(self._runner, ProfileRunner):
            raise ModelError(f"a {self.artifact.kind} model has no clusters")
        return self._runner.nearest(self.inputs(X))

    def contributions(self, X: Floats) -> Floats:
        """Return what each feature adds to the log-odds, and in the last column where they start from.

        A row adds up to its log-odds; see `riskweave.models.why`.
        """
        from riskweave.models.why import Explainer

        return Explainer(self.artifact, self.features).contributions(X)


def contributions_in_sum(artifact: Artifact, X: Floats) -> Floats:
    """Return TreeSHAP values of the trees' own sum (base and scale applied), as `pred_contrib` gives them."""
    model = artifact.about.model
    assert isinstance(model, Trees)
    scorer = Scorer(artifact)
    shap = prepare_shap(artifact.weights)
    inputs = scorer.inputs(X)
    moved = shap.contributions(inputs) * model.scale
    found = np.zeros((len(inputs), len(artifact.about.features) + 1))
    np.add.at(found.T, scorer._inputs.feature, moved.T)
    found[:, -1] = model.base + model.scale * shap.expected
    return found
