"""`dataset`, `train`, `evaluate`, `arena`: from a history to a judged model, through the real door."""

import json
import os
import subprocess
import sys

import pytest

from riskweave.models.artifact import read


def riskweave(*arguments, code=0):
    command = [sys.executable, "-m", "riskweave", *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": "200", "OMP_WAIT_POLICY": "passive"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done


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
    assert "logistic_regression" in done.stdout
    assert "decision_tree" in done.stdout
    assert out.read_text().startswith("<!doctype html>")


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
