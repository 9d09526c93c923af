"""What moved the belief of one decision: nodes of evidence, what fired in each, and shares that add up.

Under `utility` with a network the nodes are the network's evidence; with a probability of the policy's
own, that one. Under `weighted` they are rules, patterns and the model; under `maximum` everything that
has a risk is a node of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskweave.batch import Batch
from riskweave.decision.belief import ColumnBelief, NetworkBelief
from riskweave.decision.networks.compiled import posterior_many
from riskweave.decision.outcome import EvidenceState, Outcome
from riskweave.decision.plan import MaximumPlan, UtilityPlan, WeightedPlan
from riskweave.engine.decisions import ListMatch
from riskweave.engine.explain_names import Names
from riskweave.engine.matches import PatternMatch
from riskweave.errors import Span
from riskweave.explanation.contributions import (
    RISK_LEAST,
    RISK_MOST,
    Shares,
    log_odds,
    of_belief,
    of_greatest,
)
from riskweave.explanation.facts import Node, Source
from riskweave.expressions.parse import parse
from riskweave.expressions.syntax import Dotted, Name
from riskweave.kernels import decide as kernel
from riskweave.models.explanations import Explanations
from riskweave.models.plan import ModelsState
from riskweave.policy.plan import Plan
from riskweave.rules.plan import ScorecardPlan, TablePlan, TreePlan, reasons

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Fired:
    """What fired for one event."""

    batch: Batch
    column: Floats
    rules: tuple[int, ...]
    lists: tuple[ListMatch, ...]
    patterns: tuple[PatternMatch, ...]
    models: ModelsState
    outcome: Outcome | None


class Sources:
    """Tells what fired, by the room it comes from, with the risk or log-odds it has of its own."""

    def __init__(self, names: Names, plan: Plan) -> None:
        self.names = names
        self.plan = plan
        self.models = Explanations(plan.models)

    def rules(self, fired: Fired) -> list[tuple[Source, float]]:
        """Return the rules hit, each with its risk; a computed risk is held for that of all."""
        risk_of_all = float(fired.column[self.plan.rules.risk.index])
        found = []
        for number in fired.rules:
            rule = self.plan.rules.rules[number]
            listed = tuple(
                (match.list, match.operand, match.value)
                for match in fired.lists
                if f"{match.operand} in {match.list}" in self.names.rule_lists[number]
            )
            source = Source(
                "rule",
                rule.id,
                risk=rule.risk,
                reason=rule.reason,
                reads=self.names.rule_reads[number],
                listed=listed,
            )
            found.append((source, risk_of_all if rule.risk is None else rule.risk))
        return found

    def patterns(self, fired: Fired) -> list[tuple[Source, float]]:
        """Return the patterns that this event completed, with their risks."""
        found = []
        for info in self.plan.patterns.patterns:
            if fired.column[info.hit_row] != 1.0:
                continue
            match = next((each for each in fired.patterns if each.pattern == info.name), None)
            counts: dict[str, int] = {}
            span_ms = 0
            if match is not None and match.events:
                for each in match.events:
                    counts[each.stage] = counts.get(each.stage, 0) + 1
                times = [each.time_ms for each in match.events]
                span_ms = max(times) - min(times)
            source = Source(
                "pattern",
                info.name,
                risk=info.risk,
                reason=info.reason,
                stages=tuple(counts.items()),
                span_ms=span_ms,
            )
            found.append((source, info.risk))
        return found

    def tables(self, fired: Fired, only: Iterable[str] | None = None) -> list[tuple[Source, float]]:
        """Return the tables, scorecards and trees with a risk."""
        found = []
        for name, output in self.plan.rules.risks.items():
            table = name.partition(".")[0]
            risk = float(fired.column[output.index])
            if risk > 0.0 and (only is None or table in only):
                found.append((self._table(table, risk, fired.batch), risk))
        return found

    def _table(self, name: str, risk: float, batch: Batch) -> Source:
        filler = self.plan.rules.table(name)
        reads = self.names.table_reads.get(name, ())
        if isinstance(filler, ScorecardPlan):
            lost = reasons(filler, batch, 0)
            worst = next((each.text for each in lost if each.text), {})
            told = [read for each in lost for read in self.names.card_reads.get((name, each.attribute), ())]
            reads = tuple(dict.fromkeys(told)) or reads
            return Source("scorecard", name, risk=risk, reason=worst, reads=reads)
        if isinstance(filler, TreePlan):
            return Source("tree", name, risk=risk, reason=filler.reason_of(batch, 0), reads=reads)
        assert isinstance(filler, TablePlan)
        return Source("table", name, risk=risk, reads=reads)

    def features(self, model: str, fired: Fired) -> list[Source]:
        """Return what each feature of a model added to its log-odds."""
        explained = self.models.contributions(fired.models, fired.batch).get(model)
        if explained is None:
            return []
        return [
            Source("feature", name, own=amount, model=model) for name, amount in explained.amounts.items()
        ]


def shared(found: Sequence[tuple[Source, float]]) -> tuple[Source, ...]:
    """Return sources with what each adds to the greatest of their risks, in log-odds."""
    amounts = of_greatest([risk for _, risk in found]).amounts
    return tuple(_with_own(source, own) for (source, _), own in zip(found, amounts, strict=True))


def _with_own(source: Source, own: float) -> Source:
    return Source(
        source.kind,
        source.name,
        own,
        source.risk,
        source.reason,
        source.reads,
        source.stages,
        source.span_ms,
        source.listed,
        source.model,
    )


class Beliefs:
    """Says, for the decisions of one plan, which evidence moved the belief and by how much."""

    def __init__(self, names: Names, plan: Plan) -> None:
        self.names = names
        self.plan = plan
        self.sources = Sources(names, plan)
        self.order = _read_by_evidence(names)
        self.reads = {node: frozenset(read) for node, read in self.order.items()}

    def of(self, fired: Fired) -> tuple[tuple[Node, ...], Shares]:
        """Return the nodes, and the shares of their evidence in the same order."""
        decision = self.plan.decision
        if isinstance(decision, MaximumPlan):
            return self._greatest(fired)
        if isinstance(decision, WeightedPlan):
            return self._weighted(decision, fired)
        return self._utility(decision, fired)

    # ---- bands

    def _greatest(self, fired: Fired) -> tuple[tuple[Node, ...], Shares]:
        sources = self.sources
        found: list[tuple[Node, float]] = []
        rules = sources.rules(fired)
        if rules:
            found.append((Node("rules", "rule", parts=shared(rules)), max(risk for _, risk in rules)))
        for source, risk in [*sources.patterns(fired), *sources.tables(fired)]:
            found.append((Node(source.name, source.kind, parts=(_with_own(source, 1.0),)), risk))
        for model in self.plan.models.models:
            risk = float(fired.column[model.score_row]) if model.risk else 0.0
            if risk > 0.0:
                parts = tuple(sources.features(model.name, fired))
                found.append((Node(model.name, "model", parts=parts), risk))
        return tuple(node for node, _ in found), of_greatest([risk for _, risk in found])

    def _weighted(self, plan: WeightedPlan, fired: Fired) -> tuple[tuple[Node, ...], Shares]:
        """Share the weighted sum's log-odds: three nodes, every set of them."""
        column, sources = fired.column, self.sources
        own = [float(column[row]) for row in plan.risk_rows]
        risks = [max([0.0, *(risk for risk in own if risk == risk)])]
        for row in (plan.pattern_row, plan.model_row):
            risk = float(column[row]) if row >= 0 else 0.0
            risks.append(risk if risk == risk else 0.0)
        rules = [*sources.rules(fired), *sources.tables(fired)]
        model = next((each.name for each in self.plan.models.models if each.score_row == plan.model_row), "")
        nodes = (
            Node("rules", "rule", parts=shared(rules)) if rules else Node("rules", "none"),
            _group("patterns", "pattern", shared(sources.patterns(fired))),
            Node(model, "model", parts=tuple(sources.features(model, fired)))
            if model
            else Node("model", "none"),
        )
        amounts = plan.weights * np.minimum(np.array(risks), 1.0)

        def belief(known: Bools) -> Floats:
            return log_odds(np.clip(known @ amounts, RISK_LEAST, RISK_MOST))

        return nodes, of_belief(belief, len(nodes))

    # ---- utility

    def _utility(self, plan: UtilityPlan, fired: Fired) -> tuple[tuple[Node, ...], Shares]:
        belief = plan.belief
        told = {each.node: each for each in (fired.outcome.evidence if fired.outcome else ())}
        if isinstance(belief, NetworkBelief):
            return self._network(belief, fired, told)
        assert isinstance(belief, ColumnBelief)
        p = float(fired.column[plan.out + kernel.OUT_BELIEF])
        prior, posterior = (float(each) for each in log_odds(np.array([belief.prior, p])))
        model = next((each.name for each in self.plan.models.models if each.score_row == belief.row), None)
        if model is not None:
            node = Node(model, "model", parts=tuple(self.sources.features(model, fired)))
        else:
            node = Node(belief.name, value=told[belief.name].value if belief.name in told else None)
        return (node,), Shares(prior, (posterior - prior,), posterior)

    def _network(
        self, belief: NetworkBelief, fired: Fired, told: Mapping[str, EvidenceState]
    ) -> tuple[tuple[Node, ...], Shares]:
        """Share the posterior over the evidence that was observed."""
        size = len(belief.names)
        indices = np.empty((size, 1), np.int64)
        kernel.put_states(
            np.ascontiguousarray(fired.column.reshape(-1, 1)), belief.nodes, belief.cuts, indices
        )
        unknown = belief.nodes[:, 4]
        there = np.flatnonzero(indices[:, 0] != unknown)
        nodes = tuple(self._node(belief.names[k], int(indices[k, 0]), belief, fired, told) for k in there)

        def given(known: Bools) -> Floats:
            states = np.repeat(unknown[:, None], len(known), axis=1)
            states[there] = np.where(known.T, indices[there], states[there])
            posterior = np.empty((len(belief.network[belief.target].states), len(known)))
            posterior_many(belief.compiled, states, posterior)
            out = np.empty((1, len(known)))
            kernel.put_posterior(posterior, belief.fraud, belief.prior, out, 0)
            return log_odds(out[0])

        return nodes, of_belief(given, len(nodes))

    def _node(
        self,
        name: str,
        state: int,
        belief: NetworkBelief,
        fired: Fired,
        told: Mapping[str, EvidenceState],
    ) -> Node:
        """Return a node of evidence with what fired in it: of the columns that its expression reads."""
        reads = self.reads.get(name, frozenset())
        risks: list[tuple[Source, float]] = []
        if "rules" in reads:
            risks += self.sources.rules(fired)
        patterns = {each.name for each in self.plan.patterns.patterns}
        risks += [
            each
            for each in (self.sources.patterns(fired) if reads & {"patterns", *patterns} else ())
            if "patterns" in reads or each[0].name in reads
        ]
        risks += self.sources.tables(fired, reads)
        parts = list(shared(risks))
        for model in self.plan.models.models:
            if model.name in reads and model.score_row >= 0:
                parts += self.sources.features(model.name, fired)
        value = told[name].value if name in told else None
        label = belief.network[name].states[state]
        known = {**self.names.fields, **self.names.features}
        named = tuple(each for each in self.order.get(name, ()) if each in known)
        return Node(name, "evidence", value, label, tuple(parts), named)


