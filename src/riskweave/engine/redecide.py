"""A decision decided again from its record: the same bit for bit, or the first step that differs.

What rooms with memory or outside data said (attributes, list matches, features, patterns, scores of
sequence models) is taken from the record; everything else is computed again, room by room, and every
column is compared with the one recorded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec
import numpy as np

from riskweave.batch import ACTIONS, STAGE_MODELS, STAGE_PATTERNS, STAGE_TABLES, Batch, empty_batch
from riskweave.decision import plan as decision
from riskweave.decision.outcome import Outcome
from riskweave.decision.plan import UtilityPlan
from riskweave.decision.state import DecisionState, hysteresis_of
from riskweave.engine.answers import Answers
from riskweave.engine.decisions import Output
from riskweave.engine.record import Record, Value, as_number
from riskweave.engine.recorder import Recorder, remembers
from riskweave.errors import EventError
from riskweave.events.record import decode_record
from riskweave.expressions import run as expressions
from riskweave.expressions.run import StringTables
from riskweave.expressions.strings import StringPool
from riskweave.kernels.decide import OUT_LAST
from riskweave.lists import plan as lists
from riskweave.lists.state import ListsState
from riskweave.models import plan as models
from riskweave.models.plan import ModelsPlan, ModelsState
from riskweave.policy.compile import compile_policy
from riskweave.policy.policy import Policy
from riskweave.rules import plan as rules


@dataclass(frozen=True, slots=True)
class Difference:
    """A step whose result is not the one recorded: the room, what it fills, and both values."""

    room: str
    column: str
    recorded: object
    now: object

    def __str__(self) -> str:
        return f"{self.room}: `{self.column}` was {self.recorded!r}, is {self.now!r}"


@dataclass(frozen=True, slots=True)
class Redecided:
    """What the policy says of a recorded event.

    `differences` are in the order of the steps; the first is where the two part. `missing` are columns
    that this policy needs and the record does not have in this meaning: they were unknown (a list was
    looked up anew, `looked_up`). `same_policy` tells whether the versions are equal.
    """

    event_id: str | None
    action: str
    score: float
    rules: tuple[str, ...]
    outcome: Outcome | None
    recorded_action: str
    recorded_score: float
    recorded_rules: tuple[str, ...]
    intact: bool
    same_policy: bool
    differences: tuple[Difference, ...]
    missing: tuple[str, ...] = ()
    looked_up: tuple[str, ...] = ()

    @property
    def first(self) -> Difference | None:
        """Return the first step that differs, None when the decision is the same bit for bit."""
        return self.differences[0] if self.differences else None

    @property
    def same(self) -> bool:
        """Tell whether the record was decided again bit for bit."""
        return self.intact and not self.differences and not self.missing

    def to_json(self) -> dict[str, object]:
        """Return JSON values."""
        return {
            "event_id": self.event_id,
            "same": self.same,
            "intact": self.intact,
            "same_policy": self.same_policy,
            "recorded": {
                "action": self.recorded_action,
                "score": self.recorded_score,
                "rules": list(self.recorded_rules),
            },
            "now": {"action": self.action, "score": self.score, "rules": list(self.rules)},
            "rules_gained": [rule for rule in self.rules if rule not in self.recorded_rules],
            "rules_lost": [rule for rule in self.recorded_rules if rule not in self.rules],
            "first": None if self.first is None else msgspec.to_builtins(self.first),
            "differences": msgspec.to_builtins(self.differences),
            "missing": list(self.missing),
            "looked_up": list(self.looked_up),
        }


def redecide(policy: Policy, record: Record) -> Redecided:
    """Decide a recorded event again under a policy: the one that decided it, or another."""
    return Redecider(policy).redecide(record)


class Redecider:
    """A policy ready to decide records again; it remembers nothing between two of them."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.plan = compile_policy(policy, StringPool())
        self.recorder = Recorder(self.plan)
        self.columns = self.recorder.columns
        outputs = tuple(Output(name, column.index, column.type) for name, column in self.plan.outputs)
        self.answers = Answers(self.plan, outputs, tuple(rule.id for rule in self.plan.rules.rules))
        self._strings = StringTables(self.plan.programs, self.plan.pool)
        # A list whose meaning the record does not have is asked as the policy's files have it.
        self._lists = ListsState.create(self.plan.lists)
        rooms = [each.room for each in self.columns]
        self._given = {
            room: [
                row
                for row, each in enumerate(rooms)
                if each == room and (room != "models" or self.columns[row].definition)
            ]
            for room in ("attributes", "lists", "features", "patterns", "models")
        }

    def redecide(self, record: Record) -> Redecided:
        """Return what this policy says of the recorded event, and every step that differs."""
        return _Run(self, record).result()


