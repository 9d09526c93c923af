"""Costs of a compiled policy at any amount: to draw who wins where, and to refuse what never wins.

All that is known of an imagined event is its amount and what the policy says to `assume`; the
policy's own programs compute the rest, so the numbers are those that a real event would have.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from riskweave.batch import ACTIONS, Layout, empty_batch
from riskweave.decision.compile import DecisionCompiler
from riskweave.decision.envelope import Loser, losers
from riskweave.decision.money import NUMBERS, Costs, bounded
from riskweave.decision.plan import UtilityPlan
from riskweave.decision.spec import CostsSpec
from riskweave.errors import PolicyError
from riskweave.expressions import run as expressions
from riskweave.expressions.program import Program
from riskweave.expressions.strings import StringPool
from riskweave.expressions.types import Col, Op, Type, Typed


@dataclass
class Judge:
    """Imagines events of a compiled policy."""

    compiler: DecisionCompiler
    plan: UtilityPlan
    layout: Layout
    programs: tuple[Program, ...]
    pool: StringPool
    _known: dict[tuple[int, float], Costs] = field(default_factory=dict)
    _strings: expressions.StringTables = field(init=False)

    def __post_init__(self) -> None:
        self._strings = expressions.StringTables(self.programs, self.pool)

    def priced(self, number: int) -> list[str]:
        """Return the actions that a set of costs has a price for."""
        return [action for a, action in enumerate(ACTIONS) if self.plan.priced[number, a]]

    def unknown(self, number: int) -> list[str]:
        """Return which numbers of a set depend on more than the amount and what is assumed."""
        values = self._values(number, 1.0)
        return [
            name
            for name, each in zip(NUMBERS, self.plan.numbers[number], strict=False)
            if each.row >= 0 and np.isnan(values[each.row, 0])
        ]

    def costs_at(self, number: int, amount: float) -> Costs:
        """Return a set's costs at an amount; a number that stays unknown has its default."""
        known = self._known.get((number, amount))
        if known is None:
            values = self._values(number, amount)
            found = []
            for k, each in enumerate(self.plan.numbers[number]):
                value = each.const if each.row < 0 else float(values[each.row, 0])
                found.append(value if value == value else float(self.plan.defaults[k]))
            known = self._known[number, amount] = Costs(bounded(found))
        return known

    def _values(self, number: int, amount: float) -> NDArray[np.float64]:
        batch = empty_batch(self.layout, 1)
        columns = list(columns_in(self.compiler.amounts[number]))
        money = [each for each in columns if each.type is Type.MONEY]
        rows = {each.index: amount for each in (money or columns)[:1]} | self.compiler.assumed
        for program in self.programs:
            for row, value in rows.items():
                batch.values[row, 0] = value
            expressions.step(program, self._strings, batch)
        return batch.values


def columns_in(node: Typed) -> Iterator[Col]:
    """Yield the columns that a value is computed from."""
    if isinstance(node, Col):
        yield node
    elif isinstance(node, Op):
        for each in node.args:
            yield from columns_in(each)


def refuse_losers(judge: Judge) -> None:
    """Raise for the first action that can never win, naming what beats it."""
    for number, spec in enumerate(judge.compiler.spec.costs):
        if judge.unknown(number):
            continue
        low, high = judge.compiler.spec.amounts
        costs_at = partial(judge.costs_at, number)
        for lost in losers(costs_at, judge.priced(number), low, high):
            raise _refusal(spec, lost, (low, high))


def _refusal(spec: CostsSpec, lost: Loser, amounts: tuple[float, float]) -> PolicyError:
    beaten = (
        f"{lost.dominator} is at least as good whatever the amount and the probability of fraud"
        if lost.dominator
        else f"{lost.winner} brings {lost.shortfall:.4g} more even where it comes closest "
        f"(amount {lost.amount:.4g}, probability {lost.probability:.2g})"
    )
    return PolicyError(
        f"costs `{spec.name}`: {lost.action} can never win for amounts from {amounts[0]:g} to {amounts[1]:g}",
        spec.spans.get(lost.action, spec.span),
        f"{beaten}: change what it costs, or take its costs away and leave it to rules",
    )
