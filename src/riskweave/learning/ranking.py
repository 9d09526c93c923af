"""How well scores order events: AUC ROC, average precision, and what the first k or few alarms give.

All take `truth` (1 or 0) and `score` per event. Equal scores count as one step: no order among them is
assumed. `weight` counts an event several times, as a bootstrap does. Without any fraud, or without
anything legitimate, a figure that needs it is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Ranking:
    """Events from the riskiest on, equal scores joined into one step: what lies above each score.

    `frauds[i]` and `others[i]` are how many frauds and others have `scores[i]` or more.
    """

    scores: Floats
    frauds: Floats
    others: Floats

    @classmethod
    def of(cls, truth: Floats, score: Floats, weight: Floats | None = None) -> Ranking:
        """Rank events; their truth must be known and no score NaN."""
        return Order.of(score).ranking(truth, weight)


@dataclass(frozen=True)
class Order:
    """The order of scores, found once and used for many weightings (a bootstrap's)."""

    order: NDArray[np.int64]
    ends: NDArray[np.int64]
    scores: Floats

    @classmethod
    def of(cls, score: Floats) -> Order:
        if np.isnan(score).any():
            raise ValueError("a score is NaN: events cannot be ranked by it")
        order = np.argsort(-score, kind="stable")
        ranked = score[order]
        ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)) if ranked.size else np.zeros(0, int)
        return cls(order, ends, ranked[ends])

    def ranking(self, truth: Floats, weight: Floats | None = None) -> Ranking:
        known = truth[self.order]
        counts = np.ones(known.size) if weight is None else weight[self.order]
        frauds = np.cumsum(counts * known)[self.ends]
        others = np.cumsum(counts * (1.0 - known))[self.ends]
        return Ranking(self.scores, frauds, others)


def roc_auc(truth: Floats, score: Floats, weight: Floats | None = None) -> float:
    """Return the chance that a fraud scores higher than something legitimate (equal scores: a half)."""
    return auc_of(Ranking.of(truth, score, weight))


def auc_of(ranking: Ranking) -> float:
    """Return the area under the ROC curve of a ranking."""
    if not ranking.frauds.size or ranking.frauds[-1] == 0 or ranking.others[-1] == 0:
        return float("nan")
    frauds = np.append(0.0, ranking.frauds)
    others = np.append(0.0, ranking.others)
    area = np.sum(np.diff(others) * (frauds[1:] + frauds[:-1])) / 2.0
    return float(area / (frauds[-1] * others[-1]))


def average_precision(truth: Floats, score: Floats, weight: Floats | None = None) -> float:
    """Return the sum over steps of (gain in recall) x precision, as scikit-learn defines it."""
    return average_precision_of(Ranking.of(truth, score, weight))


def average_precision_of(ranking: Ranking) -> float:
    """Return the average precision of a ranking."""
    if not ranking.frauds.size or ranking.frauds[-1] == 0:
        return float("nan")
    flagged = ranking.frauds + ranking.others
    precision = np.divide(ranking.frauds, flagged, out=np.zeros_like(flagged), where=flagged > 0)
    gains = np.diff(np.append(0.0, ranking.frauds)) / ranking.frauds[-1]
    return float(np.sum(gains * precision))


def precision_at(truth: Floats, score: Floats, k: int) -> float:
    """Return the share of frauds among the k riskiest; of equal scores at the edge, their mean is taken."""
    if k < 1 or k > truth.size:
        return float("nan")
    return _frauds_among(Ranking.of(truth, score), k) / k


def recall_at(truth: Floats, score: Floats, k: int) -> float:
    """Return the share of all frauds that are among the k riskiest."""
    ranking = Ranking.of(truth, score)
    if k < 1 or k > truth.size or ranking.frauds[-1] == 0:
        return float("nan")
    return float(_frauds_among(ranking, k) / ranking.frauds[-1])


def _frauds_among(ranking: Ranking, k: int) -> float:
    flagged = ranking.frauds + ranking.others
    return float(np.interp(k, np.append(0.0, flagged), np.append(0.0, ranking.frauds)))


def recall_at_fpr(truth: Floats, score: Floats, rate: float) -> float:
    """Return the greatest recall that flags at most `rate` of what is legitimate."""
    return recall_at_fpr_of(Ranking.of(truth, score), rate)


def recall_at_fpr_of(ranking: Ranking, rate: float) -> float:
    """Return the recall of a ranking at a false-positive rate; a threshold stands between scores."""
    if not ranking.frauds.size or ranking.frauds[-1] == 0 or ranking.others[-1] == 0:
        return float("nan")
    allowed = ranking.others <= rate * ranking.others[-1] + 1e-9
    return float(np.max(ranking.frauds[allowed], initial=0.0) / ranking.frauds[-1])


def rank_correlation(first: Floats, second: Floats) -> float:
    """Return Spearman's rho: how alike two scores order the same events (1 when one follows the other)."""
    ranks = [_ranks(each) for each in (first, second)]
    spread = [each - each.mean() for each in ranks]
    size = float(np.sqrt((spread[0] ** 2).sum() * (spread[1] ** 2).sum()))
    return float((spread[0] * spread[1]).sum() / size) if size > 0 else float("nan")


def _ranks(values: Floats) -> Floats:
    """Return ranks from the smallest on; equal values share their mean."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    shared: Floats = (last - (count - 1) / 2.0)[place]
    return shared


def curves(truth: Floats, score: Floats, points: int = 400) -> dict[str, list[float]]:
    """Return the ROC and precision-recall curves, thinned to about `points` places for drawing."""
    ranking = Ranking.of(truth, score)
    total, others = max(ranking.frauds[-1], 1.0), max(ranking.others[-1], 1.0)
    flagged = ranking.frauds + ranking.others
    places = np.unique(
        np.concatenate(
            [
                np.searchsorted(ranking.frauds, np.linspace(0, total, points // 2)),
                np.searchsorted(ranking.others, np.linspace(0, others, points // 2)),
            ]
        ).clip(0, ranking.frauds.size - 1)
    )
    return {
        "threshold": ranking.scores[places].tolist(),
        "recall": (ranking.frauds[places] / total).tolist(),
        "false_positive_rate": (ranking.others[places] / others).tolist(),
        "precision": (ranking.frauds[places] / flagged[places]).tolist(),
    }
