"""ONNX both ways: a user's own graph in two lines, and our models written as graphs."""

import lightgbm as lgb
import numpy as np
import onnx
import onnxruntime
import pytest
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from riskweave import Engine, Policy, PolicyError
from riskweave.errors import ModelError
from riskweave.models.artifact import (
    About,
    Artifact,
    Autoencoder,
    Blend,
    Calibration,
    Curve,
    Feature,
    Linear,
    Lstm,
    Part,
    Profile,
    read,
    write,
)  # fmt: skip
from riskweave.models.exporting import graph_of, to_onnx
from riskweave.models.importing import from_lightgbm, from_onnx, from_sklearn
from riskweave.models.parity import check_parity
from riskweave.models.scorer import Scorer

NAMES = [Feature(name=f"f{k}") for k in range(4)]


def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    return X, (X[:, 0] + X[:, 1] * X[:, 2] > 0.3).astype(int)


def own_graph():
    """A graph as a user may have it: two columns of probabilities."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    weight = onnx.numpy_helper.from_array(np.array([[-0.01, 0.01], [0.0, 0.02]], np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["X", "w"], ["z"]), helper.make_node("Softmax", ["z"], ["p"], axis=1)],
        "own",
        [helper.make_tensor_value_info("X", kind, [None, 2])],
        [helper.make_tensor_value_info("p", kind, [None, 2])],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return model.SerializeToString()


POLICY = {
    "policy": {"dedupe": "0s"},
    "events": {"payment": {"time": "at", "fields": {"at": "time", "who": "string", "amount": "money"}}},
    "entities": {"customer": "who"},
    "features": {"paid": 'customer.sum(amount, "1h")'},
}


def test_a_users_own_model_is_two_lines(tmp_path):
    (tmp_path / "own.onnx").write_bytes(own_graph())
    models = {"mine": {"onnx": "own.onnx", "features": ["paid", "amount"]}}
    rules = [{"id": "r", "when": "mine.score > 0.9", "risk": 0.6}]
    engine = Engine(Policy.from_dict({**POLICY, "models": models, "rules": rules}, tmp_path))
    decision = engine.decide({"at": 1, "who": "a", "amount": "100.00"})
    assert abs(decision.features["mine.raw"] - 4.0) < 1e-5
    assert decision.rules == ["r"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"features": ["paid"]}, "reads"),
        ({"output": "q"}, "has no output `q`"),
        ({"onnx": "none.onnx"}, "cannot be read"),
    ],
)
def test_a_graph_that_does_not_fit_is_refused(tmp_path, more, said):
    (tmp_path / "own.onnx").write_bytes(own_graph())
    model = {"onnx": "own.onnx", "features": ["paid", "amount"], **more}
    with pytest.raises(PolicyError, match=said):
        Engine(Policy.from_dict({**POLICY, "models": {"mine": model}}, tmp_path))


def test_bytes_that_are_no_graph_are_refused():
    with pytest.raises(ModelError, match="cannot be read"):
        from_onnx(b"graph", NAMES)


def test_a_graph_is_an_artifact(tmp_path):
    artifact = from_onnx(own_graph(), NAMES[:2])
    first = write(tmp_path, artifact)
    assert read(tmp_path).hash == first
    data = bytearray((tmp_path / "model.onnx").read_bytes())
    data[-1] ^= 1
    (tmp_path / "model.onnx").write_bytes(data)
    with pytest.raises(ModelError, match="changed"):
        read(tmp_path)


def run(graph, X, lengths=None, output="probability"):
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    given = {"X": X} if lengths is None else {"X": X, "lengths": lengths}
    return session.run([output], given)[0].reshape(-1)


COLOUR = Feature(name="c", type="category", encoding="code", categories=tuple(f"c{k}" for k in range(40)))
SIZE = Feature(name="s", type="category", encoding="one_hot", categories=("x", "y"), indicator=True)


def drawn(model, shapes, features=NAMES, seed=0, **more):
    """An artifact with drawn weights."""
    rng = np.random.default_rng(seed)
    weights = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    return Artifact(About(model=model, features=tuple(features)), {**weights, **more})


def lstm(features=NAMES):
    shapes = {"weight_ih": (20, 4), "weight_hh": (20, 5), "bias_ih": 20, "bias_hh": 20,
              "weight_0": (3, 5), "bias_0": 3, "weight_1": (1, 3), "bias_1": 1}  # fmt: skip
    model = Lstm(entity="who", steps=6, activations=("relu", "identity"))
    return drawn(model, shapes, features, input_mean=np.full(4, 0.3), input_scale=np.full(4, 2.0))


def models():
    """Every kind of model with a score, and rows."""
    X, y = data()
    holes = X.copy()
    holes[::5, 1] = np.nan
    settings = {"objective": "binary", "num_threads": 1, "verbose": -1, "min_data_in_leaf": 5}
    gbdt = from_lightgbm(lgb.train(settings, lgb.Dataset(holes, y), 10), NAMES)
    yield "gbdt", gbdt, holes
    zeros = np.where(np.abs(holes) < 0.3, 0.0, holes)
    booster = lgb.train({**settings, "zero_as_missing": True}, lgb.Dataset(zeros, y), 10)
    yield "zeros are missing", from_lightgbm(booster, NAMES), zeros
    coded = holes.copy()
    coded[:, 3] = np.arange(len(X)) % 43 - 1.0
    coded[::7, 3] = np.nan
    booster = lgb.train(
        {**settings, "min_data_per_group": 1, "cat_smooth": 1, "max_cat_to_onehot": 2},
        lgb.Dataset(coded, np.isin(coded[:, 3], [3, 7, 33, 38]) | (y > 0), categorical_feature=[3]), 10,
    )  # fmt: skip
    categories = from_lightgbm(booster, [*NAMES[:3], COLOUR])
    assert (categories.weights["category"] >= 0).any()
    yield "categories", categories, coded
    stump = lgb.train({**settings, "num_leaves": 2, "min_data_in_leaf": 400}, lgb.Dataset(X, y), 2)
    yield "trees of one leaf", from_lightgbm(stump, NAMES), X
    forest = RandomForestClassifier(10, max_depth=4, random_state=0).fit(X, y)
    yield "forest", from_sklearn(forest, NAMES), X
    yield "isolation forest", from_sklearn(IsolationForest(n_estimators=20, random_state=0).fit(X), NAMES), X
    linear = from_sklearn(make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y), NAMES)
    yield "linear", linear, X
    weights = {**linear.weights, "input_log": np.ones(4, np.uint8), "input_impute": np.full(4, 0.5)}
    yield "prepared", type(linear)(linear.about, weights), holes
    hot = drawn(Linear(), {"coefficients": 6, "intercept": 1}, (*NAMES[:3], SIZE))
    yield "one hot", hot, np.column_stack([X[:, :3], np.resize([0.0, 1.0, -1.0, np.nan], len(X))])
    svm = make_pipeline(StandardScaler(), Nystroem(n_components=30, random_state=0), LinearSVC())
    yield "kernel machine", from_sklearn(svm.fit(X, y), NAMES), X
    net = MLPClassifier((6, 3), activation="tanh", max_iter=2000, random_state=0).fit(X, y)
    yield "mlp", from_sklearn(net, NAMES), X
    shapes = {"weight_0": (2, 4), "bias_0": 2, "weight_1": (4, 2), "bias_1": 4}
    yield "autoencoder", drawn(Autoencoder(activations=("sigmoid", "identity")), shapes), X
    for space, intercept in (("probability", 0.0), ("log_odds", -0.4)):
        parts = (Part(name="a", weight=0.3), Part(name="b", weight=0.7))
        blend = About(model=Blend(parts=parts, space=space, intercept=intercept))
        yield f"blend by {space}", Artifact(blend, parts={"a": gbdt, "b": hot}), np.column_stack([holes, y])


def with_curves():
    X, y = data()
    settings = {"objective": "binary", "num_threads": 1, "verbose": -1, "min_data_in_leaf": 5}
    artifact = from_lightgbm(lgb.train(settings, lgb.Dataset(X, y), 10), NAMES)
    raw = np.sort(Scorer(artifact).raw(X))
    steps = np.unique(raw)[::9]
    for curve in (
        Curve(kind="platt", a=1.4, b=-0.2),
        Curve(kind="beta", a=0.8, b=1.3, c=0.1),
        Curve(kind="isotonic", x=tuple(steps), y=tuple(np.linspace(0.02, 0.97, steps.size))),
        # Steps as steep as isotonic regression makes them: a rounded sum would fall off.
        Curve(kind="isotonic", x=(steps[3], float(np.nextafter(steps[3], 9))), y=(0.1, 0.9)),
        Curve(kind="isotonic", x=(0.0,), y=(0.4,)),
    ):
        yield curve, artifact.with_about(calibration=Calibration(curve=curve)), X


def test_our_models_are_written_as_graphs():
    for name, artifact, X in models():
        away = np.abs(run(graph_of(artifact), X) - Scorer(artifact).score(X)).max()
        assert away < 1e-9, name
        assert to_onnx(artifact, X).about.parity.rows == len(X)
    for curve, artifact, X in with_curves():
        assert np.abs(run(graph_of(artifact), X) - Scorer(artifact).score(X)).max() < 1e-9, curve


def test_models_of_sequences_are_written_as_graphs():
    rng = np.random.default_rng(0)
    X, lengths = rng.normal(size=(50, 6, 5)), rng.integers(1, 7, 50)
    X[::3, 2, 1] = np.nan
    parts = (Part(name="a", weight=0.4), Part(name="b", weight=0.6))
    one = drawn(Linear(), {"coefficients": 4, "intercept": 1}, NAMES[::-1])
    both = Artifact(About(model=Blend(parts=parts)), parts={"a": one, "b": lstm()})
    five = (*NAMES[1:], Feature(name="f9"))
    far = Artifact(About(model=Blend(parts=parts)), parts={"a": lstm(five), "b": one})
    for artifact in (lstm(), both, far):
        wide = X[:, :, : len(artifact.feature_names())]
        expected = Scorer(artifact).score(wide, lengths=lengths)
        assert np.abs(run(graph_of(artifact), wide, lengths) - expected).max() < 1e-6
        check_parity(artifact, run(graph_of(artifact), wide, lengths), wide, "onnxruntime", lengths)
        with pytest.raises(ModelError, match="sequences"):
            to_onnx(artifact)


def test_a_profile_is_written_as_a_graph():
    X, _ = data()
    profile = drawn(Profile(), {"centers": (3, 4)}, input_mean=np.full(4, 0.1))
    cluster, distance = Scorer(profile).nearest(X)
    assert (run(graph_of(profile), X, output="cluster") == cluster).all()
    assert np.allclose(run(graph_of(profile), X, output="distance"), distance, atol=1e-12)
    with pytest.raises(ModelError, match="no score"):
        to_onnx(profile)


def test_a_graph_has_the_curve_of_one_segment():
    X, y = data()
    linear = from_sklearn(LogisticRegression().fit(X, y), NAMES)
    calibration = Calibration(segment="kind", segments={"gold": Curve(kind="platt", a=2.0)})
    artifact = linear.with_about(calibration=calibration)
    with pytest.raises(ModelError, match=r"choose a segment \(gold\)"):
        graph_of(artifact)
    gold = Scorer(artifact).score(X, ["gold"] * len(X))
    assert np.abs(run(graph_of(artifact, "gold"), X) - gold).max() < 1e-12
    assert to_onnx(artifact, X, segment="gold").about.parity.max_abs_difference < 1e-12


def test_a_graph_that_scores_otherwise_is_refused(monkeypatch):
    X, y = data()
    linear = from_sklearn(LogisticRegression().fit(X, y), NAMES)
    shifted = type(linear)(linear.about, {**linear.weights, "intercept": linear.weights["intercept"] + 1e-4})
    whole = graph_of(shifted)
    monkeypatch.setattr("riskweave.models.exporting.graph_of", lambda *_: whole)
    with pytest.raises(ModelError, match="does not score"):
        to_onnx(linear, X)


def test_what_a_graph_cannot_say_is_refused():
    with pytest.raises(ModelError, match="cannot be written"):
        graph_of(from_onnx(own_graph(), NAMES[:2]))
