"""Dense layers and LSTM, a row at a time; sums go over inputs in order, so batches change nothing.

Weights lie transposed, an input's weights to some units side by side: the inner loop runs over
units, which the processor does several at a time without changing any sum's order.
"""

import math

import numpy as np

from riskweave.kernels.compile import lean_inline_kernel, lean_kernel
from riskweave.kernels.dense_lanes import add_lines, block_of
from riskweave.kernels.words import bits_of, float_of, pointer

IDENTITY = 0
RELU = 1
TANH = 2
SIGMOID = 3

# Words of a layer: how many come in, how many go out, where weights and bias begin, what follows.
IN = 0
OUT = 1
WEIGHTS = 2
BIAS = 3
ACTIVATION = 4
LAYER = 5

_LOG2_E = 1.4426950408889634
_LN2 = 0.6931471805599453
_LN2_HIGH = 0.693147180369123816490
# Adding this rounds to a whole number and leaves it in the lowest bits.
_ROUND = 6755399441055744.0
_ROUND_BITS = 0x4338000000000000
_LN2_LOW = 1.90821492927058770002e-10


@lean_inline_kernel
def fast_exp(x):
    """Return exp(x) within 3e-16 of its size, x held within [-700, 700]; no branch, no call."""
    x = min(max(x, -700.0), 700.0)
    shifted = x * _LOG2_E + _ROUND
    k = shifted - _ROUND
    r = (x - k * _LN2_HIGH) - k * _LN2_LOW
    p = 1.0 / 6227020800.0
    p = p * r + 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    return p * float_of((bits_of(shifted) - _ROUND_BITS + 1023) << 52)


@lean_inline_kernel
def squash(x):
    """Return 1 / (1 + exp(-x))."""
    return 1.0 / (1.0 + fast_exp(-x))


@lean_inline_kernel
def bend(x):
    """Return tanh(x), within 3e-16 (of 1, not of itself)."""
    return 1.0 - 2.0 / (fast_exp(2.0 * x) + 1.0)


@lean_inline_kernel
def _multiply(weights, first, rows, columns, x, x_first, y, y_first, back):
    """Add to y[y_first:] each x times its line of weights, block by block (`back`: the last one first).

    Weights lie as `dense_lanes.in_blocks` lays them. `weights`, `x` and `y` are pointers: an array's
    index is checked for its sign, which hides from LLVM that units lie side by side.
    """
    block = block_of(y)
    whole = columns // block
    for step in range(whole):
        at = (whole - 1 - step if back else step) * block
        add_lines(weights, first + at * rows, rows, block, x, x_first, y, y_first + at)
    rest = columns - whole * block
    if rest > 0:
        for j in range(rows):
            at = first + whole * block * rows + j * rest
            a = x[x_first + j]
            for u in range(rest):
                y[y_first + whole * block + u] = y[y_first + whole * block + u] + a * weights[at + u]


@lean_inline_kernel
def forward(layers, weights, scratch):
    """Carry scratch[0:inputs] through dense layers; return where in `scratch` the last one's output is.

    Layers write one after the other, so all activations stay readable.
    """
    at = 0
    weight_at = pointer(weights)
    scratch_at = pointer(scratch)
    for layer in range(layers.shape[0]):
        wide = layers[layer, IN]
        units = layers[layer, OUT]
        out = at + wide
        bias = layers[layer, BIAS]
        for g in range(units):
            scratch_at[out + g] = weight_at[bias + g]
        _multiply(weight_at, layers[layer, WEIGHTS], wide, units, scratch_at, at, scratch_at, out, False)
        activation = layers[layer, ACTIVATION]
        if activation == RELU:
            for g in range(units):
                scratch_at[out + g] = max(scratch_at[out + g], 0.0)
        elif activation == TANH:
            for g in range(units):
                scratch[out + g] = bend(scratch[out + g])
        elif activation == SIGMOID:
            for g in range(units):
                scratch[out + g] = squash(scratch[out + g])
        at = out
    return at


