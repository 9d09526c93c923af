"""The last events of each key, in order of time, and an LSTM over them."""

import numpy as np

from riskweave.kernels.compile import lean_kernel
from riskweave.kernels.networks import forward, run_lstm

DONE = -1


@lean_kernel
def score_sequences(
    events, order, first, lengths, from_inputs, recurrent, bias, scratch, sums, layers, weights, dense, out
):
    """Fill `out[i]` with the score of the events order[first[i]:first[i] + lengths[i]]; NaN for none."""
    hidden = bias.size // 4
    for i in range(first.size):
        if lengths[i] <= 0:
            out[i] = np.nan
            continue
        run_lstm(events, order, first[i], lengths[i], from_inputs, recurrent, bias, scratch, sums)
        for u in range(hidden):
            dense[u] = scratch[u]
        out[i] = dense[forward(layers, weights, dense)]


@lean_kernel
def find_slot(index, key):
    """Return where a key stands in the index, or where it would: index[2 p] is the key, 0 when free."""
    mask = index.size // 2 - 1
    at = (key ^ (key >> 29)) & mask
    while index[2 * at] != 0 and index[2 * at] != key:
        at = (at + 1) & mask
    return at


@lean_kernel
def fill_index(index, keys):
    """Enter slots 0.. by their keys into an empty index."""
    for slot in range(keys.size):
        at = find_slot(index, keys[slot])
        index[2 * at] = keys[slot]
        index[2 * at + 1] = slot


@lean_kernel
def step(
    begin, keys, active, time_ms, watermark_ms, inputs, horizon_ms,
    index, used, slot_keys, counts, times, order, events, picks,
    from_inputs, recurrent, bias, scratch, sums, layers, weights, dense, out,
):  # fmt: skip
    """Remember events under their keys, and fill `out` with the score of the sequence each one ends.

    Slot s keeps up to times.shape[1] events: order[s, k] is the line of `events` that holds the k-th
    in order of time, times[s, k] its time; the last line of `events` is scratch. Only events later
    than time - horizon_ms count. An event no later than watermark - horizon_ms is scored on its own
    and not remembered; so is a late one that comes before all of a full slot. Rows without a key
    or not `active` get NaN. Stops where a new key finds no slot and returns that row; DONE at the end.
    """
    steps = times.shape[1]
    slots = slot_keys.size
    width = inputs.shape[1]
    hidden = bias.size // 4
    for i in range(begin, keys.size):
        out[i] = np.nan
        key = np.int64(keys[i])
        if key == 0 or active[i] == 0:
            continue
        now = time_ms[i]
        kept = now > watermark_ms[i] - horizon_ms
        line = slots * steps
        count = 1
        picks[0] = line
        if kept:
            at = find_slot(index, key)
            if index[2 * at] == 0:
                if used[0] == slots:
                    return i
                slot = used[0]
                used[0] += 1
                index[2 * at] = key
                index[2 * at + 1] = slot
                slot_keys[slot] = key
                counts[slot] = 0
            slot = index[2 * at + 1]
            size = counts[slot]
            place = size
            while place > 0 and times[slot, place - 1] > now:
                place -= 1
            if size < steps:
                line = slot * steps + size
                for k in range(size, place, -1):
                    order[slot, k] = order[slot, k - 1]
                    times[slot, k] = times[slot, k - 1]
                counts[slot] = size + 1
            elif place > 0:
                line = order[slot, 0]
                place -= 1
                for k in range(place):
                    order[slot, k] = order[slot, k + 1]
                    times[slot, k] = times[slot, k + 1]
            if line < slots * steps:
                order[slot, place] = line
                times[slot, place] = now
                first = place
                while first > 0 and times[slot, first - 1] > now - horizon_ms:
                    first -= 1
                count = place - first + 1
                for k in range(count):
                    picks[k] = order[slot, first + k]
        for j in range(width):
            events[line, j] = np.float32(inputs[i, j])
        run_lstm(events, picks, 0, count, from_inputs, recurrent, bias, scratch, sums)
        for u in range(hidden):
            dense[u] = scratch[u]
        out[i] = dense[forward(layers, weights, dense)]
    return DONE


@lean_kernel
def latest(index, key, time_ms, horizon_ms, counts, times, order, picks):
    """Fill `picks` with the lines of the sequence that ends at a time; return how many they are."""
    at = find_slot(index, key)
    if index[2 * at] == 0:
        return 0
    slot = index[2 * at + 1]
    found = 0
    for k in range(counts[slot]):
        if time_ms - horizon_ms < times[slot, k] <= time_ms:
            picks[found] = order[slot, k]
            found += 1
    return found
