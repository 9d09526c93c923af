"""Records of single keys, copied word for word from one state to another of the same plan.

A copy has the same windows, sums and bags as the original, so it goes on bit for bit: what is laid
out anew is only where its chunks lie.
"""

from riskweave.kernels.aggregates import address, drop_bag
from riskweave.kernels.chunks import (
    HEAP_WORDS,
    INDEX_WORDS,
    KEYS,
    NEED,
    TABLE_WORDS,
    TABLES,
    TOP,
    class_of,
    class_words,
    take,
)
from riskweave.kernels.compile import inline_kernel, kernel
from riskweave.kernels.feature_layout import (
    ACC_BAG,
    ACC_WORDS,
    BLOCKS,
    G_KEYS,
    HASH_WORD,
    LABEL_SLOT,
    LABEL_TABLES,
    R_CAPACITY,
    R_FIRST,
    R_NEXT,
    R_RING,
    R_TABLE,
    RECORD_WORDS,
    REGISTRY_SALT,
    REGISTRY_TABLE,
    STRIDE,
    T_EVENTS,
    T_KEYS,
    WINDOW_COUNT,
    WINDOW_WORDS,
    WINDOWS,
)
from riskweave.kernels.history import find, put, salted
from riskweave.kernels.words import NULL, pack, pointer, unpack

DONE = 0
HEAP_FULL = 1
INDEX_FULL = 2


@kernel
def copy_keys(plan_, keys_, meta_, index_, heap_, to_meta_, to_index_, to_heap_):
    """Copy the records of `keys`, as the index knows them; return DONE, or what must grow before going on.

    Keys that are not known, or that the target has already, are passed over.
    """
    plan, keys = pointer(plan_), pointer(keys_)
    meta, index, heap = pointer(meta_), pointer(index_), pointer(heap_)
    to_meta, to_index, to_heap = pointer(to_meta_), pointer(to_index_), pointer(to_heap_)
    meta[INDEX_WORDS] = index_.size
    to_meta[INDEX_WORDS] = to_index_.size
    to_meta[HEAP_WORDS] = to_heap_.size
    for number in range(keys_.size):
        key = keys[number]
        record = find(meta, index, key)
        if record == 0 or find(to_meta, to_index, key) != 0:
            continue
        if 2 * (to_meta[KEYS] + 1) > (to_meta[INDEX_WORDS] >> 1):
            return INDEX_FULL
        need = _words(plan, heap, record)
        if to_meta[TOP] + need > to_meta[HEAP_WORDS]:
            to_meta[NEED] = need
            return HEAP_FULL
        put(to_meta, to_index, key, _copied(plan, heap, record, to_meta, to_heap))
        to_meta[KEYS] += 1
    return DONE


@inline_kernel
def _words(plan, heap, record):
    """Return how many words a record takes with all that belongs to it."""
    table = heap[record + R_TABLE]
    if table == REGISTRY_TABLE:
        return class_words(class_of(G_KEYS + plan[LABEL_TABLES]))
    p = plan[plan[BLOCKS] + table]
    words = class_words(class_of(plan[p + RECORD_WORDS]))
    if heap[record + R_CAPACITY] != 0:
        words += class_words(class_of(heap[record + R_CAPACITY] * plan[p + STRIDE]))
    window = plan[p + WINDOWS]
    for _ in range(plan[p + WINDOW_COUNT]):
        for acc in range(plan[window + 3], plan[window + 4], ACC_WORDS):
            if plan[acc] == ACC_BAG and heap[record + plan[acc + 4] + 1] > 0:
                words += class_words(class_of(heap[record + plan[acc + 4] + 1]))
        window += WINDOW_WORDS
    return words


@inline_kernel
def _copied(plan, heap, record, to_meta, to_heap):
    """Return the offset of a record's copy."""
    table = heap[record + R_TABLE]
    if table == REGISTRY_TABLE:
        return _chunk(heap, record, to_meta, to_heap, G_KEYS + plan[LABEL_TABLES])
    p = plan[plan[BLOCKS] + table]
    copy = _chunk(heap, record, to_meta, to_heap, plan[p + RECORD_WORDS])
    if heap[record + R_CAPACITY] != 0:
        words = heap[record + R_CAPACITY] * plan[p + STRIDE]
        to_heap[copy + R_RING] = _chunk(heap, heap[record + R_RING], to_meta, to_heap, words)
    window = plan[p + WINDOWS]
    for _ in range(plan[p + WINDOW_COUNT]):
        for acc in range(plan[window + 3], plan[window + 4], ACC_WORDS):
            own = plan[acc + 4]
            if plan[acc] == ACC_BAG and heap[record + own + 1] > 0:
                to_heap[copy + own] = _chunk(
                    heap, heap[record + own], to_meta, to_heap, heap[record + own + 1]
                )
        window += WINDOW_WORDS
    counters = TABLES + TABLE_WORDS * table
    to_meta[counters + T_KEYS] += 1
    to_meta[counters + T_EVENTS] += heap[record + R_NEXT] - heap[record + R_FIRST]
    return copy


@inline_kernel
def _chunk(heap, begin, to_meta, to_heap, words):
    """Return the offset of a copy of some words."""
    copy = take(to_meta, to_heap, words)
    for word in range(words):
        to_heap[copy + word] = heap[begin + word]
    return copy


@kernel
def recode(plan_, meta_, index_, heap_, table, places_, codes_):
    """Give the texts in a table's histories other codes: code c becomes codes[c].

    `places` are the words of an entry that are codes. Bags, sorted by what they hold, are dropped: a
    window is looked through again when it is asked.
    """
    plan, meta, index, heap = pointer(plan_), pointer(meta_), pointer(index_), pointer(heap_)
    p = plan[plan[BLOCKS] + table]
    for at in range(0, index_.size, 2):
        if index[at] == 0 or heap[index[at + 1] + R_TABLE] != table:
            continue
        record = index[at + 1]
        for seq in range(heap[record + R_FIRST], heap[record + R_NEXT]):
            there = address(plan, p, heap, record, seq)
            for number in range(places_.size):
                word = heap[there + places_[number]]
                if word != NULL:
                    heap[there + places_[number]] = pack(float(codes_[int(unpack(word))]))
        window = plan[p + WINDOWS]
        for _ in range(plan[p + WINDOW_COUNT]):
            for acc in range(plan[window + 3], plan[window + 4], ACC_WORDS):
                if plan[acc] == ACC_BAG and heap[record + plan[acc + 4] + 1] > 0:
                    drop_bag(meta, heap, record + plan[acc + 4])
            window += WINDOW_WORDS


@kernel
def registered_events(plan_, keys_, meta_, index_, heap_, out_):
    """Fill `out` with the registry's keys of all events that histories of `keys` hold; return how many.

    With an `out` that is too small the rest is only counted.
    """
    plan, keys = pointer(plan_), pointer(keys_)
    meta, index, heap, out = pointer(meta_), pointer(index_), pointer(heap_), pointer(out_)
    meta[INDEX_WORDS] = index_.size
    found = 0
    for number in range(keys_.size):
        record = find(meta, index, keys[number])
        if record == 0 or heap[record + R_TABLE] == REGISTRY_TABLE:
            continue
        p = plan[plan[BLOCKS] + heap[record + R_TABLE]]
        if plan[p + LABEL_SLOT] < 0:
            continue
        for seq in range(heap[record + R_FIRST], heap[record + R_NEXT]):
            if found < out_.size:
                at = address(plan, p, heap, record, seq)
                out[found] = salted(heap[at + plan[p + HASH_WORD]], plan[REGISTRY_SALT])
            found += 1
    return found
