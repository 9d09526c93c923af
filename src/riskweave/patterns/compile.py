"""From patterns as written to flat tables; every PolicyError of the room is raised here.

`PatternsCompiler` is made with the layout and what the room needs of others, takes the patterns one
by one with `add`, gives rules their columns through `column`, and ends with `plan`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np

from riskweave.batch import STAGE_PATTERNS, TYPE_ROW, Layout
from riskweave.document import Node
from riskweave.errors import PolicyError, did_you_mean
from riskweave.expressions.types import Col, Const, Op, Scope, Type, Typed
from riskweave.kernels import patterns as kernel
from riskweave.patterns import laws
from riskweave.patterns.automaton import Automaton, Stage, State, build, stage_of
from riskweave.patterns.formula import (
    ALWAYS,
    NEVER,
    All,
    Atom,
    Formula,
    Iterative,
    Not,
    Some,
    both,
    either,
    formula_of,
    needs,
)
from riskweave.patterns.plan import Ints, Lane, PatternInfo, PatternsPlan
from riskweave.patterns.program import Expressions, Programs, initial_value
from riskweave.patterns.scope import StageScope
from riskweave.patterns.spec import PatternSpec, StageSpec, every_stage

BRANCHES_MAX = 4_000
PATTERNS_MAX = 10_000

_SKIPS = {
    "no_skip": kernel.NO_SKIP,
    "skip_to_next": kernel.SKIP_TO_NEXT,
    "skip_past_last_event": kernel.SKIP_PAST_LAST,
    "skip_to_first": kernel.SKIP_TO_FIRST,
    "skip_to_last": kernel.SKIP_TO_LAST,
}

CheckText = Callable[[Node, Scope], Typed]


@dataclass(slots=True)
class Compiled:
    """A pattern on its way to a table: its spec, its columns, its automaton."""

    spec: PatternSpec
    key_row: int
    hit: Col
    risk: Col
    stages: list[Stage]
    automaton: Automaton
    progress: Col | None = None
    stages_seen: Col | None = None


class PatternsCompiler:
    """Compiles patterns.

    `layout`: where the columns are added. `expressions`: gives columns for typed nodes. `check`:
    parses and checks the text of a condition in a scope, and returns a BOOL node. `scope`: what
    names mean outside of the stages. `key_rows`: the row of `Batch.keys` for every entity role.
    """

    def __init__(
        self,
        layout: Layout,
        expressions: Expressions,
        check: CheckText,
        scope: Scope,
        key_rows: dict[str, int],
    ) -> None:
        self.layout = layout
        self.expressions = expressions
        self.check = check
        self.scope = scope
        self.key_rows = key_rows
        self.patterns: dict[str, Compiled] = {}

    # ---- patterns

    def add(self, spec: PatternSpec) -> None:
        """Compile one pattern; raises PolicyError."""
        if not spec.enabled:
            return
        if spec.name in self.patterns:
            raise PolicyError(f"two patterns are named `{spec.name}`", spec.span)
        if len(self.patterns) >= PATTERNS_MAX:
            raise PolicyError(f"more than {PATTERNS_MAX} patterns", spec.span)
        if spec.key not in self.key_rows:
            hint = did_you_mean(spec.key, self.key_rows) or f"roles: {', '.join(self.key_rows)}"
            raise PolicyError(f"there is no entity role `{spec.key}`", spec.span_of("key"), hint)
        laws.check(spec)
        names = [stage.name for stage in every_stage(spec.stages)]
        scope = StageScope(self.scope, spec, names)
        stages = self._stages(spec.stages, scope, names)
        automaton = build(spec, stages)
        hit = self.layout.add(spec.name, Type.BOOL, STAGE_PATTERNS)
        risk = self.layout.add(f"{spec.name}.risk", Type.FLOAT, STAGE_PATTERNS)
        self.patterns[spec.name] = Compiled(spec, self.key_rows[spec.key], hit, risk, stages, automaton)

    def _stages(self, specs: list[StageSpec], scope: StageScope, names: list[str]) -> list[Stage]:
        stages: list[Stage] = []
        for spec in specs:
            where, until = self._where(spec, scope), None
            if spec.until is not None:
                until = self._formula(spec.until, scope)
            number = names.index(spec.name) if spec.group is None else -1
            stage = stage_of(spec, number, where, until, stages[-1] if stages else None)
            if spec.group is not None:
                stage.group = self._stages(spec.group, scope, names)
            stages.append(stage)
        return stages

    def _where(self, spec: StageSpec, scope: StageScope) -> Formula:
        where: Formula | None = None
        for clause in spec.clauses:
            part = self._formula(clause.condition, scope)
            if where is None:
                where = part
            else:
                where = both(where, part) if clause.joins == "and" else either(where, part)
        if spec.on:
            where = both(Atom(_is_type(spec.on)), ALWAYS if where is None else where)
        return _with_plain_parts_joined(ALWAYS if where is None else where)

    def _formula(self, condition: Node | Typed, scope: StageScope) -> Formula:
        return formula_of(self.check(condition, scope) if isinstance(condition, Node) else condition)

    # ---- columns for others

    def column(self, path: tuple[str, ...]) -> Col | None:
        """Return the column of `NAME`, `NAME.risk`, `NAME.progress`, `NAME.stages`; None: there is none."""
        compiled = self.patterns.get(path[0])
        if compiled is None or len(path) > 2:
            return None
        part = path[1] if len(path) == 2 else ""
        if part == "":
            return compiled.hit
        if part == "risk":
            return compiled.risk
        if part == "progress":
            if compiled.progress is None:
                compiled.progress = self.layout.add(f"{path[0]}.progress", Type.FLOAT, STAGE_PATTERNS)
            return compiled.progress
        if part == "stages":
            if compiled.stages_seen is None:
                compiled.stages_seen = self.layout.add(f"{path[0]}.stages", Type.INT, STAGE_PATTERNS)
            return compiled.stages_seen
        return None

    # ---- the plan

    def plan(self) -> PatternsPlan:
        """Return the frozen plan of all patterns added."""
        by_lane: dict[int | None, list[Compiled]] = {}
        for compiled in self.patterns.values():
            by_lane.setdefault(compiled.spec.late_ms, []).append(compiled)
        numbers = {name: number for number, name in enumerate(self.patterns)}
        infos: dict[int, PatternInfo] = {}
        lanes: list[Lane] = []
        for late_ms, members in by_lane.items():
            lane_compiler = _LaneCompiler(self.expressions, late_ms, members, numbers, len(lanes))
            lanes.append(lane_compiler.compile())
            infos.update(lane_compiler.infos)
        ordered = tuple(infos[number] for number in sorted(infos))
        together = hashlib.sha256("\n".join(info.fingerprint for info in ordered).encode()).hexdigest()
        return PatternsPlan.of(ordered, tuple(lanes), together)


def _is_type(types: tuple[str, ...]) -> Typed:
    column = Col(TYPE_ROW, Type.STRING, 0, "event_type")
    if len(types) == 1:
        return Op("eq", (column, Const(types[0], Type.STRING)), Type.BOOL)
    return Op("in", (column,), Type.BOOL, tuple(sorted(types)))


def _with_plain_parts_joined(where: Formula) -> Formula:
    """Make one bit of conditions on the event alone that stand together."""
    if not isinstance(where, All | Some):
        return where
    plain = [part.node for part in where.parts if isinstance(part, Atom)]
    if len(plain) < 2:
        return where
    op = "and" if isinstance(where, All) else "or"
    rest = tuple(part for part in where.parts if not isinstance(part, Atom))
    return (both if op == "and" else either)(Atom(Op(op, tuple(plain), Type.BOOL)), *rest)


class _LaneCompiler:
    """Lays out the tables of the patterns of one lane."""

    def __init__(
        self,
        expressions: Expressions,
        late_ms: int | None,
        members: list[Compiled],
        numbers: dict[str, int],
        lane: int,
    ) -> None:
        self.late_ms = late_ms
        self.members = members
        self.numbers = numbers
        self.lane = lane
        self.programs = Programs(expressions)
        self.infos: dict[int, PatternInfo] = {}
        self.pattern_rows: list[list[int]] = []
        self.state_rows: list[list[int]] = []
        self.edge_rows: list[list[int]] = []
        self.kept_rows: list[tuple[int, int, int]] = []
        self.kept_start: list[list[float]] = []
        self.bit_rows: list[int] = []
        self.begins: list[tuple[int, int, int]] = []  # role, batch row or -1, pattern
        self.progress: list[int] = []
        self.first_states: list[int] = []
        self.scratch_runs = 4
        self.scratch_work = len(members) + 1

    def compile(self) -> Lane:
        roles = list(dict.fromkeys(each.spec.key for each in self.members))
        for local, compiled in enumerate(self.members):
            self._pattern(local, compiled, roles.index(compiled.spec.key))
        rows, place = self._rows()
        key_rows = {each.spec.key: each.key_row for each in self.members}
        patterns = np.array(self.pattern_rows, np.int64).reshape(-1, kernel.PATTERN_COLUMNS)
        kept_values = np.array(self.kept_rows, np.int64).reshape(-1, kernel.KEPT_COLUMNS)
        for at in range(len(kept_values)):
            kept_values[at, kernel.K_COLUMN] = place(int(kept_values[at, kernel.K_COLUMN]))
        widest = max((len(each) for each in self.kept_start), default=0)
        kept_start = np.zeros((len(self.members), max(widest, 1)))
        for local, values in enumerate(self.kept_start):
            kept_start[local, : len(values)] = values
        programs = self.programs
        tables = (
            patterns,
            np.array(self.state_rows, np.int64).reshape(-1, kernel.STATE_COLUMNS),
            np.array(self.edge_rows, np.int64).reshape(-1, kernel.EDGE_COLUMNS),
            np.array(programs.conditions, np.int64).reshape(-1, 6),
            np.array(programs.code or [(0, 0)], np.int64).reshape(-1, 2),
            np.array(programs.constants or [0.0], np.float64),
            kept_values if len(kept_values) else np.zeros((1, kernel.KEPT_COLUMNS), np.int64),
            np.array([place(row) for row in self.bit_rows] or [0], np.int64),
            self._begin_tables(len(roles), place),
            np.array([place(row) for row in programs.columns] or [0], np.int64),
        )
        return Lane(
            reorder_ms=self.late_ms,
            patterns=tuple(self.numbers[each.spec.name] for each in self.members),
            roles=tuple(roles),
            key_rows=np.array([key_rows[role] for role in roles], np.int64),
            rows=np.array(rows, np.int64),
            tables=tables,
            kept_start=kept_start,
            scratch_runs=self.scratch_runs,
            scratch_work=self.scratch_work,
            progress=tuple(self.progress),
            first_states=tuple(self.first_states),
        )

    def _rows(self) -> tuple[list[int], Callable[[int], int]]:
        """Return the batch rows that are read, and where each is found: a reordered lane has only these."""
        read = {*self.bit_rows, *self.programs.columns, *(row for _, row, _ in self.begins)}
        read |= {row for _, _, row in self.kept_rows}
        rows = sorted(row for row in read if row >= 0)
        if self.late_ms is None:
            return rows, lambda row: row
        places = {row: at for at, row in enumerate(rows)}
        return rows, lambda row: places.get(row, row)

    # ---- one pattern

    def _pattern(self, local: int, compiled: Compiled, role: int) -> None:
        spec, automaton, programs = compiled.spec, compiled.automaton, self.programs
        names = [stage.name for stage in every_stage(spec.stages)]
        positive = [stage.name for stage in every_stage(spec.stages) if not stage.is_not]
        programs.begin_pattern(spec.span, names.index)
        first_state = len(self.state_rows)
        self.first_states.append(first_state)
        bits_start, kept_start = len(self.bit_rows), len(self.kept_rows)
        before = {name: _positives_before(spec, name) for name in names}
        for state in automaton.states:
            self._state(state, first_state, before, len(positive))
        branches, takes, work = _worst_case(automaton, spec)
        self._begin(local, role, automaton, programs)
        self._calm(automaton, first_state, programs)
        self.bit_rows += programs.bit_rows
        self.kept_rows += programs.kept
        self.kept_start.append([initial_value(function) for function, _, _ in programs.kept])
        progress_row = -1
        if compiled.progress is not None or compiled.stages_seen is not None:
            progress_row = len(self.progress)
            self.progress.append(self.numbers[spec.name])
        row = [0] * kernel.PATTERN_COLUMNS
        row[kernel.P_START] = first_state + automaton.start.number
        row[kernel.P_WINDOW_MS] = automaton.window_ms
        row[kernel.P_SKIP] = _SKIPS[spec.skip]
        row[kernel.P_SKIP_STAGE] = names.index(spec.skip_stage) if spec.skip_stage else -1
        row[kernel.P_PARTIALS_MAX] = spec.partials_max
        row[kernel.P_EVENTS_MAX] = spec.events_max
        row[kernel.P_ROLE] = role
        row[kernel.P_BRANCHES] = branches
        row[kernel.P_TAKES] = takes
        row[kernel.P_FINALS] = branches
        row[kernel.P_KEPT_START] = kept_start
        row[kernel.P_KEPT_END] = len(self.kept_rows)
        row[kernel.P_BITS_START] = bits_start
        row[kernel.P_BITS_END] = len(self.bit_rows)
        row[kernel.P_TIMEOUTS] = int(spec.report_timeouts)
        row[kernel.P_PROGRESS_ROW] = progress_row
        self.pattern_rows.append(row)
        self.scratch_runs = max(self.scratch_runs, (spec.partials_max + 2) * (branches + 2))
        self.scratch_work = max(self.scratch_work, work)
        number = self.numbers[spec.name]
        self.infos[number] = PatternInfo(
            name=spec.name,
            number=number,
            lane=self.lane,
            number_in_lane=local,
            role=spec.key,
            key_row=compiled.key_row,
            hit_row=compiled.hit.index,
            risk_row=compiled.risk.index,
            progress_row=-1 if compiled.progress is None else compiled.progress.index,
            stages_row=-1 if compiled.stages_seen is None else compiled.stages_seen.index,
            risk=spec.risk,
            reason=spec.reason,
            stages=tuple(names),
            positive_stages=tuple(positive),
            window_ms=automaton.window_ms,
            first_state=first_state,
            states=len(automaton.states),
            fingerprint=fingerprint(spec),
        )

    def _state(self, state: State, first_state: int, before: dict[str, int], positives: int) -> None:
        row = [0] * kernel.STATE_COLUMNS
        row[kernel.S_KIND] = state.kind
        row[kernel.S_EDGES_START] = len(self.edge_rows)
        for edge in state.edges:
            if edge.when == NEVER:
                continue
            entry = [0] * kernel.EDGE_COLUMNS
            entry[kernel.E_ACTION] = edge.action
            entry[kernel.E_TARGET] = first_state + edge.target.number
            entry[kernel.E_CONDITION] = self.programs.condition(edge.when)
            entry[kernel.E_SOURCE] = -1 if state.stage is None else state.stage.number
            self.edge_rows.append(entry)
        row[kernel.S_EDGES_END] = len(self.edge_rows)
        row[kernel.S_GAP_MS] = state.gap_ms
        row[kernel.S_STAGE] = -1 if state.stage is None else state.stage.number
        name = "" if state.stage is None else state.stage.name
        seen = before.get(name, 0) + int(state.stage_seen)
        row[kernel.S_PROGRESS] = min(seen, positives)
        self.state_rows.append(row)

    def _begin(self, local: int, role: int, automaton: Automaton, programs: Programs) -> None:
        """Find conditions on the event alone without which the pattern cannot begin."""
        gates: set[int] = set()
        to_visit: list[tuple[State, Formula]] = [(automaton.start, ALWAYS)]
        while to_visit:
            state, so_far = to_visit.pop()
            for edge in state.edges:
                when = both(so_far, edge.when)
                if when == NEVER or edge.action == kernel.IGNORE:
                    continue
                if edge.action == kernel.PROCEED:
                    to_visit.append((edge.target, when))
                elif edge.target.kind != kernel.STOP:
                    needed = needs(when)
                    gates.add(programs.row(needed[-1]) if needed else -1)
        if -1 in gates:
            gates = {-1}
        self.begins += [(role, row, local) for row in sorted(gates)]

    def _calm(self, automaton: Automaton, first_state: int, programs: Programs) -> None:
        """Mark states in which nothing happens while none of their conditions holds."""
        for state in automaton.states:
            used, outcome = 0, []
            certain = True
            seen: set[tuple[int, bool]] = set()
            to_visit: list[tuple[State, bool]] = [(state, True)]
            while to_visit:
                here, reached = to_visit.pop()
                if (here.number, reached) in seen:
                    continue
                seen.add((here.number, reached))
                for edge in here.edges:
                    for node in _atoms(edge.when):
                        used |= 1 << programs.bit(node)
                    held = _when_clear(edge.when)
                    certain = certain and held is not None
                    open_now = reached and bool(held)
                    if edge.action == kernel.PROCEED:
                        to_visit.append((edge.target, open_now))
                    elif open_now:
                        outcome.append(edge)
            stays = len(outcome) == 1 and outcome[0].action == kernel.IGNORE and outcome[0].target is state
            row = self.state_rows[first_state + state.number]
            row[kernel.S_CALM] = int(certain and stays and state.kind in (kernel.NORMAL, kernel.PENDING))
            row[kernel.S_USED_BITS] = used

    def _begin_tables(self, roles: int, place: Callable[[int], int]) -> tuple[Ints, Ints, Ints, Ints]:
        """Return per role its gates, and per gate the patterns it lets begin."""
        rows, starts, members, role_starts = [], [0], [], [0]
        for role in range(roles):
            gates = sorted({row for r, row, _ in self.begins if r == role})
            for gate in gates:
                rows.append(place(gate) if gate >= 0 else -1)
                members += [local for r, row, local in self.begins if r == role and row == gate]
                starts.append(len(members))
            role_starts.append(len(rows))
        return tuple(np.array(each or [0], np.int64) for each in (rows, starts, members, role_starts))  # type: ignore[return-value]


def _positives_before(spec: PatternSpec, name: str) -> int:
    count = 0
    for stage in every_stage(spec.stages):
        if stage.name == name:
            break
        count += int(not stage.is_not)
    return count


def _atoms(formula: Formula) -> list[Typed]:
    if isinstance(formula, Atom):
        return [formula.node]
    if isinstance(formula, Not):
        return _atoms(formula.part)
    if isinstance(formula, All | Some):
        return [node for part in formula.parts for node in _atoms(part)]
    return []


def _when_clear(formula: Formula) -> bool | None:
    """Tell whether a formula holds when no condition on the event alone does; None: it depends."""
    if isinstance(formula, Atom):
        return False
    if isinstance(formula, Iterative):
        return None
    if isinstance(formula, Not):
        part = _when_clear(formula.part)
        return None if part is None else not part
    if isinstance(formula, All | Some):
        parts = [_when_clear(part) for part in formula.parts]
        decisive = isinstance(formula, Some)
        if decisive in parts:
            return decisive
        return None if None in parts else not decisive
    return True


def _worst_case(automaton: Automaton, spec: PatternSpec) -> tuple[int, int, int]:
    """Return how many branches and accepted events one partial match can give, and the scratch it takes."""
    branches = takes = work = 0
    for state in automaton.states:
        opened = visited = taken = results = 0
        stack = [state]
        while stack:
            here = stack.pop()
            visited += 1
            for edge in here.edges:
                if edge.action == kernel.PROCEED:
                    stack.append(edge.target)
                else:
                    opened += 1
                    taken += int(edge.action == kernel.TAKE)
                    results += 2 if edge.action == kernel.TAKE else 1
            work = max(work, len(stack) + 1, opened + 1)
            if visited > BRANCHES_MAX or results > BRANCHES_MAX:
                raise PolicyError(
                    f"one event can continue pattern `{spec.name}` in more than {BRANCHES_MAX} ways",
                    spec.span,
                    "use fewer optional stages and nested groups",
                )
        branches, takes = max(branches, results + 1), max(takes, taken)
    return branches, takes, work


def fingerprint(spec: PatternSpec) -> str:
    """Return a hash of what a pattern means: equal for patterns that may share their partial matches."""
    return hashlib.sha256(_told(spec).encode()).hexdigest()


_NO_MEANING = ("span", "spans", "risk", "reason", "enabled", "report_timeouts")


def _told(value: object) -> str:
    if isinstance(value, Node):
        return repr(value.text())
    if isinstance(value, PatternSpec | StageSpec):
        parts = (
            f"{each.name}={_told(getattr(value, each.name))}"
            for each in fields(value)
            if each.name not in _NO_MEANING
        )
        return f"{type(value).__name__}({', '.join(parts)})"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_told, value))}]"
    if hasattr(value, "condition") and hasattr(value, "joins"):
        return f"{value.joins} {_told(value.condition)}"
    return repr(value)
