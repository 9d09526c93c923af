"""What changes while running: entries added and removed, and what each operand was found to match.

A change counts from its own time on, for the events that arrive after it. An entry holds in
[from, until) of event time; a removal ends, at its time, every entry of that value there is. What a
distinct operand matches is looked up once and remembered (`resolved`); entries with a time limit
are remembered as a chain of candidates of which the kernel takes the first that holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from riskweave.errors import EventError, LimitError, StateError, did_you_mean
from riskweave.kernels.listed import CHAIN, NOT_LISTED, UNRESOLVED
from riskweave.lists.entries import BEGINNING_MS, ENTRIES_MAX, NEVER_MS
from riskweave.lists.index import Index, expected_value

if TYPE_CHECKING:
    from riskweave.lists.plan import ListsPlan

VALUE_CHARACTERS_MAX = 10_000

# After so many cells of chains that nobody refers to any more, all is looked up anew.
_CELLS_WASTED_MAX = 4_000_000


class Change(msgspec.Struct, frozen=True, array_like=True):
    """One entry added (`added`) or one value removed while running."""

    added: bool
    list: str
    value: str
    time_ms: int
    expires_ms: int | None = None
    by: str | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class ListEntry:
    """An entry as a decision shows it: a time is None where there is no limit; `more` are other columns."""

    list: str
    number: int
    value: str
    by: str | None
    why: str | None
    added_ms: int | None
    expires_ms: int | None
    more: dict[str, str]


class _Living:
    """One list while running: the index over the plan's entries and those added since."""

    def __init__(self, plan: ListsPlan, at: int) -> None:
        self.compiled = plan.lists[at]
        self.index: Index = self.compiled.index()
        self.added: list[Change] = []
        self.ended: dict[int, int] = {}

    def limits(self, number: int) -> tuple[int, int]:
        """Return [from, until) of an entry; empty when it was removed before it began."""
        entries = self.compiled.entries
        here = number - len(entries)
        if here >= 0:
            change = self.added[here]
            begins, ends = change.time_ms, NEVER_MS if change.expires_ms is None else change.expires_ms
        else:
            begins = BEGINNING_MS if entries.from_ms is None else int(entries.from_ms[number])
            ends = NEVER_MS if entries.until_ms is None else int(entries.until_ms[number])
        return begins, min(ends, self.ended.get(number, NEVER_MS))

    def describe(self) -> dict[str, object]:
        return {
            "kind": self.compiled.kind,
            "entries": len(self.compiled.entries) + len(self.added),
            "added": len(self.added),
            "ended": len(self.ended),
        }


