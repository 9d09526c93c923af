"""The commands, through the real door: what a new user types from the README."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.commands import riskweave

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A new policy and a simulated file of payments."""
    folder = tmp_path_factory.mktemp("user")
    riskweave("new", folder / "mine")
    riskweave("simulate", "--events", 3000, "--seed", 3, "--out", folder / "payments.parquet")
    return folder


def test_a_new_policy_is_right_and_its_tests_pass(place):
    checked = json.loads(riskweave("check", place / "mine", "--json").stdout)
    assert checked["ok"]
    assert not [each for each in checked["findings"] if each["severity"] != "note"]
    tested = json.loads(riskweave("test", place / "mine", "--json").stdout)
    assert (tested["failed"], tested["passed"] > 3) == (0, True)
    assert "passed, 0 failed" in riskweave("test", place / "mine").stdout


def test_new_does_not_overwrite(place):
    assert "exists already" in riskweave("new", place / "mine", code=2).stderr


def test_a_replay_prints_one_object_and_writes_every_decision(place):
    out = place / "decisions.parquet"
    done = riskweave("replay", place / "mine", place / "payments.parquet", "--out", out, "--json")
    report = json.loads(done.stdout)
    assert list(report)[:7] == [
        "events",
        "rejected",
        "duplicates",
        "labels",
        "seconds",
        "events_per_second",
        "compile_seconds",
    ]
    assert (report["events"], report["rejected"]) == (3000, 0)
    assert sum(report["actions"].values()) == 3000
    table = pq.read_table(out)
    assert table.column_names[:4] == ["event_id", "time", "action", "score"]
    assert table.column_names[-1] == "rules"
    assert {"paid_24h", "merchant_risk", "new_device"} <= set(table.column_names)
    assert table.num_rows == 3000
    actions = table["action"].to_pylist()
    assert {action: actions.count(action) for action in report["actions"]} == report["actions"]
    hits = [rule for rules in table["rules"].to_pylist() for rule in rules]
    assert {rule: hits.count(rule) for rule in report["rules"]} == report["rules"]


def test_every_kind_of_file_gives_the_same_decisions(place):
    riskweave("simulate", "--events", 500, "--seed", 3, "--out", place / "small.parquet")
    for kind in ("csv", "jsonl"):
        riskweave("simulate", "--events", 500, "--seed", 3, "--out", place / f"small.{kind}")
    tables = []
    for kind in ("parquet", "csv", "jsonl"):
        out = place / f"from_{kind}.parquet"
        riskweave("replay", place / "mine", place / f"small.{kind}", "--out", out, "--json")
        tables.append(pq.read_table(out))
    assert tables[0].equals(tables[1])
    assert tables[0].equals(tables[2])


def test_bad_records_are_named_and_set_aside(place):
    lines = (place / "small.jsonl").read_text().splitlines()[:5]
    broken = json.loads(lines[2]) | {"amount": "a lot"}
    text = [lines[0], "{not json", lines[1], json.dumps(broken), lines[3]]
    (place / "bad.jsonl").write_text("\n".join(text) + "\n")
    rejected = place / "rejected.jsonl"
    done = riskweave("replay", place / "mine", place / "bad.jsonl", "--rejected", rejected, "--json")
    report = json.loads(done.stdout)
    assert (report["events"], report["rejected"]) == (3, 2)
    first, second = (json.loads(line) for line in rejected.read_text().splitlines())
    assert [each["place"].split(":")[-1] for each in (first, second)] == ["2", "4"]
    assert (second["field"], second["found"]) == ("amount", "'a lot'")
    assert second["record"]["payment_id"] == broken["payment_id"]


def test_a_typo_is_shown_with_its_line_and_the_nearest_name(place):
    mine = place / "typo"
    riskweave("new", mine)
    rules = (mine / "rules.yaml").read_text().replace("when: small_10m >= 4", "when: smal_10m >= 4")
    (mine / "rules.yaml").write_text(rules)
    line = 1 + rules[: rules.index("smal_10m")].count("\n")
    for command in (("check", mine), ("replay", mine, place / "payments.parquet"), ("test", mine)):
        done = riskweave(*command, code=1 if command[0] == "check" else 2)
        text = done.stdout + done.stderr
        assert f"rules.yaml:{line}:11: unknown name `smal_10m`" in text
        assert "when: smal_10m >= 4" in text
        assert "^^^^^^^^" in text
        assert "did you mean `small_10m`?" in text


