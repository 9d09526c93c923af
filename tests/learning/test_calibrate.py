"""Calibration makes probabilities come true, and every curve is what the artifact says it is."""

import dataclasses

import numpy as np
import pytest

from riskweave.errors import RiskweaveError
from riskweave.learning.calibrate import apply, apply_all, fit_calibration, fit_curve, sigmoid
from riskweave.learning.recipe import Recipe
from riskweave.learning.reliability import brier, expected_calibration_error
from riskweave.learning.train import train
from riskweave.models.artifact import About, Artifact, Calibration, Feature, Linear
from riskweave.models.scorer import Scorer
from tests.learning.world import dataset


def crooked(size=6000, seed=0):
    """Log-odds that say far too much, and what came true."""
    generator = np.random.default_rng(seed)
    honest = generator.normal(-1.5, 1.2, size)
    return 2.5 * honest + 1.0, (generator.random(size) < sigmoid(honest)).astype(float)


@pytest.mark.parametrize("kind", ["platt", "beta", "isotonic"])
def test_a_curve_makes_probabilities_come_true_on_other_events(kind):
    curve = fit_curve(kind, *crooked(seed=0))
    raw, truth = crooked(seed=1)
    before, after = sigmoid(raw), apply(curve, raw)
    assert expected_calibration_error(truth, after) < 0.02 < expected_calibration_error(truth, before)
    assert brier(truth, after) < brier(truth, before)
    assert (np.diff(apply(curve, np.linspace(-30, 30, 500))) >= -1e-12).all()
    assert ((after > 0) & (after < 1)).all()


@pytest.mark.parametrize("kind", ["none", "platt", "beta", "isotonic"])
def test_the_kernels_apply_the_same_curve(kind):
    raw, truth = crooked(800)
    curve = fit_curve(kind, raw, truth)
    about = About(model=Linear(), features=(Feature(name="x"),), calibration=Calibration(curve=curve))
    weights = {"coefficients": np.array([1.0]), "intercept": np.array([0.0])}
    found = Scorer(Artifact(about, weights)).score(raw[:, None])
    assert np.abs(found - apply(curve, raw)).max() < 1e-12


def test_platt_finds_the_sigmoid_it_was_made_with():
    curve = fit_curve("platt", *crooked(60_000))
    assert curve.a == pytest.approx(1 / 2.5, abs=0.03)
    assert curve.b == pytest.approx(-1.0 / 2.5, abs=0.05)


def test_segments_with_enough_events_have_their_own_curve():
    raw, truth = crooked(4000)
    segments = ["shop" if k % 2 else "web" for k in range(4000)]
    truth[1::2] = 0.0
    truth[1:200:2] = 1.0
    segments[0] = "rare"
    found = fit_calibration("platt", raw, truth, "channel", segments)
    assert set(found.segments) == {"shop", "web"}
    said = apply_all(found, raw, segments)
    assert said[1::2].mean() == pytest.approx(truth[1::2].mean(), abs=0.01)
    assert said[0] == pytest.approx(float(apply(found.curve, raw[:1])[0]))


def test_training_calibrates_by_segment_and_the_kernels_agree():
    data = dataset(3000)
    rows = np.arange(2400)
    recipe = Recipe("c", "linear_svm", calibrate="platt", segment="kind", hold=0.4)
    made = train(recipe, data, rows)
    later = np.arange(2400, 3000)
    assert made.artifact.about.calibration.segments
    assert expected_calibration_error(data.label[later], made.score(later)) < 0.1
    assert made.artifact.about.parity.max_abs_difference < 1e-6
    with pytest.raises(RiskweaveError, match="a segment is a text"):
        train(dataclasses.replace(recipe, segment="age"), data, rows)


def test_mistakes_are_named():
    with pytest.raises(RiskweaveError, match="did you mean `isotonic`"):
        fit_curve("isotonc", *crooked(10))
    with pytest.raises(RiskweaveError, match="frauds and legitimate"):
        fit_curve("platt", np.zeros(5), np.zeros(5))