class ListsState:
    """Every list of a plan while running, and the flat tables that the kernel reads."""

    def __init__(self, plan: ListsPlan) -> None:
        self.plan = plan
        self.changes: list[Change] = []
        self._living = [_Living(plan, at) for at in range(len(plan.lists))]
        self._at = {each.name: at for at, each in enumerate(plan.lists)}
        # A row is what one list knows of one space of codes; columns of one kind share it.
        self._rows = sorted({(each.list, each.space) for each in plan.matchers})
        self._row_of = {row: at for at, row in enumerate(self._rows)}
        self._cuts: dict[int, NDArray[np.float64]] = {}
        self._first: dict[int, int] = {}
        self._start = [0] * len(self._rows)
        self._size = [0] * len(self._rows)
        self.stale = True
        self.resolved = np.zeros(1, np.int32)
        self.table = np.zeros(1, np.int64)
        self._cells = 1
        self._cells_wasted = 0
        self._cells_of = [0] * len(self._rows)
        self.bounds = np.zeros(1)

    @classmethod
    def create(cls, plan: ListsPlan) -> ListsState:
        """Return the state of lists that nobody has changed yet."""
        return cls(plan)

    # ---- changes

    def add(
        self,
        list_name: str,
        value: str,
        time_ms: int,
        expires_ms: int | None = None,
        by: str | None = None,
        why: str | None = None,
    ) -> int:
        """Put `value` on a list from `time_ms` on, until `expires_ms`; return the entry's number."""
        living = self._find(list_name)
        compiled = living.compiled
        if not value or len(value) > VALUE_CHARACTERS_MAX:
            raise EventError("value", value, f"1 to {VALUE_CHARACTERS_MAX} characters")
        expected = expected_value(compiled.kind, compiled.of, value)
        if expected:
            raise EventError("value", value, f"{expected} (list `{list_name}` is {compiled.kind})")
        for name, moment in (("time_ms", time_ms), ("expires_ms", expires_ms)):
            if moment is not None and not BEGINNING_MS < moment < NEVER_MS:
                raise EventError(name, moment, "milliseconds UTC")
        if expires_ms is not None and expires_ms <= time_ms:
            raise EventError("expires_ms", expires_ms, f"a time after {time_ms}")
        number = len(compiled.entries) + len(living.added)
        if number >= ENTRIES_MAX:
            raise LimitError(f"list `{list_name}` has {ENTRIES_MAX} entries, the most there may be")
        change = Change(True, list_name, value, time_ms, expires_ms, by, why)
        living.added.append(change)
        living.index.add(value, number)
        self.changes.append(change)
        self._forget(self._at[list_name], value)
        return number

    def remove(
        self, list_name: str, value: str, time_ms: int, by: str | None = None, why: str | None = None
    ) -> int:
        """End every entry of exactly that value at `time_ms`; return how many there were to end."""
        living = self._find(list_name)
        if not BEGINNING_MS < time_ms < NEVER_MS:
            raise EventError("time_ms", time_ms, "milliseconds UTC")
        ended = 0
        for number in living.index.same(value):
            if living.limits(number)[1] > time_ms:
                living.ended[number] = time_ms
                ended += 1
        if ended:
            self.changes.append(Change(False, list_name, value, time_ms, None, by, why))
            self._forget(self._at[list_name], value)
        return ended

    def entry(self, list_name: str, number: int) -> ListEntry:
        """Return what a match column's number stands for."""
        living = self._find(list_name)
        entries = living.compiled.entries
        if not 0 <= number < len(entries) + len(living.added):
            raise EventError("number", number, f"the number of an entry of list `{list_name}`")
        begins, ends = living.limits(number)
        limits = (None if begins == BEGINNING_MS else begins, None if ends == NEVER_MS else ends)
        here = number - len(entries)
        if here >= 0:
            change = living.added[here]
            return ListEntry(list_name, number, change.value, change.by, change.why, *limits, {})
        return ListEntry(
            list_name,
            number,
            entries.values[number],
            (entries.by[number] or None) if entries.by is not None else None,
            (entries.why[number] or None) if entries.why is not None else None,
            *limits,
            {name: cells[number] for name, cells in entries.more.items()},
        )

    def _find(self, list_name: str) -> _Living:
        at = self._at.get(list_name)
        if at is None:
            hint = did_you_mean(list_name, self._at)
            raise EventError("list", list_name, "the name of a list" + (f"; {hint}" if hint else ""))
        return self._living[at]

    # ---- what operands match

    def refresh(self) -> None:
        """Lay the tables out anew and forget what was looked up."""
        texts = max(64, 2 * len(self.plan.pool))
        for row, (at, space) in enumerate(self._rows):
            if space == "text":
                self._size[row] = texts
            else:
                self._cuts[row] = self._living[at].index.cuts(space == "whole")
                self._size[row] = 2 * len(self._cuts[row]) + 1
        self._start = [0, *np.cumsum(self._size).tolist()][: len(self._size)]
        self.resolved = np.full(max(sum(self._size), 1), UNRESOLVED, np.int32)
        parts = {row: _guided(cuts) for row, cuts in self._cuts.items()}
        ends = np.cumsum([len(each) for each in parts.values()]).tolist()
        self._first = {row: end - len(parts[row]) for row, end in zip(parts, ends, strict=True)}
        self.bounds = np.concatenate([*parts.values(), np.zeros(1)])
        self.table = np.zeros(256 + 6 * len(self.plan.matchers), np.int64)
        self._cells = 1 + 6 * len(self.plan.matchers)
        self._cells_wasted = 0
        self._cells_of = [0] * len(self._rows)
        self._point()
        self.stale = False

    def _point(self) -> None:
        """Write where each matcher finds its part of the tables."""
        self.table[0] = len(self.plan.matchers)
        for at, matcher in enumerate(self.plan.matchers):
            row = self._row_of[matcher.list, matcher.space]
            bounds = (0, -1) if matcher.space == "text" else (self._first[row], len(self._cuts[row]))
            place = (matcher.source, matcher.target, self._start[row], self._size[row], *bounds)
            self.table[6 * at + 1 : 6 * at + 7] = place

    def _grow(self) -> None:
        """Make room for texts that came after the tables were laid out; what was looked up stays."""
        old, starts, sizes = self.resolved, self._start, list(self._size)
        texts = 2 * len(self.plan.pool)
        for row, (_, space) in enumerate(self._rows):
            if space == "text":
                self._size[row] = texts
        self._start = [0, *np.cumsum(self._size).tolist()][: len(self._size)]
        self.resolved = np.full(sum(self._size), UNRESOLVED, np.int32)
        for row, start in enumerate(self._start):
            self.resolved[start : start + sizes[row]] = old[starts[row] : starts[row] + sizes[row]]
        self._point()

    def resolve(self, marks: Sequence[NDArray[np.float64]]) -> None:
        """Look up what the kernel left open: a negative mark -2 - code of each matcher's target."""
        if self._cells_wasted > _CELLS_WASTED_MAX:
            self.refresh()
        for matcher, mark in zip(self.plan.matchers, marks, strict=True):
            codes = (-2 - mark[mark < 0]).astype(np.int64)
            if not codes.size:
                continue
            row = self._row_of[matcher.list, matcher.space]
            if matcher.space == "text" and int(codes.max()) >= self._size[row]:
                self._grow()
            before = self._cells
            slots = self._slots(matcher.list, row, matcher.space, codes.tolist())
            self.resolved[self._start[row] + codes] = slots
            self._cells_of[row] += self._cells - before

    def _slots(self, at: int, row: int, space: str, codes: list[int]) -> list[int]:
        living, texts = self._living[at], self.plan.pool.texts
        of_text, slot = living.index.of_text, self._slot
        if space == "text":
            return [slot(living, found) if (found := of_text(texts[code])) else NOT_LISTED for code in codes]
        whole, cuts = space == "whole", self._cuts[row]
        return [
            slot(living, living.index.of_number(_representative(cuts, code, whole), whole)) for code in codes
        ]

    def _slot(self, living: _Living, candidates: Sequence[int]) -> int:
        """Return what the table holds for an operand with these candidates."""
        chain: list[int] = []
        for number in candidates:
            begins, ends = living.limits(number)
            if begins >= ends:
                continue
            always = begins == BEGINNING_MS and ends == NEVER_MS
            if always and not chain:
                return number
            chain += (number, begins, ends)
            if always:
                break
        if not chain:
            return NOT_LISTED
        chain.append(-1)
        first, self._cells = self._cells, self._cells + len(chain)
        while self._cells > len(self.table):
            self.table = np.concatenate([self.table, np.zeros_like(self.table)])
        self.table[first : self._cells] = chain
        return CHAIN - first

    def _forget(self, at: int, value: str) -> None:
        """Have operands looked up again that a change of `value` may concern."""
        living = self._living[at]
        for row, (list_at, space) in enumerate(self._rows):
            if list_at != at or self.stale:
                continue
            if space != "text":
                self.stale = True
                continue
            start, size = self._start[row], self._size[row]
            if living.compiled.kind == "exact" and not living.compiled.ignore_case:
                code = self.plan.pool.codes.get(value)
                if code is not None and code < size:
                    self._waste(row, self._chain_length(int(self.resolved[start + code])))
                    self.resolved[start + code] = UNRESOLVED
            else:
                self._waste(row, self._cells_of[row])
                self.resolved[start : start + size] = UNRESOLVED

    def forget_codes(self, codes: Sequence[int]) -> None:
        """Have operands with these codes looked up again: their texts are gone."""
        if self.stale:
            return
        for row, (_, space) in enumerate(self._rows):
            if space != "text":
                continue
            start, size = self._start[row], self._size[row]
            for code in codes:
                if code < size:
                    self._waste(row, self._chain_length(int(self.resolved[start + code])))
                    self.resolved[start + code] = UNRESOLVED

    def _waste(self, row: int, cells: int) -> None:
        self._cells_of[row] -= cells
        self._cells_wasted += cells

    def _chain_length(self, slot: int) -> int:
        """Return how many cells a chain takes, its end included; 0 when the slot is no chain."""
        if slot > CHAIN:
            return 0
        cell = CHAIN - slot
        while self.table[cell] >= 0:
            cell += 3
        return cell - (CHAIN - slot) + 1

    # ---- keeping and moving it

    def snapshot(self) -> bytes:
        """Return every change since the policy went live; the policy's own entries are its own."""
        return msgspec.msgpack.encode(self.changes)

    @classmethod
    def restore(cls, plan: ListsPlan, data: bytes) -> ListsState:
        """Return the state that `snapshot` described, under the same plan."""
        try:
            changes = msgspec.msgpack.decode(data, type=list[Change])
        except msgspec.DecodeError as error:
            raise StateError(f"the snapshot of the lists is damaged: {error}") from None
        state = cls(plan)
        if _apply(state, changes) != len(changes):
            raise StateError("the snapshot of the lists was made by a policy with other lists")
        return state

    def describe(self) -> dict[str, object]:
        """Tell bytes, and per list its kind and how many entries it has."""
        tables = self.resolved.nbytes + self.table.nbytes + self.bounds.nbytes
        return {
            "bytes": tables,
            "changes": len(self.changes),
            "lists": {each.compiled.name: each.describe() for each in self._living},
        }


