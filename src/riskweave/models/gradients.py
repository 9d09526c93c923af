"""Gradients of networks and kernels by their inputs, many lines at a time, for integrated gradients.

Explaining a network is no part of a decision's way, so this is NumPy, not a kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Weights = Mapping[str, NDArray[Any]]

POINTS = 256


def integrated(gradient: Callable[[Floats], Floats], x: Floats, difference: float) -> Floats:
    """Return integrated gradients (Sundararajan et al. 2017) from 0 to `x`, adding up to `difference`.

    `gradient` maps lines of the shape of `x` to gradients. The path's integral is a sum over POINTS
    midpoints; what that misses is shared out in proportion to the amounts, so the sum is exact.
    """
    alphas = (np.arange(POINTS) + 0.5) / POINTS
    lines = alphas.reshape(-1, *[1] * x.ndim) * x
    amounts: Floats = x * gradient(lines).mean(axis=0)
    size = np.abs(amounts).sum()
    missed = difference - amounts.sum()
    if size > 0.0:
        whole: Floats = amounts + missed * np.abs(amounts) / size
        return whole
    return np.full_like(x, difference / max(x.size, 1)) if difference else amounts


def sigmoid(x: Floats) -> Floats:
    """Return 1 / (1 + exp(-x))."""
    return 1.0 / (1.0 + np.exp(-np.clip(x, -700.0, 700.0)))


_SLOPES: dict[str, Callable[[Floats, Floats], Floats]] = {
    "identity": lambda before, after: np.ones_like(before),
    "relu": lambda before, after: (before > 0.0).astype(np.float64),
    "tanh": lambda before, after: 1.0 - after * after,
    "sigmoid": lambda before, after: after * (1.0 - after),
}
_VALUES: dict[str, Callable[[Floats], Floats]] = {
    "identity": lambda x: x,
    "relu": lambda x: np.maximum(x, 0.0),
    "tanh": np.tanh,
    "sigmoid": sigmoid,
}


def dense(weights: Weights, activations: Sequence[str], x: Floats) -> Floats:
    """Return the gradient of the last layer's one number by each line's inputs."""
    slopes = []
    for layer, activation in enumerate(activations):
        before = x @ weights[f"weight_{layer}"].T + weights[f"bias_{layer}"]
        x = _VALUES[activation](before)
        slopes.append(_SLOPES[activation](before, x))
    back = np.ones_like(x)
    for layer in reversed(range(len(activations))):
        back = (back * slopes[layer]) @ weights[f"weight_{layer}"]
    return back


def kernel_machine(weights: Weights, gamma: float, x: Floats) -> Floats:
    """Return the gradient of a linear model over a Nystroem map."""
    pull = weights["coefficients"] @ weights["normalization"]
    away = x[:, None, :] - weights["components"][None, :, :]
    near = np.exp(-gamma * (away * away).sum(axis=2))
    gradient: Floats = -2.0 * gamma * np.einsum("nc,ncj->nj", near * pull, away)
    return gradient


def lstm(weights: Weights, activations: Sequence[str], x: Floats) -> Floats:
    """Return the gradient of the score by each step's inputs; `x` and the result are (lines, steps, m)."""
    w, u = weights["weight_ih"], weights["weight_hh"]
    bias = weights["bias_ih"] + weights["bias_hh"]
    lines, steps, _ = x.shape
    hidden = u.shape[1]
    h, c = np.zeros((lines, hidden)), np.zeros((lines, hidden))
    kept = []
    for step in range(steps):
        gates = x[:, step] @ w.T + h @ u.T + bias
        enter, keep, new, show = (gates[:, k * hidden : (k + 1) * hidden] for k in range(4))
        enter, keep, new, show = sigmoid(enter), sigmoid(keep), np.tanh(new), sigmoid(show)
        before = c
        c = keep * before + enter * new
        kept.append((enter, keep, new, show, before, np.tanh(c)))
        h = show * np.tanh(c)
    back_h, back_c = dense(weights, activations, h), np.zeros((lines, hidden))
    found = np.zeros_like(x)
    for step in reversed(range(steps)):
        enter, keep, new, show, before, bent = kept[step]
        back_c = back_c + back_h * show * (1.0 - bent * bent)
        gates = np.concatenate(
            [
                back_c * new * enter * (1.0 - enter),
                back_c * before * keep * (1.0 - keep),
                back_c * enter * (1.0 - new * new),
                back_h * bent * show * (1.0 - show),
            ],
            axis=1,
        )
        found[:, step] = gates @ w
        back_h, back_c = gates @ u, back_c * keep
    return found
