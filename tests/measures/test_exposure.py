"""Exposures: identities of netting and collateral, and a forward whose exposure is known in closed form."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from riskweave.errors import RiskweaveError
from riskweave.measures.exposure import Agreement, collateral, netted, over_time, profile, secured

paths = st.integers(1, 5).flatmap(
    lambda dates: st.lists(
        st.lists(st.integers(-100, 100).map(float), min_size=dates, max_size=dates), min_size=1, max_size=8
    )
)


@settings(deadline=None)
@given(paths)
def test_what_is_owed_less_what_we_owe_is_the_mean_value(values):
    dates = np.arange(1.0, len(values[0]) + 1)
    found = profile(values, dates)
    for k in range(len(dates)):
        column = [row[k] for row in values]
        assert found.expected[k] == pytest.approx(sum(max(v, 0) for v in column) / len(column))
        assert found.negative[k] == pytest.approx(sum(max(-v, 0) for v in column) / len(column))
        least = min(x for x in column if sum(v <= x for v in column) >= 0.95 * len(column) - 1e-9)
        assert found.potential[k] == max(least, 0)
        assert found.effective[k] == max(found.expected[: k + 1])
        assert found.average[k] == pytest.approx(np.mean(found.expected[: k + 1]))


def test_a_forward_of_brownian_motion():
    """Of a normal with deviation s sqrt(t) the expected exposure is s sqrt(t / 2 pi)."""
    draw = np.random.default_rng(1).normal(size=(20_000, 4)) * math.sqrt(0.25)
    values = 10 * np.cumsum(draw, axis=1)
    times = np.array([0.25, 0.5, 0.75, 1.0])
    found = profile(values, times, 0.95)
    assert found.expected == pytest.approx(10 * np.sqrt(times / (2 * math.pi)), rel=0.03)
    assert found.potential == pytest.approx(10 * np.sqrt(times) * stats.norm.ppf(0.95), rel=0.05)


@settings(deadline=None)
@given(paths, st.integers(0, 30), st.integers(0, 30))
def test_netting_never_adds_exposure_and_collateral_leaves_the_threshold(values, threshold, transfer):
    dates = np.arange(1.0, len(values[0]) + 1)
    mirrored = -0.5 * np.array(values)
    both = profile(netted([values, mirrored]), dates)
    alone = [profile(each, dates) for each in (values, mirrored)]
    assert (both.expected <= alone[0].expected + alone[1].expected + 1e-9).all()
    assert both.expected - both.negative == pytest.approx(sum(p.expected - p.negative for p in alone))
    agreement = Agreement(threshold, threshold, transfer)
    left = secured(values, agreement)
    assert (np.abs(left) <= threshold + transfer + 1e-9).all()
    nothing = secured(values, Agreement(1e9, 1e9))
    assert nothing.tolist() == np.array(values).tolist()


def test_a_call_comes_late_and_independent_amounts_stay():
    values = [[10.0, 20.0, 5.0]]
    assert collateral(values, Agreement()).tolist() == [[10, 20, 5]]
    assert collateral(values, Agreement(lag=1)).tolist() == [[0, 10, 20]]
    assert collateral(values, Agreement(independent=7)).tolist() == [[17, 27, 12]]
    assert collateral(values, Agreement(least_transfer=11)).tolist() == [[0, 20, 5]]


def test_an_average_over_time_weighs_by_time():
    assert over_time([6, 1, 3], [0, 1, 3]).tolist() == [6, 1, pytest.approx(7 / 3)]


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (lambda: profile([[1.0]], [1.0, 2.0]), "dates"),
        (lambda: profile([[1.0, 2.0]], [2.0, 1.0]), "ascending"),
        (lambda: profile([[math.inf]], [1.0]), "finite"),
        (lambda: Agreement(least_transfer=-1), "negative"),
        (lambda: netted([]), "at least one"),
        (lambda: netted([[[1.0]], [[1.0, 2.0]]]), "same paths"),
    ],
)
def test_what_is_no_path_is_refused(what, said):
    with pytest.raises(RiskweaveError, match=said):
        what()
