"""What actions were worth: against their definition, written out by hand."""

import numpy as np
import pytest

from riskweave.decision.money import Costs
from riskweave.decision.plan import Number, Test
from riskweave.trials.money import Prices, worth_of

NUMBERS = {
    "amount": 100.0, "recovery": 0.5, "margin": 2.0, "insult": 10.0, "mfa.fee": 0.5,
    "mfa.customer_passes": 0.9, "mfa.attacker_passes": 0.2, "mfa.drop_off": 0.1,
    "review.cost": 4.0, "review.detection": 0.75,
    "review.delay": 1.0,
}  # fmt: skip
PASS, MFA, REVIEW, BLOCK = range(4)
CALL = Test("call", -1, Number(-1, 3.0), (("alarm", 0.9, 0.1), ("clear", 0.1, 0.9)), REVIEW)


def prices(priced=(True, True, True, True), tests=None):
    return Prices([Costs.of(NUMBERS)], [priced], tests or {})


@pytest.mark.parametrize(
    ("action", "worth"),
    [
        (PASS, 0.0),
        (MFA, 0.8 * 60.0 - 0.5),  # the thief passes one time in five
        (REVIEW, 0.75 * 60.0 - 4.0),
        (BLOCK, 60.0),  # the true loss counts, not the amount or what the policy hopes to recover
    ],
)
def test_a_fraud_is_worth_its_loss_as_far_as_it_is_stopped(action, worth):
    assert prices().worth(0, action, True, 60.0) == pytest.approx(worth)


@pytest.mark.parametrize(
    ("action", "worth"),
    [
        (PASS, 0.0),
        # 0.81 get through, 0.19 lose the margin twice (earned or lost), 0.09 are insulted.
        (MFA, 0.81 * 2.0 - 0.19 * 2.0 - 0.09 * 10.0 - 0.5 - 2.0),
        (REVIEW, -4.0 - 1.0),
        (BLOCK, -2.0 - 10.0 - 2.0),
    ],
)
def test_a_good_event_costs_what_the_policy_says(action, worth):
    assert prices().worth(0, action, False, 0.0) == pytest.approx(worth)


def test_an_action_without_a_price_does_nothing():
    assert prices((True, False, True, True)).worth(0, MFA, True, 60.0) == 0.0


def test_an_action_that_only_a_test_has_refuses_on_alarm():
    asked = prices((True, True, False, True), {REVIEW: CALL})
    assert asked.worth(0, REVIEW, True, 60.0) == pytest.approx(0.9 * 60.0 - 3.0)
    assert asked.worth(0, REVIEW, False, 0.0) == pytest.approx(0.1 * -14.0 - 3.0)


def test_after_a_test_the_best_action_for_its_result_counts():
    only = prices((True, False, False, True))
    # From 0.3 an alarm makes it 0.79 (refuse), none makes it 0.05 (let pass).
    assert only.after_test(0, CALL, 3.0, 0.3, True, 60.0) == pytest.approx(0.9 * 60.0 - 3.0)
    assert only.after_test(0, CALL, 3.0, 0.3, False, 0.0) == pytest.approx(0.1 * -14.0 - 3.0)


def test_many_decisions_are_each_counted():
    both = Prices([Costs.of(NUMBERS)] * 3, [(True,) * 4] * 3, {})
    actions, fraud = np.array([PASS, BLOCK, BLOCK], np.int8), np.array([True, True, False])
    worth = worth_of(both, actions, fraud, np.array([60.0, 60.0, 0.0]), None)
    assert worth.tolist() == pytest.approx([0.0, 60.0, -14.0])
