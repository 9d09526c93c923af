"""Event patterns, slowly: what Apache Flink CEP 2.3.0 answers for one pattern and one stream.

`run_case(case)` takes a case of the format described in docs/patterns.md ("Conformance cases") and
returns what should be reported: matches, timeouts and late events. A pattern that is refused raises
`Refused`. Nothing of riskweave is imported: the automaton is built and run here from scratch, with
closures for conditions and linked cells for the events accepted so far.

How it works. A pattern becomes an automaton whose edges either take the event, ignore it, or proceed
to another state with the same event in hand. A *run* is one partial match: the state it waits in and
the events it took. Every event is offered to every run; a run may branch. A run that reaches a stop
state is dropped together with its branches; one that reaches the final state is a match.

Runs are held in a binary heap by their first event, because the order of runs with the same first
event decides which of two equal matches survives a skip strategy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

Event = dict[str, Any]
Seen = dict[str, list[Event]]
Condition = Callable[[Event, "Run"], bool]

TAKE, IGNORE, PROCEED = "take", "ignore", "proceed"
NEVER = float("inf")


class Refused(Exception):  # noqa: N818
    """The pattern is refused: `phase` is `compile` or `match`, `why` a word for the reason."""

    def __init__(self, why: str, phase: str = "compile") -> None:
        super().__init__(why)
        self.why = why
        self.phase = phase


# ---- conditions


def true(event: Event, run: Run) -> bool:
    return True


def negated(one: Condition) -> Condition:
    return lambda event, run: not one(event, run)


def both(one: Condition, other: Condition) -> Condition:
    return lambda event, run: one(event, run) and other(event, run)


def condition_of(spec: dict[str, Any] | None) -> Condition:
    """Turn a condition of the case format into a function of (event, run)."""
    if spec is None or "any" in spec:
        return true
    if "type" in spec:
        return lambda event, run: event["type"] == spec["type"]
    if "type_in" in spec:
        return lambda event, run: event["type"] in spec["type_in"]
    if "and" in spec:
        parts = [condition_of(each) for each in spec["and"]]
        return lambda event, run: all(part(event, run) for part in parts)
    if "or" in spec:
        parts = [condition_of(each) for each in spec["or"]]
        return lambda event, run: any(part(event, run) for part in parts)
    if "not" in spec:
        return negated(condition_of(spec["not"]))
    left, sign, right = spec["cmp"]
    compare = {
        "<": lambda a, b: a < b,
        "<=": lambda a, b: a <= b,
        ">": lambda a, b: a > b,
        ">=": lambda a, b: a >= b,
        "==": lambda a, b: a == b,
        "!=": lambda a, b: a != b,
    }[sign]
    return lambda event, run: compare(value_of(left, event, run), value_of(right, event, run))


def value_of(spec: Any, event: Event, run: Run) -> float:
    """Evaluate a number, a field of the event, a sum, or a function of the events accepted before."""
    if isinstance(spec, (int, float)):
        return spec
    if isinstance(spec, str):
        return event[spec]
    if "add" in spec:
        return sum(value_of(each, event, run) for each in spec["add"])
    values = [each["value"] for each in run.stages().get(spec["stage"], [])]
    function = spec["fn"]
    if function == "count":
        return len(values)
    if function == "sum":
        return sum(values)
    if not values:
        return spec["default"]
    return {
        "first": lambda: values[0],
        "last": lambda: values[-1],
        "min": lambda: min(values),
        "max": lambda: max(values),
        "avg": lambda: sum(values) / len(values),
    }[function]()


# ---- the pattern, checked


@dataclass(eq=False)
class Stage:
    """One stage of a sequence, with its defaults filled in; `before` is the stage it follows."""

    name: str
    contiguity: str
    where: Condition
    before: Stage | None
    loops: bool = False
    times: tuple[int, int] | None = None
    optional: bool = False
    greedy: bool = False
    inner: str = "relaxed"
    until: Condition | None = None
    within_ms: int | None = None
    gap_ms: int | None = None
    group: list[Stage] | None = None

    @property
    def is_not(self) -> bool:
        return self.contiguity.startswith("not_")


def read_sequence(specs: list[dict[str, Any]]) -> list[Stage]:
    """Read a list of stages, refusing what cannot stand."""
    stages: list[Stage] = []
    for spec in specs:
        stages.append(read_stage(spec, stages[-1] if stages else None))
    return stages


def read_stage(spec: dict[str, Any], before: Stage | None) -> Stage:
    contiguity = spec["contiguity"]
    group = read_sequence(spec["group"]) if "group" in spec else None
    name = "GroupPattern" if group is not None else spec["name"]
    stage = Stage(name, contiguity, condition_of(spec.get("where")), before, group=group)
    if stage.is_not and before is not None and before.optional:
        raise Refused("not_after_optional")
    if group is not None and "where" in spec:
        raise Refused("group_with_condition")
    read_quantifier(stage, spec)
    if "until" in spec:
        if not stage.loops:
            raise Refused("until_without_loop")
        stage.until = condition_of(spec["until"])
    stage.within_ms = spec.get("within_ms")
    stage.gap_ms = spec.get("within_prev_ms")
    return stage


def read_quantifier(stage: Stage, spec: dict[str, Any]) -> None:
    times, quantified = spec.get("times"), False
    if times is not None:
        if stage.is_not:
            raise Refused("not_with_times")
        low, high = times["from"], times["to"]
        stage.optional = low == 0 and high is not None
        first = 1 if stage.optional else low
        if first <= 0:
            raise Refused("times_not_positive")
        if high is not None and high < first:
            raise Refused("times_from_above_to" if high > 0 else "times_not_positive")
        stage.loops = high is None
        stage.times = (first, first if high is None else high)
        quantified = True
    inner = spec.get("inner", "relaxed")
    if inner != "relaxed" and not quantified:
        raise Refused("not_inner" if stage.is_not else "inner_without_quantifier")
    stage.inner = inner
    if spec.get("greedy"):
        if stage.is_not:
            raise Refused("not_greedy")
        if stage.group is not None:
            raise Refused("greedy_group")
        if not quantified:
            raise Refused("greedy_without_quantifier")
        stage.greedy = True
    if spec.get("optional"):
        if stage.is_not:
            raise Refused("not_optional")
        if stage.before is not None and stage.before.greedy:
            raise Refused("optional_after_greedy")
        if stage.optional:
            raise Refused("optional_twice")
        stage.optional = True


def every_name(stages: list[Stage]) -> Iterator[str]:
    for stage in stages:
        if stage.group is None:
            yield stage.name
        else:
            yield from every_name(stage.group)


# ---- the automaton


@dataclass(eq=False)
class State:
    """A place to wait in. `kind` is normal, final, stop or pending (a match once its time is up)."""

    name: str
    kind: str = "normal"
    edges: list[Edge] = field(default_factory=list)
    gap_ms: int | None = None

    @property
    def stage(self) -> str:
        return self.name.split(":")[0]

    def edge(self, action: str, target: State, when: Condition) -> None:
        self.edges.append(Edge(action, self, target, when))


@dataclass(eq=False)
class Edge:
    action: str
    source: State
    target: State
    when: Condition


class Automaton:
    """The states of a pattern, built from its last stage to its first."""

    def __init__(self, pattern: dict[str, Any]) -> None:
        self.names: set[str] = set()
        self.stop_states: dict[str, State] = {}
        self.greedy_copies: dict[str, State] = {}
        self.first_round: dict[int, bool] = {}
        self.group: Stage | None = None
        self.following: Stage | None = None
        self.gaps: dict[str, int] = {}
        stages = read_sequence(pattern["stages"])
        if pattern.get("within_ms") is not None:
            # The window of the whole pattern stands on its last stage, in place of that stage's own.
            stages[-1].within_ms = pattern["within_ms"]
        self.check_names(stages)
        self.skip = Skip(pattern, stages)
        self.window_ms: int | None = stages[-1].within_ms
        final = self.state("$endState$", "final")
        self.start = self.sequence(stages, final)
        if self.window_ms is not None and any(gap > self.window_ms for gap in self.gaps.values()):
            raise Refused("previous_gap_longer_than_within")
        if (
            stages[-1].contiguity == "not_followed_by"
            and self.gaps.get(stages[-1].name, 0) <= 0
            and (self.window_ms or 0) == 0
        ):
            raise Refused("not_followed_by_last_without_within")

    def check_names(self, stages: list[Stage]) -> None:
        names = list(every_name(stages))
        if len(set(names)) < len(names) or "$endState$" in names:
            raise Refused("duplicate_name")

    # -- states

    def state(self, name: str, kind: str = "normal") -> State:
        """Make a state; a name that is taken gets a number behind a colon."""
        unique, number = name, 0
        while unique in self.names:
            unique, number = f"{name}:{number}", number + 1
        self.names.add(unique)
        return State(unique, kind)

    def taking_state(self, stage: Stage, kind: str = "normal") -> State:
        """Make a state of a stage at which the gap to the event before is watched."""
        state = self.state(stage.name, kind)
        if stage.times is None and stage.gap_ms is not None:
            state.gap_ms = self.gaps[state.name] = stage.gap_ms
        return state

    def stop_state(self, condition: Condition, name: str) -> State:
        """Return the one state that ends a run because the NOT stage `name` was met."""
        if name not in self.stop_states:
            stop = self.state(name, "stop")
            stop.edge(TAKE, stop, condition)
            self.stop_states[name] = stop
        return self.stop_states[name]

    # -- conditions in their surroundings

    def unless_group_ends(self, condition: Condition) -> Condition:
        """Add that the group's `until` does not hold."""
        if self.group is not None and self.group.until is not None:
            return both(negated(self.group.until), condition)
        return condition

    def take_condition(self, stage: Stage) -> Condition:
        return self.unless_group_ends(stage.where)

    def always(self) -> Condition:
        return self.unless_group_ends(true)

    def is_head_of_group(self, stage: Stage) -> bool:
        return self.group is not None and stage.before is None

    def is_first_round(self) -> bool:
        return self.first_round.get(id(self.group), True)

    def ignore_condition(self, stage: Stage, inside_loop: bool) -> Condition | None:
        """Return which events may be skipped while waiting for `stage`; None when none may."""
        how = stage.inner if inside_loop else stage.contiguity
        if self.is_head_of_group(stage):
            assert self.group is not None
            outside = not inside_loop and self.is_first_round()
            how = self.group.contiguity if outside else self.group.inner
        if how in ("followed_by", "relaxed"):
            return self.unless_group_ends(negated(stage.where))
        if how in ("followed_by_any", "combinations"):
            return self.unless_group_ends(true)
        return None

    def watched_nots(self, stage: Stage) -> list[tuple[Condition, str]]:
        """Return the `not_followed_by` conditions that hold while waiting for `stage`."""
        found = []
        before = stage.before
        while before is not None and (before.optional or before.contiguity == "not_followed_by"):
            if before.contiguity == "not_followed_by":
                found.append((self.take_condition(before), before.name))
            before = before.before
        return found

    # -- sequences

    def sequence(self, stages: list[Stage], sink: State) -> State:
        """Build a list of stages before `sink`; return the state to begin in."""
        for stage in reversed(stages[1:]):
            if stage.contiguity == "not_followed_by":
                if sink.kind == "final" and (stage.gap_ms is not None or (self.window_ms or 0) > 0):
                    sink = self.waiting_for_the_end(stage)
            elif stage.contiguity == "not_next":
                sink = self.not_next(stage, sink)
            else:
                sink = self.convert(stage, sink)
            self.following = stage
            window = stage.before.within_ms if stage.before is not None else None
            if window is not None and (self.window_ms is None or window < self.window_ms):
                self.window_ms = window
        return self.convert(stages[0], sink)

    def waiting_for_the_end(self, stage: Stage) -> State:
        condition = self.take_condition(stage)
        pending = self.taking_state(stage, "pending")
        pending.edge(PROCEED, self.stop_state(condition, stage.name), condition)
        pending.edge(IGNORE, pending, negated(condition))
        return pending

    def not_next(self, stage: Stage, sink: State) -> State:
        state = self.taking_state(stage)
        condition = self.take_condition(stage)
        stop = self.stop_state(condition, stage.name)
        state.edge(IGNORE if sink.kind == "final" else PROCEED, sink, negated(condition))
        state.edge(PROCEED, stop, condition)
        return state

    def convert(self, stage: Stage, sink: State) -> State:
        """Build one stage, with its quantifier, before `sink`."""
        if stage.loops:
            self.enter_round(stage, False)
            looping = self.loop(stage, self.without_nots(stage, sink))
            self.enter_round(stage, True)
            state = self.repeated(stage, looping, sink)
        elif stage.times is not None:
            state = self.repeated(stage, sink, sink)
        else:
            state = self.single(
                stage,
                sink,
                sink,
                self.take_condition(stage),
                self.ignore_condition(stage, False),
                stage.optional,
            )
        self.watch_nots(stage, state)
        return state

    def enter_round(self, stage: Stage, first: bool) -> None:
        if stage.group is not None:
            self.first_round[id(stage)] = first

    def watch_nots(self, stage: Stage, state: State) -> None:
        for condition, name in self.watched_nots(stage):
            state.edge(PROCEED, self.stop_state(condition, name), condition)

    def watch_following_not(self, state: State) -> None:
        following = self.following
        if following is not None and following.contiguity == "not_followed_by":
            condition = self.take_condition(following)
            state.edge(PROCEED, self.stop_state(condition, following.name), condition)

    def without_nots(self, stage: Stage, sink: State) -> State:
        """Return `sink`, or a copy of it that has forgotten the NOTs before an optional `stage`."""
        nots = self.watched_nots(stage)
        if not nots or not stage.optional:
            return sink
        copy = self.state(sink.name, sink.kind)
        for edge in list(sink.edges):
            if edge.action == PROCEED:
                forgotten = edge.target.kind == "stop" and any(edge.target.name == name for _, name in nots)
                if not forgotten:
                    stop = edge.target.kind == "stop"
                    copy.edge(
                        PROCEED, edge.target if stop else self.without_nots(stage, edge.target), edge.when
                    )
            else:
                copy.edge(edge.action, copy if edge.target is edge.source else edge.target, edge.when)
        return copy

    def copied(self, state: State) -> State:
        copy = self.state(state.stage, state.kind)
        for edge in state.edges:
            copy.edge(edge.action, copy if edge.target is edge.source else edge.target, edge.when)
        return copy

    # -- quantifiers

    def repeated(self, stage: Stage, sink: State, proceed: State) -> State:
        """Build the counted part of a quantifier: one state for each repetition."""
        assert stage.times is not None
        low, high = stage.times
        self.enter_round(stage, False)
        ignore = self.ignore_condition(stage, True)
        take = self.take_condition(stage)
        if stage.until is not None:
            ignore = None if ignore is None else both(negated(stage.until), ignore)
            take = both(negated(stage.until), take)
        if stage.greedy and low != high:
            if stage.until is not None:
                self.greedy_copies[sink.name] = self.copied(sink)
            only_unless(sink, take)
        for _ in range(low, high):
            sink = self.single(stage, sink, proceed, take, ignore, True)
            self.watch_following_not(sink)
        for _ in range(low - 1):
            sink = self.single(stage, sink, None, take, ignore, False)
            self.watch_following_not(sink)
        self.enter_round(stage, True)
        return self.single(stage, sink, proceed, take, self.ignore_condition(stage, False), stage.optional)

    def single(
        self,
        stage: Stage,
        sink: State,
        proceed: State | None,
        take: Condition,
        ignore: Condition | None,
        optional: bool,
    ) -> State:
        """Build one state that takes one event (or one round of a group) and goes to `sink`."""
        if stage.group is not None:
            return self.one_round(stage, sink, proceed, optional)
        state = self.taking_state(stage)
        sink = self.without_nots(stage, sink)
        state.edge(TAKE, sink, take)
        if optional:
            assert proceed is not None
            when = self.always()
            if stage.greedy and stage.until is not None:
                state.edge(PROCEED, self.greedy_copies[proceed.name], both(when, stage.until))
                when = both(when, negated(stage.until))
            state.edge(PROCEED, proceed, when)
        if ignore is not None:
            waiting = state
            if optional or self.is_head_of_optional_group(stage):
                # Once it has skipped an event, the branch that leaves the stage out runs on its own.
                waiting = self.state(stage.name)
                waiting.edge(TAKE, sink, take)
                waiting.edge(IGNORE, waiting, ignore)
                self.watch_nots(stage, waiting)
            state.edge(IGNORE, waiting, ignore)
        return state

    def is_head_of_optional_group(self, stage: Stage) -> bool:
        if not self.is_head_of_group(stage):
            return False
        assert self.group is not None
        return self.is_first_round() and self.group.optional

    def loop(self, stage: Stage, sink: State) -> State:
        """Build the endless part of a loop: take again, or go on to `sink`."""
        if stage.group is not None:
            return self.endless_rounds(stage, sink)
        ignore = self.ignore_condition(stage, True)
        take = self.take_condition(stage)
        if stage.until is not None:
            ignore = None if ignore is None else both(negated(stage.until), ignore)
            take = both(negated(stage.until), take)
        state = self.taking_state(stage)
        when = self.always()
        if stage.greedy:
            if stage.until is not None:
                copy = self.copied(sink)
                state.edge(PROCEED, copy, both(when, stage.until))
                self.greedy_copies[sink.name] = copy
                when = both(when, negated(stage.until))
            state.edge(PROCEED, sink, when)
            only_unless(sink, self.take_condition(stage))
        else:
            state.edge(PROCEED, sink, when)
        state.edge(TAKE, state, take)
        self.watch_following_not(state)
        if ignore is not None:
            waiting = self.state(stage.name)
            waiting.edge(TAKE, state, take)
            waiting.edge(IGNORE, waiting, ignore)
            state.edge(IGNORE, waiting, ignore)
            self.watch_following_not(waiting)
        return state

    def one_round(self, stage: Stage, sink: State, proceed: State | None, optional: bool) -> State:
        assert stage.group is not None
        when = self.always()
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
        when = self.always()
        following, group = self.following, self.group
        again = self.taking_state(stage)
        self.group = stage
        state = self.sequence(stage.group, again)
        state.edge(PROCEED, sink, when)
        again.edge(PROCEED, state, when)
        self.following, self.group = following, group
        return state


