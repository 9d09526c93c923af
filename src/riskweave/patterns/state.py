"""The partial matches of every key, in flat arrays that grow as needed.

A key is a 64-bit hash: two of a million keys share one with a probability of 3e-8. An instance (a
pattern in progress for a key) takes 104 bytes, a partial match 64, an accepted event 64 and 8 for
each value that later conditions read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskweave.batch import Batch, Matches
from riskweave.errors import LimitError, StateError
from riskweave.kernels import patterns as kernel
from riskweave.kernels.condition_program import STACK_MAX
from riskweave.kernels.run_heap import R_NODE, R_START, R_START_MS, R_STATE, RUN_COLUMNS
from riskweave.patterns.plan import Floats, Ints, Lane, PatternsPlan, joined, no_matches

ROWS_MAX = 1 << 31
LOSSES_MAX = 10_000

_SALTS = np.random.default_rng(20261122).integers(-(2**62), 2**62, 1024)
_LONG_AGO = -(2**62)


class LaneState:
    """The partial matches of the patterns of one lane."""

    def __init__(self, lane: Lane) -> None:
        roots, width = lane.kept_start.shape
        self.runs = np.zeros((64, kernel.RUN_RECORD_COLUMNS), np.int64)
        self.nodes = np.zeros((roots + 64, kernel.NODE_COLUMNS), np.int64)
        self.kept = np.zeros((roots + 64, width))
        self.instances = np.zeros((64, kernel.INSTANCE_COLUMNS), np.int64)
        self.table = np.full((256, 2), -1, np.int64)
        self.timers = np.zeros((64, 3), np.int64)
        self.meta = np.zeros(kernel.META_SIZE, np.int64)
        for free in (kernel.M_RUN_FREE, kernel.M_NODE_FREE, kernel.M_INSTANCE_FREE):
            self.meta[free] = -1
        self.meta[kernel.M_NODE_TOP] = self.meta[kernel.M_NODE_USED] = roots
        self.meta[kernel.M_CLOCK_MS] = _LONG_AGO
        self.kept[:roots] = lane.kept_start
        self.nodes[:roots, kernel.N_BEFORE] = -1
        self.salts = _SALTS[: max(len(lane.roles), 1)].copy()
        # Scratch, and what is reported: not part of a snapshot.
        self.heaps = np.zeros((4, lane.scratch_runs + 1, RUN_COLUMNS), np.int64)
        self.work = np.full((lane.scratch_work + 8, 6), -1, np.int64)
        self.stack = np.zeros(STACK_MAX)
        self.matches = np.zeros((16, kernel.MATCH_COLUMNS), np.int64)
        self.matched = np.zeros((64, kernel.MATCHED_COLUMNS), np.int64)
        self.drops = np.zeros((16, kernel.DROP_COLUMNS), np.int64)
        # (pattern in lane, key) -> [dropped partial matches, time of the last]
        self.losses: dict[tuple[int, int], list[int]] = {}
        self.dropped = np.zeros(roots, np.int64)
        # Events that wait for their order, and those that came too late for it.
        self.waiting = _Waiting(lane)
        self.released_ms = _LONG_AGO
        self.late_events = 0
        self.late_rows = np.zeros(0, np.int64)

    # ---- running

    def run(
        self,
        lane: Lane,
        values: Floats,
        time_ms: Ints,
        clock_ms: Ints,
        keys: Ints,
        hashes: Ints,
        key_rows: Ints,
        progress: Floats,
    ) -> Matches:
        """Run events through the kernel, growing what is too small."""
        if not (values.flags.c_contiguous and keys.flags.c_contiguous):
            # A stretch of a larger batch: the kernel reads rows that lie side by side.
            values, keys = np.ascontiguousarray(values), np.ascontiguousarray(keys)
        batch = (values, time_ms, clock_ms, keys, hashes, key_rows)
        return self._until_done(
            lane, lambda state, out: kernel.match_events(lane.tables, state, batch, out), progress
        )

    def advance(self, lane: Lane, now_ms: int) -> Matches:
        """Let time pass without an event."""
        clock = np.int64(now_ms)
        batch = _NO_EVENTS
        matches = self._until_done(
            lane, lambda state, out: kernel.advance(lane.tables, state, batch, out, clock), np.zeros((1, 1))
        )
        matches.row[:] = -1  # no event let this time pass
        return matches

    def _until_done(self, lane: Lane, call: Any, progress: Floats) -> Matches:
        meta = self.meta
        meta[kernel.M_MATCHES] = meta[kernel.M_EVENTS] = meta[kernel.M_DROPS] = 0
        while True:
            status = call(self._arrays(), (self.matches, self.matched, self.drops, progress))
            if status == kernel.DONE:
                break
            self._grow(int(status))
        if meta[kernel.M_DROPS]:
            self._note_losses()
        return self._collected(lane) if meta[kernel.M_MATCHES] else no_matches()

    def _arrays(self) -> tuple[object, ...]:
        return (
            self.runs,
            self.nodes,
            self.kept,
            self.instances,
            self.table,
            self.timers,
            self.meta,
            self.heaps,
            self.work,
            self.stack,
            self.salts,
        )

    def _grow(self, status: int) -> None:
        """Double what the kernel found too small."""
        if status == kernel.GROW_RUNS:
            self.runs = _doubled(self.runs)
        elif status == kernel.GROW_NODES:
            self.nodes, self.kept = _doubled(self.nodes), _doubled(self.kept)
        elif status == kernel.GROW_INSTANCES:
            self.instances = _doubled(self.instances)
        elif status == kernel.GROW_TABLE:
            self._rebuild_table(2 * self.table.shape[0])
        elif status == kernel.GROW_TIMERS:
            self.timers = _doubled(self.timers)
        elif status == kernel.GROW_MATCHES:
            self.matches = _doubled(self.matches)
        elif status == kernel.GROW_EVENTS:
            self.matched = _doubled(self.matched)
        else:
            self.drops = _doubled(self.drops)

    def _rebuild_table(self, slots: int) -> None:
        old = self.table[self.table[:, kernel.T_FIRST] >= 0]
        self.table = np.full((slots, 2), -1, np.int64)
        kernel.fill_table(self.table, old)

    def _collected(self, lane: Lane) -> Matches:
        found = self.matches[: int(self.meta[kernel.M_MATCHES])]
        events = self.matched[: int(self.meta[kernel.M_EVENTS])]
        numbers = np.array(lane.patterns, np.int64)
        start = np.concatenate((found[:, kernel.O_EVENTS_START], found[-1:, kernel.O_EVENTS_END]))
        return Matches(
            found[:, kernel.O_EVENT].copy(),
            numbers[found[:, kernel.O_PATTERN]],
            found[:, kernel.O_KEY].copy().view(np.uint64),
            found[:, kernel.O_TIME_MS].copy(),
            found[:, kernel.O_KIND].copy(),
            start,
            events[:, kernel.D_EVENT].copy().view(np.uint64),
            events[:, kernel.D_TIME_MS].copy(),
            events[:, kernel.D_STAGE].copy(),
        )

    def _note_losses(self) -> None:
        for pattern, key, time_ms, count in self.drops[: int(self.meta[kernel.M_DROPS])].tolist():
            self.dropped[pattern] += count
            entry = self.losses.pop((pattern, key), None) or [0, time_ms]
            entry[0] += count
            entry[1] = max(entry[1], time_ms)
            # The keys that lost something last are kept by name; the counts by pattern hold for all.
            self.losses[pattern, key] = entry
            if len(self.losses) > LOSSES_MAX:
                del self.losses[next(iter(self.losses))]

    # ---- waiting for the order

    def buffer(self, lane: Lane, batch: Batch, on_time: NDArray[np.bool_]) -> None:
        """Let the events of a batch wait."""
        self.waiting.add(lane, batch, on_time)

    def release(self, lane: Lane, clock_ms: int, last_row: int) -> Matches:
        """Run the events that the clock has passed, in order of time, then let time pass."""
        if clock_ms <= self.released_ms:
            return no_matches()
        self.released_ms = clock_ms
        events = self.waiting.take(clock_ms)
        parts = []
        if events is not None:
            times, keys, hashes, values = events
            key_rows = np.arange(len(lane.roles), dtype=np.int64)
            parts.append(
                self.run(
                    lane,
                    values,
                    times,
                    times,
                    keys,
                    hashes,
                    key_rows,
                    np.zeros((max(len(lane.progress), 1), times.size)),
                )
            )
        parts.append(self.advance(lane, clock_ms))
        matches = joined(parts)
        matches.row[:] = last_row
        return matches

    # ---- looking inside

    def alive(self) -> Iterator[int]:
        """Yield the numbers of the instances in use."""
        top = int(self.meta[kernel.M_INSTANCE_TOP])
        free = set()
        at = int(self.meta[kernel.M_INSTANCE_FREE])
        while at >= 0:
            free.add(at)
            at = int(self.instances[at, kernel.I_NEXT])
        yield from (number for number in range(top) if number not in free)

    def of_key(self, slot_key: int) -> Iterator[int]:
        """Yield the instances of one key."""
        slot = int(kernel.find_slot(self.table, np.int64(slot_key)))
        at = int(self.table[slot, kernel.T_FIRST])
        while at >= 0:
            yield at
            at = int(self.instances[at, kernel.I_NEXT])

    def rows_of(self, first: int) -> list[list[int]]:
        """Return a list of partial matches as rows of a heap."""
        rows = []
        while first >= 0:
            rows.append(self.runs[first, :RUN_COLUMNS].tolist())
            first = int(self.runs[first, kernel.RUN_NEXT])
        return rows

    def chain(self, node: int, roots: int) -> list[int]:
        """Return the nodes of a partial match, in the order they were accepted."""
        found = []
        while node >= roots:
            found.append(node)
            node = int(self.nodes[node, kernel.N_BEFORE])
        return found[::-1]

    def take_out(self, lane: Lane, instance: int) -> dict[str, Any]:
        """Return an instance as plain arrays that do not depend on this state's numbering."""
        roots = lane.kept_start.shape[0]
        runs = self.rows_of(int(self.instances[instance, kernel.I_RUNS]))
        held = self.rows_of(int(self.instances[instance, kernel.I_HELD]))
        order: dict[int, int] = {}
        for row in (*runs, *held):
            for node in self.chain(row[R_NODE], roots):
                order.setdefault(node, len(order))
        pattern = int(self.instances[instance, kernel.I_PATTERN])
        first_state = lane.first_states[pattern]
        nodes = self.nodes[list(order)].copy() if order else np.zeros((0, kernel.NODE_COLUMNS), np.int64)
        for at in range(len(nodes)):
            nodes[at, kernel.N_BEFORE] = order.get(int(nodes[at, kernel.N_BEFORE]), -1)
        # A held match has no state: there stands the place of the event that completed it.
        places = [
            [[row[R_STATE] - offset, order.get(row[R_NODE], -1), *row[2:]] for row in rows]
            for rows, offset in ((runs, first_state), (held, 0))
        ]
        return {
            "key": int(self.instances[instance, kernel.I_KEY]),
            "seen_ms": int(self.instances[instance, kernel.I_SEEN_MS]),
            "nodes": nodes,
            "kept": self.kept[list(order)].copy() if order else np.zeros((0, self.kept.shape[1])),
            "runs": np.array(places[0], np.int64).reshape(-1, RUN_COLUMNS),
            "held": np.array(places[1], np.int64).reshape(-1, RUN_COLUMNS),
        }

    def put_in(self, lane: Lane, pattern: int, role: int, taken: dict[str, Any]) -> None:
        """Add an instance that `take_out` gave, here or elsewhere."""
        tables: Any = lane.tables
        first_state = lane.first_states[pattern]
        nodes, runs, held = taken["nodes"].copy(), taken["runs"].copy(), taken["held"].copy()
        runs[:, R_STATE] += first_state
        kept = np.zeros((len(nodes), self.kept.shape[1]))
        shared = min(kept.shape[1], taken["kept"].shape[1])
        kept[:, :shared] = taken["kept"][:, :shared]
        self._room_for(len(runs) + len(held), len(nodes))
        if len(nodes):
            # What arrives from now on comes after all that was brought along.
            newest = int(nodes[:, kernel.N_ORDER].max())
            self.meta[kernel.M_ORDER] = max(int(self.meta[kernel.M_ORDER]), newest + 1)
        key = np.int64(taken["key"])
        kernel.revive(
            tables,
            self._arrays(),
            np.int64(pattern),
            key,
            key ^ self.salts[role],
            nodes,
            kept,
            runs,
            held,
            np.int64(taken["seen_ms"]),
        )

    def _room_for(self, runs: int, nodes: int) -> None:
        meta = self.meta
        while self.runs.shape[0] - meta[kernel.M_RUN_USED] < runs:
            self._grow(kernel.GROW_RUNS)
        while self.nodes.shape[0] - meta[kernel.M_NODE_USED] < nodes:
            self._grow(kernel.GROW_NODES)
        while self.instances.shape[0] - meta[kernel.M_INSTANCE_USED] < 1:
            self._grow(kernel.GROW_INSTANCES)
        while 2 * (meta[kernel.M_TABLE_USED] + 1) > self.table.shape[0]:
            self._grow(kernel.GROW_TABLE)
        while self.timers.shape[0] - meta[kernel.M_TIMERS] < 1:
            self._grow(kernel.GROW_TIMERS)

    def follow(self, other: LaneState) -> None:
        """Let the clock and the count of events go on from where those of another state are."""
        for each in (kernel.M_ORDER, kernel.M_CLOCK_MS):
            self.meta[each] = max(self.meta[each], other.meta[each])

    def drop(self, lane: Lane, instance: int) -> None:
        """Let go of an instance."""
        kernel.forget(lane.tables, self._arrays(), np.int64(instance))

    # ---- snapshots

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return everything that the next event could depend on."""
        meta = self.meta
        return {
            "runs": self.runs[: meta[kernel.M_RUN_TOP]].copy(),
            "nodes": self.nodes[: meta[kernel.M_NODE_TOP]].copy(),
            "kept": self.kept[: meta[kernel.M_NODE_TOP]].copy(),
            "instances": self.instances[: meta[kernel.M_INSTANCE_TOP]].copy(),
            "table": self.table.copy(),
            "timers": self.timers[: meta[kernel.M_TIMERS]].copy(),
            "meta": meta.copy(),
            "dropped": self.dropped.copy(),
            "losses": np.array([[*key, *value] for key, value in self.losses.items()], np.int64).reshape(
                -1, 4
            ),
            "clock": np.array([self.released_ms, self.late_events], np.int64),
            **self.waiting.snapshot(),
        }

    @classmethod
    def restore(cls, lane: Lane, snapshot: Mapping[str, NDArray[Any]]) -> LaneState:
        """Return a state that goes on where the snapshot was taken."""
        state = cls(lane)
        try:
            state.meta = np.asarray(snapshot["meta"], np.int64).copy()
            for name, top in (
                ("runs", kernel.M_RUN_TOP),
                ("nodes", kernel.M_NODE_TOP),
                ("kept", kernel.M_NODE_TOP),
                ("instances", kernel.M_INSTANCE_TOP),
                ("timers", kernel.M_TIMERS),
            ):
                if len(snapshot[name]) != state.meta[top]:
                    raise ValueError(f"{name} is cut short")
            state.runs = _with_room(snapshot["runs"], state.runs)
            state.nodes = _with_room(snapshot["nodes"], state.nodes)
            state.kept = _with_room(snapshot["kept"], state.kept, len(state.nodes))
            state.instances = _with_room(snapshot["instances"], state.instances)
            state.table = np.asarray(snapshot["table"], np.int64).copy()
            state.timers = _with_room(snapshot["timers"], state.timers)
            state.dropped = np.asarray(snapshot["dropped"], np.int64).copy()
            state.losses = {(row[0], row[1]): row[2:] for row in np.asarray(snapshot["losses"]).tolist()}
            state.released_ms, state.late_events = np.asarray(snapshot["clock"]).tolist()
            state.waiting.restore(snapshot)
        except (KeyError, ValueError, IndexError, TypeError) as error:
            raise StateError(f"the snapshot of patterns is damaged: {error!r}") from None
        return state


class _Waiting:
    """Events that wait until no earlier one can come."""

    def __init__(self, lane: Lane) -> None:
        self.time_ms = np.zeros(0, np.int64)
        self.keys = np.zeros((max(len(lane.roles), 1), 0), np.int64)
        self.hashes = np.zeros(0, np.int64)
        self.values = np.zeros((max(len(lane.rows), 1), 0))

    def add(self, lane: Lane, batch: Batch, chosen: NDArray[np.bool_]) -> None:
        keys = batch.keys.view(np.int64)[lane.key_rows][:, chosen]
        values = batch.values[lane.rows][:, chosen] if len(lane.rows) else np.zeros((1, int(chosen.sum())))
        self.time_ms = np.concatenate((self.time_ms, batch.time_ms[chosen]))
        self.keys = np.concatenate((self.keys, keys), axis=1)
        self.hashes = np.concatenate((self.hashes, batch.event_hash.view(np.int64)[chosen]))
        self.values = np.concatenate((self.values, values), axis=1)

    def take(self, clock_ms: int) -> tuple[Ints, Ints, Ints, Floats] | None:
        """Take out what the clock has passed, sorted by time; equal times in arrival order."""
        due = self.time_ms <= clock_ms
        if not due.any():
            return None
        at = np.flatnonzero(due)
        at = at[np.argsort(self.time_ms[at], kind="stable")]
        taken = self.time_ms[at], self.keys[:, at], self.hashes[at], self.values[:, at]
        stays = ~due
        self.time_ms, self.hashes = self.time_ms[stays], self.hashes[stays]
        self.keys, self.values = self.keys[:, stays], self.values[:, stays]
        return taken

    def snapshot(self) -> dict[str, NDArray[Any]]:
        return {
            "waiting_time_ms": self.time_ms.copy(),
            "waiting_keys": self.keys.copy(),
            "waiting_hashes": self.hashes.copy(),
            "waiting_values": self.values.copy(),
        }

    def restore(self, snapshot: Mapping[str, NDArray[Any]]) -> None:
        self.time_ms = np.asarray(snapshot["waiting_time_ms"], np.int64)
        self.keys = np.asarray(snapshot["waiting_keys"], np.int64)
        self.hashes = np.asarray(snapshot["waiting_hashes"], np.int64)
        self.values = np.asarray(snapshot["waiting_values"], np.float64)


@dataclass(frozen=True, slots=True)
class Partial:
    """One partial match, for people: which stages it has seen, and how long it may still take."""

    pattern: str
    started_ms: int
    stages_seen: int
    stages: int
    left_ms: int | None
    events: dict[str, list[int]]


class PatternsState:
    """The state of all patterns of a plan."""

    def __init__(self, plan: PatternsPlan, lanes: list[LaneState]) -> None:
        self.fingerprint = plan.fingerprint
        self.lanes = lanes

    @classmethod
    def create(cls, plan: PatternsPlan) -> PatternsState:
        """Return a state in which nothing has happened."""
        return cls(plan, [LaneState(lane) for lane in plan.lanes])

    # ---- snapshots and change

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return everything as named arrays that `restore` takes."""
        arrays = {"fingerprint": np.frombuffer(self.fingerprint.encode(), np.uint8).copy()}
        for number, lane in enumerate(self.lanes):
            arrays |= {f"{number}.{name}": array for name, array in lane.snapshot().items()}
        return arrays

    @classmethod
    def restore(cls, plan: PatternsPlan, arrays: Mapping[str, NDArray[Any]]) -> PatternsState:
        """Return the state that `snapshot` saw; raises StateError when it was made with other patterns."""
        if bytes(arrays.get("fingerprint", np.zeros(0, np.uint8))) != plan.fingerprint.encode():
            raise StateError("the snapshot was made with other patterns")
        lanes = []
        for number, lane in enumerate(plan.lanes):
            mine = {
                name.partition(".")[2]: each for name, each in arrays.items() if name.startswith(f"{number}.")
            }
            lanes.append(LaneState.restore(lane, mine))
        return cls(plan, lanes)

    @classmethod
    def adopt(
        cls,
        plan: PatternsPlan,
        old_plan: PatternsPlan,
        old: PatternsState,
        replayed: PatternsState | None = None,
    ) -> PatternsState:
        """Return a state for a new plan: patterns that did not change keep their partial matches.

        `replayed` is a state of the new plan that has seen the history that is kept: from it the
        patterns that changed, or are new, take theirs. Without it they start empty.
        """
        state = cls.create(plan)
        before = {info.name: info for info in old_plan.patterns}
        for number, lane in enumerate(plan.lanes):
            named = [plan.patterns[each].name for each in lane.patterns]
            sources = [old.lanes[before[name].lane] for name in named if name in before]
            if replayed is not None:
                sources.append(replayed.lanes[number])
                state.lanes[number].waiting = replayed.lanes[number].waiting
                state.lanes[number].released_ms = replayed.lanes[number].released_ms
            for source in sources:
                state.lanes[number].follow(source)
        for info in plan.patterns:
            earlier = before.get(info.name)
            if earlier is not None and earlier.fingerprint == info.fingerprint:
                _move(old_plan, old, earlier.number, plan, state, info.number)
            elif replayed is not None:
                _move(plan, replayed, info.number, plan, state, info.number)
        for lane, lane_state in zip(plan.lanes, state.lanes, strict=True):
            _keep_waiting(plan, lane, lane_state, old_plan, old)
        return state

    # ---- one key

    def export_key(self, plan: PatternsPlan, role: str, key: int) -> dict[str, Any]:
        """Return the partial matches of one key of a role, by pattern."""
        return {
            plan.patterns[lane.patterns[pattern]].name: self.lanes[number].take_out(lane, instance)
            for number, lane, instance, pattern in self._of_key(plan, role, key)
        }

    def import_key(self, plan: PatternsPlan, role: str, exported: dict[str, Any]) -> None:
        """Add what `export_key` gave."""
        for name, taken in exported.items():
            info = plan.pattern(name)
            lane = plan.lanes[info.lane]
            self.lanes[info.lane].put_in(lane, info.number_in_lane, lane.roles.index(role), taken)

    def drop_key(self, plan: PatternsPlan, role: str, key: int) -> None:
        """Let go of the partial matches of one key."""
        for number, lane, instance, _ in list(self._of_key(plan, role, key)):
            self.lanes[number].drop(lane, instance)

    def _of_key(self, plan: PatternsPlan, role: str, key: int) -> Iterator[tuple[int, Lane, int, int]]:
        signed = int(np.array([key], np.uint64).view(np.int64)[0])
        for number, (lane, state) in enumerate(zip(plan.lanes, self.lanes, strict=True)):
            if role in lane.roles:
                salt = int(state.salts[lane.roles.index(role)])
                for instance in state.of_key(signed ^ salt):
                    yield number, lane, instance, int(state.instances[instance, kernel.I_PATTERN])

    # ---- looking inside

    def partials(self, plan: PatternsPlan, role: str, key: int) -> list[Partial]:
        """Return the partial matches of one key, the furthest first."""
        found = []
        for number, lane, instance, pattern in self._of_key(plan, role, key):
            state, info = self.lanes[number], plan.patterns[lane.patterns[pattern]]
            tables: Any = lane.tables
            roots = lane.kept_start.shape[0]
            for row in state.rows_of(int(state.instances[instance, kernel.I_RUNS])):
                if row[R_START] >= kernel.NEVER:
                    continue
                events: dict[str, list[int]] = {}
                for node in state.chain(row[R_NODE], roots):
                    stage = info.stages[int(state.nodes[node, kernel.N_STAGE])]
                    events.setdefault(stage, []).append(
                        int(state.nodes[node : node + 1, kernel.N_EVENT].view(np.uint64)[0])
                    )
                left = None
                if info.window_ms:
                    left = row[R_START_MS] + info.window_ms - int(state.meta[kernel.M_CLOCK_MS])
                seen = int(tables[1][row[R_STATE], kernel.S_PROGRESS])
                found.append(
                    Partial(info.name, row[R_START_MS], seen, len(info.positive_stages), left, events)
                )
        return sorted(found, key=lambda each: (-each.stages_seen, each.started_ms))

    @property
    def has_losses(self) -> bool:
        """Tell whether a cap has dropped a partial match of any key that is known by name."""
        return any(lane.losses for lane in self.lanes)

    def losses(self, plan: PatternsPlan, name: str) -> int:
        """Return how many partial matches of a pattern its caps have dropped so far."""
        info = plan.pattern(name)
        return int(self.lanes[info.lane].dropped[info.number_in_lane])

    def loss_of(self, plan: PatternsPlan, name: str, key: int) -> tuple[int, int] | None:
        """Return (dropped partial matches, time of the last) of a pattern and key; None when none was."""
        info = plan.pattern(name)
        signed = int(np.array([key], np.uint64).view(np.int64)[0])
        entry = self.lanes[info.lane].losses.get((info.number_in_lane, signed))
        return None if entry is None else (entry[0], entry[1])

    def could_be_affected(self, plan: PatternsPlan, name: str, key: int, time_ms: int) -> bool:
        """Tell whether a match of that key at that time could be missing because of a cap."""
        loss = self.loss_of(plan, name, key)
        if loss is None:
            return False
        window_ms = plan.pattern(name).window_ms
        return window_ms == 0 or time_ms < loss[1] + window_ms

    def forget(self, plan: PatternsPlan, before_ms: int) -> int:
        """Drop instances without a window whose key was silent since `before_ms`; return how many."""
        gone = 0
        for lane, state in zip(plan.lanes, self.lanes, strict=True):
            patterns: Any = lane.tables[0]
            for instance in list(state.alive()):
                pattern = int(state.instances[instance, kernel.I_PATTERN])
                windowless = patterns[pattern, kernel.P_WINDOW_MS] == 0
                if windowless and state.instances[instance, kernel.I_SEEN_MS] < before_ms:
                    state.drop(lane, instance)
                    gone += 1
        return gone

    def describe(self) -> dict[str, int]:
        """Return counts and bytes: what is kept, and what was late, dropped, or could not be skipped to."""
        names = (
            "keys",
            "instances",
            "partial_matches",
            "events",
            "waiting",
            "late",
            "dropped",
            "skip_missing",
            "bytes",
        )
        total = dict.fromkeys(names, 0)
        for lane in self.lanes:
            meta = lane.meta
            total["keys"] += int(meta[kernel.M_TABLE_USED])
            total["instances"] += int(meta[kernel.M_INSTANCE_USED])
            # Each instance has a start state among its partial matches.
            total["partial_matches"] += int(meta[kernel.M_RUN_USED] - meta[kernel.M_INSTANCE_USED])
            total["events"] += int(meta[kernel.M_NODE_USED]) - len(lane.dropped)
            total["waiting"] += int(lane.waiting.time_ms.size)
            total["late"] += lane.late_events
            total["dropped"] += int(lane.dropped.sum())
            total["skip_missing"] += int(meta[kernel.M_SKIP_MISSING])
            arrays = (lane.runs, lane.nodes, lane.kept, lane.instances, lane.table, lane.timers, lane.heaps)
            total["bytes"] += sum(each.nbytes for each in arrays) + lane.waiting.values.nbytes
        return total