def adopt(old: ListsState, new: ListsState) -> int:
    """Carry the changes made under another policy over to `new`; return how many.

    A change is left behind when the new policy has no list of that name, or one of another kind
    on which the value makes no sense.
    """
    return _apply(new, old.changes)


def _apply(state: ListsState, changes: Sequence[Change]) -> int:
    done = 0
    for each in changes:
        try:
            if each.added:
                state.add(each.list, each.value, each.time_ms, each.expires_ms, each.by, each.why)
            else:
                state.remove(each.list, each.value, each.time_ms, each.by, each.why)
        except EventError:
            continue
        done += 1
    return done


def _representative(cuts: NDArray[np.float64], code: int, whole: bool) -> float:
    """Return a number of that code: cut p itself for 2 p + 1, one just below it for 2 p."""
    place = code >> 1
    if code & 1:
        return float(cuts[place])
    if not len(cuts):
        return 0.0
    if place == 0:
        return float(np.ceil(cuts[0]) - 1.0) if whole else float(np.nextafter(cuts[0], -np.inf))
    return float(np.floor(cuts[place - 1]) + 1.0) if whole else float(np.nextafter(cuts[place - 1], np.inf))


def _guided(cuts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cuts as the kernel wants them: with buckets of equal width that say where to search.

    A number's bucket is computed here and there by the same two operations, which never decrease as
    the number grows; so a bucket's bounds are exactly those that the number has to be compared with.
    """
    count = len(cuts)
    width = float(cuts[-1] - cuts[0]) if count else 0.0
    scale = count / width if 0.0 < width < np.inf else 0.0
    if not np.isfinite(scale):
        scale = 0.0
    of_cut = np.floor((cuts - cuts[0]) * scale) if count else cuts
    buckets = int(of_cut[-1]) + 1 if count else 0
    before = np.searchsorted(of_cut, np.arange(buckets + 1)).astype(np.float64)
    head = np.array([cuts[0] if count else 0.0, scale, buckets])
    return np.concatenate([head, cuts, before])
