"""What is known of an entity beside its events: tables with versions in time, updated while running.

An event sees, for each attribute of its key, what was said last with a time <= its own; of two with
the same time, what was said later. A table's row without a time holds from the beginning. An update
counts from its own time on, for the events that arrive after it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from riskweave.batch import STAGE_DECODED, Batch, Layout
from riskweave.document import Node
from riskweave.errors import EventError, LimitError, PolicyError, Span, StateError, did_you_mean
from riskweave.events.hashing import hash_int, hash_pair, hash_text
from riskweave.events.table_files import TextTable, beside, read_table
from riskweave.events.times import iso_ms
from riskweave.events.values import canonical_ip
from riskweave.expressions.strings import StringPool
from riskweave.expressions.types import Col, Type
from riskweave.kernels.asof import enter_keys, find_key, known_as_of

BEGINNING_MS = -(2**62)
TIME_MS_MAX = 2**53
VERSIONS_MAX = 50_000_000

_TYPES = ("string", "int", "float", "money", "bool", "time", "location", "ip")
_FLAGS = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0, "1": 1.0, "0": 0.0}
_EXPECTED = {
    Type.INT: "a whole number",
    Type.IP: "an address",
    Type.FLOAT: "a number",
    Type.MONEY: "an amount, as in 12.50",
    Type.BOOL: "true or false",
    Type.TIME: "a date or time, as in 2026-01-31T12:00:00Z",
    Type.LOCATION: "a latitude within [-90, 90] and a longitude within [-180, 180]",
}

AttributeValue = str | float | bool | tuple[float, float] | None
KeyRow = Callable[[tuple[str, ...], Span], int]


# ---- what the analyst wrote


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute: its type and the column of the file (a location may have two) that holds it."""

    name: str
    type: Type
    sources: tuple[str, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class AttributesSpec:
    """An entity's table: `roles` maps each role to its key fields, `key` are the file's key columns."""

    entity: str
    span: Span
    file: str
    key: tuple[str, ...]
    key_types: tuple[Type, ...]
    roles: Mapping[str, tuple[str, ...]]
    attributes: tuple[Attribute, ...]
    begins: str
    folder: Path | None


def read_attributes(
    entity: str,
    node: Node,
    roles: Mapping[str, tuple[str, ...]],
    key_types: Sequence[Type],
    folder: Path | None = None,
) -> AttributesSpec:
    """Read an entity's `attributes:`; `file` may be absent when all comes from updates."""
    node.only("file", "key", "columns", "from")
    file, key_node, begins = node.get("file"), node.get("key"), node.get("from")
    columns = node.need("columns")
    attributes = tuple(_attribute(name, each, columns) for name, each in columns.items())
    key = tuple(key_node.texts()) if key_node else ()
    if file is not None:
        node.need("key")
        if len(key) != len(key_types):
            raise node.need("key").error(
                f"the key of `{entity}` has {len(key_types)} parts, this one {len(key)}",
                "name one column of the file for each field of the entity's key",
            )
    return AttributesSpec(
        entity=entity,
        span=file.span if file else node.span,
        file=file.text() if file else "",
        key=key,
        key_types=tuple(key_types),
        roles=roles,
        attributes=attributes,
        begins=begins.text() if begins else "",
        folder=folder,
    )


def _attribute(name: str, node: Node, columns: Node) -> Attribute:
    span = columns.key_span(name)
    if not name.isidentifier():
        raise PolicyError(f"`{name}` cannot be an attribute's name", span, "use letters, digits and _")
    if not node.is_map:
        return Attribute(name, Type(node.choice(*_TYPES)), (name,), span)
    node.only("type", "from")
    kind = Type(node.need("type").choice(*_TYPES))
    source = node.get("from")
    sources = tuple(source.texts()) if source else (name,)
    if len(sources) > (2 if kind is Type.LOCATION else 1) or not sources:
        raise node.error(f"attribute `{name}` comes from one column (a location from one or two)")
    return Attribute(name, kind, sources, span)


# ---- from the table to columns


@dataclass(frozen=True, slots=True)
class AttributeTable:
    """One entity's table, compiled: versions sorted by key, then time.

    `places[name]` is the column of `known` that holds an attribute (the first of a location's two).
    A row of `jobs` is (row of `Batch.keys`, column of `known`, row of `Batch.values`).
    """

    entity: str
    key_types: tuple[Type, ...]
    attributes: Mapping[str, Attribute]
    places: Mapping[str, int]
    width: int
    hashes: NDArray[np.uint64]
    blocks: NDArray[np.int64]
    from_ms: NDArray[np.int64]
    known: NDArray[np.float64]
    jobs: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class AttributesPlan:
    """The tables of all entities that have attributes."""

    tables: tuple[AttributeTable, ...]
    pool: StringPool


class AttributesCompiler:
    """Reads the tables and gives out a column for each attribute that something asks for.

    `key_row(fields, span)` is where the hash of these key fields stands in `Batch.keys`.
    """

    def __init__(
        self, specs: Sequence[AttributesSpec], layout: Layout, pool: StringPool, key_row: KeyRow
    ) -> None:
        self.layout = layout
        self.pool = pool
        self.key_row = key_row
        self.specs = {each.entity: each for each in specs}
        self.columns: dict[tuple[str, tuple[str, ...], str], Col] = {}
        self.jobs: dict[str, list[tuple[int, int, int]]] = {each: [] for each in self.specs}

    def has(self, entity: str, name: str) -> bool:
        """Tell whether an entity has that attribute."""
        spec = self.specs.get(entity)
        return spec is not None and any(each.name == name for each in spec.attributes)

    def attribute(self, entity: str, role: str, name: str, span: Span | None = None) -> Col:
        """Return the column of an attribute of the entity that plays `role` in the event."""
        spec = self.specs.get(entity)
        if spec is None:
            raise PolicyError(
                f"`{entity}` has no attributes", span, "give the entity `attributes:` with a file and columns"
            )
        known = [each.name for each in spec.attributes]
        if name not in known:
            raise PolicyError(
                f"`{entity}` has no attribute `{name}`",
                span,
                did_you_mean(name, known) or f"its attributes: {', '.join(known)}",
            )
        fields = spec.roles[role]
        column = self.columns.get((entity, fields, name))
        if column is None:
            attribute = spec.attributes[known.index(name)]
            column = self.layout.add(f"{role}.{name}", attribute.type, STAGE_DECODED)
            self.columns[entity, fields, name] = column
            key_row, place = self.key_row(fields, span or Span()), _places(spec.attributes)[0][name]
            for part in range(_width(attribute.type)):
                self.jobs[entity].append((key_row, place + part, column.index + part))
        return column

    def finish(self) -> AttributesPlan:
        """Read the files and return the frozen plan."""
        tables = tuple(
            _compile_table(each, self.jobs[each.entity], self.pool) for each in self.specs.values()
        )
        return AttributesPlan(tables, self.pool)


def _width(kind: Type) -> int:
    return 2 if kind is Type.LOCATION else 1


def _places(attributes: Sequence[Attribute]) -> tuple[dict[str, int], int]:
    """Return where each attribute lies in a version, and how wide that is."""
    places, width = {}, 0
    for each in attributes:
        places[each.name] = width
        width += _width(each.type)
    return places, width


def _compile_table(
    spec: AttributesSpec, jobs: list[tuple[int, int, int]], pool: StringPool
) -> AttributeTable:
    places, width = _places(spec.attributes)
    if spec.file:
        table = read_table(beside(spec.folder, spec.file, spec.span), spec.file)
        hashes, from_ms, known = _read_versions(spec, table, width, pool)
        order = np.lexsort((from_ms, hashes))
        hashes, from_ms, known = hashes[order], from_ms[order], known[order]
        _refuse_twins(spec, table, order, hashes, from_ms)
    else:
        hashes, from_ms, known = np.zeros(0, np.uint64), np.zeros(0, np.int64), np.zeros((0, width))
    keys, first, count = np.unique(hashes, return_index=True, return_counts=True)
    return AttributeTable(
        entity=spec.entity,
        key_types=spec.key_types,
        attributes={each.name: each for each in spec.attributes},
        places=places,
        width=width,
        hashes=keys,
        blocks=np.stack([first, count], axis=1).astype(np.int64),
        from_ms=from_ms,
        known=known,
        jobs=np.array(sorted(jobs), np.int64).reshape(-1, 3),
    )


def _read_versions(
    spec: AttributesSpec, table: TextTable, width: int, pool: StringPool
) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.float64]]:
    hashes = np.fromiter(_key_hashes(spec, table), np.uint64, table.rows)
    from_ms = np.full(table.rows, BEGINNING_MS, np.int64)
    if spec.begins:
        for row, text in enumerate(table.need(spec.begins)):
            if text:
                moment = iso_ms(text)
                if moment is None:
                    raise table.error(row, spec.begins, _EXPECTED[Type.TIME])
                from_ms[row] = moment
    known = np.full((table.rows, width), np.nan)
    place = 0
    for each in spec.attributes:
        columns = [table.need(source) for source in each.sources]
        for part in range(_width(each.type)):
            known[:, place] = _read_column(table, each, columns, part, pool)
            place += 1
    return hashes, from_ms, known


