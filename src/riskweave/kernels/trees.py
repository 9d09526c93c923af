"""Sums over trees, in two ways: by masks (small trees, the common case) and by walking.

By masks (QuickScorer, Lucchese et al. 2015): a tree's leaves are bits, left to right. A test that
fails, x > threshold, takes the leaves to its left out; what is left of all failing tests has the
reached leaf as its lowest bit. Tests are sorted by input and threshold, so the failing ones of an
input are the first few, and their joint effect on every tree is a row that was computed once for
every BLOCK of them. A row costs a few cycles per eight trees, whatever the depth, with no branch
to guess wrong.
"""

import numpy as np

from riskweave.kernels.bits import lowest_bit
from riskweave.kernels.compile import lean_inline_kernel, lean_kernel
from riskweave.kernels.words import float_of, pointer

BLOCK = 4

# Words of `used`, one line per input that any test reads.
INPUT = 0
FIRST = 1  # its first test
LAST = 2  # one past its last test
ROWS = 3  # row of no failing test; then one for every BLOCK of them (category c: row c)
NAN_ROW = 4
CATEGORIES = 5  # 0: numeric; else how many codes have a row
OTHER_ROW = 6  # of codes that have none
USED = 7


@lean_kernel
def score_by_masks(inputs, used, cuts, test_tree, test_mask, rows, leaves, base, scale, mask, out):
    """Fill `out` with base + scale * the sum of the leaves reached.

    `cuts[k]`, `test_tree[k]`, `test_mask[k]` are the tests in order; `rows[r, tree]` are masks,
    `leaves[tree, bit]` values. `mask` is scratch, one word per tree.
    """
    trees = mask.size
    # Pointers, because an array's index is checked for its sign, which hides neighbours from LLVM.
    mask_at = pointer(mask)
    mask_of_row_at = pointer(rows)
    cut_at = pointer(cuts)
    tree_at = pointer(test_tree)
    test_at = pointer(test_mask)
    leaf_at = pointer(leaves)
    most = leaves.shape[1]
    for i in range(inputs.shape[0]):
        for tree in range(trees):
            mask[tree] = ~mask.dtype.type(0)
        for u in range(used.shape[0]):
            x = inputs[i, used[u, INPUT]]
            done = 0
            count = 0
            if x != x:
                row = used[u, NAN_ROW]
            elif used[u, CATEGORIES] > 0:
                row = used[u, OTHER_ROW]
                if 0.0 <= x < used[u, CATEGORIES]:
                    row = used[u, ROWS] + int(x)
            else:
                low = used[u, FIRST]
                length = used[u, LAST] - low
                while length > 0:
                    half = (length + 1) >> 1
                    low += half if cut_at[low + half - 1] < x else 0
                    length -= half
                count = low
                first = used[u, FIRST]
                blocks = (count - first) // BLOCK
                done = first + BLOCK * blocks
                row = used[u, ROWS] + blocks
            begin = row * trees
            for tree in range(trees):
                mask_at[tree] = mask_at[tree] & mask_of_row_at[begin + tree]
            for test in range(done, count):
                tree = np.int64(tree_at[test])
                mask_at[tree] = mask_at[tree] & test_at[test]
        # Four sums side by side: one would wait for each addition.
        a = 0.0
        b = 0.0
        c = 0.0
        d = 0.0
        tree = 0
        while tree + 4 <= trees:
            a += leaf_at[tree * most + lowest_bit(np.uint64(mask_at[tree]))]
            b += leaf_at[(tree + 1) * most + lowest_bit(np.uint64(mask_at[tree + 1]))]
            c += leaf_at[(tree + 2) * most + lowest_bit(np.uint64(mask_at[tree + 2]))]
            d += leaf_at[(tree + 3) * most + lowest_bit(np.uint64(mask_at[tree + 3]))]
            tree += 4
        while tree < trees:
            a += leaf_at[tree * most + lowest_bit(np.uint64(mask_at[tree]))]
            tree += 1
        out[i] = base + scale * ((a + b) + (c + d))


# Bits of a walked node's second word; above them, the place of its left child (the right one follows).
MISSING_LEFT = 20
CATEGORY = 21
CHILD = 22
_INPUT_MASK = (1 << MISSING_LEFT) - 1


@lean_inline_kernel
def _below(row, first, nodes, at, set_start, set_words):
    """Return the child of a node that a row goes to."""
    word = nodes[2 * at + 1]
    x = row[first + (word & _INPUT_MASK)]
    child = word >> CHILD
    if (word >> CATEGORY) & 1:
        if x != x:
            return child + 1 - ((word >> MISSING_LEFT) & 1)
        number = nodes[2 * at]
        begin = np.int64(set_start[number])
        if 0.0 <= x < 32.0 * (np.int64(set_start[number + 1]) - begin):
            code = int(x)
            if (np.int64(set_words[begin + (code >> 5)]) >> (code & 31)) & 1:
                return child
        return child + 1
    fails = np.int64(x > float_of(nodes[2 * at]))
    lost = np.int64(x != x) & (1 - ((word >> MISSING_LEFT) & 1))
    return child + (fails | lost)


@lean_kernel
def score_by_walking(inputs, nodes, roots, depths, values, set_start, set_words, base, scale, out):
    """Fill `out` with base + scale * the sum of the leaves reached.

    `nodes[k]` is (bits of the threshold, or the number of a set of categories; input, flags and
    left child). A leaf leads to itself, so four trees go down side by side, as far as the deepest.
    """
    trees = roots.size
    width = inputs.shape[1]
    row_at = pointer(inputs)
    node_at = pointer(nodes)
    start_at = pointer(set_start)
    word_at = pointer(set_words)
    for i in range(inputs.shape[0]):
        total = 0.0
        first = 0
        at = i * width
        while first < trees:
            second = min(first + 1, trees - 1)
            third = min(first + 2, trees - 1)
            fourth = min(first + 3, trees - 1)
            a = roots[first]
            b = roots[second]
            c = roots[third]
            d = roots[fourth]
            deepest = max(max(depths[first], depths[second]), max(depths[third], depths[fourth]))
            for _ in range(deepest):
                a = _below(row_at, at, node_at, a, start_at, word_at)
                b = _below(row_at, at, node_at, b, start_at, word_at)
                c = _below(row_at, at, node_at, c, start_at, word_at)
                d = _below(row_at, at, node_at, d, start_at, word_at)
            total += values[a]
            if first + 1 < trees:
                total += values[b]
            if first + 2 < trees:
                total += values[c]
            if first + 3 < trees:
                total += values[d]
            first += 4
        out[i] = base + scale * total
