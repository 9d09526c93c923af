"""What a ranking is worth: loss prevented against the number of events a team looks at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class MoneyPoint:
    """After looking at the `reviewed` riskiest events: the fraud stopped, and what that leaves."""

    reviewed: int
    threshold: float
    frauds: int
    prevented: float
    net: float


def money_curve(
    truth: Floats, score: Floats, amount: Floats, review_cost: float = 0.0, points: int = 50
) -> list[MoneyPoint]:
    """Return points along the ranking by score; a review stops a fraud in full and costs `review_cost`.

    Missing amounts count as nothing. Equal scores keep the order of the events.
    """
    if not truth.size:
        return []
    order = np.argsort(-score, kind="stable")
    lost = np.cumsum(truth[order] * np.nan_to_num(np.maximum(amount[order], 0.0)))
    frauds = np.cumsum(truth[order])
    places = np.unique(np.round(np.geomspace(1, truth.size, points)).astype(np.int64))
    return [
        MoneyPoint(
            reviewed=k,
            threshold=float(score[order[k - 1]]),
            frauds=int(frauds[k - 1]),
            prevented=float(lost[k - 1]),
            net=float(lost[k - 1] - k * review_cost),
        )
        for k in places.tolist()
    ]


def best_net(curve: list[MoneyPoint]) -> MoneyPoint | None:
    """Return the point that leaves the most."""
    return max(curve, key=lambda each: each.net, default=None)
