"""The benchmarks of deciding: NumPy says the same, and the comparison in money is what it claims."""

import json
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from benchmarks.decision import money
from benchmarks.suite import decision


def test_the_decisions_are_numpys():
    found = decision.measure(2_000, 5, 1)
    assert found["equal_numpy"]
    assert found["asked_for"] > 20
    assert len([count for count in found["actions"].values() if count]) == 4


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Events whose risk depends on two columns, the amount beside it."""
    folder = tmp_path_factory.mktemp("money")
    chance = np.random.default_rng(1)
    size = 20_000
    one, two = chance.normal(size=(2, size))
    amount = np.round(np.exp(chance.normal(4, 1.2, size)), 2)
    fraud = chance.random(size) < 1 / (1 + np.exp(4 - 1.5 * one - two))
    at = np.arange(size) * 300
    table = pa.table({"at": at, "one": one, "two": two, "sum": amount, "bad": fraud.astype(np.int64)})
    pq.write_table(table.slice(0, 15_000), folder / "train.parquet")
    pq.write_table(table.slice(15_000), folder / "test.parquet")
    mapping = {"label": "bad", "amount": "sum", "time": "at", "costs": money.CARD}
    (folder / "mapping.json").write_text(json.dumps(mapping))
    return folder


def test_utility_loses_no_more_than_the_thresholds_of_the_training_weeks(files, capsys, monkeypatch):
    arguments = ["money.py", str(files / "train.parquet"), str(files / "test.parquet")]
    monkeypatch.setattr(sys, "argv", [*arguments, "--mapping", str(files / "mapping.json"), "--json"])
    money.main()
    found = json.loads(capsys.readouterr().out)
    loss = {name: each["mean"] for name, each in found["loss_per_1000"].items()}
    assert loss["best two thresholds, in hindsight"] <= loss["best single threshold, in hindsight"]
    assert loss["best single threshold, in hindsight"] < loss["always pass"]
    for name, saved in found["saved_per_1000_beside_training_thresholds"].items():
        assert loss[name] < loss["best thresholds of the training weeks"]
        assert saved["mean"] == pytest.approx(
            loss["best thresholds of the training weeks"] - loss[name], abs=0.02
        )
    assert min(loss.values()) >= 0
    for each in found["loss_per_1000"].values():
        assert each["low"] <= each["mean"] <= each["high"]


def test_the_best_thresholds_are_the_best_by_trying_all():
    chance = np.random.default_rng(3)
    for _ in range(30):
        size = int(chance.integers(2, 12))
        score = chance.integers(0, 5, size) / 4
        brings = chance.normal(size=(4, size))
        for chain in ([0, 3], [0, 1, 3], [0, 1, 2, 3]):
            found = money.best_thresholds(score, brings, [chain])(score)
            edges = [-1.0, *np.unique(score), 9.0]
            best = -np.inf
            for cuts in np.array(np.meshgrid(*[edges] * (len(chain) - 1))).reshape(len(chain) - 1, -1).T:
                if (np.diff(cuts) >= 0).all():
                    actions = np.array(chain)[np.searchsorted(cuts, score, side="right")]
                    best = max(best, brings[actions, np.arange(size)].sum())
            assert brings[found, np.arange(size)].sum() == pytest.approx(best)
