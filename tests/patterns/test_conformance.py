"""Conformance: the engine and the slow matcher answer as Flink CEP 2.3.0 did."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.oracles.patterns import Answer, Refused, disagreement, run_case
from tests.patterns.conformance import ROOT, disagreements, main, read

OWN = Path(__file__).parent / "cases" / "handbook.json"
SHARED = Path(os.environ.get("RISKWEAVE_SHARED", ROOT.parent / "shared")) / "cep"

# Quirks of that version on which we differ on purpose: docs/decisions/0003-patterns-quirks.md.
WE_DIFFER = {"quirk-025", "quirk-038"}


def shared(name: str) -> Path:
    path = SHARED / f"cases-{name}.json"
    if not path.exists():
        pytest.skip(f"the shared conformance cases are not on this machine ({path})")
    return path


def test_our_own_cases_agree(capsys):
    assert main([str(OWN)]) == 0
    assert "21 of 21 agree" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["core", "docs", "scenarios", "errors", "order"])
def test_shared_cases_agree_fully_order_too(name):
    assert disagreements(read(shared(name))) == []


def test_quirks_agree_or_are_listed_with_their_reason():
    found = {case for case, _, _ in disagreements(read(shared("quirks")))}
    assert found == WE_DIFFER
    decision = (ROOT / "docs" / "decisions" / "0003-patterns-quirks.md").read_text(encoding="utf-8")
    assert all(case in decision for case in WE_DIFFER)


@pytest.mark.parametrize("name", ["core", "docs", "scenarios", "errors", "order", "quirks"])
def test_the_slow_matcher_agrees_on_every_shared_case(name):
    for case in read(shared(name)):
        answer: Answer | Refused
        try:
            answer = run_case(case)
        except Refused as refused:
            answer = refused
        assert disagreement(case, answer) is None, case["id"]


def test_a_disagreement_is_named_and_fails(tmp_path, capsys):
    text = OWN.read_text(encoding="utf-8").replace(
        '"stages": {"a": [1], "b": [3]}', '"stages": {"a": [1], "b": [9]}', 1
    )
    path = tmp_path / "wrong.json"
    path.write_text(text, encoding="utf-8")
    assert main([str(path)]) == 1
    printed = capsys.readouterr().out
    assert "20 of 21 agree" in printed
    assert "relaxed-finds-the-first" in printed
