"""What the names in a policy's expressions mean."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from riskweave.batch import Layout
from riskweave.document import Node
from riskweave.errors import PolicyError, Span, did_you_mean
from riskweave.events.spec import EventsSpec
from riskweave.expressions.check import check
from riskweave.expressions.parse import parse
from riskweave.expressions.types import Col, Const, FeatureCall, Op, Type, Typed
from riskweave.policy.constants import Constant


class Fields(Protocol):
    """Gives a field its column."""

    def field(self, name: str) -> Col: ...


class Attributes(Protocol):
    """Gives an entity's attribute its column."""

    def attribute(self, entity: str, role: str, name: str, span: Span | None = None) -> Col: ...


class Columns(Protocol):
    """Gives an expression's value a column."""

    def column(self, node: Typed) -> Col: ...


class FeatureCalls(Protocol):
    """Gives a feature call its column; nested expressions are checked in the scope given."""

    def feature(self, call: FeatureCall, scope: PolicyScope) -> Col: ...


class Lists(Protocol):
    """Gives list tests their columns."""

    def is_list(self, name: str) -> bool: ...

    def member(self, list_name: str, operand: Typed, span: Span) -> Typed: ...


class PolicyScope:
    """Resolves fields, named features, constants, lists, attributes and the outputs of tables.

    Named features may use each other in any order; a circle is refused with the names on it.
    `outputs` maps `limits.risk` to the column of a model, table, scorecard or tree.
    """

    def __init__(
        self,
        layout: Layout,
        events: EventsSpec,
        fields: Fields,
        attributes: Attributes,
        lists: Lists,
        constants: Mapping[str, Constant],
        features: Node | None,
        feature_calls: FeatureCalls,
        compiler: Columns,
    ) -> None:
        self.layout = layout
        self.events = events
        self.fields = fields
        self.attributes = attributes
        self.lists = lists
        self.constants = dict(constants)
        self.named = dict(features.items()) if features is not None else {}
        self.feature_calls = feature_calls
        self.compiler = compiler
        self._features_section = features
        self.outputs: Mapping[str, Typed] = {}
        # Outputs of shadow models: recorded, but nothing may decide by them.
        self.shadows: Collection[str] = ()
        self.field_types = {name: events.type_of(name) for name in events.fields()}
        self.label_numbers = {name: number for number, name in enumerate(events.labels())}
        # Names that only one expression knows, such as `points` in a scorecard's risk.
        self.local: Callable[[], Mapping[str, Typed]] = dict
        self.used_features: set[str] = set()
        self.used_constants: set[str] = set()
        self._typed: dict[str, Col] = {}
        self._failed: dict[str, PolicyError] = {}
        self._open: list[str] = []

    # ---- the scope of expressions

    def name(self, name: str, span: Span) -> Typed:
        local = self.local()
        if name in local:
            return local[name]
        if name in self.field_types:
            if name in self.label_numbers:
                return Col(-1 - self.label_numbers[name], Type.LABEL, 0, name)
            return self.fields.field(name)
        if name in self.named:
            self.used_features.add(name)
            return self.named_feature(name, span)
        if name in self.constants:
            self.used_constants.add(name)
            return self.constants[name].node
        if name == "event_time":
            return self.layout.columns[0]
        if name == "event_type":
            return self.layout.columns[1]
        if self.lists.is_list(name):
            raise PolicyError(f"`{name}` is a list", span, f"ask with `in`: `field in {name}`")
        if self.is_entity(name):
            raise PolicyError(
                f"`{name}` is an entity",
                span,
                f'ask for a feature of it: `{name}.count("24h")`, or its key field',
            )
        raise PolicyError(f"unknown name `{name}`", span, did_you_mean(name, self.known()))

    def attribute(self, path: tuple[str, ...], span: Span) -> Typed:
        text = ".".join(path)
        if text in self.outputs:
            return self.outputs[text]
        if text in self.shadows:
            raise PolicyError(
                f"`{text}` is of a shadow model, which decides nothing",
                span,
                "take `shadow: true` away once it has proved itself",
            )
        base, *rest = path
        kind = self.field_types.get(base)
        if kind is Type.LOCATION and rest in (["lat"], ["lon"]):
            column = self.fields.field(base)
            return Col(column.index + (rest == ["lon"]), Type.FLOAT, column.stage, ".".join(path))
        if self.is_entity(base) and len(rest) == 1:
            return self._attribute(base, rest[0], span)
        raise PolicyError(f"unknown name `{text}`", span, did_you_mean(text, [*self.outputs, *self.known()]))

    def _attribute(self, base: str, name: str, span: Span) -> Col:
        role = self.events.role(base)
        if role is None:
            entity = next(each for each in self.events.entities if each.name == base)
            roles = [each.name for each in entity.roles]
            if len(roles) > 1:
                raise PolicyError(
                    f"`{base}` takes part in several roles",
                    span,
                    f"say which: {', '.join(f'{each}.{name}' for each in roles)}",
                )
            role = entity.roles[0]
        return self.attributes.attribute(role.entity, role.name, name, span)

    def is_entity(self, name: str) -> bool:
        return self.events.role(name) is not None or any(name == each.name for each in self.events.entities)

    def feature(self, call: FeatureCall) -> Typed:
        return self.feature_calls.feature(call, self)

    def is_list(self, name: str) -> bool:
        return self.lists.is_list(name)

    def member(self, list_name: str, operand: Typed, span: Span) -> Typed:
        return self.lists.member(list_name, operand, span)

    # ---- names

    @property
    def columns(self) -> Mapping[str, Col]:
        """Return the column of each named feature that was checked."""
        return self._typed

    def kind_of(self, name: str) -> str:
        """Return what else has this name: a field, constant, list or entity; empty when nothing has."""
        if name in self.field_types:
            return "field"
        if name in self.constants:
            return "constant"
        if self.lists.is_list(name):
            return "list"
        if self.is_entity(name):
            return "entity"
        return "built-in name" if name in ("event_time", "event_type") else ""

    def span_of(self, name: str) -> Span:
        """Return where a named feature's name is written."""
        assert self._features_section is not None
        return self._features_section.key_span(name)

    def known(self) -> list[str]:
        """Return every bare name an expression may use, for hints."""
        return [
            *self.field_types,
            *self.named,
            *self.constants,
            "event_time",
            "event_type",
            *self.events.roles(),
        ]

    def named_feature(self, name: str, span: Span) -> Col:
        """Return the column of a named feature, checking its text on first use."""
        if name in self._failed:
            # Reported once, where it is written.
            raise self._failed[name]
        known = self._typed.get(name)
        if known is not None:
            return known
        if name in self._open:
            circle = " -> ".join([*self._open[self._open.index(name) :], name])
            raise PolicyError(f"features define each other in a circle: {circle}", span)
        node = self.named[name]
        self._open.append(name)
        try:
            typed = self.check(node.text(), node.span)
            if isinstance(typed, Op) and typed.op == "collection":
                raise PolicyError(
                    f"feature `{name}` is a list of values", node.span, "put it under `constants:`"
                )
            if isinstance(typed, Const) and typed.type is Type.NULL:
                raise PolicyError(f"feature `{name}` is always None", node.span)
        except PolicyError as error:
            self._failed[name] = error
            raise
        finally:
            self._open.pop()
        # A column, not the expression: names used many times must not multiply what is walked.
        column = self._typed[name] = self.compiler.column(typed)
        return column

    def check(self, text: str, span: Span) -> Typed:
        """Parse and check one expression of this policy."""
        return check(parse(text, span), self)
