"""A network compiled for one question: the posterior of a node, whatever of the evidence is there.

The posterior for every combination of the evidence nodes' states, "not observed" being one more
state of each, is a table as long as it is small, and a circuit beyond.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskweave.decision.networks.circuit import Circuit, build_circuit
from riskweave.decision.networks.elimination import Question
from riskweave.decision.networks.factors import Factor, multiply
from riskweave.decision.networks.node import Network
from riskweave.errors import PolicyError
from riskweave.kernels import posterior as kernel

# 16 MB of probabilities of two states: the last level of cache of a server, about.
TABLE_CELLS_MAX = 1 << 21


@dataclass(frozen=True, eq=False)
class PosteriorTable:
    """`table[sum(strides * indices)]` is the posterior; an index equal to a node's number of
    states means "not observed"."""

    strides: NDArray[np.int64]
    table: NDArray[np.float64]


def compile_posterior(
    network: Network, target: str, evidence: Sequence[str], table_cells_max: int = TABLE_CELLS_MAX
) -> PosteriorTable | Circuit:
    """Return the compiled posterior of `target` given any states of the nodes `evidence`.

    A table when it has at most `table_cells_max` numbers, a circuit otherwise; raises PolicyError
    when even that would be too large.
    """
    names = list(evidence)
    for number, name in enumerate(names):
        network[name]
        if name == target:
            raise PolicyError(f"`{name}` cannot be evidence for itself")
        if name in names[:number]:
            raise PolicyError(f"`{name}` is evidence twice")
    network[target]
    question = Question.of(network, {}, {})
    lengths = [len(network[name].states) + 1 for name in names]
    # Every evidence node gets an index beside its states: row s picks state s, the last row any.
    first = len(network)
    indices = [first + k for k in range(len(names))]
    sizes = {**question.sizes, **dict(zip(indices, lengths, strict=True))}
    factors = question.factors([target, *names])
    for k, name in enumerate(names):
        states = lengths[k] - 1
        picks = np.vstack([np.eye(states), np.ones(states)])
        factors.append(Factor((indices[k], question.number[name]), picks))
    asked = question.number[target]
    if math.prod(lengths) * sizes[asked] > table_cells_max:
        return build_circuit(factors, sizes, indices, asked)
    keep = [*indices, asked]
    left = Question(network, question.number, sizes, {}, {}).without(factors, keep)
    weights = multiply(left, sizes, last=keep).table.reshape(-1, sizes[asked])
    totals = weights.sum(axis=1, keepdims=True)
    table = np.divide(weights, totals, out=np.full(weights.shape, np.nan), where=totals > 0)
    strides = np.array([math.prod(lengths[k + 1 :]) for k in range(len(names))], np.int64)
    return PosteriorTable(strides, table)


def posterior_many(
    compiled: PosteriorTable | Circuit, indices: NDArray[np.int64], out: NDArray[np.float64]
) -> None:
    """Fill `out[state, event]` from `indices[evidence node, event]`; NaN where evidence cannot occur.

    Indices are trusted: each lies between 0 and its node's number of states, which stands for
    "not observed".
    """
    if isinstance(compiled, Circuit):
        compiled.run(indices, out)
    else:
        kernel.look_up(compiled.table, compiled.strides, indices, out)
