"""A new policy on a running engine: what both need is kept, what is new starts with its history."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskweave.batch import empty_batch
from riskweave.decision.state import DecisionState
from riskweave.engine import pipeline
from riskweave.engine.labels import LabelQueue
from riskweave.engine.state import NEVER_MS, State
from riskweave.engine.texts import make_room
from riskweave.errors import EventError
from riskweave.events import attributes
from riskweave.events.attributes import AttributesState
from riskweave.events.hashing import hash_text
from riskweave.events.labels import Label, read_label
from riskweave.events.table import Decoded, decode_records, decode_table
from riskweave.expressions.run import StringTables
from riskweave.features.carry import adopt
from riskweave.lists import state as lists
from riskweave.lists.state import ListsState
from riskweave.models import state as models
from riskweave.models.plan import ModelsState
from riskweave.patterns.state import PatternsState
from riskweave.policy.plan import Plan


def changed_state(
    old_plan: Plan,
    old: State,
    plan: Plan,
    history: Iterable[Any],
    labels: Iterable[Mapping[str, object]],
    block_rows: int,
) -> State:
    """Return the state under the new plan; `old` stays as it is until the caller lets go of it.

    `history` are tables or lists of records, in the order in which they arrived; events in it that
    the old state remembers are taken from it, not twice. Labels that came in its columns count
    with their delay, `labels` at their own `time`.
    """
    parts = list(history)
    blocks = _Blocks(plan, parts, block_rows, old.events)
    blocks.in_use = [(old_plan, old), (plan, None)]
    span = blocks.span()
    features, needs = adopt(old_plan.features, old.features, plan.features, None if span is None else span[0])
    state = State(
        strings=StringTables(plan.programs, plan.pool),
        attributes=AttributesState.create(plan.attributes),
        lists=ListsState.create(plan.lists),
        features=features,
        patterns=PatternsState.create(plan.patterns),
        models=ModelsState.create(plan.models),
        memory=old.memory,
        labels=_renumbered(old_plan, old.labels, plan),
        decision=DecisionState.adopt(old_plan.decision, old.decision, plan.decision),
        watermark_ms=old.watermark_ms,
        events=old.events,
    )
    blocks.in_use[1] = (plan, state)
    lists.adopt(old.lists, state.lists)
    attributes.adopt(old.attributes, state.attributes)
    models.adopt(old_plan.models, old.models, plan.models, state.models)
    if span is not None and needs.any():
        waiting = _replay(plan, state, blocks, labels, needs)
        # Labels still on their way: the old policy's own are in its queue already.
        for name, (number, _) in plan.labels.items():
            if name not in old_plan.labels:
                state.labels.take(waiting, number)
    replayed = None
    if span is not None and plan.patterns.fingerprint != old_plan.patterns.fingerprint:
        blocks.in_use = []  # partial matches on their way into the state hold codes of texts
        replayed = _patterns_over(plan, blocks)
    state.patterns = PatternsState.adopt(plan.patterns, old_plan.patterns, old.patterns, replayed)
    state.memory.period_ms = plan.settings.dedupe_ms
    return state


class _Blocks:
    """History, decoded block by block under the new plan; records that cannot be read are passed over."""

    def __init__(self, plan: Plan, parts: list[Any], rows: int, events: int) -> None:
        self.plan = plan
        self.parts = parts
        self.rows = rows
        self.events = events
        self.first = 0
        self.in_use: list[tuple[Plan, State | None]] = []

    def span(self) -> tuple[int, int] | None:
        """Return the least and the greatest event time; None when there is no history."""
        low, high, count = 2**62, -(2**62), 0
        for decoded in self.decoded():
            if decoded.batch.size:
                low = min(low, int(decoded.batch.time_ms.min()))
                high = max(high, int(decoded.batch.time_ms.max()))
                count += decoded.batch.size
        # The last event of the history is the last that the engine decided.
        self.first = max(self.events - count, 0)
        return (low, high) if count else None

    def decoded(self) -> Iterator[Decoded]:
        arrival = self.first
        for part in self.parts:
            is_table = hasattr(part, "slice")
            size = part.num_rows if is_table else len(part)
            for start in range(0, size, self.rows):
                if self.in_use:
                    make_room(self.plan.pool, *self.in_use)
                if is_table:
                    decoded = decode_table(self.plan.decode, part.slice(start, self.rows), arrival)
                else:
                    decoded = decode_records(self.plan.decode, part[start : start + self.rows], arrival)
                arrival += decoded.batch.size
                yield decoded


def _patterns_over(plan: Plan, blocks: _Blocks) -> PatternsState:
    """Return the patterns' state after the history: partial matches need the features as they were."""
    scratch = State.create(plan)
    watermark_ms = NEVER_MS
    for decoded in blocks.decoded():
        batch = decoded.batch
        if batch.size:
            np.maximum.accumulate(batch.time_ms, out=batch.watermark_ms)
            np.maximum(batch.watermark_ms, watermark_ms, out=batch.watermark_ms)
            watermark_ms = int(batch.watermark_ms[-1])
            pipeline.remember(plan, scratch, batch)
    return scratch.patterns


