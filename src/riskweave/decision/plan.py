"""The plan of a decision: which columns hold risk, and the bands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskweave.batch import Batch
from riskweave.decision.spec import Bands
from riskweave.kernels import bands as kernel


@dataclass(frozen=True)
class DecisionPlan:
    """`risk_rows` are the rows of `Batch.values` whose maximum is the score."""

    risk_rows: NDArray[np.int64]
    floor_row: int
    ceiling_row: int
    thresholds: NDArray[np.float64]


def compile_decision(bands: Bands, risk_rows: list[int], floor_row: int, ceiling_row: int) -> DecisionPlan:
    """Return the plan; an action without a band of its own is out of the score's reach."""
    mfa = np.inf if bands.mfa is None else bands.mfa
    thresholds = np.array([-np.inf, mfa, bands.review, bands.block])
    return DecisionPlan(np.array(risk_rows, np.int64), floor_row, ceiling_row, thresholds)


def step(plan: DecisionPlan, batch: Batch) -> None:
    """Fill `batch.score` and `batch.action`."""
    if batch.score.size != batch.size:
        batch.score = np.empty(batch.size)
        batch.action = np.empty(batch.size, np.int8)
    kernel.act(
        batch.values,
        plan.risk_rows,
        plan.floor_row,
        plan.ceiling_row,
        plan.thresholds,
        batch.score,
        batch.action,
    )