def _move(
    old_plan: PatternsPlan,
    old: PatternsState,
    source: int,
    plan: PatternsPlan,
    state: PatternsState,
    target: int,
) -> None:
    """Carry one pattern's partial matches over."""
    earlier, info = old_plan.patterns[source], plan.patterns[target]
    old_lane, lane = old_plan.lanes[earlier.lane], plan.lanes[info.lane]
    old_state, lane_state = old.lanes[earlier.lane], state.lanes[info.lane]
    for instance in old_state.alive():
        if old_state.instances[instance, kernel.I_PATTERN] == earlier.number_in_lane:
            taken = old_state.take_out(old_lane, instance)
            lane_state.put_in(lane, info.number_in_lane, lane.roles.index(info.role), taken)
    lane_state.dropped[info.number_in_lane] = old_state.dropped[earlier.number_in_lane]
    for (pattern, key), entry in old_state.losses.items():
        if pattern == earlier.number_in_lane:
            lane_state.losses[info.number_in_lane, key] = list(entry)


def _keep_waiting(
    plan: PatternsPlan, lane: Lane, state: LaneState, old_plan: PatternsPlan, old: PatternsState
) -> None:
    """Keep the clock of a reordered lane; its waiting events only when it reads the same columns."""
    if lane.reorder_ms is None:
        return
    for old_lane, old_state in zip(old_plan.lanes, old.lanes, strict=True):
        if old_lane.reorder_ms == lane.reorder_ms:
            state.released_ms = old_state.released_ms
            state.late_events = old_state.late_events
            same = np.array_equal(old_lane.rows, lane.rows) and old_lane.roles == lane.roles
            if same:
                state.waiting = old_state.waiting


def _doubled(array: NDArray[Any]) -> NDArray[Any]:
    if array.shape[0] * 2 > ROWS_MAX:
        raise LimitError(
            "the partial matches of patterns need more memory than allowed; lower the caps (`keep:`)"
        )
    larger = np.zeros((array.shape[0] * 2, *array.shape[1:]), array.dtype)
    larger[: array.shape[0]] = array
    return larger


def _with_room(saved: NDArray[Any], like: NDArray[Any], rows: int = 0) -> NDArray[Any]:
    size = max(rows, like.shape[0])
    while size < saved.shape[0]:
        size *= 2
    array = np.zeros((size, *like.shape[1:]), like.dtype)
    array[: saved.shape[0]] = saved
    return array


_NO_EVENTS = (
    np.zeros((1, 1)),
    np.zeros(0, np.int64),
    np.zeros(0, np.int64),
    np.zeros((1, 1), np.int64),
    np.zeros(0, np.int64),
    np.zeros(1, np.int64),
)
