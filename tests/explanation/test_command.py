"""`riskweave explain` through the real door."""

import json
import shutil
from pathlib import Path

import pytest

from riskweave import Engine, Policy, scenarios
from tests.cli.test_commands import riskweave

DOCS = Path(__file__).parents[2] / "docs" / "explanation"


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    """A policy folder, and a file with the record of a decision."""
    folder = tmp_path_factory.mktemp("explain")
    shutil.copytree(scenarios.folder("starter"), folder / "mine")
    engine = Engine(Policy.read(folder / "mine"))
    with (folder / "records.jsonl").open("wb") as file:
        for line in (DOCS / "stopped.jsonl").read_text().splitlines():
            file.write(engine.record(engine.decide(json.loads(line))).to_json() + b"\n")
    return folder


def test_an_event_is_explained_from_its_history_and_from_its_record(mine):
    history = json.loads(riskweave("explain", mine / "mine", DOCS / "stopped.jsonl", "--json").stdout)
    record = json.loads(
        riskweave(
            "explain",
            "p7",
            "--records",
            mine / "records.jsonl",
            "--policy",
            mine / "mine",
            "--format",
            "json",
        ).stdout
    )
    assert history["action"] == record["action"] == "BLOCK"
    assert history["contributions"] == record["contributions"]
    assert (len(history["counterfactuals"]) > 0, record["counterfactuals"]) == (True, [])


def test_an_earlier_event_can_be_asked_for_in_chinese_as_a_page(mine):
    done = riskweave(
        "explain",
        mine / "mine",
        DOCS / "stopped.jsonl",
        "--event",
        "p4",
        "--language",
        "zh",
        "--format",
        "html",
    )
    assert done.stdout.startswith("<!doctype html>")
    assert "事件p4" in done.stdout


def test_codes_are_listed(mine):
    codes = json.loads(riskweave("explain", "--codes", mine / "mine", "--json").stdout)
    assert {"code", "kind", "name", "text"} == set(codes[0])
    assert "rule.after_testing" in {each["code"] for each in codes}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{mine}"], "write `riskweave explain POLICY EVENTS"),
        (["{mine}", "{events}", "--event", "p99"], "do not hold an event `p99`"),
        (["p99", "--records", "{records}", "--policy", "{mine}"], "no record of event `p99`"),
        (["p7", "--records", "{records}"], "--policy POLICY"),
        (["{mine}", "{events}", "--language", "fr"], "en or zh"),
        (["{mine}", "nothing.jsonl"], "no file `nothing.jsonl`"),
    ],
)
def test_what_cannot_be_explained_ends_in_one_message(mine, arguments, message):
    names = {"mine": mine / "mine", "events": DOCS / "stopped.jsonl", "records": mine / "records.jsonl"}
    done = riskweave("explain", *[each.format(**names) for each in arguments], code=2)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
