"""A trial: time is cut once, reviewers have a day, models see nothing of what is left out."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from riskweave import Policy
from riskweave.errors import RiskweaveError
from riskweave.simulation import world
from riskweave.trials import evaluate as trial
from riskweave.trials.evaluate import Truth, evaluate, with_setting
from riskweave.trials.network import _counted
from riskweave.trials.setting import scenario
from riskweave.trials.variants import features_alone, model_alone, rules_alone

CODE = "credit_card"


class Decided:
    """Decisions that are nothing but actions."""

    kept = None

    def __init__(self, action):
        self.action = np.array(action, np.int8)


def truth(times):
    size = len(times)
    empty = np.array([""] * size, object)
    return Truth(0, np.arange(size), np.array(times), np.zeros(size, bool), empty, empty, np.zeros(size))


def test_reviewers_do_the_first_reviews_of_a_day():
    day = 86_400_000
    run = trial._with_reviewers(Decided([2, 2, 3, 2, 2, 2]), 2.0, truth([0, 1, 2, 3, day, day + 1]))
    assert run.action.tolist() == [2, 2, 3, 0, 2, 2]
    assert run.let_go == 1


def test_the_cut_leaves_history_before_and_truth_after():
    table = world.simulate(CODE, 2_000, 5, days=30, fraud_share=0.05)
    cut = Truth.of(table, 0.5)
    at = table["at"].cast(pa.int64()).to_numpy()
    assert at[cut.first - 1] < cut.time_ms[0] == at[cut.first]
    assert abs(cut.time_ms[0] - (at[0] + at[-1]) / 2) < 86_400_000
    assert cut.fraud.sum() == pc.sum(table.slice(cut.first)["fraud"]).as_py()


def test_variants_keep_what_they_say_and_no_more():
    policy = Policy.read(scenario(CODE).folder)
    assert set(dict(features_alone(policy).document.root.items())) <= {
        "policy", "events", "entities", "constants", "lists", "features"
    }  # fmt: skip
    decision = rules_alone(policy).document.section("decision")
    assert [name for name, _ in decision.items()] == ["integrator"]
    alone = model_alone(policy, "gbdt").document
    assert alone.section("rules") is None
    assert {"network", "evidence", "floors"}.isdisjoint(name for name, _ in alone.section("decision").items())


def test_an_unknown_typology_is_refused_with_the_nearest():
    with pytest.raises(RiskweaveError, match="card_testing"):
        evaluate(scenario(CODE), events=3_000, unknown=("card_tasting",))


def test_an_unknown_scenario_is_refused_with_the_nearest():
    with pytest.raises(RiskweaveError, match="credit_card"):
        scenario("credit_cart")


def test_what_is_left_out_is_not_seen(monkeypatch):
    seen = []
    learn = trial.train_on

    def watched(code, table):
        seen.append(set(table["typology"].to_pylist()))
        return learn(code, table)

    monkeypatch.setattr(trial, "train_on", watched)
    small = with_setting(scenario(CODE), frauds=0.05)
    found = evaluate(small, seed=3, events=6_000, unknown=("stolen_card",))
    assert ["stolen_card" in kinds for kinds in seen] == [True, False]
    assert set(found["unknown"]["stolen_card"]) == {"seen", "unseen", "rules"}


def test_a_sign_of_few_cases_adds_nothing_to_its_other_parents():
    states = {"fraud": ("no", "yes"), "model": ("low", "high"), "rules": ("quiet", "loud")}
    seen = {
        "fraud": np.array([0] * 900 + [1] * 100),
        "model": np.array([0] * 950 + [1] * 50),
        "rules": np.array([0] * 940 + [1] * 60),
    }
    table = _counted("rules", ("model",), states, seen)
    assert table.sum(axis=-1) == pytest.approx(np.ones((2, 2)))
    # No legitimate event was high: its row is that of all high events.
    assert table[0, 1] == pytest.approx([0.0, 1.0], abs=0.05)
    plain = _counted("model", (), states, seen)
    assert plain[1] == pytest.approx([0.5, 0.5], abs=0.02)
