"""Which fields of an event a counterfactual may change, to what, and how that is written in a record."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from riskweave.engine.decisions import python_value
from riskweave.engine.explain_names import Names
from riskweave.errors import Span
from riskweave.events.money import currency_digits
from riskweave.events.plan import FieldPlan, TypePlan
from riskweave.events.spec import Field
from riskweave.explanation.counterfactuals import Changeable
from riskweave.explanation.spec import Change
from riskweave.expressions.parse import parse
from riskweave.expressions.syntax import Compare, Items, Literal, Name
from riskweave.expressions.types import Type
from riskweave.policy.plan import Plan

Event = Mapping[str, object]

CHOICES_MAX = 3
HINTS_MAX = 8
HOUR_MS = 3_600_000
SHIFTS_MS = tuple(sign * hours * HOUR_MS for hours in (1, 3, 8) for sign in (1, -1))
_HOW = {Type.MONEY: "number", Type.INT: "number", Type.FLOAT: "number", Type.TIME: "time"}
_CALENDAR = ("hour", "minute", "weekday", "day", "month")


class Changes:
    """The changeable fields of one policy's events."""

    def __init__(self, names: Names, plan: Plan) -> None:
        self.names = names
        self.plan = plan
        self.spec = names.book.spec.changeable
        self.plans = {each.field.name: each for kind in plan.decode.types for each in kind.fields}
        self.types = {kind.code: kind for kind in plan.decode.types}
        self.reads_clock = any(f"{name}(" in text for text in self._texts() for name in _CALENDAR)
        self.choices = self._written_choices()

    def _texts(self) -> Iterable[str]:
        yield from self.names.texts.values()
        for rule in self.plan.rules.rules:
            yield rule.when

    def _written_choices(self) -> dict[str, tuple[str, ...]]:
        """Return the texts that the policy's expressions compare each field with."""
        found: dict[str, dict[str, None]] = {}
        constants = self.names.book.wording.constants

        def texts(expr: object) -> list[str]:
            if isinstance(expr, Literal):
                return [expr.value] if isinstance(expr.value, str) else []
            if isinstance(expr, Items):
                return [text for each in expr.elements for text in texts(each)]
            value = constants.get(expr.name) if isinstance(expr, Name) else None
            values = value if isinstance(value, tuple) else (value,)
            return [each for each in values if isinstance(each, str)]

        def walk(expr: object) -> None:
            if isinstance(expr, Compare):
                for left, right in zip(expr.operands, expr.operands[1:], strict=False):
                    if isinstance(left, Name):
                        found.setdefault(left.name, {}).update(dict.fromkeys(texts(right)))
            if isinstance(expr, tuple):
                for each in expr:
                    walk(each)
            elif dataclasses.is_dataclass(expr) and not isinstance(expr, (type, Span)):
                for part in dataclasses.fields(expr):
                    walk(getattr(expr, part.name))

        for text in self._texts():
            walk(parse(text, Span()))
        return {name: tuple(texts) for name, texts in found.items()}

    # ---- what may change

    def of(
        self, event: Event, column: NDArray[np.float64], known: Mapping[str, Sequence[object]]
    ) -> tuple[Changeable, ...]:
        """Return the changeable fields of one event, in the policy's order."""
        kind = self.types.get(int(column[1])) if column[1] == column[1] else None
        if kind is None:
            return ()
        plans = {each.field.name: each for each in kind.fields}
        wanted = self.spec if self.spec is not None else self._by_default(kind)
        found = []
        for change in wanted:
            plan = plans.get(change.name)
            if plan is None or (
                plan.row < 0 and plan.key_row < 0 and plan.field.name != kind.time.field.name
            ):
                # The policy does not read it: no change of it changes anything.
                continue
            each = self._changeable(change, plan, event, column, known.get(change.name, ()))
            if each is not None:
                found.append(each)
        return tuple(found)

    def _by_default(self, kind: TypePlan) -> list[Change]:
        """Return amounts and other numbers first, then categories, then the time where the hour counts.

        What identifies the event or its first entity stays: it would be another customer's event.
        """
        entities = self.plan.events.entities[:1]
        fixed = {name for each in entities for role in each.roles for name in role.key}
        if kind.id is not None:
            fixed.add(kind.id.field.name)
        numbers, categories, times = [], [], []
        for plan in kind.fields:
            field = plan.field
            if field.name in fixed:
                continue
            if field.name == kind.time.field.name:
                times += [Change(field.name)] if self.reads_clock else []
            elif field.type in (Type.MONEY, Type.INT, Type.FLOAT):
                numbers.append(Change(field.name))
            elif field.type in (Type.STRING, Type.BOOL):
                categories.append(Change(field.name))
        numbers.sort(key=lambda change: _rank(kind, change.name))
        return [*numbers, *categories, *times]

    def _changeable(
        self,
        change: Change,
        plan: FieldPlan,
        event: Event,
        column: NDArray[np.float64],
        known: Sequence[object],
    ) -> Changeable | None:
        field = plan.field
        if field.type in (Type.LABEL, Type.LOCATION):
            return None
        how = change.how or _HOW.get(field.type, "category")
        if how == "time":
            return Changeable(field.name, "time", int(column[0]), choices=SHIFTS_MS)
        value = self._value(plan, event, column)
        if how == "category" or field.type not in _HOW:
            choices = change.choices or self._choices(plan, known)
            others = tuple(each for each in dict.fromkeys(choices) if each != value)[:CHOICES_MAX]
            return Changeable(field.name, "category", value, choices=others) if others else None
        if value is None or not isinstance(value, (int, float)):
            return None
        if field.type is Type.MONEY and self._foreign(plan, event):
            return None
        step = 1.0
        if field.type is Type.MONEY:
            step = 10.0 ** -currency_digits(self.plan.settings.currency)
        elif field.type is Type.FLOAT:
            step = 10.0 ** math.floor(math.log10(abs(value) or 1.0) - 3)
        low = max(field.low, change.low if change.low is not None else (0.0 if value >= 0 else -1e12))
        high = min(field.high, change.high if change.high is not None else 1e12)
        hints = sorted(self.names.limits.get(plan.row, ()), key=lambda each: abs(each - value))[:HINTS_MAX]
        return Changeable(field.name, "number", value, step, low, high, tuple(hints))

    def _value(self, plan: FieldPlan, event: Event, column: NDArray[np.float64]) -> object:
        """Return a field's value: of its column, or as it came where the policy only tells it apart."""
        if plan.row >= 0:
            return python_value(float(column[plan.row]), plan.field.type, self.plan.pool.texts)
        return next((event[name] for name in plan.names if event.get(name) is not None), None)

    def _choices(self, plan: FieldPlan, known: Sequence[object]) -> Iterable[object]:
        """Return what the customer used before, what the policy names, what is allowed."""
        yield from known
        if plan.field.type is Type.BOOL:
            yield from (True, False)
        yield from self.choices.get(plan.field.name, ())
        yield from plan.field.allowed

    def _foreign(self, plan: FieldPlan, event: Event) -> bool:
        """Tell whether an amount is not in the base currency."""
        base = self.plan.settings.currency
        if plan.currency is not None:
            found = next((event[name] for name in plan.currency.names if event.get(name) is not None), base)
            return str(found) != base
        return plan.field.currency not in ("", base)

    # ---- how it is written

    def record(self, event: Event, changes: Mapping[str, object], time_ms: int) -> Event:
        """Return changes by field as changes of the record; a time's change is a shift of `time_ms`."""
        found: dict[str, object] = {}
        for name, value in changes.items():
            plan = self.plans[name]
            key = next((each for each in plan.names if event.get(each) is not None), plan.names[0])
            found[key] = self._written(plan.field, value, time_ms)
        return found

    def _written(self, field: Field, value: object, time_ms: int) -> object:
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            return value
        if field.type is Type.TIME:
            return _moment(field, time_ms + int(value))
        if field.type is Type.MONEY:
            digits = currency_digits(self.plan.settings.currency)
            return round(value * 10**digits) if field.minor else f"{value:.{digits}f}"
        return int(value) if field.type is Type.INT else value


def _moment(field: Field, time_ms: int) -> object:
    """Return a moment in the form in which the field's times come."""
    if field.unit == "s":
        return (time_ms - field.origin_ms) / 1000.0
    if field.unit == "ms":
        return time_ms - field.origin_ms
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)).isoformat()


def _rank(kind: TypePlan, name: str) -> int:
    """Order numbers: amounts of money first, the others as they are written."""
    for at, plan in enumerate(kind.fields):
        if plan.field.name == name:
            return at - (1000 if plan.field.type is Type.MONEY else 0)
    return 0
