"""The benchmarks run: on a small workload they compute what their peers compute, and the page renders."""

from __future__ import annotations

import importlib
import json

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from benchmarks.peers import patterns_python, windows_duckdb
from benchmarks.policies import transactions, windows_policy
from benchmarks.suite import explanation, memory, patterns, policy, windows

from benchmarks import plots, report, run
from riskweave import Engine, Policy

EVENTS = 5_000


@pytest.fixture(scope="module")
def workload(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workload")
    generator = np.random.default_rng(11)
    table = {
        "ts": 1_700_000_000_000 + np.sort(generator.integers(0, 10 * 86_400_000, EVENTS)),
        "user_id": generator.integers(0, 40, EVENTS).astype(np.int32),
        "device_id": generator.integers(0, 60, EVENTS).astype(np.int32),
        "ip": generator.integers(0, 50, EVENTS).astype(np.int32),
        "amount": generator.integers(1, 10_000, EVENTS) / 100,
    }
    pyarrow.parquet.write_table(pyarrow.table(table), folder / "tx.parquet")
    return folder


@pytest.mark.parametrize("name", run.NAMES)
def test_every_benchmark_has_a_module(name):
    assert callable(importlib.import_module(f"benchmarks.suite.{name}").run)


def test_the_windows_are_duckdbs(workload):
    table = transactions(workload)
    columns, _ = windows_duckdb.measure(workload)
    decisions = Engine(Policy.from_dict(windows_policy())).decide_many(table)
    assert windows._differences(decisions, columns, table) == 0
    columns["user_sum_24h"][EVENTS // 2] += 0.01
    assert windows._differences(decisions, columns, table) == 1


def test_written_policies_are_read_again(tmp_path):
    policy.write_policy(tmp_path / "many", policy.rules_of(50))
    engine = Engine(Policy.read(tmp_path / "many"))
    assert len(engine.rule_ids) == 50


def test_the_memory_stream_meets_every_key():
    blocks = [memory.block(number, 100, 1_000, 200, 1_000) for number in range(2)]
    assert sorted(card for block in blocks for card in block["card"].to_pylist()) == list(range(200))


def test_the_page_has_a_section_for_every_result_that_is_kept():
    results = {path.stem: json.loads(path.read_text()) for path in report.RESULTS.glob("*.json")}
    page = report.page(results)
    assert page.count("\n## ") == len(results.keys() & report.SECTIONS.keys())
    assert all(name in report.SECTIONS for name in run.NAMES)


def test_the_page_is_the_one_in_the_docs():
    results = {path.stem: json.loads(path.read_text()) for path in report.RESULTS.glob("*.json")}
    assert report.PAGE.read_text() == report.page(results)


def test_every_curve_has_its_picture():
    for curve in plots.CURVES:
        assert (plots.PICTURES / f"growth_{curve.series.removesuffix('_s')}.png").is_file()


def test_the_patterns_are_the_loops(tmp_path):
    generator = np.random.default_rng(3)
    count = 4_000
    user = generator.integers(0, 20, count).astype(np.int32)
    columns = {
        "ts": 1_700_000_000_000 + np.sort(generator.integers(0, 86_400_000, count)),
        "user_id": user,
        "device_id": (user + 100 * generator.integers(0, 60, count)).astype(np.int32),
        "amount": generator.choice([10.0, 1_000.0, 1_500.0], count),
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "tx.parquet")
    ok = (generator.random(count) < 0.3).astype(np.int8)
    logins = {"ts": columns["ts"], "user_id": user, "ok": ok}
    pyarrow.parquet.write_table(pyarrow.table(logins), tmp_path / "logins.parquet")
    by_hand = patterns_python.measure(tmp_path)
    payments = patterns.payments_policy({"c1": patterns.c1()})
    c1 = patterns.workload(payments, pyarrow.table(columns), by_hand["c1"], 1)
    c2 = patterns.workload(
        patterns.logins_policy({"c2": patterns.c2()}), pyarrow.table(logins), by_hand["c2"], 1
    )
    assert c1["equal_python"]
    assert c2["equal_python"]
    assert c1["matches"] > 10 < c2["matches"]


def test_the_flood_is_the_models():
    found = patterns.flood(100)
    assert (found["partial_matches"], found["dropped"]) == (found["kept_by_model"], found["dropped_by_model"])
    assert found["most_partial_matches"] <= found["cap"]


def test_explanations_are_measured_and_reported():
    result = explanation.measured(600, 12, 3)
    assert result["explained"] == 12
    assert "decided and explained" in report.explanation(result)
