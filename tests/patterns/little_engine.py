"""A small stand-in for the rooms around patterns: columns of typed nodes by NumPy, batches of plain events.

It lets tests run the real patterns room without an events or expressions room.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from riskweave.batch import STAGE_DECODED, TIME_ROW, TYPE_ROW, Batch, Layout, Matches, empty_batch
from riskweave.document import Node
from riskweave.errors import PolicyError, Span
from riskweave.expressions.types import Col, Const, Op, Scope, Type, Typed
from riskweave.patterns.compile import PatternsCompiler
from riskweave.patterns.plan import PatternsPlan, advance, joined, step
from riskweave.patterns.spec import PatternSpec
from riskweave.patterns.state import PatternsState
from tests.patterns.little_language import check_text


class LittleEngine:
    """Compiles patterns over a few fields, and runs plain events through them.

    `fields` maps a field to its type; an event is a dict of `time` (ms), `type`, `key` (an int, or a
    dict of role to int) and fields.
    """

    def __init__(
        self, specs: list[PatternSpec], fields: dict[str, Type], roles: tuple[str, ...] = ("user",)
    ) -> None:
        self.layout = Layout()
        self.fields = {name: self.layout.add(name, kind, STAGE_DECODED) for name, kind in fields.items()}
        self.roles = {role: self.layout.add_key(role) for role in roles}
        self.nodes: dict[Typed, Col] = {}
        self.codes: dict[str, int] = {}
        self.compiler = PatternsCompiler(self.layout, self, self.check, self, self.roles)
        for spec in specs:
            self.compiler.add(spec)
        self.arrived = 0
        self.clock = -(2**60)

    def ready(self) -> LittleEngine:
        """Freeze the plan and make an empty state."""
        self.plan: PatternsPlan = self.compiler.plan()
        self.state = PatternsState.create(self.plan)
        return self

    # ---- what the compiler asks

    def column(self, node: Typed) -> Col:
        if node not in self.nodes:
            self.nodes[node] = self.layout.add(f"_{len(self.nodes)}", node.type, STAGE_DECODED)
        return self.nodes[node]

    def text_code(self, text: str) -> float:
        return float(self.codes.setdefault(text, len(self.codes)))

    def check(self, node: Node, scope: Scope) -> Typed:
        return check_text(node.text(), node.span, scope)

    def name(self, name: str, span: Span) -> Typed:
        if name == "event_time":
            return Col(TIME_ROW, Type.TIME, 0, name)
        if name == "event_type":
            return Col(TYPE_ROW, Type.STRING, 0, name)
        if name not in self.fields:
            raise PolicyError(f"unknown name `{name}`", span)
        return self.fields[name]

    def attribute(self, path: tuple[str, ...], span: Span) -> Typed:
        raise PolicyError(f"unknown name `{'.'.join(path)}`", span)

    def is_entity(self, name: str) -> bool:
        return name in self.roles

    def feature(self, call: Any) -> Typed:
        raise PolicyError("no features here", call.span)

    def is_list(self, name: str) -> bool:
        return False

    def member(self, list_name: str, operand: Typed, span: Span) -> Typed:
        raise PolicyError("no lists here", span)

    # ---- events

    def batch(self, events: list[dict[str, Any]]) -> Batch:
        batch = empty_batch(self.layout, len(events))
        batch.time_ms[:] = [event["time"] for event in events]
        batch.values[TIME_ROW] = batch.time_ms
        batch.values[TYPE_ROW] = [self.text_code(event["type"]) for event in events]
        for name, column in self.fields.items():
            for at, event in enumerate(events):
                value = event.get(name)
                if value is not None:
                    batch.values[column.index, at] = (
                        self.text_code(value) if isinstance(value, str) else value
                    )
        for at, event in enumerate(events):
            keys = event["key"]
            for role, row in self.roles.items():
                batch.keys[row, at] = keys.get(role, 0) if isinstance(keys, dict) else keys
            batch.event_hash[at] = event.get("id", self.arrived + at + 1)
        if events:
            batch.watermark_ms[:] = np.maximum(np.maximum.accumulate(batch.time_ms), self.clock)
            self.clock = int(batch.watermark_ms[-1])
        self.arrived += len(events)
        with np.errstate(all="ignore"):
            for node, column in self.nodes.items():
                batch.values[column.index] = evaluated(node, batch.values, self)
        return batch

    def feed(self, events: list[dict[str, Any]]) -> Matches:
        return step(self.plan, self.state, self.batch(events))

    def feed_in_parts(self, events: list[dict[str, Any]], cuts: list[int]) -> Matches:
        """Feed in batches cut at the given places; rows then count from the beginning."""
        parts, begin = [], 0
        for end in [*sorted(set(cuts)), len(events)]:
            found = self.feed(events[begin:end])
            found.row[found.row >= 0] += begin
            parts.append(found)
            begin = end
        return joined(parts)

    def advance(self, now_ms: int) -> Matches:
        return advance(self.plan, self.state, now_ms)


def evaluated(node: Typed, values: np.ndarray, engine: LittleEngine) -> np.ndarray:
    """Return the column of a typed node, NaN for null."""
    size = values.shape[1]
    if isinstance(node, Col):
        return values[node.index]
    if isinstance(node, Const):
        if node.value is None:
            return np.full(size, np.nan)
        number = engine.text_code(node.value) if isinstance(node.value, str) else float(node.value)  # type: ignore[arg-type]
        return np.full(size, number)
    assert isinstance(node, Op)
    parts = [evaluated(each, values, engine) for each in node.args]
    known = ~np.isnan(np.stack(parts)).any(axis=0) if parts else np.ones(size, bool)
    truths = [np.nan_to_num(part) != 0 for part in parts]
    if node.op == "and":
        return np.logical_and.reduce(truths).astype(float)
    if node.op == "or":
        return np.logical_or.reduce(truths).astype(float)
    if node.op == "not":
        return (~truths[0]).astype(float)
    if node.op == "truth":
        return truths[0].astype(float)
    if node.op == "is_null":
        return np.isnan(parts[0]).astype(float)
    if node.op in ("in", "not_in"):
        listed = [
            engine.text_code(each) if isinstance(each, str) else float(str(each)) for each in node.extra
        ]
        inside = np.isin(parts[0], listed)
        return ((inside if node.op == "in" else ~inside) & known).astype(float)
    compare = {"lt": np.less, "le": np.less_equal, "eq": np.equal, "ne": np.not_equal}
    if node.op in compare:
        return (compare[node.op](*parts) & known).astype(float)
    arithmetic = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide}
    if node.op in arithmetic:
        return arithmetic[node.op](*parts)
    if node.op == "neg":
        return -parts[0]
    if node.op == "time_diff":
        return (parts[0] - parts[1]) / 1000.0
    raise AssertionError(node.op)
