"""From feature calls to a plan: what is asked, shared where it is the same, laid out flat."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from riskweave.batch import STAGE_FEATURES, STAGE_LISTS, Layout
from riskweave.document import duration_ms
from riskweave.errors import PolicyError, Span, did_you_mean
from riskweave.expressions.types import Col, Const, Expr, FeatureCall, Type, Typed, stage_of
from riskweave.features.plan import FeaturesPlan, TablePlan
from riskweave.features.spec import (
    AGGREGATES,
    OPTIONS,
    WINDOW_MS_MAX,
    WINDOW_MS_MIN,
    Aggregate,
    ArgumentReader,
    ColumnCompiler,
    Entity,
    EventKeys,
)
from riskweave.kernels import feature_layout as at

LABELS_MAX = 14  # label bits a table's entries have beside 48 static ones, in each mask word
STATIC_BITS = 48
CONDITIONS_MAX = 48 * 16
CELL_KM_MIN = 0.1
CELL_KM_MAX = 5000.0


@dataclass(frozen=True, slots=True)
class _Value:
    """Something an entry keeps: a number, whole minor units, a hash or a grid cell."""

    kind: int
    row: int
    parameter: float
    signature: str
    scale: float = 1.0
    is_text: bool = False


@dataclass(frozen=True, slots=True)
class _Filter:
    """Which entries count: a condition known at once (its text, its column) and labels."""

    condition: str = ""
    column: int = -1
    labels: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Window:
    """(t - delay - length, t - delay]; None: as long as an entity is remembered."""

    length_ms: int | None
    delay_ms: int
    before: bool


@dataclass(frozen=True, slots=True)
class _Accumulator:
    kind: int
    window: _Window | None
    filter: _Filter
    value: _Value | None = None
    parameter: float = 0.0


@dataclass(slots=True)
class _Output:
    operation: int
    column: int
    window: _Window | None
    accumulator: _Accumulator | None = None
    other: _Accumulator | None = None
    current: _Value | None = None
    parameter: int = 0
    scale: float = 1.0


@dataclass(slots=True)
class _Table:
    entity: str
    role: str
    fields: tuple[str, ...]
    key_row: int
    values: dict[str, _Value] = field(default_factory=dict)
    accumulators: dict[_Accumulator, None] = field(default_factory=dict)
    windows: dict[_Window, None] = field(default_factory=dict)
    visits: dict[int, list[_Output]] = field(default_factory=dict)
    decay_span_ms: int = 0
    counts_everything: bool = False


@dataclass(slots=True)
class _Call:
    """A feature call whose arguments have been read."""

    aggregate: Aggregate
    call: FeatureCall
    windows: list[_Window]
    filter: _Filter
    value: Typed | None = None
    condition: _Filter | None = None
    share: float = 0.0
    half_life_ms: int = 0
    cell_km: float = 1.0
    before: bool = False
    delay_ms: int = 0


class FeaturesCompiler:
    """Collects the feature calls of a policy and lays them out as one plan.

    `money_digits` are the decimals of the base currency; `forget_after_ms` is how long a silent
    entity is remembered where no window says so (default: the longest window of the policy).
    """

    def __init__(
        self,
        entities: Iterable[Entity],
        events: EventKeys,
        layout: Layout,
        compiler: ColumnCompiler,
        *,
        money_digits: int = 2,
        forget_after_ms: int | None = None,
    ) -> None:
        self._events = events
        self._layout = layout
        self._compiler = compiler
        self._money_scale = float(10**money_digits)
        self._forget_after_ms = forget_after_ms
        self._roles: dict[str, tuple[str, tuple[str, ...]]] = {}
        self._several: dict[str, list[str]] = {}
        for entity in entities:
            for role, fields in entity.roles.items():
                self._roles[role] = (entity.name, fields)
            if entity.name not in entity.roles:
                self._several[entity.name] = list(entity.roles)
        self._tables: dict[tuple[str, str], _Table] = {}
        self._columns: dict[str, Col] = {}

    # ---- a call

    def feature(self, call: FeatureCall, read: ArgumentReader) -> Col:
        """Return the column that holds what a call asks; equal calls share one."""
        key_role, table = self._asked(call)
        asked = self._arguments(call, read)
        outputs_key = self._signature_of_call(key_role, table, asked)
        column = self._columns.get(outputs_key)
        if column is not None:
            return column
        result = asked.aggregate.result
        if result is None:
            assert asked.value is not None
            result = asked.value.type
        output = self._output(table, asked, read)
        column = self._layout.add(outputs_key, result, STAGE_FEATURES)
        output.column = column.index
        key_row = self._events.key(self._roles[key_role][1])
        table.visits.setdefault(key_row, []).append(output)
        self._columns[outputs_key] = column
        return column

    def _asked(self, call: FeatureCall) -> tuple[str, _Table]:
        """Return the role whose key is looked up and the table whose history is asked."""
        role = call.path[0]
        if role in self._several:
            roles = self._several[role]
            raise PolicyError(
                f"`{role}` takes part in several roles",
                call.span,
                f"say which: {', '.join(f'`{each}.{call.aggregate}(...)`' for each in roles)}",
            )
        if role not in self._roles:
            raise PolicyError(
                f"unknown entity `{role}`", call.span, did_you_mean(role, [*self._roles, *self._several])
            )
        entity, _ = self._roles[role]
        other = role
        if len(call.path) > 1:
            same_entity = [each for each, (name, _) in self._roles.items() if name == entity]
            other = call.path[1].removeprefix("as_")
            if len(call.path) > 2 or not call.path[1].startswith("as_") or other not in same_entity:
                known = [f"as_{each}" for each in same_entity]
                raise PolicyError(
                    f"`{'.'.join(call.path)}` is no role of `{entity}`",
                    call.span,
                    did_you_mean(call.path[1], known) or f"known: {', '.join(known)}",
                )
        table = self._tables.get((entity, other))
        if table is None:
            fields = self._roles[other][1]
            table = _Table(entity, other, fields, self._events.key(fields))
            table.visits[table.key_row] = []
            self._tables[entity, other] = table
        return role, table

    def _arguments(self, call: FeatureCall, read: ArgumentReader) -> _Call:
        """Return what a call's arguments say."""
        aggregate = AGGREGATES.get(call.aggregate)
        if aggregate is None:
            raise PolicyError(
                f"unknown aggregate `{call.aggregate}`",
                call.aggregate_span,
                did_you_mean(call.aggregate, AGGREGATES) or f"known: {', '.join(AGGREGATES)}",
            )
        needed = sum(not each.endswith("?") for each in aggregate.takes)
        if not needed <= len(call.args) <= len(aggregate.takes):
            raise PolicyError(
                f"`{aggregate.name}` takes {usage(aggregate)}, not {len(call.args)} arguments", call.span
            )
        asked = _Call(aggregate, call, [], _Filter())
        conditions: list[Typed] = []
        labels: list[int] = []
        for name, expr in call.named:
            if name == "before":
                before = read.literal(expr)
                if not isinstance(before, bool):
                    raise PolicyError("`before` must be True or False", expr.span)
                asked.before = before
            elif name == "delay":
                asked.delay_ms = self._duration(expr, read, 0)
            elif name == "on":
                conditions.append(read.types(expr))
            elif name == "where":
                self._split(expr, read, conditions, labels)
            else:
                raise PolicyError(
                    f"`{aggregate.name}` has no option `{name}`",
                    expr.span,
                    did_you_mean(name, OPTIONS) or f"options: {', '.join(OPTIONS)}",
                )
        asked.filter = self._filter(conditions, labels, read)
        before = asked.before or aggregate.before
        lengths: list[int | None] = []
        for takes, expr in zip(aggregate.takes, call.args, strict=False):
            kind = takes.removesuffix("?")
            if kind == "window":
                lengths.append(self._duration(expr, read, WINDOW_MS_MIN))
            elif kind == "half_life":
                asked.half_life_ms = self._duration(expr, read, WINDOW_MS_MIN)
            elif kind == "share":
                asked.share = self._number(expr, read, 0.0, 1.0, "the share of a quantile")
            elif kind == "cell_km":
                asked.cell_km = self._number(
                    expr, read, CELL_KM_MIN, CELL_KM_MAX, "the width of a cell in km"
                )
            elif kind == "condition":
                own_conditions, own_labels = list(conditions), list(labels)
                self._split(expr, read, own_conditions, own_labels)
                asked.condition = self._filter(own_conditions, own_labels, read)
            else:
                asked.value = self._value_argument(kind, expr, read, aggregate.name)
        if not lengths:
            lengths = [None]
        if aggregate.name in ("decayed_count", "decayed_sum"):
            lengths = [at.ENDLESS]
        asked.windows = [_Window(length, asked.delay_ms, before) for length in lengths]
        if aggregate.name == "first_seen" and lengths == [None] and asked.filter.labels:
            raise PolicyError(
                "`first_seen` of a label needs a window", call.span, 'as in first_seen("90d", where=fraud)'
            )
        return asked

    def _value_argument(self, kind: str, expr: Expr, read: ArgumentReader, name: str) -> Typed:
        node = read.typed(expr)
        _check_stage(node, expr.span)
        if node.type is Type.LABEL:
            raise PolicyError(
                f"`{name}` cannot read a label: it is not known yet",
                expr.span,
                "use rate(label, window), or where=label",
            )
        if isinstance(node, Const):
            raise PolicyError(f"`{name}` of a constant is always the same", expr.span, "name a field")
        if kind == "number" and not node.type.is_number:
            raise PolicyError(f"`{name}` needs a number, not a {node.type.value}", expr.span)
        if kind == "place" and node.type is not Type.LOCATION:
            raise PolicyError(f"`{name}` needs a location, not a {node.type.value}", expr.span)
        if kind == "value" and node.type is Type.LOCATION:
            raise PolicyError(
                f"`{name}` cannot tell locations apart",
                expr.span,
                "use distinct_places(place, window, cell_km)",
            )
        return node

    def _split(self, expr: Expr, read: ArgumentReader, conditions: list[Typed], labels: list[int]) -> None:
        """Part a condition into what is known at once and the labels it needs."""
        for node in read.conjuncts(expr):
            if node.type is Type.LABEL and isinstance(node, Col):
                labels.append(read.label(node))
                continue
            if node.type is not Type.BOOL:
                raise PolicyError(f"a condition must be true or false, not a {node.type.value}", expr.span)
            _check_stage(node, expr.span)
            conditions.append(node)

    def _filter(self, conditions: list[Typed], labels: list[int], read: ArgumentReader) -> _Filter:
        wanted = tuple(sorted(set(labels)))
        if not conditions:
            return _Filter(labels=wanted)
        unique = sorted(set(conditions), key=signature)
        node = unique[0] if len(unique) == 1 else read.all_of(unique)
        return _Filter(
            " and ".join(signature(each) for each in unique), self._compiler.column(node).index, wanted
        )

    def _duration(self, expr: Expr, read: ArgumentReader, low_ms: int) -> int:
        text = read.literal(expr)
        length = duration_ms(text) if isinstance(text, str) else None
        if length is None:
            raise PolicyError(
                "a length of time is expected here",
                expr.span,
                'as in "30m", "24h", "90d" (units: s, m, h, d, w)',
            )
        if not low_ms <= length <= WINDOW_MS_MAX:
            raise PolicyError(f"`{text}` is out of range", expr.span, "from 1s to 400d")
        return length

    def _number(self, expr: Expr, read: ArgumentReader, low: float, high: float, what: str) -> float:
        number = read.literal(expr)
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not low <= number <= high:
            raise PolicyError(f"{what} must be a number from {low:g} to {high:g}", expr.span)
        return float(number)

    def _signature_of_call(self, key_role: str, table: _Table, asked: _Call) -> str:
        parts = [asked.aggregate.name]
        if asked.value is not None:
            parts.append(signature(asked.value))
        if asked.condition is not None:
            parts.append(f"{asked.condition.condition}|{asked.condition.labels}")
        parts += [f"{each.length_ms}+{each.delay_ms}{'<' if each.before else ''}" for each in asked.windows]
        if asked.filter != _Filter():
            parts.append(f"where {asked.filter.condition}|{asked.filter.labels}")
        parts.append(f"{asked.share}/{asked.half_life_ms}/{asked.cell_km}/{asked.before}")
        path = key_role if key_role == table.role else f"{key_role}.as_{table.role}"
        return f"{path}.{' '.join(parts)}"

    # ---- what it takes to answer

    def _output(self, table: _Table, asked: _Call, read: ArgumentReader) -> _Output:
        """Return an output and make sure that its table keeps what it needs."""
        name = asked.aggregate.name
        window = asked.windows[0]
        filters = asked.filter
        if name == "count":
            table.windows.setdefault(window)
            if filters == _Filter():
                table.counts_everything = True
                return _Output(at.OUT_WINDOW_COUNT, -1, window)
            return _Output(at.OUT_COUNT, -1, window, self._accumulator(table, at.ACC_COUNT, window, filters))
        if name == "rate":
            assert asked.condition is not None
            hits = self._accumulator(table, at.ACC_COUNT, window, asked.condition)
            if filters == _Filter():
                table.counts_everything = True
                return _Output(at.OUT_SHARE, -1, window, hits)
            every = self._accumulator(table, at.ACC_COUNT, window, filters)
            return _Output(at.OUT_SHARE, -1, window, hits, every)
        if name == "first_seen":
            return self._first_seen(table, asked)
        if name == "time_since":
            return _Output(at.OUT_SINCE, -1, window, self._accumulator(table, at.ACC_LAST, window, filters))
        if name == "hour_habit":
            hour = self._compiler.column(read.hour())
            value = self._value(table, hour)
            accumulator = self._accumulator(table, at.ACC_HOURS, window, filters, value)
            return _Output(at.OUT_HABIT, -1, window, accumulator, parameter=hour.index)
        if name in ("decayed_count", "decayed_sum"):
            faded = None if asked.value is None else self._value(table, self._column(asked.value))
            table.decay_span_ms = max(table.decay_span_ms, asked.half_life_ms)
            accumulator = self._accumulator(
                table, at.ACC_DECAYED, window, filters, faded, float(asked.half_life_ms)
            )
            scale = 1.0 if faded is None else faded.scale
            return _Output(at.OUT_DECAYED, -1, window, accumulator, parameter=asked.delay_ms, scale=scale)
        assert asked.value is not None
        column = self._column(asked.value)
        if asked.value.type is Type.LOCATION:
            return self._of_place(table, asked, column)
        if name in ("distinct", "is_new", "entropy"):
            value = self._identity(table, column)
        else:
            value = self._value(table, column)
        kinds = {
            "sum": (at.ACC_MOMENTS, at.OUT_SUM),
            "mean": (at.ACC_MOMENTS, at.OUT_MEAN),
            "ratio": (at.ACC_MOMENTS, at.OUT_RATIO),
            "std": (at.ACC_SQUARES, at.OUT_STD),
            "zscore": (at.ACC_SQUARES, at.OUT_ZSCORE),
            "min": (at.ACC_MIN, at.OUT_EXTREME),
            "max": (at.ACC_MAX, at.OUT_EXTREME),
            "last": (at.ACC_LAST, at.OUT_LAST),
            "median": (at.ACC_BAG, at.OUT_QUANTILE),
            "quantile": (at.ACC_BAG, at.OUT_QUANTILE),
            "distinct": (at.ACC_BAG, at.OUT_DISTINCT),
            "is_new": (at.ACC_BAG, at.OUT_NEW),
            "rank": (at.ACC_BAG, at.OUT_RANK),
            "entropy": (at.ACC_BAG, at.OUT_ENTROPY),
            "mode": (at.ACC_BAG, at.OUT_MODE),
        }
        kind, operation = kinds[name]
        exact = kind == at.ACC_SQUARES and column.type in (Type.MONEY, Type.INT)
        accumulator = self._accumulator(table, kind, window, filters, value, float(exact))
        output = _Output(operation, -1, window, accumulator, scale=value.scale)
        if name in ("is_new", "rank", "zscore"):
            output.current = value
        if name == "ratio":
            output.other = self._accumulator(table, kind, asked.windows[1], filters, value)
        if name in ("median", "quantile"):
            output.parameter = _bits(0.5 if name == "median" else asked.share)
        return output

    def _first_seen(self, table: _Table, asked: _Call) -> _Output:
        window = asked.windows[0]
        if window.length_ms is not None:
            return _Output(
                at.OUT_FIRST, -1, window, self._accumulator(table, at.ACC_FIRST, window, asked.filter)
            )
        accumulator = _Accumulator(at.ACC_EVER, None, asked.filter)
        table.accumulators.setdefault(accumulator)
        # A delayed window never holds the current event, so `before` says nothing more.
        before = asked.before and asked.delay_ms == 0
        return _Output(at.OUT_EVER, -1, None, accumulator, parameter=-1 if before else asked.delay_ms)

    def _of_place(self, table: _Table, asked: _Call, column: Col) -> _Output:
        name = asked.aggregate.name
        window = asked.windows[0]
        if name == "distinct_places":
            text = f"cell {signature(column)} {asked.cell_km!r}"
            value = self._keep(table, _Value(at.VALUE_CELL, column.index, asked.cell_km, text))
            accumulator = self._accumulator(table, at.ACC_BAG, window, asked.filter, value)
            return _Output(at.OUT_DISTINCT, -1, window, accumulator)
        lat = self._keep(
            table, _Value(at.VALUE_NUMBER, column.index, 0.0, f"place {signature(column)} 1 lat")
        )
        self._keep(table, _Value(at.VALUE_NUMBER, column.index + 1, 0.0, f"place {signature(column)} 2 lon"))
        kind = at.ACC_DIRECTION if name == "distance_from_usual" else at.ACC_LAST
        operation = {
            "distance_from_last": at.OUT_DISTANCE,
            "speed_kmh": at.OUT_SPEED,
            "distance_from_usual": at.OUT_USUAL,
        }[name]
        accumulator = self._accumulator(table, kind, window, asked.filter, lat)
        return _Output(operation, -1, window, accumulator, parameter=column.index)

    def _column(self, node: Typed) -> Col:
        return self._compiler.column(node)

    def _value(self, table: _Table, column: Col) -> _Value:
        """Return a number that entries keep."""
        if column.type is Type.MONEY:
            scale = self._money_scale
            text = f"minor {signature(column)} {scale:g}"
            return self._keep(table, _Value(at.VALUE_SCALED, column.index, scale, text, scale))
        if column.type.is_text:
            text = f"text {signature(column)}"
            return self._keep(table, _Value(at.VALUE_NUMBER, column.index, 0.0, text, is_text=True))
        return self._keep(table, _Value(at.VALUE_NUMBER, column.index, 0.0, f"number {signature(column)}"))

    def _identity(self, table: _Table, column: Col) -> _Value:
        """Return something that tells values apart: the hash of a text field, else the number."""
        if column.type.is_text and column.stage == 0:
            try:
                row = self._events.key((column.name,))
            except (KeyError, PolicyError):  # computed, or an attribute: no field
                return self._value(table, column)
            return self._keep(table, _Value(at.VALUE_HASH, row, 0.0, f"hash {column.name}"))
        return self._value(table, column)

    def _keep(self, table: _Table, value: _Value) -> _Value:
        return table.values.setdefault(value.signature, value)

    def _accumulator(
        self,
        table: _Table,
        kind: int,
        window: _Window,
        filters: _Filter,
        value: _Value | None = None,
        parameter: float = 0.0,
    ) -> _Accumulator:
        accumulator = _Accumulator(kind, window, filters, value, parameter)
        table.windows.setdefault(window)
        table.accumulators.setdefault(accumulator)
        return accumulator

    # ---- the plan

    def finish(self) -> FeaturesPlan:
        """Lay out everything asked so far."""
        finite = [
            window.length_ms
            for table in self._tables.values()
            for window in table.windows
            if window.length_ms is not None and window.length_ms < at.ENDLESS
        ]
        forget = self._forget_after_ms or max(finite, default=WINDOW_MS_MAX)
        return _Writer(list(self._tables.values()), forget).write(tuple(self._used_columns()))

    def _used_columns(self) -> list[int]:
        return [column.index for column in self._columns.values()]