def _replay(
    plan: Plan,
    state: State,
    blocks: _Blocks,
    labels: Iterable[Mapping[str, object]],
    needs: NDArray[np.bool_],
) -> LabelQueue:
    """Carry the history through the rooms that remember, into the tables that need it.

    Returns the labels whose time has not come by the end of the history.
    """
    queue = LabelQueue()
    for record in labels:
        _queue_label(plan, queue, read_label(record, list(plan.labels)))
    watermark_ms = NEVER_MS
    for decoded in blocks.decoded():
        batch = decoded.batch
        if not batch.size:
            continue
        np.maximum.accumulate(batch.time_ms, out=batch.watermark_ms)
        np.maximum(batch.watermark_ms, watermark_ms, out=batch.watermark_ms)
        watermark_ms = int(batch.watermark_ms[-1])
        for name, values in decoded.labels.items():
            number, delay_ms = plan.labels[name]
            known = np.flatnonzero(~np.isnan(values))
            queue.add(batch.time_ms[known] + delay_ms, batch.event_hash[known], number, values[known], known)
        batch.labels = queue.arrivals(batch.watermark_ms, batch.event_hash)
        pipeline.remember(plan, state, batch, needs)
    _arrived(plan, state, queue, needs)
    return queue


def _arrived(plan: Plan, state: State, queue: LabelQueue, needs: NDArray[np.bool_]) -> None:
    """Let the labels in that were due before now but came after the last event of the history."""
    now = np.array([state.watermark_ms])
    arrivals = queue.arrivals(now)
    if arrivals is None:
        return
    batch = empty_batch(plan.layout, 0)
    arrivals.before_row[:] = 0
    batch.labels = arrivals
    pipeline.remember(plan, state, batch, needs)


def _queue_label(plan: Plan, queue: LabelQueue, label: Label) -> None:
    if label.time_ms is None:
        raise EventError("time", None, "when the label was learned")
    hashes = np.array([hash_text(label.event_id)], np.uint64)
    queue.add(
        np.array([label.time_ms]), hashes, plan.labels[label.name][0], np.array([label.value]), loose=True
    )


def _renumbered(old_plan: Plan, queue: LabelQueue, plan: Plan) -> LabelQueue:
    """Return the queue with the new plan's label numbers; labels it does not have are dropped."""
    if old_plan.labels == plan.labels:
        return queue
    arrays = queue.snapshot()
    numbers = np.full(len(old_plan.labels) + 1, -1, np.int64)
    for name, (number, _) in old_plan.labels.items():
        numbers[number] = plan.labels[name][0] if name in plan.labels else -1
    new = numbers[arrays["label"].astype(np.int64)]
    keep = new >= 0
    kept = {name: array[keep] for name, array in arrays.items() if name != "next_number"}
    kept["label"] = new[keep]
    return LabelQueue.restore({**kept, "next_number": arrays["next_number"]})