class _Run:
    """One record on its way through the rooms."""

    def __init__(self, redecider: Redecider, record: Record) -> None:
        self.redecider, self.record = redecider, record
        self.plan, self.recorder = redecider.plan, redecider.recorder
        self.pool = self.plan.pool
        self.missing: list[str] = []
        self.looked_up: list[str] = []
        self.differences: list[Difference] = []
        self.rules: tuple[str, ...] = ()
        self.same_policy = record.policy == self.plan.version

    def result(self) -> Redecided:
        record, plan = self.record, self.plan
        if not record.intact:
            self.differences.append(
                Difference("record", "checksum", record.checksum, record.sealed().checksum)
            )
        batch = empty_batch(plan.layout, 1)
        self._decode(batch)
        self._rooms(batch)
        outcome = self.redecider.answers.outcome(batch)
        action, score = ACTIONS[int(batch.action[0])], float(batch.score[0])
        self._decided(outcome, score, action)
        return Redecided(
            record.event_id,
            action,
            score,
            self.rules,
            outcome,
            record.action,
            record.score,
            tuple(record.rules),
            record.intact,
            self.same_policy,
            tuple(self.differences),
            tuple(self.missing),
            tuple(self.looked_up),
        )

    def _decode(self, batch: Batch) -> None:
        """Decode the event as it came; what cannot be read any more is taken from the record."""
        record = self.record
        try:
            decode_record(self.plan.decode, record.event, batch, 0, record.arrival)
        except EventError as error:
            self.differences.append(
                Difference("events", error.field, record.columns.get(error.field), str(error))
            )
            for row, column in enumerate(self.recorder.columns):
                if column.room == "events" and column.name in record.columns:
                    batch.values[row, 0] = self._number(row, record.columns[column.name])
            batch.time_ms[0] = record.time_ms
        batch.watermark_ms[0] = max(record.watermark_ms, int(batch.time_ms[0]))
        if self.same_policy and int(batch.time_ms[0]) != record.time_ms:
            self.differences.append(Difference("events", "event_time", record.time_ms, int(batch.time_ms[0])))
        self._compare(batch, "events", 0)

    def _rooms(self, batch: Batch) -> None:
        """Carry the event through every room, in the order of the pipeline."""
        plan, strings = self.plan, self.redecider._strings
        for stage, room in enumerate(("attributes", "lists", "features", "patterns")):
            self._give(batch, room)
            expressions.step(plan.programs[stage], strings, batch)
            self._compare(batch, "expressions", stage)
        assert stage == STAGE_PATTERNS
        self._models(batch)
        self._compare(batch, "models", STAGE_MODELS)
        expressions.step(plan.programs[STAGE_MODELS], strings, batch)
        self._compare(batch, "expressions", STAGE_MODELS)
        for stage in range(STAGE_TABLES, plan.rules.stage):
            rules.step_stage(plan.rules, stage, batch)
            self._compare(batch, "rules", stage)
            expressions.step(plan.programs[stage], strings, batch)
            self._compare(batch, "expressions", stage)
        rules.step(plan.rules, batch)
        self._hits(batch)
        self._compare(batch, "rules", plan.rules.stage)
        for stage in range(plan.rules.stage, len(plan.programs)):
            expressions.step(plan.programs[stage], strings, batch)
            self._compare(batch, "expressions", stage)
        decision.step(plan.decision, self._last_action(batch), batch)
        for stage in range(plan.rules.stage, len(plan.programs) + 1):
            self._compare(batch, "decision", stage)

    def _last_action(self, batch: Batch) -> DecisionState:
        """Return the state in which the event's key has the last action that it had then."""
        state, plan = DecisionState.create(self.plan.decision), self.plan.decision
        hysteresis = hysteresis_of(plan)
        if hysteresis is None or not isinstance(plan, UtilityPlan):
            return state
        name = self.recorder.names[plan.out + OUT_LAST]
        if name not in self.record.columns:
            self.missing.append(name)
            return state
        last = self.record.columns[name]
        key = batch.keys[hysteresis.key_row]
        if last is None or not key[0]:
            return state
        return DecisionState(key.copy(), batch.time_ms.copy(), np.array([int(last)], np.int8))

    # ---- what the record gives

    def _give(self, batch: Batch, room: str) -> None:
        """Fill the columns that cannot be computed again from the record."""
        lacking = [row for row in self.redecider._given[room] if not self._given(batch, row)]
        if room == "lists" and lacking:
            fresh = empty_batch(self.plan.layout, 1)
            fresh.values[:] = batch.values
            fresh.time_ms[:], fresh.watermark_ms[:] = batch.time_ms, batch.watermark_ms
            lists.step(self.plan.lists, self.redecider._lists, fresh)
            batch.values[lacking] = fresh.values[lacking]
            self.looked_up += [self.recorder.names[row] for row in lacking]
            return
        if room == "patterns":
            batch.values[lacking] = 0.0
        self.missing += [self.recorder.names[row] for row in lacking]
        self._told(batch, room, lacking)

    def _told(self, batch: Batch, room: str, lacking: list[int]) -> None:
        """Compare what the record gives with what it told under the names of features."""
        for name, row in self.recorder.outputs:
            given = self.recorder.columns[row].room == room and row not in lacking
            if given and name in self.record.features:
                was = self.record.features[name]
                if not self._same(row, was, float(batch.values[row, 0])):
                    now = self._value(row, float(batch.values[row, 0]))
                    self.differences.append(Difference(room, name, was, now))

    def _given(self, batch: Batch, row: int) -> bool:
        """Fill one column from the record; False when the record does not have it in this meaning."""
        name = self._name(row)
        if name is None:
            return False
        batch.values[row, 0] = self._number(row, self.record.columns[name])
        return True

    def _name(self, row: int) -> str | None:
        """Return under which name the record has a column that cannot be computed again."""
        column, known = self.recorder.columns[row], self.record.definitions
        if known.get(column.name) == column.definition:
            return column.name
        return next((name for name, each in known.items() if each == column.definition), None)

    def _models(self, batch: Batch) -> None:
        """Score every model again but those that remember, and blends that have one."""
        plan = self.plan.models
        given = [model for model in plan.models if remembers(model)]
        if not given:
            models.step(plan, ModelsState({}), batch)
            return
        for model in plan.models:
            if model in given:
                lacking = [
                    row
                    for row in (model.raw_row, model.score_row)
                    if row >= 0 and not self._given(batch, row)
                ]
                self.missing += [self.recorder.names[row] for row in lacking]
            else:
                models.step(ModelsPlan((model,)), ModelsState({}), batch)

    def _number(self, row: int, value: Value) -> float:
        if self.recorder.types[row].is_text:
            return math.nan if value is None else float(self.pool.code(str(value)))
        return as_number(value)

    # ---- comparing

    def _compare(self, batch: Batch, room: str, stage: int) -> None:
        """Note every column of a step that is not the recorded one."""
        record = self.record
        for row, column in enumerate(self.recorder.columns):
            if column.room != room or column.stage != stage or column.name not in record.columns:
                continue
            was = record.columns[column.name]
            if not self._same(row, was, float(batch.values[row, 0])):
                now = self._value(row, float(batch.values[row, 0]))
                self.differences.append(Difference(room, column.name, was, now))

    def _same(self, row: int, was: Value, now: float) -> bool:
        try:
            before = self._number(row, was)
        except (TypeError, ValueError):
            return False
        return np.float64(before).tobytes() == np.float64(now).tobytes() or (before != before and now != now)

    def _value(self, row: int, value: float) -> Value:
        return self.recorder.value(row, value)

    def _hits(self, batch: Batch) -> None:
        numbers = batch.hit_rule[: batch.hit_start[1]].tolist()
        self.rules = tuple(self.plan.rules.rules[number].id for number in numbers)
        before = self.record.rules
        if list(self.rules) != before:
            parted = [rule for rule in (*before, *self.rules) if (rule in before) != (rule in self.rules)]
            name = parted[0] if parted else "hits"
            self.differences.append(Difference("rules", name, name in before, name in self.rules))

    def _decided(self, outcome: Outcome | None, score: float, action: str) -> None:
        record = self.record
        if not _identical(score, record.score):
            self.differences.append(Difference("decision", "score", record.score, score))
        if action != record.action:
            self.differences.append(Difference("decision", "action", record.action, action))
        found = _parted(msgspec.to_builtins(record.outcome), msgspec.to_builtins(outcome), "outcome")
        if found is not None:
            self.differences.append(Difference("decision", *found))


def _identical(one: object, other: object) -> bool:
    """Tell whether two values are the same, floats bit for bit."""
    if isinstance(one, float) and isinstance(other, float):
        return np.float64(one).tobytes() == np.float64(other).tobytes() or (one != one and other != other)
    return type(one) is type(other) and one == other


def _parted(one: object, other: object, path: str) -> tuple[str, object, object] | None:
    """Return the path and the two values of the first place where two plain values are not the same."""
    if isinstance(one, dict) and isinstance(other, dict):
        pairs = [(f"{path}.{name}", one.get(name), other.get(name)) for name in (one | other)]
    elif isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)) and len(one) == len(other):
        pairs = [(f"{path}[{at}]", mine, its) for at, (mine, its) in enumerate(zip(one, other, strict=True))]
    else:
        return None if _identical(one, other) else (path, one, other)
    return next((found for name, mine, its in pairs if (found := _parted(mine, its, name))), None)
