"""Who owes whom, when only each bank's totals are known: the matrix of maximum entropy.

Upper and Worms (2004): among all matrices with these sums and nothing on the diagonal, the one nearest to
spreading every claim in proportion, found by iterative proportional fitting (RAS).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from riskweave.errors import RiskweaveError
from riskweave.measures.inputs import Floats, amounts

ROUNDS_MAX = 10_000


def maximum_entropy(claims: ArrayLike, debts: ArrayLike, tolerance: float = 1e-10) -> Floats:
    """Return what each bank (row) has lent to each other (column): rows sum to claims, columns to debts.

    The sums must agree, and no bank's claims and debts together may exceed all claims, for then no such
    matrix exists. `tolerance` is relative to all claims.
    """
    rows, columns = amounts(claims, "claims"), amounts(debts, "debts")
    if rows.size != columns.size:
        raise RiskweaveError(f"found {rows.size} claims and {columns.size} debts, expected one each per bank")
    whole = float(rows.sum())
    if not np.isclose(whole, columns.sum(), rtol=1e-6, atol=0.0):
        raise RiskweaveError(f"claims sum to {whole:g}, debts to {columns.sum():g}; all claims are debts")
    if whole == 0.0:
        return np.zeros((rows.size, rows.size))
    columns = columns * (whole / columns.sum())
    alone = np.flatnonzero(rows + columns > whole * (1.0 + 1e-9))
    if alone.size:
        raise RiskweaveError(
            f"bank {int(alone[0])}: its claims and debts exceed all claims together, "
            "so it would have to lend to itself"
        )
    found = np.outer(rows, columns) / whole
    np.fill_diagonal(found, 0.0)
    for _ in range(ROUNDS_MAX):
        found *= _over(rows, found.sum(axis=1))[:, None]
        found *= _over(columns, found.sum(axis=0))
        if np.abs(found.sum(axis=1) - rows).max() <= tolerance * whole:
            return found
    left = np.abs(found.sum(axis=1) - rows).max()
    raise RiskweaveError(f"no matrix with these sums after {ROUNDS_MAX:,} rounds; {left:g} is left over")


def _over(wanted: Floats, have: Floats) -> Floats:
    return np.divide(wanted, have, out=np.zeros_like(wanted), where=have > 0.0)
