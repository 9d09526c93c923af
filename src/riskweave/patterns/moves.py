"""Partial matches of single keys: set aside for a moment, or moved to another process.

What is set aside goes on bit for bit: partial matches, their order and the order of their deadlines
are those of the state they come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskweave.batch import Batch
from riskweave.errors import StateError
from riskweave.kernels import patterns as kernel
from riskweave.kernels.run_heap import R_NODE
from riskweave.patterns.plan import Lane, PatternsPlan
from riskweave.patterns.state import LaneState, PatternsState

# Functions whose value is one of the values they saw.
_AS_THEY_ARE = (kernel.FIRST, kernel.LAST, kernel.LEAST, kernel.GREATEST)

_LONG_AGO = -(2**62)

# What an event changes of a lane's state.
_CHANGING = ("runs", "nodes", "kept", "instances", "table", "timers", "meta", "dropped")

# What follows from a count of all events, not from a key.
_CLOCKS = (kernel.M_ORDER, kernel.M_CLOCK_MS, kernel.M_TIMER_NUMBER)


class SetAside:
    """A lane's state with a few keys of another one; `take` fetches more of them."""

    def __init__(self, lane: Lane, source: LaneState, by_key: bool = False) -> None:
        # In a lane that waits for the order any event may release waiting ones of any key.
        self.whole = lane.reorder_ms is not None and not by_key
        self.lane = lane
        self.source = source
        self.state = LaneState(lane)
        self.clocks = {word: int(source.meta[word]) for word in _CLOCKS}
        self.has: set[int] = set()
        self.timers: list[tuple[int, int, int]] = []
        self._kept: dict[str, NDArray[Any]] = {}
        self._due_until = _LONG_AGO
        self._salts: list[int] = self.state.salts.tolist()[: len(lane.key_rows)]
        if self.whole:
            self.state = LaneState.restore(lane, source.snapshot())
        else:
            self._set_clocks()
        self.keep()

    def keep(self) -> None:
        """Note what is here, to come back to."""
        if self.whole:
            self._kept = self._kept or self.state.snapshot()
            return
        self._kept = {name: getattr(self.state, name).copy() for name in _CHANGING}
        self._losses = {each: list(entry) for each, entry in self.state.losses.items()}

    def put_back(self) -> None:
        """Undo everything since."""
        state = self.state
        if self.whole:
            self.state = LaneState.restore(self.lane, self._kept)
            return
        for name, array in self._kept.items():
            now = getattr(state, name)
            now[: len(array)] = array
        if len(state.table) != len(self._kept["table"]):
            state.table = self._kept["table"].copy()
        state.losses = {each: list(entry) for each, entry in self._losses.items()}

    def touched(self, batch: Batch, clock_ms: int) -> list[int]:
        """Return the keys of a batch of one, and those with a deadline by then, as the table knows them."""
        if self.whole:
            return []
        keys = batch.keys.view(np.int64)[self.lane.key_rows, 0].tolist()
        found = [key ^ salt for key, salt in zip(keys, self._salts, strict=True) if key]
        if clock_ms > self._due_until:
            found += self._due(clock_ms)
        return found

    def _due(self, clock_ms: int) -> list[int]:
        """Return the keys with a deadline up to `clock_ms`, as the table knows them."""
        source = self.source
        timers = source.timers[: int(source.meta[kernel.M_TIMERS])]
        if not len(timers) or timers[0, kernel.TIMER_MS] > clock_ms:
            return []
        due = timers[timers[:, kernel.TIMER_MS] <= clock_ms]
        owners = due[:, kernel.TIMER_INSTANCE]
        alive = source.instances[owners, kernel.I_TIMER] == due[:, kernel.TIMER_NUMBER]
        keys: list[int] = source.instances[owners[alive], kernel.I_SLOT_KEY].tolist()
        return keys

    def lacks(self, slot_keys: Iterable[int]) -> bool:
        """Tell whether any of the keys was not asked for yet."""
        return not self.has.issuperset(slot_keys)

    def take(self, slot_keys: Iterable[int], until_ms: int = _LONG_AGO) -> None:
        """Copy what the source holds of keys, unless it is here already.

        `until_ms` says that all keys with a deadline by then are among them.
        """
        self._due_until = max(self._due_until, until_ms)
        if self.whole:
            return
        source, state = self.source, self.state
        fresh = [key for key in dict.fromkeys(slot_keys) if key not in self.has]
        self.has.update(fresh)
        if not fresh or not source.meta[kernel.M_TABLE_USED]:
            return
        changed = False
        for slot_key in fresh:
            # A key's latest instance stands first in its list.
            for instance in list(source.of_key(slot_key))[::-1]:
                put_in(self.lane, source, instance, state)
                number = int(source.instances[instance, kernel.I_TIMER])
                deadline_ms = int(source.instances[instance, kernel.I_DEADLINE_MS])
                copy = int(state.table[kernel.find_slot(state.table, np.int64(slot_key)), kernel.T_FIRST])
                state.instances[copy, kernel.I_TIMER] = number
                state.instances[copy, kernel.I_DEADLINE_MS] = deadline_ms
                if number >= 0:
                    self.timers.append((deadline_ms, number, copy))
                changed = True
        if changed:
            self._set_timers()
            self._set_clocks()
            self.keep()

    def note_losses(self, batch: Batch) -> None:
        """Copy what caps have cost the keys of a batch."""
        losses = self.source.losses
        if losses and not self.whole:
            keys = {
                key for row in self.lane.key_rows.tolist() for key in batch.keys.view(np.int64)[row].tolist()
            }
            self.state.losses |= {each: list(losses[each]) for each in losses if each[1] in keys}
            self.keep()

    def _set_timers(self) -> None:
        """Lay out the deadlines anew: sorted rows are a heap."""
        rows = sorted(self.timers)
        state = self.state
        while len(state.timers) < len(rows):
            state.timers = np.zeros((2 * len(state.timers), 3), np.int64)
        if rows:
            state.timers[: len(rows)] = np.array(rows, np.int64)[:, [0, 2, 1]]
        state.meta[kernel.M_TIMERS] = len(rows)

    def _set_clocks(self) -> None:
        for word, value in self.clocks.items():
            self.state.meta[word] = value


