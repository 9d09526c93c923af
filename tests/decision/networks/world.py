"""Small random networks, as ours and as the oracle has them, and evidence for them."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import strategies as st

from riskweave.decision.networks.network import Network, Node

STATES = ("a", "b", "c")


@st.composite
def networks(draw, most=5, zeros=True):
    """Draw a network of up to `most` nodes of 1 to 3 states, with zeros in some tables."""
    count = draw(st.integers(1, most))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    nodes = []
    for number in range(count):
        states = STATES[: draw(st.integers(1, 3))]
        before = draw(st.permutations(range(number)))
        parents = tuple(nodes[each] for each in before[: draw(st.integers(0, min(number, 3)))])
        shape = [len(each.states) for each in parents]
        table = generator.dirichlet(np.full(len(states), 0.7), size=shape)
        if zeros and draw(st.booleans()):
            table = np.where(table < 0.25, 0.0, table)
            table = table / table.sum(axis=-1, keepdims=True)
        nodes.append(Node(f"n{number}", states, tuple(each.name for each in parents), table))
    return Network(nodes)


def plain(network):
    """Return the network as the oracle has it."""
    found = []
    for node in network.nodes.values():
        known = [network[parent].states for parent in node.parents]
        rows = {
            key: dict(zip(node.states, map(float, node.table[place]), strict=True))
            for key, place in zip(itertools.product(*known), np.ndindex(node.table.shape[:-1]), strict=True)
        }
        found.append((node.name, node.states, node.parents, rows))
    return found


@st.composite
def evidence_for(draw, network):
    """Draw hard evidence and likelihoods for some nodes."""
    hard, soft = {}, {}
    for name, node in network.nodes.items():
        kind = draw(st.sampled_from(["nothing", "nothing", "hard", "soft"]))
        if kind == "hard":
            hard[name] = draw(st.sampled_from(node.states))
        elif kind == "soft":
            weights = draw(
                st.lists(
                    st.sampled_from([0.0, 0.2, 1.0, 7.0]),
                    min_size=len(node.states),
                    max_size=len(node.states),
                )
            )
            if any(weights):
                soft[name] = weights
    return hard, soft
