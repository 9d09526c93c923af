"""Evaluations, reports, search and the arena over a small training set."""

import dataclasses
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from riskweave.errors import PolicyError, RiskweaveError
from riskweave.learning.arena import HEADS, compare, picture, row_of, size_of
from riskweave.learning.evaluate import Questions, evaluate
from riskweave.learning.recipe import Recipe, read_recipes, ready_recipes
from riskweave.learning.report import html_report, model_card
from riskweave.learning.search import search
from riskweave.learning.splits import shares_by_time
from riskweave.learning.train import train
from tests.learning.world import dataset


@pytest.fixture(scope="module")
def data():
    return dataset()


@pytest.fixture(scope="module")
def split(data):
    return shares_by_time(data.time_ms, data.known_ms, data.label, 0.3)


@pytest.fixture(scope="module")
def model(data, split):
    return train(Recipe("quick", "gbdt", options={"trees": 30}), data, split.train)


class Balanced(HTMLParser):
    """Raises when an element is not closed in order."""

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def well_formed(text):
    parser = Balanced()
    parser.feed(text)
    assert parser.open == []
    assert "http" not in re.sub(r'xmlns="[^"]*"', "", text)
    assert "<script" not in text
    assert re.search(r"\bnan\b", text) is None


def test_an_evaluation_is_json_and_its_report_a_page_that_needs_nothing(data, split, model):
    asked = Questions(segments=["kind"], review_cost=1.0, draws=20, k=5)
    found = evaluate(data, split.test, model.score(split.test), asked)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    low, high = found["interval_95"]["auc"]
    assert low < found["ranking"]["auc"] < high
    assert sum(each["events"] for each in found["segments"]["kind"]) == found["events"] == split.test.size
    assert sum(each["frauds"] for each in found["periods"]) == found["frauds"]
    assert found["money"]["best"]["net"] > 0
    assert 0 < found["cards"]["precision"] <= found["cards"]["perfect"]
    text = html_report("A <model> & more", found, model.artifact.about)
    well_formed(text)
    assert "A &lt;model&gt; &amp; more" in text
    assert text.count("<svg") == 5
    card = model_card("quick", model.artifact, found)
    assert "`amount`" in card
    assert f"{split.train.size:,} events" in card
    assert model.artifact.hash[:16] in card


def test_a_test_without_frauds_has_no_ranking_but_a_report(data, split, model):
    calm = split.test[data.label[split.test] == 0]
    found = evaluate(data, calm, model.score(calm), Questions(draws=5))
    assert found["ranking"]["auc"] is None
    well_formed(html_report("calm", found))


def test_unknown_truth_is_refused(data, split, model):
    unknown = dataclasses.replace(data, label=np.full(len(data), np.nan))
    with pytest.raises(RiskweaveError, match="unknown truth"):
        evaluate(unknown, split.test, model.score(split.test))


def test_the_arena_has_a_line_for_each_and_a_picture(data, split):
    recipes = ready_recipes()
    recipes["gbdt"] = Recipe("gbdt", "gbdt", options={"trees": 20})
    recipes["lstm"] = Recipe("lstm", "lstm", options={"hidden": 4, "steps": 3, "epochs": 1})
    lines = compare(data, split, recipes, ["logistic_regression", "gbdt", "lstm"])
    for line in lines:
        assert 0.4 < line["auc"] <= 1
        assert line["one_event_us"] > 0
        assert line["rows_per_second"] > 0
        assert line["bytes"] > 0
        assert len(row_of(line)) == len(HEADS)
    well_formed(picture(lines, "Arena"))


def test_the_size_of_a_blend_is_that_of_its_parts(data, split):
    recipes = {"a": Recipe("a", "logistic_regression"), "b": Recipe("b", "decision_tree")}
    blend = train(Recipe("ab", "blend", parts={"a": 1.0, "b": 1.0}), data, split.train, recipes)
    parts = [train(recipes[name], data, split.train).artifact for name in "ab"]
    assert size_of(blend.artifact) == sum(size_of(part) for part in parts)


def test_a_search_repeats_and_never_sees_the_test(data, split):
    recipe = Recipe("s", "logistic_regression")
    found = search(recipe, data, split.train, trials=3)
    assert found == search(recipe, data, split.train, trials=3)
    assert 1e-3 <= found.options["C"] <= 100
    label = data.label.copy()
    label[split.test] = 1 - label[split.test]
    assert found == search(recipe, dataclasses.replace(data, label=label), split.train, trials=3)


def test_recipes_come_from_a_file(tmp_path):
    file = tmp_path / "models.yaml"
    file.write_text(
        "models:\n"
        "  fast: {trainer: gbdt, calibrate: beta, hold: 0.3,\n"
        "         options: {leaves: 7, rate: 0.1, monotone: {amount: 1}}}\n"
        "  wide: {trainer: mlp, features: [amount, age], without: [age],\n"
        "         options: {layers: [8], log: false}}\n"
        "  both: {trainer: stack, parts: [fast, wide]}\n"
    )
    found = read_recipes(file)
    assert found["fast"].options == {"leaves": 7, "rate": 0.1, "monotone": {"amount": 1}}
    assert (found["fast"].calibrate, found["fast"].hold) == ("beta", 0.3)
    assert found["wide"].features == ("amount", "age")
    assert found["wide"].options == {"layers": [8], "log": False}
    assert found["both"].parts == {"fast": 1.0, "wide": 1.0}
    assert "random_forest" in found
    for text, message in (
        ("models: {a: {trainer: gbdt, option: {}}}", "did you mean `options`"),
        ("models: {a: {trainer: gbdt, calibrate: plat}}", "no calibration"),
        ("models: {a: {trainer: gbdt, hold: 2}}", "share of the training period"),
        ("models: {a: {trainer: blend, parts: {gbtd: 1}}}", "did you mean `gbdt`"),
    ):
        file.write_text(text)
        with pytest.raises((PolicyError, RiskweaveError), match=message):
            read_recipes(file)
