"""What names mean inside a stage's condition: also the events that stages accepted before.

`small.count`, `small.sum(amount)`, `small.last.amount`, `small.first.event_time`: over the events
that stage `small` has accepted so far in the same partial match. The event under test is not among
them. Of no event, `count` and `sum` are 0, the others null.
"""

from __future__ import annotations

from riskweave.errors import PolicyError, Span, did_you_mean
from riskweave.expressions.types import Expr, FeatureCall, Op, Scope, Type, Typed
from riskweave.patterns.formula import ACCEPTED
from riskweave.patterns.spec import PatternSpec

FUNCTIONS = ("count", "sum", "mean", "min", "max", "first", "last")
_NUMBERS_ONLY = ("sum", "mean", "min", "max")


class StageScope:
    """The scope of a policy, with the stages of one pattern before it."""

    def __init__(self, outer: Scope, spec: PatternSpec, stages: list[str]) -> None:
        self.outer = outer
        self.spec = spec
        self.stages = stages
        for name in stages:
            if outer.is_entity(name):
                raise PolicyError(
                    f"stage `{name}` has the name of an entity", spec.span, "name the stage differently"
                )

    # ---- what stages add

    def accepted(self, stage: str, function: str, value: Typed | None, span: Span) -> Typed:
        """Return a typed node: a function of the events a stage accepted before."""
        if function not in FUNCTIONS:
            raise PolicyError(
                f"`{stage}.{function}` is not known of a stage",
                span,
                did_you_mean(function, FUNCTIONS) or f"known: {', '.join(FUNCTIONS)}",
            )
        if function == "count":
            return Op(ACCEPTED, (), Type.INT, ("count", stage))
        if value is None:
            raise PolicyError(
                f"`{stage}.{function}` needs a value", span, f"write `{stage}.{function}(amount)`"
            )
        kind = value.type
        if function in _NUMBERS_ONLY and not (kind.is_number or kind in (Type.TIME, Type.BOOL)):
            raise PolicyError(f"`{function}` of {kind.value} values", span, "it takes numbers")
        if kind is Type.LOCATION:
            raise PolicyError("a place cannot be kept", span, "keep its latitude and longitude as two fields")
        result = Type.FLOAT if function == "mean" else kind
        return Op(ACCEPTED, (value,), result, (function, stage))

    def attribute(self, path: tuple[str, ...], span: Span) -> Typed:
        """Return what `stage.count`, `stage.last.amount` or a path of the policy means."""
        if path[0] not in self.stages:
            return self.outer.attribute(path, span)
        if len(path) == 2:
            return self.accepted(path[0], path[1], None, span)
        rest = path[2:]
        value = self.outer.name(rest[0], span) if len(rest) == 1 else self.outer.attribute(rest, span)
        return self.accepted(path[0], path[1], value, span)

    def feature(self, call: FeatureCall) -> Typed:
        """Return what `stage.sum(amount)` or a feature of the policy means."""
        if call.path[0] not in self.stages:
            return self.outer.feature(call)
        if len(call.path) > 1 or call.named or len(call.args) > 1:
            raise PolicyError(
                "a function of a stage takes one value",
                call.span,
                f"write `{call.path[0]}.{call.aggregate}(amount)`",
            )
        value = self._value(call.args[0]) if call.args else None
        return self.accepted(call.path[0], call.aggregate, value, call.span)

    def _value(self, argument: Expr) -> Typed:
        name, path = getattr(argument, "name", None), getattr(argument, "path", None)
        if isinstance(name, str):
            return self.outer.name(name, argument.span)
        if isinstance(path, tuple):
            return self.outer.attribute(path, argument.span)
        raise PolicyError(
            "a function of a stage takes a field or a named feature",
            argument.span,
            "give the value a name under `features:` and use that",
        )

    # ---- what the policy knows

    def name(self, name: str, span: Span) -> Typed:
        """Return what a bare name means."""
        if name in self.stages:
            raise PolicyError(
                f"`{name}` is a stage, not a value", span, f"ask `{name}.count`, or `{name}.last.FIELD`"
            )
        return self.outer.name(name, span)

    def is_entity(self, name: str) -> bool:
        """Tell whether `name.something(...)` is a call: of a feature, or of a stage."""
        return name in self.stages or self.outer.is_entity(name)

    def is_list(self, name: str) -> bool:
        """Tell whether `x in name` asks a named list."""
        return self.outer.is_list(name)

    def member(self, list_name: str, operand: Typed, span: Span) -> Typed:
        """Return whether `operand` is on a list."""
        return self.outer.member(list_name, operand, span)
