"""The pool of texts stays bounded: what neither plan nor state refers to is dropped between batches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from riskweave.engine.state import State
from riskweave.expressions.strings import StringPool
from riskweave.patterns.state import PatternsState
from riskweave.policy.plan import Plan


def make_room(pool: StringPool, *in_use: tuple[Plan, State | None]) -> None:
    """Drop the texts that no plan is made of and no history or attribute holds, when there are many.

    Codes that stay keep their meaning, so state is left as it is. What was found out about texts is
    found out again: answers of text functions, and what operands match on lists.
    """
    if not pool.crowded:
        return
    used = np.zeros(len(pool), np.bool_)
    for plan, state in in_use:
        used[plan.texts] = True
        if state is None:
            continue
        state.features.mark_texts(plan.features, used)
        state.attributes.mark_texts(used)
        mark_patterns(state.patterns, used)
    if pool.drop(used):
        for state in (each for _, each in in_use if each is not None):
            state.strings.rebuild()
            state.lists.stale = True


def mark_patterns(patterns: PatternsState, used: NDArray[np.bool_]) -> None:
    """Mark what partial matches and waiting events hold: any number there may be the code of a text."""
    for lane in patterns.lanes:
        for values in (lane.kept, lane.waiting.values):
            # NaN compares as false.
            codes = values[(values >= 0) & (values < used.size)]
            used[codes[codes == np.floor(codes)].astype(np.int64)] = True