def put_in(lane: Lane, source: LaneState, instance: int, target: LaneState) -> None:
    """Copy one instance to another state of the same lane."""
    pattern = int(source.instances[instance, kernel.I_PATTERN])
    tables: Any = lane.tables
    role = int(tables[0][pattern, kernel.P_ROLE])
    target.put_in(lane, pattern, role, source.take_out(lane, instance))


def export_keys(
    plan: PatternsPlan, state: PatternsState, keys: Mapping[str, Iterable[int]]
) -> dict[str, NDArray[np.generic]]:
    """Return the partial matches of key hashes, by role, as arrays."""
    lanes = []
    for lane, source in zip(plan.lanes, state.lanes, strict=True):
        aside = SetAside(lane, source, by_key=True)
        signed = {
            role: np.array([key % 2**64 for key in keys.get(role, ())], np.uint64).view(np.int64).tolist()
            for role in lane.roles
        }
        for number, role in enumerate(lane.roles):
            aside.take(key ^ int(source.salts[number]) for key in signed[role])
        mine = {key for each in signed.values() for key in each}
        aside.state.losses = {each: list(source.losses[each]) for each in source.losses if each[1] in mine}
        aside.state.released_ms = source.released_ms
        _wait_with(lane, source, aside.state, signed)
        lanes.append(aside.state)
    return PatternsState(plan, lanes).snapshot()


