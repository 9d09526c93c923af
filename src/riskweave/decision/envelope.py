"""Bands solved, not tuned: which action wins where, exactly, from what each is expected to bring.

What an action brings is linear in the probability of fraud, so the best action is the upper envelope
of straight lines: it changes only where two of them cross.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from riskweave.batch import ACTIONS
from riskweave.decision.money import Costs

# Between the amounts looked at, the best is searched for this much finer.
AMOUNTS_LOOKED_AT = 61
FINER = 21

# What an action brings if the event is a fraud, and if it is legitimate.
Ends = Mapping[str, tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Band:
    """`action` is the best from `low` up to `high`, probabilities of fraud."""

    action: str
    low: float
    high: float


def ends_of(costs: Costs, priced: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Return what each priced action brings when it is certain what the event is."""
    return {action: costs.ends(action) for action in priced}


def solve_bands(costs: Costs, priced: Sequence[str]) -> list[Band]:
    """Return the bands of probability in which each action is the best; on a tie the gentler one.

    >>> costs = Costs.of({"amount": 500, "insult": 40})
    >>> [(band.action, round(band.low, 3)) for band in solve_bands(costs, ["PASS", "BLOCK"])]
    [('PASS', 0.0), ('BLOCK', 0.074)]
    """
    ends = ends_of(costs, priced)
    edges = [0.0, *_crossings(ends), 1.0]
    bands: list[Band] = []
    for low, high in pairwise(edges):
        action = best_at(ends, (low + high) / 2.0)
        if bands and bands[-1].action == action:
            bands[-1] = Band(action, bands[-1].low, high)
        else:
            bands.append(Band(action, low, high))
    return bands


def best_at(ends: Ends, p: float) -> str:
    """Return the gentlest of the best actions at a probability."""
    return max(ends, key=lambda action: (_line(ends[action], p), -ACTIONS.index(action)))


def _line(end: tuple[float, float], p: float) -> float:
    return p * end[0] + (1.0 - p) * end[1]


def _crossings(ends: Ends) -> list[float]:
    """Return where in (0, 1) two of the lines cross, ascending."""
    found = set()
    names = list(ends)
    for k, one in enumerate(names):
        for other in names[k + 1 :]:
            slope = (ends[one][0] - ends[one][1]) - (ends[other][0] - ends[other][1])
            if slope != 0.0:
                p = (ends[other][1] - ends[one][1]) / slope
                if 0.0 < p < 1.0:
                    found.add(p)
    return sorted(found)


@dataclass(frozen=True, slots=True)
class Loser:
    """An action that never wins: where it comes closest, and who beats it there and everywhere.

    `shortfall` is what it brings less than `winner` at that point; `dominator` is at least as good
    whatever the amount and the probability (None: it takes several actions to beat it).
    """

    action: str
    dominator: str | None
    winner: str
    amount: float
    probability: float
    shortfall: float


def losers(costs_at: Callable[[float], Costs], priced: Sequence[str], low: float, high: float) -> list[Loser]:
    """Return the actions that never win, for no probability and no amount in [low, high]."""
    amounts = [low * (high / low) ** (k / (AMOUNTS_LOOKED_AT - 1)) for k in range(AMOUNTS_LOOKED_AT)]
    amounts[-1] = high
    looked = [(amount, ends_of(costs_at(amount), priced)) for amount in amounts]
    found: list[Loser] = []
    for action in priced if len(priced) > 1 else ():
        leads = [_lead(ends, action) for _, ends in looked]
        at = max(range(len(looked)), key=lambda k: leads[k])
        if any(_wins(ends, action) for _, ends in looked):
            continue
        # It may win between two of the amounts: look closer around where it came closest.
        from_amount, to_amount = amounts[max(at - 1, 0)], amounts[min(at + 1, len(amounts) - 1)]
        closer = [from_amount + (to_amount - from_amount) * k / (FINER - 1) for k in range(FINER)]
        near = [(amount, ends_of(costs_at(amount), priced)) for amount in closer]
        if any(_wins(ends, action) for _, ends in near):
            continue
        amount, ends = looked[at]
        p = _closest(ends, action)
        winner = best_at({name: end for name, end in ends.items() if name != action}, p)
        dominator = next(
            (
                other
                for other in priced
                if other != action and all(_covers(ends[other], ends[action]) for _, ends in looked)
            ),
            None,
        )
        shortfall = _line(ends[winner], p) - _line(ends[action], p)
        found.append(Loser(action, dominator, winner, amount, p, shortfall))
    return found


def _wins(ends: Ends, action: str) -> bool:
    edges = [0.0, *_crossings(ends), 1.0]
    middles = [(a + b) / 2.0 for a, b in pairwise(edges)]
    return any(best_at(ends, p) == action for p in middles)


def _covers(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] >= other[0] and one[1] >= other[1]


def _closest(ends: Ends, action: str) -> float:
    """Return the probability at which an action is furthest ahead of the others, or least behind."""
    others = {name: end for name, end in ends.items() if name != action}
    # The lead is concave and straight between the crossings of the others.
    points = [0.0, *_crossings(others), 1.0]
    return max(points, key=lambda p: _line(ends[action], p) - max(_line(end, p) for end in others.values()))


def _lead(ends: Ends, action: str) -> float:
    p = _closest(ends, action)
    return _line(ends[action], p) - max(_line(end, p) for name, end in ends.items() if name != action)
