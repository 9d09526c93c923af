"""The models of a policy, ready to score batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskweave.batch import TYPE_ROW, Batch
from riskweave.kernels.calibration import put_scores
from riskweave.models.artifact import Artifact, Blend, Lstm
from riskweave.models.curves import Curves
from riskweave.models.inputs import Inputs
from riskweave.models.runners import LstmRunner, ProfileRunner, Runner, as_log_odds
from riskweave.models.sequences import Sequences

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Segment:
    """Which column decides the curve: pool codes (or numbers), ascending, and their curves."""

    row: int
    values: Floats
    curves: Ints

    def which(self, values: Floats) -> Ints:
        """Return each event's curve; 0, the one for all, where its segment has none of its own."""
        column = values[self.row]
        at = np.minimum(np.searchsorted(self.values, column), self.values.size - 1)
        return np.where(self.values[at] == column, self.curves[at], 0)


@dataclass(frozen=True, slots=True)
class Scoring:
    """One artifact over the columns of a policy; a blend's parts are scorings of their own.

    `path` names it among all, `key_row` is the row of the key matrix whose events a sequence model
    remembers, `types` the codes of the event types it looks at (none: all), `signature` what its
    sequences hold.
    """

    path: str
    artifact: Artifact
    inputs: Inputs
    runner: Runner | None
    curves: Curves
    segment: Segment | None = None
    parts: Mapping[str, Scoring] | None = None
    key_row: int = -1
    types: Floats | None = None
    signature: str = ""


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """One model of the policy: its columns, and what fills them.

    `scoring` is None for a blend of models of this policy, `blend` then (row of a score, weight).
    """

    name: str
    hash: str
    shadow: bool
    risk: bool
    raw_row: int
    score_row: int
    cluster_row: int = -1
    distance_row: int = -1
    scoring: Scoring | None = None
    blend: tuple[tuple[str, int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class ModelsPlan:
    """All models, each after those it reads."""

    models: tuple[ModelPlan, ...] = ()
    sequences: tuple[Scoring, ...] = ()

    @property
    def hashes(self) -> dict[str, str]:
        """Return the content hash of each model."""
        return {model.name: model.hash for model in self.models}


class ModelsState:
    """What sequence models remember, by the path of the model."""

    __slots__ = ("sequences",)

    def __init__(self, sequences: dict[str, Sequences]) -> None:
        self.sequences = sequences

    @classmethod
    def create(cls, plan: ModelsPlan) -> ModelsState:
        """Return the state before the first event."""
        return cls({each.path: fresh_sequences(each) for each in plan.sequences})

    def describe(self) -> dict[str, object]:
        """Return keys and bytes by model."""
        return {
            path: {"keys": len(each), "bytes": each.nbytes} for path, each in sorted(self.sequences.items())
        }


def fresh_sequences(scoring: Scoring) -> Sequences:
    """Return no sequences, in the shape that a model wants."""
    model = scoring.artifact.about.model
    assert isinstance(model, Lstm)
    return Sequences(model.steps, scoring.artifact.about.inputs, model.horizon_ms)


# Both "the first event" and "the first curve", for a batch of one.
_ONE = np.zeros(1, np.int64)


def step(plan: ModelsPlan, state: ModelsState, batch: Batch) -> None:
    """Fill the columns of every model."""
    if not plan.models:
        return
    which = _ONE if batch.size == 1 else np.arange(batch.size)
    values = batch.values
    for model in plan.models:
        scoring = model.scoring
        if scoring is None:
            total = sum(weight * values[row] for _, row, weight in model.blend)
            values[model.score_row] = total
            values[model.raw_row] = np.where(np.isnan(total), np.nan, as_log_odds(np.asarray(total)))
        elif isinstance(scoring.runner, ProfileRunner):
            inputs = scoring.inputs.gather(values, which)
            values[model.cluster_row], values[model.distance_row] = scoring.runner.nearest(inputs)
        else:
            raw, curves = _raw(scoring, state, batch, which), scoring.curves
            curve = _curve(scoring, batch)
            put_scores(values, model.raw_row, model.score_row, raw, curves.curves, curves.points, curve)


def remember(plan: ModelsPlan, state: ModelsState, batch: Batch) -> None:
    """Let sequence models remember events; scores are not worked out, but what these models read is."""
    which = np.arange(batch.size)
    for model in plan.models:
        scoring = model.scoring
        if scoring is not None and isinstance(scoring.runner, ProfileRunner):
            inputs = scoring.inputs.gather(batch.values, which)
            batch.values[[model.cluster_row, model.distance_row]] = scoring.runner.nearest(inputs)
        for sequence in plan.sequences:
            if sequence.path.split("/")[0] == model.name:
                _raw(sequence, state, batch, which)


def evaluate(scoring: Scoring, state: ModelsState, batch: Batch, which: Ints) -> tuple[Floats, Floats]:
    """Return log-odds and probabilities of a batch; NaN where the model does not look at the event's type."""
    raw = _raw(scoring, state, batch, which)
    return raw, scoring.curves.scores(raw, _curve(scoring, batch))


def _curve(scoring: Scoring, batch: Batch) -> Ints:
    """Return the number of each event's calibration curve."""
    if scoring.segment is not None:
        return scoring.segment.which(batch.values)
    return _ONE if batch.size == 1 else np.zeros(batch.size, np.int64)


def _raw(scoring: Scoring, state: ModelsState, batch: Batch, which: Ints) -> Floats:
    model = scoring.artifact.about.model
    if isinstance(model, Blend):
        assert scoring.parts is not None
        parts = [
            (part.weight, evaluate(scoring.parts[part.name], state, batch, which)) for part in model.parts
        ]
        if model.space == "log_odds":
            total: Floats = model.intercept + np.sum([weight * each[0] for weight, each in parts], axis=0)
            return total
        mean: Floats = np.sum([weight * each[1] for weight, each in parts], axis=0)
        return np.where(np.isnan(mean), np.nan, as_log_odds(mean))
    active = None if scoring.types is None else np.isin(batch.values[TYPE_ROW], scoring.types)
    if isinstance(scoring.runner, LstmRunner):
        inputs = scoring.inputs.gather(batch.values, which)
        looks = np.ones(batch.size, np.uint8) if active is None else active.astype(np.uint8)
        return state.sequences[scoring.path].step(
            scoring.runner,
            batch.keys[scoring.key_row],
            looks,
            batch.time_ms,
            batch.watermark_ms,
            inputs,
        )
    assert scoring.runner is not None
    if active is None or active.all():
        return scoring.runner.raw(scoring.inputs.gather(batch.values, which))
    out = np.full(batch.size, np.nan)
    out[active] = scoring.runner.raw(scoring.inputs.gather(batch.values, which[active]))
    return out
