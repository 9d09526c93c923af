"""Liquidity: the liquidity coverage ratio of Basel III and the gaps between what falls due on either side.

BCBS 238 (January 2013), paragraphs 46 to 54, 69, and annex 1 for the caps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from riskweave.errors import RiskweaveError
from riskweave.measures.inputs import Floats, series

HAIRCUT_2A = 0.15
HAIRCUT_2B = 0.5
HAIRCUT_MORTGAGES = 0.25
INFLOWS_MAX = 0.75


@dataclass(frozen=True)
class Coverage:
    """A liquidity coverage ratio and what it is made of."""

    stock: float
    cut_at_15: float
    cut_at_40: float
    inflows_counted: float
    net_outflows: float
    ratio: float


def liquidity_coverage(
    level_1: float,
    outflows: float,
    inflows: float = 0.0,
    level_2a: float = 0.0,
    level_2b: float = 0.0,
    mortgages: float = 0.0,
) -> Coverage:
    """Return high-quality liquid assets over net outflows of 30 days; 1 is the minimum.

    Assets come at market value and get their haircuts here: 2A 15 %, 2B 50 %, mortgage-backed 2B 25 %.
    After them 2B is at most 15 % and 2A with 2B at most 40 % of the stock; inflows count up to 75 % of
    outflows. Without any net outflow the ratio is infinite.
    """
    told = {"level 1": level_1, "level 2A": level_2a, "level 2B": level_2b, "mortgages": mortgages,
            "outflows": outflows, "inflows": inflows}  # fmt: skip
    for name, value in told.items():
        if not (math.isfinite(value) and value >= 0.0):
            raise RiskweaveError(f"{name}: found {value}, expected an amount that is not negative")
    a = level_2a * (1.0 - HAIRCUT_2A)
    b = level_2b * (1.0 - HAIRCUT_2B) + mortgages * (1.0 - HAIRCUT_MORTGAGES)
    over_15 = max(b - 15.0 / 85.0 * (level_1 + a), b - 15.0 / 60.0 * level_1, 0.0)
    over_40 = max(a + b - over_15 - 2.0 / 3.0 * level_1, 0.0)
    stock = level_1 + a + b - over_15 - over_40
    counted = min(inflows, INFLOWS_MAX * outflows)
    net = outflows - counted
    return Coverage(stock, over_15, over_40, counted, net, stock / net if net > 0.0 else math.inf)


@dataclass(frozen=True)
class Gaps:
    """What falls due, bucket by bucket; `survives` is how many whole buckets the reserve lasts."""

    gap: Floats
    cumulative: Floats
    survives: int


def maturity_gaps(due_in: ArrayLike, due_out: ArrayLike, reserve: float = 0.0) -> Gaps:
    """Return inflows less outflows of each bucket of maturities, and their running sum."""
    into, out = series(due_in, "due in", 1), series(due_out, "due out", 1)
    if into.size != out.size:
        raise RiskweaveError(f"due in has {into.size} buckets, due out has {out.size}")
    if not (math.isfinite(reserve) and reserve >= 0.0):
        raise RiskweaveError(f"reserve: found {reserve}, expected an amount that is not negative")
    gap = into - out
    cumulative = np.cumsum(gap)
    short = np.flatnonzero(reserve + cumulative < 0.0)
    return Gaps(gap, cumulative, int(short[0]) if short.size else int(gap.size))
