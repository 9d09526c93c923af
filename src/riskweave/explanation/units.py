"""In what unit a feature is to be written, from its expression: money, a count, a share, a length of time."""

from __future__ import annotations

from collections.abc import Mapping

from riskweave.errors import PolicyError, Span
from riskweave.explanation.formats import Unit
from riskweave.explanation.wording import SECONDS_OF
from riskweave.expressions.parse import parse
from riskweave.expressions.syntax import (
    Binary,
    Call,
    Choice,
    Compare,
    Dotted,
    Literal,
    Logic,
    Method,
    Name,
    Unary,
)
from riskweave.expressions.types import Expr, Type

_OF_TYPE = {
    Type.INT: "count",
    Type.FLOAT: "number",
    Type.BOOL: "flag",
    Type.STRING: "text",
    Type.IP: "text",
    Type.TIME: "time",
    Type.LABEL: "flag",
}
_OF_AGGREGATE = {
    "count": "count",
    "distinct": "count",
    "distinct_places": "count",
    "is_new": "flag",
    "first_seen": "time",
    "time_since": "seconds",
    "rate": "percent",
    "speed_kmh": "km_h",
    "distance_from_last": "km",
    "distance_from_usual": "km",
    "ratio": "times",
    "zscore": "number",
    "rank": "percent",
    "entropy": "number",
    "hour_habit": "percent",
    "decayed_count": "number",
}
# Values of the same kind as what they are made of.
_SAME = frozenset(("sum", "mean", "std", "min", "max", "median", "quantile", "last", "mode", "decayed_sum"))
_SAME_FUNCTIONS = frozenset(("coalesce", "min", "max", "abs", "round", "floor", "ceil"))


class Units:
    """Units of one policy's fields and features.

    >>> units = Units({"amount": Type.MONEY}, {"usual": 'customer.mean(amount, "30d")'}, "EUR")
    >>> units.of("usual").kind, units.of("amount / usual").kind
    ('money', 'times')
    """

    def __init__(
        self,
        fields: Mapping[str, Type],
        features: Mapping[str, str],
        currency: str,
        written: Mapping[str, str] | None = None,
    ) -> None:
        self.fields = fields
        self.features = features
        self.currency = currency
        self.written = written or {}
        self._known: dict[str, Unit] = {}

    def of(self, text: str, kind: Type | None = None) -> Unit:
        """Return the unit of a field, a feature, or any expression; `kind` is its type, if known."""
        found = self._known.get(text)
        if found is None:
            found = self._known[text] = self._find(text, kind)
        return found

    def of_type(self, kind: Type | None) -> Unit:
        """Return the unit that goes with a type alone."""
        if kind is Type.MONEY:
            return Unit("money", self.currency)
        return Unit(_OF_TYPE.get(kind, "number")) if kind is not None else Unit("number")

    def _find(self, text: str, kind: Type | None) -> Unit:
        name = self._name(text, ())
        if name is None:
            try:
                name = self._expr(parse(text, Span()), ())
            except PolicyError:
                name = None
        if kind is not None and not kind.is_number:
            return self.of_type(kind)
        return name or self.of_type(kind)

    def _name(self, name: str, way: tuple[str, ...]) -> Unit | None:
        if name in self.written:
            kind = self.written[name]
            return Unit(kind, self.currency if kind == "money" else "")
        if name in self.fields:
            return self.of_type(self.fields[name])
        if name in self.features and name not in way:
            try:
                return self._expr(parse(self.features[name], Span()), (*way, name))
            except PolicyError:
                return None
        return self.of_type(Type.TIME) if name == "event_time" else None

    def _expr(self, expr: Expr, way: tuple[str, ...]) -> Unit | None:
        if isinstance(expr, Name):
            return self._name(expr.name, way)
        if isinstance(expr, Dotted):
            return self._name(".".join(expr.path), way)
        if isinstance(expr, Method):
            if expr.method in _SAME and expr.args:
                return self._expr(expr.args[0], way)
            kind = _OF_AGGREGATE.get(expr.method)
            return Unit(kind) if kind else None
        if isinstance(expr, (Compare, Logic)):
            return Unit("flag")
        if isinstance(expr, Unary):
            return Unit("flag") if expr.op == "not" else self._expr(expr.operand, way)
        if isinstance(expr, Choice):
            return self._expr(expr.then, way)
        if isinstance(expr, Call):
            same = expr.function in _SAME_FUNCTIONS and expr.args
            return self._expr(expr.args[0], way) if same else None
        if isinstance(expr, Binary):
            return self._binary(expr, way)
        return None

    def _binary(self, expr: Binary, way: tuple[str, ...]) -> Unit | None:
        left, right = self._expr(expr.left, way), self._expr(expr.right, way)
        money = ("money",)
        if expr.op == "/":
            if left and left.kind == "seconds" and isinstance(expr.right, Literal):
                return Unit(SECONDS_OF.get(expr.right.value, "number"))  # type: ignore[arg-type]
            if left and right and left.kind == right.kind and left.kind in money:
                return Unit("times")
            return left if left and left.kind in money and right is None else None
        if expr.op == "*":
            amounts = [each for each in (left, right) if each and each.kind in money]
            return amounts[0] if len(amounts) == 1 else None
        if expr.op in ("+", "-"):
            if left and right and left.kind == "time" and right.kind == "time":
                return Unit("seconds")
            amounts = [each for each in (left, right) if each and each.kind in money]
            return amounts[0] if amounts else None
        return None
