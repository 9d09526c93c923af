"""Every trainer learns what is there, is scored by the kernels as by its library, and repeats itself."""

import dataclasses

import numpy as np
import pytest

from riskweave.errors import RiskweaveError
from riskweave.learning.ranking import roc_auc
from riskweave.learning.recipe import Recipe, default_features, ready_recipes
from riskweave.learning.scoring import score
from riskweave.learning.splits import shares_by_time
from riskweave.learning.train import train
from riskweave.learning.zoo import TRAINERS
from riskweave.models.artifact import read, write
from riskweave.models.scorer import Scorer
from tests.learning.world import dataset

QUICK = {
    "random_forest": {"trees": 20},
    "gbdt": {"trees": 40, "row_share": 0.8},
    "xgboost": {"trees": 20},
    "mlp": {"layers": [16], "epochs": 6, "rate": 0.01, "batch": 128},
    "lstm": {"hidden": 8, "steps": 3, "epochs": 5, "rate": 0.02, "batch": 128},
    "autoencoder": {"epochs": 4},
    "isolation_forest": {"trees": 30, "max_samples": 128},
    "rbf_svm": {"components": 60},
}
LEAST_AUC = {"isolation_forest": 0.5, "autoencoder": 0.45}


@pytest.fixture(scope="module")
def data():
    return dataset()


@pytest.fixture(scope="module")
def split(data):
    return shares_by_time(data.time_ms, data.known_ms, data.label, 0.3)


def recipe(name, **changes):
    found = ready_recipes()[name]
    return dataclasses.replace(found, options=QUICK.get(name, {}), **changes)


@pytest.mark.parametrize("name", [name for name in TRAINERS if name != "profiles"])
def test_every_trainer_learns_and_the_kernels_score_alike(name, data, split, tmp_path):
    made = train(recipe(name), data, split.train)
    found = made.score(split.test)
    assert roc_auc(data.label[split.test], found) > LEAST_AUC.get(name, 0.72)
    assert made.artifact.about.parity.max_abs_difference < 1e-6
    assert made.artifact.about.training.rows == split.train.size
    write(tmp_path / name, made.artifact)
    assert np.abs(score(read(tmp_path / name), data, split.test) - found).max() < 1e-6


@pytest.mark.parametrize("name", ["gbdt", "random_forest", "mlp", "lstm", "rbf_svm", "isolation_forest"])
def test_the_same_seed_gives_the_same_model_and_another_seed_another(name, data, split):
    first, again = (train(recipe(name), data, split.train).artifact for _ in range(2))
    assert first.hash == again.hash
    other = train(recipe(name, seed=1), data, split.train).artifact
    assert any(not np.array_equal(other.weights[k], first.weights.get(k)) for k in other.weights)


def test_nothing_is_learned_from_events_outside_the_rows(data, split):
    """Labels and values of the test may be anything: the model is the same."""
    mixed = np.random.default_rng(0)
    label = data.label.copy()
    label[split.test] = mixed.random(split.test.size) < 0.5
    columns = dict(data.columns)
    values = columns["amount"].values.copy()
    values[split.test] *= 7
    columns["amount"] = dataclasses.replace(columns["amount"], values=values)
    other = dataclasses.replace(data, label=label, columns=columns)
    for name in ("logistic_regression", "gbdt", "mlp"):
        first, second = (train(recipe(name), each, split.train).artifact for each in (data, other))
        assert first.hash == second.hash


def test_more_risk_never_lowers_a_monotone_score(data, split):
    options = {"trees": 60, "monotone": {"amount": 1, "age": -1}}
    made = train(Recipe("m", "gbdt", options=options), data, split.train)
    scorer = Scorer(made.artifact)
    x = np.tile([20.0, 1.0, 40.0], (200, 1))[:, : len(scorer.features)]
    place = scorer.features.index("amount")
    x[:, place] = np.linspace(1, 500, 200)
    assert (np.diff(scorer.raw(x)) >= 0).all()
    with pytest.raises(RiskweaveError, match="monotone names"):
        train(Recipe("m", "gbdt", options={"monotone": {"amuont": 1}}), data, split.train)


def test_early_stopping_keeps_fewer_trees(data, split):
    options = {"trees": 400, "rate": 0.3, "patience": 5, "least_trees": 10}
    held = train(Recipe("h", "gbdt", options=options, hold=0.3), data, split.train)
    whole = train(Recipe("h", "gbdt", options=options, hold=0), data, split.train)
    assert 10 <= held.notes["trees"] < whole.notes["trees"] == 400
    once = train(Recipe("h", "gbdt", options=options, hold=0.3, refit=False), data, split.train)
    assert once.notes["trees"] == held.notes["trees"]
    again = train(
        Recipe("h", "gbdt", options={**options, "trees": held.notes["trees"]}, hold=0), data, split.train
    )
    assert np.array_equal(held.raw(split.test), again.raw(split.test))
    least = {**options, "trees": 150, "least_trees": 120}
    assert train(Recipe("h", "gbdt", options=least, hold=0.3), data, split.train).notes["trees"] >= 120