def _read_column(
    table: TextTable, attribute: Attribute, columns: list[Sequence[str]], part: int, pool: StringPool
) -> list[float]:
    """Return one column of values; each distinct text is read once."""
    if attribute.type is Type.LOCATION and len(columns) == 1:
        cells = [f"{cell}" for cell in columns[0]]
    elif attribute.type is Type.LOCATION:
        first, second = columns
        cells = [f"{a},{b}" if a or b else "" for a, b in zip(first, second, strict=True)]
    else:
        cells = list(columns[0])
    values: dict[str, float] = {"": math.nan}
    out = []
    for row, cell in enumerate(cells):
        value = values.get(cell)
        if value is None:
            read = _read_text(attribute.type, cell, pool)
            if read is None:
                raise table.error(row, attribute.sources[0], _EXPECTED[attribute.type])
            value = values[cell] = read[part]
        out.append(value)
    return out


def _read_text(kind: Type, text: str, pool: StringPool) -> tuple[float, ...] | None:
    """Return the number or two that a version keeps for a text; None when it is not of that type."""
    if kind is Type.IP:
        address = canonical_ip(text)
        return None if address is None else (float(pool.code(address)),)
    if kind is Type.STRING:
        return (float(pool.code(text)),)
    if kind is Type.BOOL:
        flag = _FLAGS.get(text.lower())
        return None if flag is None else (flag,)
    if kind is Type.TIME:
        moment = iso_ms(text)
        return None if moment is None else (float(moment),)
    try:
        numbers = tuple(float(each) for each in text.split(","))
    except ValueError:
        return None
    return _check_numbers(kind, numbers)


