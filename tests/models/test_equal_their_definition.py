"""Kernels equal their definitions, whatever the model and the values."""

import math
import os

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from riskweave.models import shap_quadrature, shap_tables, tree_shap, trees
from riskweave.models.artifact import About, Artifact, Autoencoder, Calibration, Curve, Feature, Lstm, Mlp
from riskweave.models.curves import make_curves
from riskweave.models.importing.growing import Fork, Grove, Leaf
from riskweave.models.inputs import make_inputs
from riskweave.models.runners import LstmRunner
from riskweave.models.scorer import Scorer
from riskweave.models.sequences import Sequences
from riskweave.models.why import InputExplainer
from tests.oracles import models as oracle

# Without the JIT, kernels are slow: a few examples tell.
FEW = os.environ.get("NUMBA_DISABLE_JIT") == "1"
INPUTS = 5
CATEGORY = 4  # the last input is one


def some(count):
    """Return so many examples, or a few."""
    return settings(max_examples=4 if FEW else count)


values = st.one_of(st.sampled_from([math.nan, 0.0, -0.0, 1.0, 2.0, math.inf, -math.inf]), st.floats(-3, 3))
codes = st.one_of(st.just(math.nan), st.integers(-2, 70).map(float))
rows = st.tuples(values, values, values, values, codes).map(list)


@st.composite
def tree(draw, leaves=12):
    """A tree of up to so many leaves, with covers that add up."""
    if leaves == 1 or draw(st.integers(0, 5)) == 0:
        return (draw(st.floats(-2, 2)), float(draw(st.integers(1, 50))))
    share = draw(st.integers(1, leaves - 1))
    read = draw(st.integers(0, INPUTS - 1))
    left, right = draw(tree(share)), draw(tree(leaves - share))
    return {
        "input": read,
        "threshold": draw(st.sampled_from([-1.5, -1.0, 0.0, 0.5, 1.0, math.inf])),
        "missing_left": draw(st.booleans()),
        "categories": draw(st.frozensets(st.integers(0, 66), max_size=4)) if read == CATEGORY else None,
        "left": left,
        "right": right,
        "cover": oracle.cover(left) + oracle.cover(right),
    }


def planted(forest):
    grove = Grove()
    for each in forest:
        nodes = []

        def number(part, nodes=nodes):
            nodes.append(part)
            return len(nodes) - 1

        def node(at, nodes=nodes, number=number):
            part = nodes[at]
            if not isinstance(part, dict):
                return Leaf(*part)
            return Fork(
                part["input"], part["threshold"], part["missing_left"],
                number(part["left"]), number(part["right"]), part["cover"], part["categories"],
            )  # fmt: skip

        grove.add(number(each), node)
    return grove.weights()


@some(150)
@given(st.lists(tree(), min_size=1, max_size=9), st.lists(rows, min_size=1, max_size=6))
def test_trees_by_masks_and_by_walking(forest, table):
    weights, X = planted(forest), np.array(table)
    expected = [sum(oracle.tree_value(each, row) for each in forest) for row in table]
    masks = trees.make_masks(weights)
    assert masks is not None
    for form in (masks, trees.make_walk(weights)):
        assert np.allclose(form.sums(X, 0.0, 1.0), expected, atol=1e-12)
        assert np.array_equal(form.sums(X[:1], 0.0, 1.0), form.sums(X, 0.0, 1.0)[:1])


@some(150)
@given(
    st.lists(tree(), min_size=1, max_size=3),
    st.lists(rows, min_size=1, max_size=3),
    st.sampled_from([0, 1, 3, 9]),
    st.sampled_from([0, 2000, 1 << 26]),
)
def test_contributions_are_shapley_values(forest, table, answers, bytes_max):
    """Looked up or worked out, from groups of any size."""
    usual, shap_tables.ANSWERS = shap_tables.ANSWERS, answers
    try:
        shap = tree_shap.prepare(planted(forest), bytes_max)
    finally:
        shap_tables.ANSWERS = usual
    assert shap.nbytes <= bytes_max
    for row, found in zip(table, shap.contributions(np.array(table)), strict=True):
        expected = np.sum([oracle.shapley_values(each, row) for each in forest], axis=0)
        assert np.allclose(found, expected, atol=1e-12)
        total = sum(oracle.tree_value(each, row) for each in forest)
        assert abs(found.sum() + shap.expected - total) < 1e-11


