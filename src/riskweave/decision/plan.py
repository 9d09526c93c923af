"""The plan of a decision: bands over risks, a weighted sum of them, or expected utility."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from riskweave.batch import Batch
from riskweave.decision.belief import Belief
from riskweave.decision.spec import Bands
from riskweave.decision.state import DecisionState
from riskweave.expressions.types import Type
from riskweave.kernels import bands as bands_kernel
from riskweave.kernels import decide as kernel

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Number:
    """A number of the policy: a row of the batch's values, or (row -1) a constant."""

    row: int
    const: float


@dataclass(frozen=True, slots=True)
class Bound:
    """A floor or a ceiling of the section: while the condition in `row` holds."""

    name: str
    row: int
    action: int
    reason: dict[str, str]


@dataclass(frozen=True, slots=True)
class BoundsPlan:
    """What may be chosen: the rules' floor and ceiling, and the section's own."""

    floor_row: int
    ceiling_row: int
    floors: tuple[Bound, ...] = ()
    ceilings: tuple[Bound, ...] = ()
    floor_table: Ints = field(init=False)
    ceiling_table: Ints = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "floor_table", _bound_table(self.floors))
        object.__setattr__(self, "ceiling_table", _bound_table(self.ceilings))

    @property
    def own_rows(self) -> tuple[int, ...]:
        """Return the rows of the section's own conditions."""
        return (*(each.row for each in self.floors), *(each.row for each in self.ceilings))


def _bound_table(bounds: Sequence[Bound]) -> Ints:
    return np.array([[each.row, each.action] for each in bounds], np.int64).reshape(-1, 2)


@dataclass(frozen=True, slots=True)
class EvidenceColumn:
    """A node of evidence and the column of its value."""

    node: str
    row: int
    type: Type


@dataclass(frozen=True, slots=True)
class Adjustment:
    """A condition with what it changes: (number, 0 multiply or 1 add, operand), or a move of the action."""

    name: str
    row: int
    changes: tuple[tuple[int, int, Number], ...]
    move: tuple[int, int] | None
    reason: dict[str, str]


@dataclass(frozen=True, slots=True)
class Test:
    """A test: its results with their chances under fraud and without; `action` -1 if it is none."""

    name: str
    row: int
    cost: Number
    results: tuple[tuple[str, float, float], ...]
    action: int

    # pytest collects classes of this name otherwise.
    __test__ = False


@dataclass(frozen=True, slots=True)
class Hysteresis:
    """Whose last action stays, and while the best is not better by more than `margin`."""

    role: str
    key_row: int
    margin: Number
    for_ms: int
    keys: int

    @property
    def identity(self) -> tuple[str, int]:
        """Return what a state must have in common to be carried over."""
        return self.role, self.keys


@dataclass(frozen=True)
class MaximumPlan:
    """The score is the greatest risk of `risk_rows`; bands give the action."""

    bounds: BoundsPlan
    risk_rows: Ints
    thresholds: Floats

    @property
    def integrator(self) -> str:
        return "maximum"

    @property
    def kept_rows(self) -> tuple[int, ...]:
        return self.bounds.own_rows

    def step(self, state: DecisionState, batch: Batch) -> None:
        bounds = self.bounds
        bands_kernel.act(
            batch.values,
            self.risk_rows,
            bounds.floor_row,
            bounds.ceiling_row,
            self.thresholds,
            batch.score,
            batch.action,
        )
        if bounds.floors or bounds.ceilings:
            kernel.bound(
                batch.values,
                bounds.floor_table,
                bounds.ceiling_table,
                bounds.floor_row,
                bounds.ceiling_row,
                batch.action,
            )


@dataclass(frozen=True)
class WeightedPlan:
    """The score is a weighted sum of rules (with tables, cards, trees), patterns and a model."""

    bounds: BoundsPlan
    risk_rows: Ints
    pattern_row: int
    model_row: int
    weights: Floats
    thresholds: Floats

    @property
    def integrator(self) -> str:
        return "weighted"

    @property
    def kept_rows(self) -> tuple[int, ...]:
        return self.bounds.own_rows

    def step(self, state: DecisionState, batch: Batch) -> None:
        kernel.act_weighted(
            batch.values,
            self.risk_rows,
            self.pattern_row,
            self.model_row,
            self.weights,
            self.bounds.floor_row,
            self.bounds.ceiling_row,
            self.bounds.floor_table,
            self.bounds.ceiling_table,
            self.thresholds,
            batch.score,
            batch.action,
        )


