"""From a decided batch to decision records: knows the columns of one plan and what they mean."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

import riskweave
from riskweave.batch import Batch
from riskweave.decision.outcome import Outcome
from riskweave.decision.plan import UtilityPlan
from riskweave.engine.decisions import Decision, ListMatch
from riskweave.engine.matches import PatternMatch
from riskweave.engine.record import SCHEMA, Column, Record, Value, plain_event, recorded
from riskweave.errors import StateError
from riskweave.expressions.types import Col
from riskweave.kernels.decide import OUTS
from riskweave.models.artifact import Lstm
from riskweave.models.plan import ModelPlan
from riskweave.policy.plan import Plan
from riskweave.rules.plan import CopyPlan, Filler, ScorecardPlan

_CHECK_BYTES = 8


class Recorder:
    """Makes records under one plan. `columns[row]` describes each row of `Batch.values`."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.columns = columns_of(plan)
        self.names = [each.name for each in self.columns]
        self.engine = riskweave.__version__
        self.definitions = {each.name: each.definition for each in self.columns if each.definition}
        self.models = dict(plan.models.hashes)
        self.types = [column.type for column in plan.layout.columns]
        self.text_rows = np.array([row for row, kind in enumerate(self.types) if kind.is_text], np.intp)
        self._rows = len(self.columns)
        self.outputs = [(name, column.index) for name, column in plan.outputs]
        self._rule_ids = tuple(rule.id for rule in plan.rules.rules)
        self._stamp = bytes.fromhex(plan.version)[:8]

    def record(self, batch: Batch, decision: Decision, event: Mapping[str, object], arrival: int) -> Record:
        """Return the record of a batch of one that was just decided."""
        values = batch.values[: self._rows, 0]
        return self._sealed(
            event=plain_event(event),
            event_id=decision.event_id,
            time_ms=decision.time_ms,
            watermark_ms=int(batch.watermark_ms[0]),
            arrival=arrival,
            **self._named(self.values(values, self._texts(values))),
            rules=decision.rules,
            score=decision.score,
            action=decision.action,
            lists=list(decision.lists),
            patterns=list(decision.patterns),
            elapsed=list(decision.elapsed),
            incomplete=list(decision.incomplete),
            outcome=decision.outcome,
        )

    def values(self, values: NDArray[np.float64], texts: Mapping[int, str]) -> dict[str, Value]:
        """Return the values of one event's columns by name."""
        found: dict[str, Value] = {}
        for row, (name, value) in enumerate(zip(self.names, values.tolist(), strict=True)):
            found[name] = texts[row] if row in texts else recorded(value, self.types[row])
        return found

    def value(self, row: int, value: float) -> Value:
        """Return one value as a record keeps it."""
        if self.types[row].is_text and value == value:
            return self.plan.pool.texts[int(value)]
        return recorded(value, self.types[row])

    def _named(self, columns: dict[str, Value]) -> dict[str, dict[str, Value]]:
        """Return the columns, and the named features among them under their own names."""
        return {
            "columns": columns,
            "features": {name: columns[self.names[row]] for name, row in self.outputs},
        }

    def _texts(self, values: NDArray[np.float64]) -> dict[int, str]:
        texts = self.plan.pool.texts
        return {
            row: texts[int(code)]
            for row, code in zip(self.text_rows.tolist(), values[self.text_rows].tolist(), strict=True)
            if code == code
        }

    def _sealed(self, **fields: object) -> Record:
        record = Record(
            schema=SCHEMA,
            engine=self.engine,
            policy=self.plan.version,
            models=self.models,
            definitions=self.definitions,
            **fields,  # type: ignore[arg-type]
        )
        return record.sealed()

    # ---- the lean form

    def lean(self, batch: Batch, decision: Decision, event: Mapping[str, object], arrival: int) -> bytes:
        """Return the record in a few hundred bytes, which `expand` makes whole under the same policy."""
        values = batch.values[: self._rows, 0]
        body = _ENCODER.encode(
            (
                event,
                decision.event_id,
                decision.time_ms,
                int(batch.watermark_ms[0]),
                arrival,
                values.tobytes(),
                self._texts(values),
                decision.rule_numbers,
                decision.score,
                decision.action,
                decision.lists,
                decision.patterns,
                decision.elapsed,
                decision.incomplete,
                decision.outcome,
            )
        )
        return b"".join((self._stamp, _check(self._stamp + body), body))

    def expand(self, data: bytes) -> Record:
        """Return the record that `lean` wrote; raises StateError when it is damaged or of another policy."""
        stamp, check, body = data[:8], data[8 : 8 + _CHECK_BYTES], data[8 + _CHECK_BYTES :]
        if _check(stamp + body) != check:
            raise StateError("the record is damaged")
        if stamp != self._stamp:
            raise StateError("the record was made under another policy; give the one that made it")
        try:
            lean = _DECODER.decode(body)
            values = np.frombuffer(lean.values, np.float64)
            rules = [self._rule_ids[number] for number in lean.rules]
        except (msgspec.DecodeError, ValueError, IndexError) as error:
            raise StateError(f"the record cannot be read: {error}") from None
        return self._sealed(
            event=plain_event(lean.event),
            event_id=lean.event_id,
            time_ms=lean.time_ms,
            watermark_ms=lean.watermark_ms,
            arrival=lean.arrival,
            **self._named(self.values(values, lean.texts)),
            rules=rules,
            score=lean.score,
            action=lean.action,
            lists=lean.lists,
            patterns=lean.patterns,
            elapsed=lean.elapsed,
            incomplete=lean.incomplete,
            outcome=lean.outcome,
        )


