"""Posteriors of a compiled network for many events: one row of a table each."""

from riskweave.kernels.compile import kernel


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
