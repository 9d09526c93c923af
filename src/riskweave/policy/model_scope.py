"""What a policy tells its models: names, definitions, keys, event types."""

from __future__ import annotations

from riskweave.errors import Span
from riskweave.events.compile import EventsCompiler
from riskweave.expressions.types import Typed
from riskweave.policy.definitions import Definitions
from riskweave.policy.scope import PolicyScope


class ModelScope:
    """Answers a model's questions from the policy's scope."""

    def __init__(self, scope: PolicyScope, fields: EventsCompiler, definitions: Definitions) -> None:
        self.scope = scope
        self.fields = fields
        self.definitions = definitions

    def check(self, text: str, span: Span) -> Typed:
        """Return what an expression means; a named feature that a model reads is not unused."""
        return self.scope.check(text, span)

    def definition(self, text: str) -> str:
        return self.definitions.of(text)

    def names(self) -> list[str]:
        return [*self.scope.named, *self.scope.known()]

    def key_row(self, role: str) -> int | None:
        found = self.scope.events.role(role)
        return None if found is None else self.fields.key(found.key)

    def event_types(self) -> list[str]:
        return self.scope.events.event_types()
