"""Accumulators of a window: what one entry adds when it enters and takes away when it leaves."""

import math

from riskweave.kernels.chunks import class_of, class_words, give, take
from riskweave.kernels.compile import inline_kernel
from riskweave.kernels.exact_sums import add, add_one, two_product
from riskweave.kernels.feature_layout import (
    ACC_BAG,
    ACC_COUNT,
    ACC_DECAYED,
    ACC_DIRECTION,
    ACC_FIRST,
    ACC_HOURS,
    ACC_LAST,
    ACC_MAX,
    ACC_MIN,
    ACC_MOMENTS,
    ACC_SQUARES,
    BAG_MIN,
    DIRTY_SEQ,
    NEVER,
    NONE_SEQ,
    R_CAPACITY,
    R_ERA,
    R_RING,
    STRIDE,
)
from riskweave.kernels.places import direction
from riskweave.kernels.sorted_words import count_distinct, count_less, sort_words
from riskweave.kernels.words import NULL, bits_of, float_of, unpack


@inline_kernel
def address(plan, p, heap, record, seq):
    """Return where entry `seq` of a record's history lies in the heap."""
    return heap[record + R_RING] + (seq & (heap[record + R_CAPACITY] - 1)) * plan[p + STRIDE]


@inline_kernel
def matches(plan, acc, heap, at):
    """Tell whether the entry at `at` passes the accumulator's filter and has its value."""
    need = plan[acc + 2]
    if need != 0 and heap[at + plan[acc + 1]] & need != need:
        return False
    return plan[acc + 3] == 0 or heap[at + plan[acc + 3]] != NULL


@inline_kernel
def apply(plan, p, acc, meta, heap, record, seq, sign, first, end):
    """Enter (`sign` 1) or leave (-1) entry `seq`; tell whether the accumulator must be settled.

    The window is [first, end), the entering entry included, the leaving one not.
    """
    at = address(plan, p, heap, record, seq)
    if not matches(plan, acc, heap, at):
        return False
    kind = plan[acc]
    own = record + plan[acc + 4]
    if kind == ACC_COUNT:
        heap[own] += sign
        return False
    if kind in (ACC_MOMENTS, ACC_SQUARES):
        _moments(heap, own, unpack(heap[at + plan[acc + 3]]), sign, kind == ACC_SQUARES)
        return False
    if kind in (ACC_MIN, ACC_MAX):
        if sign < 0:
            if heap[own + 1] == seq:
                heap[own + 1] = DIRTY_SEQ
                return True
            return False
        if heap[own + 1] == DIRTY_SEQ:
            return True
        word = heap[at + plan[acc + 3]]
        best = heap[own]
        if heap[own + 1] == NONE_SEQ or (word >= best if kind == ACC_MAX else word <= best):
            heap[own] = word
            heap[own + 1] = seq
        return False
    if kind == ACC_BAG:
        _bag(plan, p, acc, meta, heap, record, heap[at + plan[acc + 3]], sign, first, end)
        return False
    if kind in (ACC_LAST, ACC_FIRST):
        if sign < 0:
            if heap[own] == seq:
                heap[own] = DIRTY_SEQ
                return True
            return False
        if heap[own] == DIRTY_SEQ:
            return True
        if heap[own] == NONE_SEQ or (seq > heap[own] if kind == ACC_LAST else seq < heap[own]):
            heap[own] = seq
        return False
    if kind == ACC_DECAYED:
        # Fading forgets nothing, so nothing leaves; entries before the entity started anew are not its own.
        if sign > 0 and heap[at] >= heap[record + R_ERA]:
            fold(plan, acc, heap, at, own + 2)
        return False
    if kind == ACC_DIRECTION:
        heap[own] += sign
        x, y, z = direction(unpack(heap[at + plan[acc + 3]]), unpack(heap[at + plan[acc + 3] + 1]))
        heap[own + 1] += sign * x
        heap[own + 2] += sign * y
        heap[own + 3] += sign * z
        return False
    if kind == ACC_HOURS:
        hour = int(unpack(heap[at + plan[acc + 3]])) % 24
        heap[own + (hour >> 1)] += sign << (32 * (hour & 1))
    return False


@inline_kernel
def fold(plan, acc, heap, at, total):
    """Fade the total at heap[total] (its time beside it) to an entry's time and add the entry."""
    value = 1.0
    if plan[acc + 3] != 0:
        value = unpack(heap[at + plan[acc + 3]])
    if heap[total + 1] != NEVER:
        value += float_of(heap[total]) * fading(plan, acc, heap[at] - heap[total + 1])
    heap[total] = bits_of(value)
    heap[total + 1] = heap[at]


@inline_kernel
def fading(plan, acc, age_ms):
    """Return what is left of 1 after `age_ms`."""
    return math.pow(0.5, age_ms / float_of(plan[acc + 5]))


@inline_kernel
def _moments(heap, own, value, sign, squares):
    count = heap[own] + sign
    heap[own] = count
    if count == 0:
        heap[own + 1] = 0
        heap[own + 2] = 0
        if squares:
            heap[own + 3] = 0
            heap[own + 4] = 0
            heap[own + 5] = 0
        return
    high, low = add_one(float_of(heap[own + 1]), float_of(heap[own + 2]), value if sign > 0 else -value)
    heap[own + 1] = bits_of(high)
    heap[own + 2] = bits_of(low)
    if squares:
        p, e = two_product(value, value)
        if sign < 0:
            p, e = -p, -e
        high, low = add(float_of(heap[own + 3]), float_of(heap[own + 4]), p, e)
        heap[own + 3] = bits_of(high)
        heap[own + 4] = bits_of(low)
        heap[own + 5] = max(heap[own + 5], bits_of(abs(value)))