def test_contributions_along_a_long_way_are_still_exact():
    """Forty inputs on one path: more than one block of quadrature points."""
    grove, cover = Grove(), 2.0**40

    def node(number):
        if number % 2 or number == 80:
            return Leaf(float(number), cover / 2.0 ** (number // 2 + (number % 2)))
        half = cover / 2.0 ** (number // 2)
        return Fork(number // 2, 0.5, True, number + 1, number + 2, half)

    grove.add(0, node)
    weights = grove.weights()
    shap, X = tree_shap.prepare(weights), np.ones((1, 40))
    found = shap.contributions(X)[0]
    assert abs(found.sum() + shap.expected - 80.0) < 1e-9
    # Symmetric games: with equal leaves nothing moves but what reaches them.
    assert np.isfinite(found).all()


@pytest.mark.parametrize("activations", [("relu", "tanh", "identity"), ("sigmoid", "relu", "identity")])
@some(30)
@given(seed=st.integers(0, 1000))
def test_dense_layers(activations, seed):
    rng = np.random.default_rng(seed)
    sizes = [4, int(rng.integers(1, 9)), int(rng.integers(1, 6)), 1]
    weights = {}
    for k in range(3):
        weights[f"weight_{k}"] = rng.normal(size=(sizes[k + 1], sizes[k])) * 3
        weights[f"bias_{k}"] = rng.normal(size=sizes[k + 1])
    features = tuple(Feature(name=f"f{k}") for k in range(4))
    X = rng.normal(size=(3, 4)) * 10
    X[0, 1] = np.nan
    found = Scorer(Artifact(About(model=Mlp(activations=activations), features=features), weights)).raw(X)
    layers = [
        (weights[f"weight_{k}"].tolist(), weights[f"bias_{k}"].tolist(), activations[k]) for k in range(3)
    ]
    expected = [oracle.dense(layers, np.nan_to_num(row).tolist())[0] for row in X]
    assert np.allclose(found, expected, rtol=1e-12, atol=1e-12)
    weights["weight_2"], weights["bias_2"] = rng.normal(size=(4, sizes[2])), rng.normal(size=4)
    layers[2] = (weights["weight_2"].tolist(), weights["bias_2"].tolist(), "identity")
    about = About(model=Autoencoder(activations=activations), features=features)
    found = Scorer(Artifact(about, weights)).raw(X)
    for row, raw in zip(np.nan_to_num(X).tolist(), found, strict=True):
        back = oracle.dense(layers, row)
        error = sum((a - b) ** 2 for a, b in zip(back, row, strict=True)) / 4
        assert math.isclose(raw, math.log(error + 1e-12), rel_tol=1e-9, abs_tol=1e-12)


def lstm_artifact(seed, steps=5, hidden=6, width=3):
    rng = np.random.default_rng(seed)
    features = tuple(Feature(name=f"f{k}") for k in range(width))
    return Artifact(
        About(
            model=Lstm(entity="c", steps=steps, horizon_ms=1000, activations=("tanh", "identity")),
            features=features,
        ),
        {
            "weight_ih": rng.normal(size=(4 * hidden, width)),
            "weight_hh": rng.normal(size=(4 * hidden, hidden)),
            "bias_ih": rng.normal(size=4 * hidden),
            "bias_hh": rng.normal(size=4 * hidden),
            "weight_0": rng.normal(size=(4, hidden)),
            "bias_0": rng.normal(size=4),
            "weight_1": rng.normal(size=(1, 4)),
            "bias_1": rng.normal(size=1),
        },
    )


def lstm_score(artifact, sequence):
    w = {name: each.tolist() for name, each in artifact.weights.items()}
    h = oracle.lstm(w["weight_ih"], w["weight_hh"], w["bias_ih"], w["bias_hh"], sequence)
    return oracle.dense([(w["weight_0"], w["bias_0"], "tanh"), (w["weight_1"], w["bias_1"], "identity")], h)[
        0
    ]


@some(20)
@given(seed=st.integers(0, 1000))
def test_lstm(seed):
    artifact = lstm_artifact(seed)
    rng = np.random.default_rng(seed)
    X, lengths = rng.normal(size=(4, 5, 3)), rng.integers(1, 6, 4)
    found = Scorer(artifact).raw(X, lengths)
    for row, length, raw in zip(X, lengths, found, strict=True):
        assert abs(lstm_score(artifact, row[:length].tolist()) - raw) < 5e-6
    scorer = Scorer(artifact)
    explainer = InputExplainer(artifact, make_inputs(artifact.about, artifact.weights))
    told = explainer.explain(scorer.inputs(X[0, : lengths[0]]))
    assert abs(told.base + sum(told.amounts.values()) - found[0]) < 1e-9


arrivals = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 4000), st.floats(-2, 2)), min_size=1, max_size=60
)


@some(60)
@given(arrivals, st.integers(1, 60))
@example([(1, k * 10 % 70, 0.1 * k) for k in range(40)], 7)
def test_sequences_keep_the_last_events_in_order_of_time(events, split):
    artifact = lstm_artifact(1, steps=3, width=1)
    runner = LstmRunner(artifact.about.model, artifact.weights)
    state, definition = Sequences(3, 1, 1000, slots=2), oracle.Sequences(3, 1000)
    keys = np.array([each[0] * 0x9E3779B97F4A7C15 % 2**64 for each in events], np.uint64)
    time = np.array([each[1] for each in events], np.int64)
    watermark = np.maximum.accumulate(time)
    inputs = np.array([[each[2]] for each in events])
    found = []
    for first in range(0, len(events), split):
        part = slice(first, first + split)
        found += state.step(
            runner, keys[part], np.ones(len(keys[part]), np.uint8), time[part], watermark[part], inputs[part]
        ).tolist()
        state = Sequences.restore(3, 1, 1000, state.snapshot())
    for (key, at, value), mark, raw in zip(events, watermark.tolist(), found, strict=True):
        sequence = definition.add(key, at, mark, [np.float32(value)])
        if sequence is None:
            assert math.isnan(raw)
        else:
            assert abs(lstm_score(artifact, sequence) - raw) < 5e-6


@some(100)
@given(
    st.sampled_from(["none", "platt", "beta", "isotonic"]),
    st.floats(-30, 30), st.floats(-3, 3), st.floats(-3, 3), st.floats(-3, 3),
)  # fmt: skip
def test_calibration(kind, raw, a, b, c):
    points = ((-2.0, 0.1), (0.0, 0.1), (1.0, 0.6), (4.0, 0.95))
    x, y = zip(*points, strict=True)
    curve = Curve(kind=kind, a=a, b=b, c=c, x=x, y=y)
    curves = make_curves(Calibration(segments={"gold": curve}))
    found = curves.scores(np.array([raw, raw, np.nan]), np.array([0, 1, 1]))
    assert math.isclose(found[0], oracle.sigmoid(raw), rel_tol=1e-12)
    assert math.isclose(found[1], oracle.calibrated(kind, raw, a, b, c, points), rel_tol=1e-9, abs_tol=1e-12)
    assert math.isnan(found[2])


def test_inputs_are_encoded_filled_in_and_scaled():
    features = (
        Feature(name="a", indicator=True),
        Feature(name="c", type="category", encoding="one_hot", categories=("x", "y")),
        Feature(name="d", type="category", encoding="code", categories=("x", "y")),
    )
    weights = {
        "input_impute": np.array([7.0, 0, 0, 0, np.nan]),
        "input_log": np.array([1, 0, 0, 0, 0], np.uint8),
        "input_mean": np.array([1.0, 0, 0, 0, 0]),
        "input_scale": np.array([2.0, 1, 1, 1, 1]),
    }
    about = About(model=Mlp(activations=("identity",)), features=features)
    pool = {12: 0, 5: 1}  # text codes of x and y
    inputs = make_inputs(about, weights, [1, 0, 2], [None, pool, pool])
    batch = np.array([[12.0, 5.0, 9.0, np.nan], [3.0, np.nan, -3.0, 0.0], [5.0, 9.0, np.nan, 12.0]])
    found = inputs.gather(batch, np.arange(4))
    log = [math.log1p(3), math.log1p(7), -math.log1p(3), 0.0]
    assert np.allclose(found[:, 0], [(each - 1) / 2 for each in log])
    assert found[:, 1].tolist() == [0, 1, 0, 0]
    assert found[:, 2:4].tolist() == [[1, 0], [0, 1], [0, 0], [0, 0]]
    assert found[[0, 1, 3], 4].tolist() == [1, -1, 0]
    assert np.isnan(found[2, 4])


def test_what_the_memory_held_before_does_not_count(monkeypatch):
    """A tree of one fork has a node in its table that nothing leads to."""
    empty = np.empty

    def dirty(shape, dtype=float, **more):
        made = empty(shape, dtype, **more)
        if made.dtype.kind == "f":
            made.fill(np.nan)
        return made

    monkeypatch.setattr(shap_quadrature.np, "empty", dirty)
    shap = tree_shap.prepare(planted([STUMP]), 1 << 20)
    assert np.allclose(shap.contributions(np.array([[0.0] * 5])), oracle.shapley_values(STUMP, [0.0] * 5))


STUMP = {
    "input": 0, "threshold": 1.0, "missing_left": True, "categories": None,
    "left": (1.0, 40.0), "right": (-1.0, 60.0), "cover": 100.0,
}  # fmt: skip
