"""What each feature added to the score of each model of a policy, for events just decided."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from riskweave.batch import TYPE_ROW, Batch
from riskweave.models import artifact as form
from riskweave.models.plan import ModelPlan, ModelsPlan, ModelsState, Scoring
from riskweave.models.runners import ProfileRunner
from riskweave.models.why import Explained, InputExplainer, blended


class Explanations:
    """Explains the models of one plan; made once, for laying trees out takes milliseconds."""

    def __init__(self, plan: ModelsPlan) -> None:
        self.plan = plan
        self._own: dict[str, InputExplainer] = {}
        for model in plan.models:
            if model.scoring is not None and not isinstance(model.scoring.runner, ProfileRunner):
                self._prepare(model.scoring)

    def _prepare(self, scoring: Scoring) -> None:
        kind = scoring.artifact.about.model
        if isinstance(kind, form.Blend):
            for part in (scoring.parts or {}).values():
                self._prepare(part)
        elif not isinstance(kind, form.Onnx):
            self._own[scoring.path] = InputExplainer(scoring.artifact, scoring.inputs)

    def contributions(self, state: ModelsState, batch: Batch, row: int = 0) -> dict[str, Explained]:
        """Return each model's explanation; models without a score for the event are left out.

        So are ONNX models, which say nothing of how they work. A sequence model is explained from
        what it remembers now, so ask before later events of the same key.
        """
        found: dict[str, Explained] = {}
        for model in self.plan.models:
            explained = self._model(model, state, batch, row, found)
            if explained is not None:
                found[model.name] = explained
        return found

    def _model(
        self, model: ModelPlan, state: ModelsState, batch: Batch, row: int, known: dict[str, Explained]
    ) -> Explained | None:
        if model.scoring is not None:
            return self._scoring(model.scoring, state, batch, row)
        if any(name not in known for name, _, _ in model.blend):
            return None
        parts = {name: known[name] for name, _, _ in model.blend}
        weights = tuple(form.Part(name=name, weight=weight) for name, _, weight in model.blend)
        scorings = {each.name: each.scoring for each in self.plan.models}

        def score(name: str, raw: NDArray[np.float64]) -> NDArray[np.float64]:
            scoring = scorings[name]
            return _score(scoring, batch, row, raw) if scoring is not None else 1.0 / (1.0 + np.exp(-raw))

        return blended(form.Blend(parts=weights), parts, score)

    def _scoring(self, scoring: Scoring, state: ModelsState, batch: Batch, row: int) -> Explained | None:
        kind = scoring.artifact.about.model
        if isinstance(kind, form.Blend):
            parts: dict[str, Explained] = {}
            for name, part in (scoring.parts or {}).items():
                explained = self._scoring(part, state, batch, row)
                if explained is None:
                    return None
                parts[name] = explained
            own = scoring.parts or {}
            return blended(kind, parts, lambda name, raw: _score(own[name], batch, row, raw))
        if scoring.path not in self._own:
            return None
        if scoring.types is not None and batch.values[TYPE_ROW, row] not in scoring.types:
            return None
        if isinstance(kind, form.Lstm):
            key = int(batch.keys[scoring.key_row, row : row + 1].view(np.int64)[0])
            if key == 0:
                return None
            lines = state.sequences[scoring.path].sequence(key, int(batch.time_ms[row]))
            if not len(lines):  # too late to be remembered
                lines = scoring.inputs.gather(batch.values, np.array([row]))
        else:
            lines = scoring.inputs.gather(batch.values, np.array([row]))
        return self._own[scoring.path].explain(lines)


def contributions(plan: ModelsPlan, state: ModelsState, batch: Batch, row: int = 0) -> dict[str, Explained]:
    """Return what each feature added to each model's log-odds; see `Explanations`, which keeps its work."""
    return Explanations(plan).contributions(state, batch, row)


def _score(scoring: Scoring, batch: Batch, row: int, raw: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return probabilities of log-odds under the curve of an event's segment."""
    curve = 0 if scoring.segment is None else int(scoring.segment.which(batch.values)[row])
    return scoring.curves.scores(raw, np.full(raw.size, curve))
