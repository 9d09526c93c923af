"""From the numbers that a decision was made with to its `Outcome`: every step told in its order.

The kernel chose the action; this walks the same way once more, in words. `Teller.tell` is handed the
plan's `kept_rows` of one event, so a decision of many can be told long after its batch is gone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from riskweave.batch import ACTIONS
from riskweave.decision.money import Costs, bounded
from riskweave.decision.outcome import ActionValue, EvidenceState, Line, Outcome, TestValue, ToldLater
from riskweave.decision.plan import BoundsPlan, DecisionPlan, Number, Test, UtilityPlan
from riskweave.expressions.types import Type
from riskweave.kernels import decide as kernel

# A rule that set a floor or a ceiling: its name, the action, its reason.
RuleBound = tuple[str, int, dict[str, str]]
Value = Callable[[float, Type], object]

_ASKED = {"en": "asking is worth more than it costs", "zh": "追加验证的收益高于成本"}
_KEPT = {
    "en": "the last action stays while the best is hardly better",
    "zh": "最优动作优势不大，维持上次动作",
}
_CAPACITY = {"en": "reviewers have no time for it at this gain", "zh": "审核资源有限，收益不足以占用"}


class Teller:
    """Tells what a plan's decisions left behind."""

    def __init__(self, plan: DecisionPlan) -> None:
        self.plan = plan
        self.place = {row: k for k, row in enumerate(plan.kept_rows)}
        # The same for every decision that no bound touched.
        self.plain = Outcome(plan.integrator)

    def tell(
        self,
        kept: NDArray[np.float64],
        score: float,
        floors: Sequence[RuleBound],
        ceilings: Sequence[RuleBound],
        value: Value,
    ) -> Outcome:
        """Return the outcome; `kept` are the numbers in `plan.kept_rows`, `value` puts one in its type.

        `floors` and `ceilings` are those of the rules that hit.
        """
        plan = self.plan
        if isinstance(plan, UtilityPlan):
            return ToldLater(lambda: _Event(self, kept, value).utility(plan, floors, ceilings))
        event = _Event(self, kept, value)
        free = max(a for a in range(len(ACTIONS)) if score >= plan.thresholds[a])
        lines = event.bounds(plan.bounds, free, floors, ceilings)[1]
        return Outcome(plan.integrator, lines=tuple(lines)) if lines else self.plain

    def costs(self, kept: NDArray[np.float64], value: Value) -> Costs | None:
        """Return the costs that an event was weighed with, adjustments included; None without utility."""
        if not isinstance(self.plan, UtilityPlan):
            return None
        event = _Event(self, kept, value)
        return event._costs(self.plan, int(event.at(self.plan.out + kernel.OUT_SET)))[0]


