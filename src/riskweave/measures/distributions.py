"""Distributions in plain numbers: normal, Student's t, chi-squared of one and two degrees, binomial."""

from __future__ import annotations

import math
from statistics import NormalDist

_NORMAL = NormalDist()
_STEPS = 400
_TINY = 1e-300


def normal_density(x: float) -> float:
    """Return the standard normal density."""
    return math.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)


def normal_quantile(p: float) -> float:
    """Return the x that a standard normal stays below with probability p."""
    return _NORMAL.inv_cdf(p)


def student_density(x: float, nu: float) -> float:
    """Return the density of Student's t with `nu` degrees of freedom."""
    log = math.lgamma((nu + 1) / 2) - math.lgamma(nu / 2) - 0.5 * math.log(nu * math.pi)
    return math.exp(log - (nu + 1) / 2 * math.log1p(x * x / nu))


def student_below(x: float, nu: float) -> float:
    """Return the probability that Student's t stays below x."""
    tail = 0.5 * _beta_share(nu / 2, 0.5, nu / (nu + x * x)) if x else 0.5
    return 1.0 - tail if x > 0 else tail


def student_quantile(p: float, nu: float) -> float:
    """Return the x that Student's t stays below with probability p, by halving to the last bit or so."""
    if p == 0.5:
        return 0.0
    if p > 0.5:
        return -student_quantile(1.0 - p, nu)
    low, high = -1.0, 0.0
    while student_below(low, nu) > p:
        low *= 2.0
    for _ in range(200):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        if student_below(middle, nu) < p:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def chi_squared_beyond(x: float, degrees: int) -> float:
    """Return the probability that chi-squared of 1 or 2 degrees of freedom exceeds x."""
    assert degrees in (1, 2)
    x = max(x, 0.0)
    return math.erfc(math.sqrt(x / 2.0)) if degrees == 1 else math.exp(-x / 2.0)


def binomial_upto(k: int, n: int, p: float) -> float:
    """Return the probability of at most k successes among n, each with probability 0 < p < 1."""
    if k >= n:
        return 1.0
    logs = [
        math.lgamma(n + 1) - math.lgamma(j + 1) - math.lgamma(n - j + 1)
        + j * math.log(p) + (n - j) * math.log1p(-p)
        for j in range(k + 1)
    ]  # fmt: skip
    return min(math.fsum(math.exp(each) for each in logs), 1.0)


def _beta_share(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function, by Lentz's continued fraction (DLMF 8.17.22)."""
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    log = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - _beta_share(b, a, 1.0 - x)
    c, d = 1.0, 1.0 - (a + b) * x / (a + 1.0)
    d = 1.0 / (d if abs(d) > _TINY else _TINY)
    found = d
    for m in range(1, _STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for step in (even, odd):
            d = 1.0 + step * d
            d = 1.0 / (d if abs(d) > _TINY else _TINY)
            c = 1.0 + step / c
            c = c if abs(c) > _TINY else _TINY
            found *= c * d
        if abs(c * d - 1.0) < 1e-16:
            break
    return math.exp(log) * found / a
