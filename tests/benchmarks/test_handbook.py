"""The two oracles of the Handbook's features agree, and the policy names exactly these features."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow
import pyarrow.parquet
import pytest

from riskweave.document import read_yaml
from tests.oracles import handbook

HANDBOOK = Path(__file__).parents[2] / "benchmarks" / "handbook"
ORACLE = runpy.run_path(str(HANDBOOK / "oracle.py"))


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    path = tmp_path_factory.mktemp("handbook") / "raw.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(handbook.sample(400, seed=7)), path)
    return path


def test_window_functions_equal_the_definition(raw):
    connection = duckdb.connect()
    ORACLE["features"](connection, raw)
    rows = connection.execute("SELECT * FROM oracle ORDER BY TRANSACTION_ID")
    names = [each[0] for each in rows.description]
    found = [dict(zip(names, each, strict=True)) for each in rows.fetchall()]
    wanted = handbook.features(handbook.sample(400, seed=7))
    for mine, theirs in zip(wanted, found, strict=True):
        assert mine.keys() == theirs.keys()
        for name, value in mine.items():
            assert theirs[name] == (pytest.approx(value, abs=1e-12) if name in ORACLE["MEANS"] else value), (
                name
            )


def test_the_policy_has_the_books_features():
    node = read_yaml(HANDBOOK / "policy" / "features.yaml").need("features")
    assert {name for name, _ in node.items()} == {*ORACLE["COUNTS"], *ORACLE["MEANS"]}


def test_the_policy_files_are_well_formed():
    for path in sorted((HANDBOOK / "policy").glob("*.yaml")):
        assert read_yaml(path).is_map
    rules = read_yaml(HANDBOOK / "policy" / "rules.yaml").need("rules").elements()
    assert all({"en", "zh"} == set(each.need("reason").by_language()) for each in rules)


def test_compare_accepts_what_is_equal_and_names_what_is_not(raw, tmp_path):
    rows = [
        {"event_id": str(each.pop("TRANSACTION_ID"))} | each
        for each in handbook.features(handbook.sample(400, seed=7))
    ]
    assert compared(raw, rows, tmp_path).returncode == 0
    rows[200]["TERMINAL_ID_RISK_7DAY_WINDOW"] += 1e-6
    done = compared(raw, rows, tmp_path)
    assert done.returncode == 1
    (line,) = [each for each in done.stdout.splitlines() if "DIFFERS" in each]
    assert line.startswith("TERMINAL_ID_RISK_7DAY_WINDOW")
    rows[200]["TERMINAL_ID_RISK_7DAY_WINDOW"] -= 1e-6
    assert compared(raw, rows[1:], tmp_path).returncode == 1
    assert "is not at" in run("compare.py", raw, tmp_path / "absent.parquet").stderr


def compared(raw, rows, tmp_path):
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "ours.parquet")
    return run("compare.py", raw, tmp_path / "ours.parquet")


def run(script, *arguments):
    command = [sys.executable, str(HANDBOOK / script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)
