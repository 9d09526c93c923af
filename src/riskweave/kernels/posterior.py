"""Posteriors of a compiled network for many events: a row of a table each, or a circuit's run."""

import numpy as np

from riskweave.kernels.compile import kernel

# Events that go through a circuit side by side: each step is a loop over them.
BLOCK = 64

# Steps of a circuit: what, destination, first operand, second operand.
LOAD = 0  # the cell of a group's row: group, cell
TIMES = 1
PLUS = 2
TIMES_CONSTANT = 3
PLUS_CONSTANT = 4
SET = 5  # to a constant


@kernel
def look_up(table, strides, indices, out):
    """Fill `out[s, i]` with the row of `table` that `indices[:, i]` select.

    `indices[k, i]` is what node k was seen in, and its number of states when it was not observed.
    """
    for i in range(out.shape[1]):
        row = 0
        for k in range(strides.size):
            row += strides[k] * indices[k, i]
        for s in range(out.shape[0]):
            out[s, i] = table[row, s]


@kernel
def run_circuit(
    steps, constants, results, member_start, member_node, member_stride, group_first, group_width, cells,
    indices, rows, arena, out,
):  # fmt: skip
    """Fill `out[s, i]` with the circuit's results for event i, scaled to sum 1; NaN where all are 0.

    Group g's row for an event is the sum of stride * index over its members; its cells begin at
    `cells[group_first[g] + row * group_width[g]]`. `results[s]` is the place in the arena of result
    s. `rows[g, BLOCK]` and `arena[place, BLOCK]` are scratch. Every event meets the same steps in the
    same order, so its result does not depend on its neighbours.
    """
    count = out.shape[1]
    for start in range(0, count, BLOCK):
        # Loops are as long as a block always: what lies behind the last event repeats it.
        size = min(BLOCK, count - start)
        for g in range(group_first.size):
            for i in range(BLOCK):
                rows[g, i] = group_first[g]
            for m in range(member_start[g], member_start[g + 1]):
                stride = member_stride[m] * group_width[g]
                node = member_node[m]
                for i in range(BLOCK):
                    rows[g, i] += stride * indices[node, start + min(i, size - 1)]
        for k in range(steps.shape[0]):
            what, first, second = steps[k, 0], steps[k, 2], steps[k, 3]
            to = arena[steps[k, 1]]
            if what == LOAD:
                row = rows[first]
                for i in range(BLOCK):
                    to[i] = cells[row[i] + second]
            elif what == TIMES:
                left, right = arena[first], arena[second]
                for i in range(BLOCK):
                    to[i] = left[i] * right[i]
            elif what == PLUS:
                left, right = arena[first], arena[second]
                for i in range(BLOCK):
                    to[i] = left[i] + right[i]
            elif what == TIMES_CONSTANT:
                left, constant = arena[first], constants[second]
                for i in range(BLOCK):
                    to[i] = left[i] * constant
            elif what == PLUS_CONSTANT:
                left, constant = arena[first], constants[second]
                for i in range(BLOCK):
                    to[i] = left[i] + constant
            else:
                constant = constants[second]
                for i in range(BLOCK):
                    to[i] = constant
        for i in range(size):
            total = 0.0
            for s in range(results.size):
                total += arena[results[s], i]
            for s in range(results.size):
                out[s, start + i] = arena[results[s], i] / total if total > 0.0 else np.nan