@dataclass(frozen=True)
class UtilityPlan:
    """The action with the greatest expected utility, given the belief.

    `out` is the first of the rows that the kernel fills (see `kernels/decide.py`); `numbers[s]` are
    the costs of set s, in the order of `money.NUMBERS`, then the price of a review's capacity.
    """

    bounds: BoundsPlan
    out: int
    belief: Belief
    evidence: tuple[EvidenceColumn, ...]
    sets: tuple[str, ...]
    set_when: Ints
    numbers: tuple[tuple[Number, ...], ...]
    priced: NDArray[np.uint8]
    defaults: Floats
    limits: Ints
    adjustments: tuple[Adjustment, ...]
    tests: tuple[Test, ...]
    ask: bool
    per_hour: float | None
    price: float
    hysteresis: Hysteresis | None
    tables: Tables = field(init=False)
    kept_rows: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tables", Tables.of(self))
        object.__setattr__(self, "kept_rows", tuple(dict.fromkeys(self._rows_told())))

    @property
    def integrator(self) -> str:
        return "utility"

    def _rows_told(self) -> list[int]:
        """Return the rows from which a decision can be told again."""
        rows = [*range(self.out, self.out + kernel.OUTS), self.bounds.floor_row, self.bounds.ceiling_row]
        rows += [*self.bounds.own_rows, *self.belief.rows]
        rows += [each.row for each in self.evidence]
        rows += [number.row for numbers in self.numbers for number in numbers]
        for adjustment in self.adjustments:
            rows += [adjustment.row, *(number.row for _, _, number in adjustment.changes)]
        for test in self.tests:
            rows += [test.row, test.cost.row]
        if self.hysteresis is not None:
            rows.append(self.hysteresis.margin.row)
        return [row for row in rows if row >= 0]

    def step(self, state: DecisionState, batch: Batch) -> None:
        self.belief.fill(batch, self.out)
        tables, bounds = self.tables, self.bounds
        kernel.act_by_utility(
            batch.values,
            batch.keys,
            batch.time_ms,
            self.out,
            bounds.floor_row,
            bounds.ceiling_row,
            self.set_when,
            tables.set_rows,
            tables.set_consts,
            self.priced,
            self.defaults,
            self.limits,
            tables.change,
            tables.change_consts,
            bounds.floor_table,
            bounds.ceiling_table,
            tables.moves,
            tables.tests,
            tables.test_consts,
            tables.results,
            self.ask,
            tables.key_row,
            tables.margin_row,
            tables.margin_const,
            tables.for_ms,
            state.key,
            state.time_ms,
            state.action,
            state.numbers,
            state.fraud,
            state.legitimate,
            batch.score,
            batch.action,
        )


@dataclass(frozen=True, slots=True)
class Tables:
    """A plan of utility as the flat arrays that the kernel reads."""

    set_rows: Ints
    set_consts: Floats
    change: Ints
    change_consts: Floats
    moves: Ints
    tests: Ints
    test_consts: Floats
    results: Floats
    key_row: int
    margin_row: int
    margin_const: float
    for_ms: int

    @classmethod
    def of(cls, plan: UtilityPlan) -> Tables:
        changes = [
            (each.row, number, how, operand)
            for each in plan.adjustments
            for number, how, operand in each.changes
        ]
        moves = [(each.row, *each.move) for each in plan.adjustments if each.move is not None]
        ends = np.cumsum([0, *(len(each.results) for each in plan.tests)])
        tests = [
            (each.row, each.cost.row, each.action, ends[t], ends[t + 1]) for t, each in enumerate(plan.tests)
        ]
        results = [chances for each in plan.tests for _, *chances in each.results]
        hysteresis = plan.hysteresis
        margin = Number(-1, 0.0) if hysteresis is None else hysteresis.margin
        return cls(
            set_rows=np.array([[number.row for number in numbers] for numbers in plan.numbers], np.int64),
            set_consts=np.array([[number.const for number in numbers] for numbers in plan.numbers]),
            change=np.array(
                [(row, number, how, operand.row) for row, number, how, operand in changes], np.int64
            ).reshape(-1, 4),
            change_consts=np.array([operand.const for *_, operand in changes], np.float64),
            moves=np.array(moves, np.int64).reshape(-1, 3),
            tests=np.array(tests, np.int64).reshape(-1, 5),
            test_consts=np.array([each.cost.const for each in plan.tests], np.float64),
            results=np.array(results, np.float64).reshape(-1, 2),
            key_row=-1 if hysteresis is None else hysteresis.key_row,
            margin_row=margin.row,
            margin_const=margin.const,
            for_ms=0 if hysteresis is None else hysteresis.for_ms,
        )


DecisionPlan = MaximumPlan | WeightedPlan | UtilityPlan


def thresholds_of(bands: Bands) -> Floats:
    """Return each action's least score; an action without a band of its own is out of the score's reach."""
    mfa = np.inf if bands.mfa is None else bands.mfa
    return np.array([-np.inf, mfa, bands.review, bands.block])


def maximum_plan(bands: Bands, risk_rows: Sequence[int], bounds: BoundsPlan) -> MaximumPlan:
    """Return the plan of a policy without a section `decision:`."""
    return MaximumPlan(bounds, np.array(risk_rows, np.int64), thresholds_of(bands))


def step(plan: DecisionPlan, state: DecisionState, batch: Batch) -> None:
    """Fill `batch.score` and `batch.action`."""
    if batch.score.size != batch.size:
        batch.score = np.empty(batch.size)
        batch.action = np.empty(batch.size, np.int8)
    plan.step(state, batch)
