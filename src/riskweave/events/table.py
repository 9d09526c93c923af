"""A whole Arrow table into a batch, column by column; rows that cannot be events are set aside.

Gives bit for bit what `decode_record` gives row by row: whatever a column function is not sure of
is decoded by `decode_record` itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from riskweave.batch import Batch, empty_batch
from riskweave.errors import EventError, LimitError
from riskweave.events import columns
from riskweave.events.columns import Array, Sure
from riskweave.events.hashing import hash_decimals, hash_floats, hash_ints, hash_pairs
from riskweave.events.money import currency_digits
from riskweave.events.plan import DecodePlan, FieldPlan, Record, TypePlan
from riskweave.events.record import FIELDS_MAX, decode_record, event_labels, match_text
from riskweave.expressions.types import Type


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that cannot be an event: where it stood, its position in the chunk, itself and why not."""

    place: str
    row: int
    record: object
    error: EventError

    def __post_init__(self) -> None:
        # An error holds the frames it came through, and these all they knew: whole states, for ever.
        self.error.__traceback__ = self.error.__cause__ = self.error.__context__ = None


@dataclass(slots=True)
class Decoded:
    """The events of a chunk.

    `rows[i]` is the position of event i in the source chunk, `ids` an Arrow array of their ids'
    texts (None when no event type has one), `labels` a column per label field that the source has: 1, 0,
    or NaN when it does not know.
    """

    batch: Batch
    rows: NDArray[np.int64]
    ids: Any | None
    labels: dict[str, NDArray[np.float64]]
    rejected: list[Rejected] = field(default_factory=list)


Place = Callable[[int], str]


def row_place(row: int) -> str:
    """Return the place of a row that came from no file."""
    return f"row {row + 1}"


def decode_table(plan: DecodePlan, table: Any, arrival: int = 0, place: Place = row_place) -> Decoded:
    """Decode an Arrow table. `arrival` is the number of its first event among all that arrived.

    `place(row)` names a row in errors.
    """
    size = table.num_rows
    _refuse_odd_tables(plan, table)
    work = _Work(plan, table, size)
    table = table.select([name for name in table.column_names if name in plan.sources])
    for kind, rows in _by_type(plan, table, size):
        if rows is None:
            _TypeColumns(work, kind, table, slice(None)).decode()
        elif rows.size:
            _TypeColumns(work, kind, table.take(pa.array(rows)), rows).decode()
    return work.finish(arrival, place)


def decode_records(
    plan: DecodePlan, records: Iterable[Record], arrival: int = 0, place: Place = row_place
) -> Decoded:
    """Decode records one by one, with the same result."""
    listed = list(records)
    batch = empty_batch(plan.layout, len(listed))
    ids: list[str | None] = []
    labels: dict[str, NDArray[np.float64]] = {}
    good: list[int] = []
    rejected: list[Rejected] = []
    for row, record in enumerate(listed):
        try:
            identity = decode_record(plan, record, batch, row, arrival + len(good))
        except EventError as error:
            rejected.append(_rejection(row, record, error, place))
            continue
        good.append(row)
        ids.append(identity)
        if plan.labels:
            for name, value in event_labels(plan, record).items():
                labels.setdefault(name, np.full(len(listed), np.nan))[row] = value
    rows = np.array(good, np.int64)
    if rejected:
        batch = _take(batch, rows)
        labels = {name: values[rows] for name, values in labels.items()}
    has_ids = any(each.id is not None for each in plan.types)
    return Decoded(batch, rows, pa.array(ids, pa.string()) if has_ids else None, labels, rejected)


def _rejection(row: int, record: object, error: EventError, place: Place) -> Rejected:
    error.place = place(row)
    return Rejected(error.place, row, record, error)


def _refuse_odd_tables(plan: DecodePlan, table: Any) -> None:
    names = table.column_names
    if len(names) > FIELDS_MAX:
        raise LimitError(f"the table has {len(names)} columns, at most {FIELDS_MAX} are read")
    if len(set(names)) != len(names):
        twice = next((name for name in names if names.count(name) > 1 and name in plan.sources), None)
        if twice is not None:
            raise EventError(twice, f"{names.count(twice)} columns", "one column of that name")


def _by_type(plan: DecodePlan, table: Any, size: int) -> list[tuple[TypePlan, NDArray[np.int64] | None]]:
    """Return the rows of each event type; None stands for all rows."""
    if not plan.types[0].match:
        return [(plan.types[0], None)]
    left = np.ones(size, np.bool_)
    found: list[tuple[TypePlan, NDArray[np.int64] | None]] = []
    for kind in plan.types:
        mask = left.copy()
        for name, text in kind.match:
            if name not in table.column_names:
                mask[:] = False
                break
            mask &= _equals(_column(table, name), text)
        left &= ~mask
        found.append((kind, None if size and mask.all() else np.flatnonzero(mask)))
    return found