@lean_kernel
def score_mlp(inputs, layers, weights, scratch, out):
    """Fill `out` with the one number of the last layer; NaN inputs count as 0."""
    for i in range(inputs.shape[0]):
        for j in range(inputs.shape[1]):
            x = inputs[i, j]
            scratch[j] = x if x == x else 0.0
        out[i] = scratch[forward(layers, weights, scratch)]


@lean_kernel
def score_autoencoder(inputs, layers, weights, scratch, out):
    """Fill `out` with log(mean squared difference between the last layer and the inputs + 1e-12)."""
    width = inputs.shape[1]
    for i in range(inputs.shape[0]):
        for j in range(width):
            x = inputs[i, j]
            scratch[j] = x if x == x else 0.0
        at = forward(layers, weights, scratch)
        total = 0.0
        for j in range(width):
            difference = scratch[at + j] - scratch[j]
            total += difference * difference
        out[i] = math.log(total / width + 1e-12)


@lean_inline_kernel
def short_exp(x):
    """Return exp(x) within 1e-10 of its size: enough for what becomes float32."""
    x = min(max(x, -700.0), 700.0)
    shifted = x * _LOG2_E + _ROUND
    k = shifted - _ROUND
    r = x - k * _LN2
    p = 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    return p * float_of((bits_of(shifted) - _ROUND_BITS + 1023) << 52)


@lean_inline_kernel
def _gates(sums, first, count):
    """Put the gates' curves in place: sigmoid for input, forget and output, tanh for the cell."""
    hidden = count // 4
    for g in range(first, first + 2 * hidden):
        sums[g] = 1.0 / (1.0 + short_exp(-np.float64(sums[g])))
    for g in range(first + 2 * hidden, first + 3 * hidden):
        sums[g] = 1.0 - 2.0 / (short_exp(2.0 * np.float64(sums[g])) + 1.0)
    for g in range(first + 3 * hidden, first + count):
        sums[g] = 1.0 / (1.0 + short_exp(-np.float64(sums[g])))


@lean_inline_kernel
def run_lstm(events, order, begin, count, from_inputs, recurrent, bias, scratch, sums):
    """Carry a state through `count` events; leaves it in scratch[0:h], the cell in scratch[h:2h].

    Event k's inputs are the line order[begin + k] of `events`. All arrays are float32, the gates'
    curves are computed in float64. `sums` has room for the gates of all events: what comes from
    inputs is added up first, so that those weights are fetched once, not for every event.
    """
    wide = bias.size
    hidden = wide // 4
    width = events.shape[1]
    event_at = pointer(events)
    input_at = pointer(from_inputs)
    recurrent_at = pointer(recurrent)
    bias_at = pointer(bias)
    scratch_at = pointer(scratch)
    sum_at = pointer(sums)
    for k in range(count):
        for g in range(wide):
            sum_at[k * wide + g] = bias_at[g]
    for k in range(count):
        line = order[begin + k] * width
        for j in range(width):
            x = event_at[line + j]
            scratch_at[2 * hidden + j] = x if x == x else 0.0
        _multiply(input_at, 0, width, wide, scratch_at, 2 * hidden, sum_at, k * wide, k & 1 == 1)
    for u in range(2 * hidden):
        scratch_at[u] = 0.0
    for k in range(count):
        first = k * wide
        if k > 0:
            # Back and forth: what the last event used is still in the nearest cache.
            _multiply(recurrent_at, 0, hidden, wide, scratch_at, 0, sum_at, first, k & 1 == 1)
        _gates(sum_at, first, wide)
        for u in range(hidden):
            kept = sum_at[first + hidden + u] * scratch_at[hidden + u]
            scratch_at[hidden + u] = kept + sum_at[first + u] * sum_at[first + 2 * hidden + u]
        for u in range(hidden):
            cell = 1.0 - 2.0 / (short_exp(2.0 * np.float64(scratch_at[hidden + u])) + 1.0)
            scratch_at[u] = sum_at[first + 3 * hidden + u] * cell
