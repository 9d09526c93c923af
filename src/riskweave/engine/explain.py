"""Explains the decisions of one engine: gathers the facts of an event for the room `explanation`.

`Explainer(engine).decide(record)` decides an event and says why, with counterfactuals; `of_record` says
why of a decision made earlier, from its record alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from riskweave.batch import ACTIONS, Batch, empty_batch
from riskweave.decision.belief import ColumnBelief, NetworkBelief
from riskweave.decision.learned import Version
from riskweave.decision.outcome import Outcome
from riskweave.decision.plan import UtilityPlan
from riskweave.decision.telling import Teller
from riskweave.engine.decisions import Decision, ListMatch
from riskweave.engine.engine import Engine
from riskweave.engine.explain_belief import Beliefs, Fired, crossing
from riskweave.engine.explain_changes import Changes
from riskweave.engine.explain_names import Names
from riskweave.engine.matches import PatternMatch
from riskweave.engine.record import Record as DecisionRecord
from riskweave.engine.record import as_number
from riskweave.errors import EventError, StateError
from riskweave.events.record import decode_record
from riskweave.explanation.book import Book
from riskweave.explanation.codes import Code, listed
from riskweave.explanation.counterfactuals import Search
from riskweave.explanation.explanation import Explanation, explain
from riskweave.explanation.facts import Facts, Forced, PatternProgress, Threshold
from riskweave.rules.plan import ScorecardPlan, TablePlan, TreePlan

_KINDS = {TablePlan: "table", ScorecardPlan: "scorecard", TreePlan: "tree"}

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
        self.beliefs = Beliefs(self.names, engine.plan)
        self._decoded = empty_batch(engine.plan.layout, 1)
        self.teller = Teller(engine.plan.decision)

    @property
    def book(self) -> Book:
        """Return what the policy's names are called."""
        return self.names.book

    def codes(self) -> list[Code]:
        """Return every reason code that an explanation of this policy can give."""
        plan = self.engine.plan
        reasons = [("rule", rule.id, rule.reason) for rule in plan.rules.rules]
        reasons += [("pattern", each.name, each.reason) for each in plan.patterns.patterns]
        for name in plan.rules.risks:
            table = name.partition(".")[0]
            reasons.append((_KINDS[type(plan.rules.table(table))], table, {}))
        reasons += [("model", model.name, {}) for model in plan.models.models]
        features = [
            (model.name, feature.name)
            for model in plan.models.models
            if model.scoring is not None
            for feature in model.scoring.artifact.about.features
        ]
        belief = getattr(plan.decision, "belief", None)
        evidence: list[tuple[str, tuple[str, ...]]] = []
        if isinstance(belief, NetworkBelief):
            evidence = [(name, tuple(belief.network[name].states)) for name in belief.names]
        elif isinstance(belief, ColumnBelief):
            evidence = [(belief.name, ())]
        return listed(self.book, reasons, features, evidence)

    # ---- what callers ask

    def decide(self, event: Event, known: Known | None = None) -> tuple[Decision, Explanation]:
        """Decide an event, and explain it.

        `known` are values that the customer used before, by field: counterfactuals try them. A repeated
        event is refused: explain its record.
        """
        # All variations are asked before the event is decided: then they meet what it meets.
        search = self._search(event, known or {})
        decision = self.engine.decide(event)
        if decision.duplicate:
            raise StateError(f"event `{decision.event_id}` was decided before; explain its record")
        batch = self.engine._one
        facts = self._facts(
            batch,
            decision.event_id,
            decision.action,
            decision.score,
            decision.rule_numbers,
            decision.lists,
            decision.patterns,
            decision.outcome,
            progress=self._progress(batch, decision.patterns),
            counterfactuals=tuple(search.found) if search.action == decision.action else (),
            decisions=search.asked,
        )
        return decision, explain(self.book, facts)

    def _search(self, event: Event, known: Known) -> Search:
        """Return a search for counterfactuals that is done."""
        engine = self.engine
        scratch = engine.scratch(event)
        action, _ = scratch.act()
        batch = self._decoded
        batch.values.fill(np.nan)
        decode_record(engine.plan.decode, event, batch, 0, engine.state.events)
        time_ms = int(batch.time_ms[0])

        def decide(changes: Mapping[str, object]) -> str:
            try:
                return scratch.act(self.changes.record(event, changes, time_ms))[0]
            except EventError:
                # Not an event that could have come.
                return action

        search = Search(action, decide)
        search.run(self.changes.of(event, batch.values[:, 0], known))
        return search

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

    def of_stored(self, decision: Decision, event: Event) -> Explanation:
        """Explain a decision from what a journal keeps: the event, the features, and what was hit.

        Columns without a name are not known, so near misses that need them are not told.
        """
        plan = self.engine.plan
        batch = empty_batch(plan.layout, 1)
        batch.values.fill(np.nan)
        decode_record(plan.decode, event, batch, 0, self.engine.state.events)
        for name, column in plan.outputs:
            value = decision.features.get(name)
            is_text = isinstance(value, str) and column.type.is_text
            batch.values[column.index, 0] = plan.pool.code(str(value)) if is_text else as_number(value)  # type: ignore[arg-type]
        if decision.kept.size == len(plan.decision.kept_rows):
            batch.values[list(plan.decision.kept_rows), 0] = decision.kept
        numbers = {rule: number for number, rule in enumerate(self.engine.rule_ids)}
        return explain(
            self.names.book,
            self._facts(
                batch,
                decision.event_id,
                decision.action,
                decision.score,
                tuple(numbers[rule] for rule in decision.rules if rule in numbers),
                decision.lists,
                decision.patterns,
                decision.outcome,
            ),
        )

    def _batch_of(self, record: DecisionRecord) -> Batch:
        """Return the event's columns as they were."""
        plan = self.engine.plan
        values = np.full((plan.layout.rows, 1), np.nan)
        recorder = self.engine.recorder
        texts = set(recorder.text_rows.tolist())
        for row, name in enumerate(recorder.names):
            value = record.columns.get(name)
            is_text = isinstance(value, str) and row in texts
            values[row, 0] = plan.pool.code(str(value)) if is_text else as_number(value)
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
        outcome: Outcome | None,
        **others: object,
    ) -> Facts:
        column = batch.values[:, 0].copy()
        plan = self.engine.plan
        fired = Fired(
            batch, column, rules, lists, patterns, self.engine.state.models, outcome, self._version()
        )
        nodes, shares = self.beliefs.of(fired)
        lines = () if outcome is None else outcome.lines
        return Facts(
            event_id=event_id,
            time_ms=int(batch.time_ms[0]),
            action=action,
            score=score,
            values=self.names.values(column),
            nodes=nodes,
            shares=shares,
            outcome=outcome,
            forced=tuple(
                Forced(each.kind, each.name, each.before, each.after, each.reason)
                for each in lines
                if each.kind in ("floor", "ceiling")
            ),
            models=tuple(
                (model.name, float(column[model.score_row]))
                for model in plan.models.models
                if not model.shadow and model.score_row >= 0 and not math.isnan(column[model.score_row])
            ),
            thresholds=tuple(self._thresholds(column, action, outcome)),
            near_rules=self.names.near_rules,
            column=column,
            fired=frozenset(rules),
            **others,  # type: ignore[arg-type]
        )

    def _version(self) -> Version | None:
        """Return the version of a network that learns that is in force now."""
        learning = self.engine.state.decision.learning
        return None if learning is None else learning.version

    def _thresholds(
        self, column: NDArray[np.float64], action: str, outcome: Outcome | None
    ) -> list[Threshold]:
        """Return from where on harder actions are chosen: the bands, or where utilities cross."""
        decision = self.engine.plan.decision
        if not isinstance(decision, UtilityPlan):
            pairs = zip(ACTIONS, decision.thresholds.tolist(), strict=True)
            return [Threshold(name, at) for name, at in pairs if math.isfinite(at)]
        costs = self.teller.costs(column[list(decision.kept_rows)], lambda number, _: number)
        if costs is None or outcome is None or outcome.probability is None:
            return []
        rank = ACTIONS.index(action)
        open_ = [ACTIONS.index(each.action) for each in outcome.economics if each.open]
        if rank not in open_:
            return []

        def brings(other: int, p: float) -> float:
            return sum(costs.parts(ACTIONS[other], p).values())

        found = crossing(outcome.probability, brings, rank, [each for each in open_ if each > rank])
        return [] if found is None else [Threshold(ACTIONS[found[0]], found[1])]

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
