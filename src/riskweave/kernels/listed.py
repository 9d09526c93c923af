"""List membership: the entry that each operand of a batch matches, at each event's own time."""

import numpy as np

from riskweave.kernels.compile import inline_kernel, kernel

# What the table holds for a code, beside the number of the one entry that always holds.
NOT_LISTED = -1
UNRESOLVED = -2
CHAIN = -3  # CHAIN - k: candidates from cell k of `table` on


@kernel
def match_lists(resolved, table, bounds, values):
    """Fill each matcher's target row with the matched entry's number or NaN; return how many are open.

    `table` begins with the number of matchers, then six cells for each: source row, target row,
    start and size of its part of `resolved`, start of its part of `bounds` and how many bounds; -1
    means that the source holds text codes. A number's code is its place among the sorted bounds:
    2 p + 1 when it equals bound p, 2 p when it lies just below it. A part of `bounds` is: least bound,
    buckets per unit, number of buckets, the bounds, and for each bucket how many bounds lie before it.
    A chain is cells (entry, from, until), best first, that end with entry -1.
    A code that nobody has looked up yet is open: its target becomes -2 - code.
    """
    pending = 0
    for m in range(table[0]):
        source = table[6 * m + 1]
        target = table[6 * m + 2]
        start = table[6 * m + 3]
        size = table[6 * m + 4]
        first = table[6 * m + 5]
        count = table[6 * m + 6]
        for i in range(values.shape[1]):
            value = values[source, i]
            if value != value:
                values[target, i] = value
                continue
            if count < 0:
                code = int(value)
            else:
                code = place_among(bounds, first, count, value)
            slot = resolved[start + code] if code < size else UNRESOLVED
            if slot >= 0:
                values[target, i] = slot
            elif slot == NOT_LISTED:
                values[target, i] = np.nan
            elif slot == UNRESOLVED:
                values[target, i] = -2 - code
                pending += 1
            else:
                at_ms = int(values[0, i])
                cell = CHAIN - slot
                while table[cell] >= 0 and not (table[cell + 1] <= at_ms < table[cell + 2]):
                    cell += 3
                values[target, i] = table[cell] if table[cell] >= 0 else np.nan
    return pending


@inline_kernel
def place_among(bounds, first, count, value):
    """Return a number's code. Its bucket says between which two bounds to search."""
    low = 0
    high = count
    if count > 0:
        buckets = bounds[first + 2]
        bucket = (value - bounds[first]) * bounds[first + 1]
        guide = first + 3 + count
        if bucket < 0.0:
            high = 0
        elif bucket >= buckets:
            low = count
        elif bucket == bucket:
            low = int(bounds[guide + int(bucket)])
            high = int(bounds[guide + int(bucket) + 1])
    while low < high:
        middle = (low + high) >> 1
        if bounds[first + 3 + middle] < value:
            low = middle + 1
        else:
            high = middle
    code = 2 * low
    if low < count and bounds[first + 3 + low] == value:
        code += 1
    return code
