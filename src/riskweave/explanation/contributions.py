"""How much each piece of evidence moved the log-odds of fraud: amounts that add up.

A *belief* says what the log-odds are when only some of the evidence is known. The amounts are the
Shapley values of that game (Shapley 1953; Strumbelj and Kononenko 2014), exact up to EXACT_MAX nodes
of evidence. Beyond, the mean of what each node adds in two orders: as listed, and the other way round.
Both add up to the posterior's log-odds less the prior's, whatever the network.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# Twelve nodes are 4,096 sets of evidence.
EXACT_MAX = 12

# A risk is a probability only in name: none counts as one in a hundred, certainty as 99 in 100.
RISK_LEAST, RISK_MOST = 0.01, 0.99

# Log-odds of a probability are held within these: beyond is certainty.
_PROBABILITY_LEAST = 1e-12


@dataclass(frozen=True, slots=True)
class Shares:
    """What each node added; `prior` plus all `amounts` is `posterior`, in log-odds."""

    prior: float
    amounts: tuple[float, ...]
    posterior: float
    exact: bool = True


def log_odds(probability: Floats) -> Floats:
    """Return ln(p / (1 - p)), with p held away from 0 and 1."""
    p = np.clip(probability, _PROBABILITY_LEAST, 1.0 - _PROBABILITY_LEAST)
    result: Floats = np.log(p) - np.log1p(-p)
    return result


def of_belief(belief: Callable[[Bools], Floats], nodes: int) -> Shares:
    """Return the shares of `nodes` pieces of evidence.

    `belief(known)` gives the log-odds for each row of `known` (m, nodes): which pieces are known.
    """
    return _exact(belief, nodes) if nodes <= EXACT_MAX else _two_orders(belief, nodes)


def _exact(belief: Callable[[Bools], Floats], nodes: int) -> Shares:
    sets = np.arange(1 << nodes)
    known = (sets[:, None] >> np.arange(nodes)) & 1 == 1
    value = np.asarray(belief(known), np.float64)
    size = known.sum(axis=1)
    # How likely a set of that size comes before a given node, in a random order.
    chance = np.array([1.0 / (nodes * math.comb(nodes - 1, k)) for k in range(nodes)])
    amounts = []
    for node in range(nodes):
        without = sets[~known[:, node]]
        gain = value[without | (1 << node)] - value[without]
        amounts.append(float(gain @ chance[size[without]]))
    return Shares(float(value[0]), tuple(amounts), float(value[-1]))


def _two_orders(belief: Callable[[Bools], Floats], nodes: int) -> Shares:
    steps = np.tri(nodes + 1, nodes, -1, dtype=bool)
    forward = np.asarray(belief(steps), np.float64)
    backward = np.asarray(belief(steps[:, ::-1]), np.float64)
    amounts = (np.diff(forward) + np.diff(backward)[::-1]) / 2.0
    return Shares(float(forward[0]), tuple(amounts.tolist()), float(forward[-1]), exact=False)


def of_greatest(risks: Sequence[float]) -> Shares:
    """Return the shares where the score is the greatest risk: exact for any number of them.

    The game of sharing a runway (Littlechild and Owen 1973): each step from one risk to the next
    greater is shared by all who are at least as great. A risk below RISK_LEAST adds nothing.
    """
    held = [_held(risk) for risk in risks]
    before = prior = _log_odds(RISK_LEAST)
    amounts = [0.0] * len(held)
    shared = 0.0
    order = sorted(range(len(held)), key=held.__getitem__)
    for place, k in enumerate(order):
        here = _log_odds(held[k])
        shared += (here - before) / (len(held) - place)
        amounts[k], before = shared, here
    return Shares(prior, tuple(amounts), before)


def _held(risk: float) -> float:
    return min(max(risk, RISK_LEAST), RISK_MOST) if risk == risk else RISK_LEAST


def _log_odds(p: float) -> float:
    return math.log(p) - math.log1p(-p)


def fitted(own: Sequence[float], total: float) -> list[float]:
    """Return amounts near `own` that add up to `total`.

    What is missing is shared out in proportion to each amount's size, so that none that was nothing
    becomes something, and a small difference of large amounts cannot blow any of them up.
    """
    sizes = [abs(each) for each in own]
    size = math.fsum(sizes)
    missing = total - math.fsum(own)
    if not own:
        return []
    if size == 0.0 or not math.isfinite(missing / size):
        return [total / len(own)] * len(own)
    return [each + missing * (abs(each) / size) for each in own]
