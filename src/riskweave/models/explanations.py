"""What each feature added to the score of each model of a policy, for events just decided.

`explain(plan.models, state.models, batch, row)` gives an `Explanation` for every model that has a
score for the event. Whoever explains often keeps an `Explanations`, which lays models out once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from riskweave.batch import Batch
from riskweave.models import artifact as form
from riskweave.models.plan import ModelPlan, ModelsPlan, ModelsState, Scoring
from riskweave.models.why import Explained, InputExplainer, blended

Floats = NDArray[np.float64]

# A sequence that gives other log-odds than the event had is not the one it was scored with.
_SAME = 1e-5

BLACK_BOX = "an ONNX graph does not say how it works"
MOVED_ON = "later events of the same key have taken the place of those it was scored with"


@dataclass(frozen=True)
class Explanation:
    """What moved one model's score.

    `base + sum(contributions)` is `raw`, the log-odds before calibration; `score` is `raw` under
    `curve`. `contributions[i]` belongs to the feature `names[i]`; where a model cannot say,
    `contributions` is None and `reason` tells why.
    """

    names: tuple[str, ...]
    contributions: tuple[float, ...] | None
    base: float
    raw: float
    score: float
    curve: form.Curve
    reason: str = ""
    _scores: Callable[[Floats], Floats] | None = field(default=None, repr=False, compare=False)

    def calibrated(self, log_odds: float) -> float:
        """Return the score that the same curve gives to other log-odds, such as `base`."""
        assert self._scores is not None
        return float(self._scores(np.array([log_odds]))[0])

    def in_score(self) -> tuple[float, ...] | None:
        """Return contributions in points of the score: they add up to score - calibrated(base).

        A curve bends: in proportion, each has its share of the way. It is not what leaving it out would do.
        """
        if self.contributions is None:
            return None
        whole, way = self.raw - self.base, self.score - self.calibrated(self.base)
        if whole == 0.0:
            return tuple(0.0 for _ in self.contributions)
        return tuple(each * way / whole for each in self.contributions)


class Explanations:
    """Explains the models of one plan; lays a model out when it is first asked for, `prepare` all."""

    def __init__(self, plan: ModelsPlan) -> None:
        self.plan = plan
        self._own: dict[str, InputExplainer] = {}

    def prepare(self) -> Explanations:
        """Lay out all models now: trees take some milliseconds each hundred leaves."""
        for model in self.plan.models:
            if model.scoring is not None:
                self._prepare(model.scoring)
        return self

    def explain(self, state: ModelsState, batch: Batch, row: int = 0) -> dict[str, Explanation]:
        """Return the explanation of each model that has a score for the event, in the order of scoring.

        A sequence model is explained from what it remembers now: ask before later events of the key.
        """
        found: dict[str, Explanation] = {}
        known: dict[str, Explained | str] = {}
        for model in self.plan.models:
            if model.score_row < 0:
                continue
            raw, score = batch.values[[model.raw_row, model.score_row], row].tolist()
            if raw != raw:
                continue
            told = known[model.name] = self._model(model, state, batch, row, raw, known)
            curve, scores = _calibration(model.scoring, batch, row)
            if isinstance(told, str):
                found[model.name] = Explanation((), None, raw, raw, score, curve, told, scores)
            else:
                names, amounts = tuple(told.amounts), tuple(told.amounts.values())
                found[model.name] = Explanation(names, amounts, told.base, raw, score, curve, "", scores)
        return found

    def _prepare(self, scoring: Scoring) -> None:
        for part in (scoring.parts or {}).values():
            self._prepare(part)
        if not isinstance(scoring.artifact.about.model, form.Blend | form.Onnx | form.Profile):
            self._explainer(scoring)

    def _explainer(self, scoring: Scoring) -> InputExplainer:
        if scoring.path not in self._own:
            self._own[scoring.path] = InputExplainer(scoring.artifact, scoring.inputs)
        return self._own[scoring.path]

    def _model(
        self,
        model: ModelPlan,
        state: ModelsState,
        batch: Batch,
        row: int,
        raw: float,
        known: dict[str, Explained | str],
    ) -> Explained | str:
        if model.scoring is not None:
            told = self._scoring(model.scoring, state, batch, row)
            if not isinstance(told, str) and abs(told.raw - raw) > _SAME * max(1.0, abs(raw)):
                return MOVED_ON
            return told
        parts: dict[str, Explained] = {}
        for name, _, _ in model.blend:
            part = known[name]
            if isinstance(part, str):
                return f"{name}: {part}"
            parts[name] = part
        weights = tuple(form.Part(name=name, weight=weight) for name, _, weight in model.blend)
        scorings = {each.name: each.scoring for each in self.plan.models}
        return blended(
            form.Blend(parts=weights),
            parts,
            lambda name, log_odds: _calibration(scorings[name], batch, row)[1](log_odds),
        )

    def _scoring(self, scoring: Scoring, state: ModelsState, batch: Batch, row: int) -> Explained | str:
        kind, own = scoring.artifact.about.model, scoring.parts or {}
        if isinstance(kind, form.Blend):
            parts: dict[str, Explained] = {}
            for name, part in own.items():
                told = self._scoring(part, state, batch, row)
                if isinstance(told, str):
                    return f"{name}: {told}"
                parts[name] = told
            return blended(
                kind, parts, lambda name, log_odds: _calibration(own[name], batch, row)[1](log_odds)
            )
        if isinstance(kind, form.Onnx):
            return BLACK_BOX
        lines = scoring.inputs.gather(batch.values, np.array([row]))
        if isinstance(kind, form.Lstm):
            key = int(batch.keys[scoring.key_row, row : row + 1].view(np.int64)[0])
            kept = state.sequences[scoring.path].sequence(key, int(batch.time_ms[row]))
            lines = kept if len(kept) else lines  # too late to be remembered: scored on its own
        return self._explainer(scoring).explain(lines)


def explain(plan: ModelsPlan, state: ModelsState, batch: Batch, row: int = 0) -> dict[str, Explanation]:
    """Return what moved each model's score for one event; see `Explanations`, which keeps its work."""
    return Explanations(plan).explain(state, batch, row)


def _calibration(
    scoring: Scoring | None, batch: Batch, row: int
) -> tuple[form.Curve, Callable[[Floats], Floats]]:
    """Return the curve of an event's segment, as it is written and as a function of log-odds."""
    if scoring is None:
        return form.Curve(), lambda raw: 1.0 / (1.0 + np.exp(-raw))
    calibration, number = scoring.artifact.about.calibration, 0
    if scoring.segment is not None:
        number = int(scoring.segment.which(batch.values)[row])
    curve = [calibration.curve, *calibration.segments.values()][number]
    return curve, lambda raw: scoring.curves.scores(raw, np.full(raw.size, number))
