"""What is known of one decided event, in plain values: what an explanation is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from riskweave.decision.outcome import Outcome
from riskweave.explanation.contributions import Shares
from riskweave.explanation.counterfactuals import Counterfactual
from riskweave.explanation.near_misses import NearRules


@dataclass(frozen=True, slots=True)
class Source:
    """Something that fired, or a value that a model read: a part of a node of evidence.

    `kind` is rule, pattern, table, scorecard, tree, model or feature. `own` is what it would have added
    on its own, in log-odds: a node's amount is shared out near these. `reads` are the fields and
    features that it looks at, the most telling first; `stages` how often each stage of a pattern saw an
    event, over `span_ms`; `listed` the list entries that matched: (list, field, value).
    """

    kind: str
    name: str
    own: float = 0.0
    risk: float | None = None
    reason: Mapping[str, str] = field(default_factory=dict)
    reads: tuple[str, ...] = ()
    stages: tuple[tuple[str, int], ...] = ()
    span_ms: int = 0
    listed: tuple[tuple[str, str, str], ...] = ()
    model: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """A piece of evidence; its amount is shared out over `parts`, and is its own where there are none.

    `reads` are the fields and features that it is made of.
    """

    name: str
    kind: str = "evidence"
    value: object = None
    state: str | None = None
    parts: tuple[Source, ...] = ()
    reads: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Threshold:
    """The least probability (or risk) from which an action is chosen."""

    action: str
    at: float


@dataclass(frozen=True, slots=True)
class PatternProgress:
    """A pattern under way for this event's key: its stages in order, and how many were seen."""

    name: str
    stages: tuple[str, ...]
    seen: int
    left_ms: int | None = None
    reason: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Forced:
    """A floor that lifted the action, or a ceiling that held it down, and the rule it came from."""

    kind: str
    rule: str
    before: str
    after: str
    reason: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Facts:
    """One decided event.

    `values` holds its fields and features by name. `nodes` and `shares` say what moved the log-odds, node
    by node. `column` is the event's column of the batch, for the rules of `near_rules`; `fired` are the
    numbers of those that fired. `counterfactuals` were found by so many `decisions`.
    """

    event_id: str | None
    time_ms: int
    action: str
    score: float
    values: Mapping[str, object]
    nodes: tuple[Node, ...] = ()
    shares: Shares | None = None
    outcome: Outcome | None = None
    forced: tuple[Forced, ...] = ()
    models: tuple[tuple[str, float], ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    near_rules: NearRules | None = None
    column: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    fired: frozenset[int] = frozenset()
    progress: Sequence[PatternProgress] = ()
    counterfactuals: tuple[Counterfactual, ...] = ()
    decisions: int = 0