def _check_numbers(kind: Type, numbers: tuple[float, ...]) -> tuple[float, ...] | None:
    if len(numbers) != _width(kind) or not all(map(math.isfinite, numbers)):
        return None
    if kind is Type.INT and (numbers[0] % 1 or abs(numbers[0]) > 2**53):
        return None
    if kind is Type.LOCATION and (abs(numbers[0]) > 90 or abs(numbers[1]) > 180):
        return None
    return numbers


def _key_hashes(spec: AttributesSpec, table: TextTable) -> list[int]:
    columns = [table.need(each) for each in spec.key]
    hashes = []
    for row, cells in enumerate(zip(*columns, strict=True)):
        parts = []
        for name, kind, cell in zip(spec.key, spec.key_types, cells, strict=True):
            if not cell:
                raise table.error(row, name, "a key")
            if kind is Type.INT:
                if not _is_int64(cell):
                    raise table.error(row, name, "a whole number")
                parts.append(hash_int(int(cell)))
            elif kind is Type.IP:
                address = canonical_ip(cell)
                if address is None:
                    raise table.error(row, name, "an address")
                parts.append(hash_text(address))
            else:
                parts.append(hash_text(cell))
        hashes.append(_fold(parts))
    return hashes


def _is_int64(text: str) -> bool:
    try:
        return -(2**63) <= int(text) < 2**63
    except ValueError:
        return False


