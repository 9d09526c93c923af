"""What an hour of reviewers' time is worth: the price at which as many reviews are asked for as they can do.

Reviewing an event gains what REVIEW brings more than the best other action. With room for so many,
those with the greatest gains are reviewed, and the gain of the first that is not is the shadow price:
what one more review would bring. Added to the cost of a review, it makes every event decide by itself
what the whole queue would have decided.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HOUR_MS = 3_600_000
REVIEW = 2


@dataclass(frozen=True, slots=True)
class Capacity:
    """The shadow price in the base currency, and what it does over the history.

    `wanted` reviews would be asked for without a price, `asked` are with it (`forced` of them by
    floors, whatever they cost); `room` is what reviewers can do in the history's `hours`; `peak` is the
    most asked for within one hour.
    """

    price: float
    wanted: int
    asked: int
    forced: int
    room: int
    hours: float
    peak: int


def shadow_price(
    utilities: NDArray[np.float64],
    open_actions: NDArray[np.bool_],
    time_ms: NDArray[np.int64],
    per_hour: float,
) -> Capacity:
    """Return the least price of a review with which no more gain from one than there is room for.

    `utilities[action, event]` without any price of capacity (NaN: the action has none);
    `open_actions[action, event]` is what floors and ceilings leave open.
    """
    if not time_ms.size:
        return Capacity(0.0, 0, 0, 0, 0, 0.0, 0)
    worth = np.where(open_actions & ~np.isnan(utilities), utilities, -np.inf)
    review = worth[REVIEW]
    others = np.delete(worth, REVIEW, axis=0)
    gentler, harder = others[:2].max(axis=0), others[2]
    with np.errstate(invalid="ignore"):
        gain = np.where(np.isfinite(review), review - np.maximum(gentler, harder), -np.inf)
    # A review that brings just what BLOCK does is asked for: it is the gentler one.
    wins_ties = harder > gentler
    hours = max((int(time_ms.max()) - int(time_ms.min())) / HOUR_MS, 1.0)
    room = int(per_hour * hours)
    forced = np.isposinf(gain)
    ranked = np.sort(gain[(gain > 0.0) & ~forced])[::-1]
    left = max(room - int(forced.sum()), 0)
    price = float(ranked[left]) if ranked.size > left else 0.0
    wanted = (gain > 0.0) | ((gain == 0.0) & wins_ties)
    asked = (gain > price) | ((gain == price) & wins_ties)
    per = np.bincount((time_ms[asked] - time_ms.min()) // HOUR_MS) if asked.any() else np.zeros(1, np.int64)
    return Capacity(
        price, int(wanted.sum()), int(asked.sum()), int(forced.sum()), room, hours, int(per.max())
    )
