"""Value at Risk and expected shortfall: what is lost at worst, and on average beyond that.

Both are losses: positive when money is lost, in the unit of the returns. At level 0.99, VaR is the least
loss that is exceeded with probability 0.01 at most; expected shortfall is the mean of the worst 1 %
(Acerbi and Tasche 2002: of a sample, the order statistic at the edge counts in part).

historical  the sample itself
normal      mean and standard deviation
student     location, scale and degrees of freedom of Student's t, by maximum likelihood
filtered    historical over returns divided by their own volatility and brought to today's (Barone-Adesi,
            Giannopoulos and Vosper 1999; Hull and White 1998): `ewma`, `garch`
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from riskweave.errors import RiskweaveError, did_you_mean
from riskweave.measures.distributions import (
    normal_density,
    normal_quantile,
    student_density,
    student_quantile,
)
from riskweave.measures.inputs import Floats, series, share
from riskweave.measures.simplex import least
from riskweave.measures.volatility import DECAY, Garch, ewma, fit_garch


class Risk(NamedTuple):
    """A Value at Risk and an expected shortfall."""

    var: float
    shortfall: float


@dataclass(frozen=True)
class Student:
    """Student's t, moved and stretched."""

    place: float
    scale: float
    nu: float


def value_at_risk(returns: ArrayLike, level: float = 0.99, method: str = "historical") -> Risk:
    """Return the risk of the period after the returns; `method` is one of METHODS."""
    if method not in METHODS:
        hint = did_you_mean(method, METHODS)
        raise RiskweaveError(
            f"method: found `{method}`, expected {', '.join(METHODS)}" + (f"; {hint}" if hint else "")
        )
    return METHODS[method](series(returns, "returns"), share(level, "level"))


def historical(returns: Floats, level: float) -> Risk:
    """Return the risk of drawing one of these returns again."""
    losses = np.sort(-returns)[::-1]
    beyond = losses.size * (1.0 - level)
    # 1 - 0.99 is a little more than 0.01 in binary: 2.0000000000000018 is two losses.
    whole = math.floor(beyond + 1e-9)
    part = max(beyond - whole, 0.0) if abs(beyond - whole) > 1e-9 else 0.0
    var = float(losses[min(whole, losses.size - 1)])
    tail = math.fsum(losses[:whole].tolist()) + part * var
    return Risk(var, tail / beyond)


def normal(returns: Floats, level: float) -> Risk:
    """Return the risk of a normal with the sample's mean and standard deviation."""
    mean, spread = float(returns.mean()), float(returns.std(ddof=1))
    z = normal_quantile(level)
    return Risk(spread * z - mean, spread * normal_density(z) / (1.0 - level) - mean)


def student(returns: Floats, level: float) -> Risk:
    """Return the risk of the Student's t under which the returns were likeliest."""
    fitted = fit_student(returns)
    nu, t = fitted.nu, student_quantile(level, fitted.nu)
    beyond = student_density(t, nu) / (1.0 - level) * (nu + t * t) / (nu - 1.0)
    return Risk(fitted.scale * t - fitted.place, fitted.scale * beyond - fitted.place)


def filtered_ewma(returns: Floats, level: float) -> Risk:
    """Return the risk of the sample brought to today's exponentially weighted volatility."""
    return filtered(returns, level, ewma(returns, DECAY))


def filtered_garch(returns: Floats, level: float) -> Risk:
    """Return the risk of the sample brought to the volatility that GARCH(1,1) foretells."""
    return filtered(returns, level, fit_garch(returns))


def filtered(returns: Floats, level: float, model: Garch) -> Risk:
    """Return the risk of the sample, each return divided by its own volatility times tomorrow's."""
    spread = np.sqrt(model.variances(returns))
    if not (spread > 0).all():
        raise RiskweaveError("returns: there is a time without any movement, volatility is 0")
    return historical(model.mean + (returns - model.mean) / spread[:-1] * spread[-1], level)


def fit_student(returns: ArrayLike) -> Student:
    """Return the Student's t under which returns were likeliest; degrees of freedom from 1.05 to 500."""
    found = series(returns, "returns", 10)
    middle, spread = float(np.median(found)), float(found.std())
    if spread <= 0.0:
        raise RiskweaveError("returns: all are the same")
    scaled = (found - middle) / spread

    def surprise(x: Floats) -> float:
        place, scale, nu = float(x[0]), math.exp(float(x[1])), _degrees(float(x[2]))
        constant = math.lgamma((nu + 1) / 2) - math.lgamma(nu / 2) - 0.5 * math.log(nu * math.pi)
        z = (scaled - place) / scale
        return float((nu + 1) / 2 * np.mean(np.log1p(z * z / nu))) - constant + float(x[1])

    starts = [np.array([0.0, math.log(0.7), -4.0]), np.array([0.0, -0.05, 0.0])]
    best = least(surprise, min(starts, key=surprise))
    return Student(middle + spread * float(best[0]), spread * math.exp(best[1]), _degrees(float(best[2])))


def _degrees(x: float) -> float:
    return 1.05 + 498.95 / (1.0 + math.exp(-max(min(x, 40.0), -40.0)))


METHODS: dict[str, Callable[[Floats, float], Risk]] = {
    "historical": historical,
    "normal": normal,
    "student": student,
    "ewma": filtered_ewma,
    "garch": filtered_garch,
}