def _fold(parts: list[int]) -> int:
    whole = parts[0]
    for part in parts[1:]:
        whole = hash_pair(whole, part)
    return whole


def _refuse_twins(
    spec: AttributesSpec,
    table: TextTable,
    order: NDArray[np.intp],
    hashes: NDArray[np.uint64],
    from_ms: NDArray[np.int64],
) -> None:
    twins = np.flatnonzero((hashes[1:] == hashes[:-1]) & (from_ms[1:] == from_ms[:-1]))
    if twins.size:
        later = int(order[twins + 1].min())
        at = int(twins[np.flatnonzero(order[twins + 1] == later)[0]])
        key = ", ".join(table.columns[name][later] for name in spec.key)
        raise PolicyError(
            f"`{key}` is there twice with the same time",
            table.span(later),
            f"first at line {table.lines[int(order[at])]}; "
            + ("keep one row" if spec.begins else "name the column of times in `from`, or keep one row"),
        )


# ---- while running


class Update(msgspec.Struct, frozen=True, array_like=True):
    """What was said of one key at a time; text stays text, because codes are the process's own."""

    entity: str
    key_hash: int
    time_ms: int
    values: dict[str, AttributeValue]


class _Living:
    """One table while running: arrays with room to grow.

    A key's versions lie together, sorted by time; when their block is full they move to the end.
    `said[version, place]` tells what a version was given; the rest it carries on from the one before.
    """

    def __init__(self, table: AttributeTable) -> None:
        self.table = table
        self.keys = len(table.hashes)
        self.versions = len(table.from_ms)
        self.hashes = table.hashes
        self.blocks = table.blocks
        self.rooms = table.blocks[:, 1].copy()
        self.from_ms = table.from_ms
        self.known = table.known
        self.said = np.ones(table.known.shape, np.bool_)
        self.own = False  # the plan's arrays are shared until the first update
        self.slots = _slots(self.hashes, self.keys)

    def update(self, key: int, time_ms: int, given: dict[int, float]) -> None:
        """Enter values by place from `time_ms` on."""
        if not self.own:
            self.blocks, self.from_ms, self.known = self.blocks.copy(), self.from_ms.copy(), self.known.copy()
            self.own = True
        number = int(find_key(self.slots, self.hashes, np.uint64(key)))
        if number < 0:
            number = self._enter(key)
        first, count = map(int, self.blocks[number])
        at = first + int(np.searchsorted(self.from_ms[first : first + count], time_ms, side="right"))
        if at == first or self.from_ms[at - 1] != time_ms:
            at = self._insert(number, at - first, time_ms)
        else:
            at -= 1
        stop = int(self.blocks[number].sum())
        for place, value in given.items():
            self.known[at, place] = value
            self.said[at, place] = True
            later = at + 1
            while later < stop and not self.said[later, place]:
                self.known[later, place] = value
                later += 1

    def _enter(self, key: int) -> int:
        number = self.keys
        if number == len(self.hashes):
            more = max(64, number)
            self.hashes = np.concatenate([self.hashes, np.zeros(more, np.uint64)])
            self.blocks = np.concatenate([self.blocks, np.zeros((more, 2), np.int64)])
            self.rooms = np.concatenate([self.rooms, np.zeros(more, np.int64)])
        self.hashes[number] = key
        self.keys += 1
        if 2 * self.keys > len(self.slots):
            self.slots = _slots(self.hashes, self.keys)
        else:
            enter_keys(number, self.keys, self.hashes, self.slots)
        return number

    def _insert(self, number: int, at: int, time_ms: int) -> int:
        """Make a key's version `at`, with what the one before carries on; return where it lies."""
        first, count = map(int, self.blocks[number])
        if count == self.rooms[number]:
            first = self._move(number, max(2, 2 * count))
        here, stop = first + at, first + count
        for column in (self.from_ms, self.known, self.said):
            column[here + 1 : stop + 1] = column[here:stop].copy()
        self.from_ms[here] = time_ms
        self.known[here] = self.known[here - 1] if at else np.nan
        self.said[here] = False
        self.blocks[number, 1] = count + 1
        return here

    def _move(self, number: int, room: int) -> int:
        """Move a key's versions to the end, where there is more room; return where they lie now."""
        old, count = map(int, self.blocks[number])
        new = self.versions
        if new + room > VERSIONS_MAX:
            raise LimitError(
                f"the attributes of `{self.table.entity}` have {new} versions, as many as there may be"
            )
        if new + room > len(self.from_ms):
            more = max(room, new, 256)
            self.from_ms = np.concatenate([self.from_ms, np.zeros(more, np.int64)])
            self.known = np.concatenate([self.known, np.zeros((more, self.table.width))])
            self.said = np.concatenate([self.said, np.zeros((more, self.table.width), np.bool_)])
        for column in (self.from_ms, self.known, self.said):
            column[new : new + count] = column[old : old + count]
        self.blocks[number, 0] = new
        self.rooms[number] = room
        self.versions += room
        return new

    @property
    def bytes(self) -> int:
        arrays = (self.hashes, self.blocks, self.rooms, self.from_ms, self.known, self.said, self.slots)
        return sum(each.nbytes for each in arrays)


