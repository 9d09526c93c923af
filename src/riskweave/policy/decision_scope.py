"""What a policy tells its section `decision:`: names, keys, the codes of texts."""

from __future__ import annotations

from riskweave.errors import Span
from riskweave.events.compile import EventsCompiler
from riskweave.expressions.strings import StringPool
from riskweave.expressions.types import Typed
from riskweave.policy.scope import PolicyScope


class DecisionScope:
    """Answers the decision room's questions from the policy's scope."""

    def __init__(self, scope: PolicyScope, fields: EventsCompiler, pool: StringPool) -> None:
        self.scope = scope
        self.fields = fields
        self.pool = pool

    def check(self, text: str, span: Span) -> Typed:
        return self.scope.check(text, span)

    def key_row(self, role: str) -> int | None:
        found = self.scope.events.role(role)
        return None if found is None else self.fields.key(found.key)

    def roles(self) -> list[str]:
        return list(self.scope.events.roles())

    def code(self, text: str) -> int:
        return self.pool.code(text)
