"""Sums that do not drift: pairs of floats (high, low) that together carry 106 bits.

Adding and later taking away the same numbers leaves what never adding them would, up to 2**-104 of
the largest; sums of whole numbers (money in minor units) below 2**100 are exact. Source: T. J.
Dekker, A floating-point technique for extending the available precision, 1971.
"""

from riskweave.kernels.compile import inline_kernel

_SPLIT = 134217729.0  # 2**27 + 1


@inline_kernel
def two_sum(a, b):
    """Return (s, e): s is a + b rounded, s + e is a + b exactly."""
    s = a + b
    c = s - a
    return s, (a - (s - c)) + (b - c)


@inline_kernel
def two_product(a, b):
    """Return (p, e): p is a * b rounded, p + e is a * b exactly (below 1e300)."""
    p = a * b
    c = _SPLIT * a
    a_high = c - (c - a)
    a_low = a - a_high
    c = _SPLIT * b
    b_high = c - (c - b)
    b_low = b - b_high
    return p, ((a_high * b_high - p) + a_high * b_low + a_low * b_high) + a_low * b_low


@inline_kernel
def add(high, low, other_high, other_low):
    """Return the sum of two pairs."""
    s, e = two_sum(high, other_high)
    t, f = two_sum(low, other_low)
    e += t
    s, e = s + e, e - ((s + e) - s)
    e += f
    total = s + e
    return total, e - (total - s)


@inline_kernel
def add_one(high, low, number):
    """Return the sum of a pair and a number."""
    s, e = two_sum(high, number)
    e += low
    total = s + e
    return total, e - (total - s)


@inline_kernel
def sample_deviation(count, sum_high, sum_low, square_high, square_low):
    """Return the sample standard deviation from a count, a sum and a sum of squares."""
    # (sum of squares - sum^2 / n) / (n - 1), the difference taken in pairs.
    p, e = two_product(sum_high, sum_high)
    e += 2.0 * sum_high * sum_low
    quotient = p / count
    back, back_error = two_product(quotient, count)
    rest = ((p - back) - back_error + e) / count
    high, low = add(square_high, square_low, -quotient, -rest)
    variance = (high + low) / (count - 1.0)
    if variance <= 0.0:
        return 0.0
    return variance**0.5