def _group(name: str, kind: str, parts: tuple[Source, ...]) -> Node:
    return Node(name, kind, parts=parts) if parts else Node(name, "none")


def _read_by_evidence(names: Names) -> dict[str, tuple[str, ...]]:
    """Return the names that each piece of evidence reads: `rules`, `patterns`, models, tables, features."""
    return {
        each.node: tuple(dict.fromkeys(_names(parse(each.value.text(), Span()))))
        for each in names.compilation.decision.spec.evidence
    }


def _names(expr: object) -> Iterable[str]:
    if isinstance(expr, Name):
        yield expr.name
    elif isinstance(expr, Dotted):
        yield expr.path[0]
    elif isinstance(expr, (tuple, list)):
        for each in expr:
            yield from _names(each)
    elif hasattr(expr, "__dataclass_fields__") and not isinstance(expr, Span):
        for field in expr.__dataclass_fields__:
            yield from _names(getattr(expr, field))


def crossing(
    here: float, brings: Callable[[int, float], float], action: int, others: Iterable[int]
) -> tuple[int, float] | None:
    """Return the least probability above `here` at which another action brings more than `action`."""
    best: tuple[int, float] | None = None
    for other in others:
        gap_0 = brings(other, 0.0) - brings(action, 0.0)
        gap_1 = brings(other, 1.0) - brings(action, 1.0)
        if gap_1 <= 0.0 or gap_1 == gap_0:
            continue
        at = -gap_0 / (gap_1 - gap_0)
        if here < at <= 1.0 and (best is None or at < best[1]) and math.isfinite(at):
            best = (other, at)
    return best
