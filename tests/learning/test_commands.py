"""`dataset`, `train`, `evaluate`, `arena`: from a history to a judged model, through the real door."""

import json

import pyarrow.parquet as pq
import pytest

from riskweave.models.artifact import read
from tests.commands import riskweave


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("learning")
    riskweave("new", folder / "mine")
    riskweave("simulate", "--events", 12_000, "--seed", 5, "--out", folder / "p.parquet")
    riskweave(
        "dataset", folder / "mine", folder / "p.parquet", "--delay", "3d", "--out", folder / "set.parquet"
    )
    return folder


def test_a_trained_model_is_written_reported_and_judged_again(place):
    (place / "models.yaml").write_text("models:\n  quick: {trainer: gbdt, options: {trees: 60}}\n")
    data, out = place / "set.parquet", place / "models" / "quick"
    done = riskweave(
        *("train", place / "mine", "--data", data, "--out", out, "--model", "quick", "--gap", "3d"),
        *("--recipes", place / "models.yaml", "--json"),
    )
    said = json.loads(done.stdout)
    artifact = read(out)
    assert artifact.hash == said["hash"]
    assert 0 < artifact.about.metrics["auc"] == said["test"]["ranking"]["auc"] <= 1
    assert all(feature.definition for feature in artifact.about.features)
    assert {path.name for path in out.iterdir()} >= {"model.json", "weights.npz", "report.html", "card.md"}
    found = json.loads(
        riskweave(
            "evaluate", place / "mine", "--data", data, "--model", out, "--by", "channel", "--json"
        ).stdout
    )
    assert found["ranking"]["auc"] > 0.8
    assert {each["value"] for each in found["segments"]["channel"]} == {"app", "pos", "web"}


def test_several_recipes_are_chosen_from_and_judged_fold_by_fold(place):
    done = riskweave(
        *("train", place / "mine", "--data", place / "set.parquet", "--gap", "3d", "--folds", 2, "--json"),
        *("--model", "decision_tree,logistic_regression", "--leave-out", "customer"),
        *("--out", place / "models" / "chosen"),
    )
    said = json.loads(done.stdout)
    assert set(said["chosen_among"]) == {"decision_tree", "logistic_regression"}
    best = max(said["chosen_among"], key=said["chosen_among"].get)
    notes = read(place / "models" / "chosen").about.notes
    assert (notes["recipe"]["name"], notes["chosen_among"]) == (best, said["chosen_among"])
    first, second = said["folds"]
    assert first["from"] < second["from"]
    # Customers already known as victims have left the single test, not the folds.
    assert 0 < said["test"]["events"] < first["events"] + second["events"]


def test_the_arena_prints_a_line_for_each_model(place):
    out = place / "arena.html"
    done = riskweave(
        *(
            "arena",
            place / "mine",
            "--data",
            place / "set.parquet",
            "--models",
            "logistic_regression,decision_tree",
        ),
        *("--out", out),
    )
    heads, first, second = done.stdout.splitlines()[1:4]
    assert heads.split() == [
        "model",
        "auc",
        "ap",
        "brier",
        "ece",
        "train",
        "s",
        "one",
        "event",
        "µs",
        "rows/s",
        "KiB",
    ]
    assert (first.split()[0], second.split()[0]) == ("logistic_regression", "decision_tree")
    assert min(float(cell.replace(",", "")) for cell in first.split()[1:]) > 0
    assert out.read_text().startswith("<!doctype html>")