class _Event:
    """One event's numbers, by row."""

    def __init__(self, teller: Teller, kept: NDArray[np.float64], value: Value) -> None:
        self.place = teller.place
        self.kept = kept.tolist()
        self.value = value

    def at(self, row: int) -> float:
        found: float = self.kept[self.place[row]]
        return found

    def number(self, number: Number) -> float:
        return number.const if number.row < 0 else self.at(number.row)

    def holds(self, row: int) -> bool:
        """Tell whether a condition holds; null is false."""
        return row < 0 or self.at(row) < 0.0 or self.at(row) > 0.0

    # ---- bounds

    def bounds(
        self, plan: BoundsPlan, before: int, floors: Sequence[RuleBound], ceilings: Sequence[RuleBound]
    ) -> tuple[int, list[Line]]:
        """Return the action between ceilings and floors, and a line for each that holds."""
        lines = []
        action = before
        for kind, of_rules, own, toward in (
            ("ceiling", ceilings, plan.ceilings, min),
            ("floor", floors, plan.floors, max),
        ):
            held = [
                *of_rules,
                *((each.name, each.action, each.reason) for each in own if self.holds(each.row)),
            ]
            for name, bound, reason in held:
                after = toward(action, bound)
                lines.append(Line(kind, name, ACTIONS[action], ACTIONS[after], reason))
                action = after
        return action, lines

    def open_actions(self, plan: BoundsPlan) -> tuple[int, int]:
        """Return the least and the greatest action that floors and ceilings leave open."""
        floor, ceiling = self.at(plan.floor_row), self.at(plan.ceiling_row)
        low = max([0, *([int(floor)] if floor > 0 else [])])
        low = max([low, *(each.action for each in plan.floors if self.holds(each.row))])
        high = int(ceiling) if ceiling < kernel.BLOCK else kernel.BLOCK
        high = min([high, *(each.action for each in plan.ceilings if self.holds(each.row))])
        return low, max(low, high)

    # ---- utility

    def utility(
        self,
        plan: UtilityPlan,
        floors: Sequence[RuleBound],
        ceilings: Sequence[RuleBound],
    ) -> Outcome:
        """Return the outcome; its last line that changed something ends at the action chosen."""
        p = self.at(plan.out + kernel.OUT_BELIEF)
        chosen_set = int(self.at(plan.out + kernel.OUT_SET))
        costs, lines = self._costs(plan, chosen_set)
        low, high = self.open_actions(plan.bounds)
        priced = [a for a in range(len(ACTIONS)) if plan.priced[chosen_set, a]]
        utility = {a: self.at(plan.out + kernel.OUT_UTILITY + a) for a in priced}
        economics = tuple(
            ActionValue(ACTIONS[a], utility[a], costs.parts(ACTIONS[a], p), low <= a <= high) for a in priced
        )
        free = _best(utility, range(len(ACTIONS)))
        assert free is not None
        if costs["price"] > 0.0:
            unpriced = {a: u + (costs["price"] if a == kernel.REVIEW else 0.0) for a, u in utility.items()}
            wanted = _best(unpriced, range(low, high + 1))
            chosen = _best(utility, range(low, high + 1))
            if wanted == kernel.REVIEW and chosen not in (None, wanted):
                assert chosen is not None
                lines.append(Line("capacity", "reviewers", "REVIEW", ACTIONS[chosen], _CAPACITY))
        _, bounding = self.bounds(plan.bounds, free, floors, ceilings)
        best = _best(utility, range(low, high + 1))
        now = low if best is None else best
        if bounding and bounding[-1].after != ACTIONS[now]:
            # Several actions are open: the best of them, not the nearest, is taken.
            last = bounding[-1]
            bounding[-1] = Line(last.kind, last.name, last.before, ACTIONS[now], last.reason)
        lines += bounding
        if best is not None:
            now = self._after_best(plan, utility, best, low, high, lines)
        now = self._moves(plan, now, chosen_set, lines)
        held = min(max(now, low), high)
        if held != now:
            kind, name, reason = self._holding(plan.bounds, floors, ceilings, held > now, held)
            lines.append(Line(kind, name, ACTIONS[now], ACTIONS[held], reason))
        return Outcome(
            plan.integrator,
            p,
            plan.belief.prior,
            self._evidence(plan, p),
            economics,
            self._tests(plan, costs, p, best, low, high, priced),
            tuple(lines),
        )

    def _costs(self, plan: UtilityPlan, chosen_set: int) -> tuple[Costs, list[Line]]:
        """Return the adjusted costs, and a line for each adjustment of costs that holds."""
        numbers = []
        for k, number in enumerate(plan.numbers[chosen_set]):
            found = self.number(number)
            numbers.append(found if found == found else float(plan.defaults[k]))
        if math.isnan(numbers[kernel.LOST_MARGIN]):
            numbers[kernel.LOST_MARGIN] = numbers[kernel.MARGIN]
        lines: list[Line] = []
        p = self.at(plan.out + kernel.OUT_BELIEF)
        priced = [a for a in range(len(ACTIONS)) if plan.priced[chosen_set, a]]
        for adjustment in plan.adjustments:
            if not adjustment.changes or not self.holds(adjustment.row):
                continue
            before = _cheapest(Costs(bounded(numbers)), p, priced)
            for place, how, operand in adjustment.changes:
                by = self.number(operand)
                if by == by:
                    numbers[place] = numbers[place] * by if how == 0 else numbers[place] + by
            after = _cheapest(Costs(bounded(numbers)), p, priced)
            lines.append(
                Line("adjustment", adjustment.name, ACTIONS[before], ACTIONS[after], adjustment.reason)
            )
        return Costs(bounded(numbers)), lines

    def _after_best(
        self, plan: UtilityPlan, utility: dict[int, float], best: int, low: int, high: int, lines: list[Line]
    ) -> int:
        """Return the action after hysteresis and after asking for a test."""
        now = best
        last = self.at(plan.out + kernel.OUT_LAST)
        if plan.hysteresis is not None and last == last and int(last) != best:
            held = int(last)
            margin = self.number(plan.hysteresis.margin)
            if low <= held <= high and held in utility and utility[best] - utility[held] <= margin:
                lines.append(Line("hysteresis", plan.hysteresis.role, ACTIONS[best], ACTIONS[held], _KEPT))
                now = held
        asked = int(self.at(plan.out + kernel.OUT_TEST))
        if plan.ask and asked >= 0 and low <= plan.tests[asked].action <= high:
            then = plan.tests[asked].action
            lines.append(Line("test", plan.tests[asked].name, ACTIONS[now], ACTIONS[then], _ASKED))
            now = then
        return now

    def _moves(self, plan: UtilityPlan, now: int, chosen_set: int, lines: list[Line]) -> int:
        priced = plan.priced[chosen_set]
        for adjustment in plan.adjustments:
            if adjustment.move is None or not self.holds(adjustment.row):
                continue
            kind, by = adjustment.move
            if kind == kernel.STEP:
                ahead = range(now + 1, len(ACTIONS)) if by > 0 else range(now - 1, -1, -1)
                after = next((a for a in ahead if priced[a]), now)
            else:
                after = min(now, by) if kind == kernel.AT_MOST else max(now, by)
            lines.append(Line("adjustment", adjustment.name, ACTIONS[now], ACTIONS[after], adjustment.reason))
            now = after
        return now

    def _holding(
        self,
        plan: BoundsPlan,
        floors: Sequence[RuleBound],
        ceilings: Sequence[RuleBound],
        is_floor: bool,
        action: int,
    ) -> tuple[str, str, dict[str, str]]:
        """Return which bound held an adjustment back."""
        of_rules, own = (floors, plan.floors) if is_floor else (ceilings, plan.ceilings)
        held = [*of_rules, *((each.name, each.action, each.reason) for each in own if self.holds(each.row))]
        kind = "floor" if is_floor else "ceiling"
        return next(
            ((kind, name, reason) for name, bound, reason in held if bound == action), (kind, kind, {})
        )

    def _evidence(self, plan: UtilityPlan, p: float) -> tuple[EvidenceState, ...]:
        seen = np.array([self.at(row) for row in plan.belief.rows])
        values = [self.value(self.at(each.row), each.type) for each in plan.evidence]
        return plan.belief.tell(p, seen, values)

    def _tests(
        self,
        plan: UtilityPlan,
        costs: Costs,
        p: float,
        best: int | None,
        low: int,
        high: int,
        priced: list[int],
    ) -> tuple[TestValue, ...]:
        """Return every test that could be asked for, the one worth most net first."""
        if best is None:
            return ()
        found = []
        ends = {a: costs.ends(ACTIONS[a]) for a in priced if low <= a <= high}
        for test in plan.tests:
            if self.holds(test.row):
                cost = self.number(test.cost)
                cost = max(cost, 0.0) if cost == cost else math.inf
                found.append(TestValue(test.name, _information(ends, p, test), cost))
        return tuple(sorted(found, key=lambda each: -each.net))


