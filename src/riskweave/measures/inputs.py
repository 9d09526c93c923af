"""Arrays from outside, checked: finite, of the right shape, within limits."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskweave.errors import LimitError, RiskweaveError

Floats = NDArray[np.float64]

VALUES_MAX = 10_000_000
BANKS_MAX = 5_000


def series(values: ArrayLike, name: str, least: int = 2) -> Floats:
    """Return finite numbers in their order; raises RiskweaveError otherwise."""
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 1 or found.size < least:
        raise RiskweaveError(f"{name}: found {found.shape}, expected at least {least} numbers in a row")
    if found.size > VALUES_MAX:
        raise LimitError(f"{name}: found {found.size:,} numbers, expected at most {VALUES_MAX:,}")
    if not np.isfinite(found).all():
        place = int(np.flatnonzero(~np.isfinite(found))[0])
        raise RiskweaveError(f"{name}: found {found[place]} at {place}, expected finite numbers")
    return found


def amounts(values: ArrayLike, name: str, size: int | None = None) -> Floats:
    """Return numbers that are not negative, one per bank."""
    found = series(values, name, 1)
    if found.size > BANKS_MAX:
        raise LimitError(f"{name}: found {found.size:,} banks, expected at most {BANKS_MAX:,}")
    if size is not None and found.size != size:
        raise RiskweaveError(f"{name}: found {found.size} numbers, expected {size}")
    if (found < 0).any():
        place = int(np.flatnonzero(found < 0)[0])
        raise RiskweaveError(f"{name}: found {found[place]} at {place}, expected no negative amounts")
    return found


def matrix(values: ArrayLike, name: str) -> Floats:
    """Return a square matrix of amounts between banks; what a bank owes itself must be 0."""
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 2 or found.shape[0] != found.shape[1] or not found.size:
        raise RiskweaveError(f"{name}: found the shape {found.shape}, expected a square matrix")
    if found.shape[0] > BANKS_MAX:
        raise LimitError(f"{name}: found {found.shape[0]:,} banks, expected at most {BANKS_MAX:,}")
    if not np.isfinite(found).all() or (found < 0).any():
        raise RiskweaveError(f"{name}: expected finite amounts that are not negative")
    if np.diagonal(found).any():
        raise RiskweaveError(f"{name}: a bank has an exposure to itself")
    return found


def share(value: float, name: str) -> float:
    """Return a number strictly between 0 and 1."""
    if not 0.0 < value < 1.0:
        raise RiskweaveError(f"{name}: found {value}, expected a number between 0 and 1")
    return float(value)
