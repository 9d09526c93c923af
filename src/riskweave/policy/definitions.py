"""What an expression of a policy means, as a hash: so that a model can tell its features from others.

Everything an expression reads is written out: named features, constants, the types of fields, the
keys of entities, the policy's zone and currency. Places in the file, spaces and the order of
sections change nothing.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from riskweave.document import Node
from riskweave.errors import PolicyError, Span
from riskweave.events.spec import EventsSpec, read_spec
from riskweave.expressions.parse import parse
from riskweave.expressions.syntax import Dotted, Name
from riskweave.policy.policy import Policy
from riskweave.policy.settings import Settings


class Definitions:
    """Writes out what names of one policy stand for."""

    def __init__(
        self,
        events: EventsSpec,
        features: Mapping[str, Node],
        constants: Mapping[str, Node],
        settings: Settings,
    ) -> None:
        self.fields = {name: str(events.type_of(name)) for name in events.fields()}
        self.entities = {each.name: [role.key for role in each.roles] for each in events.entities}
        self.roles = {role.name: role.key for each in events.entities for role in each.roles}
        self.features = features
        self.constants = constants
        self.settings = settings
        self._known: dict[str, Any] = {}

    def of(self, text: str) -> str:
        """Return the SHA-256 of what an expression means; raises PolicyError when it cannot be read."""
        meaning = [self.settings.time_zone, self.settings.currency, self._text(text, ())]
        canonical = json.dumps(meaning, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def _text(self, text: str, way: tuple[str, ...]) -> Any:
        return self._written(parse(text, Span(text)), way)

    def _written(self, part: Any, way: tuple[str, ...]) -> Any:
        if isinstance(part, Name):
            return self._name(part.name, way)
        if isinstance(part, Dotted):
            return ["dotted", *part.path, self._name(part.path[0], way)]
        if isinstance(part, Span):
            return None
        if isinstance(part, (tuple, list)):
            return [self._written(each, way) for each in part]
        if dataclasses.is_dataclass(part) and not isinstance(part, type):
            fields = [
                self._written(getattr(part, field.name), way)
                for field in dataclasses.fields(part)
                if "span" not in field.name
            ]
            return [type(part).__name__, *fields]
        return part if isinstance(part, str) else repr(part)

    def _name(self, name: str, way: tuple[str, ...]) -> Any:
        if name in self.fields:
            return ["field", name, self.fields[name]]
        if name in self.features:
            if name in way:
                raise PolicyError(f"features define each other in a circle: {' -> '.join([*way, name])}")
            if name not in self._known:
                self._known[name] = self._text(self.features[name].text(), (*way, name))
            return ["feature", self._known[name]]
        if name in self.constants:
            return ["constant", _plain(self.constants[name])]
        if name in self.entities or name in self.roles:
            return ["entity", name, self.entities.get(name), self.roles.get(name)]
        return ["name", name]


def _plain(node: Node) -> Any:
    if node.is_map:
        return {name: _plain(each) for name, each in node.items()}
    if node.is_list:
        return [_plain(each) for each in node.elements()]
    return node.value


def definitions(policy: Policy) -> Definitions:
    """Return what names of this policy stand for."""
    document = policy.document
    features, constants = document.section("features"), document.section("constants")
    return Definitions(
        read_spec(document.root),
        dict(features.items()) if features is not None else {},
        dict(constants.items()) if constants is not None else {},
        policy.settings,
    )


def definition(policy: Policy, name: str) -> str:
    """Return the hash of what an expression (a feature's name, say) means in a policy."""
    return definitions(policy).of(name)
