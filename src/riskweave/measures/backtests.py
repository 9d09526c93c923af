"""Was the Value at Risk right? How often it was exceeded, and whether exceedances come in clusters.

Kupiec (1995): unconditional coverage. Christoffersen (1998): independence, conditional coverage. Basel
Committee (1996): the traffic light.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskweave.errors import LimitError, RiskweaveError
from riskweave.measures.distributions import binomial_upto, chi_squared_beyond
from riskweave.measures.inputs import Floats, series, share
from riskweave.measures.value_at_risk import filtered, value_at_risk
from riskweave.measures.volatility import fit_garch

STEPS_MAX = 200_000

# What the Basel Committee adds to the multiplier 3 for 250 days at 99 %.
_ADDED = (0.0, 0.0, 0.0, 0.0, 0.0, 0.40, 0.50, 0.65, 0.75, 0.85)


@dataclass(frozen=True)
class Test:
    """A likelihood ratio and how often chance alone gives a greater one; None where it cannot be computed."""

    ratio: float
    p: float


@dataclass(frozen=True)
class Backtest:
    """What came of Value at Risk over a time."""

    periods: int
    exceeded: int
    level: float
    coverage: Test
    independence: Test
    conditional: Test
    light: str
    multiplier: float

    @property
    def rate(self) -> float:
        return self.exceeded / self.periods


def backtest(exceeded: ArrayLike, level: float = 0.99) -> Backtest:
    """Judge a Value at Risk by the periods in which the loss exceeded it."""
    hits = np.asarray(exceeded)
    if hits.dtype.kind != "b" or hits.ndim != 1 or hits.size < 2:
        raise RiskweaveError("exceeded: expected true or false for at least two periods")
    level = share(level, "level")
    count = int(hits.sum())
    coverage = kupiec(hits.size, count, level)
    independence = christoffersen(hits)
    both = coverage.ratio + independence.ratio
    light, multiplier = traffic_light(hits.size, count, level)
    return Backtest(
        int(hits.size), count, level, coverage, independence,
        Test(both, chi_squared_beyond(both, 2)), light, multiplier,
    )  # fmt: skip


def kupiec(periods: int, exceeded: int, level: float) -> Test:
    """Return whether so many exceedances agree with the level (one degree of freedom)."""
    p = 1.0 - level
    ratio = 2.0 * (
        _log_likelihood(exceeded, periods - exceeded, exceeded / periods)
        - _log_likelihood(exceeded, periods - exceeded, p)
    )
    return Test(max(ratio, 0.0), chi_squared_beyond(ratio, 1))


def christoffersen(exceeded: NDArray[np.bool_]) -> Test:
    """Return whether an exceedance makes another one the day after likelier (one degree of freedom)."""
    before, after = exceeded[:-1], exceeded[1:]
    calm, calm_then = int((~before & ~after).sum()), int((~before & after).sum())
    then_calm, again = int((before & ~after).sum()), int((before & after).sum())
    whole = _log_likelihood(calm_then + again, calm + then_calm, (calm_then + again) / before.size)
    parts = _log_likelihood(calm_then, calm, _part(calm_then, calm)) + _log_likelihood(
        again, then_calm, _part(again, then_calm)
    )
    ratio = max(2.0 * (parts - whole), 0.0)
    return Test(ratio, chi_squared_beyond(ratio, 1))


def traffic_light(periods: int, exceeded: int, level: float) -> tuple[str, float]:
    """Return green, yellow (from 95 % of the binomial on) or red (from 99.99 %), and the multiplier.

    The Committee's multipliers are for 250 days at 99 %; elsewhere they follow from the zone: 3 for green,
    4 for red, for yellow the table's entry at the same cumulative probability.
    """
    chance = binomial_upto(exceeded, periods, 1.0 - level)
    if chance < 0.95:
        return "green", 3.0
    if chance >= 0.9999:
        return "red", 4.0
    for count in range(5, 10):
        if chance <= binomial_upto(count, 250, 0.01) + 1e-12:
            return "yellow", 3.0 + _ADDED[count]
    return "yellow", 3.0 + _ADDED[9]


@dataclass(frozen=True)
class Forecasts:
    """Value at Risk and shortfall of each period from `first` on, from the `window` returns before it."""

    first: int
    var: Floats
    shortfall: Floats
    exceeded: NDArray[np.bool_]


def roll(
    returns: ArrayLike, level: float = 0.99, method: str = "historical", window: int = 250, refit: int = 1
) -> Forecasts:
    """Foretell each period from the `window` returns before it, as one would have done then.

    `refit` says after how many periods GARCH is fitted anew; between, its variance is still updated.
    """
    found = series(returns, "returns")
    if not 20 <= window < found.size:
        raise RiskweaveError(f"window: found {window}, expected 20 to {found.size - 1}")
    if refit < 1:
        raise RiskweaveError(f"refit: found {refit}, expected at least 1")
    steps = found.size - window
    if steps > STEPS_MAX:
        raise LimitError(f"{steps:,} periods to foretell, expected at most {STEPS_MAX:,}")
    var, shortfall = np.empty(steps), np.empty(steps)
    model = None
    for k in range(steps):
        before = found[k : k + window]
        if method == "garch" and refit > 1:
            model = fit_garch(before) if model is None or k % refit == 0 else model
            var[k], shortfall[k] = filtered(before, level, model)
        else:
            var[k], shortfall[k] = value_at_risk(before, level, method)
    return Forecasts(window, var, shortfall, -found[window:] > var)


def _part(some: int, others: int) -> float:
    return some / (some + others) if some + others else 0.0


def _log_likelihood(some: int, others: int, p: float) -> float:
    """Return the log-likelihood of a coin; 0 log 0 is 0."""
    total = 0.0
    if some:
        total += some * math.log(p)
    if others:
        total += others * math.log1p(-p)
    return total
