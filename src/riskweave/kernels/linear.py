"""Weighted sums, RBF features by a Nystroem map, and distances to centres."""

import math

import numpy as np

from riskweave.kernels.compile import lean_kernel


@lean_kernel
def score_linear(inputs, coefficients, intercept, out):
    """Fill `out` with coefficients . inputs + intercept; an input that is NaN counts as 0."""
    for i in range(inputs.shape[0]):
        total = intercept[0]
        for j in range(coefficients.size):
            x = inputs[i, j]
            if x == x:
                total += coefficients[j] * x
        out[i] = total


@lean_kernel
def map_kernel(inputs, components, normalization, gamma, scratch, out):
    """Fill `out[i]` with the Nystroem map of a row: kernels to the components, times normalization'."""
    rank = components.shape[0]
    for i in range(inputs.shape[0]):
        for c in range(rank):
            distance = 0.0
            for j in range(components.shape[1]):
                x = inputs[i, j]
                difference = (x if x == x else 0.0) - components[c, j]
                distance += difference * difference
            scratch[c] = math.exp(-gamma * distance)
        for r in range(rank):
            total = 0.0
            for c in range(rank):
                total += normalization[r, c] * scratch[c]
            out[i, r] = total


@lean_kernel
def nearest_centre(inputs, centres, cluster, distance):
    """Fill `cluster` with the number of the nearest centre (the first on a tie), `distance` with how far."""
    for i in range(inputs.shape[0]):
        best = np.inf
        chosen = 0
        for c in range(centres.shape[0]):
            total = 0.0
            for j in range(centres.shape[1]):
                x = inputs[i, j]
                difference = (x if x == x else 0.0) - centres[c, j]
                total += difference * difference
            if total < best:
                best = total
                chosen = c
        cluster[i] = chosen
        distance[i] = math.sqrt(best)
