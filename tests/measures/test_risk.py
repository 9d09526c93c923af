"""Value at Risk and shortfall: their definitions, other people's formulas, volatility that is found again."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from riskweave.errors import RiskweaveError
from riskweave.measures import distributions
from riskweave.measures.value_at_risk import METHODS, filtered, fit_student, value_at_risk
from riskweave.measures.volatility import Garch, ewma, fit_garch
from tests.oracles import measures as oracle

settings.register_profile("measures", deadline=None)
returns = st.lists(st.integers(-1000, 1000).map(lambda x: x / 1024), min_size=2, max_size=60)


@settings(deadline=None)
@given(returns, st.sampled_from([0.5, 0.9, 0.95, 0.975, 0.99, 0.999]))
def test_the_sample_s_own_risk_is_the_definition(values, level):
    found = value_at_risk(values, level)
    assert found == pytest.approx(oracle.historical(values, level), abs=1e-12)
    assert found.shortfall >= found.var - 1e-12


@pytest.mark.parametrize("nu", [1.5, 3.0, 4.7, 30.0, 400.0])
@pytest.mark.parametrize("p", [0.001, 0.01, 0.05, 0.3, 0.5, 0.9, 0.99])
def test_student_s_t_is_scipy_s(nu, p):
    x = distributions.student_quantile(p, nu)
    assert x == pytest.approx(stats.t.ppf(p, nu), rel=1e-9, abs=1e-12)
    assert distributions.student_below(x, nu) == pytest.approx(p, rel=1e-10)
    assert distributions.student_density(x, nu) == pytest.approx(stats.t.pdf(x, nu), rel=1e-10)


@pytest.mark.parametrize("x", [0.0, 0.1, 2.706, 3.841, 6.635, 20.0])
def test_chi_squared_and_binomial_are_scipy_s(x):
    for degrees in (1, 2):
        assert distributions.chi_squared_beyond(x, degrees) == pytest.approx(stats.chi2.sf(x, degrees))
    k = int(x)
    assert distributions.binomial_upto(k, 250, 0.01) == pytest.approx(stats.binom.cdf(k, 250, 0.01))


def test_normal_and_student_shortfall_are_the_means_of_their_tails():
    values = np.random.default_rng(3).standard_t(4, 3000) / 100
    mean, spread = values.mean(), values.std(ddof=1)
    found = value_at_risk(values, 0.975, "normal")
    tail = integrate.quad(lambda p: -stats.norm.ppf(p, mean, spread), 0, 0.025)[0] / 0.025
    assert found == pytest.approx((-stats.norm.ppf(0.025, mean, spread), tail), rel=1e-6)
    fitted = fit_student(values)
    found = value_at_risk(values, 0.975, "student")
    theirs = stats.t(fitted.nu, fitted.place, fitted.scale)
    tail = integrate.quad(lambda p: -theirs.ppf(p), 1e-12, 0.025)[0] / 0.025
    assert found == pytest.approx((-theirs.ppf(0.025), tail), rel=1e-4)


def test_the_fitted_student_is_as_likely_as_scipy_s():
    values = stats.t(3.5, 0.001, 0.01).rvs(4000, random_state=5)
    fitted, theirs = fit_student(values), stats.t.fit(values)
    ours = stats.t(fitted.nu, fitted.place, fitted.scale).logpdf(values).sum()
    assert ours >= stats.t(*theirs).logpdf(values).sum() - 1e-3
    assert 3.0 < fitted.nu < 4.0


def path(size, seed=1, omega=2e-6, alpha=0.08, beta=0.9):
    draw = np.random.default_rng(seed).standard_normal(size)
    variance, found = omega / (1 - alpha - beta), np.empty(size)
    for t in range(size):
        found[t] = math.sqrt(variance) * draw[t]
        variance = omega + alpha * found[t] ** 2 + beta * variance
    return found


@settings(deadline=None)
@given(returns, st.floats(0.01, 0.3), st.floats(0.1, 0.69))
def test_variances_follow_their_recursion(values, alpha, beta):
    model = Garch(0.0, 0.01, alpha, beta, 0.04)
    expected = oracle.garch_variances(values, 0.01, alpha, beta, 0.04)
    assert model.variances(values) == pytest.approx(expected, rel=1e-12)
    own = [stats.norm.logpdf(r, 0, math.sqrt(v)) for r, v in zip(values, expected, strict=False)]
    assert model.log_likelihood(values) == pytest.approx(sum(own), rel=1e-9, abs=1e-9)


def test_garch_is_found_again_and_nothing_near_is_likelier():
    values = path(12_000)
    model = fit_garch(values)
    assert model.alpha == pytest.approx(0.08, abs=0.02)
    assert model.beta == pytest.approx(0.90, abs=0.03)
    assert math.sqrt(model.long_run) == pytest.approx(0.01, rel=0.1)
    best = model.log_likelihood(values)
    for factor in (0.97, 1.03):
        for name in ("omega", "alpha", "beta"):
            if name == "beta" and factor > 1:
                continue
            other = Garch(**(model.__dict__ | {name: getattr(model, name) * factor}))
            assert other.log_likelihood(values) < best


def test_filtering_follows_volatility():
    values = path(1500)
    calm, wild = np.concatenate([values, 0.2 * values[:60]]), np.concatenate([values, 4 * values[:60]])
    for method in ("ewma", "garch"):
        assert value_at_risk(calm, 0.99, method).var < 0.7 * value_at_risk(calm, 0.99).var
        assert value_at_risk(wild, 0.99, method).var > 1.5 * value_at_risk(values, 0.99, method).var
    # With a volatility that never moves, filtering changes nothing.
    flat = Garch(0.0, 1e-4, 0.0, 0.0, 1e-4)
    assert filtered(values, 0.99, flat) == pytest.approx(value_at_risk(values, 0.99))


def test_exponential_weights_are_a_garch_without_a_level():
    model = ewma([0.01, -0.02, 0.03], 0.94)
    assert (model.omega, model.alpha + model.beta, model.long_run) == (0.0, 1.0, math.inf)


@pytest.mark.parametrize("method", METHODS)
def test_risk_scales_with_the_book(method):
    values = path(400, seed=4) + 1e-4
    once, twice = (value_at_risk(k * values, 0.975, method) for k in (1.0, 2.0))
    assert twice == pytest.approx((2 * once.var, 2 * once.shortfall), rel=2e-3)


@pytest.mark.parametrize(
    ("values", "level", "method", "said"),
    [
        ([1.0], 0.99, "historical", "expected at least 2 numbers"),
        ([1.0, math.nan], 0.99, "historical", "expected finite numbers"),
        ([1.0, 2.0], 1.0, "historical", "expected a number between 0 and 1"),
        ([1.0, 2.0], 0.99, "histrical", "did you mean `historical`"),
        ([0.0] * 80, 0.99, "garch", "no variance"),
        ([0.0] * 80, 0.99, "student", "all are the same"),
        ([0.0] * 80, 0.99, "ewma", "volatility is 0"),
    ],
)
def test_what_is_no_series_is_refused(values, level, method, said):
    with pytest.raises(RiskweaveError, match=said):
        value_at_risk(values, level, method)


def test_without_the_jit_the_numbers_are_the_same():
    code = (
        "import numpy as np; from riskweave.measures.volatility import fit_garch;"
        "print(repr(fit_garch(np.sin(np.arange(120.0)) * np.linspace(1, 3, 120))))"
    )
    run = [
        subprocess.run(
            [sys.executable, "-c", code], env=os.environ | more, capture_output=True, text=True, check=True
        ).stdout
        for more in ({}, {"NUMBA_DISABLE_JIT": "1"})
    ]
    assert run[0] == run[1] != ""
