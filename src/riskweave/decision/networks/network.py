"""A network as a policy writes it.

    network:
      nodes:
        fraud: {states: [no, yes], table: [0.998, 0.002]}
        rule_risk:
          states: [low, medium, high]
          parents: [fraud]
          table:
            no:  [0.90, 0.08, 0.02]
            yes: [0.25, 0.30, 0.45]
        device_known: {states: [no, yes], table: [0.1, 0.9]}
        takeover:
          states: [no, yes]
          parents: [fraud, device_known]
          noisy_or: {leak: 0.001, fraud: 0.4, device_known: {no: 0.05}}

or `network: {file: fraud.bif}`. A table is nested lists (a level per parent, the node's own states
innermost), or rows under the states of the parents: nested maps, or one map with names such as
`no, yes`, and `default` for all rows not written.

A noisy-OR is for a node of two states, its parents being causes that each may bring about the
second one on their own: `leak` is its probability without any cause, and each parent says with
which probability it suffices, for its second state or per state.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from riskweave import document
from riskweave.decision.networks.bif import read_bif
from riskweave.decision.networks.node import (
    NODES_MAX,
    ROW_TOLERANCE,
    STATES_MAX,
    TABLE_CELLS_MAX,
    Network,
    Node,
)
from riskweave.errors import PolicyError, Span, did_you_mean
from riskweave.events.table_files import beside

__all__ = ["Network", "Node", "read_network"]

DEFAULT = "default"

States = Mapping[str, tuple[str, ...]]


def read_network(node: document.Node, folder: Path | None) -> Network:
    """Read a network written out, or the BIF file it names beside the policy."""
    file = node.get("file")
    if file is not None:
        node.only("file")
        if not file.text().endswith(".bif"):
            # The policy's version covers files of this name.
            raise file.error(f"`{file.text()}` is no BIF file", "a network's file is called *.bif")
        return read_bif(beside(folder, file.text(), file.span), file.text())
    node.only("file", "nodes")
    listed = node.need("nodes")
    states: dict[str, tuple[str, ...]] = {}
    spans: dict[str, Span] = {}
    for name, each in listed.items():
        if len(states) == NODES_MAX:
            raise listed.error(f"`{listed.path}` has more than {NODES_MAX} nodes")
        each.only("states", "parents", "table", "noisy_or", "description")
        states[name] = _states(each.need("states"))
        spans[name] = listed.key_span(name)
    if not states:
        raise listed.error("a network needs at least one node")
    return Network([_node(name, each, states) for name, each in listed.items()], spans)


def _states(node: document.Node) -> tuple[str, ...]:
    names = tuple(node.texts())
    if not 1 <= len(names) <= STATES_MAX:
        raise node.error(f"`{node.path}` has {len(names)} states", f"1 to {STATES_MAX}")
    for number, name in enumerate(names):
        if name in names[:number]:
            raise node.elements()[number].error(f"the state `{name}` is there twice")
        if not name or name == DEFAULT or "," in name:
            raise (node.elements()[number] if node.is_list else node).error(
                f"`{name}` cannot be a state's name", f"a name without commas, other than `{DEFAULT}`"
            )
    return names


def _node(name: str, node: document.Node, states: States) -> Node:
    listed = node.get("parents")
    parents = tuple(listed.texts()) if listed is not None else ()
    for number, parent in enumerate(parents):
        if parent not in states:
            assert listed is not None
            place = listed.elements()[number] if listed.is_list else listed
            raise place.error(
                f"node `{name}` has an unknown parent `{parent}`",
                did_you_mean(parent, states) or f"nodes: {', '.join(states)}",
            )
    cells = math.prod(len(states[each]) for each in (*parents, name))
    if cells > TABLE_CELLS_MAX:
        raise node.error(
            f"the table of `{name}` would have {cells} numbers",
            f"at most {TABLE_CELLS_MAX}: give it fewer parents, or let a node stand between",
        )
    table, causes = node.get("table"), node.get("noisy_or")
    if (table is None) == (causes is None):
        raise node.error(f"node `{name}` needs a `table` or a `noisy_or`")
    if causes is not None:
        return Node(name, states[name], parents, _noisy_or(name, causes, parents, states))
    assert table is not None
    shape = [len(states[each]) for each in (*parents, name)]
    found = np.full(shape, np.nan)
    _fill(table, name, parents, states, found)
    return Node(name, states[name], parents, found)


# ---- tables


def _fill(
    node: document.Node, name: str, parents: tuple[str, ...], states: States, out: NDArray[np.float64]
) -> None:
    """Fill `out`, a table or a part of one, from nested lists and maps; `parents` are those left."""
    if not parents:
        out[:] = _row(node, name, states[name])
    elif node.is_list:
        parts = node.elements()
        if len(parts) != len(states[parents[0]]):
            raise node.error(
                f"`{node.path}` has {len(parts)} parts, and `{parents[0]}` {len(states[parents[0]])} states",
                f"one part for each of: {', '.join(states[parents[0]])}",
            )
        for number, part in enumerate(parts):
            _fill(part, name, parents[1:], states, out[number])
    elif node.is_map:
        _fill_rows(node, name, parents, states, out)
    else:
        raise node.error(
            f"`{node.path}` must say the probabilities for every state of `{parents[0]}`",
            "nested lists, or rows under the parents' states",
        )


def _fill_rows(
    node: document.Node, name: str, parents: tuple[str, ...], states: States, out: NDArray[np.float64]
) -> None:
    """Fill `out` from rows keyed by a parent's state, or by the states of several, with commas between."""
    default = node.get(DEFAULT)
    if default is not None:
        out[:] = _row(default, name, states[name])
    seen: dict[tuple[int, ...], str] = {}
    for key, row in node.items():
        if key == DEFAULT:
            continue
        words = [word.strip() for word in key.split(",")]
        if len(words) > len(parents):
            raise PolicyError(
                f"`{key}` names {len(words)} states; `{name}` has {len(parents)} parents here",
                node.key_span(key),
                f"parents in order: {', '.join(parents)}",
            )
        place = []
        for parent, word in zip(parents, words, strict=False):
            if word not in states[parent]:
                raise PolicyError(
                    f"`{parent}` has no state `{word}`",
                    node.key_span(key),
                    did_you_mean(word, states[parent]) or f"states: {', '.join(states[parent])}",
                )
            place.append(states[parent].index(word))
        index = tuple(place)
        if index in seen:
            raise PolicyError(f"`{key}` is there twice", node.key_span(key))
        seen[index] = key
        _fill(row, name, parents[len(words) :], states, out[index])
    missing = np.argwhere(np.isnan(out).any(axis=-1))
    if missing.size:
        row_states = [states[parent][number] for parent, number in zip(parents, missing[0], strict=True)]
        raise node.error(
            f"`{node.path}` has no row for `{', '.join(row_states)}`",
            f"rows missing: {len(missing)}; `{DEFAULT}` stands for all that are not written",
        )