def only_unless(state: State, condition: Condition) -> None:
    """Close every edge of `state` to the events that meet `condition` (greedy)."""
    for edge in state.edges:
        edge.when = both(edge.when, negated(condition))


# ---- after a match


class Skip:
    """What a reported match discards."""

    def __init__(self, pattern: dict[str, Any], stages: list[Stage]) -> None:
        self.how, _, self.stage = pattern.get("skip", "no_skip").partition(":")
        self.must_exist = pattern.get("skip_missing") == "error"
        if self.stage and self.stage not in [each.name for each in stages]:
            raise Refused("skip_names_unknown_stage")

    def discards(self, match: Run) -> Callable[[Run], bool]:
        """Return a test for the runs and held matches that go when `match` is reported."""
        if self.how == "no_skip":
            return lambda run: False
        if self.how in ("skip_to_next", "skip_past_last"):
            limit = match.first if self.how == "skip_to_next" else match.last.order
            return lambda run: run.first <= limit
        chosen = match.stages().get(self.stage)
        if chosen is None:
            if self.must_exist:
                raise Refused("skip_stage_missing_from_match", "match")
            return lambda run: False
        limit = order_of(chosen[0 if self.how == "skip_to_first" else -1])
        if self.must_exist and limit == match.first:
            raise Refused("skip_to_first_event_of_match", "match")
        return lambda run: run.first < limit


