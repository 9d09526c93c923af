"""A table of answers: (function, text code) to a number, open addressing, filled as texts appear.

`table` is int64[2 * capacity], capacity a power of two: at 2 s a key + 1 (0: free), beside it the
answer. A key is code * functions + function, so all functions share one table and memory grows
with the pairs seen. Answers are whole numbers: a flag, a length, a text code, or NO_ANSWER (null).
"""

from riskweave.kernels.compile import inline_kernel, kernel

NO_ANSWER = -(1 << 62)
UNKNOWN = -(1 << 62) - 1
_MIX = 0x9E3779B1  # 2**32 over the golden ratio: times 31 bits it stays within int64


@inline_kernel
def slot_of(table, key):
    """Return the slot that holds `key`, or the free one where it belongs."""
    mask = (table.size >> 1) - 1
    mixed = ((key ^ (key >> 31)) & 0x7FFFFFFF) * _MIX
    slot = (mixed ^ (mixed >> 32)) & mask
    while table[2 * slot] != 0 and table[2 * slot] != key + 1:
        slot = (slot + 1) & mask
    return slot


@inline_kernel
def answer_of(table, key):
    """Return the answer to `key`, or UNKNOWN."""
    slot = slot_of(table, key)
    if table[2 * slot] == 0:
        return UNKNOWN
    return table[2 * slot + 1]


@kernel
def put_answers(table, keys, answers):
    """Enter the answers; the table must have room for all of them."""
    for i in range(keys.size):
        slot = slot_of(table, keys[i])
        table[2 * slot] = keys[i] + 1
        table[2 * slot + 1] = answers[i]


@kernel
def copy_answers(table, larger):
    """Move every entry of `table` to `larger`."""
    for s in range(table.size >> 1):
        if table[2 * s] != 0:
            slot = slot_of(larger, table[2 * s] - 1)
            larger[2 * slot] = table[2 * s]
            larger[2 * slot + 1] = table[2 * s + 1]


@kernel
def unknown_codes(table, codes, function, functions, out):
    """Write the codes whose answer is unknown to `out`, each once; return how many.

    A code is entered right away as UNKNOWN, so that it is met once; the caller answers it.
    The table must have room for all of `codes`.
    """
    count = 0
    for i in range(codes.size):
        if codes[i] == codes[i]:
            key = int(codes[i]) * functions + function
            slot = slot_of(table, key)
            if table[2 * slot] == 0:
                table[2 * slot] = key + 1
                table[2 * slot + 1] = UNKNOWN
                out[count] = int(codes[i])
                count += 1
    return count
