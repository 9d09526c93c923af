"""What an action was worth once the truth is known, in the base currency, against letting everything pass.

A fraud that is stopped saves the simulation's `loss`; what is asked of a second factor or a review, and
what a refused good customer costs, is what the policy itself says. Where an action leaves something to
chance (a second factor that an attacker passes one time in ten) its expectation counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskweave.batch import ACTIONS
from riskweave.decision.money import NUMBERS, Costs, bounded
from riskweave.decision.plan import Test, UtilityPlan
from riskweave.engine.decisions import Kept
from riskweave.errors import RiskweaveError
from riskweave.kernels.decide import OUT_SET, OUT_TEST

BLOCK = 3

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Prices:
    """The policy's costs of some events, by which all ways of deciding them are counted."""

    costs: list[Costs]
    priced: list[tuple[bool, ...]]
    tests: dict[int, Test]

    @classmethod
    def of(cls, kept: Kept | None) -> Prices:
        """Read them out of the policy's own decisions."""
        if kept is None or not isinstance(kept.plan, UtilityPlan):
            raise RiskweaveError("a trial counts money: the policy must decide by utility, with `costs`")
        plan = kept.plan
        chosen = kept.row(plan.out + OUT_SET).astype(np.int64)
        numbers = np.empty((len(NUMBERS), chosen.size))
        for s, of_set in enumerate(plan.numbers):
            which = chosen == s
            for k in range(len(NUMBERS)):
                number = of_set[k]
                values = kept.row(number.row)[which] if number.row >= 0 else number.const
                numbers[k, which] = np.where(np.isnan(values), plan.defaults[k], values)
        # What a review really costs; the price of the reviewers' time is no money that anyone pays.
        costs = [Costs(bounded([*column, 0.0])) for column in numbers.T.tolist()]
        priced = [tuple(bool(each) for each in row) for row in plan.priced]
        tests = {each.action: each for each in reversed(plan.tests) if each.action > 0}
        return cls(costs, [priced[s] for s in chosen.tolist()], tests)

    def worth(self, event: int, action: int, fraud: bool, loss: float) -> float:
        """Return what an action was worth against PASS.

        An action without a price of its own is the test that asks for it: an alarm then refuses. Without
        such a test it does nothing.
        """
        if action == 0:
            return 0.0
        if not self.priced[event][action]:
            return self._tested(event, action, fraud, loss)
        costs = self.costs[event]
        if not fraud:
            return costs.ends(ACTIONS[action])[1] - costs.ends("PASS")[1]
        numbers = list(costs.numbers)
        numbers[:2], numbers[5] = [loss, 0.0], 0.0  # amount, recovery; fine
        truth = Costs(tuple(numbers))
        return truth.ends(ACTIONS[action])[0] - truth.ends("PASS")[0]

    def _tested(self, event: int, action: int, fraud: bool, loss: float) -> float:
        test = self.tests.get(action)
        if test is None:
            return 0.0
        alarm = sum(
            if_fraud if fraud else if_not for _, if_fraud, if_not in test.results if if_fraud > if_not
        )
        return alarm * self.worth(event, BLOCK, fraud, loss) - max(test.cost.const, 0.0)

    def after_test(
        self, event: int, test: Test, cost: float, belief: float, fraud: bool, loss: float
    ) -> float:
        """Return what asking for a test was worth: each result's best action, as often as it comes."""
        total = -cost
        actions = [a for a in range(len(ACTIONS)) if a == 0 or self.priced[event][a]]
        for _, if_fraud, if_not in test.results:
            chance = belief * if_fraud + (1.0 - belief) * if_not
            after = belief * if_fraud / chance if chance > 0.0 else belief
            ends = [self.costs[event].ends(ACTIONS[a]) for a in actions]
            best = int(np.argmax([after * bad + (1.0 - after) * good for bad, good in ends]))
            total += (if_fraud if fraud else if_not) * self.worth(event, actions[best], fraud, loss)
        return total


def worth_of(
    prices: Prices, action: NDArray[np.int8], fraud: NDArray[np.bool_], loss: Floats, kept: Kept | None
) -> Floats:
    """Return what each decision was worth; `kept` tells which tests were asked for."""
    asked = _asked(kept, action)
    found = np.zeros(action.size)
    for event in np.flatnonzero(action).tolist():
        if event in asked:
            test, cost, belief = asked[event]
            found[event] = prices.after_test(event, test, cost, belief, bool(fraud[event]), loss[event])
        else:
            found[event] = prices.worth(event, int(action[event]), bool(fraud[event]), loss[event])
    return found


def _asked(kept: Kept | None, action: NDArray[np.int8]) -> dict[int, tuple[Test, float, float]]:
    """Return the tests whose action was taken because they were worth asking."""
    if kept is None or not isinstance(kept.plan, UtilityPlan) or not kept.plan.ask:
        return {}
    plan = kept.plan
    belief, best = kept.row(plan.out), kept.row(plan.out + OUT_TEST)
    found = {}
    for event in np.flatnonzero(best >= 0.0).tolist():
        test = plan.tests[int(best[event])]
        if test.action == action[event]:
            cost = test.cost.const if test.cost.row < 0 else float(kept.row(test.cost.row)[event])
            found[event] = (test, cost if cost == cost else 0.0, float(belief[event]))
    return found
