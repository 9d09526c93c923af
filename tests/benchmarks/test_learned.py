"""The Handbook's and the public sets' commands print what they promise, on small made-up files."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).parents[2]
FIGURES = {"auc", "ap", "cp100"}


def run(script, *arguments):
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
    command = [sys.executable, str(ROOT / "benchmarks" / script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def cards(tmp_path_factory):
    """The Handbook's columns: 40 days, large amounts and two bad terminals are fraud; two files."""
    folder, generator, size = tmp_path_factory.mktemp("handbook"), np.random.default_rng(4), 4000
    seconds = np.sort(generator.integers(0, 40 * 86_400, size))
    terminal, cents = generator.integers(0, 50, size), generator.integers(100, 20_000, size)
    cents[generator.random(size) < 0.03] += 15_000
    fraud = (cents > 22_000) | (terminal < 2)
    table = pa.table(
        {
            "TRANSACTION_ID": np.arange(size),
            "TX_TIME_SECONDS": seconds,
            "CUSTOMER_ID": generator.integers(0, 300, size),
            "TERMINAL_ID": terminal,
            "AMOUNT_CENTS": cents,
            "TX_FRAUD": fraud.astype(np.int64),
        }
    )
    paths = [folder / "first.parquet", folder / "second.parquet"]
    for path, part in zip(paths, (table.slice(0, 1500), table.slice(1500)), strict=True):
        pq.write_table(part, path)
    return paths


def test_the_handbooks_command_prints_folds_delays_and_the_independent_run(cards):
    found = run(
        "handbook/evaluate.py",
        *("--train-start", "2018-04-08", "--folds", 2, "--delay", 7, "--delays", "3", "--independent"),
        *("--models", "decision_tree_2,logistic_regression,richer_gbdt", "--richer-days", "7,10", *cards),
    )
    assert found["protocol"]["tests"] == ["2018-04-22", "2018-04-29"]
    assert set(found["models"]) == {
        *("decision_tree_2", "logistic_regression", "richer_gbdt", "richer_gbdt_10d")
    }
    for figures in found["models"].values():
        assert len(figures["folds"]) == 2
        for name in FIGURES:
            assert figures[name] == pytest.approx(np.mean([fold[name] for fold in figures["folds"]]))
        assert figures["auc"] > 0.7
    assert set(found["delays"]) == {"7", "3"}
    assert max(found["greatest_difference"].values()) < 0.01
    assert 0 < found["perfect"]["cp100"] <= 1
    text = runpy.run_path(str(ROOT / "benchmarks" / "handbook" / "table.py"))["table"](found)
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")]
    assert [row[0] for row in rows[1:5]] == [f"| {name}" for name in found["models"]]
    assert [row[0] for row in rows[5:]] == ["| delay in days", "| 3", "| 7"]


def table_of_claims(size, generator, years):
    year = np.sort(generator.integers(*years, size))
    age, price = generator.integers(18, 80, size), generator.choice(["low", "high"], size)
    fraud = generator.random(size) < np.where((price == "high") & (age < 30), 0.6, 0.05)
    return pa.table(
        {
            "Year": year,
            "Age": age,
            "VehiclePrice": price,
            "PolicyNumber": np.arange(size),
            "FraudFound": np.where(fraud, "Yes", "No"),
        }
    )


def stream_of_cards(size, generator, start_s):
    amount = np.round(generator.lognormal(3, 1, size), 2)
    fraud = generator.random(size) < np.where(amount > 80, 0.4, 0.01)
    return pa.table(
        {
            "unix_time": start_s + np.sort(generator.integers(0, 40 * 86_400, size)),
            "cc_num": generator.integers(0, 40, size).astype(str),
            "category": generator.choice(["grocery", "travel", "net"], size),
            "amt": amount,
            "is_fraud": fraud.astype(np.int8),
            "merchant": generator.integers(0, 30, size).astype(str),
            "merch_lat": generator.uniform(30, 45, size),
            "merch_long": generator.uniform(-120, -80, size),
        }
    )


@pytest.mark.parametrize(
    ("name", "make", "periods"),
    [
        ("insurance_carclaims", table_of_claims, [(1994, 1996), (1996, 1997)]),
        ("card_sparkov", stream_of_cards, [1_546_300_800, 1_549_756_800]),
    ],
)
def test_any_pair_of_files_of_a_public_set_will_do(name, make, periods, tmp_path):
    generator = np.random.default_rng(8)
    for part, size, period in zip(("train", "test"), (1500, 700), periods, strict=True):
        table = make(size, generator, period)
        # The order of the rows means nothing.
        pq.write_table(table.take(generator.permutation(size)), tmp_path / f"{part}.parquet")
    found = run(
        *("public/evaluate.py", name, "--train", tmp_path / "train.parquet"),
        *("--test", tmp_path / "test.parquet"),
    )
    assert (found["train"]["rows"], found["test"]["rows"], found["split"]) == (1500, 700, "as given")
    assert set(found["models"]) == {"gbdt", "blend", "plain_lightgbm"}
    assert found["chosen"] in found["cross_validation"]
    for figures in found["models"].values():
        assert {"auc", "ap", "brier", "ece"} <= set(figures)
        assert figures["auc"] > 0.7
        assert figures["ece"] < 0.1
