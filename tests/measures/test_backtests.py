"""Backtests: the published tables and examples, and the likelihoods written out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskweave.errors import RiskweaveError
from riskweave.measures.backtests import backtest, christoffersen, kupiec, roll, traffic_light
from riskweave.measures.value_at_risk import value_at_risk
from tests.oracles import measures as oracle

hits = st.lists(st.booleans(), min_size=3, max_size=60)


@settings(deadline=None)
@given(hits, st.sampled_from([0.9, 0.95, 0.99]))
def test_ratios_are_likelihoods_written_out(values, level):
    found = backtest(np.array(values), level)
    assert found.coverage.ratio == pytest.approx(oracle.coin_ratio(values, 1 - level), abs=1e-9)
    assert found.independence.ratio == pytest.approx(oracle.chain_ratio(values), abs=1e-9)
    assert found.conditional.ratio == pytest.approx(found.coverage.ratio + found.independence.ratio)
    assert found.exceeded == sum(values)


# Kupiec (1995), as in Jorion, Value at Risk (3rd ed. 2007), table 6-2: with so many exceedances in T days
# the test of 5 % does not reject. (For 255 days at 99 % it
# prints `N < 7`; none at all gives 5.13, though.)
KUPIEC = {
    (0.99, 255): (1, 6), (0.99, 510): (2, 10), (0.99, 1000): (5, 16),
    (0.975, 255): (3, 11), (0.975, 510): (7, 20), (0.975, 1000): (16, 35),
    (0.95, 255): (7, 20), (0.95, 510): (17, 35), (0.95, 1000): (38, 64),
    (0.925, 255): (12, 27), (0.925, 510): (28, 50), (0.925, 1000): (60, 91),
    (0.9, 255): (17, 35), (0.9, 510): (39, 64), (0.9, 1000): (82, 119),
}  # fmt: skip


@pytest.mark.parametrize(("level", "days"), KUPIEC)
def test_kupiec_s_regions_are_the_published_ones(level, days):
    agrees = [count for count in range(days) if kupiec(days, count, level).ratio < 3.841]
    low, high = KUPIEC[level, days]
    assert (agrees[0], agrees[-1]) == (low, high)


def test_jp_morgan_1998():
    """Jorion (2007), chapter 6: 20 exceedances of 252, six of them after another one, at 95 %."""
    assert kupiec(252, 20, 0.95).ratio == pytest.approx(3.91, abs=0.005)
    runs = [[True] * (2 if k < 6 else 1) + [False] for k in range(14)]
    values = np.array([False] * 219 + [day for run in runs for day in run])
    calm, after = int((~values[:-1]).sum()), int(values[:-1].sum())
    assert (values.size - 1, calm, after) == (252, 232, 20)
    assert christoffersen(values).ratio == pytest.approx(9.53, abs=0.005)


def test_the_basel_traffic_light_is_the_committee_s():
    """Basel Committee (1996), table 2."""
    expected = {4: 3.0, 5: 3.4, 6: 3.5, 7: 3.65, 8: 3.75, 9: 3.85, 10: 4.0}
    for count, multiplier in expected.items():
        light = "green" if count < 5 else "yellow" if count < 10 else "red"
        assert traffic_light(250, count, 0.99) == (light, multiplier)


def test_forecasts_see_the_past_alone():
    values = np.random.default_rng(2).normal(0, 0.01, 120)
    for method in ("historical", "normal", "ewma"):
        found = roll(values, 0.95, method, 100)
        assert found.first == 100
        for k in (0, 7, 19):
            alone = value_at_risk(values[k : k + 100], 0.95, method)
            assert (found.var[k], found.shortfall[k]) == alone
            assert found.exceeded[k] == (-values[100 + k] > alone.var)


def test_a_garch_kept_between_fits_still_follows_its_series():
    values = np.random.default_rng(2).normal(0, 0.01, 130)
    every, seldom = roll(values, 0.95, "garch", 100), roll(values, 0.95, "garch", 100, refit=30)
    assert every.var[0] == seldom.var[0]
    assert len(set(seldom.var.tolist())) > 20
    assert seldom.var == pytest.approx(every.var, rel=0.5)


def test_what_cannot_be_judged_is_refused():
    with pytest.raises(RiskweaveError, match="true or false"):
        backtest([0.1, 0.2])
    with pytest.raises(RiskweaveError, match="window"):
        roll([0.1] * 30, window=30)
