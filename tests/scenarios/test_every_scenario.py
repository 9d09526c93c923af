"""Every scenario holds what it promises: it can go live, passes its tests, is bilingual, earns money."""

import json

import pytest

from riskweave import Policy
from riskweave.models.artifact import read
from riskweave.policy.check import check_policy
from riskweave.replay.tests import run_tests
from riskweave.simulation import world
from riskweave.trials.evaluate import WAYS, evaluate
from riskweave.trials.learn import LIGHT_BYTES_MAX
from riskweave.trials.numbers import as_markdown
from riskweave.trials.setting import codes, scenario

CODES = codes()
FIGURES = {
    "caught", "recall", "campaign_recall", "loss_recall", "precision", "false_positives",
    "false_positive_rate", "blocked_good", "actions", "reviews_let_go", "prevented", "cost_of_good", "net",
}  # fmt: skip


def test_every_scenario_is_of_the_world():
    assert CODES
    assert set(CODES) <= set(world.SCENARIOS)


@pytest.mark.parametrize("code", CODES)
def test_it_can_go_live_and_its_own_tests_pass(code):
    policy = Policy.read(scenario(code).folder)
    assert [each.message for each in check_policy(policy) if each.severity != "note"] == []
    outcomes = run_tests(policy)
    assert len(outcomes) >= 8
    assert {each.name: each.failures for each in outcomes if each.failures} == {}


@pytest.mark.parametrize("code", CODES)
def test_every_feature_rule_and_pattern_is_named_in_both_languages(code):
    root = Policy.read(scenario(code).folder).document.root
    labels = dict(root.need("explanation").need("labels").items())
    features = [name for name, _ in root.need("features").items()]
    assert [name for name in features if name not in labels] == []
    reasons = {node.need("id").text(): node.get("reason") for node in root.need("rules").elements()}
    reasons |= {name: node.get("reason") for name, node in root.need("patterns").items()}
    texts = {**labels, **reasons}
    assert {
        name: node for name, node in texts.items() if node is None or set(node.by_language()) != {"en", "zh"}
    } == {}


@pytest.mark.parametrize("code", CODES)
def test_its_model_is_light_and_tells_its_seed_and_metrics(code):
    folder = scenario(code).folder / "models" / scenario(code).setting.model
    assert sum(file.stat().st_size for file in folder.iterdir()) <= LIGHT_BYTES_MAX
    about = json.loads((folder / "model.json").read_text())
    assert about["seeds"]
    assert about["metrics"]["auc"] > 0.6
    assert about["weights"]


@pytest.mark.parametrize("code", CODES)
def test_the_page_has_the_numbers_that_were_measured(code):
    folder = scenario(code).folder
    expected = json.loads((folder / "expected.json").read_text())
    assert expected["scenario"] == code
    assert expected["seed"] == scenario(code).setting.seed
    assert as_markdown(expected) in (folder / "README.md").read_text()
    assert set(expected["unknown"]) == set(scenario(code).setting.unknown)
    for way in WAYS:
        assert set(expected[way]) == FIGURES
    assert expected["policy"]["net"] > max(0.0, expected["rules"]["net"])
    assert expected["trained"]["hash"] == read(folder / "models" / expected["trained"]["name"]).hash


@pytest.mark.parametrize("code", CODES)
def test_a_small_trial_adds_up(code):
    found = evaluate(scenario(code), seed=3, events=6_000, unknown=())
    frauds = found["test"]["frauds"]
    kinds = found["typologies"].values()
    assert sum(each["events"] for each in kinds) == frauds > 0
    for way in WAYS:
        told = found[way]
        assert set(told) == FIGURES
        assert sum(told["actions"].values()) == found["test"]["events"]
        assert sum(each[way]["caught"] for each in kinds) == told["caught"]
        assert told["net"] == pytest.approx(told["prevented"] - told["cost_of_good"], abs=0.02)
        assert told["prevented"] <= found["test"]["loss"] + 0.01
    tolerance = 0.1 * found["test"]["loss"]
    assert found["policy"]["net"] > found["rules"]["net"] - tolerance
