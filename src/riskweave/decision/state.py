"""What deciding remembers: with hysteresis, the last action of a key; nothing otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from riskweave.errors import StateError
from riskweave.kernels.decide import ACTIONS, NUMBERS

if TYPE_CHECKING:
    from riskweave.decision.plan import DecisionPlan, Hysteresis


class DecisionState:
    """The last action of a key and its time, at the place that the key's hash has in a table of fixed size.

    A key may lose its place to another; then its hysteresis starts anew. `numbers`, `fraud` and
    `legitimate` are room for the kernel to work in.
    """

    __slots__ = ("action", "fraud", "key", "legitimate", "numbers", "time_ms")

    def __init__(self, key: NDArray[np.uint64], time_ms: NDArray[np.int64], action: NDArray[np.int8]) -> None:
        self.key = key
        self.time_ms = time_ms
        self.action = action
        self.numbers = np.zeros(NUMBERS)
        self.fraud = np.zeros(ACTIONS)
        self.legitimate = np.zeros(ACTIONS)

    @classmethod
    def create(cls, plan: DecisionPlan) -> DecisionState:
        """Return the state before the first event."""
        hysteresis = hysteresis_of(plan)
        size = 1 if hysteresis is None else hysteresis.keys
        return cls(np.zeros(size, np.uint64), np.zeros(size, np.int64), np.zeros(size, np.int8))

    @property
    def nbytes(self) -> int:
        return self.key.nbytes + self.time_ms.nbytes + self.action.nbytes

    def describe(self) -> dict[str, object]:
        return {"keys": int(np.count_nonzero(self.key)), "bytes": self.nbytes}

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """Return the places in use."""
        places = np.flatnonzero(self.key)
        return {
            "place": places.astype(np.int64),
            "key": self.key[places],
            "time_ms": self.time_ms[places],
            "action": self.action[places],
        }

    @classmethod
    def restore(cls, plan: DecisionPlan, arrays: Mapping[str, NDArray[np.generic]]) -> DecisionState:
        """Return the state that `snapshot` took of the same plan."""
        state = cls.create(plan)
        place = arrays["place"].astype(np.int64)
        if place.size and not (place.min() >= 0 and place.max() < state.key.size):
            raise StateError("the snapshot's last actions do not fit; use an older one")
        state.key[place] = arrays["key"].astype(np.uint64)
        state.time_ms[place] = arrays["time_ms"].astype(np.int64)
        state.action[place] = arrays["action"].astype(np.int8)
        return state

    @classmethod
    def adopt(cls, old_plan: DecisionPlan, old: DecisionState, plan: DecisionPlan) -> DecisionState:
        """Return the state under another policy: what both remember goes on, the rest starts anew."""
        before, after = hysteresis_of(old_plan), hysteresis_of(plan)
        if before is None or after is None or before.identity != after.identity:
            return cls.create(plan)
        return cls(old.key.copy(), old.time_ms.copy(), old.action.copy())


def hysteresis_of(plan: DecisionPlan) -> Hysteresis | None:
    return getattr(plan, "hysteresis", None)
