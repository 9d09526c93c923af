"""The engine: events in arrival order become decisions, the same one by one or in batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from riskweave.batch import ACTIONS, empty_batch, take_rows
from riskweave.engine import moves, pipeline
from riskweave.engine.answers import Answers
from riskweave.engine.change import changed_state
from riskweave.engine.decisions import Decision, Decisions, Output
from riskweave.engine.keeping import pool_of, restore_state, take_snapshot
from riskweave.engine.matches import PatternMatch, match_at
from riskweave.engine.memory import Content, Remembered, content_of
from riskweave.engine.record import Record as DecisionRecord
from riskweave.engine.record_table import record_table
from riskweave.engine.recorder import Recorder
from riskweave.engine.snapshot import Snapshot
from riskweave.engine.state import State
from riskweave.engine.texts import make_room
from riskweave.engine.warm import warm_up
from riskweave.engine.what_if import Scratch, varied
from riskweave.errors import DuplicateError, EventError, StateError, did_you_mean
from riskweave.events.attributes import AttributeValue
from riskweave.events.hashing import hash_int, hash_text
from riskweave.events.labels import read_label
from riskweave.events.record import decode_record, event_labels
from riskweave.events.table import Decoded, Place, Rejected, decode_records, decode_table, row_place
from riskweave.events.times import TIME_MS_MIN
from riskweave.expressions.strings import StringPool
from riskweave.expressions.types import Type
from riskweave.patterns import plan as patterns
from riskweave.patterns.state import Partial
from riskweave.policy.compile import compile_policy
from riskweave.policy.plan import Plan
from riskweave.policy.policy import Policy

if TYPE_CHECKING:
    import pyarrow as pa

Record = Mapping[str, object]

# Rows decided in one go: enough to amortise calls, few enough that the columns stay in the cache.
BLOCK_VALUES = 1 << 19
BLOCK_ROWS_MIN, BLOCK_ROWS_MAX = 256, 8_192


class Engine:
    """A policy's plan and its state.

    >>> engine = Engine(Policy.from_dict({
    ...     "events": {"payment": {"time": "at", "fields": {
    ...         "at": "time", "who": "string", "amount": "money"}}},
    ...     "entities": {"customer": "who"},
    ...     "features": {"paid_1h": 'customer.sum(amount, "1h")'},
    ...     "rules": [{"id": "much", "when": "paid_1h > 100", "risk": 0.8}],
    ... }))
    >>> first = engine.decide({"at": "2026-01-01T10:00:00Z", "who": "ann", "amount": "80.00"})
    >>> second = engine.decide({"at": "2026-01-01T10:30:00Z", "who": "ann", "amount": "30.50"})
    >>> first.action, second.action, second.features["paid_1h"], second.rules
    ('PASS', 'BLOCK', 110.5, ['much'])
    """

    actions = ACTIONS

    # Called with a table of the records of each block that `decide_many` decides; see `record_table`.
    keep_records: Callable[[pa.Table], None] | None = None

    def __init__(self, policy: Policy) -> None:
        self._build(policy, StringPool())
        self.state = State.create(self.plan)

    def _build(self, policy: Policy, pool: StringPool) -> None:
        started = time.perf_counter()
        self._set_plan(policy, compile_policy(policy, pool))
        self.compile_seconds = time.perf_counter() - started

    def _set_plan(self, policy: Policy, plan: Plan) -> None:
        self.policy = policy
        self.plan = plan
        self.rule_ids: tuple[str, ...] = tuple(rule.id for rule in self.plan.rules.rules)
        self.outputs = tuple(Output(name, column.index, column.type) for name, column in self.plan.outputs)
        self.answers = Answers(self.plan, self.outputs, self.rule_ids)
        self._one = empty_batch(self.plan.layout, 1)
        self.latest: Latest | None = None
        self._recorder: Recorder | None = None
        rows = BLOCK_VALUES // max(self.plan.layout.rows, 1)
        self.block_rows = max(BLOCK_ROWS_MIN, min(BLOCK_ROWS_MAX, rows))

    def warm_up(self) -> None:
        """Compile or load every kernel now, so that the first event does not wait; nothing is remembered."""
        started = time.perf_counter()
        warm_up(self.plan, self.state)
        self.compile_seconds += time.perf_counter() - started

    # ---- one event

    def decide(self, record: Record) -> Decision:
        """Decide one event; raises EventError for a record that cannot be read.

        The same event id again within the policy's `dedupe` period returns the first decision, and
        raises DuplicateError when its content differs.
        """
        plan, state, batch = self.plan, self.state, self._one
        make_room(plan.pool, (plan, state))
        batch.values.fill(np.nan)
        batch.keys.fill(0)
        identity = decode_record(plan.decode, record, batch, 0, state.events)
        watermark_ms = max(state.watermark_ms, int(batch.time_ms[0]))
        batch.watermark_ms[0] = watermark_ms
        number = -1
        if identity is not None and state.memory.period_ms:
            number, first = state.memory.first_numbers(batch.event_hash, batch.watermark_ms)
            if first[0] >= 0:
                return self._first_answer(int(first[0]), identity, record)
        state.watermark_ms = watermark_ms
        state.events += 1
        batch.labels = (
            state.labels.arrivals(batch.watermark_ms, batch.event_hash) if state.labels.runs else None
        )
        pipeline.decide(plan, state, batch)
        decision = self.answers.one(state, batch, identity)
        self.latest = Latest(decision, record, state.events - 1)
        if plan.labels:
            for name, value in event_labels(plan.decode, record).items():
                self._queue(name, batch.time_ms, batch.event_hash, np.array([value]))
        if number >= 0:
            content = content_of(record, plan.decode.sources)
            state.memory.keep(
                Remembered(number, 1, watermark_ms, watermark_ms, lambda _: content, lambda _: decision)
            )
        return decision

    def _first_answer(self, number: int, identity: str, record: Record) -> Decision:
        """Return the first decision of a repeated id, or raise when the content is not the same."""
        found = self.state.memory.find(number)
        if found is None:
            raise StateError(f"the first answer to event `{identity}` is no longer kept")
        content, answer = found
        now = content_of(record, self.plan.decode.sources)
        if now != content:
            changed = sorted(name for name in now | content if now.get(name) != content.get(name))
            raise DuplicateError(identity, {name: (content.get(name), now.get(name)) for name in changed})
        return answer.as_duplicate()

    # ---- decision records

    @property
    def recorder(self) -> Recorder:
        """Return what makes and reads records under this policy."""
        if self._recorder is None:
            self._recorder = Recorder(self.plan)
        return self._recorder

    def record(self, decision: Decision) -> DecisionRecord:
        """Return the record of the decision that `decide` returned last: ask before the next event."""
        latest = self._decided_last(decision)
        return self.recorder.record(self._one, decision, latest.event, latest.arrival)

    def lean_record(self, decision: Decision) -> bytes:
        """Return the same in few bytes and microseconds; `recorder.expand` makes it whole."""
        latest = self._decided_last(decision)
        return self.recorder.lean(self._one, decision, latest.event, latest.arrival)

    def _decided_last(self, decision: Decision) -> Latest:
        if self.latest is None or self.latest.decision is not decision:
            raise StateError("a record is made of the decision made last: ask for it before the next event")
        return self.latest

    # ---- what would be decided

    def what_if(self, record: Record, changes: Record | None = None) -> Decision:
        """Return what `decide` would answer now to the event with some values changed; nothing is remembered.

        A value of None takes the field away. The event counts as a new one, whatever its id. For an event
        that will be decided, take a `scratch` before.
        """
        return Scratch(self, varied(record, changes)).decide()

    def scratch(self, record: Record, changes: Iterable[Record] = ()) -> Scratch:
        """Set aside the state that this event meets, so that variations of it can be decided later.

        Take it before the event is decided. `changes` are variations that will be asked for; others may
        be asked as long as the engine has decided nothing but this event since.
        """
        return Scratch(self, record, changes)

    # ---- many events

    def nothing(self) -> Decisions:
        """Return no decisions, with the columns that decisions of this policy have."""
        return self.answers.none()

    def decide_many(self, events: pa.Table | Sequence[Record], place: Place = row_place) -> Decisions:
        """Decide events in the order given: an Arrow table, or records.

        Records that cannot be read are set aside in `rejected`, named by `place(row)`; a repeated id has
        its first answer, and is rejected when its content differs.
        """
        parts = list(self.decide_blocks(events, place))
        return Decisions.joined(parts) if parts else self.answers.none()

    def decide_blocks(
        self, events: pa.Table | Sequence[Record], place: Place = row_place
    ) -> Iterator[Decisions]:
        """Decide as `decide_many` does, block by block, so that memory stays small."""
        count = events.num_rows if hasattr(events, "num_rows") else len(events)
        for start in range(0, count, self.block_rows):
            size = min(self.block_rows, count - start)
            yield self._decide_block(_Source(events, start, size), place)

    def _decide_block(self, source: _Source, place: Place) -> Decisions:
        state = self.state
        make_room(self.plan.pool, (self.plan, state))
        decoded = source.decode(self.plan, state.events, place)
        batch = decoded.batch
        np.maximum.accumulate(batch.time_ms, out=batch.watermark_ms)
        np.maximum(batch.watermark_ms, state.watermark_ms, out=batch.watermark_ms)
        if decoded.ids is None or not state.memory.period_ms or not batch.size:
            return self._decide_fresh(decoded, source)
        number, first = state.memory.first_numbers(batch.event_hash, batch.watermark_ms)
        if (first >= 0).any():
            return self._decide_with_repeats(decoded, source, place, number, first)
        decisions = self._decide_fresh(decoded, source)
        self._remember(number, decoded, source, decisions, np.arange(batch.size))
        return decisions

    def _decide_fresh(self, decoded: Decoded, source: _Source) -> Decisions:
        """Decide a block in which no id repeats."""
        state, batch = self.state, decoded.batch
        if self.plan.labels:
            self._queue_columns(decoded)
            batch.labels = state.labels.arrivals(batch.watermark_ms, batch.event_hash)
        if batch.size:
            state.watermark_ms = int(batch.watermark_ms[-1])
            state.events += batch.size
        pipeline.decide(self.plan, state, batch)
        decisions = self.answers.many(
            state, batch, decoded.ids, decoded.rows + source.start, decoded.rejected
        )
        if self.keep_records is not None and batch.size:
            events = [source.record(row) for row in decoded.rows.tolist()]
            told = [self.answers.at(decisions, k) for k in range(batch.size)]
            self.keep_records(record_table(self.recorder, batch, told, events, state.events - batch.size))
        return decisions

    def _decide_with_repeats(
        self,
        decoded: Decoded,
        source: _Source,
        place: Place,
        number: int,
        first: NDArray[np.int64],
    ) -> Decisions:
        """Decide a block in which some ids were seen before: those get their first answer again."""
        fresh = np.flatnonzero(first < 0)
        decisions = self._decide_fresh(_some(decoded, fresh), source)
        position = np.full(first.size, -1, np.int64)
        position[fresh] = np.arange(fresh.size)
        self._remember(number, decoded, source, decisions, position)
        answers: list[Decision] = []
        repeated: list[int] = []
        for at in np.flatnonzero(first >= 0).tolist():
            row = int(decoded.rows[at])
            record, identity = source.record(row), str(decoded.ids[at].as_py())  # type: ignore[index]
            try:
                answers.append(self._first_answer(int(first[at]), identity, record))
                repeated.append(at)
            except DuplicateError as error:
                where = source.start + row
                decisions.rejected.append(Rejected(place(where), where, record, error))
        if not answers:
            return decisions
        which = np.array(repeated)
        again = self.answers.several(answers, decoded.rows[which] + source.start)
        both = Decisions.joined([decisions, again])
        return both.take(np.argsort(np.concatenate([fresh, which]), kind="stable"))

    def _remember(
        self,
        number: int,
        decoded: Decoded,
        source: _Source,
        decisions: Decisions,
        position: NDArray[np.int64],
    ) -> None:
        """Keep a block's contents and answers for the policy's `dedupe` period."""
        answers, rows = self.answers, decoded.rows

        names = self.plan.decode.sources

        def content(k: int) -> Content:
            return content_of(source.record(int(rows[k])), names)

        def answer(k: int) -> Decision | None:
            return answers.at(decisions, int(position[k])) if position[k] >= 0 else None

        batch = decoded.batch
        first_ms, last_ms = int(batch.watermark_ms[0]), int(batch.watermark_ms[-1])
        self.state.memory.keep(Remembered(number, batch.size, first_ms, last_ms, content, answer))

    # ---- patterns

    def advance(self, time_ms: int) -> list[PatternMatch]:
        """Let event time pass `time_ms` without an event; returns the absences and timeouts it brings.

        Events that arrive later with an earlier time are late.
        """
        state = self.state
        if time_ms > state.watermark_ms:
            state.watermark_ms = time_ms
        matches = patterns.advance(self.plan.patterns, state.patterns, state.watermark_ms)
        return [match_at(self.plan.patterns, matches, number) for number in range(len(matches))]

    def partial_matches(self, role: str, key: str | int) -> list[Partial]:
        """Return what is under way for a key: pattern, stages seen, time left (a key of one field)."""
        return self.state.patterns.partials(self.plan.patterns, role, self._key_hash(role, key))

    def _key_hash(self, role: str, key: str | int) -> int:
        found = self.plan.events.role(role)
        if found is None:
            raise EventError("role", role, did_you_mean(role, self.plan.events.roles()) or "an entity role")
        is_int = self.plan.events.type_of(found.key[0]) is Type.INT
        return hash_int(int(key)) if is_int else hash_text(str(key))

    # ---- labels

    def learn(self, label: Mapping[str, object]) -> None:
        """Take a label: `event_id`, `value` (true, false, or None to take it back), and `label`.

        `label` names the label field and may be left out when the policy has one. The label counts
        from the next event on, or from its `time` if it has one that is still to come. A label of an
        event that is no longer remembered changes nothing.
        """
        read = read_label(label, list(self.plan.labels))
        now = self.state.watermark_ms
        due = now if read.time_ms is None else max(now, read.time_ms)
        hashes = np.array([hash_text(read.event_id)], np.uint64)
        self.learn_many(read.name, hashes, np.array([read.value]), np.array([due]))

    def learn_many(
        self,
        name: str,
        event_hashes: NDArray[np.uint64],
        values: NDArray[np.float64],
        due_ms: NDArray[np.int64],
    ) -> None:
        """Take labels that arrive at `due_ms` of event time; see `events.hashing` for the ids' hashes."""
        self.state.labels.add(due_ms, event_hashes, self.plan.labels[name][0], values, loose=True)

    # ---- what is known beside the events

    def add_to_list(
        self,
        name: str,
        value: str,
        expires_ms: int | None = None,
        by: str | None = None,
        why: str | None = None,
        time_ms: int | None = None,
    ) -> int:
        """Put a value on a list from `time_ms` on (by default now); return the number of its entry."""
        now = self._now() if time_ms is None else time_ms
        return self.state.lists.add(name, value, now, expires_ms, by, why)

    def remove_from_list(
        self,
        name: str,
        value: str,
        by: str | None = None,
        why: str | None = None,
        time_ms: int | None = None,
    ) -> int:
        """Take a value off a list from `time_ms` on (by default now); return how many entries ended."""
        now = self._now() if time_ms is None else time_ms
        return self.state.lists.remove(name, value, now, by, why)

    def update_attributes(
        self,
        entity: str,
        key: str | int | tuple[str | int, ...],
        values: Mapping[str, AttributeValue],
        time_ms: int | None = None,
    ) -> None:
        """Say what is known of an entity from `time_ms` on (now, if it is not given)."""
        now = self._now() if time_ms is None else time_ms
        self.state.attributes.update(entity, key, values, now)

    def _now(self) -> int:
        """Return the greatest event time so far; before the first event, the earliest there can be."""
        return max(self.state.watermark_ms, TIME_MS_MIN)

    # ---- state

    def snapshot(self) -> Snapshot:
        """Return all state at this position of the stream; `restore` goes on from it bit for bit."""
        return take_snapshot(self.plan, self.state)

    @classmethod
    def restore(cls, policy: Policy, snapshot: Snapshot) -> Engine:
        """Return an engine that goes on where the snapshot was taken, or raise StateError."""
        engine = cls.__new__(cls)
        engine._build(policy, pool_of(snapshot))
        engine.state = restore_state(engine.plan, snapshot)
        return engine

    def export_keys(self, keys: Mapping[str, Iterable[int]]) -> Snapshot:
        """Return all that is remembered of key hashes, by role, for `import_keys` of another engine."""
        return moves.export_keys(self.plan, self.state, keys)

    def import_keys(self, moved: Snapshot) -> None:
        """Remember keys that `export_keys` of an engine with the same policy gave: they go on bit for bit.

        Raises StateError, and nothing has changed, when one of them is remembered here already.
        """
        moves.import_keys(self.plan, self.state, moved)

    def replace_policy(
        self,
        policy: Policy,
        history: Iterable[pa.Table | Sequence[Record]] = (),
        labels: Iterable[Mapping[str, object]] = (),
    ) -> None:
        """Go on under another policy; raises PolicyError, and nothing has changed, when it is wrong.

        State that both policies need is kept. What is new, such as a feature or a longer window,
        is filled from `history`: the events so far (or the last of them) in the order in which they
        arrived, with `labels` that were learned since (event_id, value, time, label). Without a
        history it starts with what the state has kept.
        """
        started = time.perf_counter()
        plan = compile_policy(policy, self.plan.pool)
        state = changed_state(self.plan, self.state, plan, history, labels, self.block_rows)
        self._set_plan(policy, plan)
        self.state = state
        self.compile_seconds = time.perf_counter() - started

    def describe(self) -> dict[str, object]:
        """Return how much is remembered: bytes by room and entity, events, late and too late ones."""
        return self.state.describe(self.plan)

    def _queue(
        self,
        name: str,
        time_ms: NDArray[np.int64],
        hashes: NDArray[np.uint64],
        values: NDArray[np.float64],
        rows: NDArray[np.int64] | None = None,
    ) -> None:
        number, delay_ms = self.plan.labels[name]
        self.state.labels.add(time_ms + delay_ms, hashes, number, values, rows)

    def _queue_columns(self, decoded: Decoded) -> None:
        """Queue the labels that came in the events' own columns, each with its field's delay."""
        batch = decoded.batch
        for name, values in decoded.labels.items():
            known = np.flatnonzero(~np.isnan(values))
            self._queue(name, batch.time_ms[known], batch.event_hash[known], values[known], known)


@dataclass(frozen=True, slots=True)
class Latest:
    """The decision that `decide` made last, of which event, and the event's number."""

    decision: Decision
    event: Record
    arrival: int


class _Source:
    """A run of rows of a table, or of records: what a block is decoded from."""

    def __init__(self, events: pa.Table | Sequence[Record], start: int, size: int) -> None:
        self.start = start
        self.is_table = hasattr(events, "slice")
        rows: Any = events
        self.part: Any = rows.slice(start, size) if self.is_table else rows[start : start + size]

    def decode(self, plan: Plan, arrival: int, place: Place) -> Decoded:
        decode = decode_table if self.is_table else decode_records
        start = self.start
        return decode(plan.decode, self.part, arrival, lambda row: place(start + row))

    def record(self, row: int) -> Record:
        record: Record = self.part.slice(row, 1).to_pylist()[0] if self.is_table else self.part[row]
        return record


def _some(decoded: Decoded, which: NDArray[np.int64]) -> Decoded:
    """Return the events at these positions."""
    return Decoded(
        take_rows(decoded.batch, which),
        decoded.rows[which],
        decoded.ids.take(which) if decoded.ids is not None else None,
        {name: values[which] for name, values in decoded.labels.items()},
        decoded.rejected,
    )
