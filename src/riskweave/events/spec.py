"""What the analyst wrote under `events:` and `entities:`, checked and typed.

`read_spec(document)` gives an `EventsSpec`. Every mistake is found in one go: with several, the
error raised is a `PolicyErrors`.
"""

from __future__ import annotations

import keyword
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from riskweave.document import Node
from riskweave.errors import PolicyError, PolicyErrors, Span, did_you_mean
from riskweave.events.money import is_currency
from riskweave.events.times import iso_ms
from riskweave.expressions.types import Type

FIELD_TYPES = ("string", "int", "float", "money", "bool", "time", "location", "ip", "label")
KEY_TYPES = (Type.STRING, Type.INT, Type.IP)
RESERVED = ("event_time", "event_type")

_OPTIONS: dict[Type, tuple[str, ...]] = {
    Type.STRING: ("allowed",),
    Type.INT: ("allowed", "min", "max"),
    Type.FLOAT: ("min", "max"),
    Type.MONEY: ("min", "max", "currency", "minor"),
    Type.BOOL: (),
    Type.TIME: ("unit", "origin"),
    Type.LOCATION: (),
    Type.IP: ("allowed",),
    Type.LABEL: ("delay",),
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an event type.

    `sources` are the names a foreign file may use instead of `name`; a location has one (its text,
    pair or map) or exactly two (latitude, then longitude). `low` and `high` include themselves.
    `currency` is a code, or empty for the base currency; `currency_field` is the field that holds
    it. `minor` speaks of the foreign name when there is one, else of the field itself.
    `delay_ms` is how long after its event a label arrives. `personal` is what the policy says of
    whether the field tells of a person (None: it says nothing).
    """

    name: str
    type: Type
    span: Span
    sources: tuple[str, ...] = ()
    required: bool = False
    allowed: tuple[str, ...] = ()
    low: float = -math.inf
    high: float = math.inf
    currency: str = ""
    currency_field: str = ""
    minor: bool = False
    unit: str = "iso"
    origin_ms: int = 0
    delay_ms: int = 0
    personal: bool | None = None


@dataclass(frozen=True, slots=True)
class EventType:
    """One kind of event: which field identifies it, which is its time, and how its records are told."""

    name: str
    span: Span
    time: str
    id: str | None
    match: tuple[tuple[str, str], ...]
    fields: dict[str, Field]


@dataclass(frozen=True, slots=True)
class Role:
    """A part that an entity plays in an event, with the field or fields that hold its key."""

    name: str
    entity: str
    key: tuple[str, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Entity:
    """What has a history. `attributes` is what the policy says of its table, for the room that reads it."""

    name: str
    roles: tuple[Role, ...]
    span: Span
    attributes: Node | None


@dataclass(frozen=True, slots=True)
class EventsSpec:
    """The event types and entities of a policy. `currency` is empty when the policy names none."""

    types: tuple[EventType, ...]
    entities: tuple[Entity, ...]
    currency: str = ""

    def type_of(self, field: str) -> Type | None:
        """Return the type of a field, which is the same in every event type that has it."""
        return next((each.fields[field].type for each in self.types if field in each.fields), None)

    def fields(self) -> list[str]:
        """Return the names of all fields, in the order first written."""
        return list(dict.fromkeys(name for each in self.types for name in each.fields))

    def event_types(self) -> list[str]:
        return [each.name for each in self.types]

    def role(self, name: str) -> Role | None:
        return next((role for each in self.entities for role in each.roles if role.name == name), None)

    def roles(self) -> list[str]:
        return [role.name for each in self.entities for role in each.roles]

    def labels(self) -> dict[str, int]:
        """Return each label field and its delay in milliseconds."""
        return {
            field.name: field.delay_ms
            for each in self.types
            for field in each.fields.values()
            if field.type is Type.LABEL
        }


def read_spec(document: Node) -> EventsSpec:
    """Read the `events:` and `entities:` of a whole policy document."""
    found = _Findings()
    policy = document.get("policy")
    currency = ""
    if policy is not None and policy.is_map:
        with found.noted():
            currency = _currency(policy)
    types: tuple[EventType, ...] = ()
    with found.noted():
        types = _types(document.need("events"), currency, found)
    entities: tuple[Entity, ...] = ()
    node = document.get("entities")
    # Keys of fields that could not be read would be mistakes that nobody made.
    if node is not None and types and not found.errors:
        with found.noted():
            entities = _entities(node, types, found)
    found.raise_all()
    return EventsSpec(types, entities, currency)


class _Findings:
    """Collects mistakes, so that one check names all of them."""

    def __init__(self) -> None:
        self.errors: list[PolicyError] = []

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note the mistake that ends the block, and go on after it."""
        try:
            yield
        except PolicyErrors as errors:
            self.errors.extend(errors.errors)
        except PolicyError as error:
            self.errors.append(error)

    def raise_all(self) -> None:
        if len(self.errors) == 1:
            raise self.errors[0]
        if self.errors:
            raise PolicyErrors(self.errors)


def _currency(policy: Node) -> str:
    node = policy.get("currency")
    return "" if node is None else _currency_code(node)


def _currency_code(node: Node) -> str:
    code = node.text()
    if not is_currency(code):
        raise node.error(f"`{code}` is no ISO 4217 currency code", "write three capitals, as in EUR")
    return code


def _identifier(name: str, span: Span, what: str) -> None:
    if not name.isidentifier() or keyword.iskeyword(name):
        raise PolicyError(
            f"`{name}` cannot name {what}",
            span,
            "expressions read it by this name: letters, digits and _; use `from:` for a file's own name",
        )


# ---- event types


def _types(node: Node, currency: str, found: _Findings) -> tuple[EventType, ...]:
    entries = list(node.items())
    if not entries:
        raise node.error("`events` has no event type")
    types: list[EventType] = []
    for name, each in entries:
        with found.noted():
            types.append(_type(name, each, node, currency, len(entries), found))
    for index, each_type in enumerate(types):
        with found.noted():
            _told_apart(each_type, types[:index])
    _agree(types, found)
    return tuple(types)


def _type(name: str, node: Node, parent: Node, currency: str, count: int, found: _Findings) -> EventType:
    _identifier(name, parent.key_span(name), "an event type")
    node.only("id", "time", "match", "fields")
    fields: dict[str, Field] = {}
    fields_node = node.need("fields")
    before = len(found.errors)
    for field_name, each in fields_node.items():
        with found.noted():
            fields[field_name] = _field(field_name, each, fields_node, currency)
    complete = len(found.errors) == before
    if complete:
        for field in fields.values():
            with found.noted():
                _check_currency_field(field, fields)
    time = _named_field(node.need("time"), fields, complete)
    if time in fields and fields[time].type is not Type.TIME:
        raise node.need("time").error(
            f"`{time}` is {_a(fields[time].type)}, so it cannot be the event time", "give it `type: time`"
        )
    id_node = node.get("id")
    identity = None if id_node is None else _named_field(id_node, fields, complete)
    if id_node is not None and identity in fields and fields[identity].type not in (Type.STRING, Type.INT):
        raise id_node.error(
            f"`{identity}` is {_a(fields[identity].type)}, so it cannot identify an event",
            "an id is a string or an int",
        )
    return EventType(name, parent.key_span(name), time, identity, _match(node, name, count), fields)


def _named_field(node: Node, fields: dict[str, Field], complete: bool) -> str:
    name = node.text()
    if name not in fields and complete:
        raise node.error(f"`{name}` is no field of this event type", did_you_mean(name, fields))
    return name


def _match(node: Node, name: str, count: int) -> tuple[tuple[str, str], ...]:
    """Return the raw fields and their texts; several event types are told by `type` unless they say."""
    match = node.get("match")
    if match is None:
        return (("type", name),) if count > 1 else ()
    if not match.is_map:
        raise match.error(
            f"`{match.path}` must be a map of a record's fields to their values",
            "as in match: {kind: payment}",
        )
    pairs = tuple((key, value.text()) for key, value in match.items())
    if not pairs:
        raise match.error(f"`{match.path}` is empty", "as in match: {kind: payment}")
    return pairs


def _told_apart(each: EventType, earlier: list[EventType]) -> None:
    for other in earlier:
        if set(other.match) <= set(each.match):
            raise PolicyError(
                f"every record of event type `{each.name}` is already one of `{other.name}`",
                each.span,
                "give both a `match:` that no record fulfils twice",
            )


def _agree(types: list[EventType], found: _Findings) -> None:
    first: dict[str, tuple[str, Field]] = {}
    for each in types:
        for field in each.fields.values():
            other_type, other = first.setdefault(field.name, (each.name, field))
            if other.type is not field.type:
                found.errors.append(
                    PolicyError(
                        f"field `{field.name}` is {_a(field.type)} in `{each.name}` "
                        f"and {_a(other.type)} in `{other_type}`",
                        field.span,
                        "fields of the same name share a column: give one of them another name",
                    )
                )


def _field(name: str, node: Node, parent: Node, currency: str) -> Field:
    span = parent.key_span(name)
    _identifier(name, span, "a field")
    if name in RESERVED:
        raise PolicyError(f"`{name}` is a name that every event has already", span, "choose another name")
    if not node.is_map:
        return Field(name, Type(node.choice(*FIELD_TYPES)), span)
    kind = Type(node.need("type").choice(*FIELD_TYPES))
    known = ("type", "from", "required", "personal", *_OPTIONS[kind])
    for key, _ in node.items():
        if key not in known and key in {option for each in _OPTIONS.values() for option in each}:
            raise PolicyError(
                f"{_a(kind)} has no `{key}`", node.key_span(key), f"known here: {', '.join(known)}"
            )
    node.only(*known)
    required, personal = node.get("required"), node.get("personal")
    low, high = _bounds(node)
    own_currency, currency_field = _field_currency(node)
    if (own_currency or currency_field) and not currency:
        raise node.need("currency").error(
            "this currency cannot be converted: the policy has no base currency",
            "write `policy: {currency: EUR}`",
        )
    minor, unit, origin, delay = (node.get(key) for key in ("minor", "unit", "origin", "delay"))
    if origin is not None and (unit is None or unit.text() == "iso"):
        raise origin.error("`origin` needs `unit: s` or `unit: ms`")
    return Field(
        name=name,
        type=kind,
        span=span,
        sources=_sources(node, kind),
        required=required is not None and required.flag(),
        allowed=_allowed(node, kind),
        low=low,
        high=high,
        currency=own_currency,
        currency_field=currency_field,
        minor=minor is not None and minor.flag(),
        unit="iso" if unit is None else unit.choice("iso", "s", "ms"),
        origin_ms=0 if origin is None else _origin(origin),
        delay_ms=0 if delay is None else delay.duration_ms(),
        personal=None if personal is None else personal.flag(),
    )


def _a(kind: Type) -> str:
    return f"an {kind.value}" if kind in (Type.INT, Type.IP) else f"a {kind.value}"


def _sources(node: Node, kind: Type) -> tuple[str, ...]:
    source = node.get("from")
    if source is None:
        return ()
    names = tuple(source.texts())
    if not names or "" in names:
        raise source.error(f"`{source.path}` needs a name")
    if kind is Type.LOCATION and len(names) > 2:
        raise source.error("a location comes from one field or from two: latitude, then longitude")
    return names


def _allowed(node: Node, kind: Type) -> tuple[str, ...]:
    allowed = node.get("allowed")
    if allowed is None:
        return ()
    if kind is Type.INT:
        return tuple(str(each.integer()) for each in (allowed.elements() if allowed.is_list else [allowed]))
    values = tuple(allowed.texts())
    if not values:
        raise allowed.error(f"`{allowed.path}` allows nothing", "leave it out to allow everything")
    return values


def _bounds(node: Node) -> tuple[float, float]:
    low_node, high_node = node.get("min"), node.get("max")
    low = -math.inf if low_node is None else low_node.number()
    high = math.inf if high_node is None else high_node.number()
    if low > high and high_node is not None:
        raise high_node.error(f"`max` {high:g} is below `min` {low:g}")
    return low, high


def _field_currency(node: Node) -> tuple[str, str]:
    """Return (code, ""), ("", field name) or ("", "")."""
    currency = node.get("currency")
    if currency is None:
        return "", ""
    text = currency.text()
    if is_currency(text):
        return text, ""
    return "", text


def _check_currency_field(field: Field, fields: dict[str, Field]) -> None:
    if not field.currency_field:
        return
    other = fields.get(field.currency_field)
    if other is None:
        raise PolicyError(
            f"the currency of `{field.name}` is `{field.currency_field}`, neither a code nor a field",
            field.span,
            did_you_mean(field.currency_field, fields)
            or "write a code such as EUR, or a string field's name",
        )
    if other.type is not Type.STRING:
        raise PolicyError(
            f"the currency of `{field.name}` is the field `{other.name}`, which is {_a(other.type)}",
            field.span,
            "a field that holds a currency is a string",
        )


def _origin(node: Node) -> int:
    milliseconds = iso_ms(node.text())
    if milliseconds is None:
        raise node.error(f"`{node.text()}` is no ISO 8601 time", "as in 2018-04-01 or 2018-04-01T00:00:00Z")
    return milliseconds


# ---- entities


def _entities(node: Node, types: tuple[EventType, ...], found: _Findings) -> tuple[Entity, ...]:
    entities: list[Entity] = []
    for name, each in node.items():
        span = node.key_span(name)
        with found.noted():
            entities.append(_entity(name, each, span, types))
    seen: dict[str, Role] = {}
    for entity in entities:
        for role in entity.roles:
            other = seen.setdefault(role.name, role)
            if other is not role:
                found.errors.append(
                    PolicyError(f"`{role.name}` is a role of `{other.entity}` already", role.span)
                )
    return tuple(entities)


def _entity(name: str, node: Node, span: Span, types: tuple[EventType, ...]) -> Entity:
    _identifier(name, span, "an entity")
    if not node.is_map:
        return Entity(name, (Role(name, name, _key(node, types), node.span),), span, None)
    node.only("key", "roles", "attributes")
    roles_node = node.get("roles")
    if roles_node is None:
        key = node.need("key")
        roles: tuple[Role, ...] = (Role(name, name, _key(key, types), key.span),)
    else:
        if "key" in node:
            raise PolicyError(
                f"entity `{name}` has both `key` and `roles`",
                node.key_span("key"),
                "each role has its own key",
            )
        roles = tuple(_role(role, name, each, roles_node, types) for role, each in roles_node.items())
        if not roles:
            raise roles_node.error(f"entity `{name}` has no role")
        _same_key_types(roles, types)
    return Entity(name, roles, span, node.get("attributes"))


def _role(name: str, entity: str, node: Node, parent: Node, types: tuple[EventType, ...]) -> Role:
    _identifier(name, parent.key_span(name), "a role")
    return Role(name, entity, _key(node, types), node.span)


def _key(node: Node, types: tuple[EventType, ...]) -> tuple[str, ...]:
    """Return the field or fields of a key, all of which one event type at least must have."""
    nodes = node.elements() if node.is_list else [node]
    known = {name: field for each in types for name, field in each.fields.items()}
    key: list[str] = []
    for each in nodes:
        name = each.text()
        if name not in known:
            raise each.error(f"no event type has a field `{name}`", did_you_mean(name, known))
        if known[name].type not in KEY_TYPES:
            raise each.error(
                f"`{name}` is {_a(known[name].type)}, so it cannot be a key",
                "a key is a string, an int or an ip",
            )
        if name in key:
            raise each.error(f"`{name}` is twice in one key")
        key.append(name)
    if not key:
        raise node.error("a key needs a field")
    if not any(all(name in each.fields for name in key) for each in types):
        raise node.error(f"no event type has all of {', '.join(key)}")
    return tuple(key)


def _same_key_types(roles: tuple[Role, ...], types: tuple[EventType, ...]) -> None:
    known = {name: field.type for each in types for name, field in each.fields.items()}
    first = [known[name] for name in roles[0].key]
    for role in roles[1:]:
        if [known[name] for name in role.key] != first:
            raise PolicyError(
                f"the keys of `{role.name}` and `{roles[0].name}` differ in type, so they can never be equal",
                role.span,
                "give their fields the same types",
            )
