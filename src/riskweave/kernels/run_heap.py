"""A binary heap of partial matches by first event, in the rows of one scratch array.

Row r of `heap` is a partial match in the columns R_*; `size` rows are used. The layout is part of
the semantics: of matches that began with the same event, the one nearer the top is reported first
and may discard the others. So rows move exactly as in a heap that sifts up when it is added to, and
is rebuilt from the bottom after rows are discarded.
"""

import numpy as np

from riskweave.kernels.compile import lean_kernel

R_STATE, R_NODE, R_START_MS, R_START, R_PREVIOUS_MS = 0, 1, 2, 3, 4
RUN_COLUMNS = 5


@lean_kernel
def push(heap, size, state, node, start_ms, start, previous_ms):
    """Add a partial match; return the new size."""
    child = size
    while child > 0:
        parent = (child - 1) >> 1
        if start >= heap[parent, R_START]:
            break
        for column in range(RUN_COLUMNS):
            heap[child, column] = heap[parent, column]
        child = parent
    heap[child, R_STATE] = state
    heap[child, R_NODE] = node
    heap[child, R_START_MS] = start_ms
    heap[child, R_START] = start
    heap[child, R_PREVIOUS_MS] = previous_ms
    return size + 1


@lean_kernel
def pop(heap, size):
    """Remove the top row, which the caller has read; return the new size."""
    size -= 1
    if size > 0:
        _sink(heap, size, np.int64(0), size)
    return size


@lean_kernel
def rebuild(heap, size):
    """Make a heap of rows in any order."""
    for place in range((size >> 1) - 1, -1, -1):
        # The row that sinks is kept in the spare row behind the others.
        for column in range(RUN_COLUMNS):
            heap[size, column] = heap[place, column]
        _sink(heap, size, place, size)


@lean_kernel
def _sink(heap, size, place, spare):
    """Let the row at `spare` sink from `place`."""
    start = heap[spare, R_START]
    half = size >> 1
    while place < half:
        child = 2 * place + 1
        if child + 1 < size and heap[child, R_START] > heap[child + 1, R_START]:
            child += 1
        if start <= heap[child, R_START]:
            break
        for column in range(RUN_COLUMNS):
            heap[place, column] = heap[child, column]
        place = child
    for column in range(RUN_COLUMNS):
        heap[place, column] = heap[spare, column]
