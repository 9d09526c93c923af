"""Who reads whom: tables, scorecards and trees in an order in which each comes after what it reads."""

from __future__ import annotations

import re
from collections.abc import Iterable

from riskweave.document import Node
from riskweave.errors import PolicyError
from riskweave.rules.spec import BranchSpec, LeafSpec, RulesSpec, ScorecardSpec, TableSpec, TreeSpec

# Each link of a chain is a stage of its own.
CHAIN_MAX = 100

_TEXT = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)
_DOTTED = re.compile(r"(?<![\w.])([A-Za-z_]\w*)\s*\.\s*[A-Za-z_]")

Filled = TableSpec | ScorecardSpec | TreeSpec


def _expressions(spec: Filled) -> list[Node]:
    if isinstance(spec, TableSpec):
        return list(spec.inputs.values())
    if isinstance(spec, ScorecardSpec):
        nodes = [attribute.value for attribute in spec.attributes]
        return [*nodes, spec.risk] if spec.risk is not None else nodes
    found: list[Node] = []
    waiting: list[BranchSpec | LeafSpec] = [spec.root]
    while waiting:
        each = waiting.pop()
        if isinstance(each, BranchSpec):
            found.append(each.condition)
            waiting += [each.then, each.otherwise]
    return found


def reads(spec: Filled, names: Iterable[str]) -> list[str]:
    """Return which of `names` the expressions of `spec` ask for an output."""
    known = set(names)
    asked = (
        match[1] for node in _expressions(spec) if isinstance(node.value, str)
        for match in _DOTTED.finditer(_TEXT.sub("''", node.value))
    )  # fmt: skip
    return list(dict.fromkeys(name for name in asked if name in known))


def in_order(spec: RulesSpec) -> list[Filled]:
    """Return tables, scorecards and trees so that each comes after what it reads."""
    each_spec: list[Filled] = [*spec.tables, *spec.scorecards, *spec.trees]
    every = {each.name: each for each in each_spec}
    ordered: list[Filled] = []
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        if name in way:
            circle = " -> ".join([*way[way.index(name) :], name])
            raise PolicyError(
                f"`{name}` reads its own output: {circle}", every[name].span, "take one of these inputs away"
            )
        if name in done:
            return
        if len(way) >= CHAIN_MAX:
            raise PolicyError(
                f"`{name}` ends a chain of more than {CHAIN_MAX} that read each other", every[name].span
            )
        for other in reads(every[name], every):
            visit(other, (*way, name))
        done.add(name)
        ordered.append(every[name])

    for name in every:
        visit(name, ())
    return ordered