def test_nothing_is_held_back_from_models_that_neither_stop_nor_calibrate(data, split):
    kept, whole = (
        train(Recipe("l", "logistic_regression", hold=hold), data, split.train) for hold in (0.5, 0)
    )
    assert np.array_equal(kept.raw(split.test), whole.raw(split.test))


def test_class_weights_raise_the_score(data, split):
    plain, heavy = (
        train(Recipe("w", "logistic_regression", options={"class_weight": weight}), data, split.train)
        for weight in ("none", 5)
    )
    assert heavy.score(split.test).mean() > plain.score(split.test).mean() + 0.1
    with pytest.raises(RiskweaveError, match="class_weight"):
        train(Recipe("w", "gbdt", options={"class_weight": "often"}), data, split.train)


@pytest.mark.parametrize("kind", ["blend", "stack"])
def test_blends_weigh_their_parts(kind, data, split, tmp_path):
    recipes = {name: recipe(name) for name in ("logistic_regression", "gbdt", "mlp")}
    parts = {"logistic_regression": 0.3, "gbdt": 0.4, "mlp": 0.3}
    made = train(Recipe("all", kind, parts=parts), data, split.train, recipes)
    found = made.score(split.test)
    assert roc_auc(data.label[split.test], found) > 0.75
    if kind == "blend":
        singles = [train(recipes[name], data, split.train).score(split.test) for name in parts]
        mixed = sum(weight * each for weight, each in zip(parts.values(), singles, strict=True))
        assert np.abs(found - mixed).max() < 1e-9
    write(tmp_path / kind, made.artifact)
    assert np.abs(score(read(tmp_path / kind), data, split.test) - found).max() < 1e-6
    nested = {**recipes, "all": Recipe("all", kind, parts=parts)}
    with pytest.raises(RiskweaveError, match="cannot be a blend"):
        train(Recipe("more", kind, parts={"all": 1.0}), data, split.train, nested)


def test_profiles_say_group_and_distance(data, split):
    options = {"clusters": 4, "entity": "customer"}
    made = train(Recipe("p", "profiles", options=options), data, split.train)
    assert sum(made.notes["sizes"]) == np.unique(data.keys["customer"][split.train]).size
    scorer = Scorer(made.artifact)
    x = data.matrix(scorer.features)[split.test]
    cluster, distance = scorer.nearest(x)
    assert set(np.unique(cluster)) <= {0, 1, 2, 3}
    assert np.abs(distance - made.raw(split.test)).max() < 1e-9


def test_default_features_leave_out_moments_and_what_never_varies(data):
    still = dataclasses.replace(data.columns["age"], name="still", values=np.full(len(data), 3.0))
    other = dataclasses.replace(data, columns={**data.columns, "still": still})
    assert default_features(other) == ["amount", "kind", "age"]


def test_mistakes_are_named(data, split):
    with pytest.raises(RiskweaveError, match="did you mean `gbdt`"):
        train(Recipe("a", "gdbt"), data, split.train)
    with pytest.raises(RiskweaveError, match="did you mean `leaves`"):
        train(Recipe("a", "gbdt", options={"leafs": 3}), data, split.train)
    with pytest.raises(RiskweaveError, match="same truth"):
        train(Recipe("a", "gbdt"), data, np.flatnonzero(data.label == 0))
    with pytest.raises(RiskweaveError, match="no role `custmer`; did you mean `customer`"):
        train(Recipe("a", "lstm", options={"entity": "custmer"}), data, split.train)
    with pytest.raises(RiskweaveError, match="hold"):
        train(Recipe("a", "gbdt", options={"trees": 5}, calibrate="platt", hold=0), data, split.train)


def test_a_sequence_is_the_keys_last_events_and_nothing_later(data):
    from riskweave.learning.sample import sample_of

    sample = sample_of(data, ["amount"], np.array([700, 30, 1100]))
    places, counts = sample.sequences("customer", 4, 20 * DAY)
    for row, place, count in zip(sample.rows, places, counts, strict=True):
        same = np.flatnonzero(data.keys["customer"] == data.keys["customer"][row])
        near = same[(same <= row) & (data.time_ms[same] > data.time_ms[row] - 20 * DAY)]
        assert place[:count].tolist() == near[-4:].tolist()


DAY = 86_400_000