def test_a_failing_test_says_what_came_instead(place):
    mine = place / "failing"
    riskweave("new", mine)
    tests = (
        (mine / "tests.yaml")
        .read_text()
        .replace("expect: {action: PASS, rules: []", "expect: {action: BLOCK, rules: []")
    )
    (mine / "tests.yaml").write_text(tests)
    done = riskweave("test", mine, code=1)
    assert "action is PASS, expected BLOCK" in done.stdout


def test_labels_from_a_file_count_from_their_time(place, tmp_path):
    (tmp_path / "policy.yaml").write_text(
        "events: {p: {id: id, time: at, fields: {id: string, at: time, shop: string, fraud: label}}}\n"
        "entities: {store: shop}\n"
        'features:\n  rate: store.rate(fraud, "1d")\n'
    )
    (tmp_path / "events.csv").write_text(
        "id,at,shop\n" + "".join(f"e{n},2026-01-01T10:0{n}:00Z,s\n" for n in range(5))
    )
    (tmp_path / "labels.csv").write_text("event_id,fraud,time\ne0,true,2026-01-01T10:02:30Z\n")
    out = tmp_path / "out.parquet"
    done = riskweave(
        "replay",
        tmp_path,
        tmp_path / "events.csv",
        "--labels",
        tmp_path / "labels.csv",
        "--out",
        out,
        "--json",
    )
    assert json.loads(done.stdout)["labels"] == 1
    assert pq.read_table(out)["rate"].to_pylist() == [0, 0, 0, 0.25, 0.2]


def test_a_missing_file_is_told(place):
    assert "there is no file" in riskweave("replay", place / "mine", place / "none.parquet", code=2).stderr


def test_a_broken_run_leaves_no_half_file(place, tmp_path):
    bad_labels = tmp_path / "labels.csv"
    bad_labels.write_text("event_id,fraud,time\np00000001,perhaps,2026-01-01\n")
    out = tmp_path / "out.parquet"
    done = riskweave(
        "replay", place / "mine", place / "payments.parquet", "--labels", bad_labels, "--out", out, code=2
    )
    assert "labels.csv:2" in done.stderr
    assert list(tmp_path.iterdir()) == [bad_labels]


def test_the_quick_demo_runs():
    text = riskweave("demo", "--quick", "--events", 2000).stdout
    assert "2,000 simulated payments" in text
    assert "card_testing" in text


def test_importing_riskweave_brings_neither_numba_nor_arrow():
    code = "import sys, riskweave; print([n for n in ('numba', 'pyarrow', 'numpy') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_command_is_in_the_readme():
    from riskweave.cli.app import app

    readme = (ROOT / "README.md").read_text()
    for command in app.registered_commands:
        assert command.callback is not None
        name = command.name or command.callback.__name__
        assert f"riskweave {name}" in readme or f"make {name}" in readme


def test_a_recorded_decision_is_decided_again_and_a_changed_policy_is_told(place):
    records = place / "records.parquet"
    riskweave("replay", place / "mine", place / "payments.parquet", "--records", records, "--json")
    asked = ("redecide", "p00000042", "--records", records, "--policy", place / "mine")
    told = json.loads(riskweave(*asked, "--json").stdout)
    assert told["same"]
    assert told["recorded"] == told["now"]
    assert "bit for bit" in riskweave(*asked).stdout
    shutil.copytree(place / "mine", place / "other")
    rules = place / "other" / "rules.yaml"
    rules.write_text(rules.read_text() + "\n  - id: every\n    when: amount > 0\n    risk: 0.95\n")
    both = json.loads(riskweave(*asked, "--with", place / "other", "--json").stdout)
    assert both["same"]
    assert "every" in both["with"]["rules_gained"]
    assert both["with"]["now"]["score"] == 0.95
    assert "hit now: every" in riskweave(*asked, "--with", place / "other").stdout
    missing = ("redecide", "none", "--records", records, "--policy", place / "mine")
    assert "no record of event `none`" in riskweave(*missing, code=2).stderr
    payments = ("redecide", "p1", "--records", place / "payments.parquet", "--policy", place / "mine")
    assert "no file of decision records" in riskweave(*payments, code=2).stderr
