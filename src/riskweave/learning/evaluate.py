"""An evaluation: everything a team asks of a score before it lets it decide, as plain values.

Ranking (AUC, average precision, at k, at a false-positive rate), Card Precision@k per day, calibration,
money, the same by segment and over time, each with what it was measured on; `report` draws it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskweave.errors import RiskweaveError
from riskweave.learning.bootstrap import intervals
from riskweave.learning.cards import best_card_precision, card_precision
from riskweave.learning.dataset import TEXT, Dataset
from riskweave.learning.money import best_net, money_curve
from riskweave.learning.ranking import (
    Ranking,
    auc_of,
    average_precision,
    average_precision_of,
    curves,
    precision_at,
    recall_at,
    recall_at_fpr_of,
    roc_auc,
)
from riskweave.learning.reliability import brier, expected_calibration_error, log_loss, reliability
from riskweave.learning.splits import DAY_MS

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

FALSE_POSITIVE_RATES = (0.001, 0.01, 0.05)
SEGMENTS_MAX = 50
PERIODS = 12


@dataclass(frozen=True)
class Questions:
    """What to ask beside the ranking: whose cards, which amounts, which segments, how sure."""

    entity: str | None = None
    amount: str | None = None
    segments: Sequence[str] = ()
    k: int = 100
    review_cost: float = 0.0
    draws: int = 200
    seed: int = 0


def evaluate(
    dataset: Dataset, rows: Rows, score: Floats, questions: Questions | None = None
) -> dict[str, Any]:
    """Return the figures of `score` (one per row of `rows`) as JSON values.

    `entity` is a role of the policy whose keys are the cards and the customers drawn for confidence
    intervals (the first by default), `amount` a money column (the first by default).
    """
    asked = questions or Questions()
    truth = dataset.label[rows]
    if np.isnan(truth).any():
        raise RiskweaveError("some events have an unknown truth: they cannot judge a score")
    if score.size != rows.size:
        raise RiskweaveError(f"{score.size} scores for {rows.size} events")
    time_ms = dataset.time_ms[rows]
    entity = asked.entity or next(iter(dataset.keys), None)
    if entity is not None and entity not in dataset.keys:
        raise RiskweaveError(f"the training set has no role `{entity}`; there are: {', '.join(dataset.keys)}")
    found: dict[str, Any] = {
        "events": int(truth.size),
        "frauds": int(truth.sum()),
        "from": _day(int(time_ms.min())) if truth.size else None,
        "to": _day(int(time_ms.max())) if truth.size else None,
        "label": dataset.meta.get("label"),
        "ranking": ranking_figures(truth, score, asked.k),
        "calibration": calibration_figures(truth, score),
        "curves": curves(truth, score) if truth.size else {},
    }
    if entity is not None and truth.size:
        key, days = dataset.keys[entity][rows], time_ms // DAY_MS
        mean, shares = card_precision(days, key, truth, score, asked.k)
        found["cards"] = {
            "entity": entity,
            "k": asked.k,
            "precision": mean,
            "perfect": best_card_precision(days, key, truth, asked.k),
            "days": shares,
        }
        if asked.draws:
            found["interval_95"] = {
                name: list(each)
                for name, each in intervals(
                    truth,
                    score,
                    key,
                    {"auc": auc_of, "ap": average_precision_of},
                    asked.draws,
                    seed=asked.seed,
                ).items()
            }
    amount = asked.amount or next((n for n, each in dataset.columns.items() if each.kind == "money"), None)
    if amount is not None and truth.size:
        curve = money_curve(truth, score, dataset.column(amount).values[rows], asked.review_cost)
        best = best_net(curve)
        found["money"] = {
            "amount": amount,
            "review_cost": asked.review_cost,
            "curve": [[each.reviewed, each.prevented, each.net, each.threshold] for each in curve],
            "best": None
            if best is None
            else {"reviewed": best.reviewed, "net": best.net, "threshold": best.threshold},
        }
    found["segments"] = {name: _by_segment(dataset, rows, truth, score, name) for name in asked.segments}
    found["periods"] = _over_time(time_ms, truth, score)
    return _finite(found)  # type: ignore[no-any-return]


def ranking_figures(truth: Floats, score: Floats, k: int = 100) -> dict[str, Any]:
    """Return AUC, average precision, precision and recall at k, and recall at false-positive rates."""
    ranking = Ranking.of(truth, score)
    return {
        "auc": roc_auc(truth, score),
        "ap": average_precision(truth, score),
        "k": k,
        "precision_at_k": precision_at(truth, score, k),
        "recall_at_k": recall_at(truth, score, k),
        "recall_at_fpr": {f"{rate:g}": recall_at_fpr_of(ranking, rate) for rate in FALSE_POSITIVE_RATES},
    }


def calibration_figures(truth: Floats, score: Floats) -> dict[str, Any]:
    """Return Brier score, log loss, calibration error and the reliability diagram."""
    return {
        "brier": brier(truth, score),
        "log_loss": log_loss(truth, score),
        "ece": expected_calibration_error(truth, score),
        "diagram": [
            [each.low, each.high, each.count, each.said, each.true]
            for each in reliability(truth, score, 12, "odds")
        ],
    }


def _by_segment(
    dataset: Dataset, rows: Rows, truth: Floats, score: Floats, name: str
) -> list[dict[str, Any]]:
    column = dataset.column(name)
    values = column.values[rows]
    found = []
    for value in np.unique(values[~np.isnan(values)])[:SEGMENTS_MAX]:
        which = values == value
        text = column.texts[int(value)] if column.kind == TEXT else f"{value:g}"
        found.append({"value": text} | _short(truth[which], score[which]))
    if np.isnan(values).any():
        which = np.isnan(values)
        found.append({"value": None} | _short(truth[which], score[which]))
    return found


def _over_time(time_ms: Rows, truth: Floats, score: Floats) -> list[dict[str, Any]]:
    """Return the figures of up to twelve equal periods."""
    if not truth.size:
        return []
    first, last = int(time_ms.min()), int(time_ms.max()) + 1
    length = max(DAY_MS, math.ceil((last - first) / PERIODS / DAY_MS) * DAY_MS)
    found = []
    for start in range(first - first % DAY_MS, last, length):
        which = (time_ms >= start) & (time_ms < start + length)
        if which.any():
            found.append({"from": _day(start)} | _short(truth[which], score[which]))
    return found


def _short(truth: Floats, score: Floats) -> dict[str, Any]:
    return {
        "events": int(truth.size),
        "frauds": int(truth.sum()),
        "auc": roc_auc(truth, score),
        "ap": average_precision(truth, score),
        "brier": brier(truth, score),
        "mean_score": float(score.mean()),
    }


def _day(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).date().isoformat()


def _finite(value: Any) -> Any:
    """Return JSON values: NaN, which JSON does not have, becomes null."""
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
