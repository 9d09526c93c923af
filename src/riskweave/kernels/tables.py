"""Decision tables, scorecards and trees over a batch."""

import numpy as np

from riskweave.kernels.compile import kernel

UNIQUE = 0
ANY = 1
FIRST = 2
RANKED = 3
LISTED = 4
SUM = 5
MIN = 6
MAX = 7
COUNT = 8


@kernel
def apply_hit_policy(values, hit_start, hit_row, cells, rank, policy, out_row):
    """Fill a row of `values` per output from `out_row` on, and one more.

    `cells[row, output]` are the table's outputs (NaN is null), `rank[row]` is the order in which
    RANKED takes rows, least first. UNIQUE with two matches and ANY with different outputs give
    nulls and a 1 in the row after the outputs; the other policies leave the number of matches there.
    LISTED gives the first match; SUM and COUNT of nothing are 0.
    """
    outputs = cells.shape[1]
    for i in range(hit_start.size - 1):
        begin = hit_start[i]
        end = hit_start[i + 1]
        chosen = -1
        last = 0.0 if policy <= ANY else float(end - begin)
        if end > begin:
            chosen = hit_row[begin]
            if policy == UNIQUE:
                if end - begin > 1:
                    chosen = -1
                    last = 1.0
            elif policy == ANY:
                for hit in range(begin + 1, end):
                    for output in range(outputs):
                        one = cells[hit_row[begin], output]
                        other = cells[hit_row[hit], output]
                        if one != other and not (np.isnan(one) and np.isnan(other)):
                            last = 1.0
                if last > 0.0:
                    chosen = -1
            elif policy == RANKED:
                for hit in range(begin + 1, end):
                    if rank[hit_row[hit]] < rank[chosen]:
                        chosen = hit_row[hit]
        for output in range(outputs):
            if policy < SUM:
                result = cells[chosen, output] if chosen >= 0 else np.nan
            else:
                result = 0.0 if policy in (SUM, COUNT) else np.nan
                for hit in range(begin, end):
                    value = cells[hit_row[hit], output]
                    if np.isnan(value):
                        continue
                    if policy == SUM:
                        result += value
                    elif policy == COUNT:
                        result += 1.0
                    elif policy == MIN:
                        if not result <= value:
                            result = value
                    elif not result >= value:
                        result = value
            values[out_row + output, i] = result
        values[out_row + outputs, i] = last


@kernel
def add_points(values, attributes, cuts, points, base, out_row):
    """Fill `values[out_row]` with base points plus each attribute's points.

    `attributes[a]` is (row of values, first cut, one past the last cut); a value with k cuts at or
    below it earns `points[first cut + a + k]`; null has no cut below it (each attribute's first is -inf).
    """
    for i in range(values.shape[1]):
        total = base
        for a in range(attributes.shape[0]):
            value = values[attributes[a, 0], i]
            low = attributes[a, 1]
            high = attributes[a, 2]
            while low < high:
                middle = (low + high) >> 1
                if cuts[middle] <= value:
                    low = middle + 1
                else:
                    high = middle
            total += points[low + a]
        values[out_row, i] = total


@kernel
def walk_tree(values, branches, bounds, leaves, out_row):
    """Fill a row of `values` per output from `out_row` on, with the leaf's number in the row after them.

    `branches[b]` is (row of values, where to go when bounds[b, 0] <= value and not value >= bounds[b, 1],
    where to go otherwise): a branch, or -1 - leaf. An empty `branches` is the single leaf 0.
    """
    outputs = leaves.shape[1]
    for i in range(values.shape[1]):
        at = 0 if branches.shape[0] > 0 else -1
        while at >= 0:
            value = values[branches[at, 0], i]
            holds = bounds[at, 0] <= value and not value >= bounds[at, 1]
            at = branches[at, 1] if holds else branches[at, 2]
        leaf = -1 - at
        for output in range(outputs):
            values[out_row + output, i] = leaves[leaf, output]
        values[out_row + outputs, i] = leaf
