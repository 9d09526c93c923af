"""The gate of every import: an artifact scores as the library that trained it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from riskweave.errors import ModelError
from riskweave.models.artifact import Artifact, Parity
from riskweave.models.scorer import Scorer

TOLERANCE = 1e-6


def check_parity(
    artifact: Artifact,
    expected: NDArray[np.float64],
    X: NDArray[np.float64],
    library: str = "",
    lengths: NDArray[np.int64] | None = None,
    segments: Sequence[str | None] | None = None,
    tolerance: float = TOLERANCE,
) -> Artifact:
    """Return the artifact with its parity noted; raises ModelError when a probability is further off.

    `expected` are the library's probabilities, of what `Scorer.score` gives (calibrated, if the
    artifact has a calibration).
    """
    found = Scorer(artifact).score(X, segments, lengths)
    expected = np.asarray(expected, np.float64).reshape(-1)
    if expected.size != found.size or not found.size:
        raise ModelError(f"parity needs as many expected scores as rows: {expected.size} for {found.size}")
    away = np.abs(found - expected)
    if not (away <= tolerance).all():  # NaN is not within anything
        row = int(np.argmax(np.where(np.isnan(away), np.inf, away)))
        raise ModelError(
            f"the model does not score as {library or 'the library'} does: row {row} has {found[row]!r}, "
            f"expected {expected[row]!r}"
        )
    return artifact.with_about(
        parity=Parity(library=library, max_abs_difference=float(away.max()), rows=found.size)
    )