def _slots(hashes: NDArray[np.uint64], keys: int) -> NDArray[np.int64]:
    """Return a hash table of the keys, at most half full now and with room for as many again."""
    slots = np.full(1 << max(6, (4 * keys).bit_length()), -1, np.int64)
    enter_keys(0, keys, hashes, slots)
    return slots


class AttributesState:
    """Every entity's attributes while running."""

    def __init__(self, plan: AttributesPlan) -> None:
        self.plan = plan
        self.updates: list[Update] = []
        self.living = [_Living(each) for each in plan.tables]
        self._at = {each.entity: at for at, each in enumerate(plan.tables)}

    @classmethod
    def create(cls, plan: AttributesPlan) -> AttributesState:
        """Return the state of tables that nobody has updated yet."""
        return cls(plan)

    def update(
        self,
        entity: str,
        key: str | int | tuple[str | int, ...] | np.uint64,
        values: Mapping[str, AttributeValue],
        time_ms: int,
    ) -> None:
        """Say what some attributes of a key are from `time_ms` on; the others stay as they are.

        `key` is the key's value, a tuple of its parts, or its hash as `np.uint64`.
        """
        table = self._find(entity).table
        key_hash = int(key) if isinstance(key, np.uint64) else _key_hash(table, key)
        if not -TIME_MS_MAX < time_ms < TIME_MS_MAX:
            raise EventError("time_ms", time_ms, "milliseconds UTC")
        self._enter(Update(entity, key_hash, time_ms, dict(values)))

    def _enter(self, update: Update) -> None:
        living = self._find(update.entity)
        if len(self.updates) >= VERSIONS_MAX:
            raise LimitError(f"attributes were updated {VERSIONS_MAX} times, as often as they may be")
        given: dict[int, float] = {}
        for name, value in update.values.items():
            attribute = living.table.attributes.get(name)
            if attribute is None:
                hint = did_you_mean(name, living.table.attributes)
                raise EventError(
                    name, value, f"an attribute of `{update.entity}`" + (f"; {hint}" if hint else "")
                )
            place = living.table.places[name]
            for part, number in enumerate(_encode(attribute, value, self.plan.pool)):
                given[place + part] = number
        living.update(update.key_hash, update.time_ms, given)
        self.updates.append(update)

    def _find(self, entity: str) -> _Living:
        at = self._at.get(entity)
        if at is None:
            raise EventError("entity", entity, f"an entity with attributes; {did_you_mean(entity, self._at)}")
        return self.living[at]

    def mark_texts(self, used: NDArray[np.bool_]) -> None:
        """Mark the codes of all texts that versions hold."""
        for living in self.living:
            for attribute in living.table.attributes.values():
                if attribute.type.is_text:
                    codes = living.known[:, living.table.places[attribute.name]]
                    used[codes[~np.isnan(codes)].astype(np.int64)] = True

    def snapshot(self) -> bytes:
        """Return every update since the policy went live; the policy's own tables are its own."""
        return msgspec.msgpack.encode(self.updates)

    @classmethod
    def restore(cls, plan: AttributesPlan, data: bytes) -> AttributesState:
        """Return the state that `snapshot` described, under the same plan."""
        state = cls(plan)
        try:
            for each in msgspec.msgpack.decode(data, type=list[_StoredUpdate]):
                state._enter(each.update())
        except msgspec.DecodeError as error:
            raise StateError(f"the snapshot of the attributes is damaged: {error}") from None
        except EventError as error:
            raise StateError(f"the snapshot of the attributes is of another policy: {error}") from None
        return state

    def describe(self) -> dict[str, object]:
        """Tell bytes, and per entity its keys and versions."""
        entities = {
            each.table.entity: {
                "keys": each.keys,
                "versions": int(each.blocks[: each.keys, 1].sum()),
                "bytes": each.bytes,
            }
            for each in self.living
        }
        return {
            "bytes": sum(each.bytes for each in self.living),
            "updates": len(self.updates),
            "entities": entities,
        }