def test_a_heavy_model_is_distilled_and_the_loss_is_printed_and_kept(place):
    (place / "heavy.yaml").write_text(
        "models:\n"
        "  forest: {trainer: random_forest, options: {trees: 30, max_depth: 10}}\n"
        "  big: {trainer: gbdt, options: {trees: 80}}\n"
        "  heavy: {trainer: blend, parts: {forest: 0.5, big: 0.5}}\n"
    )
    shared = ("--data", place / "set.parquet", "--gap", "3d", "--recipes", place / "heavy.yaml")
    heavy, light = place / "models" / "heavy", place / "models" / "light"
    riskweave("train", place / "mine", *shared, "--model", "heavy", "--out", heavy)
    done = riskweave(
        "train", place / "mine", *shared, "--model", "logistic_regression", "--distill", heavy, "--out", light
    )
    for words in ("teacher", "student", "without teacher", "student less teacher", "rank correlation"):
        assert words in done.stdout
    found = read(light).about.notes["distillation"]
    assert found["hash"] == read(heavy).hash
    assert found["student"]["bytes"] < found["teacher"]["bytes"] / 10
    assert found["unlabelled"] > 0
    card = (light / "card.md").read_text()
    assert f"{found['teacher']['auc']:.4f}" in card
    assert f"{found['loss']['ap']:+.4f}" in card
    later = riskweave(
        *("train", place / "mine", "--data", place / "set.parquet", "--test-share", "0.6"),
        *("--distill", heavy, "--out", place / "no"),
        code=2,
    )
    assert "the teacher learned from events that are to judge it" in later.stderr


def test_profiles_become_features_of_another_model(place):
    """As docs/learning.md tells it: group customers, name the groups in the policy, learn with them."""
    mine, models = place / "grouped", place / "grouped" / "models"
    riskweave("new", mine)
    behaviour = "[usual_amount, usual_spread, night, payments_24h, merchants_24h, speed_kmh]"
    (place / "groups.yaml").write_text(
        "models:\n"
        "  customers: {trainer: profiles, options: {clusters: 4, entity: customer}, "
        f"features: {behaviour}}}\n"
        "  quick: {trainer: gbdt, options: {trees: 40}}\n"
    )
    riskweave("dataset", mine, place / "p.parquet", "--delay", "3d", "--out", place / "one.parquet")
    learn = ("--recipes", place / "groups.yaml", "--gap", "3d")
    riskweave(
        *("train", mine, "--data", place / "one.parquet", *learn),
        *("--model", "customers", "--out", models / "customers"),
    )
    (mine / "models.yaml").write_text("models:\n  customers: {artifact: models/customers}\n")
    riskweave("dataset", mine, place / "p.parquet", "--delay", "3d", "--out", place / "two.parquet")
    riskweave(
        *("train", mine, "--data", place / "two.parquet", *learn, "--model", "quick"),
        *("--out", models / "quick"),
    )
    assert {"customers.cluster", "customers.distance"} <= set(read(models / "quick").feature_names())
    (mine / "models.yaml").write_text(
        "models:\n  customers: {artifact: models/customers}\n  quick: {artifact: models/quick}\n"
    )
    assert json.loads(riskweave("check", mine, "--json").stdout)["ok"]
    out = place / "decided.parquet"
    riskweave("replay", mine, place / "p.parquet", "--out", out, "--json")
    decided = pq.read_table(out, columns=["customers.cluster", "quick.score"])
    assert set(decided["customers.cluster"].to_pylist()) - {None} <= {0, 1, 2, 3}
    assert 0 < max(decided["quick.score"].to_pylist()) < 1


def test_a_set_of_another_policy_and_an_unknown_model_are_refused(place):
    other = place / "other"
    riskweave("new", other)
    text = (
        (other / "features.yaml")
        .read_text()
        .replace('customer.sum(amount, "1h")', 'customer.sum(amount, "2h")')
    )
    (other / "features.yaml").write_text(text)
    out = place / "none"
    done = riskweave("train", other, "--data", place / "set.parquet", "--out", out, code=2)
    assert "another definition of paid_1h" in done.stderr
    done = riskweave(
        "train", place / "mine", "--data", place / "set.parquet", "--out", out, "--model", "gdbt", code=2
    )
    assert "did you mean `gbdt`?" in done.stderr
    done = riskweave("train", place / "mine", "--data", place / "absent.parquet", "--out", out, code=2)
    assert "riskweave dataset" in done.stderr
