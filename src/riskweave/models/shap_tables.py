"""Tables of contributions for the kernel `look_up`: trees cut into groups of leaves, each worked out once.

Tables grow with 2 to the power of the inputs on a way. Trees whose tables would take too much are
left to the quadrature (tree_shap.py): the largest first, until the rest stays within a bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskweave.kernels import attribution
from riskweave.kernels import contribution_tables as kernel
from riskweave.models.shap_quadrature import Quadrature, points_for

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Weights = Mapping[str, NDArray[Any]]

# Groups of several leaves are answered by so many tests; single leaves may need some more.
ANSWERS = 9
ANSWERS_MAX = 13
# Of all the tables of a model.
BYTES_MAX = 64 * 1024 * 1024

# A test and which way it must go (0: as it says, 1: the other way), and all those of one input on a way.
Step = tuple[int, int]
# By input: its steps, and the share of the training weight that takes them all.
Way = dict[int, tuple[tuple[Step, ...], float]]


@dataclass(frozen=True, slots=True)
class Tables:
    """The arrays of `look_up`."""

    used: Ints
    cuts: Floats
    missing_left: NDArray[np.uint8]
    sets: Ints
    set_start: NDArray[np.int32]
    set_words: NDArray[np.uint32]
    joint: Ints
    runs: Ints
    which: NDArray[np.int32]
    places: NDArray[np.int32]
    lines: Ints
    tables: Floats

    def add(self, inputs: Floats, out: Floats) -> None:
        """Add what each input adds to the sum of these trees."""
        answer = np.empty(self.missing_left.size + len(self.joint), np.uint8)
        found = np.empty_like(self.lines)
        kernel.look_up(
            inputs, self.used, self.cuts, self.missing_left, self.sets, self.set_start, self.set_words,
            self.joint, self.runs, self.which, self.places, self.lines, self.tables, answer, found, out,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Group:
    """Leaves below `root`, what the way to it asked by input, and its forks, parents first."""

    root: int
    way: Way
    forks: tuple[int, ...]
    inputs: tuple[int, ...]

    @property
    def answers(self) -> int:
        """Return how many answers choose a line."""
        return len(self.way) + len(self.forks)

    @property
    def words(self) -> int:
        """Return the size of the table."""
        return len(self.inputs) << self.answers


@dataclass(frozen=True, slots=True)
class _Trees:
    """An artifact's arrays as lists, which are quicker to walk."""

    start: list[int]
    feature: list[int]
    left: list[int]
    right: list[int]
    value: list[float]
    share: list[float]


def make_tables(weights: Weights, share: list[float], bytes_max: int) -> tuple[Tables | None, list[int]]:
    """Return tables of at most so many bytes, and the trees that are left over.

    `share[node]` is how much of the training weight passed all the tests of the parent's input on
    the way to a node.
    """
    names = ("tree_start", "feature", "left", "right", "value")
    start, feature, left, right, value = (weights[name].tolist() for name in names)
    trees = _Trees(start, feature, left, right, value, share)
    found: list[tuple[int, int, list[Group]]] = []
    others = []
    for number in range(len(trees.start) - 1):
        groups = _groups(trees, number)
        if max((each.answers for each in groups), default=0) > ANSWERS_MAX:
            others.append(number)
        else:
            found.append((8 * sum(each.words for each in groups), number, groups))
    chosen: list[Group] = []
    left = bytes_max
    for size, number, groups in sorted(found, key=lambda each: each[:2]):
        if size > left:
            others.append(number)
        else:
            left -= size
            chosen += groups
    return (_tables(weights, trees, chosen) if chosen else None), sorted(others)


def _groups(trees: _Trees, number: int) -> list[Group]:
    """Cut one tree from the root down: the largest subtrees that few enough answers choose a line of."""
    feature, left, right = trees.feature, trees.left, trees.right
    first, last = trees.start[number], trees.start[number + 1]
    forks: dict[int, int] = {}
    for node in range(last - 1, first - 1, -1):
        forks[node] = 0 if feature[node] < 0 else 1 + forks[left[node]] + forks[right[node]]
    found = []
    waiting: list[tuple[int, Way]] = [(first, {})]
    while waiting:
        root, way = waiting.pop()
        tested = feature[root]
        if tested >= 0 and len(way) + forks[root] > ANSWERS:
            steps = way[tested][0] if tested in way else ()
            for child, flip in ((right[root], 1), (left[root], 0)):
                waiting.append((child, way | {tested: ((*steps, (root, flip)), trees.share[child])}))
            continue
        inner: list[int] = []
        below = [root]
        while below:
            node = below.pop()
            if feature[node] >= 0:
                inner.append(node)
                below += [right[node], left[node]]
        inputs = tuple(dict.fromkeys([*way, *(feature[node] for node in inner)]))
        if inputs:
            found.append(Group(root, way, tuple(inner), inputs))
    return found


