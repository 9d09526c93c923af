"""Which rules hold: every condition of every rule, at the price of a few memory reads per column.

A column's values fall into intervals (between the constants that any rule compares it with), and
for each interval a row of bits says which rules still hold there. An event's hits are the AND of
one row per column.

Rules come in chunks, each with its own intervals, so that a chunk's rows stay in the cache while a
block of events passes. All of a plan is in three arrays:

`plan` int64: HEADER numbers, then
    per chunk    first word of its rules in an event's words, words (even), first column, columns,
                 where in `rows` the bits of its rules begin
    per column   row in `values`, first cut in `reals`, cuts (a power of two less one, at least 3),
                 first of its `rows`
    per rule + 1 first of its tests; per test the row in `values`; per group which hits it takes
`reals` float64: cuts (ascending, the first -inf so that only null is before it, padded with NaN);
    per test its bounds: it holds where low <= value and not value >= high; per rule its facts (`hits.py`)
`rows` uint64: the rows of bits.

Tests are conditions that too few rules share to be worth an interval map; they are asked only of
rules whose other conditions hold.
"""

import numpy as np

from riskweave.kernels.bits import count_bits, lowest_bit
from riskweave.kernels.compile import inline_kernel, kernel
from riskweave.kernels.hits import settle

# Places in the header of `plan`.
CHUNKS = 0
CHUNK_AT = 1
COLUMN_AT = 2
TEST_START_AT = 3
TEST_ROW_AT = 4
BOUND_AT = 5
WORDS = 6
COLUMNS = 7  # of the chunk that has most
TAKES_AT = 8
GROUPS = 9
FACTS_AT = 10
RISK_ROW = 11  # -1: hits are only listed
HEADER = 12

CHUNK_FIELDS = 5
COLUMN_FIELDS = 4

# Events that pass a chunk together: long enough to reuse its rows, short enough to stay in the cache.
BLOCK = 256

# Up to so many cuts are counted one by one, which is faster than halving.
COUNTED_CUTS = 15


@inline_kernel
def find_rows(values, row, first, count, reals, cut, cuts, first_row, words, places, begin):
    """Fill `places[begin:begin + count]` with where in `rows` the bits of each value's interval begin.

    The number of an interval is the number of cuts at or below the value; null has none.
    """
    if count == 1:
        value = values[row, first]
        at = 0
        step = (cuts + 1) >> 1
        while step > 0:
            at += step * np.int64(reals[cut + at + step - 1] <= value)
            step >>= 1
        places[begin] = first_row + words * at
        return
    column = values[row, first : first + count]
    place = places[begin : begin + count]
    if cuts <= COUNTED_CUTS:
        for i in range(count):
            place[i] = 0
        at = cut
        while at + 3 < cut + cuts:
            cut0 = reals[at]
            cut1 = reals[at + 1]
            cut2 = reals[at + 2]
            cut3 = reals[at + 3]
            for i in range(count):
                value = column[i]
                place[i] += (
                    np.int64(cut0 <= value)
                    + np.int64(cut1 <= value)
                    + np.int64(cut2 <= value)
                    + np.int64(cut3 <= value)
                )
            at += 4
        cut0 = reals[at]
        cut1 = reals[at + 1]
        cut2 = reals[at + 2]
        for i in range(count):
            value = column[i]
            last = np.int64(cut0 <= value) + np.int64(cut1 <= value) + np.int64(cut2 <= value)
            place[i] = first_row + words * (place[i] + last)
        return
    # Halving, a step for all events at a time: the inner loops have no branches and become gathers.
    before = cut - 1
    step = (cuts + 1) >> 2
    cut0 = reals[before + step]
    cut1 = reals[before + 2 * step]
    cut2 = reals[before + 3 * step]
    for i in range(count):
        value = column[i]
        place[i] = step * (np.int64(cut0 <= value) + np.int64(cut1 <= value) + np.int64(cut2 <= value))
    step >>= 1
    while step > 1:
        for i in range(count):
            at = place[i]
            place[i] = at + step * (reals[before + at + step] <= column[i])
        step >>= 1
    for i in range(count):
        at = place[i]
        place[i] = first_row + words * (at + np.int64(reals[before + at + 1] <= column[i]))


