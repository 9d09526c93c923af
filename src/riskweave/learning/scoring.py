"""Artifacts over training sets: scored by the kernels that serve, held against the training library."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskweave.errors import RiskweaveError
from riskweave.learning.calibrate import apply_all
from riskweave.learning.dataset import TEXT, Dataset
from riskweave.learning.sample import Sample
from riskweave.learning.trainers.trainer import log_odds
from riskweave.models.artifact import Artifact, Blend, Feature, Lstm
from riskweave.models.scorer import Scorer

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

BLOCK = 8192


def features_of(artifact: Artifact) -> tuple[Feature, ...]:
    """Return every feature that a model and its parts read, each once."""
    found = {feature.name: feature for feature in artifact.about.features}
    for part in artifact.parts.values():
        found = {feature.name: feature for feature in features_of(part)} | found
    return tuple(found[name] for name in artifact.feature_names())


def sample_for(artifact: Artifact, dataset: Dataset, rows: Rows) -> Sample:
    """Return the features of `dataset` as an artifact reads them; a text is its place in the categories."""
    features = features_of(artifact)
    columns = []
    for feature in features:
        column = dataset.column(feature.name)
        if (column.kind == TEXT) != (feature.type == "category"):
            raise RiskweaveError(
                f"the model takes `{feature.name}` for a {feature.type}; here it is {column.kind}"
            )
        if feature.type == "number":
            columns.append(column.values)
            continue
        places = {text: float(place) for place, text in enumerate(feature.categories)}
        codes = np.array([*(places.get(text, -1.0) for text in column.texts), np.nan])
        unknown = np.isnan(column.values)
        columns.append(
            codes[np.where(unknown, len(column.texts), np.nan_to_num(column.values)).astype(np.int64)]
        )
    return Sample(features, np.column_stack(columns), dataset.label, dataset.time_ms, dataset.keys, rows)


def score(artifact: Artifact, dataset: Dataset, rows: Rows) -> Floats:
    """Return the calibrated scores of an artifact, by the kernels."""
    return score_sample(artifact, sample_for(artifact, dataset, rows), _segments(artifact, dataset, rows))


def score_sample(artifact: Artifact, sample: Sample, segments: list[str | None] | None = None) -> Floats:
    """Return the scores of a sample's events, block by block."""
    if has_sequences(artifact):
        return _blended(artifact, sample)
    return _in_blocks(artifact, sample, segments)


def _in_blocks(
    artifact: Artifact, sample: Sample, segments: list[str | None] | None = None, raw: bool = False
) -> Floats:
    """Return scores, or log-odds (`raw`)."""
    scorer = Scorer(artifact, sample.names)
    model = artifact.about.model
    parts = []
    for start in range(0, len(sample), BLOCK):
        block = sample.at(sample.rows[start : start + BLOCK])
        names = None if segments is None else segments[start : start + BLOCK]
        if isinstance(model, Lstm):
            places, counts = block.sequences(model.entity, model.steps, model.horizon_ms)
            inputs, lengths = sample.x[places], counts
        else:
            inputs, lengths = block.inputs, None
        parts.append(scorer.raw(inputs, lengths) if raw else scorer.score(inputs, names, lengths))
    return np.concatenate(parts) if parts else np.zeros(0)


def _blended(artifact: Artifact, sample: Sample) -> Floats:
    """Return the scores of a blend whose parts read different things: one event, or the events before too."""
    model = artifact.about.model
    assert isinstance(model, Blend)
    logs = model.space == "log_odds"
    total = np.full(len(sample), model.intercept if logs else 0.0)
    for part in model.parts:
        total += part.weight * _in_blocks(artifact.parts[part.name], sample, raw=logs)
    return apply_all(artifact.about.calibration, total if logs else log_odds(total))


def size_of(artifact: Artifact) -> int:
    """Return how many bytes a model's arrays take, its parts' included."""
    own = sum(array.nbytes for array in artifact.weights.values()) + len(artifact.onnx)
    return own + sum(size_of(part) for part in artifact.parts.values())


def has_sequences(artifact: Artifact) -> bool:
    """Tell whether a part of a blend reads sequences, which one matrix cannot hold."""
    return any(isinstance(part.about.model, Lstm) for part in artifact.parts.values())


def gated(
    artifact: Artifact, sample: Sample, expected: Floats, library: str, segments: Any = None
) -> Artifact:
    """Return the artifact with its parity noted; raises ModelError when the kernels score otherwise."""
    from riskweave.models.parity import check_parity

    model = artifact.about.model
    scorer_names = artifact.feature_names()
    order = [sample.names.index(name) for name in scorer_names]
    members = [model, *(part.about.model for part in artifact.parts.values())]
    read = {(each.entity, each.steps, each.horizon_ms) for each in members if isinstance(each, Lstm)}
    if len(read) > 1:
        # Parts that remember differently have no sequences in common; each was held against its library.
        return artifact
    for entity, steps, horizon_ms in read:
        places, counts = sample.sequences(entity, steps, horizon_ms)
        return check_parity(artifact, expected, sample.x[places][:, :, order], library, counts, segments)
    return check_parity(artifact, expected, sample.inputs[:, order], library, segments=segments)


def _segments(artifact: Artifact, dataset: Dataset, rows: Rows) -> list[str | None] | None:
    name = artifact.about.calibration.segment
    if not name:
        return None
    column = dataset.column(name)
    return [None if value != value else column.texts[int(value)] for value in column.values[rows].tolist()]
