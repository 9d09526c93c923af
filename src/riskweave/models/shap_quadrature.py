"""Trees laid out for the kernel `tree_contributions`, which works contributions out by quadrature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskweave.kernels import attribution as kernel
from riskweave.kernels.lanes import LANES

Floats = NDArray[np.float64]
Weights = Mapping[str, NDArray[Any]]

# A share of nothing would divide by nothing; this one moves no sum.
_SHARE_MIN = 1e-30


@lru_cache(maxsize=64)
def points_for(inputs: int) -> tuple[int, Floats, Floats]:
    """Return how many blocks of points are exact for so many inputs on one way, the points and weights."""
    blocks = -(-max(inputs, 1) // (2 * LANES))
    points, weights = np.polynomial.legendre.leggauss(blocks * LANES)
    return blocks, (points + 1.0) / 2.0, weights / 2.0


@dataclass(frozen=True, slots=True)
class Ways:
    """By node: which input its parent tests, the nearest node above that was reached by a test of the
    same input (-1: none), and how much of the training weight passed all those tests. By tree: how
    many inputs the longest way tests."""

    tested: list[int]
    same: list[int]
    share: list[float]
    longest: list[int]


def find_ways(weights: Weights) -> Ways:
    """Follow the trees from their roots down."""
    feature, left, right = (weights[name].tolist() for name in ("feature", "left", "right"))
    start, cover = weights["tree_start"].tolist(), weights["cover"].tolist()
    found = Ways([0] * len(feature), [-1] * len(feature), [1.0] * len(feature), [])
    for first, last in pairwise(start):
        # On the way to a node: input -> the last node reached by a test of it.
        ways: dict[int, dict[int, int]] = {first: {}}
        longest = 1
        for parent in range(first, last):
            way, tested = ways.pop(parent), feature[parent]
            longest = max(longest, len(way))
            if tested < 0:
                continue
            same = way.get(tested, -1)
            for node in (left[parent], right[parent]):
                part = cover[node] / cover[parent] if cover[parent] > 0 else 0.0
                found.share[node] = max(part * (found.share[same] if same >= 0 else 1.0), _SHARE_MIN)
                found.same[node] = same
                found.tested[node] = tested
                ways[node] = way | {tested: node}
        found.longest.append(longest)
    return found


@dataclass(frozen=True, slots=True)
class Quadrature:
    """The arrays of `tree_contributions`."""

    trees: NDArray[np.int64]
    nodes: NDArray[np.int32]
    threshold: Floats
    value: Floats
    share: Floats
    set_start: NDArray[np.int32]
    set_words: NDArray[np.uint32]
    points: Floats
    weights: Floats

    def contributions(self, inputs: Floats) -> Floats:
        """Return what each input adds to the sum of leaves above its mean: a row for each row."""
        out = np.empty_like(inputs)
        count = int(np.diff(self.trees[:, 0]).max())
        # A node that nothing leads to counts for nothing; of memory as it was, nothing times NaN is NaN.
        passes, kept = np.zeros(count), np.zeros(count * kernel.KEPT)
        kernel.tree_contributions(
            inputs, self.trees, self.nodes, self.threshold, self.value, self.share,
            self.set_start, self.set_words, self.points, self.weights, passes, kept, out,
        )  # fmt: skip
        return out


def lay_out(weights: Weights, ways: Ways, numbers: Sequence[int]) -> Quadrature:
    """Lay out some of the trees; `weights` are a checked artifact's."""
    feature, left, right = (weights[name].tolist() for name in ("feature", "left", "right"))
    start = weights["tree_start"].tolist()
    trees: list[tuple[int, int, int, int]] = []
    order: list[int] = []  # the artifact's node at each place; -1: none
    lines: list[tuple[int, ...]] = []
    shares: list[float] = []
    points: list[Floats] = []
    by_point: list[Floats] = []
    known: dict[int, int] = {}
    for number in numbers:
        nodes = range(start[number], start[number + 1])
        own = [k for k in nodes if feature[k] >= 0] + [k for k in nodes if feature[k] < 0]
        place = {node: at for at, node in enumerate(own)} | {-1: len(own)}
        blocks, at, weight = points_for(ways.longest[number])
        if blocks not in known:
            known[blocks] = sum(each.size for each in points)
            points.append(at)
            by_point.append(weight)
        trees.append((len(order), sum(feature[k] >= 0 for k in nodes), known[blocks], blocks))
        for node in own:
            children = (place[left[node]], place[right[node]]) if feature[node] >= 0 else (0, 0)
            lines.append(
                (
                    max(feature[node], 0), *children, place[ways.same[node]], ways.tested[node],
                    int(weights["missing_left"][node]), int(weights["category"][node]), 0,
                )
            )  # fmt: skip
            shares.append(ways.share[node])
        order += [*own, -1]
        lines.append((0, 0, 0, len(own), 0, 0, -1, 0))
        shares.append(1.0)
    trees.append((len(order), 0, 0, 0))
    take = np.array(order, np.int64)
    return Quadrature(
        np.array(trees, np.int64), np.array(lines, np.int32).reshape(-1, kernel.NODE),
        weights["threshold"].astype(np.float64)[take], weights["value"].astype(np.float64)[take],
        np.array(shares), weights["category_start"], weights["category_words"],
        np.concatenate(points), np.concatenate(by_point),
    )  # fmt: skip