@inline_kernel
def intersect(rows, all_rules, words, columns, count, places, bits, first_word, stride):
    """Fill each event's words of a chunk with the AND of its row of every column."""
    for i in range(count):
        out = i * stride + first_word
        word = 0
        # Eight words at once stay in vector registers over all columns.
        while word + 8 <= words:
            at = all_rules + word
            b0 = rows[at]
            b1 = rows[at + 1]
            b2 = rows[at + 2]
            b3 = rows[at + 3]
            b4 = rows[at + 4]
            b5 = rows[at + 5]
            b6 = rows[at + 6]
            b7 = rows[at + 7]
            for c in range(columns):
                at = places[c * count + i] + word
                b0 &= rows[at]
                b1 &= rows[at + 1]
                b2 &= rows[at + 2]
                b3 &= rows[at + 3]
                b4 &= rows[at + 4]
                b5 &= rows[at + 5]
                b6 &= rows[at + 6]
                b7 &= rows[at + 7]
            at = out + word
            bits[at] = b0
            bits[at + 1] = b1
            bits[at + 2] = b2
            bits[at + 3] = b3
            bits[at + 4] = b4
            bits[at + 5] = b5
            bits[at + 6] = b6
            bits[at + 7] = b7
            word += 8
        while word < words:
            b0 = rows[all_rules + word]
            b1 = rows[all_rules + word + 1]
            for c in range(columns):
                at = places[c * count + i] + word
                b0 &= rows[at]
                b1 &= rows[at + 1]
            bits[out + word] = b0
            bits[out + word + 1] = b1
            word += 2


@kernel
def match(values, plan, reals, rows, first, work, hit_start, hit_rule):
    """Append each event's hits to `hit_rule` from event `first` on; return the event to resume at.

    The hits of event i are hit_rule[hit_start[i]:hit_start[i + 1]], ascending; with a RISK_ROW only
    those that count, and the rows of risk, floor and ceiling are filled. When `hit_rule` may be too
    short for an event's hits, that event is returned: give a longer one and call again.
    `work` is working memory: 2 * groups + block * (columns + words), block being min(events, BLOCK).
    """
    events = values.shape[1]
    block = min(events, BLOCK)
    chunks = plan[CHUNKS]
    chunk_at = plan[CHUNK_AT]
    column_at = plan[COLUMN_AT]
    test_start_at = plan[TEST_START_AT]
    test_row_at = plan[TEST_ROW_AT]
    bound_at = plan[BOUND_AT]
    stride = plan[WORDS]
    facts_at = plan[FACTS_AT]
    risk_row = plan[RISK_ROW]
    takes = plan[plan[TAKES_AT] : plan[TAKES_AT] + plan[GROUPS]]
    places_at = 2 * plan[GROUPS]
    bits_at = places_at + block * plan[COLUMNS]
    best = work[:places_at].view(np.float64)
    places = work[places_at:bits_at]
    bits = work[bits_at:].view(np.uint64)
    one = np.uint64(1)
    zero = np.uint64(0)
    hits = hit_start[first]
    while first < events:
        count = min(BLOCK, events - first)
        for chunk in range(chunks):
            at = chunk_at + chunk * CHUNK_FIELDS
            words = plan[at + 1]
            columns = plan[at + 3]
            for c in range(columns):
                entry = column_at + (plan[at + 2] + c) * COLUMN_FIELDS
                find_rows(
                    values,
                    plan[entry],
                    first,
                    count,
                    reals,
                    plan[entry + 1],
                    plan[entry + 2],
                    plan[entry + 3],
                    words,
                    places,
                    c * count,
                )
            intersect(rows, plan[at + 4], words, columns, count, places, bits, plan[at], stride)
        for i in range(count):
            event = first + i
            alive = 0
            for word in range(i * stride, (i + 1) * stride):
                alive += count_bits(bits[word])
            if hits + alive > hit_rule.size:
                return event
            if alive > 0:
                for word in range(stride):
                    left = bits[i * stride + word]
                    while left != zero:
                        rule = word * 64 + lowest_bit(left)
                        left &= left - one
                        holds = True
                        for test in range(plan[test_start_at + rule], plan[test_start_at + rule + 1]):
                            value = values[plan[test_row_at + test], event]
                            bound = bound_at + 2 * test
                            if not (reals[bound] <= value) or value >= reals[bound + 1]:
                                holds = False
                                break
                        if holds:
                            hit_rule[hits] = rule
                            hits += 1
            if risk_row >= 0:
                hits = settle(
                    values, event, reals, facts_at, takes, best, risk_row, hit_start[event], hits, hit_rule
                )
            hit_start[event + 1] = hits
        first += count
    return events
