"""Nodes, the network they form, and what makes a network impossible."""

from __future__ import annotations

import hashlib
import heapq
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from riskweave.errors import PolicyError, Span, did_you_mean

NODES_MAX = 5_000
STATES_MAX = 1_024
NAME_MAX = 200
TABLE_CELLS_MAX = 1 << 22
NETWORK_CELLS_MAX = 1 << 24
# How far from 1 a row may be; what is nearer is rounding, and is scaled to 1.
ROW_TOLERANCE = 1e-6
# What the sum of a long row of floats may be off by although it was scaled.
ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Node:
    """One variable: its states, and how likely each is for every combination of its parents' states.

    `table` has one axis per parent, in their order, and the node's own states last; rows sum to 1.
    """

    name: str
    states: tuple[str, ...]
    parents: tuple[str, ...]
    table: NDArray[np.float64]

    def __post_init__(self) -> None:
        table = np.array(self.table, dtype=np.float64)
        table.setflags(write=False)
        object.__setattr__(self, "table", table)

    @property
    def family(self) -> tuple[str, ...]:
        """The names of the table's axes: parents, then the node itself."""
        return (*self.parents, self.name)


class Network:
    """Nodes that form a directed graph without cycles.

    `nodes` maps names to nodes, parents before children, otherwise in the order given. Raises
    PolicyError at the node's place in `spans` when the nodes cannot be a network.
    """

    def __init__(self, nodes: Iterable[Node], spans: Mapping[str, Span] | None = None) -> None:
        self.spans = MappingProxyType(dict(spans or {}))
        given: dict[str, Node] = {}
        for node in nodes:
            if node.name in given:
                raise self._error(node.name, f"node `{node.name}` is there twice")
            given[node.name] = node
            if len(given) > NODES_MAX:
                raise self._error(node.name, f"the network has more than {NODES_MAX} nodes")
        if not given:
            raise PolicyError("a network needs at least one node", next(iter(self.spans.values()), None))
        for node in given.values():
            self._check_names(node, given)
        order = self._order(given)
        cells = 0
        for name in order:
            self._check_table(given[name], given)
            cells += given[name].table.size
            if cells > NETWORK_CELLS_MAX:
                raise self._error(name, f"the network's tables hold more than {NETWORK_CELLS_MAX} numbers")
        self.nodes: Mapping[str, Node] = MappingProxyType({name: _scaled(given[name]) for name in order})

    def __len__(self) -> int:
        return len(self.nodes)

    def __getitem__(self, name: str) -> Node:
        """Return a node; raises PolicyError with the nearest name."""
        found = self.nodes.get(name)
        if found is None:
            raise PolicyError(
                f"the network has no node `{name}`",
                Span("network"),
                did_you_mean(name, self.nodes) or f"nodes: {_some(self.nodes)}",
            )
        return found

    def state(self, name: str, state: str) -> int:
        """Return a state's number; raises PolicyError with the nearest state."""
        states = self[name].states
        if state not in states:
            raise PolicyError(
                f"node `{name}` has no state `{state}`",
                Span("network"),
                did_you_mean(state, states) or f"states: {_some(states)}",
            )
        return states.index(state)

    @cached_property
    def children(self) -> Mapping[str, tuple[str, ...]]:
        """Who has a node among its parents."""
        found: dict[str, list[str]] = {name: [] for name in self.nodes}
        for node in self.nodes.values():
            for parent in node.parents:
                found[parent].append(node.name)
        return {name: tuple(each) for name, each in found.items()}

    @cached_property
    def with_zeros(self) -> frozenset[str]:
        """The nodes whose table says that something cannot be."""
        return frozenset(name for name, node in self.nodes.items() if (node.table == 0).any())

    @cached_property
    def version(self) -> str:
        """The SHA-256 (hex) of names, states, parents and tables, wherever they were written."""
        digest = hashlib.sha256()
        for name in sorted(self.nodes):
            node = self.nodes[name]
            head = json.dumps([name, node.states, node.parents], ensure_ascii=False)
            digest.update(head.encode() + b"\n" + np.ascontiguousarray(node.table, "<f8").tobytes())
        return digest.hexdigest()

    def with_tables(self, tables: Mapping[str, NDArray[np.float64]]) -> Network:
        """Return the same structure with other tables for some nodes."""
        return Network(
            [
                Node(node.name, node.states, node.parents, tables.get(node.name, node.table))
                for node in self.nodes.values()
            ],
            self.spans,
        )

    # ---- what makes a network impossible

    def _error(self, name: str, message: str, hint: str = "") -> PolicyError:
        return PolicyError(message, self.spans.get(name), hint)

    def _check_names(self, node: Node, known: Mapping[str, Node]) -> None:
        name = node.name
        if not name or len(name) > NAME_MAX:
            raise self._error(name, f"a node's name has 1 to {NAME_MAX} characters")
        if not 1 <= len(node.states) <= STATES_MAX:
            raise self._error(name, f"node `{name}` has {len(node.states)} states", f"1 to {STATES_MAX}")
        twice = _twice(node.states)
        if twice is not None:
            raise self._error(name, f"node `{name}` has the state `{twice}` twice")
        twice = _twice(node.parents)
        if twice is not None:
            raise self._error(name, f"node `{name}` has the parent `{twice}` twice")
        for parent in node.parents:
            if parent not in known:
                hint = did_you_mean(parent, known) or f"nodes: {_some(known)}"
                raise self._error(name, f"node `{name}` has an unknown parent `{parent}`", hint)

    def _order(self, given: Mapping[str, Node]) -> list[str]:
        """Return the names, parents first; among those that may come next, the first given."""
        children: dict[str, list[str]] = {name: [] for name in given}
        waiting = {name: len(node.parents) for name, node in given.items()}
        for node in given.values():
            for parent in node.parents:
                children[parent].append(node.name)
        place = {name: number for number, name in enumerate(given)}
        ready = [place[name] for name, count in waiting.items() if count == 0]
        names = list(given)
        order: list[str] = []
        while ready:
            name = names[heapq.heappop(ready)]
            order.append(name)
            for child in children[name]:
                waiting[child] -= 1
                if waiting[child] == 0:
                    heapq.heappush(ready, place[child])
        if len(order) < len(given):
            cycle = _cycle(given, set(given) - set(order))
            raise self._error(
                cycle[0],
                f"the nodes {' -> '.join(f'`{name}`' for name in [*cycle, cycle[0]])} form a cycle",
                "a node cannot depend on itself, not even through others: remove one of these parents",
            )
        return order

    def _check_table(self, node: Node, known: Mapping[str, Node]) -> None:
        name, table = node.name, node.table
        shape = (*(len(known[parent].states) for parent in node.parents), len(node.states))
        cells = 1
        for length in shape:
            cells *= length
        if cells > TABLE_CELLS_MAX:
            raise self._error(
                name,
                f"the table of `{name}` would have {cells} numbers",
                f"at most {TABLE_CELLS_MAX}: give it fewer parents, or let a node stand between",
            )
        if table.shape != shape:
            raise self._error(
                name,
                f"the table of `{name}` has the shape {_by(table.shape)}, not {_by(shape)}",
                f"one axis per parent ({', '.join(node.parents) or 'none'}), then the node's own states",
            )
        if not np.isfinite(table).all() or (table < 0).any() or (table > 1 + ROW_TOLERANCE).any():
            raise self._error(name, f"the table of `{name}` holds a number that is no probability")
        sums = table.sum(axis=-1)
        wrong = np.abs(sums - 1.0) > ROW_TOLERANCE
        if wrong.any():
            place = tuple(int(each) for each in np.argwhere(wrong)[0])
            row = row_name(node, place, {each: known[each].states for each in node.parents})
            raise self._error(
                name,
                f"the probabilities of `{name}`{row} sum to {sums[place]:.6g}, not to 1",
                "every row gives each state's probability",
            )


