"""The least value of a function of a few numbers, without derivatives (Nelder and Mead 1965)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from riskweave.measures.inputs import Floats


def least(f: Callable[[Floats], float], start: Floats, step: float = 0.5, rounds: int = 400) -> Floats:
    """Return where `f` is least near `start`, sought again from there with smaller steps."""
    best = start
    for size in (step, step / 5):
        best = _descend(f, best, size, rounds)
    return best


def _descend(f: Callable[[Floats], float], start: Floats, step: float, rounds: int) -> Floats:
    size = start.size
    points = np.vstack([start, start + step * np.eye(size)])
    values = np.array([f(point) for point in points])
    for _ in range(rounds):
        order = np.argsort(values, kind="stable")
        points, values = points[order], values[order]
        if values[-1] - values[0] <= 1e-12 * (1.0 + abs(values[0])) and np.ptp(points, axis=0).max() < 1e-7:
            break
        middle = points[:-1].mean(axis=0)
        mirrored = middle + (middle - points[-1])
        value = f(mirrored)
        if value < values[0]:
            further = middle + 2.0 * (middle - points[-1])
            found = f(further)
            points[-1], values[-1] = (further, found) if found < value else (mirrored, value)
        elif value < values[-2]:
            points[-1], values[-1] = mirrored, value
        else:
            nearer = middle + 0.5 * ((mirrored if value < values[-1] else points[-1]) - middle)
            found = f(nearer)
            if found < min(value, values[-1]):
                points[-1], values[-1] = nearer, found
            else:
                points[1:] = points[0] + 0.5 * (points[1:] - points[0])
                values[1:] = [f(point) for point in points[1:]]
    return np.asarray(points[int(np.argmin(values))])
