"""What deciding remembers: with hysteresis the last action of a key, and what a network learns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from riskweave.decision.learned import Frozen, LearningState
from riskweave.errors import StateError
from riskweave.kernels.decide import ACTIONS, NUMBERS

if TYPE_CHECKING:
    from riskweave.decision.belief import NetworkBelief
    from riskweave.decision.learned import LearnPlan
    from riskweave.decision.plan import DecisionPlan, Hysteresis

_NETWORK = "network."


class DecisionState:
    """The last action of a key and its time, at the place that the key's hash has in a table of fixed size.

    A key may lose its place to another; then its hysteresis starts anew. `learning` is of a network that
    learns; `given` are its belief and the rows that tell of it, where a record gives them. `numbers`,
    `fraud` and `legitimate` are room for the kernel to work in.
    """

    __slots__ = ("action", "fraud", "given", "key", "learning", "legitimate", "numbers", "time_ms")

    def __init__(
        self,
        key: NDArray[np.uint64],
        time_ms: NDArray[np.int64],
        action: NDArray[np.int8],
        learning: LearningState | Frozen | None = None,
    ) -> None:
        self.key = key
        self.time_ms = time_ms
        self.action = action
        self.learning = learning
        self.given: NDArray[np.float64] | None = None
        self.numbers = np.zeros(NUMBERS)
        self.fraud = np.zeros(ACTIONS)
        self.legitimate = np.zeros(ACTIONS)

    @classmethod
    def create(cls, plan: DecisionPlan) -> DecisionState:
        """Return the state before the first event."""
        hysteresis = hysteresis_of(plan)
        size = 1 if hysteresis is None else hysteresis.keys
        learns = learner_of(plan)
        return cls(
            np.zeros(size, np.uint64),
            np.zeros(size, np.int64),
            np.zeros(size, np.int8),
            None if learns is None else LearningState(*learns),
        )

    @property
    def nbytes(self) -> int:
        return self.key.nbytes + self.time_ms.nbytes + self.action.nbytes

    def describe(self) -> dict[str, object]:
        found: dict[str, object] = {"keys": int(np.count_nonzero(self.key)), "bytes": self.nbytes}
        if isinstance(self.learning, LearningState):
            found["network"] = self.learning.describe()
        return found

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """Return the places in use."""
        places = np.flatnonzero(self.key)
        arrays: dict[str, NDArray[np.generic]] = {
            "place": places.astype(np.int64),
            "key": self.key[places],
            "time_ms": self.time_ms[places],
            "action": self.action[places],
        }
        if isinstance(self.learning, LearningState):
            arrays |= {f"{_NETWORK}{name}": each for name, each in self.learning.snapshot().items()}
        return arrays

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
        learns = learner_of(plan)
        if learns is not None:
            own = {
                name.removeprefix(_NETWORK): each
                for name, each in arrays.items()
                if name.startswith(_NETWORK)
            }
            state.learning = LearningState.restore(*learns, own)
        return state

    @classmethod
    def adopt(cls, old_plan: DecisionPlan, old: DecisionState, plan: DecisionPlan) -> DecisionState:
        """Return the state under another policy: what both remember goes on, the rest starts anew."""
        state = cls.create(plan)
        before, after = hysteresis_of(old_plan), hysteresis_of(plan)
        if before is not None and after is not None and before.identity == after.identity:
            state.key[:], state.time_ms[:], state.action[:] = old.key, old.time_ms, old.action
        learns = learner_of(plan)
        if learns is not None and isinstance(old.learning, LearningState):
            state.learning = old.learning.moved_to(*learns) or state.learning
        return state


def hysteresis_of(plan: DecisionPlan) -> Hysteresis | None:
    return getattr(plan, "hysteresis", None)


def learner_of(plan: DecisionPlan) -> tuple[NetworkBelief, LearnPlan] | None:
    """Return the belief of a network that learns, and how; None for all other plans."""
    belief = getattr(plan, "belief", None)
    learn = getattr(belief, "learn", None)
    return None if belief is None or learn is None else (belief, learn)