def information(costs: Costs, p: float, test: Test, actions: Sequence[int]) -> float:
    """Return what knowing the test's result before acting is worth, in the base currency.

    >>> costs = Costs.of({"amount": 500, "insult": 40})
    >>> test = Test("call", -1, Number(-1, 0.0), (("alarm", 0.9, 0.05), ("clear", 0.1, 0.95)), -1)
    >>> round(information(costs, 0.05, test, [0, 3]), 2)
    20.6
    """
    return _information({a: costs.ends(ACTIONS[a]) for a in actions}, p, test)


def _information(ends: Mapping[int, tuple[float, float]], p: float, test: Test) -> float:
    """Return the value of a test, given what the open actions bring."""

    def worth(a: int, fraud: float, legitimate: float) -> float:
        return fraud * ends[a][0] + legitimate * ends[a][1]

    def best(fraud: float, legitimate: float) -> int:
        return max(ends, key=lambda a: (worth(a, fraud, legitimate), -a))

    now = best(p, 1.0 - p)
    total = 0.0
    for _, of_fraud, of_legitimate in test.results:
        fraud, legitimate = p * of_fraud, (1.0 - p) * of_legitimate
        then = best(fraud, legitimate)
        total += max(worth(then, fraud, legitimate) - worth(now, fraud, legitimate), 0.0)
    return total


def _best(utility: dict[int, float], among: range) -> int | None:
    """Return the gentlest of the best actions."""
    found = [a for a in among if a in utility]
    return max(found, key=lambda a: (utility[a], -a)) if found else None


def _cheapest(costs: Costs, p: float, priced: Sequence[int]) -> int:
    def worth(a: int) -> float:
        fraud, legitimate = costs.ends(ACTIONS[a])
        return p * fraud + (1.0 - p) * legitimate

    return max(priced, key=lambda a: (worth(a), -a))
