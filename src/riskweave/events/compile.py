"""From the fields that a policy uses to a plan that decodes records into exactly those columns.

Ask an `EventsCompiler` for the fields and keys that rooms read, then `finish()`. A field that nobody
asked for gets no column; its values are checked all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf
from operator import itemgetter
from struct import Struct
from typing import Any

from riskweave.batch import STAGE_DECODED, TIME_ROW, TYPE_ROW, Layout
from riskweave.errors import PolicyError, Span, did_you_mean
from riskweave.events.plan import DecodePlan, FieldPlan, PlainFloats, Rates, TypePlan
from riskweave.events.setters import setter
from riskweave.events.spec import EventsSpec, EventType, Field
from riskweave.events.values import cleaner, money_cleaner
from riskweave.expressions.strings import StringPool
from riskweave.expressions.types import Col, Type


class EventsCompiler:
    """Adds columns and keys to a layout as they are asked for."""

    def __init__(self, spec: EventsSpec, layout: Layout, pool: StringPool) -> None:
        self.spec = spec
        self.layout = layout
        self.pool = pool
        self._columns: dict[str, Col] = {}
        self._composites: dict[tuple[str, ...], int] = {}
        if all(each.time == spec.types[0].time for each in spec.types):
            self._columns[spec.types[0].time] = layout.columns[TIME_ROW]

    def field(self, name: str, span: Span | None = None) -> Col:
        """Return the column of a field; NaN in events whose type does not have it."""
        kind = self._type(name, span)
        if kind is Type.LABEL:
            raise PolicyError(f"`{name}` is a label: only features may read it", span)
        column = self._columns.get(name)
        if column is None:
            column = self._columns[name] = self.layout.add(name, kind, STAGE_DECODED)
        return column

    def key(self, fields: tuple[str, ...], span: Span | None = None) -> int:
        """Return the row of `Batch.keys` with the 64-bit hash of a field, or of several together.

        The row is named `a+b`; the parts of a composite get rows of their own.
        """
        for name in fields:
            if self._type(name, span) is Type.LABEL:
                raise PolicyError(f"`{name}` is a label: it arrives later and cannot be a key", span)
        if len(fields) == 1:
            return self.layout.add_key(fields[0])
        for name in fields:
            self.layout.add_key(name)
        row = self.layout.add_key("+".join(fields))
        self._composites[fields] = row
        return row

    def finish(self, rates: Rates | None = None) -> DecodePlan:
        """Return the plan. `rates` converts foreign money; without it such amounts are refused."""
        types = tuple(self._type_plan(each, rates) for each in self.spec.types)
        rows = tuple(sorted(self._rows()))
        sources: set[str] = set()
        for each in types:
            sources.update(name for name, _ in each.match)
            for field in each.fields:
                sources.update(field.names)
                sources.update(field.pair or ())
        key_rows = tuple(sorted(set(self._key_rows()) | set(self._composites.values())))
        return DecodePlan(
            types=types,
            rows=rows,
            key_rows=key_rows,
            dense=rows[-1] < 2 * len(rows),
            cells=Struct(f"{rows[-1] + 1}d"),
            hashes=Struct(f"{key_rows[-1] + 1 if key_rows else 0}Q"),
            layout=self.layout,
            pool=self.pool,
            currency=self.spec.currency,
            sources=frozenset(sources),
            labels=tuple(self.spec.labels()),
        )

    def _rows(self) -> set[int]:
        rows = {TIME_ROW, TYPE_ROW}
        for column in self._columns.values():
            rows.update((column.index, column.index + (column.type is Type.LOCATION)))
        return rows

    def _key_rows(self) -> list[int]:
        return [self.layout.keys[name] for name in self.spec.fields() if name in self.layout.keys]

    def _type(self, name: str, span: Span | None) -> Type:
        kind = self.spec.type_of(name)
        if kind is None:
            raise PolicyError(
                f"no event type has a field `{name}`", span, did_you_mean(name, self.spec.fields())
            )
        return kind

    def _type_plan(self, each: EventType, rates: Rates | None) -> TypePlan:
        plans = {name: self._field_plan(field, rates) for name, field in each.fields.items()}
        for name, plan in plans.items():
            if plan.field.currency_field in plans:
                plans[name] = replace(plan, currency=plans[plan.field.currency_field])
        columns = tuple(
            plan
            for name, plan in plans.items()
            if name != each.time or plan.row > TIME_ROW or plan.key_row >= 0
        )
        setters = tuple(setter(plan, self.spec.currency, self.pool) for plan in columns)
        composites = tuple(
            (row, tuple(self.layout.keys[name] for name in fields))
            for fields, row in self._composites.items()
            if all(name in each.fields for name in fields)
        )
        return TypePlan(
            name=each.name,
            code=self.pool.code(each.name),
            match=each.match,
            time=plans[each.time],
            id=plans[each.id] if each.id is not None else None,
            fields=tuple(plans.values()),
            labels=tuple(plan for plan in plans.values() if plan.field.type is Type.LABEL),
            composites=composites,
            columns=columns,
            setters=setters,
            floats=_plain_floats(columns),
            others=tuple(
                each for plan, each in zip(columns, setters, strict=True) if not _is_plain_float(plan)
            ),
        )

    def _field_plan(self, field: Field, rates: Rates | None) -> FieldPlan:
        clean: Callable[..., Any]
        if field.type is Type.MONEY:
            if field.currency and field.currency != self.spec.currency and rates is None:
                raise PolicyError(
                    f"`{field.name}` is in {field.currency}, without rates to {self.spec.currency}",
                    field.span,
                    "write `policy: {rates: rates.csv}`",
                )
            clean, expected = money_cleaner(field, self.spec.currency, rates)
        else:
            clean, expected = cleaner(field)
        pair = (field.sources[0], field.sources[1]) if _is_pair(field) else None
        others = () if pair else tuple(name for name in field.sources if name != field.name)
        column = self._columns.get(field.name)
        return FieldPlan(
            field=field,
            names=(field.name, *others),
            pair=pair,
            row=-1 if column is None else column.index,
            key_row=self.layout.keys.get(field.name, -1),
            clean=clean,
            expected=expected,
        )


def _is_pair(field: Field) -> bool:
    return field.type is Type.LOCATION and len(field.sources) == 2


def _plain_floats(columns: tuple[FieldPlan, ...]) -> PlainFloats | None:
    """Return the float fields that need no check of their own, when there are enough to gain by it."""
    plain = [plan for plan in columns if _is_plain_float(plan)]
    if len(plain) < 2:
        return None
    return PlainFloats(itemgetter(*(plan.names[0] for plan in plain)), tuple(plan.row for plan in plain))


def _is_plain_float(plan: FieldPlan) -> bool:
    field = plan.field
    ranged = field.low > -inf or field.high < inf or bool(field.allowed)
    return field.type is Type.FLOAT and plan.key_row < 0 and not ranged