def import_keys(plan: PatternsPlan, state: PatternsState, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Add what `export_keys` gave; raises StateError when one of the keys is here already."""
    small = PatternsState.restore(plan, arrays)
    refuse_known(state, small)
    for lane, source, target in zip(plan.lanes, small.lanes, state.lanes, strict=True):
        target.follow(source)
        target.released_ms = max(target.released_ms, source.released_ms)
        by_deadline = {int(source.instances[each, kernel.I_TIMER]): each for each in source.alive()}
        slots = dict.fromkeys(
            int(source.instances[each, kernel.I_SLOT_KEY]) for _, each in sorted(by_deadline.items())
        )
        slots |= dict.fromkeys(int(source.instances[each, kernel.I_SLOT_KEY]) for each in source.alive())
        for slot_key in slots:
            for instance in list(source.of_key(slot_key))[::-1]:
                put_in(lane, source, instance, target)
        target.losses |= {key: list(entry) for key, entry in source.losses.items()}
        mine, more = target.waiting, source.waiting
        mine.time_ms = np.concatenate((mine.time_ms, more.time_ms))
        mine.hashes = np.concatenate((mine.hashes, more.hashes))
        mine.keys = np.concatenate((mine.keys, more.keys), axis=1)
        mine.values = np.concatenate((mine.values, more.values), axis=1)


def refuse_known(state: PatternsState, small: PatternsState) -> None:
    """Raise StateError when one of the keys of `small` has partial matches in `state`."""
    for source, target in zip(small.lanes, state.lanes, strict=True):
        for instance in source.alive():
            slot_key = int(source.instances[instance, kernel.I_SLOT_KEY])
            if next(target.of_key(slot_key), None) is not None:
                raise StateError("one of the keys has partial matches here already")


def _wait_with(lane: Lane, source: LaneState, target: LaneState, keys: Mapping[str, list[int]]) -> None:
    """Copy the events that wait for their order and have one of the keys."""
    waiting, size = source.waiting, source.waiting.time_ms.size
    if not size:
        return
    chosen = np.zeros(size, np.bool_)
    kept = np.zeros_like(waiting.keys)
    for number, role in enumerate(lane.roles):
        mine = np.isin(waiting.keys[number], np.array(keys[role], np.int64))
        kept[number] = np.where(mine, waiting.keys[number], 0)
        chosen |= mine
    target.waiting.time_ms = waiting.time_ms[chosen]
    target.waiting.hashes = waiting.hashes[chosen]
    # An event may have other keys that stay where they are.
    target.waiting.keys = kept[:, chosen]
    target.waiting.values = waiting.values[:, chosen]


def recode_texts(
    plan: PatternsPlan, state: PatternsState, is_text: NDArray[np.bool_], codes: NDArray[np.float64]
) -> None:
    """Give texts in partial matches and waiting events other codes: code c becomes codes[c].

    `is_text[row]` tells of which rows of a batch the values are codes.
    """
    for lane, lane_state in zip(plan.lanes, state.lanes, strict=True):
        roots = lane.kept_start.shape[0]
        places = [_kept_texts(lane, pattern, is_text) for pattern in range(roots)]
        for instance in lane_state.alive():
            wanted = places[int(lane_state.instances[instance, kernel.I_PATTERN])]
            if not wanted:
                continue
            rows = [
                row
                for word in (kernel.I_RUNS, kernel.I_HELD)
                for row in lane_state.rows_of(int(lane_state.instances[instance, word]))
            ]
            nodes = {node for row in rows for node in lane_state.chain(row[R_NODE], roots)}
            for node in nodes:
                for place in wanted:
                    value = lane_state.kept[node, place]
                    if value == value:
                        lane_state.kept[node, place] = codes[int(value)]
        values = lane_state.waiting.values
        for place, row in enumerate(lane.rows.tolist()):
            if is_text[row]:
                known = ~np.isnan(values[place])
                values[place, known] = codes[values[place, known].astype(np.int64)]


def _kept_texts(lane: Lane, pattern: int, is_text: NDArray[np.bool_]) -> list[int]:
    """Return the places of a pattern's kept values that are codes of texts."""
    tables: Any = lane.tables
    first, end = tables[0][pattern, kernel.P_KEPT_START], tables[0][pattern, kernel.P_KEPT_END]
    found = []
    for at in range(int(first), int(end)):
        function, _, column = tables[6][at].tolist()
        # A lane that waits for the order has only the rows that it reads.
        row = int(lane.rows[column]) if lane.reorder_ms is not None else column
        if function in _AS_THEY_ARE and is_text[row]:
            found.append(at - int(first))
    return found
