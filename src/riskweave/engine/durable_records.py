"""Decisions to bytes and back, so that each can be told again in full, even years later.

The names of features and rules, with risks and reasons, are the policy's `shape`: stored once, by
content, and needed to read a record. The same decisions always give the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from riskweave.batch import ACTIONS
from riskweave.decision.outcome import Outcome
from riskweave.engine.decisions import Decision, Decisions, Hit, ListMatch, python_value
from riskweave.engine.matches import PatternMatch
from riskweave.engine.ports import Kind
from riskweave.expressions.types import Type

if TYPE_CHECKING:
    from riskweave.engine.engine import Engine

ACTION_NUMBERS = {name: number for number, name in enumerate(ACTIONS)}


class Shape(msgspec.Struct, frozen=True):
    """What a policy's decisions look like: names and types of the features, the rules and patterns."""

    version: str
    name: str
    features: list[tuple[str, str]]
    rules: list[Hit]
    patterns: list[str]


class _Rest(msgspec.Struct, omit_defaults=True, array_like=True):
    """What most decisions do not have."""

    lists: list[ListMatch] = []
    patterns: list[PatternMatch] = []
    elapsed: list[PatternMatch] = []
    incomplete: list[str] = []
    outcome: Outcome | None = None


class _One(msgspec.Struct, array_like=True):
    """One decision; the values of features in the order of the shape."""

    event_id: str | None
    time_ms: int
    action: int
    score: float
    rules: list[int]
    values: list[bool | int | float | str | None]
    rest: _Rest | None


class _Texts(msgspec.Struct, array_like=True):
    """A column of texts: codes (-1: unknown) into distinct texts."""

    codes: bytes
    texts: list[str]


class _Matched(msgspec.Struct, array_like=True):
    """A match of a pattern, and the decision it belongs to (-1: the clock's)."""

    row: int
    match: PatternMatch


class _Block(msgspec.Struct, array_like=True):
    """Many decisions as columns."""

    ids: list[str | None] | None
    time_ms: bytes
    score: bytes
    action: bytes
    hit_start: bytes
    hit_rule: bytes
    columns: list[bytes | _Texts]
    pattern_start: bytes | None
    pattern_number: bytes | None
    matches: list[_Matched]
    list_start: bytes | None = None
    list_which: bytes | None = None
    list_entries: list[ListMatch] = []
    kept: list[bytes | _Texts] = []


_encoder = msgspec.msgpack.Encoder()
_ones = msgspec.msgpack.Decoder(list[_One])
_blocks = msgspec.msgpack.Decoder(_Block)
_shapes = msgspec.msgpack.Decoder(Shape)


def shape_of(engine: Engine) -> bytes:
    """Return the shape of an engine's decisions."""
    plan = engine.plan
    return _encoder.encode(
        Shape(
            plan.version,
            plan.settings.name,
            [(output.name, output.type.name) for output in engine.outputs],
            [Hit(rule.id, rule.risk, rule.reason) for rule in plan.rules.rules],
            [each.name for each in plan.patterns.patterns],
        )
    )


def read_shape(data: bytes) -> Shape:
    """Return a stored shape."""
    return _shapes.decode(data)


def pack_one(decision: Decision) -> _One:
    """Return one decision in its stored form."""
    rest = None
    if decision.lists or decision.patterns or decision.elapsed or decision.incomplete or decision.outcome:
        rest = _Rest(
            list(decision.lists),
            list(decision.patterns),
            list(decision.elapsed),
            list(decision.incomplete),
            decision.outcome,
        )
    return _One(
        decision.event_id,
        decision.time_ms,
        ACTION_NUMBERS[decision.action],
        decision.score,
        list(decision.rule_numbers),
        list(decision.features.values()),  # type: ignore[arg-type]
        rest,
    )


def encode_ones(decisions: Sequence[Decision]) -> bytes:
    """Return the record of events decided one by one."""
    return _encoder.encode([pack_one(each) for each in decisions])


def encode_block(decisions: Decisions) -> bytes:
    """Return the record of events decided as a block."""
    columns: list[bytes | _Texts] = []
    for output, values in zip(decisions.outputs, decisions.features, strict=True):
        columns.append(_texts(decisions, values) if output.type.is_text else _floats(values))
    hits = decisions.patterns
    matches = []
    if hits is not None and len(hits.matches):
        matches = [_Matched(row, match) for row, match in zip(hits.matches.row.tolist(), hits, strict=True)]
    ids = decisions.event_ids
    listed = decisions.lists
    return _encoder.encode(
        _Block(
            None if ids is None else [None if each is None else str(each) for each in ids.to_pylist()],
            decisions.time_ms.astype("<i8").tobytes(),
            _floats(decisions.score),
            decisions.action.astype(np.int8).tobytes(),
            decisions.hit_start.astype("<i4").tobytes(),
            decisions.hit_rule.astype("<i4").tobytes(),
            columns,
            None if hits is None else hits.start.astype("<i4").tobytes(),
            None if hits is None else hits.number.astype("<i4").tobytes(),
            matches,
            None if listed is None else listed.start.astype("<i4").tobytes(),
            None if listed is None else listed.which.astype("<i4").tobytes(),
            [] if listed is None else listed.entries,
            _kept(decisions),
        )
    )


