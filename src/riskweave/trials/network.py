"""The small network of a scenario: its signs' states are the policy's, how likely they are is counted.

`trial.json` names the nodes and their parents beside `fraud`; states come from the policy's evidence. A
row of few cases leans, as if of `LEAN` cases, on what the sign says given its other parents alone:
then it adds nothing to them, and correlated signs are not counted twice.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskweave.decision.belief import NetworkBelief
from riskweave.decision.networks.bif import to_bif
from riskweave.decision.networks.network import Network, Node
from riskweave.decision.plan import UtilityPlan
from riskweave.decision.spec import read_decision
from riskweave.engine.decisions import Decisions
from riskweave.engine.engine import Engine
from riskweave.errors import RiskweaveError
from riskweave.kernels.decide import put_states
from riskweave.policy.policy import Policy

NETWORK_FILE = "network.bif"
TARGET = "fraud"
# How many cases the row without `fraud` counts for, and what is known before any case.
LEAN, BEFORE = 20.0, 0.5

Ints = NDArray[np.int64]


def learn_network(
    folder: Path, parents: Mapping[str, tuple[str, ...]], table: Any, rows: Ints, fraud: NDArray[np.bool_]
) -> str:
    """Return the BIF of a policy's network, counted over some rows of a table whose truth is known."""
    states = _states(Policy.read(folder), parents)
    blank = Network([_blank(name, states, parents) for name in (TARGET, *parents)])
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / folder.name
        shutil.copytree(folder, copy)
        (copy / NETWORK_FILE).write_text(to_bif(blank), encoding="utf-8")
        seen = _seen(Engine(Policy.read(copy)), table, rows)
    truth = fraud.astype(np.int64)
    seen[TARGET] = truth
    share = np.bincount(truth, minlength=2) + BEFORE
    nodes = [Node(TARGET, ("no", "yes"), (), share / share.sum())]
    for name, others in parents.items():
        nodes.append(Node(name, states[name], (TARGET, *others), _counted(name, others, states, seen)))
    return to_bif(Network(nodes), folder.name)


def _states(policy: Policy, parents: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {TARGET: ("no", "yes")}
    for each in read_decision(policy.document.section("decision")).evidence:
        if each.states is not None:
            found[each.node] = each.states
        elif each.bands is not None:
            found[each.node] = tuple(f"b{k}" for k in range(len(each.bands) + 1))
        else:
            found[each.node] = ("no", "yes")
    for name, others in parents.items():
        for node in (name, *others):
            if node not in found:
                raise RiskweaveError(f"the network's node `{node}` is no evidence of the policy")
    return found


def _blank(name: str, states: Mapping[str, tuple[str, ...]], parents: Mapping[str, tuple[str, ...]]) -> Node:
    above = () if name == TARGET else (TARGET, *parents[name])
    shape = [len(states[each]) for each in (*above, name)]
    return Node(name, states[name], above, np.full(shape, 1.0 / shape[-1]))


def _seen(engine: Engine, table: Any, rows: Ints) -> dict[str, Ints]:
    """Return the state of each sign in each row; the number of its states where it is unknown."""
    plan = engine.plan.decision
    if not isinstance(plan, UtilityPlan) or not isinstance(plan.belief, NetworkBelief):
        raise RiskweaveError("the policy has no network: `decision:` needs `network: {file: network.bif}`")
    belief = plan.belief
    decided = Decisions.joined(list(engine.decide_blocks(table)))
    assert decided.kept is not None
    values = np.array([decided.kept.row(row)[rows] for row in belief.rows])
    nodes = belief.nodes.copy()
    nodes[:, 0] = np.arange(len(belief.names))
    indices = np.empty(values.shape, np.int64)
    put_states(values, nodes, belief.cuts, indices)
    return dict(zip(belief.names, indices, strict=True))


def _counted(
    name: str, others: tuple[str, ...], states: Mapping[str, tuple[str, ...]], seen: Mapping[str, Ints]
) -> NDArray[np.float64]:
    axes = (TARGET, *others, name)
    shape = [len(states[each]) for each in axes]
    known = np.all([seen[each] < size for each, size in zip(axes, shape, strict=True)], axis=0)
    counts = np.zeros(shape)
    np.add.at(counts, tuple(seen[each][known] for each in axes), 1.0)
    marginal = counts.reshape(-1, shape[-1]).sum(axis=0) + BEFORE
    if not others:
        plain: NDArray[np.float64] = counts + BEFORE * marginal / marginal.sum()
        plain /= plain.sum(axis=-1, keepdims=True)
        return plain
    # A row of few cases says what its other parents say alone, which adds nothing about fraud.
    alike = counts.sum(axis=0, keepdims=True) + BEFORE * marginal / marginal.sum()
    lean = LEAN * alike / alike.sum(axis=-1, keepdims=True)
    rows: NDArray[np.float64] = (counts + lean) / (counts + lean).sum(axis=-1, keepdims=True)
    return rows
