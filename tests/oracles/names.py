"""Edit distance with costs, the slow way: recursion over what the last edit was (Damerau 1964)."""

from __future__ import annotations

from functools import cache


def spelling_distance(one: str, other: str, change, drop) -> float:
    """Return the least cost of turning `one` into `other`.

    `change(a, b)` and `drop(a)` are costs; dropping or adding a letter that doubles the one before it
    in its own word costs 0.34 of it; swapping neighbours 0.7; no letter is edited twice.
    """

    @cache
    def cost(i: int, j: int) -> float:
        if i == 0 and j == 0:
            return 0.0
        ways = []
        if i:
            ways.append(cost(i - 1, j) + single(one, i - 1))
        if j:
            ways.append(cost(i, j - 1) + single(other, j - 1))
        if i and j:
            same = one[i - 1] == other[j - 1]
            ways.append(cost(i - 1, j - 1) + (0.0 if same else change(one[i - 1], other[j - 1])))
        if i > 1 and j > 1 and one[i - 1] == other[j - 2] and one[i - 2] == other[j - 1]:
            ways.append(cost(i - 2, j - 2) + 0.7)
        return min(ways)

    def single(word: str, at: int) -> float:
        doubled = at > 0 and word[at] == word[at - 1]
        return drop(word[at]) * (0.34 if doubled else 1.0)

    return cost(len(one), len(other))