def _kept(decisions: Decisions) -> list[bytes | _Texts]:
    """Return the numbers and texts that a block was decided with."""
    kept = decisions.kept
    if kept is None:
        return []
    texts = set(kept.text_rows())
    return [
        _texts(decisions, values) if row in texts else _floats(values)
        for row, values in enumerate(kept.values)
    ]


def _floats(values: NDArray[np.float64]) -> bytes:
    # All NaN are one: which bits say "unknown" depends on the way it came about.
    unknown = np.isnan(values)
    return (np.where(unknown, np.nan, values) if unknown.any() else values).astype("<f8").tobytes()


def _texts(decisions: Decisions, values: NDArray[np.float64]) -> _Texts:
    codes = np.full(values.size, -1, np.int32)
    known = ~np.isnan(values)
    distinct, first, places = np.unique(
        values[known].astype(np.int64), return_index=True, return_inverse=True
    )
    # Codes of the pool differ between a live engine and a restored one: number by first appearance.
    order = np.argsort(first, kind="stable")
    rank = np.empty(distinct.size, np.int32)
    rank[order] = np.arange(distinct.size, dtype=np.int32)
    codes[known] = rank[places]
    return _Texts(codes.astype("<i4").tobytes(), [decisions.texts[code] for code in distinct[order].tolist()])


class Record:
    """The decisions of one entry, read back. `time_ms`, `score` and `action` are columns."""

    def __init__(self, kind: Kind, data: bytes, shape: Shape) -> None:
        self.shape = shape
        self.ones: list[_One] | None = None
        self.block: _Block | None = None
        if kind is Kind.ONE_BY_ONE:
            self.ones = _ones.decode(data)
            self.time_ms = np.array([each.time_ms for each in self.ones], np.int64)
            self.score = np.array([each.score for each in self.ones])
            self.action = np.array([each.action for each in self.ones], np.int8)
            return
        block = self.block = _blocks.decode(data)
        self.time_ms = np.frombuffer(block.time_ms, "<i8")
        self.score = np.frombuffer(block.score, "<f8")
        self.action = np.frombuffer(block.action, np.int8)
        self.hit_start = np.frombuffer(block.hit_start, "<i4")
        self.hit_rule = np.frombuffer(block.hit_rule, "<i4")

    def __len__(self) -> int:
        return self.time_ms.size

    def event_id(self, index: int) -> str | None:
        """Return the id of an event."""
        if self.ones is not None:
            return self.ones[index].event_id
        assert self.block is not None
        return None if self.block.ids is None else self.block.ids[index]

    def rules(self, index: int) -> list[int]:
        """Return the numbers of the rules that a decision hit."""
        if self.ones is not None:
            return self.ones[index].rules
        return [int(each) for each in self.hit_rule[self.hit_start[index] : self.hit_start[index + 1]]]

    def decision(self, index: int, duplicate: bool = False) -> Decision:
        """Return one decision as it was given."""
        numbers = self.rules(index)
        if self.ones is not None:
            one = self.ones[index]
            values: list[Any] = one.values
            rest = one.rest or _Rest()
        else:
            values = [self._value(k, index) for k in range(len(self.shape.features))]
            assert self.block is not None
            rest = _Rest(patterns=[each.match for each in self.block.matches if each.row == index])
            rest.patterns = [each for each in rest.patterns if each.kind == "event"]
            rest.lists = self._lists(index)
        return Decision(
            self.event_id(index),
            int(self.time_ms[index]),
            ACTIONS[int(self.action[index])],
            float(self.score[index]),
            tuple(self.shape.rules[number] for number in numbers),
            dict(zip((name for name, _ in self.shape.features), values, strict=True)),
            tuple(rest.lists),
            tuple(rest.patterns),
            () if duplicate else tuple(rest.elapsed),
            tuple(rest.incomplete),
            duplicate,
            outcome=rest.outcome,
            rule_numbers=tuple(numbers),
            policy=self.shape.version,
        )

    def kept(self, index: int) -> list[float | str | None]:
        """Return the numbers and texts that a decision of a block was made with."""
        assert self.block is not None
        return [_at(column, index) for column in self.block.kept]

    def _lists(self, index: int) -> list[ListMatch]:
        block = self.block
        if block is None or block.list_start is None or block.list_which is None:
            return []
        start = np.frombuffer(block.list_start, "<i4")
        which = np.frombuffer(block.list_which, "<i4")[start[index] : start[index + 1]]
        return [block.list_entries[number] for number in which.tolist()]

    def _value(self, k: int, index: int) -> object:
        assert self.block is not None
        value = _at(self.block.columns[k], index)
        if value is None or isinstance(value, str):
            return value
        return python_value(value, Type[self.shape.features[k][1]], ())


def _at(column: bytes | _Texts, index: int) -> float | str | None:
    if isinstance(column, _Texts):
        code = int(np.frombuffer(column.codes, "<i4")[index])
        return None if code < 0 else column.texts[code]
    return float(np.frombuffer(column, "<f8")[index])
