"""What `riskweave check` says about patterns that are allowed, and still hardly meant.

A finding is a warning with a place and a way out: a pattern that can never complete, one whose
partial matches live for ever, a stage that every event meets.
"""

from __future__ import annotations

from dataclasses import dataclass

from riskweave.errors import Span
from riskweave.kernels.patterns import FINAL, PENDING, STOP
from riskweave.patterns.automaton import Stage, State
from riskweave.patterns.compile import Compiled, PatternsCompiler
from riskweave.patterns.formula import ALWAYS, NEVER
from riskweave.patterns.spec import StageSpec, every_stage


@dataclass(frozen=True, slots=True)
class Finding:
    """A warning: `kind` is `never`, `unbounded`, `many` or `no_effect`."""

    kind: str
    pattern: str
    message: str
    span: Span
    hint: str

    def __str__(self) -> str:
        return f"{self.span.place()}: pattern `{self.pattern}` {self.message}\n  {self.hint}"


def findings(compiler: PatternsCompiler) -> list[Finding]:
    """Return what is doubtful in the patterns of a compiler, in their order."""
    found: list[Finding] = []
    for compiled in compiler.patterns.values():
        found += _never(compiled) or [*_unbounded(compiled), *_many(compiled), *_no_effect(compiled)]
    return found


def _finding(
    compiled: Compiled, kind: str, message: str, hint: str, stage: StageSpec | None = None
) -> Finding:
    span = compiled.spec.span if stage is None else stage.span
    return Finding(kind, compiled.spec.name, message, span, hint)


def _never(compiled: Compiled) -> list[Finding]:
    """A pattern that no stream can complete."""
    if _completes(compiled.automaton.start):
        return []
    for stage in _all_stages(compiled.stages):
        if stage.where == NEVER and not stage.spec.is_not:
            message = f"can never complete: no event meets stage `{stage.name}`"
            return [_finding(compiled, "never", message, "correct its condition", stage.spec)]
        if stage.where == ALWAYS and stage.spec.is_not:
            message = f"can never complete: every event meets the NOT stage `{stage.name}`"
            return [
                _finding(compiled, "never", message, "say in `where` which event must not come", stage.spec)
            ]
    return [_finding(compiled, "never", "can never complete", "its conditions exclude each other")]


def _completes(start: State) -> bool:
    seen: set[int] = set()
    to_visit = [start]
    while to_visit:
        state = to_visit.pop()
        if state.number in seen:
            continue
        seen.add(state.number)
        if state.kind in (FINAL, PENDING):
            # An absence that every event breaks completes only where no event comes at all.
            return True
        if any(edge.target.kind == STOP and edge.when == ALWAYS for edge in state.edges):
            continue
        to_visit += [edge.target for edge in state.edges if edge.when != NEVER and edge.target.kind != STOP]
    return False


def _unbounded(compiled: Compiled) -> list[Finding]:
    """Partial matches that nothing ends: only the caps bound them."""
    spec = compiled.spec
    if compiled.automaton.window_ms or len(compiled.automaton.states) <= 2:
        return []
    waits = [
        state for state in compiled.automaton.states if state.edges and state is not compiled.automaton.start
    ]
    strict = all(edge.target is not state for state in waits for edge in state.edges)
    if strict:
        return []
    loops = [stage for stage in every_stage(spec.stages) if stage.loops and stage.until is None]
    what = f", and stage `{loops[0].name}` collects events without limit" if loops else ""
    return [
        _finding(
            compiled,
            "unbounded",
            f"keeps partial matches for ever{what}",
            f"add `within: 24h`; now only the caps bound it: {spec.partials_max} partial matches and "
            f"{spec.events_max} events per key",
        )
    ]


def _many(compiled: Compiled) -> list[Finding]:
    """Combinations without limit: the number of partial matches doubles with every event."""
    return [
        _finding(
            compiled,
            "many",
            f"doubles its partial matches with every event of stage `{stage.name or 'group'}`",
            "leave `allow_combinations` out, or limit it with `times: [1, 3]`",
            stage,
        )
        for stage in _specs(compiled.spec.stages)
        if stage.allow_combinations
        and (stage.loops or (stage.times is not None and (stage.times.most or 0) > 8))
    ]


def _no_effect(compiled: Compiled) -> list[Finding]:
    """What Flink accepts and does nothing with."""
    found = []
    spec = compiled.spec
    for before, stage in zip(spec.stages, spec.stages[1:], strict=False):
        if before.contiguity == "not_followed_by" and stage.contiguity == "not_next":
            message = (
                f"has `not_followed_by: {before.name}` right before a `not_next`, where it has no effect"
            )
            found.append(_finding(compiled, "no_effect", message, "put a stage between them", before))
    for stage in _specs(spec.stages):
        if stage.times is not None and stage.within_previous_ms is not None:
            named = stage.name or "group"
            message = f"has `within_previous` on `{named}`, which repeats: it has no effect there"
            found.append(_finding(compiled, "no_effect", message, "compare event times in `where`", stage))
    skipped = [stage for stage in spec.stages if stage.name == spec.skip_stage and stage.is_not]
    if spec.skip_stage and skipped:
        message = f"skips to the NOT stage `{spec.skip_stage}`, which accepts no event: nothing is discarded"
        found.append(_finding(compiled, "no_effect", message, "name a stage that takes events"))
    return found


def _specs(stages: list[StageSpec]) -> list[StageSpec]:
    return [each for stage in stages for each in (stage, *_specs(stage.group or []))]


def _all_stages(stages: list[Stage]) -> list[Stage]:
    return [each for stage in stages for each in (stage, *_all_stages(stage.group or []))]
