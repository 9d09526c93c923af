"""Models by their definitions, in plain Python: slow, and small enough to believe."""

import math
from itertools import combinations, pairwise


def sigmoid(x):
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def goes_left(x, threshold, missing_left, categories):
    """Tell where a node of a tree sends a value; NaN is missing."""
    if math.isnan(x):
        return missing_left
    if categories is not None:
        return x >= 0 and int(x) in categories
    return x <= threshold


def tree_value(tree, row):
    """Return the leaf that a row reaches. A leaf is (value, cover), a fork a dict."""
    while isinstance(tree, dict):
        left = goes_left(row[tree["input"]], tree["threshold"], tree["missing_left"], tree["categories"])
        tree = tree["left"] if left else tree["right"]
    return tree[0]


def cover(tree):
    return tree["cover"] if isinstance(tree, dict) else tree[1]


def expected_value(tree, row, known):
    """Return the mean leaf when only the inputs in `known` are (TreeSHAP's path-dependent expectation)."""
    if not isinstance(tree, dict):
        return tree[0]
    if tree["input"] in known:
        left = goes_left(row[tree["input"]], tree["threshold"], tree["missing_left"], tree["categories"])
        return expected_value(tree["left"] if left else tree["right"], row, known)
    a, b = tree["left"], tree["right"]
    return (cover(a) * expected_value(a, row, known) + cover(b) * expected_value(b, row, known)) / tree[
        "cover"
    ]


def shapley_values(tree, row):
    """Return each input's Shapley value, by all subsets."""
    n = len(row)
    found = []
    for i in range(n):
        others = [j for j in range(n) if j != i]
        total = 0.0
        for size in range(n):
            weight = math.factorial(size) * math.factorial(n - size - 1) / math.factorial(n)
            for subset in combinations(others, size):
                with_i = expected_value(tree, row, {*subset, i})
                total += weight * (with_i - expected_value(tree, row, set(subset)))
        found.append(total)
    return found


ACTIVATIONS = {
    "identity": lambda x: x,
    "relu": lambda x: max(x, 0.0),
    "tanh": math.tanh,
    "sigmoid": sigmoid,
}


def dense(layers, x):
    """Return the last layer's outputs; a layer is (weights by unit, bias, activation)."""
    for weights, bias, activation in layers:
        x = [
            ACTIVATIONS[activation](b + sum(w * each for w, each in zip(line, x, strict=True)))
            for line, b in zip(weights, bias, strict=True)
        ]
    return x


def lstm(weight_ih, weight_hh, bias_ih, bias_hh, sequence):
    """Return the last hidden state by PyTorch's formulas: gates i, f, g, o."""
    hidden = len(weight_hh[0])
    h, c = [0.0] * hidden, [0.0] * hidden
    for x in sequence:
        gates = [
            bias_ih[k]
            + bias_hh[k]
            + sum(w * each for w, each in zip(weight_ih[k], x, strict=True))
            + sum(w * each for w, each in zip(weight_hh[k], h, strict=True))
            for k in range(4 * hidden)
        ]
        new_h, new_c = [], []
        for u in range(hidden):
            i, f = sigmoid(gates[u]), sigmoid(gates[hidden + u])
            g, o = math.tanh(gates[2 * hidden + u]), sigmoid(gates[3 * hidden + u])
            cell = f * c[u] + i * g
            new_c.append(cell)
            new_h.append(o * math.tanh(cell))
        h, c = new_h, new_c
    return h


def calibrated(kind, raw, a=1.0, b=0.0, c=0.0, points=()):
    if kind == "platt":
        return sigmoid(a * raw + b)
    if kind == "beta":
        p = sigmoid(raw)
        return sigmoid(a * math.log(p) - b * math.log(1 - p) + c)
    if kind == "isotonic":
        if raw <= points[0][0]:
            return points[0][1]
        for (x0, y0), (x1, y1) in pairwise(points):
            if raw <= x1:
                return y0 + (y1 - y0) * (raw - x0) / (x1 - x0)
        return points[-1][1]
    return sigmoid(raw)


class Sequences:
    """The sequence that each event ends: the last events of its key in order of time, itself the last."""

    def __init__(self, steps, horizon):
        self.steps, self.horizon = steps, horizon
        self.kept = {}

    def add(self, key, time, watermark, value):
        """Return the sequence, or None without a key."""
        if key == 0:
            return None
        if time <= watermark - self.horizon:
            return [value]
        mine = self.kept.setdefault(key, [])
        place = sum(1 for each in mine if each[0] <= time)
        if len(mine) == self.steps and place == 0:
            return [value]
        mine.insert(place, (time, value))
        if len(mine) > self.steps:
            mine.pop(0)
            place -= 1
        return [each for at, each in mine[: place + 1] if at > time - self.horizon]