def _row(node: document.Node, name: str, states: tuple[str, ...]) -> list[float]:
    """Return one row of probabilities: a list in the order of the states, or a map of them."""
    if node.is_map:
        node.only(*states)
        row = [node.need(state).number(0, 1) for state in states]
    else:
        row = [each.number(0, 1) for each in node.elements()]
    if len(row) != len(states):
        raise node.error(
            f"`{node.path}` has {len(row)} numbers where `{name}` has {len(states)} states",
            f"one for each of: {', '.join(states)}",
        )
    total = math.fsum(row)
    if abs(total - 1.0) > ROW_TOLERANCE:
        raise node.error(
            f"the probabilities `{node.path}` sum to {total:.6g}, not to 1",
            f"one for each of: {', '.join(states)}",
        )
    return row


# ---- noisy-OR


def _noisy_or(
    name: str, node: document.Node, parents: tuple[str, ...], states: States
) -> NDArray[np.float64]:
    """Return the table of a noisy-OR: the effect stays away only if no cause brings it about."""
    if len(states[name]) != 2:
        raise node.error(
            f"a noisy-OR needs two states, and `{name}` has {len(states[name])}",
            "the second is the one that the causes bring about",
        )
    if "leak" in parents:
        raise node.error("a parent of a noisy-OR cannot be called `leak`")
    node.only("leak", *parents)
    leak = node.get("leak")
    fails = [_failures(node.need(parent), parent, states[parent]) for parent in parents]
    absent = 1.0 - (leak.number(0, 1) if leak else 0.0)
    table = np.empty([len(states[each]) for each in (*parents, name)])
    for place in np.ndindex(table.shape[:-1]):
        none = absent * math.prod(each[number] for each, number in zip(fails, place, strict=True))
        table[place] = none, 1.0 - none
    return table


def _failures(node: document.Node, parent: str, states: tuple[str, ...]) -> list[float]:
    """Return, per state of a cause, with which probability it does not bring about the effect."""
    if node.is_map:
        node.only(*states)
        given = {state: each.number(0, 1) for state, each in node.items()}
        return [1.0 - given.get(state, 0.0) for state in states]
    if len(states) != 2:
        raise node.error(
            f"`{parent}` has {len(states)} states: say the probability for each",
            f"{parent}: {{{states[-1]}: 0.5}}; a state not named brings nothing about",
        )
    return [1.0, 1.0 - node.number(0, 1)]
