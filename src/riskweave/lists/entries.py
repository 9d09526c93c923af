"""A list's entries as its file or the policy gives them, checked one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from riskweave.errors import PolicyError
from riskweave.events.table_files import TextTable, beside, read_table
from riskweave.events.times import iso_ms
from riskweave.lists.spec import ListSpec

# An entry holds in [from, until) of event time; these are the ends of time.
BEGINNING_MS = -(2**62)
NEVER_MS = 2**62

ENTRIES_MAX = 20_000_000

_KNOWN = ("from", "expires", "until", "by", "why")


@dataclass(frozen=True, slots=True)
class Entries:
    """Entries as columns, numbered from 0. A column that nobody filled is None."""

    values: Sequence[str]
    from_ms: NDArray[np.int64] | None = None
    until_ms: NDArray[np.int64] | None = None
    by: Sequence[str] | None = None
    why: Sequence[str] | None = None
    more: dict[str, Sequence[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, slots=True)
class Source:
    """Entries and how an error about one of them is made: by file and line, or where it is written."""

    entries: Entries
    table: TextTable | None
    column: str
    spec: ListSpec

    def error(self, number: int, expected: str, hint: str = "") -> PolicyError:
        """Return (not raise) an error about an entry's value."""
        if self.table is not None:
            column = self.column if self.column in self.table.columns else "low"
            return self.table.error(number, column, expected, hint)
        written = self.spec.values[number]
        return PolicyError(f"list `{self.spec.name}`: expected {expected}", written.span, hint)


def read_entries(spec: ListSpec) -> Source:
    """Return a list's entries; raises a PolicyError at the line of the first that cannot be right."""
    source = _from_file(spec) if spec.file else _from_policy(spec)
    if "" in source.entries.values:
        raise source.error(source.entries.values.index(""), "a value")
    return source


def _from_file(spec: ListSpec) -> Source:
    table = read_table(beside(spec.folder, spec.file, spec.file_span), spec.file)
    column = spec.column or "value"
    bounds = (
        spec.kind == "range" and not spec.column and "value" not in table.columns and "low" in table.columns
    )
    if bounds:
        lows, highs = table.need("low"), table.need("high")
        values: Sequence[str] = [f"{low}..{high}" for low, high in zip(lows, highs, strict=True)]
    else:
        values = table.need(column)
    if "expires" in table.columns and "until" in table.columns:
        raise PolicyError("the columns `expires` and `until` mean the same", table.header, "keep one of them")
    until = "expires" if "expires" in table.columns else "until"
    from_ms = _times(table, "from", BEGINNING_MS)
    until_ms = _times(table, until, NEVER_MS)
    if from_ms is not None and until_ms is not None and (from_ms >= until_ms).any():
        row = int(np.argmax(from_ms >= until_ms))
        raise table.error(row, until, "a time after `from`")
    taken = {column, *_KNOWN, *(("low", "high") if bounds else ())}
    more = {name: cells for name, cells in table.columns.items() if name not in taken}
    by, why = table.columns.get("by"), table.columns.get("why")
    return Source(Entries(values, from_ms, until_ms, by, why, more), table, column, spec)


def _times(table: TextTable, column: str, absent: int) -> NDArray[np.int64] | None:
    """Return a column of times, None when no row has one; each distinct text is read once."""
    cells = table.columns.get(column)
    if cells is None:
        return None
    known: dict[str, int] = {"": absent}
    for text in set(cells):
        if text:
            moment = iso_ms(text)
            if moment is None:
                raise table.error(
                    list(cells).index(text), column, "a date or time, as in 2026-01-31T12:00:00Z"
                )
            known[text] = moment
    if len(known) == 1:
        return None
    return np.fromiter(map(known.__getitem__, cells), np.int64, len(cells))


def _from_policy(spec: ListSpec) -> Source:
    written = spec.values
    if not any(each.begins or each.expires or each.by or each.why for each in written):
        return Source(Entries([each.value for each in written]), None, "", spec)
    begins, ends = [], []
    for each in written:
        moments = []
        for text, absent in ((each.begins, BEGINNING_MS), (each.expires, NEVER_MS)):
            moment = iso_ms(text) if text else absent
            if moment is None:
                raise PolicyError(
                    f"list `{spec.name}`: `{text}` is not a time",
                    each.span,
                    "write 2026-01-31 or 2026-01-31T12:00:00Z",
                )
            moments.append(moment)
        if moments[0] >= moments[1]:
            raise PolicyError(f"list `{spec.name}`: the entry expires before it begins", each.span)
        begins.append(moments[0])
        ends.append(moments[1])
    entries = Entries(
        [each.value for each in written],
        np.array(begins, np.int64),
        np.array(ends, np.int64),
        [each.by for each in written],
        [each.why for each in written],
    )
    return Source(entries, None, "", spec)
