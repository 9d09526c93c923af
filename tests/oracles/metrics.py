"""Figures of merit by their definitions, pair by pair and day by day; plain Python, slow, readable."""

from __future__ import annotations


def roc_auc(truth, score):
    """The share of (fraud, legitimate) pairs in which the fraud has the higher score; a tie is a half."""
    frauds = [s for t, s in zip(truth, score, strict=True) if t]
    others = [s for t, s in zip(truth, score, strict=True) if not t]
    if not frauds or not others:
        return None
    won = sum(1.0 if f > o else 0.5 if f == o else 0.0 for f in frauds for o in others)
    return won / (len(frauds) * len(others))


def average_precision(truth, score):
    """The sum over thresholds of the gain in recall times the precision at that threshold."""
    total = sum(truth)
    if not total:
        return None
    area, recall = 0.0, 0.0
    for threshold in sorted(set(score), reverse=True):
        flagged = [t for t, s in zip(truth, score, strict=True) if s >= threshold]
        now = sum(flagged) / total
        area += (now - recall) * sum(flagged) / len(flagged)
        recall = now
    return area


def recall_at_fpr(truth, score, rate):
    """The best recall of any threshold whose false-positive rate is within `rate`."""
    frauds, others = sum(truth), len(truth) - sum(truth)
    if not frauds or not others:
        return None
    best = 0.0
    for threshold in set(score):
        flagged = [t for t, s in zip(truth, score, strict=True) if s >= threshold]
        if len(flagged) - sum(flagged) <= rate * others + 1e-9:
            best = max(best, sum(flagged) / frauds)
    return best


def card_precision(day, card, truth, score, k):
    """The Handbook's Card Precision@k: per-day shares; of equal scores the smaller card number first."""
    detected, shares = set(), []
    for today in sorted(set(day)):
        highest, fraudulent = {}, {}
        for d, c, t, s in zip(day, card, truth, score, strict=True):
            if d == today and c not in detected:
                highest[c] = max(s, highest.get(c, s))
                fraudulent[c] = bool(t) or fraudulent.get(c, False)
        looked_at = sorted(highest, key=lambda c: (-highest[c], c))[:k]
        found = {c for c in looked_at if fraudulent[c]}
        shares.append(len(found) / k)
        detected |= found
    return shares


def calibration_error(truth, probability, bins):
    """The mean over events of |mean said - mean true| in their bin."""
    members = {}
    for t, p in zip(truth, probability, strict=True):
        members.setdefault(min(int(p * bins), bins - 1), []).append((t, p))
    return sum(abs(sum(t for t, _ in each) - sum(p for _, p in each)) for each in members.values()) / len(
        truth
    )
