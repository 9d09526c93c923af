"""How records become columns: the frozen result of compiling the fields that a policy uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from struct import Struct
from typing import Any, Protocol

from riskweave.batch import Layout
from riskweave.events.spec import Field
from riskweave.expressions.strings import StringPool


class Rates(Protocol):
    """What foreign money is worth: `convert` gives minor units of the base currency, None when unknown."""

    def convert(self, minor: int, currency: str, time_ms: int) -> int | None: ...


Record = Mapping[str, object]
Setter = Callable[[Record, list[float], list[int]], None]


@dataclass(frozen=True, slots=True)
class FieldPlan:
    """How one field of one event type is decoded.

    `row` is its row in `Batch.values` and `key_row` that in `Batch.keys`, -1 when nobody reads it.
    `names` are those a record may use: its own first. A location from two foreign fields has them
    in `pair`; `currency` is the plan of the field that holds a money field's. `clean` turns one
    value that is not None into a text, or a number, or raises an EventError that says what is
    expected.
    """

    field: Field
    names: tuple[str, ...]
    pair: tuple[str, str] | None
    row: int
    key_row: int
    clean: Callable[..., Any]
    expected: str
    currency: FieldPlan | None = None


@dataclass(frozen=True, slots=True)
class PlainFloats:
    """Float fields without ranges and keys, which a record gives all at once: `get` returns a tuple."""

    get: Callable[[Record], tuple[Any, ...]]
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TypePlan:
    """How the records of one event type are decoded.

    `code` is its name in the string pool. `fields` are all its fields, `columns` those to look at
    beside the time, and `setters` do the same for one record; `others` are those that are left to do
    when `floats` went well. `composites` are the row of each composite key and those of its parts.
    """

    name: str
    code: int
    match: tuple[tuple[str, str], ...]
    time: FieldPlan
    id: FieldPlan | None
    fields: tuple[FieldPlan, ...]
    labels: tuple[FieldPlan, ...]
    composites: tuple[tuple[int, tuple[int, ...]], ...]
    columns: tuple[FieldPlan, ...]
    setters: tuple[Setter, ...]
    floats: PlainFloats | None
    others: tuple[Setter, ...]


@dataclass(frozen=True, slots=True)
class DecodePlan:
    """All that decoding needs.

    `rows` and `key_rows` are those that decoding fills; `dense` says that few others lie between
    them; `cells` and `hashes` write both to a batch of one. `sources` are the names of the file
    columns that matter; a reader need not read others.
    `labels` are the names of the label fields of all types.
    """

    types: tuple[TypePlan, ...]
    rows: tuple[int, ...]
    key_rows: tuple[int, ...]
    dense: bool
    cells: Struct
    hashes: Struct
    layout: Layout
    pool: StringPool
    currency: str
    sources: frozenset[str]
    labels: tuple[str, ...]
