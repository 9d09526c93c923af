"""What Flink CEP refuses, refused here: each law is a function that raises a PolicyError.

`check(spec)` runs them all; the first that is broken speaks. A message says what is wrong, the hint
what to write instead.
"""

from __future__ import annotations

from collections.abc import Iterator

from riskweave.errors import PolicyError, Span
from riskweave.patterns.spec import PatternSpec, StageSpec, every_stage, unknown_stage


def check(spec: PatternSpec) -> None:
    """Raise when the pattern breaks a law."""
    for stages in _lists(spec.stages):
        for before, stage in zip([None, *stages], stages, strict=False):
            _not_takes_no_quantifier(stage)
            _quantifiers_fit(stage)
            _optional_stands_well(before, stage)
            _until_ends_a_loop(stage)
            _groups_have_no_condition(stage)
    _names_are_unique(spec)
    _skip_names_a_stage(spec)
    _absence_has_an_end(spec)
    _gap_fits_the_window(spec)
    _groups_that_repeat_take_something(spec)


def window_ms(spec: PatternSpec) -> int:
    """Return the window of the whole pattern: the smallest of all given; 0 when there is none.

    A window of the pattern stands in place of one on its last stage. Inside a group, a window on the
    last stage does not count.
    """
    last = spec.within_ms if spec.within_ms is not None else spec.stages[-1].within_ms
    given = [last, *_counted_windows(spec.stages)]
    least = min((each for each in given if each is not None), default=0)
    return max(least, 0)


def _counted_windows(stages: list[StageSpec]) -> Iterator[int | None]:
    for stage in stages[:-1]:
        yield stage.within_ms
    for stage in stages:
        if stage.group is not None:
            yield from _counted_windows(stage.group)


def may_be_left_out(stage: StageSpec) -> bool:
    """Tell whether the stage itself is optional."""
    return stage.optional or (stage.times is not None and stage.times.least == 0)


def _lists(stages: list[StageSpec]) -> Iterator[list[StageSpec]]:
    yield stages
    for stage in stages:
        if stage.group is not None:
            yield from _lists(stage.group)


def _refuse(message: str, span: Span, hint: str) -> None:
    raise PolicyError(message, span, hint)


def _not_takes_no_quantifier(stage: StageSpec) -> None:
    if not stage.is_not:
        return
    inner = stage.consecutive or stage.allow_combinations
    for key, given in (
        ("times", stage.times is not None),
        ("optional", stage.optional),
        ("greedy", stage.greedy),
        ("until", stage.until is not None),
        ("consecutive" if stage.consecutive else "allow_combinations", inner),
    ):
        if given:
            _refuse(
                f"`{stage.contiguity}: {stage.name}` has `{key}`, but a NOT stage takes no quantifier",
                stage.span_of(key),
                "say in `where` which event must not come",
            )


def _quantifiers_fit(stage: StageSpec) -> None:
    times = stage.times
    if times is None:
        for key in ("consecutive", "allow_combinations", "greedy"):
            if getattr(stage, key):
                _refuse(
                    f"`{key}` needs a quantifier",
                    stage.span_of(key),
                    "add `times: N`, `one_or_more: true` or `times_or_more: N`",
                )
        return
    span = stage.span_of("times_or_more" if times.most is None else "times")
    if times.least < 0 or (times.least == 0 and times.most in (None, 0)) or (times.most or 1) < 0:
        _refuse("`times` must be positive", span, "write `optional: true` for a stage that may be left out")
    if times.most is not None and times.most < times.least:
        _refuse(f"`times` from {times.least} to {times.most}", span, "write the smaller number first")
    if stage.greedy and stage.group is not None:
        _refuse("a group cannot be greedy", stage.span_of("greedy"), "make the stages inside greedy")
    if stage.consecutive and stage.allow_combinations:
        _refuse(
            "a loop is `consecutive` or `allow_combinations`, not both",
            stage.span_of("allow_combinations"),
            "leave one of them out",
        )
    if stage.greedy and stage.allow_combinations:
        _refuse(
            "`greedy` with `allow_combinations`: Flink takes it or not depending on the order of the calls",
            stage.span_of("greedy"),
            "leave one of them out",
        )


