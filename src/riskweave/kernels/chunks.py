"""Chunks of a flat int64 heap, given out by size class and taken back.

Sizes are 2**k and 1.5 * 2**k words (multiples of 8, so that a chunk begins on a cache line); a
chunk given back waits in its class's list, whose links lie in the free chunks themselves. Whoever
takes makes sure before that `heap` has room: a kernel cannot grow an array.
"""

from riskweave.kernels.compile import inline_kernel, kernel

# Words of `meta`, the few counters that belong to a whole state.
TOP = 0  # first word of the heap never given out
KEYS = 1  # keys in the index
WATERMARK = 2
AT_TABLE = 3  # where a step stopped because an array is full
AT_ROW = 4
AT_LABEL = 5
AT_VISIT = 6
NEED = 7  # words the heap must have above TOP to go on
FREE_WORDS = 8
HEAP_WORDS = 9
INDEX_WORDS = 10
ENTRY = 11  # where an entry is built
TEMPORARY = 12  # where records for looking back lie
LISTS = 16  # heads of the free lists, one per class
CLASSES = 112
TABLES = LISTS + CLASSES  # then eight words per table
TABLE_WORDS = 8


@kernel
def class_of(words):
    """Return the least size class that holds `words`."""
    k = 3
    while (1 << k) < words:
        k += 1
    if k >= 5 and 3 << (k - 2) >= words:
        return 2 * (k - 1) + 1
    return 2 * k


@kernel
def class_words(number):
    """Return how many words a size class has."""
    k = number >> 1
    return (1 << k) + (number & 1) * (1 << (k - 1))


@inline_kernel
def take(meta, heap, words):
    """Return the offset of a free chunk of at least `words`."""
    number = class_of(words)
    head = meta[LISTS + number]
    if head != 0:
        meta[LISTS + number] = heap[head]
        meta[FREE_WORDS] -= class_words(number)
        return head
    head = meta[TOP]
    meta[TOP] = head + class_words(number)
    return head


@inline_kernel
def give(meta, heap, offset, words):
    """Take back the chunk that `take` gave for `words`."""
    number = class_of(words)
    heap[offset] = meta[LISTS + number]
    meta[LISTS + number] = offset
    meta[FREE_WORDS] += class_words(number)