@inline_kernel
def collect(plan, p, acc, heap, record, first, end, target):
    """Write the sorted values of the window's entries to heap[target:]; return how many."""
    count = 0
    for seq in range(first, end):
        at = address(plan, p, heap, record, seq)
        if matches(plan, acc, heap, at):
            heap[target + count] = heap[at + plan[acc + 3]]
            count += 1
    sort_words(heap, target, count)
    return count


@inline_kernel
def _bag(plan, p, acc, meta, heap, record, word, sign, first, end):
    """Keep the sorted values of a long window; a short one is looked through when asked."""
    own = record + plan[acc + 4]
    capacity = heap[own + 1]
    if capacity < 0:
        return
    if capacity == 0:
        if sign > 0 and end - first > BAG_MIN:
            capacity = class_words(class_of(2 * (end - first)))
            start = take(meta, heap, capacity)
            heap[own] = start
            heap[own + 1] = capacity
            count = collect(plan, p, acc, heap, record, first, end, start)
            heap[own + 2] = count
            heap[own + 3] = count_distinct(heap, start, count)
        return
    start = heap[own]
    count = heap[own + 2]
    if sign > 0:
        if count == capacity:
            bigger = class_words(class_of(2 * capacity))
            moved = take(meta, heap, bigger)
            for i in range(count):
                heap[moved + i] = heap[start + i]
            give(meta, heap, start, capacity)
            heap[own] = moved
            heap[own + 1] = bigger
            start = moved
        place = count_less(heap, start, count, word)
        if place == count or heap[start + place] != word:
            heap[own + 3] += 1
        for i in range(start + count, start + place, -1):
            heap[i] = heap[i - 1]
        heap[start + place] = word
        heap[own + 2] = count + 1
        return
    place = count_less(heap, start, count, word)
    if place + 1 == count or heap[start + place + 1] != word:
        heap[own + 3] -= 1
    for i in range(start + place, start + count - 1):
        heap[i] = heap[i + 1]
    heap[own + 2] = count - 1
    if 2 * (end - first) < BAG_MIN:
        drop_bag(meta, heap, own)


@inline_kernel
def drop_bag(meta, heap, own):
    """Give back a bag's chunk; its window is looked through again when asked."""
    if heap[own + 1] > 0:
        give(meta, heap, heap[own], heap[own + 1])
    heap[own] = 0
    heap[own + 1] = 0
    heap[own + 2] = 0
    heap[own + 3] = 0


@inline_kernel
def settle(plan, p, acc, heap, record, first, end):
    """Find an extreme (or first, or last) anew, after the entry that was it has left."""
    kind = plan[acc]
    own = record + plan[acc + 4]
    if kind in (ACC_MIN, ACC_MAX):
        if heap[own + 1] != DIRTY_SEQ:
            return
        found = NONE_SEQ
        best = NULL
        for seq in range(first, end):
            at = address(plan, p, heap, record, seq)
            if matches(plan, acc, heap, at):
                word = heap[at + plan[acc + 3]]
                if found == NONE_SEQ or (word >= best if kind == ACC_MAX else word <= best):
                    best = word
                    found = seq
        heap[own] = best
        heap[own + 1] = found
    elif kind == ACC_LAST:
        if heap[own] != DIRTY_SEQ:
            return
        heap[own] = NONE_SEQ
        for seq in range(end - 1, first - 1, -1):
            if matches(plan, acc, heap, address(plan, p, heap, record, seq)):
                heap[own] = seq
                return
    elif kind == ACC_FIRST:
        if heap[own] != DIRTY_SEQ:
            return
        heap[own] = NONE_SEQ
        for seq in range(first, end):
            if matches(plan, acc, heap, address(plan, p, heap, record, seq)):
                heap[own] = seq
                return


@inline_kernel
def clear(plan, acc, heap, record, temporary):
    """Set an accumulator to nothing; a temporary one never builds a bag."""
    kind = plan[acc]
    own = record + plan[acc + 4]
    size = 1
    if kind == ACC_MOMENTS:
        size = 3
    elif kind == ACC_SQUARES:
        size = 6
    elif kind == ACC_HOURS:
        size = 12
    elif kind in (ACC_BAG, ACC_DIRECTION):
        size = 4
    elif kind in (ACC_MIN, ACC_MAX):
        heap[own] = 0
        heap[own + 1] = NONE_SEQ
        return
    elif kind in (ACC_LAST, ACC_FIRST):
        heap[own] = NONE_SEQ
        return
    elif kind == ACC_DECAYED:
        heap[own] = 0
        heap[own + 1] = NEVER
        heap[own + 2] = 0
        heap[own + 3] = NEVER
        return
    elif kind != ACC_COUNT:  # first ever
        heap[own] = NEVER
        heap[own + 1] = 0
        return
    for i in range(size):
        heap[own + i] = 0
    if temporary != 0 and kind == ACC_BAG:
        heap[own + 1] = -1
