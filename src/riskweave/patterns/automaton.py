"""The automaton of a pattern: states to wait in, and edges that take, skip or pass on an event.

It is built from the last stage to the first, because each stage needs to know where it leads. The
shape follows the semantics of Flink CEP 2.3.0: see docs/patterns.md for the rules, and
`tests/oracles/patterns.py` for the same in slow motion.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from riskweave.errors import PolicyError
from riskweave.kernels.patterns import FINAL, IGNORE, NORMAL, PENDING, PROCEED, STOP, TAKE
from riskweave.patterns.formula import ALWAYS, Formula, both, negated
from riskweave.patterns.laws import may_be_left_out
from riskweave.patterns.spec import PatternSpec, StageSpec

STATES_MAX = 20_000


@dataclass(eq=False, slots=True)
class Stage:
    """A stage with its conditions compiled; `before` is the one it follows in its list."""

    spec: StageSpec
    number: int
    where: Formula
    until: Formula | None
    before: Stage | None
    group: list[Stage] | None
    repeats: tuple[int, int] | None
    optional: bool

    @property
    def name(self) -> str:
        return self.spec.name if self.group is None else ""


@dataclass(eq=False, slots=True)
class Edge:
    """A way on: what it does with the event, and when it is open."""

    action: int
    source: State
    target: State
    when: Formula


@dataclass(eq=False, slots=True)
class State:
    """A place where a partial match waits; `stage` is the number of the stage it would take for."""

    number: int
    kind: int
    stage: Stage | None
    edges: list[Edge] = field(default_factory=list)
    gap_ms: int = 0
    stage_seen: bool = False
    is_only_stop_of: str = ""

    def edge(self, action: int, target: State, when: Formula) -> None:
        self.edges.append(Edge(action, self, target, when))


@dataclass(eq=False, slots=True)
class Automaton:
    """All states of a pattern, the one it begins in, and its window (0: none)."""

    states: list[State]
    start: State
    window_ms: int


def build(spec: PatternSpec, stages: list[Stage]) -> Automaton:
    """Build the automaton of a pattern that broke no law."""
    builder = _Builder(spec)
    window = spec.within_ms if spec.within_ms is not None else spec.stages[-1].within_ms
    builder.window_ms = window
    start = builder.sequence(stages, builder.state(FINAL, None))
    return Automaton(builder.states, start, max(builder.window_ms or 0, 0))


class _Builder:
    def __init__(self, spec: PatternSpec) -> None:
        self.spec = spec
        self.states: list[State] = []
        self.stops: dict[str, State] = {}
        self.until_copies: dict[int, State] = {}
        self.first_round: dict[int, bool] = {}
        self.group: Stage | None = None
        self.following: Stage | None = None
        self.window_ms: int | None = None
        self.waits_named: set[str] = set()
        self.stage_seen = False

    # ---- states

    def state(self, kind: int, stage: Stage | None) -> State:
        if len(self.states) >= STATES_MAX:
            raise PolicyError(
                f"pattern `{self.spec.name}` needs more than {STATES_MAX} states",
                self.spec.span,
                "repeat fewer times, or nest fewer groups",
            )
        state = State(len(self.states), kind, stage, stage_seen=self.stage_seen)
        self.states.append(state)
        return state

    def taking(self, stage: Stage, kind: int = NORMAL) -> State:
        """Make a state at which the gap to the event before is watched (not in a quantified stage)."""
        state = self.state(kind, stage)
        if stage.repeats is None and (stage.spec.within_previous_ms or 0) > 0:
            state.gap_ms = stage.spec.within_previous_ms or 0
        if stage.name:
            self.waits_named.add(stage.name)
        return state

    def stop(self, stage: Stage, condition: Formula) -> State:
        """Return the one state that ends a partial match because the NOT `stage` was met."""
        if stage.name not in self.stops:
            state = self.state(STOP, stage)
            # A stop state made after another state of the same stage is not recognised when NOTs are
            # forgotten: Flink compares by name, and the name was taken.
            state.is_only_stop_of = "" if stage.name in self.waits_named else stage.name
            state.edge(TAKE, state, condition)
            self.stops[stage.name] = state
        return self.stops[stage.name]

    def copy(self, state: State) -> State:
        copy = self.state(state.kind, state.stage)
        for edge in state.edges:
            copy.edge(edge.action, copy if edge.target is edge.source else edge.target, edge.when)
        return copy

    # ---- conditions where they stand

    def unless_group_ends(self, condition: Formula) -> Formula:
        if self.group is not None and self.group.until is not None:
            return both(negated(self.group.until), condition)
        return condition

    def take_when(self, stage: Stage) -> Formula:
        return self.unless_group_ends(stage.where)

    def ignore_when(self, stage: Stage, in_loop: bool) -> Formula | None:
        """Return which events may be skipped while waiting for `stage`; None when none may."""
        speaker, inside = stage, in_loop
        if self.is_head(stage) and self.group is not None:
            # The head of a group waits as the group says.
            speaker, inside = self.group, in_loop or not self.is_first_round()
        if inside:
            strict, any_event = speaker.spec.consecutive, speaker.spec.allow_combinations
        else:
            strict = speaker.spec.contiguity not in ("followed_by", "followed_by_any")
            any_event = speaker.spec.contiguity == "followed_by_any"
        if strict:
            return None
        return self.unless_group_ends(ALWAYS if any_event else negated(stage.where))

    def is_head(self, stage: Stage) -> bool:
        return self.group is not None and stage.before is None

    def is_first_round(self) -> bool:
        return self.first_round.get(id(self.group), True)

    def watched_nots(self, stage: Stage) -> Iterator[Stage]:
        """Yield the `not_followed_by` stages that hold while waiting for `stage`."""
        before = stage.before
        while before is not None and (before.optional or before.spec.contiguity == "not_followed_by"):
            if before.spec.contiguity == "not_followed_by":
                yield before
            before = before.before

    def watch_nots(self, stage: Stage, state: State) -> None:
        for each in self.watched_nots(stage):
            condition = self.take_when(each)
            state.edge(PROCEED, self.stop(each, condition), condition)

    def watch_following_not(self, state: State) -> None:
        following = self.following
        if following is not None and following.spec.contiguity == "not_followed_by":
            condition = self.take_when(following)
            state.edge(PROCEED, self.stop(following, condition), condition)

    def without_nots(self, stage: Stage, sink: State) -> State:
        """Return `sink`, or a copy that has forgotten the NOTs before an optional `stage` that was taken."""
        nots = {each.name for each in self.watched_nots(stage)}
        if not nots or not stage.optional:
            return sink
        copy = self.state(sink.kind, sink.stage)
        copy.is_only_stop_of = ""
        for edge in list(sink.edges):
            if edge.action != PROCEED:
                copy.edge(edge.action, copy if edge.target is edge.source else edge.target, edge.when)
            elif edge.target.kind != STOP:
                copy.edge(PROCEED, self.without_nots(stage, edge.target), edge.when)
            elif edge.target.is_only_stop_of not in nots:
                copy.edge(PROCEED, edge.target, edge.when)
        return copy

    # ---- sequences

    def sequence(self, stages: list[Stage], sink: State) -> State:
        """Build a list of stages that leads to `sink`; return the state to begin in."""
        for stage in reversed(stages[1:]):
            contiguity = stage.spec.contiguity
            if contiguity == "not_followed_by":
                # A NOT between stages becomes edges of its neighbours; at the end it waits for its time.
                timed = stage.spec.within_previous_ms is not None or (self.window_ms or 0) > 0
                if sink.kind == FINAL and timed:
                    sink = self.absence(stage)
            elif contiguity == "not_next":
                sink = self.not_next(stage, sink)
            else:
                sink = self.convert(stage, sink)
            self.following = stage
            assert stage.before is not None
            window = stage.before.spec.within_ms
            if window is not None and (self.window_ms is None or window < self.window_ms):
                self.window_ms = window
        return self.convert(stages[0], sink)

    def absence(self, stage: Stage) -> State:
        condition = self.take_when(stage)
        pending = self.taking(stage, PENDING)
        pending.edge(PROCEED, self.stop(stage, condition), condition)
        pending.edge(IGNORE, pending, negated(condition))
        return pending

    def not_next(self, stage: Stage, sink: State) -> State:
        state = self.taking(stage)
        condition = self.take_when(stage)
        stop = self.stop(stage, condition)
        state.edge(IGNORE if sink.kind == FINAL else PROCEED, sink, negated(condition))
        state.edge(PROCEED, stop, condition)
        return state

    def convert(self, stage: Stage, sink: State) -> State:
        """Build one stage with its quantifier."""
        if stage.spec.loops:
            self.enter_round(stage, False)
            looping = self.loop(stage, self.without_nots(stage, sink))
            self.enter_round(stage, True)
            state = self.repeated(stage, looping, sink)
        elif stage.repeats is not None:
            state = self.repeated(stage, sink, sink)
        else:
            take, ignore = self.take_when(stage), self.ignore_when(stage, False)
            state = self.single(stage, sink, sink, take, ignore, stage.optional)
        self.watch_nots(stage, state)
        return state

    def enter_round(self, stage: Stage, first: bool) -> None:
        if stage.group is not None:
            self.first_round[id(stage)] = first

    # ---- quantifiers

    def in_loop(self, stage: Stage) -> tuple[Formula, Formula | None]:
        """Return when a loop takes, and when it skips, an event: not once `until` has come."""
        ignore, take = self.ignore_when(stage, True), self.take_when(stage)
        if stage.until is None:
            return take, ignore
        goes_on = negated(stage.until)
        return both(goes_on, take), None if ignore is None else both(goes_on, ignore)

    def repeated(self, stage: Stage, sink: State, proceed: State) -> State:
        """Build the counted part of a quantifier: a state for each repetition."""
        assert stage.repeats is not None
        least, most = stage.repeats
        self.enter_round(stage, False)
        take, ignore = self.in_loop(stage)
        if stage.spec.greedy and least != most:
            if stage.until is not None:
                self.until_copies[sink.number] = self.copy(sink)
            _close_to(sink, take)
        self.stage_seen = stage.group is None
        for _ in range(least, most):
            sink = self.single(stage, sink, proceed, take, ignore, True)
            self.watch_following_not(sink)
        self.stage_seen = False
        for _ in range(least - 1):
            sink = self.single(stage, sink, None, take, ignore, False)
            self.watch_following_not(sink)
        self.enter_round(stage, True)
        return self.single(stage, sink, proceed, take, self.ignore_when(stage, False), stage.optional)

    def single(
        self,
        stage: Stage,
        sink: State,
        proceed: State | None,
        take: Formula,
        ignore: Formula | None,
        optional: bool,
    ) -> State:
        """Build a state that takes one event (or one round of a group) and leads to `sink`."""
        if stage.group is not None:
            return self.one_round(stage, sink, proceed, optional)
        state = self.taking(stage)
        sink = self.without_nots(stage, sink)
        state.edge(TAKE, sink, take)
        if optional:
            assert proceed is not None
            self.proceed(stage, state, proceed, self.until_copies.get(proceed.number))
        if ignore is not None:
            waiting = state
            if optional or self.is_head_of_optional_group(stage):
                # Once it has skipped an event, the branch that leaves the stage out runs on its own.
                waiting = self.state(NORMAL, stage)
                waiting.edge(TAKE, sink, take)
                waiting.edge(IGNORE, waiting, ignore)
                self.watch_nots(stage, waiting)
            state.edge(IGNORE, waiting, ignore)
        return state

    def proceed(self, stage: Stage, state: State, target: State, until_copy: State | None) -> None:
        """Let `state` hand on to `target`; behind a greedy stage that `until` ended, to its open copy."""
        when = self.unless_group_ends(ALWAYS)
        if stage.spec.greedy and stage.until is not None:
            if until_copy is None:
                raise PolicyError(
                    f"`{stage.name}` is greedy, may be left out, has `until` and stands behind a NOT",
                    stage.spec.span,
                    "Flink fails on it: leave one of the four out",
                )
            state.edge(PROCEED, until_copy, both(when, stage.until))
            when = both(when, negated(stage.until))
        state.edge(PROCEED, target, when)

    def is_head_of_optional_group(self, stage: Stage) -> bool:
        return (
            self.group is not None and self.is_head(stage) and self.is_first_round() and self.group.optional
        )

    def loop(self, stage: Stage, sink: State) -> State:
        """Build the endless part of a loop: take again, or hand on to `sink`."""
        if stage.group is not None:
            return self.endless_rounds(stage, sink)
        take, ignore = self.in_loop(stage)
        self.stage_seen = True
        state = self.taking(stage)
        if stage.spec.greedy and stage.until is not None:
            self.until_copies[sink.number] = self.copy(sink)
        self.proceed(stage, state, sink, self.until_copies.get(sink.number))
        if stage.spec.greedy:
            _close_to(sink, self.take_when(stage))
        state.edge(TAKE, state, take)
        self.watch_following_not(state)
        if ignore is not None:
            waiting = self.state(NORMAL, stage)
            waiting.edge(TAKE, state, take)
            waiting.edge(IGNORE, waiting, ignore)
            state.edge(IGNORE, waiting, ignore)
            self.watch_following_not(waiting)
        self.stage_seen = False
        return state

    def one_round(self, stage: Stage, sink: State, proceed: State | None, optional: bool) -> State:
        assert stage.group is not None
        when = self.unless_group_ends(ALWAYS)
        following, group = self.following, self.group
        self.group = stage
        state = self.sequence(stage.group, sink)
        if optional:
            assert proceed is not None
            state.edge(PROCEED, proceed, when)
        self.following, self.group = following, group
        return state

    def endless_rounds(self, stage: Stage, sink: State) -> State:
        assert stage.group is not None
        when = self.unless_group_ends(ALWAYS)
        following, group = self.following, self.group
        again = self.taking(stage)
        self.group = stage
        state = self.sequence(stage.group, again)
        state.edge(PROCEED, sink, when)
        again.edge(PROCEED, state, when)
        self.following, self.group = following, group
        return state


def _close_to(state: State, condition: Formula) -> None:
    """Close every edge of `state` to the events that meet `condition` (greedy)."""
    for edge in state.edges:
        edge.when = both(edge.when, negated(condition))


def stage_of(
    spec: StageSpec, number: int, where: Formula, until: Formula | None, before: Stage | None
) -> Stage:
    """Return a stage without its group, its quantifier brought to (least, most)."""
    repeats = None
    if spec.times is not None:
        least = max(spec.times.least, 1)
        repeats = (least, least if spec.times.most is None else spec.times.most)
    return Stage(spec, number, where, until, before, None, repeats, may_be_left_out(spec))