def _equals(array: Array, text: str) -> NDArray[np.bool_]:
    """Return where a column's value has that text."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        inner = _equals(array.dictionary, text)
        if not inner.size:
            return columns.nothing(len(array))
        valid: NDArray[np.bool_] = array.is_valid().to_numpy(zero_copy_only=False)
        same: NDArray[np.bool_] = inner[columns.raw(array.indices)]
        return valid & same
    if columns.is_text(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        texts = pc.cast(array, pa.string())
        equal: NDArray[np.bool_] = pc.fill_null(pc.equal(texts, text), False).to_numpy(zero_copy_only=False)
        return equal
    return np.array([match_text(value) == text for value in array.to_pylist()], np.bool_)


def _column(table: Any, name: str) -> Array:
    column = table.column(name)
    if column.num_chunks == 1:
        return column.chunk(0)
    if pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
    combined = column.combine_chunks()
    return combined.chunk(0) if isinstance(combined, pa.ChunkedArray) else combined


class _Work:
    """A batch being filled, and the rows whose columns were beyond doubt."""

    def __init__(self, plan: DecodePlan, table: Any, size: int) -> None:
        self.plan = plan
        self.table = table  # whole, so that a rejected record is shown whole
        self.size = size
        self.batch = empty_batch(plan.layout, size)
        self.sure = np.zeros(size, np.bool_)
        self.has_ids = any(kind.id is not None for kind in plan.types)
        self.ids: Any | None = None
        self.labels: dict[str, NDArray[np.float64]] = {}

    def finish(self, arrival: int, place: Place) -> Decoded:
        """Decode the doubtful rows one by one, and leave the bad ones out."""
        batch = self.batch
        doubtful = np.flatnonzero(~self.sure)
        rejected: list[Rejected] = []
        fixed_ids: dict[int, str | None] = {}
        for at in range(0, doubtful.size, 4_096):
            block = doubtful[at : at + 4_096]
            for row, record in zip(block.tolist(), _records(self.table, block), strict=True):
                batch.values[:, row] = np.nan
                batch.keys[:, row] = 0
                try:
                    identity = decode_record(self.plan, record, batch, row)
                except EventError as error:
                    rejected.append(_rejection(row, record, error, place))
                    continue
                self.sure[row] = True
                fixed_ids[row] = identity
                if identity is None:
                    batch.event_hash[row] = 0
                for name, label in event_labels(self.plan, record).items():
                    self.labels.setdefault(name, np.full(self.size, np.nan))[row] = label
        rows = np.arange(self.size) if not rejected else np.flatnonzero(self.sure)
        ids = self._ids(fixed_ids)
        labels = self.labels
        if rejected:
            batch = _take(batch, rows)
            labels = {name: values[rows] for name, values in labels.items()}
            ids = None if ids is None else ids.take(pa.array(rows))
        nameless = np.flatnonzero(batch.event_hash == 0)
        if nameless.size:
            batch.event_hash[nameless] = hash_ints(arrival + nameless)
        return Decoded(batch, rows, ids, labels, rejected)

    def _ids(self, fixed: dict[int, str | None]) -> Any | None:
        if not self.has_ids:
            return None
        if self.ids is None:
            self.ids = pa.nulls(self.size, pa.string())
        if not fixed:
            return self.ids
        mask = np.zeros(self.size, np.bool_)
        mask[list(fixed)] = True
        return pc.replace_with_mask(self.ids, pa.array(mask), pa.array(list(fixed.values()), pa.string()))


def _take(batch: Batch, rows: NDArray[np.int64]) -> Batch:
    return Batch(
        size=rows.size,
        values=np.ascontiguousarray(batch.values[:, rows]),
        keys=np.ascontiguousarray(batch.keys[:, rows]),
        time_ms=batch.time_ms[rows],
        watermark_ms=batch.watermark_ms[rows],
        event_hash=batch.event_hash[rows],
    )


def _records(table: Any, rows: NDArray[np.int64]) -> list[dict[str, object]]:
    """Return rows as mappings; text that is not UTF-8 comes as bytes, times finer than µs lose the rest."""
    part = table.take(pa.array(rows))
    read = {name: _python(_column(part, name)) for name in dict.fromkeys(part.column_names)}
    return [{name: values[row] for name, values in read.items()} for row in range(rows.size)]


def _python(array: Array) -> list[object]:
    kind = array.type
    if pa.types.is_timestamp(kind):
        if kind.unit == "ns":
            array = pc.cast(pc.floor_temporal(array, unit="microsecond"), pa.timestamp("us", kind.tz))
        if kind.tz is not None:
            array = pc.cast(array, pa.timestamp(array.type.unit, "UTC"))
    try:
        listed: list[object] = array.to_pylist()
        return listed
    except (UnicodeDecodeError, ValueError, OverflowError):
        return [_python_value(scalar) for scalar in array]


def _python_value(scalar: Any) -> object:
    """Return one value; bytes for text that is none, a number out of years for a time out of years."""
    try:
        value: object = scalar.as_py()
        return value
    except UnicodeDecodeError:
        raw: bytes = scalar.as_buffer().to_pybytes()
        return raw
    except (ValueError, OverflowError):
        return str(scalar.cast(pa.int64())) + " " + str(scalar.type)


class _TypeColumns:
    """The columns of one event type's rows. `rows` says where they go in the batch."""

    def __init__(self, work: _Work, kind: TypePlan, table: Any, rows: slice | NDArray[np.int64]) -> None:
        self.work = work
        self.kind = kind
        self.table = table
        self.rows = rows
        self.size = table.num_rows
        self.names = frozenset(table.column_names)
        self.sure: Sure = None
        self.time_ms = np.zeros(0, np.int64)

    def decode(self) -> None:
        batch = self.work.batch
        self._time()
        if not self.time_ms.size:
            return
        for plan in self.kind.columns:
            self._field(plan)
        for row, parts in self.kind.composites:
            total = batch.keys[parts[0], self.rows]
            for part in parts[1:]:
                total = hash_pairs(total, batch.keys[part, self.rows])
            batch.keys[row, self.rows] = total
        if self.kind.id is not None:
            self._id(self.kind.id)
        self.work.sure[self.rows] = True if self.sure is None else self.sure

    def doubt(self, sure: Sure) -> None:
        self.sure = columns.both(self.sure, sure)

    def _array(self, names: tuple[str, ...]) -> tuple[Array, str] | None:
        """Return the first of these columns that the table has; rows that need another are doubted."""
        present = [name for name in names if name in self.names]
        if not present:
            return None
        array = _column(self.table, present[0])
        if len(present) > 1 and array.null_count:
            self.doubt(array.is_valid().to_numpy(zero_copy_only=False))
        return array, present[0]

    def _time(self) -> None:
        plan = self.kind.time
        found = self._array(plan.names)
        if found is None:
            return
        array = _decoded(found[0])
        times_ms, sure = columns.times(array, plan.field.unit, plan.field.origin_ms)
        self.doubt(sure)
        if array.null_count:
            self.doubt(array.is_valid().to_numpy(zero_copy_only=False))
        self.time_ms = times_ms
        batch = self.work.batch
        batch.values[0, self.rows] = times_ms
        batch.values[1, self.rows] = self.kind.code
        batch.time_ms[self.rows] = times_ms

    def _field(self, plan: FieldPlan) -> None:
        if plan.pair is not None and plan.names[0] not in self.names:
            self._pair(plan, plan.pair)
            return
        found = self._array(plan.names)
        if found is None or (plan.pair is not None and not self.names.isdisjoint(plan.pair)):
            # Nothing to read, or a location in two spellings at once.
            if found is not None or plan.field.required:
                self.doubt(columns.nothing(self.size))
            return
        array, name = found
        if plan.field.type is Type.STRING or plan.field.type is Type.IP:
            self._text(plan, array)
            return
        array = _decoded(array)
        valid = array.is_valid().to_numpy(zero_copy_only=False) if array.null_count else None
        values, hashes, sure = self._numbers(plan, array, name)
        sure = columns.both(sure, _allowed(plan, values))
        self.doubt(_or_null(sure, valid, plan.field.required))
        if plan.row >= 0:
            self.work.batch.values[plan.row, self.rows] = (
                values if valid is None else np.where(valid, values, np.nan)
            )
        if plan.key_row >= 0:
            self.work.batch.keys[plan.key_row, self.rows] = (
                hashes if valid is None else np.where(valid, hashes, np.uint64(0))
            )
        if plan.field.type is Type.LABEL:
            column = self.work.labels.setdefault(plan.field.name, np.full(self.work.size, np.nan))
            column[self.rows] = values if valid is None else np.where(valid, values, np.nan)

    def _numbers(
        self, plan: FieldPlan, array: Array, name: str
    ) -> tuple[NDArray[np.float64], NDArray[np.uint64], Sure]:
        """Return a column's values, the hashes if it is a key, and what is sure."""
        kind = plan.field.type
        sure: Sure
        whole: NDArray[np.int64] | None = None
        if kind is Type.INT:
            whole, sure = columns.ints(array)
            values = whole.astype(np.float64)
        elif kind is Type.FLOAT:
            values, sure = columns.floats(array)
        elif kind is Type.TIME:
            whole, sure = columns.times(array, plan.field.unit, plan.field.origin_ms)
            values = whole.astype(np.float64)
        elif kind is Type.MONEY:
            values, sure = self._money(plan, array, name)
        elif kind is Type.LOCATION:
            values, sure = np.zeros(self.size), columns.nothing(self.size)
        else:
            values, sure = columns.bools(array)
            whole = values.astype(np.int64) if plan.key_row >= 0 else None
        hashes = np.zeros(0, np.uint64)
        if plan.key_row >= 0:
            hashes = hash_ints(whole) if whole is not None else hash_floats(values)
        return values, hashes, sure

    def _money(self, plan: FieldPlan, array: Array, name: str) -> tuple[NDArray[np.float64], Sure]:
        """Return amounts in the base currency. Foreign ones are converted one by one: doubted."""
        base = self.work.plan.currency
        minor = plan.field.minor and (name != plan.names[0] or len(plan.names) == 1)
        minor_units, sure = columns.money(array, currency_digits(base), minor)
        if plan.field.currency not in ("", base):
            sure = columns.nothing(self.size)
        if plan.currency is not None:
            found = self._array(plan.currency.names)
            if found is not None:
                sure = columns.both(sure, _is_base(found[0], base))
        return minor_units / 10 ** currency_digits(base), sure

    def _pair(self, plan: FieldPlan, pair: tuple[str, str]) -> None:
        """Read a location from two columns."""
        present = [name for name in pair if name in self.names]
        if not present:
            if plan.field.required:
                self.doubt(columns.nothing(self.size))
            return
        if len(present) == 1:
            array = _column(self.table, present[0])
            self.doubt(columns.nothing(self.size) if plan.field.required else array.is_null().to_numpy(False))
            return
        batch = self.work.batch
        limits = (90.0, 180.0)
        arrays = [_decoded(_column(self.table, name)) for name in pair]
        nulls = [
            array.is_null().to_numpy(zero_copy_only=False) if array.null_count else None for array in arrays
        ]
        valid: Sure = None
        if any(each is not None for each in nulls):
            latitude_null, longitude_null = (
                columns.nothing(self.size) if each is None else each for each in nulls
            )
            self.doubt(latitude_null == longitude_null)
            valid = ~(latitude_null | longitude_null)
        hashes: list[NDArray[np.uint64]] = []
        for offset, (array, limit) in enumerate(zip(arrays, limits, strict=True)):
            values, sure = columns.floats(array)
            sure = columns.both(sure, (values >= -limit) & (values <= limit))
            self.doubt(_or_null(sure, valid, plan.field.required))
            if plan.row >= 0:
                batch.values[plan.row + offset, self.rows] = (
                    values if valid is None else np.where(valid, values, np.nan)
                )
            if plan.key_row >= 0:
                hashes.append(hash_floats(values))
        if plan.key_row >= 0:
            both = hash_pairs(hashes[0], hashes[1])
            batch.keys[plan.key_row, self.rows] = (
                both if valid is None else np.where(valid, both, np.uint64(0))
            )

    def _text(self, plan: FieldPlan, array: Array) -> None:
        batch = self.work.batch
        valid = array.is_valid().to_numpy(zero_copy_only=False) if array.null_count else None
        is_ip = plan.field.type is Type.IP
        if pa.types.is_integer(array.type) and plan.row < 0 and not plan.field.allowed and not is_ip:
            # Whole numbers where text is declared: only their hashes matter, so no text is made.
            self.doubt(_or_null(_fits_int64(array), valid, plan.field.required))
            if plan.key_row >= 0:
                hashes = hash_decimals(columns.raw(array).astype(np.int64))
                batch.keys[plan.key_row, self.rows] = (
                    hashes if valid is None else np.where(valid, hashes, np.uint64(0))
                )
            return
        known = columns.as_text(array)
        if known is None or (is_ip and pa.types.is_integer(array.type)):
            self.doubt(_or_null(columns.nothing(self.size), valid, plan.field.required))
            return
        texts, sure = known
        if sure is not None and not sure.all():
            self.doubt(_or_null(sure, valid, plan.field.required))
            if not sure.any():
                return
        plain = not pa.types.is_dictionary(texts.type)
        if plain and plan.row < 0 and not plan.field.allowed and not is_ip:
            self.doubt(_or_null(None, valid, plan.field.required))
            if plan.key_row >= 0:
                hashes = columns.hashes_of_text(texts)
                batch.keys[plan.key_row, self.rows] = (
                    hashes if valid is None else np.where(valid, hashes, np.uint64(0))
                )
            return
        coded = columns.distinct(texts)
        good: Sure = None
        if is_ip:
            coded, good = columns.addresses(coded)
        if not coded.distinct:
            self.doubt(_or_null(columns.nothing(self.size), valid, plan.field.required))
            return
        if plan.field.allowed:
            good = columns.both(good, _cleanable(plan, coded.distinct))
        sure = None if good is None or good.all() else good[coded.indices]
        self.doubt(_or_null(sure, valid, plan.field.required))
        if plan.row >= 0:
            pool = self.work.plan.pool
            codes = np.array([pool.code(text) for text in coded.distinct], np.float64)[coded.indices]
            batch.values[plan.row, self.rows] = codes if valid is None else np.where(valid, codes, np.nan)
        if plan.key_row >= 0:
            hashes = columns.hashes_of_text(coded.array)[coded.indices]
            batch.keys[plan.key_row, self.rows] = (
                hashes if valid is None else np.where(valid, hashes, np.uint64(0))
            )

    def _id(self, plan: FieldPlan) -> None:
        """Keep the ids' texts and their hashes; 0 where there is none."""
        work = self.work
        found = self._array(plan.names)
        if found is None:
            return
        array = _decoded(found[0])
        valid = array.is_valid().to_numpy(zero_copy_only=False) if array.null_count else None
        hashes: NDArray[np.uint64]
        if plan.field.type is Type.INT:
            whole, _ = columns.ints(array)
            hashes = hash_decimals(whole)
            texts = pc.cast(pa.array(whole, mask=None if valid is None else ~valid), pa.string())
        elif pa.types.is_integer(array.type):
            hashes = hash_decimals(columns.raw(array).astype(np.int64))
            texts = pc.cast(array, pa.string())
        elif columns.is_text(array.type) and (self.sure is None or self.sure.any()):
            hashes = columns.hashes_of_text(array)
            texts = array if pa.types.is_string(array.type) else pc.cast(array, pa.string())
        else:
            self.doubt(columns.nothing(self.size))
            return
        work.batch.event_hash[self.rows] = hashes if valid is None else np.where(valid, hashes, np.uint64(0))
        if isinstance(self.rows, slice):
            work.ids = texts
        else:
            if work.ids is None:
                work.ids = pa.nulls(work.size, pa.string())
            mask = np.zeros(work.size, np.bool_)
            mask[self.rows] = True
            work.ids = pc.replace_with_mask(work.ids, pa.array(mask), texts)


