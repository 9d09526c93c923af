"""From the columns of a decided batch to what the caller gets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from riskweave.batch import ACTIONS, Batch
from riskweave.decision.outcome import Outcome
from riskweave.decision.plan import UtilityPlan
from riskweave.decision.telling import RuleBound, Teller
from riskweave.engine.decisions import (
    Decision,
    Decisions,
    Hit,
    Kept,
    ListHits,
    ListMatch,
    Output,
    PatternHits,
    python_value,
)
from riskweave.engine.matches import PatternMatch, completed_by, made_by_time, match_at
from riskweave.expressions.types import Type
from riskweave.lists.plan import Matcher
from riskweave.patterns.plan import no_matches
from riskweave.policy.plan import Plan

if TYPE_CHECKING:
    import pyarrow as pa

    from riskweave.engine.state import State
    from riskweave.events.table import Rejected


def _bound(rule: str, action: str | None, reason: dict[str, str]) -> RuleBound | None:
    return None if action is None else (rule, ACTIONS.index(action), reason)


class Answers:
    """Knows the names, reasons and outputs of a plan."""

    def __init__(self, plan: Plan, outputs: tuple[Output, ...], rule_ids: tuple[str, ...]) -> None:
        self.plan = plan
        self.outputs = outputs
        self.rule_ids = rule_ids
        self.rows = np.array([output.row for output in outputs], np.intp)
        self._names = [output.name for output in outputs]
        self._whole = [k for k, output in enumerate(outputs) if output.type in (Type.INT, Type.TIME)]
        self._other = [
            (k, output.type)
            for k, output in enumerate(outputs)
            if output.type not in (Type.FLOAT, Type.MONEY, Type.INT, Type.TIME)
        ]
        ids = [kind.id.field.type for kind in plan.decode.types if kind.id is not None]
        # An id that is a number in the events is one in the output.
        self._id_type = "int64" if ids and all(kind is Type.INT for kind in ids) else "string"
        self._numbers = {rule: number for number, rule in enumerate(rule_ids)}
        self._teller = Teller(plan.decision)
        self._kept_rows = np.array(plan.decision.kept_rows, np.intp)
        rules = plan.rules.rules
        self._floors = [_bound(rule.id, rule.action, rule.reason) for rule in rules]
        self._ceilings = [_bound(rule.id, rule.at_most, rule.reason) for rule in rules]
        self._hits = [Hit(rule.id, rule.risk, rule.reason) for rule in plan.rules.rules]

    def one(self, state: State, batch: Batch, identity: str | None) -> Decision:
        """Return the decision of a batch of one."""
        values = batch.values.ravel().take(self.rows)
        numbers = tuple(batch.hit_rule[: batch.hit_start[1]].tolist())
        return self._decision(
            identity,
            int(batch.time_ms[0]),
            int(batch.action[0]),
            float(batch.score[0]),
            numbers,
            values,
            self.plan.pool.texts,
            self._matches(state, batch) if self.plan.lists.matchers else (),
            self._patterns(batch, completed_by(batch.matches, 0)),
            self._patterns(batch, made_by_time(batch.matches)),
            self._incomplete(state, batch) if batch.matches is not None else (),
            batch.values.ravel().take(self._kept_rows),
        )

    def at(self, decisions: Decisions, index: int) -> Decision:
        """Return one of many decisions on its own."""
        start, end = decisions.hit_start[index], decisions.hit_start[index + 1]
        identity = None if decisions.event_ids is None else decisions.event_ids[index].as_py()
        return self._decision(
            None if identity is None else str(identity),
            int(decisions.time_ms[index]),
            int(decisions.action[index]),
            float(decisions.score[index]),
            tuple(decisions.hit_rule[start:end].tolist()),
            decisions.features[:, index].copy(),
            decisions.texts,
            () if decisions.lists is None else decisions.lists.at(index),
            self._completed(decisions, index),
            (),
            (),
            decisions.kept.values[:, index].copy() if decisions.kept is not None else np.zeros(0),
        )

    def _decision(
        self,
        identity: str | None,
        time_ms: int,
        action: int,
        score: float,
        numbers: tuple[int, ...],
        values: NDArray[np.float64],
        texts: Sequence[str],
        matches: tuple[ListMatch, ...],
        patterns: tuple[PatternMatch, ...],
        elapsed: tuple[PatternMatch, ...],
        incomplete: tuple[str, ...],
        kept: NDArray[np.float64],
    ) -> Decision:
        found: list[object] = [None if value != value else value for value in values.tolist()]
        for k in self._whole:
            if found[k] is not None:
                found[k] = int(found[k])  # type: ignore[call-overload]
        for k, kind in self._other:
            if found[k] is not None:
                found[k] = python_value(found[k], kind, texts)  # type: ignore[arg-type]
        return Decision(
            identity,
            time_ms,
            ACTIONS[action],
            score,
            tuple([self._hits[number] for number in numbers]),
            dict(zip(self._names, found, strict=True)),
            matches,
            patterns,
            elapsed,
            incomplete,
            False,
            self._outcome(kept, score, numbers, texts),
            values,
            numbers,
            kept,
            self.plan.version,
        )

    def outcome(self, batch: Batch) -> Outcome | None:
        """Return what the decision of a batch of one was made of."""
        numbers = tuple(batch.hit_rule[: batch.hit_start[1]].tolist())
        kept = batch.values.ravel().take(self._kept_rows)
        return self._outcome(kept, float(batch.score[0]), numbers, self.plan.pool.texts)

    def _outcome(
        self, kept: NDArray[np.float64], score: float, numbers: tuple[int, ...], texts: Sequence[str]
    ) -> Outcome | None:
        if kept.size != self._kept_rows.size or (kept.size and np.isnan(kept).all()):
            return None

        def value(number: float, kind: Type) -> object:
            return None if number != number else python_value(number, kind, texts)

        floors = [bound for number in numbers if (bound := self._floors[number]) is not None]
        ceilings = [bound for number in numbers if (bound := self._ceilings[number]) is not None]
        return self._teller.tell(kept, score, floors, ceilings, value)

    def _patterns(self, batch: Batch, numbers: NDArray[np.int64]) -> tuple[PatternMatch, ...]:
        matches = batch.matches
        if matches is None:
            return ()
        return tuple(match_at(self.plan.patterns, matches, number) for number in numbers.tolist())

    def _incomplete(self, state: State, batch: Batch) -> tuple[str, ...]:
        """Return the patterns of which this event's key lost partial matches to a cap lately."""
        if not state.patterns.has_losses:
            return ()
        time_ms = int(batch.time_ms[0])
        return tuple(
            each.name
            for each in self.plan.patterns.patterns
            if state.patterns.could_be_affected(
                self.plan.patterns, each.name, int(batch.keys[each.key_row, 0]), time_ms
            )
        )

    def _completed(self, decisions: Decisions, index: int) -> tuple[PatternMatch, ...]:
        hits = decisions.patterns
        if hits is None:
            return ()
        return tuple(
            match_at(hits.plan, hits.matches, at) for at in completed_by(hits.matches, index).tolist()
        )

    def _pattern_hits(self, batch: Batch) -> PatternHits | None:
        plan = self.plan.patterns
        if not plan.patterns:
            return None
        rows, numbers = np.nonzero(batch.values[plan.hit_rows].T == 1.0)
        start = np.searchsorted(rows, np.arange(batch.size + 1))
        matches = no_matches() if batch.matches is None else batch.matches
        return PatternHits(plan, start.astype(np.int64), numbers.astype(np.int32), matches)

    def _repeated_hits(self, answers: list[Decision]) -> PatternHits | None:
        """Return the pattern hits of first answers, as far as this plan has them; no match is told again."""
        plan = self.plan.patterns
        if not plan.patterns:
            return None
        numbers = {each.name: each.number for each in plan.patterns}
        hits = [
            sorted({numbers[each.pattern] for each in answer.patterns if each.pattern in numbers})
            for answer in answers
        ]
        start = np.concatenate([[0], np.cumsum([len(each) for each in hits])]).astype(np.int64)
        number = np.array([each for found in hits for each in found], np.int32)
        return PatternHits(plan, start, number, no_matches())

    def _matches(self, state: State, batch: Batch) -> tuple[ListMatch, ...]:
        found = []
        for matcher in self.plan.lists.matchers:
            number = batch.values[matcher.target, 0]
            if number == number:
                found.append(self._list_match(state, matcher, int(number)))
        return tuple(found)

    def _list_hits(self, state: State, batch: Batch) -> ListHits | None:
        matchers = self.plan.lists.matchers
        if not matchers:
            return None
        numbers = batch.values[[matcher.target for matcher in matchers]].T
        rows, columns = np.nonzero(~np.isnan(numbers))
        # Few entries match many events: each is looked up once.
        pairs = numbers[rows, columns].astype(np.int64) * len(matchers) + columns
        distinct, which = np.unique(pairs, return_inverse=True)
        entries = []
        for pair in distinct.tolist():
            number, column = divmod(pair, len(matchers))
            entries.append(self._list_match(state, matchers[column], number))
        start = np.searchsorted(rows, np.arange(batch.size + 1)).astype(np.int64)
        return ListHits(start, which.astype(np.int32), entries)

    def _list_match(self, state: State, matcher: Matcher, number: int) -> ListMatch:
        name = self.plan.lists.lists[matcher.list].name
        entry = state.lists.entry(name, number)
        return ListMatch(name, matcher.operand, entry.value, entry.by, entry.why)

    def many(
        self,
        state: State,
        batch: Batch,
        event_ids: pa.Array | None,
        rows: NDArray[np.int64],
        rejected: list[Rejected],
    ) -> Decisions:
        """Return the decisions of a batch; nothing in them belongs to the batch any more."""
        return Decisions(
            self.outputs,
            self.rule_ids,
            self.plan.pool.texts,
            None if event_ids is None else event_ids.cast(self._id_type),
            batch.time_ms,
            batch.score,
            batch.action,
            batch.values[self.rows],
            batch.hit_start,
            batch.hit_rule[: batch.hit_start[-1]],
            rows,
            np.zeros(batch.size, np.bool_),
            self._pattern_hits(batch),
            rejected,
            Kept(self.plan.decision, batch.values[self._kept_rows]),
            self._list_hits(state, batch),
        )

    def none(self) -> Decisions:
        """Return no decisions."""
        return self.several([], np.zeros(0, np.int64))

    def several(self, answers: list[Decision], rows: NDArray[np.int64]) -> Decisions:
        """Return first answers, given again, as columns; of an earlier policy's, what this one has too."""
        import pyarrow as pa

        values = [self._values(answer) for answer in answers]
        hits = [[self._numbers[rule] for rule in answer.rules if rule in self._numbers] for answer in answers]
        counts = [len(each) for each in hits]
        return Decisions(
            self.outputs,
            self.rule_ids,
            self.plan.pool.texts,
            pa.array([answer.event_id for answer in answers], pa.string()).cast(self._id_type),
            np.array([answer.time_ms for answer in answers], np.int64),
            np.array([answer.score for answer in answers], np.float64),
            np.array([ACTIONS.index(answer.action) for answer in answers], np.int8),
            np.array(values, np.float64).reshape(len(answers), len(self.rows)).T.copy(),
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            np.array([number for each in hits for number in each], np.int32),
            rows,
            np.ones(len(answers), np.bool_),
            self._repeated_hits(answers),
            kept=Kept(self.plan.decision, self._kept(answers)),
            lists=ListHits.of([answer.lists for answer in answers]) if self.plan.lists.matchers else None,
        )

    def _kept(self, answers: list[Decision]) -> NDArray[np.float64]:
        """Return the numbers that first answers were made with; NaN for those of an earlier policy."""
        plan = self.plan.decision
        found = np.full((len(plan.kept_rows), len(answers)), np.nan)
        for k, answer in enumerate(answers):
            if answer.policy != self.plan.version:
                continue
            found[:, k] = answer.kept
            if not isinstance(plan, UtilityPlan) or answer.outcome is None:
                continue
            # Codes of texts may have changed their meaning since: the texts themselves have not.
            said = {each.node: each.value for each in answer.outcome.evidence}
            for each in plan.evidence:
                if each.type.is_text and isinstance(text := said.get(each.node), str):
                    found[plan.kept_rows.index(each.row), k] = self.plan.pool.code(text)
        return found

    def _values(self, answer: Decision) -> list[float]:
        """Return an answer's features as a row of this plan's outputs."""
        values = []
        for output in self.outputs:
            value = answer.features.get(output.name)
            if value is None:
                values.append(np.nan)
            elif isinstance(value, str):
                values.append(float(self.plan.pool.code(value)))
            else:
                values.append(float(value))  # type: ignore[arg-type]
        return values
