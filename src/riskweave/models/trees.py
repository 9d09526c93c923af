"""Trees as they are scored: masks where trees are small, a walk where they are not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskweave.kernels import trees as kernel
from riskweave.models.artifact import Trees

LEAVES_MAX = 64
MASK_BYTES_MAX = 16 * 1024 * 1024

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Weights = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Masks:
    """The arrays of `score_by_masks`."""

    used: Ints
    cuts: Floats
    test_tree: NDArray[np.int32]
    test_mask: NDArray[Any]
    rows: NDArray[Any]
    leaves: Floats

    def sums(self, inputs: Floats, base: float, scale: float) -> Floats:
        out = np.empty(len(inputs))
        mask = np.empty(len(self.leaves), self.rows.dtype)
        kernel.score_by_masks(
            inputs, self.used, self.cuts, self.test_tree, self.test_mask, self.rows, self.leaves,
            base, scale, mask, out,
        )  # fmt: skip
        return out


@dataclass(frozen=True, slots=True)
class Walk:
    """The arrays of `score_by_walking`."""

    nodes: Ints
    roots: Ints
    depths: Ints
    values: Floats
    set_start: NDArray[np.int32]
    set_words: NDArray[np.uint32]

    def sums(self, inputs: Floats, base: float, scale: float) -> Floats:
        out = np.empty(len(inputs))
        kernel.score_by_walking(
            inputs, self.nodes, self.roots, self.depths, self.values, self.set_start, self.set_words,
            base, scale, out,
        )  # fmt: skip
        return out


def prepare(weights: Weights) -> Masks | Walk:
    """Return the faster form that these trees fit into."""
    return make_masks(weights) or make_walk(weights)


def leaf_spans(weights: Weights) -> tuple[Ints, Ints, Ints]:
    """Return, per node, its tree, and the first and one past the last leaf below it, left to right."""
    feature, left, right = weights["feature"], weights["left"], weights["right"]
    start = weights["tree_start"]
    tree = np.repeat(np.arange(start.size - 1), np.diff(start))
    leaves = np.where(feature < 0, 1, 0).astype(np.int64)
    inner = np.flatnonzero(feature >= 0)
    for node in inner[::-1].tolist():
        leaves[node] = leaves[left[node]] + leaves[right[node]]
    first = np.zeros(feature.size, np.int64)
    for node in inner.tolist():
        first[left[node]] = first[node]
        first[right[node]] = first[node] + leaves[left[node]]
    return tree, first, first + leaves


def category_sets(weights: Weights) -> list[frozenset[int]]:
    """Return the codes of each set."""
    start, words = weights["category_start"], weights["category_words"]
    return [
        frozenset(
            32 * at + bit
            for at, word in enumerate(words[first:last].tolist())
            for bit in range(32)
            if word >> bit & 1
        )
        for first, last in zip(start[:-1].tolist(), start[1:].tolist(), strict=True)
    ]


def make_masks(weights: Weights) -> Masks | None:
    """Return the trees as masks, or None when a tree has too many leaves or the rows take too much room."""
    feature, start = weights["feature"], weights["tree_start"]
    trees = start.size - 1
    inner = np.flatnonzero(feature >= 0)
    most = int(np.bincount(np.repeat(np.arange(trees), np.diff(start))[feature < 0]).max())
    if most > LEAVES_MAX:
        return None
    kind: Any = np.uint32 if most <= 32 else np.uint64
    full = np.iinfo(kind).max
    sets = category_sets(weights)
    by_set = weights["category"][inner] >= 0
    of_sets = {int(each) for each in feature[inner[by_set]]}
    if of_sets & {int(each) for each in feature[inner[~by_set]]}:
        return None
    widths = {each: 1 + max((max(sets[weights["category"][node]], default=-1) for node in
                             inner[feature[inner] == each]), default=0) for each in of_sets}  # fmt: skip
    lines = inner.size // kernel.BLOCK + 3 * np.unique(feature[inner]).size + sum(widths.values())
    if lines * trees * np.dtype(kind).itemsize > MASK_BYTES_MAX:
        return None

    tree, first_leaf, _ = leaf_spans(weights)
    left = weights["left"]
    # A failing test takes out the leaves below its node's left child.
    out_first, out_last = first_leaf[left[inner]], first_leaf[weights["right"][inner]]
    masks = np.array(
        [
            full ^ ((1 << last) - (1 << low))
            for low, last in zip(out_first.tolist(), out_last.tolist(), strict=True)
        ],
        kind,
    ).reshape(-1)
    threshold, missing_left = weights["threshold"][inner], weights["missing_left"][inner] != 0
    used: list[list[int]] = []
    cuts: list[Floats] = []
    test_tree: list[NDArray[Any]] = []
    test_mask: list[NDArray[Any]] = []
    rows: list[NDArray[Any]] = []
    tests = 0
    own = tree[inner]

    def row_of(which: NDArray[Any], before: NDArray[Any] | None = None) -> NDArray[Any]:
        row = np.full(trees, full, kind) if before is None else before.copy()
        np.bitwise_and.at(row, own[which], masks[which])
        return row

    for each in np.unique(feature[inner]).tolist():
        which = np.flatnonzero(feature[inner] == each)
        nan_row = row_of(which[~missing_left[which]])
        if each in of_sets:
            line = [each, 0, 0, len(rows), 0, widths[each], 0]
            for code in range(widths[each]):
                rows.append(
                    row_of(
                        np.array([k for k in which if code not in sets[weights["category"][inner[k]]]], int)
                    )
                )
            line[kernel.OTHER_ROW] = len(rows)
            rows.append(row_of(which))
        else:
            which = which[np.argsort(threshold[which], kind="stable")]
            line = [each, tests, tests + which.size, len(rows), 0, 0, 0]
            row = np.full(trees, full, kind)
            for at in range(0, which.size + 1, kernel.BLOCK):
                if at:
                    row = row_of(which[at - kernel.BLOCK : at], row)
                rows.append(row)
            cuts.append(threshold[which])
            test_tree.append(own[which])
            test_mask.append(masks[which])
            tests += which.size
        line[kernel.NAN_ROW] = len(rows)
        rows.append(nan_row)
        used.append(line)
    leaves = np.zeros((trees, most))
    ends = np.flatnonzero(feature < 0)
    leaves[tree[ends], first_leaf[ends]] = weights["value"][ends]
    return Masks(
        np.array(used, np.int64).reshape(-1, kernel.USED),
        np.concatenate([*cuts, np.zeros(0)]),
        np.concatenate([*test_tree, np.zeros(0, np.int32)]).astype(np.int32),
        np.concatenate([*test_mask, np.zeros(0, kind)]).astype(kind),
        np.array(rows, kind).reshape(-1, trees),
        leaves,
    )


def make_walk(weights: Weights) -> Walk:
    """Return the trees with siblings side by side."""
    feature, left, right = (weights[name].tolist() for name in ("feature", "left", "right"))
    threshold, category = weights["threshold"], weights["category"]
    bits = threshold.view(np.int64)
    infinite = int(np.array([np.inf]).view(np.int64)[0])
    nodes = np.zeros((len(feature), 2), np.int64)
    values = np.zeros(len(feature))
    roots: list[int] = []
    depths: list[int] = []
    free = 0
    for root in weights["tree_start"][:-1].tolist():
        place = {root: free}
        roots.append(free)
        free += 1
        level, depth = [root], -1
        while level:
            depth += 1
            below: list[int] = []
            for node in level:
                at = place.pop(node)
                if feature[node] < 0:
                    nodes[at] = infinite, at << kernel.CHILD | 1 << kernel.MISSING_LEFT
                    values[at] = weights["value"][node]
                    continue
                place[left[node]], place[right[node]] = free, free + 1
                missing = int(weights["missing_left"][node] != 0) << kernel.MISSING_LEFT
                word = feature[node] | missing | free << kernel.CHILD
                if category[node] >= 0:
                    nodes[at] = category[node], word | 1 << kernel.CATEGORY
                else:
                    nodes[at] = bits[node], word
                free += 2
                below += [left[node], right[node]]
            level = below
        depths.append(depth)
    return Walk(
        nodes, np.array(roots, np.int64), np.array(depths, np.int64), values,
        weights["category_start"], weights["category_words"],
    )  # fmt: skip


def expected_sum(weights: Weights) -> float:
    """Return the sum over trees of their mean leaf, weighted by cover: where contributions start."""
    feature, left, right, cover = (weights[name] for name in ("feature", "left", "right", "cover"))
    mean = weights["value"].astype(np.float64).copy()
    for node in np.flatnonzero(feature >= 0)[::-1].tolist():
        a, b = left[node], right[node]
        mean[node] = (cover[a] * mean[a] + cover[b] * mean[b]) / max(cover[node], 1e-300)
    return float(mean[weights["tree_start"][:-1]].sum())


def scored(model: Trees, sums: Floats) -> Floats:
    """Return log-odds of what a sum of trees says (base and scale are in it already)."""
    if model.link == "log_odds":
        return sums
    probability = sums if model.link == "probability" else np.exp2(-sums / model.typical_path)
    held = np.clip(probability, 1e-15, 1.0 - 1e-15)
    result: Floats = np.log(held / (1.0 - held))
    return result
