"""Contributions of inputs to a sum of trees, exact, by the kernel `tree_contributions`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskweave.kernels import attribution as kernel
from riskweave.kernels.lanes import LANES
from riskweave.models.trees import expected_sum

Floats = NDArray[np.float64]

# A share of nothing would divide by nothing; this one moves no sum.
_SHARE_MIN = 1e-30


@dataclass(frozen=True, slots=True)
class TreeShap:
    """Trees laid out for their explanation; `expected` is the mean of their sum over the training set."""

    trees: NDArray[np.int64]
    nodes: NDArray[np.int32]
    threshold: Floats
    value: Floats
    share: Floats
    set_start: NDArray[np.int32]
    set_words: NDArray[np.uint32]
    points: Floats
    weights: Floats
    expected: float

    def contributions(self, inputs: Floats) -> Floats:
        """Return what each input adds to the sum of leaves above `expected`: a row for each row."""
        out = np.empty_like(inputs)
        count = int(np.diff(self.trees[:, 0]).max())
        passes, kept = np.zeros(count), np.empty(count * kernel.KEPT)
        kernel.tree_contributions(
            inputs, self.trees, self.nodes, self.threshold, self.value, self.share,
            self.set_start, self.set_words, self.points, self.weights, passes, kept, out,
        )  # fmt: skip
        return out


def prepare(weights: Mapping[str, NDArray[Any]]) -> TreeShap:
    """Lay trees out; `weights` are a checked artifact's."""
    feature, left, right = (weights[name].tolist() for name in ("feature", "left", "right"))
    start, cover = weights["tree_start"].tolist(), weights["cover"].tolist()
    root = np.repeat(weights["tree_start"][:-1], np.diff(weights["tree_start"]))
    nodes = np.zeros((len(feature), kernel.NODE), np.int32)
    nodes[:, kernel.INPUT] = feature
    nodes[:, kernel.LEFT] = weights["left"] - root
    nodes[:, kernel.RIGHT] = weights["right"] - root
    nodes[:, kernel.MISSING_LEFT] = weights["missing_left"]
    nodes[:, kernel.CATEGORY] = weights["category"]
    nodes[:, [kernel.SAME, kernel.PARENTS_INPUT]] = -1
    share = np.ones(len(feature))
    quadratures = _Quadratures()
    trees = []
    for first, last in pairwise(start):
        # On the way to a node: input -> the last node reached by a test of it.
        ways: dict[int, dict[int, int]] = {first: {}}
        longest = 1
        for parent in range(first, last):
            way = ways.pop(parent)
            tested = feature[parent]
            longest = max(longest, len(way))
            if tested < 0:
                continue
            same = way.get(tested, -1)
            for node in (left[parent], right[parent]):
                own = cover[node] / cover[parent] if cover[parent] > 0 else 0.0
                share[node] = max(own * (share[same] if same >= 0 else 1.0), _SHARE_MIN)
                nodes[node, kernel.SAME] = same - first if same >= 0 else -1
                nodes[node, kernel.PARENTS_INPUT] = tested
                ways[node] = way | {tested: node}
        trees.append((first, *quadratures.exact_for(longest)))
    trees.append((len(feature), 0, 0))
    return TreeShap(
        np.array(trees, np.int64), nodes, weights["threshold"].astype(np.float64),
        weights["value"].astype(np.float64), share, weights["category_start"], weights["category_words"],
        np.concatenate(quadratures.points), np.concatenate(quadratures.weights), expected_sum(weights),
    )  # fmt: skip


class _Quadratures:
    """Gauss-Legendre points on (0, 1), as many as some tree needs."""

    def __init__(self) -> None:
        self.points: list[Floats] = []
        self.weights: list[Floats] = []
        self.known: dict[int, tuple[int, int]] = {}

    def exact_for(self, inputs: int) -> tuple[int, int]:
        """Return the first point and the blocks that are exact for so many inputs on one way."""
        blocks = -(-inputs // (2 * LANES))
        if blocks not in self.known:
            self.known[blocks] = (sum(each.size for each in self.points), blocks)
            points, weights = np.polynomial.legendre.leggauss(blocks * LANES)
            self.points.append((points + 1.0) / 2.0)
            self.weights.append(weights / 2.0)
        return self.known[blocks]
