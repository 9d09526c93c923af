"""Measures by their definitions, number by number; plain Python, slow, readable."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction


def historical(returns, level):
    """VaR: the least loss that at most a share 1 - level exceeds. ES: the mean of the worst 1 - level."""
    losses = sorted((-Fraction(r) for r in returns), reverse=True)
    share = Fraction(level).limit_denominator(10**6)
    room = len(losses) * (1 - share)
    var = min(x for x in losses if sum(1 for y in losses if y > x) <= room)
    left, total = room, Fraction(0)
    for x in losses:
        weight = min(Fraction(1), left)
        total += weight * x
        left -= weight
    return float(var), float(total / room)


def garch_variances(deviations, omega, alpha, beta, first):
    """Each variance from the one before."""
    found = [first]
    for d in deviations:
        found.append(omega + alpha * d**2 + beta * found[-1])
    return found


def coin_ratio(hits, p):
    """Minus twice the log of how much less likely the hits are under p than under their own share."""
    share = sum(hits) / len(hits)

    def likelihood(q):
        return math.prod(Fraction(q) if hit else 1 - Fraction(q) for hit in hits)

    own = likelihood(share) if 0 < share < 1 else Fraction(1)
    return 2 * (_log(own) - _log(likelihood(p)))


def chain_ratio(hits):
    """The same of a Markov chain of first order against hits that do not depend on the day before."""
    pairs = list(itertools.pairwise(hits))

    def share(of):
        return Fraction(sum(b for _, b in of), len(of)) if of else Fraction(0)

    def likelihood(q_after_calm, q_after_hit):
        return math.prod((q if b else 1 - q) for a, b in pairs for q in [q_after_hit if a else q_after_calm])

    calm, hit = share([p for p in pairs if not p[0]]), share([p for p in pairs if p[0]])
    whole = share(pairs)
    return 2 * (_log(likelihood(calm, hit)) - _log(likelihood(whole, whole)))


def _log(fraction):
    fraction = Fraction(fraction)
    return math.log(fraction.numerator) - math.log(fraction.denominator)


def stock(level_1, a, b):
    """The largest stock of liquid assets that keeps both caps, of a few candidates; after haircuts."""
    best = 0.0
    level_2 = 2 / 3 * level_1
    # 2B is bounded by what there is, by the 15 % beside all 2A, and by the 15 % when the 40 % binds, too;
    # 2A by what there is and by what the 40 % leaves.
    for some_b in (b, 15 / 85 * (level_1 + a), 15 / 60 * level_1):
        some_b = min(some_b, b, level_2)
        for some_a in (a, level_2 - some_b):
            some_a = min(some_a, a)
            total = level_1 + some_a + some_b
            if some_b <= 0.15 * total + 1e-9 and some_a + some_b <= 0.4 * total + 1e-9:
                best = max(best, total)
    return best


def spread(rows, columns, rounds=3000):
    """Proportional fitting, one cell after the other."""
    n = len(rows)
    x = [[0.0 if i == j else rows[i] * columns[j] for j in range(n)] for i in range(n)]
    for _ in range(rounds):
        for i in range(n):
            s = sum(x[i])
            x[i] = [v * rows[i] / s if s else 0.0 for v in x[i]]
        for j in range(n):
            s = sum(x[i][j] for i in range(n))
            for i in range(n):
                x[i][j] = x[i][j] * columns[j] / s if s else 0.0
    return x


def debtrank_2012(exposures, buffer, shock):
    """Battiston et al., equations 1 and 2: undistressed, distressed, inactive."""
    n = len(buffer)
    h, state = list(shock), ["D" if s > 0 else "U" for s in shock]
    while "D" in state:
        new = [
            min(1.0, h[i] + sum(
                min(1.0, exposures[i][j] / buffer[i]) * h[j]
                for j in range(n) if state[j] == "D" and exposures[i][j]
            ))
            for i in range(n)
        ]  # fmt: skip
        state = ["I" if state[i] in ("D", "I") else ("D" if new[i] > 0 else "U") for i in range(n)]
        h = new
    return h


def debtrank_2015(exposures, buffer, shock, rounds=5000):
    """Bardoscia et al., equation 6."""
    n = len(buffer)
    before, now = [0.0] * n, list(shock)
    for _ in range(rounds):
        after = [
            min(1.0, now[i] + sum(
                exposures[i][j] / buffer[i] * (now[j] - before[j]) for j in range(n) if exposures[i][j]
            ))
            for i in range(n)
        ]  # fmt: skip
        before, now = now, after
    return now


def payments(exposures, outside, beside, rounds=5000):
    """Eisenberg and Noe: from full payment downwards, everybody pays the least of what he owes and has."""
    n = len(outside)
    owed = [[exposures[j][i] for j in range(n)] for i in range(n)]
    due = [sum(owed[i]) + beside[i] for i in range(n)]
    paid = list(due)
    for _ in range(rounds):
        paid = [
            min(due[i], outside[i] + sum(paid[j] * owed[j][i] / due[j] for j in range(n) if due[j]))
            for i in range(n)
        ]
    return paid
