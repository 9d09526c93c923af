"""From the columns of a batch to the inputs of a model: encoded, filled in, scaled."""

import math

import numpy as np

from riskweave.kernels.compile import lean_kernel

# What an input is made of: words of `sources`.
ROW = 0  # the row of the batch (or column of a matrix)
KIND = 1
ARGUMENT = 2  # ONE_HOT: which category
CODES = 3  # categories: where the row's table of pool codes begins in `codes`, and
CODES_END = 4  # where it ends; both 0: the values are positions already
SOURCE_WORDS = 5

VALUE = 0
CODE = 1
ONE_HOT = 2
INDICATOR = 3

# Facts of an input: columns of `facts`.
IMPUTE = 0
MEAN = 1
SCALE = 2
LOG = 3
ZERO_MISSING = 4
FACTS = 5

_ZERO = 1e-35


@lean_kernel
def gather(values, rows, sources, facts, codes, whole, inputs):
    """Fill `inputs[k, j]` with input j of the event in column rows[k] of `values`.

    `codes` are pairs (pool code, position), ascending by pool code within a table. With `whole`
    inputs are rounded to float32.
    """
    width = sources.shape[0]
    for k in range(rows.size):
        at = rows[k]
        for j in range(width):
            x = values[sources[j, ROW], at]
            kind = sources[j, KIND]
            if kind != VALUE:
                if kind == INDICATOR:
                    x = 1.0 if x != x else 0.0
                else:
                    if sources[j, CODES_END] > 0 and x == x:
                        low = sources[j, CODES]
                        high = sources[j, CODES_END]
                        while low < high:
                            middle = (low + high) >> 1
                            if codes[middle, 0] < x:
                                low = middle + 1
                            else:
                                high = middle
                        if low < sources[j, CODES_END] and codes[low, 0] == x:
                            x = float(codes[low, 1])
                        else:
                            x = -1.0
                    if kind == ONE_HOT:
                        x = 1.0 if x == sources[j, ARGUMENT] else 0.0
            if facts[j, ZERO_MISSING] != 0.0 and -_ZERO <= x <= _ZERO:
                x = np.nan
            if x != x:
                x = facts[j, IMPUTE]
            if facts[j, LOG] != 0.0:
                x = math.copysign(math.log1p(abs(x)), x)
            x = (x - facts[j, MEAN]) / facts[j, SCALE]
            inputs[k, j] = np.float64(np.float32(x)) if whole else x
