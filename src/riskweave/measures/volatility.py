"""How much a series moves now: exponentially weighted, or GARCH(1,1) fitted by maximum likelihood.

Bollerslev (1986): variance[t + 1] = omega + alpha (r[t] - mean)^2 + beta variance[t]. RiskMetrics (1996):
omega = 0, beta = 0.94 for days. The first variance is the sample's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from riskweave.errors import RiskweaveError
from riskweave.kernels.variances import garch_surprise, garch_variances
from riskweave.measures.inputs import Floats, series, share
from riskweave.measures.simplex import least

DECAY = 0.94
PERSISTENCE_MAX = 0.9999
FIT_MIN = 50


@dataclass(frozen=True)
class Garch:
    """A variance that reverts to its long-run level."""

    mean: float
    omega: float
    alpha: float
    beta: float
    first: float

    @property
    def persistence(self) -> float:
        return self.alpha + self.beta

    @property
    def long_run(self) -> float:
        """The variance to which it reverts; infinite for exponential weights."""
        gap = 1.0 - self.persistence
        return self.omega / gap if gap > 0 else math.inf

    def variances(self, returns: ArrayLike) -> Floats:
        """Return each return's variance as foretold by those before it, and then tomorrow's."""
        found = series(returns, "returns", 1)
        out = np.empty(found.size + 1)
        garch_variances(found - self.mean, self.omega, self.alpha, self.beta, self.first, out)
        return out

    def log_likelihood(self, returns: ArrayLike) -> float:
        """Return the normal log-likelihood of a series."""
        found = series(returns, "returns", 1)
        surprise = garch_surprise(found - self.mean, self.omega, self.alpha, self.beta, self.first)
        return -found.size * (float(surprise) + 0.5 * math.log(2.0 * math.pi))


def ewma(returns: ArrayLike, decay: float = DECAY) -> Garch:
    """Return exponential weights as a model; the mean counts as 0, as in RiskMetrics."""
    found = series(returns, "returns")
    decay = share(decay, "decay")
    return Garch(0.0, 0.0, 1.0 - decay, decay, float(np.mean(found**2)))


def fit_garch(returns: ArrayLike) -> Garch:
    """Return the GARCH(1,1) under which a series was likeliest, its mean taken from the series.

    Sought over the logarithm of the long-run variance and log-odds of persistence and alpha's part of it.
    """
    found = series(returns, "returns", FIT_MIN)
    mean, variance = float(found.mean()), float(found.var())
    if variance <= 0.0:
        raise RiskweaveError("returns: all are the same, there is no variance to fit")
    scale = math.sqrt(variance)
    deviations = np.ascontiguousarray((found - mean) / scale)

    def surprise(x: Floats) -> float:
        omega, alpha, beta = _from_free(x)
        return float(garch_surprise(deviations, omega, alpha, beta, 1.0))

    starts = [(0.0, 0.98, 0.05), (0.0, 0.90, 0.15), (0.0, 0.6, 0.5)]
    free = min((_to_free(*each) for each in starts), key=surprise)
    omega, alpha, beta = _from_free(least(surprise, free))
    return Garch(mean, omega * variance, alpha, beta, variance)


def _to_free(log_variance: float, persistence: float, part: float) -> Floats:
    p = persistence / PERSISTENCE_MAX
    return np.array([log_variance, math.log(p / (1 - p)), math.log(part / (1 - part))])


def _from_free(x: Floats) -> tuple[float, float, float]:
    level, held, part = (float(each) for each in np.clip(x, -40.0, 40.0))
    persistence = PERSISTENCE_MAX / (1.0 + math.exp(-held))
    alpha = persistence / (1.0 + math.exp(-part))
    return math.exp(min(level, 20.0)) * (1.0 - persistence), alpha, persistence - alpha
