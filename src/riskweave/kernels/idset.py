"""Event ids seen lately: an open-addressing table of 64-bit hashes.

A row of `table` is (hash, number + 1, watermark at its arrival); a number of 0 marks a free row.
The number of rows is a power of two and at most half of them are taken, so a search ends soon.
"""

import numpy as np

from riskweave.kernels.compile import kernel


@kernel
def remember(table, hashes, watermarks_ms, first_number, period_ms, start, first):
    """Fill `first[i]` with the number under which hash i was remembered, or -1 when it is new.

    New ids get the numbers first_number + i. An id older than the period counts as new and is
    overwritten. Returns how many rows of `table` were newly taken.
    """
    mask = table.shape[0] - 1
    taken = 0
    for i in range(start, hashes.size):
        hash_bits = np.int64(hashes[i])
        place = (hash_bits ^ (hash_bits >> 29)) & mask
        first[i] = -1
        while True:
            if table[place, 1] == 0:
                table[place, 0] = hash_bits
                table[place, 1] = first_number + i + 1
                table[place, 2] = watermarks_ms[i]
                taken += 1
                break
            if table[place, 0] == hash_bits:
                if watermarks_ms[i] - table[place, 2] <= period_ms:
                    first[i] = table[place, 1] - 1
                else:
                    table[place, 1] = first_number + i + 1
                    table[place, 2] = watermarks_ms[i]
                break
            place = (place + 1) & mask
    return taken


@kernel
def rebuild(old, watermark_ms, period_ms, table):
    """Move what is still within the period from `old` to the empty `table`; returns how many."""
    mask = table.shape[0] - 1
    moved = 0
    for k in range(old.shape[0]):
        if old[k, 1] == 0 or watermark_ms - old[k, 2] > period_ms:
            continue
        place = (old[k, 0] ^ (old[k, 0] >> 29)) & mask
        while table[place, 1] != 0:
            place = (place + 1) & mask
        table[place, 0] = old[k, 0]
        table[place, 1] = old[k, 1]
        table[place, 2] = old[k, 2]
        moved += 1
    return moved