def _tables(weights: Weights, trees: _Trees, groups: list[Group]) -> Tables:
    """Number tests and conjunctions, and work every group's table out."""
    # Equal shapes stand together: the kernel's inner loops then run equally long.
    groups = sorted(groups, key=lambda each: (each.answers, len(each.inputs)))
    feature, category = weights["feature"], weights["category"]
    asked = {node for each in groups for node in each.forks}
    asked |= {node for each in groups for steps, _ in each.way.values() for node, _ in steps}
    forks = np.array(sorted(asked), np.int64)
    numeric, sets = forks[category[forks] < 0], forks[category[forks] >= 0]
    numeric = numeric[np.argsort(feature[numeric], kind="stable")]
    number_of = {node: at for at, node in enumerate([*numeric.tolist(), *sets.tolist()])}
    starts = np.flatnonzero(np.diff(feature[numeric], prepend=-1))
    answers = _Answers(number_of)
    which: list[int] = []
    lines, at = [], 0
    parts = []
    for group in groups:
        turned = []
        for steps, _ in group.way.values():
            answer, flip = answers.of(steps)
            which.append(answer)
            turned.append(flip)
        which += [number_of[node] for node in group.forks]
        parts.append(_table(trees, group, turned))
        lines.append(at)
        at += group.words
    shapes, counts = np.unique(
        np.array([(each.answers, len(each.inputs)) for each in groups], np.int64), axis=0, return_counts=True
    )
    places = [place for each in groups for place in each.inputs]
    return Tables(
        _columns(feature[numeric][starts], starts, np.append(starts, numeric.size)[1:]),
        weights["threshold"][numeric].astype(np.float64),
        weights["missing_left"][np.concatenate([numeric, sets])],
        _columns(feature[sets], numeric.size + np.arange(sets.size), category[sets]),
        weights["category_start"],
        weights["category_words"],
        np.array(answers.joint, np.int64).reshape(-1, kernel.JOINT),
        _columns(counts, *shapes.T),
        np.array(which, np.int32),
        np.array(places, np.int32),
        np.array(lines, np.int64),
        np.concatenate(parts),
    )  # fmt: skip


def _columns(*columns: NDArray[Any]) -> Ints:
    """Return columns side by side, as the kernel wants them."""
    return np.ascontiguousarray(np.stack(columns, axis=1), np.int64)


class _Answers:
    """Numbers of tests, and of the conjunctions of tests of one input."""

    def __init__(self, number_of: Mapping[int, int]) -> None:
        self.number_of = number_of
        self.joint: list[tuple[int, int, int, int]] = []
        self.known: dict[tuple[Step, ...], int] = {}

    def of(self, steps: tuple[Step, ...]) -> Step:
        """Return which answer tells that a row passes all steps, and 1 where it tells the opposite."""
        node, flip = steps[-1]
        if len(steps) == 1:
            return self.number_of[node], flip
        if steps not in self.known:
            self.joint.append((*self.of(steps[:-1]), self.number_of[node], flip))
            self.known[steps] = len(self.number_of) + len(self.joint) - 1
        return self.known[steps], 0


def _table(trees: _Trees, group: Group, turned: list[int]) -> Floats:
    """Return the group's contributions for every combination of answers, by quadrature.

    A small tree stands for the group: a chain of forks, one for each input asked on the way (who
    fails ends in a leaf of nothing), then the group's own forks. Each fork reads an answer of its own.
    """
    chain, forks = len(group.way), group.forks
    ends = [child for node in forks for child in (trees.left[node], trees.right[node])]
    ends = [node for node in ends if trees.feature[node] < 0] if forks else [group.root]
    count = chain + len(forks) + len(ends) + 1
    place = {node: chain + at for at, node in enumerate([*forks, *ends])}
    failed, nothing = count - 1, count
    column = {input_: at for at, input_ in enumerate(group.inputs)}
    nodes = np.zeros((count + 1, attribution.NODE), np.int32)
    nodes[:, attribution.CATEGORY] = -1
    nodes[:, attribution.SAME] = nothing
    share, value = np.ones(count + 1), np.zeros(count + 1)
    last = {}  # by input: the last node reached by a test of it on the way
    for at, (input_, (_, passed)) in enumerate(group.way.items()):
        child = at + 1 if at + 1 < chain else place[group.root]
        nodes[at, : attribution.RIGHT + 1] = at, child, failed
        nodes[child, attribution.PARENTS_INPUT] = column[input_]
        share[child] = passed
        last[input_] = child
    share[failed] = 0.5
    seen = {group.root: last}
    for at, node in enumerate(forks):
        own, tested = place[node], trees.feature[node]
        way = seen.pop(node)
        nodes[own, attribution.INPUT] = chain + at
        for side, child in ((attribution.LEFT, trees.left[node]), (attribution.RIGHT, trees.right[node])):
            nodes[own, side] = to = place[child]
            nodes[to, attribution.PARENTS_INPUT] = column[tested]
            nodes[to, attribution.SAME] = way.get(tested, nothing)
            share[to] = trees.share[child]
            seen[child] = way | {tested: to}
    for node in ends:
        value[place[node]] = trees.value[node]
    answers = group.answers
    width = max(answers, len(group.inputs))
    # An input of 0 goes left, which is to pass.
    rows = np.zeros((1 << answers, width))
    flips = np.array([*turned, *[0] * len(forks)], np.int64)
    rows[:, :answers] = 1 ^ (np.arange(1 << answers)[:, None] >> np.arange(answers) & 1) ^ flips
    blocks, points, by_point = points_for(len(group.inputs))
    small = Quadrature(
        np.array([[0, chain + len(forks), 0, blocks], [count + 1, 0, 0, 0]], np.int64),
        nodes, np.full(count + 1, 0.5), value, share,
        np.zeros(1, np.int32), np.zeros(0, np.uint32), points, by_point,
    )  # fmt: skip
    return np.ascontiguousarray(small.contributions(rows)[:, : len(group.inputs)]).reshape(-1)
