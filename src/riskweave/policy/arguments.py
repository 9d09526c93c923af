"""The arguments of a feature call, read in the policy's scope."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from riskweave.errors import PolicyError, did_you_mean
from riskweave.events.spec import EventsSpec
from riskweave.expressions.build import make
from riskweave.expressions.check import check, check_condition
from riskweave.expressions.syntax import Call, Items, Literal, Logic, Name
from riskweave.expressions.types import Col, Const, Expr, FeatureCall, Scope, Type, Typed
from riskweave.features.compile import FeaturesCompiler


@dataclass(frozen=True, slots=True)
class EntityRoles:
    """An entity as the features room sees it: its name, and each role's key fields."""

    name: str
    roles: dict[str, tuple[str, ...]]


class FeatureCalls:
    """Hands feature calls to their room, with someone who can read their arguments."""

    def __init__(self, features: FeaturesCompiler, events: EventsSpec) -> None:
        self.features = features
        self.events = events

    def feature(self, call: FeatureCall, scope: Scope) -> Col:
        return self.features.feature(call, Arguments(scope, self.events))


class Arguments:
    """Reads what stands between the brackets."""

    def __init__(self, scope: Scope, events: EventsSpec) -> None:
        self.scope = scope
        self.events = events

    def typed(self, expr: Expr) -> Typed:
        """Return an expression, checked."""
        return check(expr, self.scope)

    def literal(self, expr: Expr) -> str | float | bool | None:
        """Return what is written out, or what a constant's name stands for."""
        if isinstance(expr, Literal):
            return expr.value
        if isinstance(expr, Name):
            node = self.scope.name(expr.name, expr.span)
            if isinstance(node, Const) and not isinstance(node.value, tuple):
                return node.value
        raise PolicyError(
            "this must be written out", expr.span, 'such as "24h" or 0.95, or the name of a constant'
        )

    def conjuncts(self, expr: Expr) -> Sequence[Typed]:
        """Return the parts that `and` joins at the top; a bare label stays a LABEL column."""
        if isinstance(expr, Logic) and expr.op == "and":
            return [part for operand in expr.operands for part in self.conjuncts(operand)]
        if isinstance(expr, Name):
            node = self.scope.name(expr.name, expr.span)
            if isinstance(node, Col) and node.type is Type.LABEL:
                return [node]
        return [check_condition(expr, self.scope)]

    def all_of(self, parts: Sequence[Typed]) -> Typed:
        """Return the condition that all of several hold."""
        return parts[0] if len(parts) == 1 else make("and", tuple(parts), Type.BOOL)

    def types(self, expr: Expr) -> Typed:
        """Return the condition that the event is of one of the types that `on=` names."""
        names = [self._type_name(each) for each in (expr.elements if isinstance(expr, Items) else (expr,))]
        return self.all_types(names)

    def all_types(self, names: Sequence[str]) -> Typed:
        """Return the condition that the event's type is one of `names`."""
        kind = self.scope.name("event_type", self.events.types[0].span)
        tests = tuple(make("eq", (kind, Const(name, Type.STRING)), Type.BOOL) for name in names)
        return tests[0] if len(tests) == 1 else make("or", tests, Type.BOOL)

    def _type_name(self, expr: Expr) -> str:
        if isinstance(expr, Name):
            name = expr.name
        elif isinstance(expr, Literal) and isinstance(expr.value, str):
            name = expr.value
        else:
            raise PolicyError("`on` names event types", expr.span, "such as on=login or on=[login, payment]")
        known = self.events.event_types()
        if name not in known:
            raise PolicyError(
                f"there is no event type `{name}`",
                expr.span,
                did_you_mean(name, known) or f"event types: {', '.join(known)}",
            )
        return name

    def label(self, column: Col) -> int:
        """Return the number of a label's field."""
        return -1 - column.index

    def hour(self) -> Typed:
        """Return the hour of the event's time, in the policy's zone."""
        span = self.events.types[0].span
        call = Call("hour", (Name("event_time", span),), (), span, span)
        return check(call, self.scope)
