"""Structures for a class and its evidence: naive, or a tree learned from cases.

Tree-augmented naive Bayes (Friedman, Geiger and Goldszmidt, "Bayesian network classifiers", 1997):
every evidence node depends on the class and on at most one other evidence node; the tree is the one
of greatest total mutual information given the class, a maximum spanning tree (Chow and Liu 1968).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from riskweave.decision.networks.learning import Codes, Learner, LearningSpec
from riskweave.decision.networks.node import Network, Node
from riskweave.errors import PolicyError, did_you_mean

States = Mapping[str, tuple[str, ...]]


def naive_bayes(states: States, target: str) -> Network:
    """Return the network in which every node depends on `target` alone, with uniform tables."""
    _check_target(states, target)
    return _uniform(states, {name: () if name == target else (target,) for name in states}, target)


def tree_augmented(states: States, target: str, codes: Codes) -> Network:
    """Return the tree-augmented structure for these cases, with uniform tables.

    `codes` are columns of states' numbers, -1 being unknown; a pair of nodes is judged by the cases
    in which both and the target are known. The first evidence node is the tree's root; on a tie the
    edge of earlier nodes wins.
    """
    _check_target(states, target)
    names = [name for name in states if name != target]
    parents: dict[str, tuple[str, ...]] = {target: ()}
    if names:
        parents[names[0]] = (target,)
        best = {name: (information(states, target, names[0], name, codes), names[0]) for name in names[1:]}
        while best:
            # Prim: the outside node with the strongest tie to the tree comes next.
            name = max(best, key=lambda each: best[each][0])
            _, inside = best.pop(name)
            parents[name] = (target, inside)
            for other, (strength, _) in best.items():
                found = information(states, target, name, other, codes)
                if found > strength:
                    best[other] = found, name
    return _uniform(states, parents, target)


def learn_tree_augmented(
    states: States, target: str, codes: Codes, spec: LearningSpec | None = None
) -> Network:
    """Return the tree-augmented network with tables learned from the same cases."""
    learner = Learner(tree_augmented(states, target, codes), spec or LearningSpec(1.0))
    learner.fit(codes)
    return learner.network


def information(states: States, target: str, first: str, second: str, codes: Codes) -> float:
    """Return I(first; second | target) in nats, of the cases in which all three are known."""
    columns = [codes[target], codes[first], codes[second]]
    known = np.all([column >= 0 for column in columns], axis=0)
    if not known.any():
        return 0.0
    shape = [len(states[name]) for name in (target, first, second)]
    places = np.ravel_multi_index([column[known] for column in columns], shape)
    p: NDArray[np.float64] = np.bincount(places, minlength=int(np.prod(shape))).reshape(shape) / known.sum()
    alone = p.sum(axis=2, keepdims=True) * p.sum(axis=1, keepdims=True)
    both = p * p.sum(axis=(1, 2), keepdims=True)
    ratio = np.divide(both, alone, out=np.ones_like(p), where=p > 0)
    return float((p * np.log(ratio)).sum())


def _check_target(states: States, target: str) -> None:
    if target not in states:
        raise PolicyError(f"there is no node `{target}`", None, did_you_mean(target, states))


def _uniform(states: States, parents: Mapping[str, tuple[str, ...]], target: str) -> Network:
    nodes = []
    for name in [target, *(each for each in states if each != target)]:
        shape = [len(states[each]) for each in (*parents[name], name)]
        nodes.append(Node(name, states[name], parents[name], np.full(shape, 1.0 / shape[-1])))
    return Network(nodes)