def row_name(node: Node, place: tuple[int, ...], states: Mapping[str, tuple[str, ...]]) -> str:
    """Return ` given a = x, b = y` for a row of a node's table; nothing for a node without parents."""
    known = [f"{each} = {states[each][number]}" for each, number in zip(node.parents, place, strict=True)]
    return f" given {', '.join(known)}" if known else ""


def combinations(states: Iterable[tuple[str, ...]]) -> Iterable[tuple[str, ...]]:
    """Yield every combination of states, the last changing fastest, as tables have them."""
    return product(*states)


def scaled_rows(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return rows that sum to 1, as nearly as numbers can; rows that do already stay bit for bit."""
    sums = table.sum(axis=-1, keepdims=True)
    return np.where(np.abs(sums - 1.0) <= ROUNDING, table, table / sums)


def _scaled(node: Node) -> Node:
    return Node(node.name, node.states, node.parents, scaled_rows(node.table))


def _cycle(given: Mapping[str, Node], left: set[str]) -> list[str]:
    """Return one cycle, in the direction of the arrows."""
    path = [next(name for name in given if name in left)]
    while True:
        parent = next(each for each in given[path[-1]].parents if each in left)
        if parent in path:
            return path[path.index(parent) :][::-1]
        path.append(parent)


def _twice(names: tuple[str, ...]) -> str | None:
    return next((name for number, name in enumerate(names) if name in names[:number]), None)


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:8]) + (", …" if len(listed) > 8 else "")


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(str(length) for length in shape) or "nothing"
