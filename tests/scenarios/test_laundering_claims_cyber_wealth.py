"""Four scenarios: few good events are bothered, and the sanctions list is that of every city."""

import json

import pytest

from riskweave.simulation import world
from riskweave.trials.setting import scenario

CODES = ("aml_kyc", "insurance_claims", "cyber_security", "wealth_product")


@pytest.mark.parametrize("code", CODES)
def test_the_policy_is_worth_about_its_model_or_more_and_bothers_few(code):
    found = json.loads((scenario(code).folder / "expected.json").read_text(encoding="utf-8"))
    assert found["policy"]["net"] > 0.95 * found["model"]["net"]
    assert found["policy"]["false_positive_rate"] < 0.2


@pytest.mark.parametrize("seed", [7, 8])
def test_the_shipped_sanctions_list_is_the_citys(seed):
    listed = (scenario("aml_kyc").folder / "lists" / "sanctioned_names.csv").read_text(encoding="utf-8")
    names = world.entities(seed)["sanctioned"]["name_en"].to_pylist()
    assert [name for name in names if f"\n{name}," not in listed] == []