class _Lean(msgspec.Struct, array_like=True):
    """The lean form, as it is read."""

    event: dict[str, object]
    event_id: str | None
    time_ms: int
    watermark_ms: int
    arrival: int
    values: bytes
    texts: dict[int, str]
    rules: list[int]
    score: float
    action: str
    lists: list[ListMatch]
    patterns: list[PatternMatch]
    elapsed: list[PatternMatch]
    incomplete: list[str]
    outcome: Outcome | None


def _plain_value(value: object) -> object:
    return plain_event({"": value})[""]


_ENCODER = msgspec.msgpack.Encoder(enc_hook=_plain_value)
_DECODER = msgspec.msgpack.Decoder(_Lean)


def _check(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_CHECK_BYTES).digest()


# ---- what the columns of a plan are


def columns_of(plan: Plan) -> list[Column]:
    """Return what each row of `Batch.values` holds, temporaries left out."""
    rooms = _rooms(plan)
    meanings = _Meanings(plan)
    found: list[Column] = []
    taken: set[str] = set()
    for row, column in enumerate(plan.layout.columns):
        name = column.name if column.name not in taken else f"{column.name} #{row}"
        taken.add(name)
        room = rooms.get(row, "expressions")
        found.append(Column(name, column.type.value, room, column.stage, meanings.of(row, room, column)))
    return found


def _rooms(plan: Plan) -> dict[int, str]:
    """Return the room that fills each row; what no room fills, a program computes."""
    rooms = dict.fromkeys(plan.decode.rows, "events")
    rooms |= dict.fromkeys((0, 1), "events")
    for table in plan.attributes.tables:
        rooms |= dict.fromkeys((int(row) for row in table.jobs[:, 2]), "attributes")
    rooms |= dict.fromkeys((matcher.target for matcher in plan.lists.matchers), "lists")
    rooms |= dict.fromkeys(plan.features.columns, "features")
    rooms |= dict.fromkeys(plan.patterns.own_rows.tolist(), "patterns")
    for model in plan.models.models:
        rows = (model.raw_row, model.score_row, model.cluster_row, model.distance_row)
        rooms |= dict.fromkeys((row for row in rows if row >= 0), "models")
    for fillers in plan.rules.stages.values():
        for filler in fillers:
            rooms |= dict.fromkeys(_filled(filler), "rules")
    rooms |= dict.fromkeys(
        (each.index for each in (plan.rules.risk, plan.rules.floor, plan.rules.ceiling)), "rules"
    )
    if isinstance(plan.decision, UtilityPlan):
        rooms |= dict.fromkeys(range(plan.decision.out, plan.decision.out + OUTS), "decision")
    return rooms


def _filled(filler: Filler) -> list[int]:
    """Return the rows that a table, scorecard or tree fills."""
    if isinstance(filler, CopyPlan):
        return [filler.target]
    if isinstance(filler, ScorecardPlan):
        return [filler.points.index]
    return [column.index for column in filler.outputs]


class _Meanings:
    """Hashes what a column that cannot be computed again stands for."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        settings = plan.settings
        self.base = [settings.time_zone, settings.currency, list(plan.labels.items())]
        self.keys = {(each.entity, each.role): each.fields for each in plan.features.tables}
        self.tables = {each.name: each for each in plan.features.tables}
        self.matchers = {matcher.target: matcher for matcher in plan.lists.matchers}
        self.patterns = {
            row: each
            for each in plan.patterns.patterns
            for row in (each.hit_row, each.risk_row, each.progress_row, each.stages_row)
        }
        self.models: dict[int, ModelPlan] = {
            row: model for model in plan.models.models for row in (model.raw_row, model.score_row)
        }

    def of(self, row: int, room: str, column: Col) -> str:
        """Return the hash, or nothing for a column that is computed again."""
        parts: list[object] = [room, column.name, column.type.value]
        if room == "attributes":
            pass
        elif room == "lists":
            compiled = self.plan.lists.lists[self.matchers[row].list]
            parts += [compiled.kind, compiled.of, compiled.ignore_case]
            entries = compiled.entries
            parts += [list(entries.values)]
            parts += [
                None if each is None else np.asarray(each).tolist()
                for each in (entries.from_ms, entries.until_ms)
            ]
        elif room == "features":
            name = column.name.partition(" ")[0].rpartition(".")[0]
            parts += [self.base, sorted(self.keys.items()), self.plan.features.forget_after_ms, name]
        elif room == "patterns":
            parts += [self.base, self.patterns[row].fingerprint]
        elif room == "models" and row in self.models and remembers(self.models[row]):
            parts += [self.base, self.models[row].hash]
        else:
            return ""
        text = msgspec.json.encode(parts)
        return hashlib.blake2b(text, digest_size=8).hexdigest()


def remembers(model: ModelPlan) -> bool:
    """Tell whether a model's score depends on the events before: a sequence model, or a blend with one."""

    def sequence(scoring: object) -> bool:
        artifact = getattr(scoring, "artifact", None)
        if artifact is not None and isinstance(artifact.about.model, Lstm):
            return True
        parts = getattr(scoring, "parts", None) or {}
        return any(sequence(each) for each in parts.values())

    return sequence(model.scoring)
