"""The compiled patterns, frozen, and `step`: a batch in, hits and matched events out.

Patterns that take events as they arrive share one lane; patterns that wait for the order of events
(`late: reorder 5s`) share a lane per waiting time, which has its own clock and buffer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from riskweave.batch import BY_EVENT, Batch, Matches

if TYPE_CHECKING:
    from riskweave.patterns.state import LaneState, PatternsState

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PatternInfo:
    """What is known of one pattern by name; `number` is its place in the plan."""

    name: str
    number: int
    lane: int
    number_in_lane: int
    role: str
    key_row: int
    hit_row: int
    risk_row: int
    progress_row: int
    stages_row: int
    risk: float
    reason: dict[str, str]
    stages: tuple[str, ...]
    positive_stages: tuple[str, ...]
    window_ms: int
    first_state: int
    states: int
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Lane:
    """Patterns that share a clock. `tables` is what the kernel reads; `rows` the batch rows it needs."""

    reorder_ms: int | None
    patterns: tuple[int, ...]
    roles: tuple[str, ...]
    key_rows: Ints
    rows: Ints
    tables: tuple[object, ...]
    kept_start: Floats
    scratch_runs: int
    scratch_work: int
    progress: tuple[int, ...]
    first_states: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PatternsPlan:
    """All patterns of a policy."""

    patterns: tuple[PatternInfo, ...]
    lanes: tuple[Lane, ...]
    fingerprint: str
    hit_rows: Ints
    risk_rows: Ints
    risks: Floats
    in_order: NDArray[np.bool_]
    own_rows: Ints

    @classmethod
    def of(cls, patterns: tuple[PatternInfo, ...], lanes: tuple[Lane, ...], fingerprint: str) -> PatternsPlan:
        """Return the plan of patterns and lanes; the arrays are what `step` writes by."""
        rows = [(each.hit_row, each.risk_row, each.progress_row, each.stages_row) for each in patterns]
        return cls(
            patterns,
            lanes,
            fingerprint,
            hit_rows=np.array([each.hit_row for each in patterns], np.int64),
            risk_rows=np.array([each.risk_row for each in patterns], np.int64),
            risks=np.array([each.risk for each in patterns], np.float64),
            in_order=np.array([lanes[each.lane].reorder_ms is None for each in patterns], np.bool_),
            own_rows=np.array(sorted(row for four in rows for row in four if row >= 0), np.int64),
        )

    def pattern(self, name: str) -> PatternInfo:
        """Return one pattern by name."""
        for each in self.patterns:
            if each.name == name:
                return each
        raise KeyError(name)


def step(plan: PatternsPlan, state: PatternsState, batch: Batch) -> Matches:
    """Offer a batch to all patterns, write their columns, and return what was matched.

    A match made by an event sets the hit and risk of that event's row. One made by time, or found
    when a reordered event was released, belongs to no event: it is only returned.
    """
    batch.values[plan.own_rows] = 0.0
    found = []
    for lane, lane_state in zip(plan.lanes, state.lanes, strict=True):
        if lane.reorder_ms is None:
            found.append(_step_in_order(plan, lane, lane_state, batch))
        else:
            found.append(_step_reordered(lane, lane_state, batch))
    matches = joined(found)
    if len(matches):
        completed = (matches.kind == BY_EVENT) & plan.in_order[matches.pattern]
        numbers, rows = matches.pattern[completed], matches.row[completed]
        batch.values[plan.hit_rows[numbers], rows] = 1.0
        batch.values[plan.risk_rows[numbers], rows] = plan.risks[numbers]
    return matches


def advance(plan: PatternsPlan, state: PatternsState, now_ms: int) -> Matches:
    """Let the clock pass `now_ms` without an event; returns what time completed or ended."""
    found = []
    for lane, lane_state in zip(plan.lanes, state.lanes, strict=True):
        if lane.reorder_ms is None:
            found.append(lane_state.advance(lane, now_ms))
        else:
            found.append(lane_state.release(lane, now_ms - lane.reorder_ms - 1, -1))
    return joined(found)


def _step_in_order(plan: PatternsPlan, lane: Lane, state: LaneState, batch: Batch) -> Matches:
    progress = np.zeros((len(lane.progress), batch.size)) if lane.progress else _NO_PROGRESS
    matches = state.run(
        lane,
        batch.values,
        batch.time_ms,
        batch.watermark_ms,
        batch.keys.view(np.int64),
        batch.event_hash.view(np.int64),
        lane.key_rows,
        progress,
    )
    for at, number in enumerate(lane.progress):
        info = plan.patterns[number]
        if info.stages_row >= 0:
            batch.values[info.stages_row] = progress[at]
        if info.progress_row >= 0:
            batch.values[info.progress_row] = progress[at] / max(len(info.positive_stages), 1)
    return matches


def _step_reordered(lane: Lane, state: LaneState, batch: Batch) -> Matches:
    """Buffer a batch, and release what the watermark has passed, in order of time."""
    assert lane.reorder_ms is not None
    clocks = batch.watermark_ms - lane.reorder_ms - 1
    before = np.concatenate(([state.released_ms], clocks[:-1])) if batch.size else clocks
    on_time = batch.time_ms > np.maximum(before, state.released_ms)
    state.late_rows = np.flatnonzero(~on_time)
    state.late_events += int(state.late_rows.size)
    state.buffer(lane, batch, on_time)
    if batch.size == 0:
        return no_matches()
    matches = state.release(lane, int(clocks[-1]), batch.size - 1)
    if len(matches):
        at = np.searchsorted(clocks, matches.time_ms, side="left")
        matches.row[:] = np.minimum(at, batch.size - 1)
    return matches


def stages_of(plan: PatternsPlan, matches: Matches, match: int) -> dict[str, list[int]]:
    """Return a match's event hashes by stage name, each stage's in order."""
    names = plan.patterns[int(matches.pattern[match])].stages
    found: dict[str, list[int]] = {}
    for at in range(int(matches.start[match]), int(matches.start[match + 1])):
        found.setdefault(names[int(matches.stage[at])], []).append(int(matches.event_hash[at]))
    return found


def no_matches() -> Matches:
    """Return an empty result."""
    return _NO_MATCHES


def joined(parts: list[Matches]) -> Matches:
    """Return several results as one."""
    parts = [part for part in parts if len(part)]
    if not parts:
        return no_matches()
    if len(parts) == 1:
        return parts[0]
    starts = [parts[0].start]
    for part in parts[1:]:
        starts.append(part.start[1:] + starts[-1][-1])
    return Matches(
        np.concatenate([part.row for part in parts]),
        np.concatenate([part.pattern for part in parts]),
        np.concatenate([part.key for part in parts]),
        np.concatenate([part.time_ms for part in parts]),
        np.concatenate([part.kind for part in parts]),
        np.concatenate(starts),
        np.concatenate([part.event_hash for part in parts]),
        np.concatenate([part.event_time_ms for part in parts]),
        np.concatenate([part.stage for part in parts]),
    )


_NO_INTS = np.zeros(0, np.int64)
_NO_HASHES = np.zeros(0, np.uint64)
_NO_MATCHES = Matches(
    _NO_INTS, _NO_INTS, _NO_HASHES, _NO_INTS, _NO_INTS, np.zeros(1, np.int64), _NO_HASHES, _NO_INTS, _NO_INTS
)
_NO_PROGRESS = np.zeros((1, 1))
