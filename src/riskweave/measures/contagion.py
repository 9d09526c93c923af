"""Contagion: how the distress of one bank becomes that of others.

`debtrank`      Battiston, Puliga, Kaushik, Tasca and Caldarelli (2012): each bank passes its distress on once
`propagate`     Bardoscia, Battiston, Caccioli and Caldarelli (2015): every further loss is passed on
`clear`         Eisenberg and Noe (2001): what everybody pays when nobody can pay more than he has

`exposures[i, j]` is what bank i has lent to bank j, throughout; `buffer` is a bank's capital.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskweave.errors import RiskweaveError
from riskweave.measures.inputs import Floats, amounts, matrix

ROUNDS_MAX = 100_000


def leverage(exposures: ArrayLike, buffer: ArrayLike) -> Floats:
    """Return what each bank (row) loses of its capital when another (column) loses all of its own."""
    lent = matrix(exposures, "exposures")
    capital = amounts(buffer, "buffer", lent.shape[0])
    bare = np.flatnonzero((capital == 0.0) & lent.any(axis=1))
    if bare.size:
        raise RiskweaveError(f"bank {int(bare[0])} has lent and has no capital: it has failed already")
    return lent / np.where(capital > 0.0, capital, 1.0)[:, None]


def propagate(impacts: Floats, shock: ArrayLike, tolerance: float = 1e-10) -> Floats:
    """Return each bank's final share of capital lost, 1 at most, after a shock of such shares.

    h(t + 1) = min(1, h(t) + impacts (h(t) - h(t - 1))), until nothing more than `tolerance` is lost.
    """
    shares = _shock(shock, impacts.shape[0])
    before, now = np.zeros_like(shares), shares
    for _ in range(ROUNDS_MAX):
        after = np.minimum(1.0, now + impacts @ (now - before))
        before, now = now, after
        if np.abs(now - before).max() <= tolerance:
            return now
    raise RiskweaveError(f"losses are still passed on after {ROUNDS_MAX:,} rounds")


def propagate_once(impacts: Floats, shock: ArrayLike) -> Floats:
    """Return each bank's distress when every bank passes its own on in one round only (DebtRank of 2012)."""
    distress = _shock(shock, impacts.shape[0])
    strength = np.minimum(impacts, 1.0)
    active, untouched = distress > 0.0, distress == 0.0
    while active.any():
        after = np.minimum(1.0, distress + strength[:, active] @ distress[active])
        newly = untouched & (after > 0.0)
        untouched = untouched & ~newly
        distress, active = after, newly
    return distress


@dataclass(frozen=True)
class Ranks:
    """How much of the system's value is lost, beside its own, when each bank in turn fails."""

    debtrank: Floats
    failures: Floats

    @property
    def places(self) -> NDArray[np.int64]:
        """Each bank's place, 1 for the most dangerous; banks alike share the better one."""
        ascending = np.sort(-self.debtrank)
        return np.asarray(np.searchsorted(ascending, -self.debtrank) + 1, np.int64)


def debtrank(
    exposures: ArrayLike, buffer: ArrayLike, weights: ArrayLike | None = None, differential: bool = True
) -> Ranks:
    """Return each bank's DebtRank: the further loss, weighted, that its failure brings about.

    `weights` are the banks' economic values (their claims unless said); `differential` passes every loss on
    (2015), otherwise each bank is heard once (2012).
    """
    impacts = leverage(exposures, buffer)
    size = impacts.shape[0]
    value = (
        np.asarray(exposures, np.float64).sum(axis=1)
        if weights is None
        else amounts(weights, "weights", size)
    )
    if not value.sum() > 0.0:
        raise RiskweaveError("weights: all are 0")
    value = value / value.sum()
    found, failures = np.empty(size), np.empty(size)
    for bank in range(size):
        shock = np.zeros(size)
        shock[bank] = 1.0
        after = propagate(impacts, shock) if differential else propagate_once(impacts, shock)
        found[bank] = float((after - shock) @ value)
        failures[bank] = int((after >= 1.0 - 1e-9).sum()) - 1
    return Ranks(found, failures)


@dataclass(frozen=True)
class Clearing:
    """What each bank pays of what it owes, what is left to its owners, when it failed (round; 0: not)."""

    paid: Floats
    equity: Floats
    failed_in: Floats


def clear(exposures: ArrayLike, outside: ArrayLike, owed_outside: ArrayLike | None = None) -> Clearing:
    """Return the greatest clearing payments, by the fictitious default algorithm.

    `outside` is each bank's cash from elsewhere, `owed_outside` what it owes to those who are no banks; all
    its creditors are paid in proportion.
    """
    owed = matrix(exposures, "exposures").T
    size = owed.shape[0]
    cash = amounts(outside, "outside", size)
    beside = np.zeros(size) if owed_outside is None else amounts(owed_outside, "owed outside", size)
    due = owed.sum(axis=1) + beside
    parts = np.divide(owed, due[:, None], out=np.zeros_like(owed), where=due[:, None] > 0.0)
    paid, failed, failed_in = due.copy(), np.zeros(size, bool), np.zeros(size)
    for round_ in range(1, size + 2):
        worth = cash + parts.T @ paid
        newly = ~failed & (worth < due * (1.0 - 1e-12))
        if not newly.any():
            break
        failed |= newly
        failed_in[newly] = round_
        paid = _payments(parts, cash, due, failed)
    return Clearing(paid, np.maximum(cash + parts.T @ paid - due, 0.0), failed_in)


def _payments(parts: Floats, cash: Floats, due: Floats, failed: NDArray[np.bool_]) -> Floats:
    """Return what is paid when just these banks fail: they pay all they have."""
    paid = due.copy()
    among = parts[np.ix_(failed, failed)]
    have = cash[failed] + parts[np.ix_(~failed, failed)].T @ due[~failed]
    system = np.eye(int(failed.sum())) - among.T
    try:
        paid[failed] = np.linalg.solve(system, have)
    except np.linalg.LinAlgError:
        # Banks that owe each other alone: what they could pay is undetermined.
        paid[failed] = np.linalg.lstsq(system, have, rcond=None)[0]
    return np.clip(paid, 0.0, due)


def _shock(shock: ArrayLike, size: int) -> Floats:
    found = amounts(shock, "shock", size)
    if (found > 1.0).any():
        raise RiskweaveError("shock: expected shares of capital, 1 at most")
    return found
