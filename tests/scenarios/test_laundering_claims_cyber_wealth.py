"""Four scenarios: what each ships holds together, and its README says what its trial found."""

import json
import re

import pytest

from riskweave import scenarios
from riskweave.cli import commands
from riskweave.policy.policy import Policy
from riskweave.replay.tests import run_tests
from riskweave.trials.evaluate import evaluate
from riskweave.trials.setting import scenario

CODES = ("aml_kyc", "insurance_claims", "cyber_security", "wealth_product")


@pytest.fixture(params=CODES)
def code(request):
    return request.param


def policy_of(code):
    return Policy.read(scenarios.folder(code))


def expected(code):
    return json.loads((scenarios.folder(code) / "expected.json").read_text(encoding="utf-8"))


def test_check_finds_neither_errors_nor_warnings(code, capsys):
    assert commands.check(scenarios.folder(code), as_json=True) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each for each in found["findings"] if each["severity"] in ("error", "warning")] == []


def test_its_own_tests_pass(code):
    outcomes = run_tests(policy_of(code))
    assert len(outcomes) >= 8
    assert {each.name: each.failures for each in outcomes if each.failures} == {}


def test_every_feature_and_reason_speaks_both_languages(code):
    root = policy_of(code).document.root
    labels = root.get("explanation").get("labels")
    features = [key for key, _ in root.get("features").items()]
    assert len(features) >= 15
    for feature in features:
        label = labels.get(feature)
        assert label is not None, feature
        assert {key for key, _ in label.items()} == {"en", "zh"}, feature
    reasons = [each.get("reason") for each in root.get("rules").elements()]
    reasons += [each.get("reason") for _, each in root.get("patterns").items()]
    assert len(root.get("rules").elements()) >= 10
    for reason in reasons:
        assert reason is not None
        assert {key for key, _ in reason.items()} == {"en", "zh"}


def test_the_model_is_light(code):
    folder = scenarios.folder(code) / "models" / "gbdt"
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 200_000


def test_the_readme_says_what_the_trial_found(code):
    readme = (scenarios.folder(code) / "README.md").read_text(encoding="utf-8")
    found = expected(code)
    for title, key in (("frauds caught", "recall"), ("precision", "precision")):
        shares = " | ".join(f"{found[way][key]:.1%}" for way in ("policy", "rules", "model"))
        assert f"| {title} | {shares} |" in readme
    for name in found["typologies"]:
        assert re.search(rf"^\| {name.replace('_', ' ')} \|", readme, re.MULTILINE), name


def test_the_policy_is_worth_more_than_its_rules_and_bothers_few(code):
    found = expected(code)
    assert found["policy"]["net"] > found["rules"]["net"] > 0
    assert found["policy"]["net"] > 0.85 * found["model"]["net"]
    assert found["policy"]["false_positive_rate"] < 0.2


def test_a_small_trial_of_another_seed_runs(code):
    found = evaluate(scenario(code), seed=3, events=4_000, unknown=())
    assert found["test"]["frauds"] > 10
    assert found["policy"]["caught"] > 0
    assert set(found["policy"]["actions"]) == {"PASS", "MFA", "REVIEW", "BLOCK"}


def test_the_shipped_sanctions_list_is_the_citys():
    from riskweave.simulation import world

    listed = (scenarios.folder("aml_kyc") / "lists" / "sanctioned_names.csv").read_text(encoding="utf-8")
    for seed in (7, 8):
        for name in world.entities(seed)["sanctioned"]["name_en"].to_pylist():
            assert f"\n{name}," in listed
