"""The `constants:` section: values with a name."""

from __future__ import annotations

from dataclasses import dataclass

from riskweave.document import Node
from riskweave.errors import PolicyError
from riskweave.expressions.types import Const, Op, Type, Typed
from riskweave.policy.expectations import plain_value


@dataclass(frozen=True)
class Constant:
    """A named value, ready to stand in an expression."""

    name: str
    node: Typed
    source: Node


def read_constants(section: Node | None) -> dict[str, Constant]:
    """Read numbers, text, true/false, and lists of numbers or text."""
    if section is None:
        return {}
    found = {}
    for name, node in section.items():
        if not name.isidentifier():
            raise PolicyError(f"`{name}` cannot be a constant's name", section.key_span(name))
        found[name] = Constant(name, _typed(node), node)
    return found


def _typed(node: Node) -> Typed:
    if node.is_list:
        return Op("collection", (), Type.NULL, tuple(_scalar(each).value for each in node.elements()))
    if node.is_map:
        raise node.error(f"`{node.path}` must be a value or a list of values")
    return _scalar(node)


def _scalar(node: Node) -> Const:
    value = plain_value(node)
    if isinstance(value, bool):
        return Const(value, Type.BOOL)
    if isinstance(value, int):
        return Const(float(value), Type.INT)
    if isinstance(value, float):
        return Const(value, Type.FLOAT)
    if isinstance(value, str):
        return Const(value, Type.STRING)
    raise node.error(f"`{node.path}` must be a number, text, true or false")
