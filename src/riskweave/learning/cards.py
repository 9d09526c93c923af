"""Card Precision@k: of the k cards that a team can look at each day, how many are in a fraudster's hands.

As the Fraud Detection Handbook defines it: each day a card counts with its highest score; the k
highest are looked at; a card found fraudulent is not looked at again on later days.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def card_precision(
    day: NDArray[np.int64],
    card: NDArray[np.generic],
    truth: Floats,
    score: Floats,
    k: int = 100,
    remove_detected: bool = True,
) -> tuple[float, list[float]]:
    """Return the mean over days and each day's share of fraudulent cards among the k looked at.

    Of cards with equal scores, the one with the smaller number comes first.
    """
    _, cards = np.unique(card, return_inverse=True)
    detected = np.zeros(cards.max(initial=-1) + 1, np.bool_)
    shares = []
    for each in np.unique(day):
        rows = np.flatnonzero((day == each) & ~detected[cards])
        found, frauds = _riskiest(cards[rows], truth[rows], score[rows], k)
        shares.append(float(frauds.sum() / k))
        if remove_detected:
            detected[found[frauds]] = True
    return (float(np.mean(shares)) if shares else float("nan")), shares


def _riskiest(
    cards: NDArray[np.int64], truth: Floats, score: Floats, k: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the k cards with the highest scores, and whether each had a fraud."""
    if not cards.size:
        return np.zeros(0, np.int64), np.zeros(0, np.bool_)
    present, place = np.unique(cards, return_inverse=True)
    highest = np.full(present.size, -np.inf)
    np.maximum.at(highest, place, score)
    fraudulent = np.zeros(present.size, np.bool_)
    np.logical_or.at(fraudulent, place, truth > 0)
    first = np.argsort(-highest, kind="stable")[:k]
    return present[first], fraudulent[first]


def best_card_precision(
    day: NDArray[np.int64], card: NDArray[np.generic], truth: Floats, k: int = 100
) -> float:
    """Return what an oracle that knows the truth would get."""
    return card_precision(day, card, truth, truth, k)[0]
