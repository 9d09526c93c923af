"""Calibration: from a model's log-odds to probabilities that come true, fitted on events it has not seen.

The curves are the artifact's: Platt's sigmoid, beta calibration (Kull et al., 2017), isotonic; one for
all, or one per segment where a segment has enough events.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from riskweave.errors import RiskweaveError, did_you_mean
from riskweave.learning.trainers.trainer import need
from riskweave.models.artifact import Calibration, Curve

Floats = NDArray[np.float64]

KINDS = ("none", "platt", "beta", "isotonic")
SEGMENT_FRAUDS_MIN = 20
SEGMENT_EVENTS_MIN = 200


def fit_curve(kind: str, raw: Floats, truth: Floats) -> Curve:
    """Return the curve of that kind that fits the truth best; `none` fits nothing."""
    if kind not in KINDS:
        raise RiskweaveError(
            f"there is no calibration `{kind}`; {did_you_mean(kind, KINDS) or ', '.join(KINDS)}"
        )
    if kind == "none":
        return Curve()
    if not truth.size or truth.min() == truth.max():
        raise RiskweaveError("calibration needs frauds and legitimate events among those held back")
    if kind == "platt":
        return _platt(raw, truth)
    return _beta(raw, truth) if kind == "beta" else _isotonic(raw, truth)


def fit_calibration(
    kind: str,
    raw: Floats,
    truth: Floats,
    segment: str = "",
    segments: Sequence[str | None] | None = None,
) -> Calibration:
    """Return a curve for all, and one for each of `segments` that has 20 frauds among 200 events or more."""
    curve = fit_curve(kind, raw, truth)
    if not segment or segments is None or kind == "none":
        return Calibration(curve=curve)
    names = np.array([name if name is not None else "" for name in segments], object)
    curves = {}
    for name in sorted(set(names.tolist()) - {""}):
        rows = names == name
        frauds = truth[rows].sum()
        if rows.sum() >= SEGMENT_EVENTS_MIN and SEGMENT_FRAUDS_MIN <= frauds < rows.sum():
            curves[name] = fit_curve(kind, raw[rows], truth[rows])
    return Calibration(curve=curve, segment=segment, segments=curves)


def apply(curve: Curve, raw: Floats) -> Floats:
    """Return the probabilities that a curve gives to log-odds."""
    found: Floats
    if curve.kind == "isotonic":
        found = np.interp(raw, curve.x, curve.y)
    elif curve.kind == "platt":
        found = sigmoid(curve.a * raw + curve.b)
    elif curve.kind == "beta":
        found = sigmoid(curve.a * -np.logaddexp(0, -raw) + curve.b * np.logaddexp(0, raw) + curve.c)
    else:
        found = sigmoid(raw)
    return found


def apply_all(calibration: Calibration, raw: Floats, segments: Sequence[str | None] | None = None) -> Floats:
    """Return each event's probability by its segment's curve."""
    found = apply(calibration.curve, raw)
    if segments is not None:
        names = np.array([name if name is not None else "" for name in segments], object)
        for name, curve in calibration.segments.items():
            rows = names == name
            found[rows] = apply(curve, raw[rows])
    return found


def sigmoid(x: Floats) -> Floats:
    """Return 1 / (1 + exp(-x)) without overflow."""
    found: Floats = np.exp(-np.logaddexp(0.0, -x))
    return found


def _platt(raw: Floats, truth: Floats) -> Curve:
    """Fit a sigmoid to targets a little inside 0 and 1, as Platt does against certainty from few events."""
    frauds, others = truth.sum(), truth.size - truth.sum()
    target = np.where(truth > 0, (frauds + 1) / (frauds + 2), 1 / (others + 2))
    a, b = _logistic(np.column_stack([raw]), target, start=[1.0, 0.0])
    return Curve(kind="platt", a=a, b=b)


def _beta(raw: Floats, truth: Floats) -> Curve:
    """Fit sigmoid(a ln p - b ln(1 - p) + c), a and b not negative."""
    low, high = -np.logaddexp(0, -raw), np.logaddexp(0, raw)
    a, b, c = _logistic(np.column_stack([low, high]), truth, start=[1.0, 1.0, 0.0])
    if a < 0:
        (b, c), a = _logistic(np.column_stack([high]), truth, start=[1.0, 0.0]), 0.0
    elif b < 0:
        (a, c), b = _logistic(np.column_stack([low]), truth, start=[1.0, 0.0]), 0.0
    return Curve(kind="beta", a=a, b=b, c=c)


def _isotonic(raw: Floats, truth: Floats) -> Curve:
    model = need("sklearn.isotonic", "train").IsotonicRegression(out_of_bounds="clip")
    model.fit(raw, truth)
    x = np.asarray(model.X_thresholds_, np.float64)
    # Nothing is certain from n events: hold probabilities half an event away from 0 and 1.
    edge = 0.5 / (truth.size + 1)
    y = np.clip(np.asarray(model.y_thresholds_, np.float64), edge, 1 - edge)
    kept = np.append(True, np.diff(x) > 0)
    return Curve(kind="isotonic", x=tuple(x[kept].tolist()), y=tuple(np.maximum.accumulate(y[kept]).tolist()))


def _logistic(inputs: Floats, target: Floats, start: list[float]) -> tuple[float, ...]:
    """Return coefficients and intercept of least log loss (with a trace of ridge, for separable data)."""
    minimize = need("scipy.optimize", "train").minimize
    origin = np.array(start)

    def loss(parameters: Floats) -> tuple[float, Floats]:
        margin = inputs @ parameters[:-1] + parameters[-1]
        value = np.mean(np.logaddexp(0.0, margin) - target * margin)
        slope = (sigmoid(margin) - target) / target.size
        away = parameters - origin
        gradient = np.append(inputs.T @ slope, slope.sum()) + 2e-6 * away
        return float(value + 1e-6 * away @ away), gradient

    found = minimize(loss, origin, jac=True, method="L-BFGS-B", options={"maxiter": 500, "ftol": 1e-14})
    return tuple(float(each) for each in found.x)
