"""The price of reviewers' time, solved over history: so many reviews an hour, and no more."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from riskweave.decision.capacity import Capacity, shadow_price
from riskweave.decision.plan import UtilityPlan
from riskweave.engine.engine import Engine
from riskweave.errors import RiskweaveError
from riskweave.events.readers import read_events

REVIEW = 2


def solve_capacity(engine: Engine, sources: Iterable[Path], per_hour: float) -> Capacity:
    """Carry events through `engine` and return the price at which reviewers can do what is asked."""
    plan = engine.plan.decision
    if not isinstance(plan, UtilityPlan) or not plan.priced[:, REVIEW].any():
        raise RiskweaveError(
            "only a policy that decides by utility, with costs for `review`, has such a price"
        )
    utilities, opened, times = [], [], []
    for chunk in read_events(list(sources), engine.plan.decode.sources):
        events = chunk.table if chunk.table is not None else (chunk.records or ())
        for decisions in engine.decide_blocks(events, chunk.place):
            fresh = decisions.without_repeats()
            assert fresh.kept is not None
            assert fresh.utilities is not None
            worth = fresh.utilities
            worth[REVIEW] += plan.price
            utilities.append(worth)
            opened.append(fresh.kept.open_actions())
            times.append(fresh.time_ms)
    if not times:
        return shadow_price(np.zeros((4, 0)), np.zeros((4, 0), np.bool_), np.zeros(0, np.int64), per_hour)
    return shadow_price(
        np.concatenate(utilities, axis=1), np.concatenate(opened, axis=1), np.concatenate(times), per_hour
    )