def usage(aggregate: Aggregate) -> str:
    """Return how an aggregate is written: `sum(number, window)`."""
    takes = [f"[{each[:-1]}]" if each.endswith("?") else each for each in aggregate.takes]
    return f"{aggregate.name}({', '.join(takes)})"


def signature(node: Typed) -> str:
    """Return the text of an expression, the same in every plan: columns by name, not by number."""
    if isinstance(node, Col):
        return node.name
    if isinstance(node, Const):
        return repr(node.value)
    extra = f"; {node.extra!r}" if node.extra else ""
    return f"{node.op}({', '.join(signature(each) for each in node.args)}{extra})"


def _check_stage(node: Typed, span: Span) -> None:
    if stage_of(node) > STAGE_LISTS:
        raise PolicyError(
            "a feature reads fields, attributes and lists, not what is computed from features",
            span,
            "compare features with each other outside the call",
        )


def _bits(number: float) -> int:
    """Return the bits of a float as an integer."""
    return int(struct.unpack("<q", struct.pack("<d", number))[0])


def _stable_hash(text: str) -> int:
    """Return 64 bits of a text that are the same on every machine."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little", signed=True)


class _Writer:
    """Writes tables into one array of words."""

    def __init__(self, tables: list[_Table], forget_after_ms: int) -> None:
        self.tables = sorted(tables, key=lambda table: (table.entity, table.role))
        self.forget = forget_after_ms
        self.words: list[int] = [0] * 16

    def write(self, columns: tuple[int, ...]) -> FeaturesPlan:
        words = self.words
        words[at.TABLE_COUNT] = len(self.tables)
        words[at.BLOCKS] = len(words)
        words += [0] * len(self.tables)
        labelled = 0
        plans = []
        for number, table in enumerate(self.tables):
            block = self._table(table, labelled)
            words[words[at.BLOCKS] + number] = block.block
            labelled += block.label_slot >= 0
            plans.append(block)
        widest = max((plan.record_words for plan in plans), default=8)
        stride = max((plan.stride for plan in plans), default=8)
        words[at.SCRATCH] = round_up(stride) + 3 * widest
        words[at.LABEL_TABLES] = labelled
        words[at.REGISTRY_SALT] = _stable_hash("event of a label")
        words[at.REGISTRY_KEEP] = max((2 * plan.span_ms for plan in plans if plan.label_slot >= 0), default=0)
        return FeaturesPlan(
            words=np.array(words, np.int64),
            tables=tuple(plans),
            forget_after_ms=self.forget,
            scratch_words=words[at.SCRATCH],
            widest=widest,
            label_tables=labelled,
            columns=columns,
        )

    def _table(self, table: _Table, labelled: int) -> TablePlan:
        words = self.words
        block = len(words)
        words += [0] * at.BLOCK_WORDS
        filters = sorted(
            {accumulator.filter for accumulator in table.accumulators},
            key=lambda each: (each.condition, each.labels),
        )
        labels = sorted({label for each in filters for label in each.labels})
        if len(labels) > LABELS_MAX:
            raise PolicyError(f"`{table.role}` reads {len(labels)} labels", hint=f"at most {LABELS_MAX}")
        conditions = sorted({each.condition: each.column for each in filters if each.condition}.items())
        if len(conditions) > CONDITIONS_MAX:
            raise PolicyError(
                f"`{table.role}` has {len(conditions)} different conditions", hint=f"at most {CONDITIONS_MAX}"
            )
        mask_words = -(-len(conditions) // STATIC_BITS) if conditions else int(bool(labels))
        places = {
            text: (1 + number // STATIC_BITS, 1 << (number % STATIC_BITS))
            for number, (text, _) in enumerate(conditions)
        }
        label_bits = [
            (label, 1 + word, 1 << (STATIC_BITS + number))
            for word in range(mask_words)
            for number, label in enumerate(labels)
        ]
        hash_word = 1 + mask_words if labels else 0
        values = [table.values[text] for text in sorted(table.values)]
        first_value = 1 + mask_words + (1 if labels else 0)
        stride = first_value + len(values)
        value_offset = {value.signature: first_value + number for number, value in enumerate(values)}

        value_rows = len(words)
        for value in values:
            words += [value.kind, value.row, _bits(value.parameter)]
        filter_rows = len(words)
        for text, column in conditions:
            words += [*places[text], 1, column, 0, 0]
        keep_masks = len(words)
        keep = [0] * mask_words
        keep_all = table.counts_everything
        kept: set[str] = set()
        for accumulator in table.accumulators:
            if accumulator.kind == at.ACC_EVER:
                continue
            if accumulator.filter.condition:
                word, bit = places[accumulator.filter.condition]
                keep[word - 1] |= bit
                kept.add(accumulator.filter.condition)
            else:
                keep_all = True
        words += keep
        label_rows = len(words)
        for label_row in label_bits:
            words += label_row

        windows = sorted(table.windows, key=lambda each: (self._length(each), each.delay_ms, each.before))
        span = max(
            (
                (self._length(each) if self._length(each) < at.ENDLESS else table.decay_span_ms)
                + each.delay_ms
                for each in windows
            ),
            default=0,
        )
        span = span or self.forget
        window_rows = len(words)
        words += [0] * (at.WINDOW_WORDS * len(windows))
        record_words = at.R_WORDS + 2 * len(windows)
        described: list[str] = []
        acc_at: dict[_Accumulator, int] = {}
        groups: list[_Window | None] = [*windows, None]
        loose = (0, 0)
        for number, window in enumerate(groups):
            begin = len(words)
            mine = [each for each in table.accumulators if each.window == window]
            for accumulator in sorted(mine, key=_accumulator_order):
                acc_at[accumulator] = len(words)
                word, need = self._need(accumulator.filter, places, label_bits)
                offset = 0 if accumulator.value is None else value_offset[accumulator.value.signature]
                words += [accumulator.kind, word, need, offset, record_words, _bits(accumulator.parameter)]
                record_words += at.ACC_SIZES[accumulator.kind]
                described.append(repr(_accumulator_order(accumulator)))
            if window is None:
                loose = (begin, len(words))
            else:
                row = window_rows + at.WINDOW_WORDS * number
                words[row : row + at.WINDOW_WORDS] = [
                    self._length(window), window.delay_ms, int(window.before), begin, len(words),
                    at.R_WORDS + 2 * number,
                ]  # fmt: skip
                described.append(f"window {self._length(window)} {window.delay_ms} {window.before}")
        record_words = chunk_words(record_words)
        window_at = {window: window_rows + at.WINDOW_WORDS * number for number, window in enumerate(windows)}
        value_at = {
            value.signature: value_rows + at.VALUE_WORDS * number for number, value in enumerate(values)
        }

        visits = []
        for key_row, outputs in table.visits.items():
            begin = len(words)
            for output in outputs:
                other = -1 if output.other is None else acc_at[output.other]
                words += [
                    output.operation, output.column,
                    window_rows if output.window is None else window_at[output.window],
                    window_rows if output.accumulator is None else acc_at[output.accumulator], other,
                    0 if output.current is None else value_at[output.current.signature],
                    output.parameter, _bits(output.scale),
                ]  # fmt: skip
            visits.append((key_row, begin, len(words)))
        visit_rows = len(words)
        for visit in visits:
            words += visit

        lasting: list[tuple[str, int]] = []
        lasting_rows = len(words)
        for accumulator, row in acc_at.items():
            if accumulator.kind in (at.ACC_EVER, at.ACC_DECAYED):
                size = at.ACC_SIZES[accumulator.kind]
                words += [words[row + 4], size]
                delay = 0 if accumulator.window is None else accumulator.window.delay_ms
                lasting.append((f"{_accumulator_order(accumulator)!r} {delay}", size))

        kinds = [accumulator.kind for accumulator in table.accumulators]
        salt = _stable_hash(f"{table.entity} as {table.role}")
        put = {
            at.SALT: salt,
            at.KEY_ROW: table.key_row,
            at.SPAN: span,
            at.FORGET: self.forget,
            at.GONE: max(2 * span, span + self.forget),
            at.STRIDE: stride,
            at.MASK_WORDS: mask_words,
            at.HASH_WORD: hash_word,
            at.RECORD_WORDS: record_words,
            at.KEEP_ALL: int(keep_all),
            at.BAG_COUNT: kinds.count(at.ACC_BAG),
            at.VALUE_COUNT: len(values),
            at.VALUES: value_rows,
            at.FILTER_COUNT: len(conditions),
            at.FILTERS: filter_rows,
            at.WINDOW_COUNT: len(windows),
            at.WINDOWS: window_rows,
            at.LOOSE_FIRST: loose[0],
            at.LOOSE_END: loose[1],
            at.DECAY_COUNT: kinds.count(at.ACC_DECAYED),
            at.VISIT_COUNT: len(visits),
            at.VISITS: visit_rows,
            at.LABEL_SLOT: labelled if labels else -1,
            at.LABEL_BITS: label_rows,
            at.LABEL_BIT_COUNT: len(label_bits),
            at.KEEP_MASKS: keep_masks,
            at.UNBOUNDED: int(bool(lasting)),
            at.LASTING: lasting_rows,
            at.LASTING_COUNT: len(lasting),
            at.LASTING_WORDS: sum(size for _, size in lasting),
        }
        for offset, word in put.items():
            words[block + offset] = word
        contents = [
            table.entity, table.role, *table.fields, str(span), str(self.forget), str(keep_all), str(keep),
            *(value.signature for value in values), *(text for text, _ in conditions),
            str(label_bits), *described,
        ]  # fmt: skip
        return TablePlan(
            entity=table.entity,
            role=table.role,
            fields=table.fields,
            block=block,
            salt=salt,
            span_ms=span,
            stride=stride,
            signature="\n".join(contents),
            values=tuple(value.signature for value in values),
            conditions=tuple((text, *places[text]) for text, _ in conditions),
            labels=tuple(label_bits),
            mask_words=mask_words,
            hash_word=hash_word,
            record_words=record_words,
            label_slot=labelled if labels else -1,
            keeps=("",) if keep_all else tuple(sorted(kept)),
            lasting=tuple(lasting),
            windows=len(windows),
            features=sum(len(outputs) for outputs in table.visits.values()),
            texts=tuple(value_offset[value.signature] for value in values if value.is_text),
        )

    def _length(self, window: _Window) -> int:
        return self.forget if window.length_ms is None else window.length_ms

    def _need(
        self,
        filters: _Filter,
        places: dict[str, tuple[int, int]],
        label_bits: list[tuple[int, int, int]],
    ) -> tuple[int, int]:
        """Return the mask word of an entry and the bits in it that a filter needs."""
        word, need = places[filters.condition] if filters.condition else (1, 0)
        for label, label_word, bit in label_bits:
            if label_word == word and label in filters.labels:
                need |= bit
        return (word, need) if need else (0, 0)


def _accumulator_order(each: _Accumulator) -> tuple[int, str, tuple[int, ...], str, float]:
    value = "" if each.value is None else each.value.signature
    return (each.kind, each.filter.condition, each.filter.labels, value, each.parameter)


def chunk_words(words: int) -> int:
    """Return the size of the heap chunk that a record takes (as `kernels/chunks.py`, without numba)."""
    size = 8
    while size < words:
        size *= 2
    return size // 4 * 3 if size >= 32 and size // 4 * 3 >= words else size


def round_up(words: int) -> int:
    """Return words in whole cache lines."""
    return -(-words // 8) * 8
