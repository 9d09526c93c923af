"""What was known of a key at a time: a hash table of keys, each with its versions sorted by time."""

import numpy as np

from riskweave.kernels.compile import kernel


@kernel
def find_key(slots, hashes, key):
    """Return the number of a key, -1 when it is unknown. `slots` has a power of two places, some free."""
    mask = np.uint64(slots.size - 1)
    at = np.int64(key & mask)
    while slots[at] >= 0:
        if hashes[slots[at]] == key:
            return slots[at]
        at = (at + 1) & np.int64(mask)
    return -1


@kernel
def enter_keys(first, count, hashes, slots):
    """Enter keys number first, first + 1, ... count - 1 into `slots`; none of them is there yet."""
    mask = np.uint64(slots.size - 1)
    for number in range(first, count):
        at = np.int64(hashes[number] & mask)
        while slots[at] >= 0:
            at = (at + 1) & np.int64(mask)
        slots[at] = number


@kernel
def known_as_of(slots, hashes, blocks, from_ms, known, keys, times_ms, jobs, out):
    """Fill rows of `out` with what was known of each event's key at the event's time, NaN for nothing.

    `blocks[number]` is (first version, how many); a version holds from `from_ms` until the next one's.
    A row of `jobs` is (row of `keys`, column of `known`, row of `out`), sorted by the first.
    """
    for i in range(times_ms.size):
        row = -1
        version = -1
        for j in range(jobs.shape[0]):
            if jobs[j, 0] != row:
                row = jobs[j, 0]
                version = -1
                number = -1
                if keys[row, i] != np.uint64(0):
                    number = find_key(slots, hashes, keys[row, i])
                if number >= 0:
                    low = blocks[number, 0]
                    high = low + blocks[number, 1]
                    version = low - 1
                    while low < high:
                        middle = (low + high) >> 1
                        if from_ms[middle] <= times_ms[i]:
                            version = middle
                            low = middle + 1
                        else:
                            high = middle
                    if version < blocks[number, 0]:
                        version = -1
            out[jobs[j, 2], i] = known[version, jobs[j, 1]] if version >= 0 else np.nan
