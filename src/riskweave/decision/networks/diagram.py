"""Influence diagrams: a network with decisions and utilities, and what the best strategy brings.

Nothing is forgotten: who decides knows what was known at earlier decisions, and those decisions.
Solved by taking variables out, the last first: what is seen after the last decision is summed out,
then that decision is maximized over, and so on back (Jensen, Jensen and Dittmer, "From influence
diagrams to junction trees", 1994). Utilities are kept as sums, each beside the probabilities that
weigh it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskweave.decision.networks.elimination import joint
from riskweave.decision.networks.factors import Factor, check_size, multiply, restrict
from riskweave.decision.networks.node import Network, Node
from riskweave.decision.networks.ordering import min_fill
from riskweave.errors import PolicyError, did_you_mean


@dataclass(frozen=True)
class Decision:
    """A choice: its options, and which nodes are newly known when it is made."""

    name: str
    options: tuple[str, ...]
    observed: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Utility:
    """What an outcome brings: `table` has one axis per parent (chance nodes and decisions)."""

    name: str
    parents: tuple[str, ...]
    table: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Policy:
    """The best option for everything that may be known: `best` has one axis per node of `known`.

    `known` are the nodes that the choice depends on, of those known then.
    """

    known: tuple[str, ...]
    best: NDArray[np.int64]


@dataclass(frozen=True)
class Solution:
    """The greatest expected utility, and the strategy that reaches it (the first option on a tie)."""

    expected_utility: float
    policies: Mapping[str, Policy]


class Diagram:
    """Chance nodes, decisions in the order they are made, and utilities that add up.

    Chance nodes may have decisions as parents. Raises PolicyError for what cannot be a diagram: names
    that are not there, tables of the wrong shape, a decision informed by what it or a later one causes.
    """

    def __init__(
        self, chance: Sequence[Node], decisions: Sequence[Decision], utilities: Sequence[Utility]
    ) -> None:
        # As nodes without a preference, decisions make the whole a network, which checks it.
        loose = [
            Node(each.name, each.options, (), np.full(len(each.options), 1.0 / max(len(each.options), 1)))
            for each in decisions
        ]
        self.network = Network([*loose, *chance])
        self.decisions = tuple(decisions)
        self.utilities = tuple(utilities)
        names = {each.name for each in decisions}
        known: set[str] = set()
        for number, decision in enumerate(decisions):
            later = {each.name for each in decisions[number:]}
            for name in decision.observed:
                self._check_known(name, f"decision `{decision.name}`")
                if name in names or name in known:
                    raise PolicyError(
                        f"decision `{decision.name}` lists `{name}`, which is known already",
                        None,
                        "earlier decisions and what they knew are never forgotten: leave it out",
                    )
                if later & self._causes(name):
                    raise PolicyError(
                        f"decision `{decision.name}` cannot know `{name}`, which follows from it or from a "
                        "later one"
                    )
            known |= set(decision.observed)
        for utility in utilities:
            for name in utility.parents:
                self._check_known(name, f"utility `{utility.name}`")
            shape = tuple(len(self.network[name].states) for name in utility.parents)
            if np.shape(utility.table) != shape:
                raise PolicyError(
                    f"the table of utility `{utility.name}` has the shape {np.shape(utility.table)}",
                    None,
                    f"one axis per parent: {shape}",
                )
            if not np.isfinite(utility.table).all():
                raise PolicyError(f"utility `{utility.name}` holds a number that is not finite")

    def solve(self, evidence: Mapping[str, str] | None = None) -> Solution:
        """Return the best strategy when `evidence` is known before the first decision."""
        return _Solver(self, evidence or {}).solve()

    def informed(self, decision: str, name: str) -> Diagram:
        """Return the diagram in which `name` is known at `decision` too."""
        listed = [
            Decision(each.name, each.options, (*each.observed, name)) if each.name == decision else each
            for each in self.decisions
        ]
        later = [
            Decision(each.name, each.options, tuple(n for n in each.observed if n != name))
            if number > [d.name for d in listed].index(decision)
            else each
            for number, each in enumerate(listed)
        ]
        decided = {each.name for each in self.decisions}
        chance = [node for node in self.network.nodes.values() if node.name not in decided]
        return Diagram(chance, later, self.utilities)

    def value_of_information(
        self, decision: str, name: str, evidence: Mapping[str, str] | None = None
    ) -> float:
        """Return how much more the best strategy brings when `name` is known at `decision`; >= 0."""
        self.network[name]
        if decision not in [each.name for each in self.decisions]:
            raise PolicyError(f"there is no decision `{decision}`")
        place = [each.name for each in self.decisions].index(decision)
        if any(name in each.observed for each in self.decisions[: place + 1]) or name in (evidence or {}):
            return 0.0
        with_it = self.informed(decision, name).solve(evidence).expected_utility
        return max(with_it - self.solve(evidence).expected_utility, 0.0)

    def _check_known(self, name: str, who: str) -> None:
        if name not in self.network.nodes:
            raise PolicyError(
                f"{who} names `{name}`, which is no node", None, did_you_mean(name, self.network.nodes)
            )

    def _causes(self, name: str) -> set[str]:
        """Return the node and all it depends on."""
        found: set[str] = set()
        waiting = [name]
        while waiting:
            each = waiting.pop()
            if each not in found:
                found.add(each)
                waiting.extend(self.network[each].parents)
        return found


def value_of_test(
    network: Network,
    target: str,
    test: str,
    utilities: NDArray[np.float64],
    evidence: Mapping[str, str],
    likelihood: Mapping[str, Sequence[float]] | None = None,
) -> float:
    """Return the value of seeing `test` before acting: never below 0, 0 when no answer changes the act.

    `utilities[action, state of target]`. VOI = sum_t P(t | e) max_a EU(a | e, t) - max_a EU(a | e).
    NaN when the evidence cannot occur.
    """
    both = joint(network, (target, test), evidence, likelihood or {})
    if np.isnan(both).any():
        return float("nan")
    return value_of_answers(both, utilities)


def value_of_answers(joint_of: NDArray[np.float64], utilities: NDArray[np.float64]) -> float:
    """Return the value of an answer, `joint_of[state, answer]` being its joint probability with the state."""
    expected = utilities @ joint_of
    at_once = int(expected.sum(axis=1).argmax())
    # Each answer's gain over the act chosen without it: a sum of what is not negative.
    return float((expected.max(axis=0) - expected[at_once]).sum())


class _Solver:
    """Takes variables out of probabilities and utilities, one after the other."""

    def __init__(self, diagram: Diagram, evidence: Mapping[str, str]) -> None:
        network = diagram.network
        self.diagram = diagram
        self.number = {name: index for index, name in enumerate(network.nodes)}
        self.names = list(network.nodes)
        self.sizes = {self.number[name]: len(node.states) for name, node in network.nodes.items()}
        decided = {each.name for each in diagram.decisions}
        for name in evidence:
            if decided & diagram._causes(name):
                raise PolicyError(f"`{name}` cannot be evidence: it follows from a decision")
        self.known = {self.number[name]: network.state(name, state) for name, state in evidence.items()}
        self.chances = [
            restrict(Factor(tuple(self.number[each] for each in node.family), node.table), self.known)
            for name, node in network.nodes.items()
            if name not in decided
        ]
        self.gains = [
            restrict(
                Factor(
                    tuple(self.number[each] for each in utility.parents),
                    np.asarray(utility.table, np.float64),
                ),
                self.known,
            )
            for utility in diagram.utilities
        ]

    def solve(self) -> Solution:
        decisions = [self.number[each.name] for each in self.diagram.decisions]
        seen = {self.number[name] for each in self.diagram.decisions for name in each.observed}
        hidden = set(self.number.values()) - seen - set(decisions) - set(self.known)
        policies: dict[str, Policy] = {}
        self._sum_all(hidden)
        for decision in reversed(self.diagram.decisions):
            policies[decision.name] = self._maximize(self.number[decision.name])
            self._sum_all({self.number[name] for name in decision.observed} - set(self.known))
        chance = multiply(self.chances, self.sizes)
        if not float(chance.table) > 0.0:
            raise PolicyError("this evidence cannot occur: its probability is 0")
        total = sum(float(gain.table) for gain in self.gains)
        return Solution(total, dict(reversed(policies.items())))

    def _sum_all(self, variables: set[int]) -> None:
        scopes = [factor.variables for factor in (*self.chances, *self.gains)]
        for variable in min_fill(scopes, variables, self.sizes):
            self._sum_out(variable)

    def _sum_out(self, variable: int) -> None:
        chances = [each for each in self.chances if variable in each.variables]
        gains = [each for each in self.gains if variable in each.variables]
        self.chances = [each for each in self.chances if variable not in each.variables]
        self.gains = [each for each in self.gains if variable not in each.variables]
        chance = multiply(chances, self.sizes)
        axis = chance.variables.index(variable) if variable in chance.variables else None
        left = Factor(
            tuple(each for each in chance.variables if each != variable),
            chance.table.sum(axis=axis) if axis is not None else chance.table,
            chance.scale,
        )
        if gains:
            gain = self._add(gains)
            variables = tuple(dict.fromkeys([*chance.variables, *gain.variables]))
            check_size([self.sizes[each] for each in variables])
            at = variables.index(variable)
            weighed = (chance.aligned(variables) * gain.aligned(variables)).sum(axis=at)
            outer = variables[:at] + variables[at + 1 :]
            weight = np.broadcast_to(left.aligned(outer), weighed.shape)
            # What cannot happen brings nothing.
            mean = np.divide(weighed, weight, out=np.zeros(weighed.shape), where=weight > 0)
            self.gains.append(Factor(outer, mean))
        self.chances.append(left)

    def _maximize(self, variable: int) -> Policy:
        # Probabilities do not depend on what is decided after them: any option's row will do, but
        # where an option makes the past impossible its row is 0, so the greatest is taken.
        chances = []
        for each in self.chances:
            if variable in each.variables:
                axis = each.variables.index(variable)
                rest = each.variables[:axis] + each.variables[axis + 1 :]
                chances.append(Factor(rest, each.table.max(axis=axis), each.scale))
            else:
                chances.append(each)
        self.chances = chances
        gains = [each for each in self.gains if variable in each.variables]
        self.gains = [each for each in self.gains if variable not in each.variables]
        if not gains:
            return Policy((), np.zeros((), np.int64))
        gain = self._add(gains)
        axis = gain.variables.index(variable)
        rest = gain.variables[:axis] + gain.variables[axis + 1 :]
        self.gains.append(Factor(rest, gain.table.max(axis=axis)))
        best = np.asarray(gain.table.argmax(axis=axis), np.int64)
        return Policy(tuple(self.names[each] for each in rest), best)

    def _add(self, gains: Sequence[Factor]) -> Factor:
        variables = tuple(dict.fromkeys(each for gain in gains for each in gain.variables))
        check_size([self.sizes[each] for each in variables])
        table = np.zeros([self.sizes[each] for each in variables])
        for gain in gains:
            table = table + gain.aligned(variables)
        return Factor(variables, table)