class _StoredUpdate(msgspec.Struct, frozen=True, array_like=True):
    """An update as msgpack gives it back: a location is a list."""

    entity: str
    key_hash: int
    time_ms: int
    values: dict[str, str | float | bool | list[float] | None]

    def update(self) -> Update:
        values: dict[str, AttributeValue] = {}
        for name, value in self.values.items():
            if isinstance(value, list):
                if len(value) != 2:
                    raise EventError(name, value, _EXPECTED[Type.LOCATION])
                values[name] = (value[0], value[1])
            else:
                values[name] = value
        return Update(self.entity, self.key_hash, self.time_ms, values)


def step(plan: AttributesPlan, state: AttributesState, batch: Batch) -> None:
    """Fill every attribute column with what was known at each event's time."""
    for living in state.living:
        if len(living.table.jobs):
            known_as_of(
                living.slots,
                living.hashes,
                living.blocks,
                living.from_ms,
                living.known,
                batch.keys,
                batch.time_ms,
                living.table.jobs,
                batch.values,
            )


def adopt(old: AttributesState, new: AttributesState) -> int:
    """Carry the updates made under another policy over to `new`; return how many.

    What the new policy does not know, or knows as another type, is left behind.
    """
    carried = 0
    for each in old.updates:
        if each.entity not in new._at:
            continue
        before = old._find(each.entity).table.attributes
        now = new._find(each.entity).table.attributes
        values = {
            name: value
            for name, value in each.values.items()
            if name in now and now[name].type is before[name].type
        }
        if values:
            new._enter(Update(each.entity, each.key_hash, each.time_ms, values))
            carried += 1
    return carried


def _encode(attribute: Attribute, value: AttributeValue, pool: StringPool) -> tuple[float, ...]:
    """Return the number or two that a version keeps for a value, or raise an EventError."""
    kind = attribute.type
    read: tuple[float, ...] | None = None
    if value is None:
        return (math.nan,) * _width(kind)
    if isinstance(value, str):
        read = _read_text(kind, value, pool)
    elif isinstance(value, tuple):
        read = _check_numbers(kind, value) if kind is Type.LOCATION else None
    elif isinstance(value, bool):
        read = (float(value),) if kind is Type.BOOL else None
    elif kind in (Type.INT, Type.FLOAT, Type.MONEY, Type.TIME):
        read = _check_numbers(kind, (float(value),))
    if read is None:
        raise EventError(attribute.name, value, _EXPECTED.get(kind, "text"))
    return read


def _key_hash(table: AttributeTable, key: str | int | tuple[str | int, ...]) -> int:
    parts = key if isinstance(key, tuple) else (key,)
    if len(parts) != len(table.key_types):
        raise EventError("key", key, f"{len(table.key_types)} parts")
    hashes = []
    for part, kind in zip(parts, table.key_types, strict=True):
        if kind is Type.INT:
            if isinstance(part, bool) or not _is_int64(str(part)):
                raise EventError("key", part, "a whole number")
            hashes.append(hash_int(int(part)))
        elif isinstance(part, str) and part:
            hashes.append(hash_text((canonical_ip(part) or part) if kind is Type.IP else part))
        else:
            raise EventError("key", part, "text")
    return _fold(hashes)
