"""How likely fraud is: a probability that lies in a column, or the posterior of a network."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from riskweave.batch import Batch
from riskweave.decision.networks.circuit import Circuit
from riskweave.decision.networks.compiled import PosteriorTable, compile_posterior, posterior_many
from riskweave.decision.networks.elimination import posterior
from riskweave.decision.networks.network import Network, read_network
from riskweave.decision.outcome import EvidenceState
from riskweave.decision.spec import EvidenceSpec
from riskweave.document import Node
from riskweave.errors import PolicyError, Span, did_you_mean
from riskweave.expressions.types import Type
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
    others: tuple[str, ...] = ()

    @property
    def rows(self) -> tuple[int, ...]:
        return (self.row,)

    def fill(self, batch: Batch, out: int) -> None:
        kernel.put_belief(batch.values, self.row, self.prior, out)

    def tell(
        self, p: float, seen: NDArray[np.float64], values: Sequence[object]
    ) -> tuple[EvidenceState, ...]:
        score = float(seen[0])
        known = score == score
        moved = log_odds(p) - log_odds(self.prior) if known else 0.0
        # Evidence without a network is told, and moves nothing: who would say how it hangs together?
        others = (
            EvidenceState(name, value, None, 0.0) for name, value in zip(self.others, values, strict=True)
        )
        return (EvidenceState(self.name, score if known else None, None, moved), *others)


@dataclass(frozen=True, eq=False)
class NetworkBelief:
    """The posterior of a node, given evidence that is columns put into states.

    `fraud` are the numbers of the target's states that mean fraud. `nodes` and `cuts` are as
    `kernels.decide.put_states` wants them. Evidence that the network holds for impossible says nothing:
    the prior stands.
    """

    network: Network
    target: str
    fraud: NDArray[np.int64]
    names: tuple[str, ...]
    compiled: PosteriorTable | Circuit
    nodes: NDArray[np.int64]
    cuts: NDArray[np.float64]
    prior: float

    @property
    def rows(self) -> tuple[int, ...]:
        return tuple(self.nodes[:, 0].tolist())

    def fill(self, batch: Batch, out: int) -> None:
        indices = np.empty((len(self.names), batch.size), np.int64)
        kernel.put_states(batch.values, self.nodes, self.cuts, indices)
        kernel.put_posterior(self._posterior(indices), self.fraud, self.prior, batch.values, out)

    def _posterior(self, indices: NDArray[np.int64]) -> NDArray[np.float64]:
        posterior = np.empty((len(self.network[self.target].states), indices.shape[1]))
        posterior_many(self.compiled, indices, posterior)
        return posterior

    def tell(
        self, p: float, seen: NDArray[np.float64], values: Sequence[object]
    ) -> tuple[EvidenceState, ...]:
        size = len(self.names)
        there = self.nodes.copy()
        there[:, 0] = np.arange(size)
        indices = np.empty((size, 1), np.int64)
        kernel.put_states(seen.reshape(-1, 1), there, self.cuts, indices)
        # Column k is the evidence without node k: its number of states means that it was not observed.
        without = np.repeat(indices, size, axis=1)
        np.fill_diagonal(without, self.nodes[:, 4])
        left = np.empty((1, size))
        kernel.put_posterior(self._posterior(without), self.fraud, self.prior, left, 0)
        told = []
        for k, (name, value) in enumerate(zip(self.names, values, strict=True)):
            states = self.network[name].states
            state = int(indices[k, 0])
            moved = 0.0 if state == len(states) else log_odds(p) - log_odds(float(left[0, k]))
            told.append(EvidenceState(name, value, states[state] if state < len(states) else None, moved))
        return tuple(told)


class NetworkReader:
    """Reads the network of a policy, and puts each piece of evidence into the states of its node."""

    def __init__(
        self, node: Node, folder: Path | None, span: Span, target: str | None, fraud: Sequence[str] | None
    ) -> None:
        self.network = read_network(node, folder)
        names = list(self.network.nodes)
        self.target = target or ("fraud" if "fraud" in names else "")
        if self.target not in names:
            message = f"the network has no node `{target}`" if target else "which node is the target?"
            hint = (target and did_you_mean(target, names)) or f"`target:` is one of: {', '.join(names)}"
            raise PolicyError(message, span, hint)
        states = self.network[self.target].states
        if fraud is None and len(states) != 2:
            raise PolicyError(
                f"`{self.target}` has {len(states)} states: which of them mean fraud?",
                span,
                f"as in `fraud: [{states[-1]}]`",
            )
        chosen = fraud or [states[-1]]
        for state in chosen:
            if state not in states:
                raise PolicyError(
                    f"`{self.target}` has no state `{state}`",
                    span,
                    did_you_mean(state, states) or f"states: {', '.join(states)}",
                )
        self.fraud = np.array(sorted({states.index(state) for state in chosen}), np.int64)
        if self.fraud.size == len(states):
            raise PolicyError(f"every state of `{self.target}` means fraud", span)
        self.span = span
        self._rows: list[list[int]] = []
        self._cuts: list[float] = []
        self._names: list[str] = []

    def add(self, spec: EvidenceSpec, row: int, kind: Type, code: Callable[[str], int]) -> None:
        """Take a column as evidence; `code` gives the code of a text."""
        if spec.node not in self.network.nodes:
            raise PolicyError(
                f"the network has no node `{spec.node}`",
                spec.span,
                did_you_mean(spec.node, self.network.nodes) or f"nodes: {', '.join(self.network.nodes)}",
            )
        if spec.node == self.target:
            raise PolicyError(f"`{spec.node}` is what is asked for: it cannot be evidence", spec.span)
        states = self.network[spec.node].states
        for state in (*(spec.states or ()), *([spec.otherwise] if spec.otherwise else [])):
            if state not in states:
                raise PolicyError(
                    f"node `{spec.node}` has no state `{state}`",
                    spec.span,
                    did_you_mean(state, states) or f"states: {', '.join(states)}",
                )
        first = len(self._cuts)
        other = len(states)
        if kind.is_text:
            texts = spec.texts or {state: state for state in spec.states or states}
            self._cuts += [float(code(text)) for text in texts]
            end = len(self._cuts)
            self._cuts += [float(states.index(state)) for state in texts.values()]
            other = states.index(spec.otherwise) if spec.otherwise else len(states)
        else:
            cuts = (0.5,) if kind is Type.BOOL else spec.bands
            if cuts is None:
                raise PolicyError(
                    f"evidence `{spec.node}` is a number: where do its states begin?",
                    spec.span,
                    "as in `bands: [0.1, 0.5]`, or let `riskweave bands` learn them",
                )
            if spec.otherwise is not None:
                raise PolicyError(f"evidence `{spec.node}`: `else` is for texts", spec.span)
            order = spec.states or states
            if len(order) != len(cuts) + 1:
                raise PolicyError(
                    f"{len(cuts)} cuts make {len(cuts) + 1} bands, but node `{spec.node}` has "
                    f"{len(order)} states",
                    spec.span,
                    f"states: {', '.join(order)}",
                )
            self._cuts += cuts
            end = len(self._cuts)
            self._cuts += [float(states.index(state)) for state in order]
        self._rows.append([row, first, end, 0, len(states), int(kind.is_text), other])
        self._names.append(spec.node)

    def belief(self) -> NetworkBelief:
        """Return the belief, with the posterior compiled for all evidence that was added."""
        try:
            prior = posterior(self.network, self.target, {}, {})
            compiled = compile_posterior(self.network, self.target, self._names)
        except PolicyError as error:
            raise error if error.span.file else PolicyError(error.message, self.span, error.hint) from None
        return NetworkBelief(
            self.network,
            self.target,
            self.fraud,
            tuple(self._names),
            compiled,
            np.array(self._rows, np.int64).reshape(-1, 7),
            np.array(self._cuts, np.float64),
            float(prior[self.fraud].sum()),
        )


def log_odds(p: float) -> float:
    """Return ln(p / (1 - p)), finite also where p is 0 or 1.

    >>> log_odds(0.5), round(log_odds(0.0), 1)
    (0.0, -27.6)
    """
    p = min(max(p, CERTAIN), 1.0 - CERTAIN)
    return math.log(p) - math.log1p(-p)
