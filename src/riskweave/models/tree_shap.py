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
    quadratures = _Quadratures()
    trees: list[tuple[int, int, int, int]] = []
    order: list[int] = []  # the artifact's node at each place; -1: none
    lines: list[tuple[int, ...]] = []
    shares: list[float] = []
    for first, last in pairwise(start):
        nodes = range(first, last)
        own = [k for k in nodes if feature[k] >= 0] + [k for k in nodes if feature[k] < 0]
        place = {node: at for at, node in enumerate(own)}
        nothing = len(own)
        # On the way to a node: input -> the last node reached by a test of it.
        ways: dict[int, dict[int, int]] = {first: {}}
        same_of, input_of, share_of = {first: nothing}, {first: 0}, {first: 1.0}
        longest = 1
        for parent in nodes:
            way, tested = ways.pop(parent), feature[parent]
            longest = max(longest, len(way))
            if tested < 0:
                continue
            same = way.get(tested, -1)
            for node in (left[parent], right[parent]):
                part = cover[node] / cover[parent] if cover[parent] > 0 else 0.0
                share_of[node] = max(part * (share_of[same] if same >= 0 else 1.0), _SHARE_MIN)
                same_of[node] = place[same] if same >= 0 else nothing
                input_of[node] = tested
                ways[node] = way | {tested: node}
        forks = sum(feature[k] >= 0 for k in nodes)
        trees.append((len(order), forks, *quadratures.exact_for(longest)))
        for node in own:
            children = (place.get(left[node], 0), place.get(right[node], 0)) if feature[node] >= 0 else (0, 0)
            lines.append(
                (
                    max(feature[node], 0), *children, same_of[node], input_of[node],
                    int(weights["missing_left"][node]), int(weights["category"][node]), 0,
                )
            )  # fmt: skip
            shares.append(share_of[node])
        order += [*own, -1]
        lines.append((0, 0, 0, nothing, 0, 0, -1, 0))
        shares.append(1.0)
    trees.append((len(order), 0, 0, 0))
    take = np.array(order)
    return TreeShap(
        np.array(trees, np.int64), np.array(lines, np.int32).reshape(-1, kernel.NODE),
        weights["threshold"].astype(np.float64)[take], weights["value"].astype(np.float64)[take],
        np.array(shares), weights["category_start"], weights["category_words"],
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
