"""Figures of merit equal their definitions, and scikit-learn's where it has them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskweave.learning import bootstrap, cards, money, ranking, reliability
from tests.oracles import metrics as oracle

scored = st.lists(
    st.tuples(st.booleans(), st.integers(0, 8), st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=60
)


def columns(rows):
    truth, score, card, day = (np.array(each) for each in zip(*rows, strict=True))
    return truth.astype(float), score / 8, card, day


def same(found, wanted):
    return np.isnan(found) if wanted is None else found == pytest.approx(wanted, abs=1e-12)


@given(scored)
def test_ranking_figures_equal_their_definitions(rows):
    truth, score, _, _ = columns(rows)
    plain = (truth.astype(int).tolist(), score.tolist())
    assert same(ranking.roc_auc(truth, score), oracle.roc_auc(*plain))
    assert same(ranking.average_precision(truth, score), oracle.average_precision(*plain))
    for rate in (0.0, 0.1, 0.5, 1.0):
        assert same(ranking.recall_at_fpr(truth, score, rate), oracle.recall_at_fpr(*plain, rate))


@given(scored, st.integers(1, 4))
def test_card_precision_equals_its_definition(rows, k):
    truth, score, card, day = columns(rows)
    found, shares = cards.card_precision(day, card, truth, score, k)
    wanted = oracle.card_precision(day.tolist(), card.tolist(), truth.tolist(), score.tolist(), k)
    assert shares == wanted
    assert found == pytest.approx(np.mean(wanted))
    assert found <= cards.best_card_precision(day, card, truth, k) + 1e-12 or k > 1


@given(scored, st.integers(1, 12))
def test_calibration_error_equals_its_definition(rows, bins):
    truth, score, _, _ = columns(rows)
    probability = score * 0.97 + 0.011
    found = reliability.expected_calibration_error(truth, probability, bins)
    assert found == pytest.approx(oracle.calibration_error(truth.tolist(), probability.tolist(), bins))
    diagram = reliability.reliability(truth, probability, bins)
    assert sum(each.count for each in diagram) == truth.size


@given(scored, st.lists(st.integers(0, 3), min_size=60, max_size=60))
def test_a_weight_counts_an_event_that_often(rows, weights):
    truth, score, _, _ = columns(rows)
    weight = np.array(weights[: truth.size])
    repeated = np.repeat(truth, weight), np.repeat(score, weight)
    for figure in (ranking.roc_auc, ranking.average_precision):
        wanted = figure(*repeated) if weight.sum() else float("nan")
        assert figure(truth, score, weight.astype(float)) == pytest.approx(wanted, nan_ok=True)


def test_figures_equal_scikit_learn():
    sklearn = pytest.importorskip("sklearn.metrics")
    generator = np.random.default_rng(1)
    truth = (generator.random(3000) < 0.1).astype(float)
    score = np.round(np.clip(truth * 0.3 + generator.random(3000) * 0.7, 0, 1), 2)
    assert ranking.roc_auc(truth, score) == pytest.approx(sklearn.roc_auc_score(truth, score))
    assert ranking.average_precision(truth, score) == pytest.approx(
        sklearn.average_precision_score(truth, score)
    )
    assert reliability.brier(truth, score) == pytest.approx(sklearn.brier_score_loss(truth, score))
    clipped = np.clip(score, 0.01, 0.99)
    assert reliability.log_loss(truth, clipped) == pytest.approx(sklearn.log_loss(truth, clipped))


def test_precision_and_recall_at_k_share_a_tie_at_the_edge():
    truth, score = np.array([1.0, 0, 1, 0]), np.array([0.9, 0.5, 0.5, 0.1])
    assert ranking.precision_at(truth, score, 1) == 1.0
    assert ranking.precision_at(truth, score, 2) == pytest.approx(0.75)
    assert ranking.recall_at(truth, score, 3) == 1.0
    assert np.isnan(ranking.precision_at(truth, score, 5))


def test_a_nan_score_is_refused():
    with pytest.raises(ValueError, match="NaN"):
        ranking.roc_auc(np.array([1.0, 0.0]), np.array([np.nan, 0.5]))


def test_the_money_curve_ends_with_all_that_could_be_prevented():
    truth, score = np.array([1.0, 0, 1]), np.array([0.2, 0.9, 0.8])
    curve = money.money_curve(truth, score, np.array([100.0, 5, np.nan]), review_cost=1.0)
    assert [(each.reviewed, each.frauds, each.prevented, each.net) for each in curve] == [
        (1, 0, 0.0, -1.0),
        (2, 1, 0.0, -2.0),
        (3, 2, 100.0, 97.0),
    ]
    assert money.best_net(curve) is curve[-1]


def test_intervals_cover_the_figure_repeat_and_widen_with_dependence():
    generator = np.random.default_rng(2)
    truth = (generator.random(2000) < 0.2).astype(float)
    score = truth * 0.5 + generator.random(2000)
    figures = {"auc": ranking.auc_of}
    alone = bootstrap.intervals(truth, score, np.arange(2000), figures, 60)["auc"]
    assert alone == bootstrap.intervals(truth, score, np.arange(2000), figures, 60)["auc"]
    assert alone[0] < ranking.roc_auc(truth, score) < alone[1]
    order = np.argsort(truth + score)
    group = np.empty(2000, int)
    group[order] = np.arange(2000) // 100  # twenty customers, each alike
    together = bootstrap.intervals(truth, score, group, figures, 60)["auc"]
    assert together[1] - together[0] > alone[1] - alone[0]
