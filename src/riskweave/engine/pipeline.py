"""The way of a batch, told in order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from riskweave.batch import (
    STAGE_DECODED,
    STAGE_FEATURES,
    STAGE_LISTS,
    STAGE_MODELS,
    STAGE_PATTERNS,
    STAGE_TABLES,
    Batch,
)
from riskweave.decision import plan as decision
from riskweave.engine.state import State
from riskweave.events import attributes
from riskweave.expressions import run as expressions
from riskweave.features import state as features
from riskweave.lists import plan as lists
from riskweave.models import plan as models
from riskweave.patterns import plan as patterns
from riskweave.policy.plan import Plan
from riskweave.rules import plan as rules


def decide(plan: Plan, state: State, batch: Batch) -> None:
    """Carry a batch through every room; each program runs right after the room of its stage."""
    remember(plan, state, batch)
    expressions.step(plan.programs[STAGE_PATTERNS], state.strings, batch)
    models.step(plan.models, state.models, batch)
    expressions.step(plan.programs[STAGE_MODELS], state.strings, batch)
    for stage in range(STAGE_TABLES, plan.rules.stage):
        rules.step_stage(plan.rules, stage, batch)
        expressions.step(plan.programs[stage], state.strings, batch)
    rules.step(plan.rules, batch)
    for program in plan.programs[plan.rules.stage :]:
        expressions.step(program, state.strings, batch)
    decision.step(plan.decision, state.decision, batch)


def remember(plan: Plan, state: State, batch: Batch, only: NDArray[np.bool_] | None = None) -> None:
    """Carry a batch as far as state goes: what a history needs to leave its traces.

    With `only` the batch goes into those tables of the features alone.
    """
    attributes.step(plan.attributes, state.attributes, batch)
    expressions.step(plan.programs[STAGE_DECODED], state.strings, batch)
    lists.step(plan.lists, state.lists, batch)
    expressions.step(plan.programs[STAGE_LISTS], state.strings, batch)
    features.step(plan.features, state.features, batch, only)
    if only is not None:
        return
    expressions.step(plan.programs[STAGE_FEATURES], state.strings, batch)
    if plan.patterns.patterns:
        batch.matches = patterns.step(plan.patterns, state.patterns, batch)


def remember_models(plan: Plan, state: State, batch: Batch) -> None:
    """Carry a batch that was remembered on to the models that remember events."""
    expressions.step(plan.programs[STAGE_PATTERNS], state.strings, batch)
    models.remember(plan.models, state.models, batch)
