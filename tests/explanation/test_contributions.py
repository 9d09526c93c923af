"""Contributions: Shapley values by definition, and they add up, whatever the belief."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskweave.explanation.contributions import (
    EXACT_MAX,
    RISK_LEAST,
    RISK_MOST,
    fitted,
    of_belief,
    of_greatest,
)
from tests.oracles.sharing import shapley

log_odds = st.floats(-20, 20)
risks = st.lists(st.one_of(st.floats(0, 1), st.just(float("nan"))), max_size=6)


def tabled(values):
    """A belief whose log-odds are looked up by the set of known nodes."""

    def belief(known):
        return np.array([values[int(sum(1 << k for k, there in enumerate(row) if there))] for row in known])

    return belief


@given(st.integers(0, 5).flatmap(lambda n: st.lists(log_odds, min_size=1 << n, max_size=1 << n)))
def test_shares_are_shapley_values_by_definition(values):
    nodes = len(values).bit_length() - 1
    shares = of_belief(tabled(values), nodes)
    defined = shapley(lambda known: values[sum(1 << k for k in known)], nodes)
    assert shares.amounts == pytest.approx(defined, abs=1e-9)
    assert shares.prior + math.fsum(shares.amounts) == pytest.approx(shares.posterior, abs=1e-9)


@given(st.integers(EXACT_MAX + 1, 30), st.integers(0, 2**32))
def test_with_many_nodes_the_amounts_still_add_up(nodes, seed):
    weights = np.random.default_rng(seed).normal(size=(nodes, nodes))

    def belief(known):
        return np.tanh(known @ weights).sum(axis=1)

    shares = of_belief(belief, nodes)
    assert not shares.exact
    assert shares.prior + math.fsum(shares.amounts) == pytest.approx(shares.posterior, abs=1e-9)


@given(risks)
def test_the_greatest_risk_is_shared_by_definition(found):
    held = [min(max(0.0 if risk != risk else risk, RISK_LEAST), RISK_MOST) for risk in found]

    def worth(known):
        risk = max([RISK_LEAST, *(held[k] for k in known)])
        return math.log(risk / (1 - risk))

    shares = of_greatest(found)
    assert shares.amounts == pytest.approx(shapley(worth, len(held)), abs=1e-9)
    assert shares.prior == pytest.approx(worth(()))
    assert shares.posterior == pytest.approx(worth(range(len(held))))


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.floats(-50, 50))
def test_fitted_amounts_add_up_and_none_moves_more_than_what_is_missing(own, total):
    moved = fitted(own, total)
    scale = max(1.0, *map(abs, own))
    assert math.fsum(moved) == pytest.approx(total, abs=1e-9 * scale * len(own))
    missing = abs(total - math.fsum(own))
    assert all(abs(b - a) <= missing * (1 + 1e-9) + 1e-9 for a, b in zip(own, moved, strict=True))


def test_what_was_nothing_stays_nothing():
    assert fitted([2.0, 0.0, -1.0], 3.0) == pytest.approx([2 + 4 / 3, 0.0, -1 + 2 / 3])
