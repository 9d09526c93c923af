"""What would be decided: variations of an event, each decided as if it came now, leaving no trace.

The records of the keys that the event touches are copied word for word into a small state of their own
(`features/moves.py`, `patterns/moves.py`, one sequence of a model); the same pipeline runs over it and
what it changed is put back. Lists and attributes are only read, so they are the engine's own; texts
that a variation brings are given codes that are taken back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from riskweave.batch import ACTIONS, Batch, LabelArrivals, empty_batch
from riskweave.decision.state import DecisionState, hysteresis_of
from riskweave.engine import pipeline
from riskweave.engine.decisions import Decision
from riskweave.engine.state import State
from riskweave.errors import StateError
from riskweave.events.record import decode_record
from riskweave.expressions.run import StringTables
from riskweave.features.moves import SetAside as Records
from riskweave.features.moves import Touched
from riskweave.models.plan import ModelsState, fresh_sequences
from riskweave.patterns.moves import SetAside as Partials
from riskweave.patterns.state import PatternsState

if TYPE_CHECKING:
    from riskweave.engine.engine import Engine

Record = Mapping[str, object]

_MOVED_ON = "the engine has gone on since; name the variations when the scratch is taken"


class Scratch:
    """The state that an event meets, set aside: any number of variations of it can be decided.

    Taken before the event is decided it stays as it was then, whatever the engine decides later; lists
    and attributes alone are read as they are when a variation is decided.
    """

    def __init__(self, engine: Engine, record: Record, changes: Iterable[Record] = ()) -> None:
        plan, state = engine.plan, engine.state
        self.record = dict(record)
        self._engine, self._plan, self._base = engine, plan, state
        self._texts = plan.pool.texts
        self._index = state.features.index
        self._events, self._watermark_ms = state.events, state.watermark_ms
        self._labels = state.labels.copy()
        self._last_actions: dict[int, tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.int8]]] = {}
        self._met: set[tuple[bytes, int, int]] = set()
        self._arrivals: dict[int, LabelArrivals | None] = {}
        self._batch = empty_batch(plan.layout, 1)
        self._strings = StringTables(plan.programs, plan.pool)
        self._touched = Touched(plan.features)
        self._records = Records(plan.features, state.features)
        self._partials = [
            Partials(lane, source)
            for lane, source in zip(plan.patterns.lanes, state.patterns.lanes, strict=True)
        ]
        self._sequences = ModelsState({each.path: fresh_sequences(each) for each in plan.models.sequences})
        self._sequence_keys: set[tuple[str, int]] = set()
        for each in ({}, *changes):
            self._meet(each)

    def decide(self, changes: Record | None = None) -> Decision:
        """Return what `Engine.decide` would have answered to the event with some of its values changed.

        A value of None takes the field away. The event counts as a new one, whatever its id. Raises
        EventError for values that cannot be read, and StateError for keys that were not set aside when
        the engine has gone on since.
        """
        with self._ran(changes) as (state, identity):
            return self._engine.answers.one(state, self._batch, identity)

    def act(self, changes: Record | None = None) -> tuple[str, float]:
        """Return the action and the score alone, which is quicker; see `decide`."""
        with self._ran(changes):
            return ACTIONS[int(self._batch.action[0])], float(self._batch.score[0])

    @contextmanager
    def _ran(self, changes: Record | None) -> Iterator[tuple[State, str | None]]:
        """Carry a variation through the rooms; what it changed is put back when it was looked at."""
        with self._plan.pool.lending() as lent:
            try:
                identity = self._decode(changes)
                self._fetch()
                state = self._state()
                try:
                    pipeline.decide(self._plan, state, self._batch)
                    yield state, identity
                finally:
                    self._put_back()
            finally:
                self._forget([code for code, _ in lent])

    def _meet(self, changes: Record) -> None:
        """Set aside what a variation touches."""
        with self._plan.pool.lending() as lent:
            try:
                self._decode(changes)
                self._fetch()
            finally:
                self._forget([code for code, _ in lent])

    def _decode(self, changes: Record | None) -> str | None:
        """Fill the batch with a variation, and with the labels that arrive before it."""
        if self._plan.pool.texts is not self._texts or self._engine.plan is not self._plan:
            raise StateError("the scratch is too old: texts or the policy have changed since; take a new one")
        batch = self._batch
        batch.values.fill(np.nan)
        batch.keys.fill(0)
        event = varied(self.record, changes)
        identity = decode_record(self._plan.decode, event, batch, 0, self._events)
        watermark_ms = max(self._watermark_ms, int(batch.time_ms[0]))
        batch.watermark_ms[0] = watermark_ms
        if watermark_ms not in self._arrivals:
            # Mostly variations have the same time.
            arrivals = self._labels.copy().arrivals(batch.watermark_ms) if self._labels.runs else None
            self._arrivals = {watermark_ms: arrivals}
        batch.labels = self._arrivals[watermark_ms]
        batch.matches = None
        return identity

    def _fetch(self) -> None:
        """Set aside what this variation touches and earlier ones did not."""
        batch = self._batch
        clock_ms = int(batch.watermark_ms[0])
        met = (batch.keys.tobytes(), int(batch.event_hash[0]), clock_ms)
        if met in self._met:
            return
        keys = self._touched.keys(batch)
        if self._records.lacks(keys):
            self._check_still_there(batch)
            self._records.take(keys)
        for partials in self._partials:
            slots = partials.touched(batch, clock_ms)
            if partials.lacks(slots):
                self._check_still_there(batch)
                partials.take(slots, clock_ms)
                partials.note_losses(batch)
        for scoring in self._plan.models.sequences:
            key = int(batch.keys[scoring.key_row, 0])
            if key and (scoring.path, key) not in self._sequence_keys:
                self._check_still_there(batch)
                self._sequence_keys.add((scoring.path, key))
                found = self._base.models.sequences[scoring.path].export_key(key)
                if found is not None:
                    self._sequences.sequences[scoring.path].import_key(found)
        place = self._place()
        if place >= 0 and place not in self._last_actions:
            self._check_still_there(batch)
            last = self._base.decision
            here = slice(place, place + 1)
            self._last_actions[place] = (
                last.key[here].copy(),
                last.time_ms[here].copy(),
                last.action[here].copy(),
            )
        self._met.add(met)

    def _check_still_there(self, batch: Batch) -> None:
        """Raise when what a key had remembered may be another by now.

        An engine that has decided this very event, and nothing else, still has what other keys remembered.
        """
        engine, base = self._engine, self._base
        if engine.state is not base:
            raise StateError(_MOVED_ON)
        if base.events == self._events and base.watermark_ms == self._watermark_ms:
            return
        latest = engine.latest
        same = (
            base.events == self._events + 1
            and latest is not None
            and latest.arrival == self._events
            and latest.event == self.record
            and base.watermark_ms == max(self._watermark_ms, latest.decision.time_ms)
            and base.features.index is self._index
            and not self._labels.any_due(self._watermark_ms, base.watermark_ms)
        )
        if not same:
            raise StateError(_MOVED_ON)

    def _state(self) -> State:
        base = self._base
        sequences = {path: each.copy() for path, each in self._sequences.sequences.items()}
        return State(
            strings=self._strings,
            attributes=base.attributes,
            lists=base.lists,
            features=self._records.state,
            patterns=PatternsState(self._plan.patterns, [each.state for each in self._partials]),
            models=ModelsState(sequences),
            memory=base.memory,
            labels=base.labels,
            decision=self._last_action(),
            watermark_ms=int(self._batch.watermark_ms[0]),
            events=self._events + 1,
        )

    def _last_action(self) -> DecisionState:
        """Return what deciding remembers of the variation's key: a table with its place alone."""
        place = self._place()
        if place < 0:
            return DecisionState.create(self._plan.decision)
        key, time_ms, action = self._last_actions[place]
        return DecisionState(key.copy(), time_ms.copy(), action.copy())

    def _place(self) -> int:
        """Return where the last action of the variation's key stands, -1 when none is remembered."""
        hysteresis = hysteresis_of(self._plan.decision)
        if hysteresis is None:
            return -1
        return int(self._batch.keys[hysteresis.key_row, 0]) % self._base.decision.key.size

    def _put_back(self) -> None:
        self._records.put_back()
        for partials in self._partials:
            partials.put_back()

    def _forget(self, codes: list[int]) -> None:
        """Forget what was found out about texts that are gone again."""
        if codes:
            self._base.lists.forget_codes(codes)
            self._strings.rebuild()


def varied(record: Record, changes: Record | None) -> Record:
    """Return an event with some values changed; None takes a value away."""
    if not changes:
        return dict(record)
    return {name: value for name, value in {**record, **changes}.items() if value is not None}
