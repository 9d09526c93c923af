"""The section `explanation:`: what is wrong with it is told at its place; what is missing, by check."""

from pathlib import Path

import pytest

from riskweave import Policy, PolicyError
from riskweave.document import parse_yaml
from riskweave.explanation.spec import read_explanation
from riskweave.policy.check import check_policy
from tests.explanation.world import policy

RULES = [{"id": "r0", "when": "amount > 1", "risk": 0.5, "reason": {"en": "Much"}}]
GOLDEN = Path(__file__).parent / "golden" / "errors.txt"
WRONG = [
    "labels: {amount: {en: Amount, fr: Montant}}",
    "labels: {amount: {en: 'Amount {x:value}'}}",
    "phrases: {amount: {en: '{valu} paid'}}",
    "units: {amount: moneys}",
    "codes: {r0: lower case}",
    "codes: {r0: A1, r1: A1}",
    "changeable: {amount: {min: 5, max: 1}}",
    "changeable: {amount: {minimum: 5}}",
    "changeable: {amount: sometimes}",
    "lables: {}",
]
UNKNOWN = [
    {"labels": {"amunt": {"en": "Amount", "zh": "金额"}}},
    {"usual": {"amount": "usul"}},
    {"changeable": {"new_device": "known"}},
    {"mask": ["device"]},
    {"codes": {"r9": "A1"}},
]


def errors():
    """Every message, as an analyst reads it."""
    found = []
    for text in WRONG:
        with pytest.raises(PolicyError) as caught:
            read_explanation(parse_yaml(f"explanation:\n  {text}\n", "explanation.yaml").get("explanation"))
        found.append(str(caught.value))
    for section in UNKNOWN:
        with pytest.raises(PolicyError) as caught:
            check_policy(Policy.from_dict(policy(RULES, explanation=section)))
        found.append(str(caught.value))
    return "\n\n".join(found) + "\n"


def test_every_mistake_is_told_at_its_place_with_the_way_out():
    assert errors() == GOLDEN.read_text(encoding="utf-8")


def test_several_mistakes_are_told_at_once():
    text = "explanation:\n  units: {a: x}\n  codes: {b: y y}\n  labels: {c: {en: '{x:value}'}}\n"
    with pytest.raises(PolicyError) as caught:
        read_explanation(parse_yaml(text).get("explanation"))
    assert len(caught.value.errors) == 3


def test_check_names_what_is_said_in_one_language_only():
    made = policy(
        RULES,
        explanation={"labels": {"amount": {"en": "Amount"}, "country": {"en": "Country", "zh": "国家"}}},
    )
    messages = [each.message for each in check_policy(Policy.from_dict(made)) if each.severity == "warning"]
    assert "`explanation.labels.amount` says nothing in `zh`" in messages
    assert "the reason of rule `r0` says nothing in `zh`" in messages
    assert not any("country" in message for message in messages)


def test_the_section_changes_no_decision_but_the_version():
    plain = Policy.from_dict(policy(RULES))
    named = Policy.from_dict(policy(RULES, explanation={"mask": ["amount"]}))
    assert plain.version != named.version


def test_all_of_it_can_be_read():
    text = """
explanation:
  labels: {amount: {en: amount, zh: 金额}}
  phrases: {amount: {en: "{value} (usually {usual})", zh: "{value}"}}
  units: {rate: percent}
  usual: {amount: usual}
  changeable:
    amount: {min: 1, max: 10}
    country: [FR, DE]
    device: known
    at: time
    age: {how: number}
  codes: {r0: VEL_01}
  mask: [device]
"""
    spec = read_explanation(parse_yaml(text).get("explanation"))
    assert [(each.name, each.how, each.choices) for each in spec.changeable] == [
        ("amount", "", ()),
        ("country", "category", ("FR", "DE")),
        ("device", "category", ()),
        ("at", "time", ()),
        ("age", "number", ()),
    ]
    assert (spec.changeable[0].low, spec.changeable[0].high) == (1.0, 10.0)
    assert (spec.codes, spec.mask, spec.usual) == ({"r0": "VEL_01"}, ("device",), {"amount": "usual"})
