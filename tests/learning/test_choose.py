"""Choosing and distilling: nothing of the test is looked at, and a student comes near its teacher."""

import dataclasses

import numpy as np
import pytest

from riskweave.errors import RiskweaveError
from riskweave.learning.choose import choose, dealt, forward
from riskweave.learning.distill import distill
from riskweave.learning.ranking import rank_correlation
from riskweave.learning.recipe import Recipe
from riskweave.learning.reliability import reliability
from riskweave.learning.scoring import score
from riskweave.learning.splits import shares_by_time
from riskweave.learning.train import train
from tests.learning.world import DAY_MS, dataset


@pytest.fixture(scope="module")
def data():
    return dataset()


@pytest.fixture(scope="module")
def split(data):
    return shares_by_time(data.time_ms, data.known_ms, data.label, 0.3, 2 * DAY_MS)


RECIPES = {
    "one": Recipe("one", "decision_tree", options={"max_depth": 1}),
    "trees": Recipe("trees", "gbdt", options={"trees": 40}, hold=0),
    "line": Recipe("line", "logistic_regression"),
}


def test_a_fold_is_judged_by_what_was_known_before_it(data, split):
    for early, late in forward(data, split.train, 3):
        start = data.time_ms[late].min()
        assert data.known_ms[early].max() <= start
        assert set(late.tolist()) <= set(split.train.tolist())
    judged = np.concatenate([late for _, late in forward(data, split.train, 3)])
    assert judged.size == np.unique(judged).size > split.train.size / 2


def test_dealt_folds_hold_each_row_once_and_as_many_frauds(data, split):
    parts = dealt(data, split.train, 4)
    assert np.array_equal(np.sort(np.concatenate([late for _, late in parts])), np.sort(split.train))
    frauds = [data.label[late].sum() for _, late in parts]
    assert max(frauds) - min(frauds) <= 1
    for early, late in parts:
        assert not set(early.tolist()) & set(late.tolist())


@pytest.mark.parametrize("by_time", [True, False])
def test_the_better_recipe_is_chosen_without_a_look_at_the_test(by_time, data, split):
    best, found = choose(list(RECIPES), RECIPES, data, split.train, 3, by_time)
    assert best in ("trees", "line")
    assert found["one"] == min(found.values())
    label = data.label.copy()
    label[split.test] = 1 - label[split.test]
    other = dataclasses.replace(data, label=label)
    assert choose(list(RECIPES), RECIPES, other, split.train, 3, by_time) == (best, found)


def test_choosing_needs_frauds(data):
    with pytest.raises(RiskweaveError, match="longer period"):
        choose(["line"], RECIPES, data, np.flatnonzero(data.label == 0), 2)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("gbdt", {"trees": 60}),
        ("logistic_regression", {}),
        ("mlp", {"epochs": 12, "rate": 0.01, "batch": 128}),
        ("random_forest", {"trees": 10}),
        ("xgboost", {"trees": 20}),
        ("linear_svm", {}),
    ],
)
def test_a_student_learns_its_teachers_scores(name, options, data, split):
    teacher = train(Recipe("t", "random_forest", options={"trees": 60, "max_depth": 8}), data, split.train)
    recipe = Recipe("s", name, options=options, calibrate="platt" if name == "linear_svm" else "none")
    made = distill(recipe, teacher.artifact, data, split, soft=1.0)
    found = made.artifact.about.notes["distillation"]
    assert made.artifact.about.parity.max_abs_difference < 1e-6
    assert found["agreement"]["rank_correlation"] > 0.8
    assert found["loss"]["auc"] == pytest.approx(found["student"]["auc"] - found["teacher"]["auc"])
    assert found["unlabelled"] > 0
    assert np.abs(score(made.artifact, data, split.test) - made.score(split.test)).max() < 1e-6


def test_a_student_sees_no_truth_that_was_unknown_and_nothing_of_the_test(data, split):
    teacher = train(RECIPES["trees"], data, split.train).artifact
    label = data.label.copy()
    hidden = np.setdiff1d(np.arange(len(data)), split.train)
    label[hidden] = 1 - label[hidden]
    other = dataclasses.replace(data, label=label)
    first, second = (
        distill(Recipe("s", "gbdt", options={"trees": 20}), teacher, each, split).artifact
        for each in (data, other)
    )
    assert all(np.array_equal(first.weights[name], second.weights[name]) for name in first.weights)


def test_what_cannot_be_distilled_is_named(data, split):
    teacher = train(RECIPES["line"], data, split.train).artifact
    with pytest.raises(RiskweaveError, match="cannot learn from a teacher"):
        distill(Recipe("s", "profiles"), teacher, data, split)
    with pytest.raises(RiskweaveError, match="soft"):
        distill(RECIPES["line"], teacher, data, split, soft=0.0)
    late = train(RECIPES["line"], data).artifact
    with pytest.raises(RiskweaveError, match="are to judge it"):
        distill(RECIPES["line"], late, data, split)


def test_a_blend_with_a_sequence_is_scored_as_its_parts(data, split):
    recipes = {
        **RECIPES,
        "lstm": Recipe("lstm", "lstm", options={"hidden": 4, "steps": 3, "epochs": 2, "batch": 256}),
    }
    for kind in ("blend", "stack"):
        made = train(Recipe("b", kind, parts={"lstm": 0.5, "line": 0.5}), data, split.train, recipes)
        assert np.abs(score(made.artifact, data, split.test) - made.score(split.test)).max() < 1e-6


def test_rank_correlation_is_scipys():
    from scipy.stats import spearmanr

    generator = np.random.default_rng(2)
    first, second = generator.integers(0, 9, 80) / 10, generator.random(80)
    assert rank_correlation(first, second) == pytest.approx(spearmanr(first, second).statistic)
    assert rank_correlation(second, second**3) == pytest.approx(1)
    assert np.isnan(rank_correlation(np.ones(5), second[:5]))


@pytest.mark.parametrize("equal", ["widths", "counts", "odds"])
def test_every_event_is_in_one_bin_of_the_diagram(equal):
    generator = np.random.default_rng(3)
    probability = 1 / (1 + np.exp(-generator.normal(-5, 3, 500)))
    truth = (generator.random(500) < probability).astype(float)
    bins = reliability(truth, probability, 8, equal)
    assert sum(each.count for each in bins) == 500
    assert sum(each.count * each.true for each in bins) == pytest.approx(truth.sum())
    for each in bins:
        assert each.low - 1e-12 <= each.said <= each.high + 1e-12
