"""How much each input moved a sum of trees: Shapley values, path-dependent as in TreeSHAP.

A leaf's share is a product game: with S known, value * prod(o_j in S) * prod(r_j not in S), o_j = 1
when the row passes all tests of input j on the way to it, r_j how much of the training weight did.
The Shapley value of input i in it is (Owen 1972)

    value * (o_i - r_i) * integral over t in (0, 1) of prod_{j != i} (t o_j + (1 - t) r_j)

a polynomial in t of degree (inputs on the way - 1), so Gauss-Legendre with half as many points is
exact. All terms have one sign: nothing cancels, and a tree is two passes over its nodes. The values
are those of Lundberg et al. (2020), algorithm 2; the sum shares work as Yu et al. (2022) do.
"""

import numpy as np

from riskweave.kernels import lanes
from riskweave.kernels.compile import lean_inline_kernel, lean_kernel
from riskweave.kernels.words import pointer

# Words of a node.
INPUT = 0  # the input that the node tests
LEFT = 1  # counted from the root, which is 0
RIGHT = 2
SAME = 3  # the nearest node above that was reached by a test of the same input; none: one past the last
PARENTS_INPUT = 4
MISSING_LEFT = 5
CATEGORY = 6
NODE = 8

# What is kept per node while a row is explained.
PRODUCT = 0  # times four
INVERSE = 4  # times four: 1 / (t o + (1 - t) r)
KEPT = 8


@lean_inline_kernel
def _goes_left(x, nodes, at, threshold, set_start, set_words):
    """Tell whether a node sends a value left."""
    if x != x:
        return nodes[at * NODE + MISSING_LEFT] != 0
    number = np.int64(nodes[at * NODE + CATEGORY])
    if number < 0:
        return x <= threshold[at]
    begin = np.int64(set_start[number])
    if 0.0 <= x < 32.0 * (np.int64(set_start[number + 1]) - begin):
        code = int(x)
        return ((np.int64(set_words[begin + (code >> 5)]) >> (code & 31)) & 1) != 0
    return False


@lean_inline_kernel
def _reach(node, parent, o, nodes, base, share, first, passes, kept, points, point):
    """Work out a child's product and inverse factor from its parent's."""
    same = np.int64(nodes[base + node * NODE + SAME])
    o = o * passes[same]
    passes[node] = o
    lanes.reach(kept, node * KEPT, parent * KEPT, points, point, o, share[first + node])
    # If the same input was tested before, its factor is replaced.
    lanes.multiply(kept, node * KEPT, same * KEPT + INVERSE)


@lean_kernel
def tree_contributions(
    inputs, trees, nodes, threshold, value, share, set_start, set_words, points, weights, passes, kept, out
):
    """Fill `out[i, j]` with what input j adds to the sum of trees, above the mean.

    `trees[k]` is (first node, forks, first point of its quadrature, blocks of LANES points). A tree
    is its forks, parents before children, then its leaves, then one node that stands for none: its
    share is 1, so it moves nothing, and no branch is needed to tell. `share[k]` is the part of the
    training weight that passed all tests of the parent's input on the way to node k. `passes` and
    `kept` are scratch.
    """
    width = inputs.shape[1]
    node_at = pointer(nodes)
    row_at = pointer(inputs)
    cut_at = pointer(threshold)
    value_at = pointer(value)
    share_at = pointer(share)
    point_at = pointer(points)
    start_at = pointer(set_start)
    word_at = pointer(set_words)
    pass_at = pointer(passes)
    kept_at = pointer(kept)
    out_at = pointer(out)
    for i in range(inputs.shape[0]):
        row = i * width
        for j in range(width):
            out_at[row + j] = 0.0
        for tree in range(trees.shape[0] - 1):
            first = trees[tree, 0]
            forks = trees[tree, 1]
            count = trees[tree + 1, 0] - first - 1
            base = first * NODE
            pass_at[count] = 1.0
            for lane in range(lanes.LANES):
                kept_at[count * KEPT + INVERSE + lane] = 1.0
            for block in range(trees[tree, 3]):
                point = trees[tree, 2] + block * lanes.LANES
                for lane in range(lanes.LANES):
                    kept_at[lane] = weights[point + lane]
                for k in range(forks):
                    x = row_at[row + np.int64(node_at[base + k * NODE])]
                    left = _goes_left(x, node_at, first + k, cut_at, start_at, word_at)
                    o = 1.0 if left else 0.0
                    a = np.int64(node_at[base + k * NODE + LEFT])
                    b = np.int64(node_at[base + k * NODE + RIGHT])
                    _reach(a, k, o, node_at, base, share_at, first, pass_at, kept_at, point_at, point)
                    _reach(b, k, 1.0 - o, node_at, base, share_at, first, pass_at, kept_at, point_at, point)
                for k in range(forks, count):
                    lanes.scale(kept_at, k * KEPT, value_at[first + k])
                for k in range(forks - 1, -1, -1):
                    a = np.int64(node_at[base + k * NODE + LEFT])
                    b = np.int64(node_at[base + k * NODE + RIGHT])
                    lanes.add(kept_at, k * KEPT, a * KEPT, b * KEPT)
                for k in range(1, count):
                    at = k * KEPT
                    same = np.int64(node_at[base + k * NODE + SAME])
                    moved = (pass_at[k] - share_at[first + k]) * lanes.dot(kept_at, at, at + INVERSE)
                    moved -= (pass_at[same] - share_at[first + same]) * lanes.dot(
                        kept_at, at, same * KEPT + INVERSE
                    )
                    out_at[row + np.int64(node_at[base + k * NODE + PARENTS_INPUT])] += moved
