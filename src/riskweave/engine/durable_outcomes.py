"""Outcomes of stored blocks: told by the plan that decided, from the numbers that were kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import numpy as np

from riskweave.decision.outcome import Outcome, ToldLater
from riskweave.engine.answers import Answers
from riskweave.engine.durable_ladder import RULES, plainly
from riskweave.engine.engine import Engine
from riskweave.policy.policy import Policy

KeptValue = float | str | None


class Outcomes:
    """Tells outcomes under the policies that were in force; each is compiled when one is first asked for."""

    def __init__(self, policy: Callable[[int], Policy]) -> None:
        self._policy = policy
        self._known: dict[tuple[int, bool], Answers] = {}
        self._lock = threading.Lock()

    def later(
        self, policy: int, rung: int, kept: Sequence[KeptValue], score: float, rules: Sequence[int]
    ) -> Outcome:
        """Return the outcome of a decision; nothing is worked out before somebody looks at it."""
        return ToldLater(lambda: self._told(policy, rung >= RULES, kept, score, tuple(rules)))

    def _told(
        self, policy: int, plain: bool, kept: Sequence[KeptValue], score: float, rules: tuple[int, ...]
    ) -> Outcome:
        with self._lock:
            answers = self._answers(policy, plain)
            pool = answers.plan.pool
            numbers = np.array(
                [
                    np.nan if each is None else float(pool.code(each)) if isinstance(each, str) else each
                    for each in kept
                ],
                np.float64,
            )
            found = answers._outcome(numbers, score, rules, pool.texts)
            return found or Outcome(answers.plan.decision.integrator)

    def _answers(self, policy: int, plain: bool) -> Answers:
        key = policy, plain
        if key not in self._known:
            engine = Engine(self._policy(policy))
            self._known[key] = (
                Answers(plainly(engine.plan), engine.outputs, engine.rule_ids) if plain else engine.answers
            )
        return self._known[key]
