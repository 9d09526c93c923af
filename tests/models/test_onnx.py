"""ONNX both ways: a user's own graph in two lines, and our models written as graphs."""

import lightgbm as lgb
import numpy as np
import onnx
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from riskweave import Engine, Policy, PolicyError
from riskweave.errors import ModelError
from riskweave.models.artifact import Calibration, Curve, Feature, read, write
from riskweave.models.exporting import to_onnx
from riskweave.models.importing import from_lightgbm, from_onnx, from_sklearn
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


def models():
    X, y = data()
    holes = X.copy()
    holes[::5, 1] = np.nan
    settings = {"objective": "binary", "num_threads": 1, "verbose": -1, "min_data_in_leaf": 5}
    yield from_lightgbm(lgb.train(settings, lgb.Dataset(holes, y), 10), NAMES), holes
    yield from_sklearn(RandomForestClassifier(10, max_depth=4, random_state=0).fit(X, y), NAMES), X
    linear = from_sklearn(make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y), NAMES)
    yield linear.with_about(calibration=Calibration(curve=Curve(kind="platt", a=1.4, b=-0.2))), X
    net = MLPClassifier((6, 3), activation="tanh", max_iter=2000, random_state=0).fit(X, y)
    yield from_sklearn(net, NAMES), X
    weights = {**linear.weights, "input_log": np.ones(4, np.uint8), "input_impute": np.full(4, 0.5)}
    yield type(linear)(linear.about, weights), holes


def test_our_models_are_written_as_graphs():
    count = 0
    for artifact, X in models():
        written = to_onnx(artifact, X)
        assert written.about.parity.rows == len(X)
        rounded = X.astype(np.float32).astype(float)
        assert np.allclose(Scorer(written).score(rounded), Scorer(artifact).score(rounded), atol=1e-5)
        count += 1
    assert count == 5


def test_what_a_graph_cannot_say_is_refused():
    X, y = data()
    linear = from_sklearn(LogisticRegression().fit(X, y), NAMES)
    steps = Curve(kind="isotonic", x=(0.0, 1.0), y=(0.1, 0.9))
    with pytest.raises(ModelError, match="none or platt"):
        to_onnx(linear.with_about(calibration=Calibration(curve=steps)))
    coded = Feature(name="c", type="category", encoding="one_hot", categories=("x",))
    with pytest.raises(ModelError, match="categories"):
        to_onnx(linear.with_about(features=(*NAMES[:3], coded)))
