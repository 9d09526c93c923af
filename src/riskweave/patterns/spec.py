"""What the analyst wrote: patterns and their stages, read from the policy section `patterns:`.

The words are those of Apache Flink CEP in snake case. Where a stage stands in its list, the word
before its name says how it follows: `begin`, `next`, `followed_by`, `followed_by_any`, `not_next`,
`not_followed_by`. In place of a name there may be a list of stages: a group.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from riskweave.document import Node
from riskweave.errors import PolicyError, Span, did_you_mean
from riskweave.expressions.types import Typed

CONTIGUITIES = ("begin", "next", "followed_by", "followed_by_any", "not_next", "not_followed_by")
GROUP_CONTIGUITIES = ("begin", "next", "followed_by", "followed_by_any")
SKIPS = ("no_skip", "skip_to_next", "skip_past_last_event", "skip_to_first", "skip_to_last")
STAGES_MAX = 64
TIMES_MAX = 1_000

PARTIALS_MAX = 200
EVENTS_MAX = 2_000
PARTIALS_LIMIT = 100_000
EVENTS_LIMIT = 10_000_000


@dataclass(frozen=True, slots=True)
class Clause:
    """One condition of a stage: `joins` the ones before by `and` or `or`; text of the policy, or typed."""

    joins: str
    condition: Node | Typed


@dataclass(frozen=True, slots=True)
class Times:
    """How often a stage is taken; `most` None means without limit, `least` 0 that it may be left out."""

    least: int
    most: int | None


@dataclass(slots=True)
class StageSpec:
    """One stage, or a group of stages, as written."""

    contiguity: str
    name: str = ""
    on: tuple[str, ...] = ()
    clauses: list[Clause] = field(default_factory=list)
    times: Times | None = None
    optional: bool = False
    greedy: bool = False
    consecutive: bool = False
    allow_combinations: bool = False
    until: Node | Typed | None = None
    within_ms: int | None = None
    within_previous_ms: int | None = None
    group: list[StageSpec] | None = None
    span: Span = field(default_factory=Span)
    spans: dict[str, Span] = field(default_factory=dict)

    @property
    def is_not(self) -> bool:
        return self.contiguity in ("not_next", "not_followed_by")

    @property
    def loops(self) -> bool:
        """Tell whether the stage may be taken without limit."""
        return self.times is not None and self.times.most is None

    def span_of(self, key: str) -> Span:
        """Return where a key of the stage stands."""
        return self.spans.get(key, self.span)


@dataclass(slots=True)
class PatternSpec:
    """One pattern, as written."""

    name: str
    key: str
    stages: list[StageSpec]
    within_ms: int | None = None
    skip: str = "no_skip"
    skip_stage: str = ""
    skip_missing: str = "nothing"
    late_ms: int | None = None
    partials_max: int = PARTIALS_MAX
    events_max: int = EVENTS_MAX
    report_timeouts: bool = False
    risk: float = 1.0
    reason: dict[str, str] = field(default_factory=dict)
    enabled: bool = True
    span: Span = field(default_factory=Span)
    spans: dict[str, Span] = field(default_factory=dict)

    def span_of(self, key: str) -> Span:
        """Return where a key of the pattern stands."""
        return self.spans.get(key, self.span)


_PATTERN_KEYS = (
    "key", "stages", "within", "skip", "late", "keep", "timeouts", "risk", "reason", "enabled", "description",
)  # fmt: skip


def read_patterns(section: Node | None) -> list[PatternSpec]:
    """Read the section `patterns:`; an absent one is no patterns."""
    if section is None:
        return []
    return [read_pattern(name, node, section.key_span(name)) for name, node in section.items()]


def read_pattern(name: str, node: Node, span: Span) -> PatternSpec:
    """Read one pattern."""
    node.only(*_PATTERN_KEYS)
    if not name.isidentifier():
        raise PolicyError(f"`{name}` cannot name a pattern", span, "use letters, digits and _")
    spec = PatternSpec(name, node.need("key").text(), read_stages(node.need("stages")), span=span)
    spec.spans = {key: value.span for key, value in node.items()}
    within = node.get("within")
    if within is not None:
        spec.within_ms = within.duration_ms()
    _read_skip(spec, node.get("skip"))
    late = node.get("late")
    if late is not None:
        spec.late_ms = _reorder_ms(late)
    keep = node.get("keep")
    if keep is not None:
        keep.only("partial_matches", "events")
        partials, events = keep.get("partial_matches"), keep.get("events")
        if partials is not None:
            spec.partials_max = partials.integer(1, PARTIALS_LIMIT)
        if events is not None:
            spec.events_max = events.integer(1, EVENTS_LIMIT)
    timeouts = node.get("timeouts")
    if timeouts is not None:
        spec.report_timeouts = timeouts.choice("report", "ignore") == "report"
    risk = node.get("risk")
    if risk is not None:
        spec.risk = risk.number(0.0, 1.0)
    reason = node.get("reason")
    if reason is not None:
        spec.reason = reason.by_language()
    enabled = node.get("enabled")
    if enabled is not None:
        spec.enabled = enabled.flag()
    return spec


def _reorder_ms(node: Node) -> int:
    words = node.text().split()
    if len(words) == 2 and words[0] == "reorder":
        wait = Node(words[1], node.span, node.path)
        return wait.duration_ms()
    raise node.error(f"`late` is `{node.text()}`", "write `late: reorder 5s`, or leave it out")


def _read_skip(spec: PatternSpec, node: Node | None) -> None:
    """Read `skip: skip_to_next`, or `skip: {skip_to_first: stage, missing: error}`."""
    if node is None:
        return
    if not node.is_map:
        spec.skip = node.choice(*SKIPS)
        if spec.skip in ("skip_to_first", "skip_to_last"):
            raise node.error(f"`{spec.skip}` needs a stage", f"write `skip: {{{spec.skip}: STAGE}}`")
        return
    node.only("skip_to_first", "skip_to_last", "missing")
    chosen = [key for key in ("skip_to_first", "skip_to_last") if key in node]
    if len(chosen) != 1:
        raise node.error("`skip` needs one of `skip_to_first` and `skip_to_last`")
    spec.skip = chosen[0]
    spec.skip_stage = node.need(chosen[0]).text()
    spec.spans["skip_stage"] = node.need(chosen[0]).span
    missing = node.get("missing")
    if missing is not None:
        spec.skip_missing = missing.choice("nothing", "error")


def read_stages(node: Node, depth: int = 0) -> list[StageSpec]:
    """Read a list of stages."""
    elements = node.elements()
    if not elements:
        raise node.error("a pattern needs a stage", "write `- begin: NAME`")
    if len(elements) > STAGES_MAX:
        raise node.error(f"more than {STAGES_MAX} stages", "split the pattern")
    if depth > 8:
        raise node.error("groups are nested too deeply", "at most 8 deep")
    stages = [_read_stage(each, depth) for each in elements]
    for at, stage in enumerate(stages):
        if (stage.contiguity == "begin") != (at == 0):
            first = "the first stage of a list is its `begin`"
            raise PolicyError(
                f"stage {at + 1} is written with `{stage.contiguity}`",
                stage.span,
                first if at == 0 else f"{first}; here stands one of {', '.join(CONTIGUITIES[1:])}",
            )
    return stages


_STAGE_KEYS = (
    "on", "where", "or_where", "times", "times_or_more", "one_or_more", "optional", "greedy", "consecutive",
    "allow_combinations", "until", "within", "within_previous",
)  # fmt: skip


def _read_stage(node: Node, depth: int) -> StageSpec:
    node.only(*CONTIGUITIES, *_STAGE_KEYS)
    words = [word for word in CONTIGUITIES if word in node]
    if len(words) != 1:
        raise node.error(
            "a stage is named behind one word that says how it follows",
            f"write one of {', '.join(CONTIGUITIES)}, as in `- followed_by: large`",
        )
    word = words[0]
    named = node.need(word)
    stage = StageSpec(word, span=node.key_span(word))
    stage.spans = {key: value.span for key, value in node.items()}
    if named.is_list:
        if word not in GROUP_CONTIGUITIES:
            raise named.error(
                f"a group cannot stand behind `{word}`", "a NOT stage has a name and a condition"
            )
        stage.group = read_stages(named, depth + 1)
    else:
        stage.name = named.text()
        stage.span = named.span
        if not stage.name.isidentifier():
            raise named.error(f"`{stage.name}` cannot name a stage", "use letters, digits and _")
    on = node.get("on")
    if on is not None:
        stage.on = tuple(on.texts())
    for key, joins in (("where", "and"), ("or_where", "or")):
        where = node.get(key)
        if where is not None:
            for each in where.elements() if where.is_list else [where]:
                each.text()
                stage.clauses.append(Clause(joins, each))
    stage.times = _read_times(node)
    for flag in ("optional", "greedy", "consecutive", "allow_combinations"):
        value = node.get(flag)
        if value is not None:
            setattr(stage, flag, value.flag())
    until = node.get("until")
    if until is not None:
        until.text()
        stage.until = until
    within, gap = node.get("within"), node.get("within_previous")
    if within is not None:
        stage.within_ms = within.duration_ms()
    if gap is not None:
        stage.within_previous_ms = gap.duration_ms()
    return stage


def _read_times(node: Node) -> Times | None:
    given = [
        key
        for key in ("times", "times_or_more", "one_or_more")
        if (value := node.get(key)) is not None and not (key == "one_or_more" and not value.flag())
    ]
    if len(given) > 1:
        raise PolicyError(
            f"a stage has `{given[0]}` and `{given[1]}`",
            node.key_span(given[1]),
            "a stage takes one quantifier",
        )
    if not given:
        return None
    if given[0] == "one_or_more":
        return Times(1, None)
    value = node.need(given[0])
    if given[0] == "times_or_more":
        return Times(value.integer(-TIMES_MAX, TIMES_MAX), None)
    if value.is_list:
        bounds = value.elements()
        if len(bounds) != 2:
            raise value.error("`times` takes one number or two", "write `times: 3` or `times: [2, 4]`")
        return Times(bounds[0].integer(-TIMES_MAX, TIMES_MAX), bounds[1].integer(-TIMES_MAX, TIMES_MAX))
    number = value.integer(-TIMES_MAX, TIMES_MAX)
    # A single 0 is not "may be left out": Flink refuses it, and so does `laws.py`.
    return Times(number, number)


def every_stage(stages: list[StageSpec]) -> list[StageSpec]:
    """Return the stages with names, those inside groups too, in the order written."""
    found: list[StageSpec] = []
    for stage in stages:
        found += [stage] if stage.group is None else every_stage(stage.group)
    return found


def unknown_stage(name: str, stages: list[StageSpec]) -> str:
    """Return a hint for a stage name that does not exist."""
    names = [stage.name for stage in stages if stage.group is None]
    return did_you_mean(name, names) or f"stages: {', '.join(names)}"
