"""What a feature or a condition is called, from its expression: one grammar for both languages.

`customer.sum(amount, "24h")` is "sum of amount over 24 h for this customer" and
「该客户24小时内金额合计」. A label of the policy comes first, names that policies often use next, and
what has neither is called as it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from riskweave.document import duration_ms
from riskweave.errors import PolicyError, Span
from riskweave.explanation.catalogue import MESSAGES
from riskweave.explanation.formats import Unit
from riskweave.explanation.speech import Said, Speech, Value, Written
from riskweave.expressions.parse import parse
from riskweave.expressions.syntax import (
    Binary,
    Call,
    Choice,
    Compare,
    Dotted,
    Items,
    Literal,
    Logic,
    Method,
    Name,
    Unary,
)
from riskweave.expressions.types import Expr

_COMPARE = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge", "==": "eq", "!=": "ne"}
_ARITHMETIC = {"+": "add", "-": "sub", "*": "mul", "/": "div"}
# What comes before the window among an aggregate's arguments.
_OPERANDS = {
    "count": (),
    "first_seen": (),
    "time_since": (),
    "hour_habit": (),
    "decayed_count": (),
    "quantile": ("value", "share"),
}
_DEPTH_MAX = 12
# What seconds are divided by, and the unit that comes of it.
SECONDS_OF = {86_400: "days", 3_600: "hours", 60: "minutes"}


class Wording:
    """Words for the names and expressions of one policy.

    `labels` are the policy's own, `features` the texts of its named features, `lists` its lists,
    `constants` what its constants stand for, `event_types` its events, `money` the fields that are
    amounts (in the base currency `currency`).
    """

    def __init__(
        self,
        labels: Mapping[str, Mapping[str, str]],
        features: Mapping[str, str],
        *,
        lists: Collection[str] = (),
        constants: Mapping[str, object] | None = None,
        event_types: Sequence[str] = (),
        money: Collection[str] = (),
        currency: str = "",
    ) -> None:
        self.labels = labels
        self.features = features
        self.lists = frozenset(lists)
        self.constants = constants or {}
        self.event_types = tuple(event_types)
        self.money = frozenset(money)
        self.currency = currency
        self._known: dict[str, Speech] = {}

    def name(self, name: str) -> Speech:
        """Return what a field, a feature or an entity is called."""
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = self._name(name, 0)
        return known

    def _name(self, name: str, depth: int) -> Speech:
        if name in self.labels:
            return Written(self.labels[name])
        if name in self.features and depth < _DEPTH_MAX:
            if f"known.{name}" in MESSAGES:
                return Said(f"known.{name}")
            return self.text(self.features[name], depth + 1)
        if name in self.constants:
            return self._constant(self.constants[name])
        if f"known.{name}" in MESSAGES:
            return Said(f"known.{name}")
        base, dot, rest = name.partition(".")
        if dot and rest and "." not in rest:
            return Said("expr.attribute", {"name": rest, "entity": self._name(base, depth + 1)})
        return name

    def text(self, text: str, depth: int = 0) -> Speech:
        """Return the words of an expression; as it is written when it cannot be read."""
        try:
            return self._expr(parse(text, Span()), depth)
        except PolicyError:
            return text

    def in_sentence(self, text: str, value: object, unit: Unit) -> Said | None:
        """Return an expression with its value as it stands in a sentence, where that reads well."""
        try:
            expr = parse(text, Span())
        except PolicyError:
            return None
        if not isinstance(expr, Method):
            return None
        key = f"value.{expr.method}"
        if expr.method == "is_new" and value is False:
            key = "value.is_known"
        if key not in MESSAGES or value is None:
            return None
        named = dict(expr.named)
        if "before" in named or "delay" in named:
            return None
        said = Said(key, {**self._arguments(expr, 0), "n": Value(value, unit)})
        if "where" in named:
            said = Said("value.where", {"inner": said, "condition": self._expr(named["where"], 1)})
        return said

    # ---- the grammar

    def _expr(self, expr: Expr, depth: int) -> Speech:
        if depth > _DEPTH_MAX:
            return "…"
        grammar: dict[type, Callable[..., Speech]] = {
            Literal: self._literal,
            Name: self._bare,
            Dotted: self._dotted,
            Items: self._items,
            Unary: self._unary,
            Binary: self._binary,
            Logic: self._logic,
            Compare: self._compare,
            Choice: self._choice,
            Call: self._call,
            Method: self._method,
        }
        return grammar[type(expr)](expr, depth + 1)

    def _literal(self, expr: Literal, depth: int) -> Speech:
        return self._constant(expr.value)

    def _constant(self, value: object) -> Speech:
        if isinstance(value, (list, tuple)):
            return Said("summary.facts", {"facts": [self._constant(each) for each in value]})
        return Value(value)

    def _bare(self, expr: Name, depth: int) -> Speech:
        return self._name(expr.name, depth)

    def _dotted(self, expr: Dotted, depth: int) -> Speech:
        return self._name(".".join(expr.path), depth)

    def _items(self, expr: Items, depth: int) -> Speech:
        return Said("summary.facts", {"facts": [self._expr(each, depth) for each in expr.elements]})

    def _unary(self, expr: Unary, depth: int) -> Speech:
        inner = self._expr(expr.operand, depth)
        if expr.op == "+":
            return inner
        return Said("expr.not" if expr.op == "not" else "expr.neg", {"a": inner})

    def _binary(self, expr: Binary, depth: int) -> Speech:
        since = self._since(expr, depth)
        if since is not None:
            return since
        left, right = self._part(expr.left, depth), self._part(expr.right, depth)
        if expr.op in _ARITHMETIC:
            return Said(f"expr.{_ARITHMETIC[expr.op]}", {"a": left, "b": right})
        return Said("expr.call", {"name": expr.op, "args": [left, right]})

    def _since(self, expr: Binary, depth: int) -> Speech | None:
        """Return the words of `event_time - x`, and of the same in days, hours or minutes."""
        if expr.op == "/" and isinstance(expr.right, Literal) and expr.right.value in SECONDS_OF:
            return self._since(expr.left, depth) if isinstance(expr.left, Binary) else None
        if expr.op == "-" and isinstance(expr.left, Name) and expr.left.name == "event_time":
            return Said("expr.since", {"b": self._expr(expr.right, depth)})
        return None

    def _part(self, expr: Expr, depth: int) -> Speech:
        inner = self._expr(expr, depth)
        return Said("expr.group", {"a": inner}) if isinstance(expr, (Binary, Choice)) else inner

    def _logic(self, expr: Logic, depth: int) -> Speech:
        parts = [
            Said("expr.group", {"a": self._expr(each, depth)})
            if isinstance(each, Logic)
            else self._expr(each, depth)
            for each in expr.operands
        ]
        joined = parts[0]
        for each in parts[1:]:
            joined = Said(f"expr.{expr.op}", {"a": joined, "b": each})
        return joined

    def _compare(self, expr: Compare, depth: int) -> Speech:
        clauses = [
            self._comparison(op, expr.operands[at], expr.operands[at + 1], depth)
            for at, op in enumerate(expr.ops)
        ]
        joined = clauses[0]
        for each in clauses[1:]:
            joined = Said("expr.and", {"a": joined, "b": each})
        return joined

    def _comparison(self, op: str, left: Expr, right: Expr, depth: int) -> Speech:
        a = self._expr(left, depth)
        if op in ("is", "is not") or (isinstance(right, Literal) and right.value is None):
            return Said("expr.is_null" if op in ("is", "==") else "expr.is_known", {"a": a})
        if op in ("in", "not in"):
            key = "in" if op == "in" else "not_in"
            if isinstance(right, Name) and right.name in self.lists:
                name = Written(self.labels[right.name]) if right.name in self.labels else right.name
                return Said(f"expr.{key}_list", {"a": a, "b": name})
            return Said(f"expr.{key}", {"a": a, "b": [self._expr(right, depth)]})
        b = self._expr(right, depth)
        if isinstance(b, Value) and isinstance(left, Name) and left.name in self.money:
            b = Value(b.value, Unit("money", self.currency))
        return Said(f"expr.{_COMPARE[op]}", {"a": a, "b": b})

    def _choice(self, expr: Choice, depth: int) -> Speech:
        return Said(
            "expr.if",
            {
                "condition": self._expr(expr.condition, depth),
                "then": self._expr(expr.then, depth),
                "otherwise": self._expr(expr.otherwise, depth),
            },
        )

    def _call(self, expr: Call, depth: int) -> Speech:
        if expr.function == "hour" and len(expr.args) == 1:
            return Said("expr.hour")
        if expr.function == "coalesce" and expr.args:
            return self._expr(expr.args[0], depth)
        args = [self._expr(each, depth) for each in expr.args]
        return Said("expr.call", {"name": expr.function, "args": args})

    def _method(self, expr: Method, depth: int) -> Speech:
        if f"word.{expr.method}" not in MESSAGES:
            if isinstance(expr.receiver, (Name, Dotted)) and expr.method.isidentifier():
                args = [self._expr(each, depth) for each in (expr.receiver, *expr.args)]
                return Said("expr.call", {"name": expr.method, "args": args})
            return Said("word.aggregate", {"name": expr.method, "entity": self._expr(expr.receiver, depth)})
        said = Said(f"word.{expr.method}", self._arguments(expr, depth))
        named = dict(expr.named)
        if "where" in named:
            condition = self._expr(named["where"], depth)
            said = Said("word.where", {"inner": said, "condition": condition})
        delay = _duration(named.get("delay"))
        if delay is not None:
            said = Said("word.delay", {"inner": said, "delay": delay})
        before = named.get("before")
        if isinstance(before, Literal) and before.value is True:
            said = Said("word.before", {"inner": said})
        return said

    def _arguments(self, expr: Method, depth: int) -> dict[str, object]:
        """Return what fills an aggregate's message; what is not there is said as unknown."""
        found: dict[str, object] = {
            "entity": self._entity(expr.receiver, depth),
            "events": self._events(dict(expr.named).get("on")),
            "value": Value(None),
            "share": None,
            "window": None,
            "long": None,
        }
        args = list(expr.args)
        for name in _OPERANDS.get(expr.method, ("value",)):
            if not args:
                break
            first = args.pop(0)
            share = isinstance(first, Literal) and name == "share"
            found[name] = first.value if share and isinstance(first, Literal) else self._expr(first, depth)
        windows = [_duration(each) for each in args]
        windows += [_duration(value) for name, value in expr.named if name in ("window", "half_life")]
        known = [each for each in windows if each is not None]
        if known:
            found["window"] = known[0]
        if len(known) > 1:
            found["long"] = known[1]
        return found

    def _entity(self, receiver: Expr, depth: int) -> Speech:
        if isinstance(receiver, Dotted) and len(receiver.path) == 2 and receiver.path[1].startswith("as_"):
            entity, role = receiver.path
            return Said(
                "word.as_role", {"entity": self._name(entity, depth), "role": self._name(role[3:], depth)}
            )
        return self._expr(receiver, depth)

    def _events(self, on: Expr | None) -> Speech:
        names: list[str] = []
        if isinstance(on, Name):
            names = [on.name]
        elif isinstance(on, Items):
            names = [each.name for each in on.elements if isinstance(each, Name)]
        elif len(self.event_types) == 1:
            names = list(self.event_types)
        if not names:
            return Said("events.any")
        said = [self._event(name) for name in names]
        return said[0] if len(said) == 1 else Said("summary.facts", {"facts": said})

    def _event(self, name: str) -> Speech:
        if name in self.labels:
            return Written(self.labels[name])
        return (
            Said(f"events.{name}") if f"events.{name}" in MESSAGES else Said("events.named", {"name": name})
        )


def _duration(expr: Expr | None) -> int | None:
    if isinstance(expr, Literal) and isinstance(expr.value, str):
        return duration_ms(expr.value)
    return None
