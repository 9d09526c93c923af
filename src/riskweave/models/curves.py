"""Calibration curves as arrays: the one for all is number 0, those of segments follow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskweave.kernels import calibration as kernel
from riskweave.models.artifact import Calibration

Floats = NDArray[np.float64]

_KINDS = {"none": kernel.NONE, "platt": kernel.PLATT, "beta": kernel.BETA, "isotonic": kernel.ISOTONIC}


@dataclass(frozen=True, slots=True)
class Curves:
    """The arrays of `calibrate`; `numbers` says which curve is a segment's own."""

    curves: Floats
    points: Floats
    numbers: dict[str, int]

    def scores(self, raw: Floats, which: NDArray[np.int64]) -> Floats:
        """Return the probability of each log-odds under its curve."""
        out = np.empty(raw.size)
        kernel.calibrate(raw, self.curves, self.points, which, out)
        return out


def make_curves(calibration: Calibration) -> Curves:
    """Return the curves of a calibration."""
    lines: list[list[float]] = []
    points: list[tuple[float, float]] = []
    for curve in (calibration.curve, *calibration.segments.values()):
        first = len(points)
        if curve.kind == "isotonic":
            points += zip(curve.x, curve.y, strict=True)
        lines.append([_KINDS[curve.kind], curve.a, curve.b, curve.c, first, len(points)])
    return Curves(
        np.array(lines, np.float64),
        np.array(points, np.float64).reshape(-1, 2),
        {segment: 1 + number for number, segment in enumerate(calibration.segments)},
    )
