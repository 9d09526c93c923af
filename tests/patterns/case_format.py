"""Conformance cases through the room: a case's pattern as a spec, its events through the kernel."""

from __future__ import annotations

from typing import Any

from riskweave.batch import TIMED_OUT, Matches
from riskweave.errors import PolicyError, Span
from riskweave.expressions.types import Col, Const, Op, Type, Typed
from riskweave.kernels import patterns as kernel
from riskweave.patterns.formula import ACCEPTED
from riskweave.patterns.plan import stages_of
from riskweave.patterns.spec import Clause, PatternSpec, StageSpec, Times
from riskweave.patterns.state import PatternsState
from tests.oracles.patterns import Answer, Refused, in_order
from tests.patterns.little_engine import LittleEngine

FIELDS = {"value": Type.FLOAT, "ts": Type.FLOAT}
VALUE = Col(2, Type.FLOAT, 0, "value")
TS = Col(3, Type.FLOAT, 0, "ts")
KIND = Col(1, Type.STRING, 0, "event_type")
TRUE = Const(True, Type.BOOL)

_SKIPS = {"skip_past_last": "skip_past_last_event"}
_SIGNS = {"<": "lt", "<=": "le", ">": "lt", ">=": "le", "==": "eq", "!=": "ne"}
_FUNCTIONS = {"avg": "mean"}


def spec_of(pattern: dict[str, Any], name: str = "it") -> PatternSpec:
    """Turn a pattern of the case format into a spec."""
    skip, _, stage = pattern.get("skip", "no_skip").partition(":")
    return PatternSpec(
        name,
        "user",
        [stage_of(each) for each in pattern["stages"]],
        within_ms=pattern.get("within_ms"),
        skip=_SKIPS.get(skip, skip),
        skip_stage=stage,
        skip_missing=pattern.get("skip_missing", "nothing"),
        partials_max=20_000,
        events_max=1_000_000,
        report_timeouts=True,
        span=Span("case"),
    )


def stage_of(given: dict[str, Any]) -> StageSpec:
    times = given.get("times")
    inner = given.get("inner", "relaxed")
    stage = StageSpec(
        given["contiguity"],
        given.get("name", ""),
        times=None if times is None else Times(times["from"], times["to"]),
        optional=bool(given.get("optional")),
        greedy=bool(given.get("greedy")),
        consecutive=inner == "consecutive",
        allow_combinations=inner == "combinations",
        within_ms=given.get("within_ms"),
        within_previous_ms=given.get("within_prev_ms"),
    )
    if "where" in given:
        stage.clauses.append(Clause("and", condition_of(given["where"])))
    if "until" in given:
        stage.until = condition_of(given["until"])
    if "group" in given:
        stage.group = [stage_of(each) for each in given["group"]]
    return stage


def condition_of(spec: dict[str, Any]) -> Typed:
    if "any" in spec:
        return TRUE
    if "type" in spec:
        return Op("eq", (KIND, Const(spec["type"], Type.STRING)), Type.BOOL)
    if "type_in" in spec:
        return Op("in", (KIND,), Type.BOOL, tuple(spec["type_in"]))
    for word in ("and", "or"):
        if word in spec:
            return Op(word, tuple(condition_of(each) for each in spec[word]), Type.BOOL)
    if "not" in spec:
        return Op("not", (condition_of(spec["not"]),), Type.BOOL)
    left, sign, right = spec["cmp"]
    one, other = value_of(left), value_of(right)
    if sign in (">", ">="):
        one, other = other, one
    return Op(_SIGNS[sign], (one, other), Type.BOOL)


def value_of(spec: Any) -> Typed:
    if isinstance(spec, int | float):
        return Const(float(spec), Type.FLOAT)
    if isinstance(spec, str):
        return VALUE if spec == "value" else TS
    if "add" in spec:
        total = value_of(spec["add"][0])
        for each in spec["add"][1:]:
            total = Op("add", (total, value_of(each)), Type.FLOAT)
        return total
    function = _FUNCTIONS.get(spec["fn"], spec["fn"])
    arguments = () if function == "count" else (VALUE,)
    accepted = Op(ACCEPTED, arguments, Type.FLOAT, (function, spec["stage"]))
    if function in ("count", "sum"):
        return accepted
    return Op("coalesce", (accepted, Const(float(spec["default"]), Type.FLOAT)), Type.FLOAT)


def run_in_room(
    case: dict[str, Any], cuts: list[int] | None = None, as_it_arrives: bool = False, **bounds: int
) -> Answer:
    """Run a case through the patterns room; raises `Refused` as the oracle does.

    The stream is fed in batches cut at `cuts`; between them the state goes through a snapshot. With
    `as_it_arrives` events are not brought in order first.
    """
    spec = spec_of(case["pattern"])
    spec.partials_max = bounds.get("partials_max", spec.partials_max)
    spec.events_max = bounds.get("events_max", spec.events_max)
    delay = case.get("watermark_delay_ms")
    if delay is not None:
        spec.late_ms = delay
    try:
        engine = LittleEngine([spec], FIELDS).ready()
    except PolicyError as error:
        raise Refused(error.message) from None
    events = case["events"] if delay is not None or as_it_arrives else in_order(case)[0]
    keys = list(dict.fromkeys(each["key"] for each in case["events"]))
    plain = [
        {
            "time": each["ts"],
            "type": each["type"],
            "key": 1_000_003 * (keys.index(each["key"]) + 1),
            "value": each["value"],
            "ts": each["ts"],
            "id": each["id"],
        }
        for each in events
    ]
    late: list[int] = []
    answer = Answer([], [], late)
    begin = 0
    for end in [*sorted(set(cuts or [])), len(plain)]:
        found = engine.feed(plain[begin:end])
        if delay is not None:
            late += [events[begin + int(row)]["id"] for row in engine.state.lanes[0].late_rows]
        _add(answer, found, engine, keys)
        begin = end
        if cuts:
            engine.state = PatternsState.restore(engine.plan, engine.state.snapshot())
    _add(answer, engine.advance(10**12), engine, keys)
    if spec.skip_missing == "error" and engine.state.lanes[0].meta[kernel.M_SKIP_MISSING]:
        raise Refused("skip_stage_missing_from_match", "match")
    answer.dropped = engine.state.losses(engine.plan, spec.name)
    return answer


def _add(answer: Answer, found: Matches, engine: LittleEngine, keys: list[str]) -> None:
    for at in range(len(found)):
        key = keys[int(found.key[at]) // 1_000_003 - 1]
        entry = (key, int(found.time_ms[at]), stages_of(engine.plan, found, at))
        (answer.timeouts if found.kind[at] == TIMED_OUT else answer.matches).append(entry)
