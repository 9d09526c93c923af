"""What rules, tables, scorecards and trees are at run time: frozen arrays, and steps that fill columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskweave.batch import Batch
from riskweave.expressions.types import Col
from riskweave.kernels import tables
from riskweave.rules.matcher import Matcher

# Hits up to which a batch keeps the whole buffer that they were found in.
KEPT_MAX = 1024


@dataclass(frozen=True, slots=True)
class Rule:
    """What is told of a rule when it hits. `risk` is None when it is computed."""

    id: str
    when: str
    reason: dict[str, str]
    risk: float | None
    action: str | None
    at_most: str | None
    priority: float
    group: str | None
    description: str
    owner: str
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TablePlan:
    """A decision table: fills its outputs, then `violation` (unique, any) or `count` (the others)."""

    name: str
    outputs: tuple[Col, ...]
    matcher: Matcher
    cells: NDArray[np.float64]
    rank: NDArray[np.int64]
    policy: int
    ordered_by_rank: bool

    def fill(self, batch: Batch) -> None:
        start, rows = self.matcher.match(batch.values)
        out = self.outputs[0].index
        tables.apply_hit_policy(batch.values, start, rows, self.cells, self.rank, self.policy, out)

    def rows_of(self, batch: Batch, event: int) -> list[int]:
        """Return the rows (from 0) that event matched, in the order of the hit policy.

        Asks again: the columns that the table reads are still in the batch.
        """
        start, rows = self.matcher.match(np.ascontiguousarray(batch.values[:, event : event + 1]))
        found = [int(row) for row in rows[: start[1]]]
        return sorted(found, key=lambda row: int(self.rank[row])) if self.ordered_by_rank else found


@dataclass(frozen=True, slots=True)
class ScorecardPlan:
    """A scorecard: fills `points`."""

    name: str
    points: Col
    base: float
    attributes: NDArray[np.int64]
    cuts: NDArray[np.float64]
    band_points: NDArray[np.float64]
    best: NDArray[np.float64]
    names: tuple[str, ...]
    texts: tuple[dict[str, str], ...]
    reasons_max: int

    def fill(self, batch: Batch) -> None:
        tables.add_points(
            batch.values, self.attributes, self.cuts, self.band_points, self.base, self.points.index
        )

    def points_of(self, batch: Batch, event: int) -> list[float]:
        """Return the points that each attribute earned."""
        earned = []
        for index, (row, low, high) in enumerate(self.attributes.tolist()):
            value = float(batch.values[row, event])
            below = 0 if np.isnan(value) else int(np.searchsorted(self.cuts[low:high], value, side="right"))
            earned.append(float(self.band_points[low + index + below]))
        return earned


@dataclass(frozen=True, slots=True)
class Reason:
    """An attribute that cost points: how many against its best band, and what is said about it."""

    attribute: str
    lost: float
    points: float
    text: dict[str, str]


def reasons(plan: ScorecardPlan, batch: Batch, event: int) -> list[Reason]:
    """Return what cost an event the most points, the dearest first (ties as the card lists them)."""
    found = [
        Reason(plan.names[index], float(plan.best[index]) - points, points, plan.texts[index])
        for index, points in enumerate(plan.points_of(batch, event))
    ]
    found.sort(key=lambda reason: -reason.lost)
    return [reason for reason in found if reason.lost > 0][: plan.reasons_max]


@dataclass(frozen=True, slots=True)
class TreePlan:
    """A decision tree: fills its outputs, then the number of the leaf."""

    name: str
    outputs: tuple[Col, ...]
    branches: NDArray[np.int64]
    bounds: NDArray[np.float64]
    leaves: NDArray[np.float64]
    texts: tuple[dict[str, str], ...]

    def fill(self, batch: Batch) -> None:
        tables.walk_tree(batch.values, self.branches, self.bounds, self.leaves, self.outputs[0].index)

    def reason_of(self, batch: Batch, event: int) -> dict[str, str]:
        """Return what the leaf that event reached says."""
        return self.texts[int(batch.values[self.outputs[-1].index, event])]


@dataclass(frozen=True, slots=True)
class CopyPlan:
    """A computed column under the name that others know it by."""

    name: str
    source: int
    target: int

    def fill(self, batch: Batch) -> None:
        batch.values[self.target] = batch.values[self.source]


Filler = TablePlan | ScorecardPlan | TreePlan | CopyPlan


@dataclass(frozen=True, slots=True)
class RulesPlan:
    """Everything that experts wrote, ready to run.

    `stages[s]` are the tables, scorecards and trees that fill columns of stage s; rules come at
    `stage`, after all of them. `risks` are the outputs that their authors called risk.
    """

    rules: tuple[Rule, ...]
    matcher: Matcher
    stage: int
    risk: Col
    floor: Col
    ceiling: Col
    stages: dict[int, tuple[Filler, ...]]
    risks: dict[str, Col]

    def table(self, name: str) -> Filler:
        """Return the table, scorecard or tree of that name."""
        for fillers in self.stages.values():
            for each in fillers:
                if each.name == name and not isinstance(each, CopyPlan):
                    return each
        raise KeyError(name)


def step_stage(plan: RulesPlan, stage: int, batch: Batch) -> None:
    """Fill the columns of the tables, scorecards and trees of one stage."""
    for each in plan.stages.get(stage, ()):
        each.fill(batch)


def step(plan: RulesPlan, batch: Batch) -> None:
    """Fill each event's hits that count, and the columns `rules.risk`, `rules.floor`, `rules.ceiling`."""
    start, found = plan.matcher.match(batch.values)
    used = found[: start[-1]]
    batch.hit_start = start
    # The buffer of a large batch is larger than its hits: a batch that is kept should not keep it.
    batch.hit_rule = used if found.size <= KEPT_MAX else used.copy()
