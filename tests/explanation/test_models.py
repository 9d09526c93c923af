"""Explanations over real models: trees, weights, a blend, an ONNX graph; from the event and its record."""

import json

import lightgbm as lgb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from riskweave import Engine, Policy
from riskweave.decision.belief import log_odds
from riskweave.engine.explain import Explainer
from riskweave.explanation.as_text import plain_text
from riskweave.models.artifact import About, Artifact, Blend, Feature, Linear, Part, write
from riskweave.models.explanations import BLACK_BOX
from riskweave.models.importing import from_lightgbm
from riskweave.replay.records import find_record
from riskweave.replay.replay import replay
from tests.cli.test_commands import riskweave
from tests.models.test_onnx import own_graph

FEATURES = [Feature(name="paid"), Feature(name="amount"), Feature(name="count")]
START = 1_767_225_600_000


def trees():
    """A small LightGBM model of the three features."""
    rng = np.random.default_rng(1)
    X = np.abs(rng.normal(size=(400, 3))) * [200, 100, 5]
    y = (X[:, 0] + 2 * X[:, 1] > 400).astype(int)
    options = {"objective": "binary", "verbosity": -1, "num_leaves": 5, "seed": 1, "num_threads": 1}
    return from_lightgbm(lgb.train(options, lgb.Dataset(X, y), 12), FEATURES)


def weights():
    arrays = {
        "coefficients": np.array([0.004, 0.01, 0.05]),
        "intercept": np.array([-2.0]),
        "input_impute": np.zeros(3),
    }
    return Artifact(About(model=Linear(), features=tuple(FEATURES)), arrays)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A policy folder with a model of each kind; `decision` is left out."""
    found = tmp_path_factory.mktemp("models")
    write(found / "gbdt", trees())
    write(found / "lr", weights())
    (found / "own.onnx").write_bytes(own_graph())
    return found


VALUES = {
    "policy": {"name": "scored", "dedupe": "1h"},
    "events": {
        "payment": {
            "id": "id",
            "time": "at",
            "fields": {
                "id": "string",
                "at": {"type": "time", "unit": "ms"},
                "who": "string",
                "amount": "money",
            },
        }
    },
    "entities": {"customer": "who"},
    "features": {"paid": 'customer.sum(amount, "1h")', "count": 'customer.count("1h")'},
    "models": {
        "gbdt": {"artifact": "gbdt"},
        "lr": {"artifact": "lr"},
        "mix": {"blend": {"gbdt": 0.6, "lr": 0.4}},
        "own": {"onnx": "own.onnx", "features": ["paid", "amount"]},
    },
}
EVENTS = [
    {"id": f"e{k}", "at": START + 60_000 * k, "who": "ann", "amount": f"{amount}.00"}
    for k, amount in enumerate([20, 35, 250, 400])
]


def values(belief):
    return VALUES | {"decision": {"belief": f"{belief}.score", "prior": 0.02, "costs": {"amount": "amount"}}}


@pytest.mark.parametrize("model", ["gbdt", "lr", "mix", "own"])
def test_features_add_up_to_the_log_odds_of_the_model(folder, model):
    engine = Engine(Policy.from_dict(values(model), folder))
    for event in EVENTS[:-1]:
        engine.decide(event)
    decision, explanation = Explainer(engine).decide(EVENTS[-1])
    assert explanation.posterior == pytest.approx(log_odds(decision.score))
    assert explanation.prior == pytest.approx(np.log(0.02 / 0.98))
    moved = sum(each.log_odds for each in explanation.contributions)
    assert explanation.prior + moved == pytest.approx(explanation.posterior, abs=1e-9)
    names = {(each.kind, each.name) for each in explanation.contributions}
    if model == "own":
        assert names == {("model", "own")}
        assert BLACK_BOX in str(explanation.contributions[0].reason)
        assert BLACK_BOX in plain_text(explanation, "en")
        assert "ONNX" in plain_text(explanation, "zh")
    else:
        assert names == {("feature", "paid"), ("feature", "amount"), ("feature", "count")}


def test_the_record_of_a_replay_is_explained_as_the_event_was(folder, tmp_path):
    (folder / "policy.yaml").write_text(json.dumps(values("mix")), encoding="utf-8")
    pq.write_table(pa.Table.from_pylist(EVENTS), tmp_path / "events.parquet")
    policy = Policy.read(folder)
    replay(Engine(policy), [tmp_path / "events.parquet"], records=tmp_path / "records.parquet")
    found = riskweave(
        "explain", "e3", "--records", tmp_path / "records.parquet", "--policy", folder, "--format", "json"
    )
    told = json.loads(found.stdout)
    engine = Engine(policy)
    for event in EVENTS[:-1]:
        engine.decide(event)
    explainer = Explainer(engine)
    decision, explanation = explainer.decide(EVENTS[-1])
    assert told["action"] == decision.action
    assert {each["name"]: each["log_odds"] for each in told["contributions"]} == pytest.approx(
        {each.name: each.log_odds for each in explanation.contributions}
    )
    record = find_record(tmp_path / "records.parquet", "e3")
    assert explainer.of_record(record).posterior == explanation.posterior


def test_a_blend_artifact_is_explained_by_its_parts_features(folder):
    about = About(model=Blend((Part("gbdt", 0.5), Part("lr", 0.5))))
    write(folder / "both", Artifact(about, parts={"gbdt": trees(), "lr": weights()}))
    made = values("both") | {"models": {"both": {"artifact": "both"}}}
    engine = Engine(Policy.from_dict(made, folder))
    decision, explanation = Explainer(engine).decide(EVENTS[-1])
    moved = sum(each.log_odds for each in explanation.contributions)
    assert explanation.prior + moved == pytest.approx(np.log(decision.score / (1 - decision.score)))
    assert {each.name for each in explanation.contributions} == {"paid", "amount", "count"}
