"""Exposure to a counterparty from paths of value: expected, negative, potential; netted, collateralised.

`values` are (paths, dates), positive where the counterparty owes us. Basel's profiles: BCBS 279.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from riskweave.errors import LimitError, RiskweaveError
from riskweave.measures.inputs import Floats, series, share

CELLS_MAX = 50_000_000


@dataclass(frozen=True)
class Profile:
    """What is at stake at each date, and Basel's averages up to it."""

    expected: Floats
    negative: Floats
    potential: Floats
    effective: Floats
    average: Floats
    effective_average: Floats


def profile(values: ArrayLike, times: ArrayLike, quantile: float = 0.95) -> Profile:
    """Return expected positive and negative exposure (both positive numbers), potential future exposure
    (quantile, at least 0), effective expected exposure, and both averages over time.
    """
    paths, dates = _paths(values, "values"), _times(times)
    if paths.shape[1] != dates.size:
        raise RiskweaveError(f"values have {paths.shape[1]} dates, times {dates.size}")
    expected = np.maximum(paths, 0.0).mean(axis=0)
    negative = np.maximum(-paths, 0.0).mean(axis=0)
    potential = np.maximum(
        np.quantile(paths, share(quantile, "quantile"), axis=0, method="inverted_cdf"), 0.0
    )
    effective = np.maximum.accumulate(expected)
    return Profile(
        expected, negative, potential, effective, over_time(expected, dates), over_time(effective, dates)
    )


def over_time(exposure: ArrayLike, times: ArrayLike) -> Floats:
    """Return the average up to each date, each exposure weighing as long as the time before it.

    At time 0 it is the exposure itself.
    """
    found, dates = series(exposure, "exposure", 1), _times(times)
    if found.size != dates.size:
        raise RiskweaveError(f"exposure has {found.size} dates, times {dates.size}")
    steps = np.diff(dates, prepend=0.0)
    summed = np.cumsum(found * steps)
    return np.divide(summed, dates, out=found.copy(), where=dates > 0.0)


def netted(values: list[ArrayLike]) -> Floats:
    """Return the value of a netting set: its trades' values path by path."""
    if not values:
        raise RiskweaveError("a netting set needs at least one trade")
    paths = [_paths(each, "values") for each in values]
    if len({each.shape for each in paths}) != 1:
        raise RiskweaveError("the trades of a netting set need the same paths and dates")
    return np.asarray(np.sum(paths, axis=0))


@dataclass(frozen=True)
class Agreement:
    """What a credit support annex says; amounts in the currency of the values."""

    threshold_receive: float = 0.0
    threshold_pay: float = 0.0
    least_transfer: float = 0.0
    independent: float = 0.0
    lag: int = 0

    def __post_init__(self) -> None:
        numbers = (self.threshold_receive, self.threshold_pay, self.least_transfer, self.independent)
        if not all(math.isfinite(each) and each >= 0.0 for each in numbers) or self.lag < 0:
            raise RiskweaveError("an agreement's amounts and lag must not be negative")


def collateral(values: ArrayLike, agreement: Agreement) -> Floats:
    """Return the collateral held (negative: posted) at each date; a call comes `lag` dates later."""
    paths = _paths(values, "values")
    called = np.maximum(paths - agreement.threshold_receive, 0.0) - np.maximum(
        -paths - agreement.threshold_pay, 0.0
    )
    held = np.empty_like(paths)
    balance = np.zeros(paths.shape[0])
    for date in range(paths.shape[1]):
        if date >= agreement.lag:
            wanted = called[:, date - agreement.lag]
            moves = np.abs(wanted - balance) >= max(agreement.least_transfer, 1e-300)
            balance = np.where(moves, wanted, balance)
        held[:, date] = balance
    return held + agreement.independent


def secured(values: ArrayLike, agreement: Agreement) -> Floats:
    """Return what is still at stake beyond the collateral."""
    return _paths(values, "values") - collateral(values, agreement)


def _paths(values: ArrayLike, name: str) -> Floats:
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 2 or not found.size:
        raise RiskweaveError(f"{name}: found the shape {found.shape}, expected paths by dates")
    if found.size > CELLS_MAX:
        raise LimitError(f"{name}: found {found.size:,} values, expected at most {CELLS_MAX:,}")
    if not np.isfinite(found).all():
        raise RiskweaveError(f"{name}: expected finite values")
    return found


def _times(times: ArrayLike) -> Floats:
    found = series(times, "times", 1)
    if found[0] < 0.0 or (np.diff(found) <= 0.0).any():
        raise RiskweaveError("times: expected ascending years from 0 on")
    return found