def _optional_stands_well(before: StageSpec | None, stage: StageSpec) -> None:
    if stage.optional and stage.times is not None and stage.times.least == 0:
        _refuse(
            "a stage taken 0 times and `optional` says the same twice",
            stage.span_of("optional"),
            "leave `optional` out",
        )
    if before is None:
        return
    if stage.is_not and may_be_left_out(before):
        _refuse(
            f"`{stage.contiguity}: {stage.name}` stands behind a stage that may be left out",
            stage.span_of(stage.contiguity),
            "write two patterns, one with and one without the optional stage",
        )
    if stage.optional and before.greedy:
        _refuse(
            "an optional stage stands behind a greedy one",
            stage.span_of("optional"),
            "leave `greedy` out, or write two patterns",
        )


def _until_ends_a_loop(stage: StageSpec) -> None:
    if stage.until is not None and not stage.loops:
        _refuse(
            "`until` ends a loop, and this stage is none",
            stage.span_of("until"),
            "add `one_or_more: true` or `times_or_more: N`",
        )


def _groups_have_no_condition(stage: StageSpec) -> None:
    if stage.group is not None and (stage.clauses or stage.on):
        _refuse(
            "a group has no condition",
            stage.span_of("where" if stage.clauses else "on"),
            "write it on the stages inside",
        )


def _names_are_unique(spec: PatternSpec) -> None:
    seen: set[str] = set()
    for stage in every_stage(spec.stages):
        if ":" in stage.name:
            _refuse(f"`{stage.name}` has a colon", stage.span, "Flink would cut the name there: leave it out")
        if stage.name in seen:
            _refuse(f"two stages are named `{stage.name}`", stage.span, "a name stands once, groups included")
        seen.add(stage.name)


def _skip_names_a_stage(spec: PatternSpec) -> None:
    if spec.skip not in ("skip_to_first", "skip_to_last"):
        return
    span = spec.spans.get("skip_stage", spec.span_of("skip"))
    if spec.skip_stage in [stage.name for stage in spec.stages if stage.group is None]:
        return
    if spec.skip_stage in [stage.name for stage in every_stage(spec.stages)]:
        _refuse(
            f"`{spec.skip_stage}` stands inside a group",
            span,
            f"`{spec.skip}` takes a stage outside of groups",
        )
    _refuse(f"there is no stage `{spec.skip_stage}`", span, unknown_stage(spec.skip_stage, spec.stages))


def _absence_has_an_end(spec: PatternSpec) -> None:
    last = spec.stages[-1]
    if last.contiguity == "not_followed_by" and window_ms(spec) == 0 and (last.within_previous_ms or 0) <= 0:
        _refuse(
            f"`not_followed_by: {last.name}` ends the pattern without a time limit",
            last.span_of(last.contiguity),
            "add `within: 10m` to the pattern, or `within_previous: 10m` to this stage",
        )


def _gap_fits_the_window(spec: PatternSpec) -> None:
    window = window_ms(spec)
    for stage in every_stage(spec.stages):
        gap = stage.within_previous_ms
        if gap is not None and stage.times is None and 0 < window < gap:
            _refuse(
                f"`within_previous` ({gap} ms) is longer than the pattern's window ({window} ms)",
                stage.span_of("within_previous"),
                "make it shorter, or the window longer",
            )


def _groups_that_repeat_take_something(spec: PatternSpec) -> None:
    """A loop without limit around nothing never ends; Flink hangs on it."""
    for stages in _lists(spec.stages):
        for stage in stages:
            if stage.group is not None and stage.loops and all(map(_takes_nothing, stage.group)):
                _refuse(
                    "a loop without limit around a group whose stages can all be left out",
                    stage.span,
                    "let one stage of the group be required",
                )


def _takes_nothing(stage: StageSpec) -> bool:
    if stage.is_not or may_be_left_out(stage):
        return True
    return stage.group is not None and all(map(_takes_nothing, stage.group))
