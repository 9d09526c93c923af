"""How likely fraud is: a probability that lies in a column, or the posterior of a network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from riskweave.batch import Batch
from riskweave.decision.outcome import EvidenceState
from riskweave.kernels import decide as kernel

# Where a probability is 0 or 1 its log-odds are told as if it were this far from it.
CERTAIN = 1e-12


class Belief(Protocol):
    """Fills the row of probabilities, and tells of one event where its probability came from."""

    @property
    def prior(self) -> float: ...

    @property
    def rows(self) -> tuple[int, ...]:
        """Return the rows that `tell` wants to see again."""
        ...

    def fill(self, batch: Batch, out: int) -> None: ...

    def tell(
        self, p: float, seen: NDArray[np.float64], values: Sequence[object]
    ) -> tuple[EvidenceState, ...]:
        """Return what was observed; `seen` are the numbers in `rows`, `values` those of the evidence."""
        ...


@dataclass(frozen=True, slots=True)
class ColumnBelief:
    """A calibrated probability of the policy, such as a model's score; the prior where it is unknown."""

    name: str
    row: int
    prior: float

    @property
    def rows(self) -> tuple[int, ...]:
        return (self.row,)

    def fill(self, batch: Batch, out: int) -> None:
        kernel.put_belief(batch.values, self.row, self.prior, out)

    def tell(
        self, p: float, seen: NDArray[np.float64], values: Sequence[object]
    ) -> tuple[EvidenceState, ...]:
        score = float(seen[0])
        if score != score:
            return (EvidenceState(self.name, None, None, 0.0),)
        return (EvidenceState(self.name, score, None, log_odds(p) - log_odds(self.prior)),)


def log_odds(p: float) -> float:
    """Return ln(p / (1 - p)), finite also where p is 0 or 1.

    >>> log_odds(0.5), round(log_odds(0.0), 1)
    (0.0, -27.6)
    """
    p = min(max(p, CERTAIN), 1.0 - CERTAIN)
    return math.log(p) - math.log1p(-p)
