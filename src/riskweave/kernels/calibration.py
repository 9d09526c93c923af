"""From log-odds to calibrated probabilities, and from one space to the other."""

import math

import numpy as np

from riskweave.kernels.compile import lean_inline_kernel, lean_kernel

NONE = 0
PLATT = 1
BETA = 2
ISOTONIC = 3

# Words of a curve: kind, a, b, c, first point, one past the last point.
KIND = 0
A = 1
B = 2
C = 3
FIRST = 4
LAST = 5
CURVE = 6

_LEAST = 1e-15


@lean_inline_kernel
def sigmoid(x):
    """Return 1 / (1 + exp(-x)), without overflow."""
    if x >= 0.0:
        return 1.0 / (1.0 + math.exp(-x))
    e = math.exp(x)
    return e / (1.0 + e)


@lean_inline_kernel
def logit(p):
    """Return log(p / (1 - p)), p held within [1e-15, 1 - 1e-15]."""
    p = min(max(p, _LEAST), 1.0 - _LEAST)
    return math.log(p / (1.0 - p))


@lean_inline_kernel
def softplus(x):
    """Return log(1 + exp(x)), without overflow."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


@lean_inline_kernel
def calibrated(raw, curves, points, number):
    """Return the probability that curve `number` gives to log-odds."""
    kind = curves[number, KIND]
    if kind == PLATT:
        return sigmoid(curves[number, A] * raw + curves[number, B])
    if kind == BETA:
        # ln p = -softplus(-r), ln(1 - p) = -softplus(r)
        low = softplus(-raw)
        high = softplus(raw)
        return sigmoid(curves[number, B] * high - curves[number, A] * low + curves[number, C])
    if kind == ISOTONIC:
        low = int(curves[number, FIRST])
        high = int(curves[number, LAST])
        if raw <= points[low, 0]:
            return points[low, 1]
        if raw >= points[high - 1, 0]:
            return points[high - 1, 1]
        while high - low > 1:
            middle = (low + high) >> 1
            if points[middle, 0] <= raw:
                low = middle
            else:
                high = middle
        rise = (points[low + 1, 1] - points[low, 1]) / (points[low + 1, 0] - points[low, 0])
        return points[low, 1] + rise * (raw - points[low, 0])
    return sigmoid(raw)


@lean_kernel
def calibrate(raw, curves, points, which, out):
    """Fill `out` with each log-odds' probability under its curve `which[i]`; NaN stays."""
    for i in range(raw.size):
        out[i] = np.nan if raw[i] != raw[i] else calibrated(raw[i], curves, points, which[i])


@lean_kernel
def put_scores(values, raw_row, score_row, raw, curves, points, which):
    """Fill a row of `values` with log-odds and another with their probabilities, as `calibrate` does."""
    for i in range(raw.size):
        values[raw_row, i] = raw[i]
        values[score_row, i] = np.nan if raw[i] != raw[i] else calibrated(raw[i], curves, points, which[i])


@lean_kernel
def log_odds(probability, out):
    """Fill `out` with the log-odds of probabilities."""
    for i in range(probability.size):
        out[i] = logit(probability[i])


@lean_kernel
def path_log_odds(path, typical, out):
    """Fill `out` with the log-odds of 2 ** (-path / typical), an isolation forest's score."""
    for i in range(path.size):
        out[i] = logit(2.0 ** (-path[i] / typical))