# ---- runs


@dataclass(frozen=True, eq=False)
class Cell:
    """One accepted event and the ones before it."""

    stage: str
    event: Event
    before: Cell | None

    @property
    def order(self) -> float:
        return order_of(self.event)


def order_of(event: Event) -> float:
    """Return an event's place among all events of its stream, in the order they are handled."""
    return event["order"]


@dataclass(eq=False)
class Run:
    """A partial match: where it waits, what it accepted, its first event's place and two times."""

    state: State
    cells: Cell | None = None
    first: float = NEVER
    start_ms: float = NEVER
    previous_ms: float = NEVER

    @property
    def last(self) -> Cell:
        assert self.cells is not None
        return self.cells

    def stages(self) -> Seen:
        """Return the accepted events by stage, each stage's in order."""
        path = []
        cell = self.cells
        while cell is not None:
            path.append(cell)
            cell = cell.before
        seen: Seen = {}
        for each in reversed(path):
            seen.setdefault(each.stage, []).append(each.event)
        return seen


class Heap:
    """A binary heap of runs by first event; iterates in the order of its array."""

    def __init__(self, runs: list[Run] | None = None) -> None:
        self.runs = runs or []

    def __iter__(self) -> Iterator[Run]:
        return iter(self.runs)

    def __len__(self) -> int:
        return len(self.runs)

    def add(self, run: Run) -> None:
        runs = self.runs
        runs.append(run)
        child = len(runs) - 1
        while child > 0 and run.first < runs[(child - 1) // 2].first:
            runs[child] = runs[(child - 1) // 2]
            child = (child - 1) // 2
        runs[child] = run

    def top(self) -> Run | None:
        return self.runs[0] if self.runs else None

    def pop(self) -> Run:
        top, last = self.runs[0], self.runs.pop()
        if self.runs:
            self.sink(0, last)
        return top

    def sink(self, place: int, run: Run) -> None:
        runs = self.runs
        while 2 * place + 1 < len(runs):
            child = 2 * place + 1
            if child + 1 < len(runs) and runs[child].first > runs[child + 1].first:
                child += 1
            if run.first <= runs[child].first:
                break
            runs[place] = runs[child]
            place = child
        runs[place] = run

    def discard(self, goes: Callable[[Run], bool]) -> int:
        kept = [run for run in self.runs if not goes(run)]
        gone = len(self.runs) - len(kept)
        if gone:
            self.runs = kept
            for place in range(len(kept) // 2 - 1, -1, -1):
                self.sink(place, kept[place])
        return gone


class Matcher:
    """One pattern over the events of one key, in order of time.

    `partials_max` and `events_max` cap the partial matches and the events they hold: the partial
    matches that began first are dropped and counted in `dropped`. `gap_timers` makes time move on at
    the end of a gap between neighbours too, not only at the end of the window.
    """

    def __init__(
        self,
        pattern: dict[str, Any],
        partials_max: int = 0,
        events_max: int = 0,
        gap_timers: bool = False,
    ) -> None:
        self.automaton = Automaton(pattern)
        self.window_ms = self.automaton.window_ms or 0
        self.skip = self.automaton.skip
        self.runs = Heap([Run(self.automaton.start)])
        self.held = Heap()
        self.deadlines: set[float] = set()
        self.matches: list[tuple[float, Seen]] = []
        self.timeouts: list[tuple[float, Seen]] = []
        self.partials_max = partials_max
        self.events_max = events_max
        self.gap_timers = gap_timers
        self.dropped = 0

    def feed(self, event: Event) -> None:
        """Take one event; it must not be earlier than the ones before."""
        self.advance(event["ts"])
        self.pass_time(event["ts"])
        self.offer(event)

    def arrive(self, event: Event, clock_ms: float) -> None:
        """Take one event as it arrives, late or not; `clock_ms` is the greatest time seen so far."""
        self.advance(clock_ms)
        self.offer(event)

    def advance(self, now_ms: float) -> None:
        """Pass every deadline up to `now_ms`, each at its own instant."""
        while self.deadlines and min(self.deadlines) <= now_ms:
            deadline = min(self.deadlines)
            self.deadlines.discard(deadline)
            self.pass_time(deadline)

    def pass_time(self, now_ms: float) -> None:
        runs, complete = Heap(), Heap()
        for run in self.runs:
            deadline = self.deadline(run)
            if now_ms < deadline:
                runs.add(run)
            elif run.state.kind == "pending":
                complete.add(run)
            else:
                self.timeouts.append((deadline, run.stages()))
        if self.skip.how == "no_skip":
            self.matches += [(now_ms, match.stages()) for match in complete]
        else:
            self.release(complete, runs, now_ms)
        self.runs = runs

    def deadline(self, run: Run) -> float:
        gap, window = NEVER, NEVER
        if run.state is not self.automaton.start:
            if run.state.gap_ms is not None and run.state.gap_ms > 0:
                gap = run.previous_ms + run.state.gap_ms
            if self.window_ms > 0:
                window = run.start_ms + self.window_ms
        return min(gap, window)

    def offer(self, event: Event) -> None:
        """Let every run take, skip or die on the event, and report what is complete."""
        runs, complete = Heap(), Heap()
        for run in self.runs:
            kept: list[Run] = []
            stopped = False
            for branch in self.branches(run, event):
                if branch.state.kind == "final":
                    complete.add(branch)
                elif branch.state.kind == "stop":
                    stopped = True
                else:
                    kept.append(branch)
            if not stopped:
                for branch in kept:
                    runs.add(branch)
        if self.skip.how == "no_skip":
            for match in complete:
                self.matches.append((event["ts"], match.stages()))
        else:
            self.release(complete, runs, event["ts"])
        self.runs = runs
        while len(self.runs) > 1 and self.is_too_large():
            self.runs.pop()
            self.dropped += 1
            if len(self.held):
                self.release(Heap(), self.runs, event["ts"])
        if self.gap_timers:
            # One that has passed already counts from the next look at the time.
            self.deadlines.update(at for at in map(self.deadline, self.runs) if at < NEVER)

    def is_too_large(self) -> bool:
        if self.partials_max and max(len(self.runs) - 1, len(self.held)) > self.partials_max:
            return True
        if not self.events_max:
            return False
        cells: set[int] = set()
        for run in (*self.runs, *self.held):
            cell = run.cells
            while cell is not None:
                cells.add(id(cell))
                cell = cell.before
        return len(cells) > self.events_max

    def release(self, complete: Heap, runs: Heap, now_ms: float) -> None:
        """Report held matches, unless a run that began earlier is still alive."""
        for match in complete:
            self.held.add(match)
        while len(self.held):
            earliest = runs.top()
            match = self.held.runs[0]
            if earliest is not None and match.first > earliest.first:
                break
            self.held.pop()
            goes = self.skip.discards(match)
            runs.discard(goes)
            self.held.discard(goes)
            self.matches.append((now_ms, match.stages()))

    def branches(self, run: Run, event: Event) -> list[Run]:
        """Return what becomes of one run when it is offered `event`."""
        begins = run.state is self.automaton.start
        result: list[Run] = []
        for edge in self.open_edges(run, event):
            if edge.action == IGNORE:
                if not begins:
                    result.append(Run(edge.target, run.cells, run.first, run.start_ms, run.previous_ms))
                continue
            cells = Cell(edge.source.stage, event, run.cells)
            first = order_of(event) if begins else run.first
            start_ms = event["ts"] if begins else run.start_ms
            if begins and self.window_ms > 0:
                self.deadlines.add(start_ms + self.window_ms)
            result.append(Run(edge.target, cells, first, start_ms, event["ts"]))
            final = self.final_after(run, edge.target, event)
            if final is not None:
                result.append(Run(final, cells, first, start_ms, event["ts"]))
        if begins:
            result.append(Run(self.automaton.start))
        return result

    def open_edges(self, run: Run, event: Event) -> list[Edge]:
        found: list[Edge] = []
        to_visit = [run.state]
        while to_visit:
            for edge in to_visit.pop().edges:
                if edge.when(event, run):
                    if edge.action == PROCEED:
                        to_visit.append(edge.target)
                    else:
                        found.append(edge)
        return found

    def final_after(self, run: Run, state: State, event: Event) -> State | None:
        """Return the final state when it can be reached from `state` without a further event."""
        to_visit = [state]
        while to_visit:
            for edge in to_visit.pop().edges:
                if edge.action == PROCEED and edge.when(event, run):
                    if edge.target.kind == "final":
                        return edge.target
                    to_visit.append(edge.target)
        return None


# ---- cases


@dataclass
class Answer:
    """What a case gives: (key, ts, {stage: ids}) for matches and timeouts, ids of late events.

    `dropped` counts the partial matches that a cap cost.
    """

    matches: list[tuple[str, float, dict[str, list[int]]]]
    timeouts: list[tuple[str, float, dict[str, list[int]]]]
    late: list[int]
    dropped: int = 0


def run_case(case: dict[str, Any], **options: Any) -> Answer:
    """Run one case; raises `Refused` when the pattern is refused."""
    Automaton(case["pattern"])
    events, late = in_order(case)
    matchers: dict[str, Matcher] = {}
    for event in events:
        key = event["key"]
        if key not in matchers:
            matchers[key] = Matcher(case["pattern"], **options)
        matchers[key].feed(event)
    answer = Answer([], [], late)
    for key, matcher in matchers.items():
        matcher.advance(NEVER)
        answer.matches += [(key, ts, ids(seen)) for ts, seen in matcher.matches]
        answer.timeouts += [(key, ts, ids(seen)) for ts, seen in matcher.timeouts]
        answer.dropped += matcher.dropped
    return answer


def run_as_it_arrives(case: dict[str, Any], **options: Any) -> Answer:
    """Run a case whose events may be late, each taken as it arrives with its own time."""
    matchers: dict[str, Matcher] = {}
    clock = -NEVER
    for order, event in enumerate(case["events"]):
        key = event["key"]
        clock = max(clock, event["ts"])
        if key not in matchers:
            matchers[key] = Matcher(case["pattern"], gap_timers=True, **options)
        matchers[key].arrive(dict(event, order=order), clock)
    answer = Answer([], [], [])
    for key, matcher in matchers.items():
        matcher.advance(NEVER)
        answer.matches += [(key, ts, ids(seen)) for ts, seen in matcher.matches]
        answer.timeouts += [(key, ts, ids(seen)) for ts, seen in matcher.timeouts]
        answer.dropped += matcher.dropped
    return answer


def ids(seen: Seen) -> dict[str, list[int]]:
    return {stage: [event["id"] for event in events] for stage, events in seen.items()}


def in_order(case: dict[str, Any]) -> tuple[list[Event], list[int]]:
    """Sort events by time, dropping late ones; ties in arrival order, or by `tie_break`."""
    delay = case.get("watermark_delay_ms")
    largest, kept, late = -NEVER, [], []
    for arrival, event in enumerate(case["events"]):
        if delay is not None and event["ts"] <= largest - delay - 1:
            late.append(event["id"])
            continue
        largest = max(largest, event["ts"])
        kept.append(dict(event, arrival=arrival))
    tie = case.get("tie_break")
    sign = -1 if tie == "value:desc" else 1
    kept.sort(key=lambda e: (e["ts"], sign * e["value"] if tie else 0, e["arrival"]))
    for order, event in enumerate(kept):
        event["order"] = order
    return kept, late


def disagreement(case: dict[str, Any], answer: Answer | Refused) -> str | None:
    """Return what differs between a case's expected result and an answer; None when nothing does."""
    expected = case["expected"]
    if isinstance(expected, dict):
        if isinstance(answer, Refused):
            same = answer.phase == expected["phase"]
            return None if same else f"refused at {answer.phase}, expected at {expected['phase']}"
        return f"accepted, expected to be refused ({expected['why']})"
    if isinstance(answer, Refused):
        return f"refused ({answer.why}), expected to be accepted"
    wanted = [(m["key"], m["ts"], frozen(m["stages"])) for m in expected]
    found = [(key, ts, frozen(stages)) for key, ts, stages in answer.matches]
    missing, extra = Counter(wanted) - Counter(found), Counter(found) - Counter(wanted)
    if missing or extra:
        return f"missing {sorted(missing.elements())}, not expected {sorted(extra.elements())}"
    for key in {key for key, _, _ in found}:
        if [m[1] for m in wanted if m[0] == key] != [m[1] for m in found if m[0] == key]:
            return f"key {key}: reported in another order"
    if "timeouts" in case:
        wanted_out = Counter()
        for each in case["timeouts"]:
            wanted_out[(each["key"], each["ts"], frozen(each["stages"]))] += each.get("copies", 1)
        found_out = Counter((key, ts, frozen(stages)) for key, ts, stages in answer.timeouts)
        if set(wanted_out) != set(found_out):
            gone, more = set(wanted_out) - set(found_out), set(found_out) - set(wanted_out)
            return f"timeouts: missing {sorted(gone)}, not expected {sorted(more)}"
        if wanted_out != found_out:
            return f"timeouts: copies {wanted_out} against {found_out}"
    if sorted(case.get("late", [])) != sorted(answer.late):
        return f"late: {case.get('late')} expected, {answer.late} found"
    return None


def frozen(stages: dict[str, list[int]]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    return tuple(sorted((name, tuple(events)) for name, events in stages.items()))