def _decoded(array: Array) -> Array:
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _or_null(sure: Sure, valid: Sure, required: bool) -> Sure:
    """Return what is sure when nulls are right, or when they are not."""
    if valid is None:
        return sure
    if required:
        return columns.both(sure, valid)
    return None if sure is None else sure | ~valid


def _allowed(plan: FieldPlan, values: NDArray[np.float64]) -> Sure:
    """Return which numbers lie in the range and among the values that the field allows."""
    field_ = plan.field
    sure: Sure = None
    if field_.low > -np.inf:
        sure = values >= field_.low
    if field_.high < np.inf:
        sure = columns.both(sure, values <= field_.high)
    if field_.allowed and field_.type is Type.INT:
        sure = columns.both(sure, np.isin(values, [float(each) for each in field_.allowed]))
    return sure


def _cleanable(plan: FieldPlan, texts: list[str]) -> NDArray[np.bool_]:
    good = np.ones(len(texts), np.bool_)
    for index, text in enumerate(texts):
        try:
            plan.clean(text)
        except EventError:
            good[index] = False
    return good


def _is_base(array: Array, base: str) -> NDArray[np.bool_]:
    """Return where the currency is the base one, or not given."""
    null: NDArray[np.bool_] = array.is_null().to_numpy(zero_copy_only=False)
    return _equals(array, base) | null


def _fits_int64(array: Array) -> Sure:
    return None if not pa.types.is_uint64(array.type) else columns.raw(array) < 2**63
