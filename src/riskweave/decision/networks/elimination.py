"""Answers by variable elimination: posteriors, joint posteriors, the probability of what was seen,
and the most probable explanation.

Only what the question depends on takes part (see `separation`). Evidence is hard, a node's state,
or soft, a likelihood per state: how much more readily what was seen comes about in one state than
in another; only ratios count. Evidence that cannot occur gives NaN, which means unknown here as
everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskweave.decision.networks.factors import Factor, max_out, multiply, restrict, scaled, sum_out
from riskweave.decision.networks.node import Network
from riskweave.decision.networks.ordering import min_fill
from riskweave.decision.networks.separation import requisite
from riskweave.errors import PolicyError, Span

Evidence = Mapping[str, str]
Likelihood = Mapping[str, Sequence[float]]

_NONE: Mapping[str, Sequence[float]] = {}


def posterior(
    network: Network, target: str, evidence: Evidence, likelihood: Likelihood = _NONE
) -> NDArray[np.float64]:
    """Return P(target | evidence), a probability per state of `target`."""
    return joint(network, (target,), evidence, likelihood)


def joint(
    network: Network, targets: Sequence[str], evidence: Evidence, likelihood: Likelihood = _NONE
) -> NDArray[np.float64]:
    """Return P(targets | evidence) with one axis per target, in the order given."""
    question = Question.of(network, evidence, likelihood)
    for target in targets:
        network[target]
    for number, target in enumerate(targets):
        if target in targets[:number]:
            raise PolicyError(f"`{target}` is asked for twice")
    table = question.weights(targets).table
    total = table.sum()
    if not total > 0.0 or question.cannot_occur():
        return np.full(table.shape, np.nan)
    found: NDArray[np.float64] = table / total
    return found


def log_probability(network: Network, evidence: Evidence, likelihood: Likelihood = _NONE) -> float:
    """Return ln P(evidence); -inf when it cannot occur. With likelihoods it is their expected weight."""
    return Question.of(network, evidence, likelihood).log_probability()


def most_probable(network: Network, evidence: Evidence, likelihood: Likelihood = _NONE) -> dict[str, str]:
    """Return the most probable state of every node together, those observed included.

    On a tie the earlier state wins, decided node by node. Raises PolicyError when the evidence
    cannot occur: then nothing explains it.
    """
    question = Question.of(network, evidence, likelihood)
    factors = question.factors(list(network.nodes), everything=True)
    scopes = [factor.variables for factor in factors]
    out = {variable for scope in scopes for variable in scope}
    trace: list[tuple[int, tuple[int, ...], NDArray[np.int64]]] = []
    best = 1.0
    for variable in min_fill(scopes, out, question.sizes):
        bucket = [factor for factor in factors if variable in factor.variables]
        factors = [factor for factor in factors if variable not in factor.variables]
        left, chosen = max_out(multiply(bucket, question.sizes), variable)
        trace.append((variable, left.variables, chosen))
        if left.variables:
            factors.append(left)
        else:
            best = min(best, float(left.table))
    for factor in factors:
        best = min(best, float(factor.table.max()))
    if not best > 0.0:
        raise PolicyError("this evidence cannot occur: its probability is 0", Span("network"))
    states = dict(question.hard_numbers)
    for variable, variables, chosen in reversed(trace):
        states[variable] = int(chosen[tuple(states[each] for each in variables)])
    return {name: node.states[states[question.number[name]]] for name, node in network.nodes.items()}


@dataclass(frozen=True)
class Question:
    """A network and what is known of it, in numbers."""

    network: Network
    number: Mapping[str, int]
    sizes: Mapping[int, int]
    hard: Mapping[str, int]
    soft: Mapping[str, NDArray[np.float64]]

    @staticmethod
    def of(network: Network, evidence: Evidence, likelihood: Likelihood) -> Question:
        """Check the evidence: nodes and states that exist, weights that can be likelihoods."""
        hard = {name: network.state(name, state) for name, state in evidence.items()}
        soft = {name: weights_of(network, name, weights) for name, weights in likelihood.items()}
        number = {name: index for index, name in enumerate(network.nodes)}
        sizes = {number[name]: len(node.states) for name, node in network.nodes.items()}
        return Question(network, number, sizes, hard, soft)

    @property
    def hard_numbers(self) -> dict[int, int]:
        return {self.number[name]: state for name, state in self.hard.items()}

    def factors(self, targets: Sequence[str], everything: bool = False) -> list[Factor]:
        """Return the factors that the question depends on, with what is known put in.

        `everything` asks for the joint probability of targets and evidence, not for a posterior:
        then ancestors count whether separated or not.
        """
        network = self.network
        if everything:
            names = _with_ancestors(network, [*targets, *self.hard, *self.soft])
            soft = set(self.soft)
        else:
            needed = requisite(network, targets, self.hard, self.soft)
            names = set(needed.tables)
            soft = set(needed.observations) & set(self.soft)
        hard = self.hard_numbers
        found = [
            restrict(Factor(tuple(self.number[each] for each in node.family), node.table), hard)
            for name, node in network.nodes.items()
            if name in names
        ]
        found += [
            restrict(Factor((self.number[name],), self.soft[name]), hard)
            for name in network.nodes
            if name in soft
        ]
        return [scaled(factor) for factor in found]

    def log_probability(self) -> float:
        """Return ln P(what is known); -inf when it cannot occur."""
        factors = self.factors([*self.hard, *self.soft], everything=True)
        left = multiply(self.without(factors, keep=()), self.sizes)
        value = float(left.table)
        return math.log(value) + left.scale if value > 0.0 else -math.inf

    def cannot_occur(self) -> bool:
        """Tell whether what is known contradicts itself, be it far from what is asked.

        Only a table with a 0 among those above the evidence can make it so.
        """
        above = _with_ancestors(self.network, [*self.hard, *self.soft])
        if not above & self.network.with_zeros and not any((each == 0).any() for each in self.soft.values()):
            return False
        return self.log_probability() == -math.inf

    def weights(self, targets: Sequence[str]) -> Factor:
        """Return what is proportional to P(targets, evidence), one axis per target."""
        asked = [self.number[name] for name in targets]
        hard = self.hard_numbers
        open_targets = [each for each in asked if each not in hard]
        factors = self.factors([name for name in targets if name not in self.hard])
        left = self.without(factors, keep=open_targets)
        found = multiply(left, self.sizes, last=open_targets)
        # A target that was observed has all its probability in one state.
        table = found.table
        full = np.zeros([self.sizes[each] for each in asked])
        full[tuple(hard[each] if each in hard else slice(None) for each in asked)] = table
        return Factor(tuple(asked), full, found.scale)

    def without(self, factors: list[Factor], keep: Sequence[int]) -> list[Factor]:
        """Return factors over `keep` alone: all other variables are summed out, in min-fill order."""
        scopes = [factor.variables for factor in factors]
        out = {variable for scope in scopes for variable in scope} - set(keep)
        for variable in min_fill(scopes, out, self.sizes):
            bucket = [factor for factor in factors if variable in factor.variables]
            factors = [factor for factor in factors if variable not in factor.variables]
            factors.append(sum_out(multiply(bucket, self.sizes), variable))
        return factors


def weights_of(network: Network, name: str, weights: Sequence[float]) -> NDArray[np.float64]:
    """Return a likelihood as an array; raises PolicyError for what cannot be one."""
    node = network[name]
    array = np.asarray(weights, dtype=np.float64)
    if array.shape != (len(node.states),):
        raise PolicyError(
            f"the likelihood of `{name}` has {array.size} numbers",
            Span("network"),
            f"one per state: {', '.join(node.states)}",
        )
    if not np.isfinite(array).all() or (array < 0).any() or not (array > 0).any():
        raise PolicyError(
            f"the likelihood of `{name}` must be of finite numbers >= 0, not all of them 0", Span("network")
        )
    return array


def _with_ancestors(network: Network, names: Sequence[str]) -> set[str]:
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(network[name].parents)
    return found
