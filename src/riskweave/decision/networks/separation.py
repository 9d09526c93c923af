"""What a question needs: d-separation, by the Bayes ball.

Shachter, "Bayes-Ball: the rational pastime" (1998): a ball is thrown from the nodes asked about and
bounces through the graph; where it never passes, nothing can matter. One pass finds both the nodes
whose tables matter and the observations that do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from riskweave.decision.networks.node import Network


@dataclass(frozen=True)
class Requisite:
    """What P(targets | observed) depends on: nodes whose tables, and nodes whose observations count."""

    tables: frozenset[str]
    observations: frozenset[str]
    reached: frozenset[str]


def requisite(
    network: Network, targets: Iterable[str], observed: Iterable[str], likelihood: Iterable[str] = ()
) -> Requisite:
    """Throw the ball from `targets`.

    A node with a likelihood is like an unobserved node with an observed child of its own.
    """
    nodes, children = network.nodes, network.children
    hard, soft = set(observed), set(likelihood)
    from_child = list(targets)
    from_parent: list[str] = []
    top: set[str] = set()
    bottom: set[str] = set()
    reached: set[str] = set()
    while from_child or from_parent:
        if from_child:
            name = from_child.pop()
            reached.add(name)
            if name in hard:
                continue
            up, down = True, True
        else:
            name = from_parent.pop()
            reached.add(name)
            up, down = name in hard or name in soft, name not in hard
        if up and name not in top:
            top.add(name)
            from_child.extend(nodes[name].parents)
        if down and name not in bottom:
            bottom.add(name)
            from_parent.extend(children[name])
    return Requisite(frozenset(top), frozenset(reached & (hard | soft)), frozenset(reached))


def d_separated(network: Network, first: str, second: str, given: Iterable[str]) -> bool:
    """Tell whether knowing `second` could never change the belief in `first`, `given` being known."""
    known = set(given)
    if first in known or second in known:
        return True
    return first != second and second not in requisite(network, [first], known).reached
