"""List membership: the entry that each operand of a batch matches, at each event's own time."""

from riskweave.kernels.compile import kernel

# What the table holds for a code, beside the number of the one entry that always holds.
NOT_LISTED = -1
UNRESOLVED = -2
CHAIN = -3  # CHAIN - k: candidates from row k of `chains` on


@kernel
def match_lists(resolved, chains, bounds, matchers, values):
    """Fill each matcher's target row with the matched entry's number or NaN; return how many are open.

    A row of `matchers` is (source row, target row, start and size of its part of `resolved`, start and
    length of its part of `bounds`); length -1 means that the source holds text codes. A number's code is
    its place among the sorted bounds: 2 p + 1 when it equals bound p, 2 p when it lies just below it.
    A chain is rows of (entry, from, until), best first, that end with entry -1.
    A code that nobody has looked up yet is open: its target becomes -2 - code.
    """
    pending = 0
    for m in range(matchers.shape[0]):
        source = matchers[m, 0]
        target = matchers[m, 1]
        start = matchers[m, 2]
        size = matchers[m, 3]
        first = matchers[m, 4]
        count = matchers[m, 5]
        for i in range(values.shape[1]):
            value = values[source, i]
            if value != value:
                values[target, i] = value
                continue
            if count < 0:
                code = int(value)
            else:
                low = 0
                high = count
                while low < high:
                    middle = (low + high) >> 1
                    if bounds[first + middle] < value:
                        low = middle + 1
                    else:
                        high = middle
                code = 2 * low
                if low < count and bounds[first + low] == value:
                    code += 1
            slot = resolved[start + code] if code < size else UNRESOLVED
            if slot >= 0:
                values[target, i] = slot
            elif slot == NOT_LISTED:
                values[target, i] = float("nan")
            elif slot == UNRESOLVED:
                values[target, i] = -2 - code
                pending += 1
            else:
                at_ms = int(values[0, i])
                row = CHAIN - slot
                while chains[row, 0] >= 0 and not (chains[row, 1] <= at_ms < chains[row, 2]):
                    row += 1
                values[target, i] = chains[row, 0] if chains[row, 0] >= 0 else float("nan")
    return pending
