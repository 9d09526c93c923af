"""Doing less, in declared steps: models left out, then the decision's network, then the policy's say.

Whatever is left out, what has memory sees every event: lists, features, patterns, and the sequences of
sequence models, which are remembered without being scored. What was left out of a decision is journaled
with it, so a replay leaves out the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from riskweave.batch import Batch
from riskweave.decision.plan import MaximumPlan, maximum_plan
from riskweave.engine.ports import RUNGS, DurableSettings
from riskweave.engine.state import State
from riskweave.models import plan as models
from riskweave.models.artifact import Lstm, Onnx
from riskweave.models.plan import ModelPlan, ModelsPlan, Scoring
from riskweave.models.runners import Dense, LstmRunner, ProfileRunner, Runner
from riskweave.policy.plan import Plan

FULL, LIGHT, RULES, SAFE = range(len(RUNGS))


@dataclass
class Failures:
    """The models that raised while the last events were decided, and what they said."""

    failed: dict[str, str] = field(default_factory=dict)

    def take(self) -> dict[str, str]:
        """Return what failed since the last call."""
        failed, self.failed = self.failed, {}
        return failed


@dataclass(frozen=True, slots=True)
class GuardedRunner:
    """A runner that answers "unknown" when it raises, and says so."""

    model: str
    runner: Runner
    failures: Failures

    def raw(self, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the log-odds of each line; NaN for all when the model fails."""
        try:
            return self.runner.raw(inputs)
        except Exception as error:
            self.failures.failed[self.model] = f"{type(error).__name__}: {error}"[:500]
            return np.full(len(inputs), np.nan)


def guarded(plan: Plan, failures: Failures) -> Plan:
    """Return the plan with every model's runner watched."""
    models = tuple(_guarded(model, failures) for model in plan.models.models)
    return replace(plan, models=replace(plan.models, models=models))


def _guarded(model: ModelPlan, failures: Failures) -> ModelPlan:
    if model.scoring is None:
        return model
    return replace(model, scoring=_guarded_scoring(model.name, model.scoring, failures))


def _guarded_scoring(name: str, scoring: Scoring, failures: Failures) -> Scoring:
    parts: Mapping[str, Scoring] | None = None
    if scoring.parts is not None:
        parts = {key: _guarded_scoring(name, each, failures) for key, each in scoring.parts.items()}
    runner = scoring.runner
    # Sequence and profile models are our own kernels, and keep state: they cannot raise.
    if runner is None or isinstance(runner, (LstmRunner, ProfileRunner)):
        return replace(scoring, parts=parts)
    return replace(scoring, parts=parts, runner=GuardedRunner(name, runner, failures))


def without(plan: Plan, skipped: frozenset[str]) -> Plan:
    """Return the plan without these models: their columns stay unknown."""
    if not skipped:
        return plan
    kept = tuple(model for model in plan.models.models if model.name not in skipped)
    return replace(plan, models=replace(plan.models, models=kept))


def plainly(plan: Plan) -> Plan:
    """Return the plan that decides by rules, patterns and lists: the greatest risk, by the policy's bands."""
    if isinstance(plan.decision, MaximumPlan):
        return plan
    rows = [plan.rules.risk.index, *(column.index for column in plan.rules.risks.values())]
    rows += [each.risk_row for each in plan.patterns.patterns]
    return replace(plan, decision=maximum_plan(plan.settings.bands, rows, plan.decision.bounds))


class Remembering:
    """What skipped models still have to do: remember the events that they would have seen."""

    def __init__(self, plan: Plan, skipped: frozenset[str]) -> None:
        sequences = [each for each in plan.models.sequences if each.path.split("/")[0] in skipped]
        left_out = tuple(model for model in plan.models.models if model.name in skipped)
        self.any = bool(sequences)
        self.plan = ModelsPlan(
            left_out, tuple(replace(each, runner=_without_scores(each)) for each in sequences)
        )
        # What sequences read of profiles is worked out for them alone.
        self.rows = [row for model in left_out for row in (model.cluster_row, model.distance_row) if row >= 0]

    def step(self, state: State, batch: Batch) -> None:
        """Take in a batch that was decided."""
        if self.any:
            models.remember(self.plan, state.models, batch)
            batch.values[self.rows] = np.nan


def _without_scores(scoring: Scoring) -> LstmRunner:
    """Return the smallest network of a sequence's form: to remember is all it is for."""
    runner = scoring.runner
    assert isinstance(runner, LstmRunner)
    width, single = scoring.artifact.about.inputs, np.float32
    small = LstmRunner.__new__(LstmRunner)
    small.model = runner.model
    small.from_inputs = np.zeros(4 * width, single)
    small.recurrent = np.zeros(4, single)
    small.bias = np.zeros(4, single)
    small.scratch = np.zeros(2 + width, single)
    small.sums = np.zeros(4 * runner.model.steps, single)
    small.dense = Dense.__new__(Dense)
    small.dense.layers = np.zeros((0, runner.dense.layers.shape[1]), np.int64)
    small.dense.weights = np.zeros(1)
    small.dense.scratch = np.zeros(1)
    return small


def heavy_models(plan: Plan, settings: DurableSettings) -> frozenset[str]:
    """Return the models that the rung `light` leaves out."""
    if settings.heavy_models is not None:
        return frozenset(settings.heavy_models)
    return frozenset(model.name for model in plan.models.models if model.scoring and _heavy(model.scoring))


def _heavy(scoring: Scoring) -> bool:
    if isinstance(scoring.artifact.about.model, (Onnx, Lstm)):
        return True
    return any(_heavy(each) for each in (scoring.parts or {}).values())


def skipped_at(rung: int, plan: Plan, settings: DurableSettings) -> frozenset[str]:
    """Return the models that a rung leaves out."""
    if rung == FULL:
        return frozenset()
    if rung == LIGHT:
        return heavy_models(plan, settings)
    return frozenset(model.name for model in plan.models.models)


def rung_for(waited_ms: float, queued: int, settings: DurableSettings) -> int:
    """Return the rung for a queue of so many, whose oldest request has waited so long."""
    number = FULL
    for rung in settings.ladder:
        if waited_ms >= rung.after_ms or (rung.queued is not None and queued >= rung.queued):
            number = max(number, RUNGS.index(rung.name))
    return number


class Rests:
    """Models that failed again and again are left alone for a while."""

    def __init__(self, settings: DurableSettings, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self.monotonic = monotonic
        self.failures: dict[str, int] = {}
        self.until: dict[str, float] = {}
        self.why: dict[str, str] = {}

    def failed(self, failures: Mapping[str, str]) -> None:
        """Count failures."""
        for name, why in failures.items():
            self.failures[name] = self.failures.get(name, 0) + 1
            self.why[name] = why
            if self.failures[name] >= self.settings.model_failures:
                self.until[name] = self.monotonic() + self.settings.model_rest_s

    def succeeded(self, skipped: frozenset[str]) -> None:
        """Forget the failures of models that ran."""
        for name in [each for each in self.failures if each not in skipped]:
            self.failures.pop(name)
            self.why.pop(name, None)
            self.until.pop(name, None)

    def resting(self) -> frozenset[str]:
        """Return the models to leave out now."""
        if not self.until:
            return frozenset()
        now = self.monotonic()
        return frozenset(name for name, until in self.until.items() if until > now)
