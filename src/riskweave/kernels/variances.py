"""Variances that follow from what came before: exponentially weighted and GARCH(1,1)."""

import math

from riskweave.kernels.compile import kernel


@kernel
def garch_variances(deviations, omega, alpha, beta, first, out):
    """Fill `out` (one longer) with each deviation's variance as foretold by those before it.

    out[0] = first; out[t + 1] = omega + alpha deviations[t]^2 + beta out[t]. Exponential weights are
    omega = 0, alpha = 1 - decay, beta = decay.
    """
    out[0] = first
    for t in range(deviations.size):
        out[t + 1] = omega + alpha * deviations[t] * deviations[t] + beta * out[t]


@kernel
def garch_surprise(deviations, omega, alpha, beta, first):
    """Return minus the mean normal log-likelihood, without its constant; inf where there is none."""
    variance = first
    total = 0.0
    for t in range(deviations.size):
        if not variance > 0.0:
            return math.inf
        square = deviations[t] * deviations[t]
        total += math.log(variance) + square / variance
        variance = omega + alpha * square + beta * variance
    found = 0.5 * total / max(deviations.size, 1)
    return found if found == found else math.inf
