"""docs/explanation.md: its examples are what the command prints, its lists are complete."""

import json
import re
from pathlib import Path

import pytest

from riskweave import Engine, Policy, scenarios
from riskweave.engine.explain import Explainer
from riskweave.explanation.as_html import as_html
from riskweave.explanation.as_json import as_json
from riskweave.explanation.as_text import plain_text
from riskweave.explanation.formats import UNITS

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "explanation.md"
EXAMPLES = ["passed", "asked", "stopped"]
ACTIONS = {"passed": "PASS", "asked": "MFA", "stopped": "BLOCK"}


def explanation_of(name):
    events = [json.loads(line) for line in (DOCS / "explanation" / f"{name}.jsonl").read_text().splitlines()]
    engine = Engine(Policy.read(scenarios.folder("starter")))
    for event in events[:-1]:
        engine.decide(event)
    known = {
        field: list(dict.fromkeys(event[field] for event in reversed(events[:-1])))
        for field in ("device_id", "country", "channel")
    }
    return Explainer(engine).decide(events[-1], known)[1]


def example(name, language):
    """The block of one example: the command, and what it prints."""
    option = "" if language == "en" else " --language zh"
    text = plain_text(explanation_of(name), language)
    text = re.sub(r"(version |版本)[0-9a-f]{12}", r"\1…", text)
    return f"```\n$ riskweave explain mine docs/explanation/{name}.jsonl{option}\n{text}```"


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_are_what_is_printed(name):
    page = PAGE.read_text(encoding="utf-8")
    assert explanation_of(name).action == ACTIONS[name]
    for language in ("en", "zh"):
        assert example(name, language) in page


def test_every_field_of_the_json_and_every_unit_is_on_the_page():
    page = PAGE.read_text(encoding="utf-8")
    assert [field for field in as_json(explanation_of("stopped")) if f"`{field}`" not in page] == []
    assert [unit for unit in UNITS if f"`{unit}`" not in page] == []


def test_the_page_of_an_example_is_whole():
    html = as_html(explanation_of("stopped"), "zh")
    for tag in ("html", "head", "body", "main", "table", "tr", "td", "ul", "li", "h2", "p", "small"):
        assert len(re.findall(rf"<{tag}[ >]", html)) == html.count(f"</{tag}>"), tag
    assert 'lang="zh-Hans"' in html
    assert "<script" not in html
    assert "//" not in html.replace("<!doctype html>", "")
