"""`riskweave network`: the posterior of a file's network, printed."""

import json
import math

import pytest
from typer.testing import CliRunner

from riskweave.cli.app import app
from riskweave.decision.networks.bif import parse_bif
from riskweave.errors import PolicyError, RiskweaveError
from riskweave.policy import folder

BIF = """
variable fraud { type discrete [ 2 ] { no, yes }; }
variable risk { type discrete [ 3 ] { low, mid, high }; }
variable night { type discrete [ 2 ] { no, yes }; }
probability ( fraud ) { table 0.9, 0.1; }
probability ( risk | fraud ) { (no) 0.8, 0.15, 0.05; (yes) 0.1, 0.3, 0.6; }
probability ( night | fraud ) { (no) 0.9, 0.1; (yes) 0.5, 0.5; }
"""
YAML = """
nodes:
  fraud: {states: [no, yes], table: [0.9, 0.1]}
  risk: {states: [low, mid, high], parents: [fraud], table: [[0.8, 0.15, 0.05], [0.1, 0.3, 0.6]]}
  night: {states: [no, yes], parents: [fraud], table: [[0.9, 0.1], [0.5, 0.5]]}
"""


@pytest.fixture
def path(tmp_path):
    (tmp_path / "fraud.bif").write_text(BIF)
    return tmp_path / "fraud.bif"


def ask(*arguments):
    found = CliRunner().invoke(app, ["network", *map(str, arguments)], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found.output


def test_a_posterior_is_bayes_rule(path):
    found = json.loads(ask(path, "--target", "fraud", "--evidence", "risk=high,night=yes", "--json"))
    yes, no = 0.1 * 0.6 * 0.5, 0.9 * 0.05 * 0.1
    assert found["posterior"]["fraud"] == pytest.approx({"no": no / (yes + no), "yes": yes / (yes + no)})
    assert found["log_probability_of_evidence"] == pytest.approx(math.log(yes + no))
    assert found["evidence"] == {"risk": "high", "night": "yes"}


def test_likelihoods_and_the_most_probable_explanation(path):
    found = json.loads(
        ask(path, "--target", "fraud", "--target", "night", "--likelihood", "risk=0:1:2", "--mpe", "--json")
    )
    yes, no = 0.1 * (0.3 + 2 * 0.6), 0.9 * (0.15 + 2 * 0.05)
    assert found["posterior"]["fraud"]["yes"] == pytest.approx(yes / (yes + no))
    assert found["likelihood"] == {"risk": [0, 1, 2]}
    assert found["most_probable"] == {"fraud": "no", "risk": "mid", "night": "no"}


def test_without_a_question_it_says_what_is_there(path):
    found = json.loads(ask(path, "--json"))
    assert found["nodes"]["risk"] == {"states": ["low", "mid", "high"], "parents": ["fraud"], "numbers": 6}
    assert found["numbers"] == 12
    assert "3 nodes, 12 numbers" in ask(path)


def test_tables_for_people(path):
    text = ask(path, "--target", "fraud", "--mpe")
    assert "0.9" in text
    assert "most probable state" in text


def test_yaml_files_and_policies_are_asked_alike(path, tmp_path, monkeypatch):
    (tmp_path / "network.yaml").write_text(YAML)
    (tmp_path / "mine").mkdir()
    inside = "decision:\n  network:\n" + "".join(f"    {line}\n" for line in YAML.splitlines())
    (tmp_path / "mine" / "policy.yaml").write_text(inside)
    monkeypatch.setattr(folder, "SECTIONS", (*folder.SECTIONS, "decision"))
    answers = [
        ask(each, "--target", "fraud", "--evidence", "night=yes", "--json")
        for each in (path, tmp_path / "network.yaml", tmp_path / "mine")
    ]
    assert answers[0] == answers[1] == answers[2]
    assert parse_bif(ask(tmp_path / "mine", "--bif")).version == json.loads(answers[0])["version"]
    (tmp_path / "mine" / "policy.yaml").write_text("policy: {name: none}")
    with pytest.raises(PolicyError, match="has no network"):
        ask(tmp_path / "mine")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--target", "frod"], "did you mean `fraud`"),
        (["--target", "fraud", "--evidence", "risk=hihg"], "did you mean `high`"),
        (["--target", "fraud", "--evidence", "risk"], "write NODE=STATE"),
        (["--target", "fraud", "--evidence", "risk=low", "--evidence", "risk=mid"], "cannot be both"),
        (["--target", "fraud", "--likelihood", "risk=1:2"], "has 2 numbers"),
        (["--target", "fraud", "--likelihood", "risk=x"], "write NODE=0.2:0.7:0.1"),
        (["--target", "fraud", "--likelihood", "risk=0:0:0"], "not all of them 0"),
        (["--target", "fraud", "--evidence", "risk=low", "--likelihood", "risk=0:1:1"], "cannot occur"),
        (["--evidence", "risk=low"], "say what is asked"),
    ],
)
def test_what_cannot_be_answered_says_why(path, arguments, message):
    with pytest.raises(RiskweaveError) as found:
        ask(path, *arguments)
    assert message in str(found.value)


def test_a_file_that_is_not_there():
    with pytest.raises(RiskweaveError, match="no file or folder"):
        ask("nowhere.bif", "--target", "a")
