"""Explains the decisions of one engine: gathers the facts of an event for the room `explanation`.

`Explainer(engine).decide(record)` decides an event and says why, with counterfactuals; `of_record` says
why of a decision made earlier, from its record alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from riskweave.batch import ACTIONS, Batch
from riskweave.engine.decisions import Decision, ListMatch
from riskweave.engine.engine import Engine
from riskweave.engine.explain_changes import Changes
from riskweave.engine.explain_names import Names
from riskweave.engine.matches import PatternMatch
from riskweave.engine.record import Record as DecisionRecord
from riskweave.engine.record import as_number
from riskweave.errors import EventError, StateError
from riskweave.explanation.book import Book
from riskweave.explanation.contributions import Shares, of_greatest
from riskweave.explanation.explanation import Explanation, explain
from riskweave.explanation.facts import Facts, Forced, Node, PatternProgress, Source, Threshold
from riskweave.models.explanations import Explanations
from riskweave.rules.plan import ScorecardPlan, TablePlan, TreePlan, reasons

Event = Mapping[str, object]
Known = Mapping[str, Sequence[object]]

# Before so many events of a pattern were seen it is not told as under way.
PATTERN_EVENTS_MIN = 2


class Explainer:
    """Knows the policy of an engine by name; make it once, for it compiles the policy anew."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.names = Names(engine.policy, engine.plan)
        self.changes = Changes(self.names, engine.plan)
        self.models = Explanations(engine.plan.models)
        self._version = engine.plan.version

    @property
    def book(self) -> Book:
        """Return what the policy's names are called."""
        return self.names.book

    # ---- what callers ask

    def decide(self, event: Event, known: Known | None = None) -> tuple[Decision, Explanation]:
        """Decide an event, and explain it.

        `known` are values that the customer used before, by field: counterfactuals try them. A repeated
        event is refused: explain its record.
        """
        scratch = self.engine.scratch(event)
        decision = self.engine.decide(event)
        if decision.duplicate:
            raise StateError(f"event `{decision.event_id}` was decided before; explain its record")
        return decision, self._explain(decision, event, scratch.decide, known or {})

    def _explain(
        self,
        decision: Decision,
        event: Event,
        again: Callable[[Event], Decision],
        known: Known,
    ) -> Explanation:
        batch = self.engine._one
        fields = self.changes.of(event, batch.values[:, 0], known)

        def decide(changes: Mapping[str, object]) -> str:
            try:
                return again(self.changes.record(event, changes, decision.time_ms)).action
            except EventError:
                # Not an event that could have come.
                return decision.action

        return explain(
            self.names.book,
            self._facts(
                batch,
                decision.event_id,
                decision.action,
                decision.score,
                decision.rule_numbers,
                decision.lists,
                decision.patterns,
                getattr(decision, "outcome", None),
                progress=self._progress(batch, decision.patterns),
                changeable=fields,
                decide=decide if fields else None,
            ),
        )

    def of_record(self, record: DecisionRecord) -> Explanation:
        """Explain a decision from its record: without counterfactuals, which need the history."""
        plan = self.engine.plan
        if record.policy != plan.version:
            raise StateError(
                f"the decision was made by policy version {record.policy[:12]}, this is {plan.version[:12]}"
            )
        batch = self._batch_of(record)
        numbers = {rule: number for number, rule in enumerate(self.engine.rule_ids)}
        return explain(
            self.names.book,
            self._facts(
                batch,
                record.event_id,
                record.action,
                record.score,
                tuple(numbers[rule] for rule in record.rules if rule in numbers),
                tuple(record.lists),
                tuple(record.patterns),
                record.outcome,
            ),
        )

    def _batch_of(self, record: DecisionRecord) -> Batch:
        """Return the event's columns as they were."""
        plan = self.engine.plan
        values = np.full((plan.layout.rows, 1), np.nan)
        for row, column in enumerate(self.engine.recorder.columns):
            value = record.columns.get(column.name)
            if isinstance(value, str) and plan.layout.columns[row].type.is_text:
                values[row, 0] = plan.pool.code(value)
            else:
                values[row, 0] = as_number(value)
        time_ms = np.array([record.time_ms])
        keys = np.zeros((max(plan.layout.key_rows, 1), 1), np.uint64)
        return Batch(1, values, keys, time_ms, np.array([record.watermark_ms]), np.zeros(1, np.uint64))

    # ---- the facts

    def _facts(
        self,
        batch: Batch,
        event_id: str | None,
        action: str,
        score: float,
        rules: tuple[int, ...],
        lists: tuple[ListMatch, ...],
        patterns: tuple[PatternMatch, ...],
        outcome: object,
        **others: object,
    ) -> Facts:
        column = batch.values[:, 0].copy()
        nodes, shares = self._sources(batch, column, rules, lists, patterns)
        plan = self.engine.plan
        thresholds = [
            Threshold(name, float(at))
            for name, at in zip(ACTIONS, plan.decision.thresholds, strict=True)
            if math.isfinite(at)
        ]
        return Facts(
            event_id=event_id,
            time_ms=int(batch.time_ms[0]),
            action=action,
            score=score,
            values=self.names.values(column),
            nodes=nodes,
            shares=shares,
            outcome=outcome,  # type: ignore[arg-type]
            forced=self._forced(column, score, rules, thresholds),
            models=tuple(
                (model.name, float(column[model.score_row]))
                for model in plan.models.models
                if not model.shadow and model.score_row >= 0 and not math.isnan(column[model.score_row])
            ),
            thresholds=tuple(thresholds),
            near_rules=self.names.near_rules,
            column=column,
            fired=frozenset(rules),
            **others,  # type: ignore[arg-type]
        )

    def _sources(
        self,
        batch: Batch,
        column: NDArray[np.float64],
        rules: tuple[int, ...],
        lists: tuple[ListMatch, ...],
        patterns: tuple[PatternMatch, ...],
    ) -> tuple[tuple[Node, ...], Shares]:
        """Return what counts into the risk, where the score is the greatest of the risks."""
        plan = self.engine.plan
        found: list[tuple[Node, float]] = []
        if rules:
            risk = float(column[plan.rules.risk.index])
            found.append((Node("rules", "rule", parts=self._rule_sources(rules, risk, lists)), risk))
        for info in plan.patterns.patterns:
            if column[info.hit_row] == 1.0:
                part = self._pattern_source(info.name, info.risk, info.reason, patterns)
                found.append((Node(info.name, "pattern", parts=(part,)), info.risk))
        for name, output in plan.rules.risks.items():
            risk = float(column[output.index])
            if risk > 0.0:
                table = name.partition(".")[0]
                part = self._filler_source(table, risk, batch)
                found.append((Node(table, part.kind, parts=(part,)), risk))
        explained = self.models.contributions(self.engine.state.models, batch) if plan.models.models else {}
        for model in plan.models.models:
            risk = float(column[model.score_row]) if model.risk else 0.0
            if risk > 0.0:
                parts = tuple(
                    Source("feature", name, own=amount, model=model.name)
                    for name, amount in (
                        explained[model.name].amounts if model.name in explained else {}
                    ).items()
                )
                found.append((Node(model.name, "model", parts=parts), risk))
        return tuple(node for node, _ in found), of_greatest([risk for _, risk in found])

    def _rule_sources(
        self, rules: tuple[int, ...], risk: float, lists: tuple[ListMatch, ...]
    ) -> tuple[Source, ...]:
        every = [self.engine.plan.rules.rules[number] for number in rules]
        risks = [risk if rule.risk is None else rule.risk for rule in every]
        return tuple(
            Source(
                "rule",
                rule.id,
                own,
                rule.risk,
                rule.reason,
                self.names.rule_reads[number],
                listed=tuple(
                    (match.list, match.operand, match.value)
                    for match in lists
                    if f"{match.operand} in {match.list}" in self.names.rule_lists[number]
                ),
            )
            for rule, number, own in zip(every, rules, of_greatest(risks).amounts, strict=True)
        )

    def _pattern_source(
        self, name: str, risk: float, reason: Mapping[str, str], matches: tuple[PatternMatch, ...]
    ) -> Source:
        match = next((each for each in matches if each.pattern == name), None)
        if match is None or not match.events:
            return Source("pattern", name, 1.0, risk, reason)
        counts: dict[str, int] = {}
        for each in match.events:
            counts[each.stage] = counts.get(each.stage, 0) + 1
        times = [each.time_ms for each in match.events]
        span_ms = max(times) - min(times)
        return Source("pattern", name, 1.0, risk, reason, stages=tuple(counts.items()), span_ms=span_ms)

    def _filler_source(self, name: str, risk: float, batch: Batch) -> Source:
        filler = self.engine.plan.rules.table(name)
        reads = self.names.table_reads.get(name, ())
        if isinstance(filler, ScorecardPlan):
            lost = reasons(filler, batch, 0)
            worst = next((each.text for each in lost if each.text), {})
            told = [read for each in lost for read in self.names.card_reads.get((name, each.attribute), ())]
            return Source("scorecard", name, 1.0, risk, worst, tuple(dict.fromkeys(told)) or reads)
        if isinstance(filler, TreePlan):
            return Source("tree", name, 1.0, risk, filler.reason_of(batch, 0), reads)
        assert isinstance(filler, TablePlan)
        return Source("table", name, 1.0, risk, {}, reads)

    def _forced(
        self,
        column: NDArray[np.float64],
        score: float,
        rules: tuple[int, ...],
        thresholds: Sequence[Threshold],
    ) -> tuple[Forced, ...]:
        """Return the floor or ceiling that made the action another than the risk's band."""
        plan = self.engine.plan
        by_score = max(
            [0, *(ACTIONS.index(each.action) for each in thresholds if score >= each.at)], default=0
        )
        found: list[Forced] = []
        chosen = by_score
        for kind, row in (("ceiling", plan.rules.ceiling.index), ("floor", plan.rules.floor.index)):
            limit = column[row]
            if math.isnan(limit):
                continue
            after = min(chosen, int(limit)) if kind == "ceiling" else max(chosen, int(limit))
            name = ACTIONS[int(limit)]
            every = [plan.rules.rules[number] for number in rules]
            rule = next(
                (each.id for each in every if (each.at_most if kind == "ceiling" else each.action) == name),
                "",
            )
            if after != chosen:
                found.append(Forced(kind, rule, ACTIONS[chosen], ACTIONS[after]))
            chosen = after
        return tuple(found)

    def _progress(self, batch: Batch, matches: tuple[PatternMatch, ...]) -> tuple[PatternProgress, ...]:
        """Return patterns under way for the keys of this event, the furthest of each."""
        plan, state = self.engine.plan.patterns, self.engine.state.patterns
        if not plan.patterns:
            return ()
        done = {each.pattern for each in matches}
        keys = {each.role: int(batch.keys[each.key_row, 0]) for each in plan.patterns}
        best: dict[str, PatternProgress] = {}
        for role, key in keys.items():
            for partial in state.partials(plan, role, key) if key else ():
                events = sum(len(each) for each in partial.events.values())
                info = plan.pattern(partial.pattern)
                known = best.get(partial.pattern)
                if (
                    partial.pattern in done
                    or events < PATTERN_EVENTS_MIN
                    or partial.stages_seen >= partial.stages
                    or (known is not None and known.seen >= partial.stages_seen)
                ):
                    continue
                best[partial.pattern] = PatternProgress(
                    partial.pattern, info.positive_stages, partial.stages_seen, partial.left_ms, info.reason
                )
        return tuple(best.values())
