"""An explanation: one sentence, then what moved the decision, its economics, what almost fired, what
would have changed it.

Made of messages, so that it can be said in any language of the catalogue.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from riskweave.batch import ACTIONS
from riskweave.decision.outcome import ActionValue, EvidenceState, Line, Outcome, TestValue
from riskweave.explanation.book import Book, Fact
from riskweave.explanation.catalogue import MESSAGES
from riskweave.explanation.contributions import fitted
from riskweave.explanation.counterfactuals import Changed
from riskweave.explanation.facts import Facts, Node, PatternProgress, Source, Threshold
from riskweave.explanation.near_misses import Missing, NearRule
from riskweave.explanation.sentence import sentence
from riskweave.explanation.speech import Said, Speech, Value, Written
from riskweave.expressions.text import render
from riskweave.expressions.types import Col, Type

# A threshold this near in probability is told.
THRESHOLD_NEAR = 0.1
# A pattern is told from this part of its stages on.
PROGRESS_NEAR = 0.5
NEAR_MAX = 6


@dataclass(frozen=True, slots=True)
class Contribution:
    """Something that moved the log-odds, by how much, and the facts behind it."""

    kind: str
    name: str
    node: str
    log_odds: float
    said: Speech
    code: str
    reason: Speech | None = None
    value: Value | None = None
    usual: Value | None = None
    facts: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A rule, pattern or threshold that almost made a difference; `distance` grows with what is missing."""

    kind: str
    name: str
    distance: float
    said: Speech


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another action, and the smallest change found that gives it: decided, not guessed."""

    action: str
    gentler: bool
    changes: tuple[tuple[str, Value, Value], ...]
    said: Speech


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why an event got its action. `prior` and `posterior` are log-odds; contributions lead from one to
    the other."""

    event_id: str | None
    time_ms: int
    action: str
    score: float
    summary: Speech
    contributions: tuple[Contribution, ...]
    prior: float | None
    posterior: float | None
    exact: bool
    evidence: tuple[EvidenceState, ...]
    economics: tuple[ActionValue, ...]
    tests: tuple[TestValue, ...]
    lines: tuple[Speech, ...]
    near_misses: tuple[NearMiss, ...]
    alternatives: tuple[Alternative, ...]
    codes: tuple[str, ...]
    book: Book
    decisions: int = 0

    @property
    def probability(self) -> float | None:
        """Return the posterior as a probability; None when there is no belief."""
        return None if self.posterior is None else 1.0 / (1.0 + math.exp(-self.posterior))


def explain(book: Book, facts: Facts) -> Explanation:
    """Return the explanation of one decided event."""
    contributions = _contributions(book, facts)
    outcome = facts.outcome or Outcome("")
    shares = facts.shares
    return Explanation(
        event_id=facts.event_id,
        time_ms=facts.time_ms,
        action=facts.action,
        score=facts.score,
        summary=sentence(book, facts, contributions),
        contributions=contributions,
        prior=None if shares is None else shares.prior,
        posterior=None if shares is None else shares.posterior,
        exact=shares is None or shares.exact,
        evidence=tuple(_unmasked(book, each) for each in outcome.evidence),
        economics=outcome.economics,
        tests=tuple(sorted(outcome.tests, key=lambda each: -each.net)),
        lines=tuple(_line(each) for each in _lines(facts, outcome)),
        near_misses=_near_misses(book, facts),
        alternatives=_alternatives(book, facts),
        codes=_codes(contributions),
        book=book,
        decisions=facts.decisions,
    )


def _unmasked(book: Book, each: EvidenceState) -> EvidenceState:
    value = book.value(each.node, each.value).value
    return EvidenceState(each.node, value, each.state, each.log_odds)


# ---- contributions


def _contributions(book: Book, facts: Facts) -> tuple[Contribution, ...]:
    """Return every part of every node with its amount, the one that moved most first."""
    if facts.shares is None:
        return ()
    found: list[Contribution] = []
    for node, amount in zip(facts.nodes, facts.shares.amounts, strict=True):
        if not node.parts:
            found.append(_of_node(book, facts, node, amount))
            continue
        amounts = fitted([part.own for part in node.parts], amount)
        found += [
            _of_part(book, facts, node, part, each) for part, each in zip(node.parts, amounts, strict=True)
        ]
    found.sort(key=lambda each: -abs(each.log_odds))
    return tuple(found)


def _of_node(book: Book, facts: Facts, node: Node, amount: float) -> Contribution:
    name: Speech = Said(f"node.{node.name}") if f"node.{node.name}" in MESSAGES else book.name(node.name)
    said: Speech
    if node.kind in ("rule", "pattern", "model", "table", "scorecard", "tree"):
        said = Said(f"source.{node.kind}", {"name": node.name})
    elif node.kind == "none":
        said = Said("source.none", {"name": name})
    elif node.state is not None:
        said = book.state(node.name, node.state)
    else:
        said = Said("source.evidence", {"name": name})
    value = None if node.value is None else book.value(node.name, node.value)
    parts = ("evidence", node.name) if node.state is None else ("evidence", node.name, node.state)
    code = book.code(*parts) if node.kind in ("evidence", "none") else book.code(node.kind, node.name)
    told = tuple(book.fact(each, facts.values) for each in node.reads)
    return Contribution(node.kind, node.name, node.name, amount, said, code, value=value, facts=told)


def _of_part(book: Book, facts: Facts, node: Node, part: Source, amount: float) -> Contribution:
    reason: Speech | None = Written(part.reason) if part.reason else None
    if part.kind == "feature":
        fact = book.fact(part.name, facts.values)
        return Contribution(
            "feature",
            part.name,
            node.name,
            amount,
            book.words(part.name),
            book.code("model", part.model or node.name, part.name),
            value=fact.value,
            usual=fact.usual,
            facts=(fact,),
        )
    told = tuple(book.fact(name, facts.values) for name in part.reads)
    if part.stages:
        stages = [
            Said("pattern.stage", {"name": book.stage(part.name, name), "n": count})
            for name, count in part.stages
        ]
        said = Said("pattern.progress", {"stages": stages, "span": part.span_ms})
        told = (Fact(part.name, Value(None), None, said), *told)
    for name, operand, entry in part.listed:
        said = Said("fact.listed", {"value": book.value(operand, entry), "list": name})
        told = (Fact(operand, book.value(operand, entry), None, said), *told)
    return Contribution(
        part.kind,
        part.name,
        node.name,
        amount,
        Said(f"source.{part.kind}", {"name": part.name}),
        book.code(part.kind, part.name),
        reason=reason,
        value=None if part.risk is None else Value(part.risk),
        facts=told,
    )


def _codes(contributions: tuple[Contribution, ...]) -> tuple[str, ...]:
    """Return the codes of what raised the risk, the strongest first."""
    return tuple(dict.fromkeys(each.code for each in contributions if each.log_odds > 0.0))[:10]


# ---- floors, ceilings, adjustments


def _lines(facts: Facts, outcome: Outcome) -> list[Line]:
    if outcome.lines:
        return list(outcome.lines)
    return [Line(each.kind, each.rule, each.before, each.after, dict(each.reason)) for each in facts.forced]


def _line(line: Line) -> Speech:
    kind = f"kind.{line.kind}" if f"kind.{line.kind}" in MESSAGES else "kind.other"
    same = line.before == line.after
    key = "line.kept" if same else "line.changed"
    args: dict[str, object] = {
        "kind": Said(kind),
        "name": line.name,
        "before": Said(f"name.{line.before}"),
        "after": Said(f"name.{line.after}"),
    }
    if line.reason:
        key = "line.kept_why" if same else "line.changed_why"
        args["reason"] = Written(line.reason)
    return Said(key, args)


# ---- near misses


def _near_misses(book: Book, facts: Facts) -> tuple[NearMiss, ...]:
    found: list[NearMiss] = []
    if facts.near_rules is not None:
        found += [_near_rule(book, each) for each in facts.near_rules.of(facts.column, facts.fired)]
    found += [
        _near_pattern(book, each) for each in facts.progress if each.seen >= PROGRESS_NEAR * len(each.stages)
    ]
    found += _near_thresholds(facts)
    found.sort(key=lambda each: each.distance)
    return tuple(found[:NEAR_MAX])


def _near_rule(book: Book, near: NearRule) -> NearMiss:
    rule = book.rules[near.number]
    missing = [_missing(book, each) for each in near.missing]
    if rule.reason:
        said = Said("near.rule_worded", {"name": rule.id, "reason": Written(rule.reason), "missing": missing})
    else:
        said = Said("near.rule", {"name": rule.id, "missing": missing})
    return NearMiss("rule", rule.id, near.distance, said)


def _missing(book: Book, missing: Missing) -> Said:
    operand = missing.operand
    text = operand.name if isinstance(operand, Col) else render(operand)
    name = book.words(text)
    if missing.kind in ("true", "false", "known"):
        return Said(f"miss.{missing.kind}", {"name": name})

    def shown(number: float) -> Value:
        if operand.type.is_text and number == number:
            return book.value(text, book.text_of(number))
        value: object = None if number != number else int(number) if operand.type is Type.INT else number
        return book.value(text, value, operand.type)

    args: dict[str, object] = {"name": name, "value": shown(missing.value)}
    if missing.kind == "is":
        args["wanted"] = [shown(each) for each in missing.wanted]
    elif missing.kind != "is_not":
        args["limit"] = shown(missing.limit)
        args["gap"] = missing.gap
    return Said(f"miss.{missing.kind}", args)


def _near_pattern(book: Book, progress: PatternProgress) -> NearMiss:
    missing = [
        Said("missing.stage", {"name": book.stage(progress.name, name)})
        for name in progress.stages[progress.seen :]
    ]
    args: dict[str, object] = {
        "name": progress.name,
        "seen": progress.seen,
        "stages": len(progress.stages),
        "missing": missing,
    }
    key = "near.pattern"
    if progress.left_ms is not None:
        key, args["left"] = "near.pattern_left", max(progress.left_ms, 0)
    return NearMiss("pattern", progress.name, 1.0 - progress.seen / len(progress.stages), Said(key, args))


def _near_thresholds(facts: Facts) -> list[NearMiss]:
    """Return the thresholds of harder actions that the belief did not reach, but nearly."""
    probability = facts.score
    if facts.outcome is not None and facts.outcome.probability is not None:
        probability = facts.outcome.probability
    rank = ACTIONS.index(facts.action)
    return [
        _near_threshold(each, probability)
        for each in facts.thresholds
        if 0.0 < each.at - probability <= THRESHOLD_NEAR and ACTIONS.index(each.action) > rank
    ]


def _near_threshold(threshold: Threshold, probability: float) -> NearMiss:
    args = {"action": Said(f"name.{threshold.action}"), "threshold": threshold.at, "p": probability}
    return NearMiss("threshold", threshold.action, threshold.at - probability, Said("near.threshold", args))


# ---- what else would have come out


def _alternatives(book: Book, facts: Facts) -> tuple[Alternative, ...]:
    rank = ACTIONS.index(facts.action)
    found = []
    for each in facts.counterfactuals:
        changes = [_change(book, change) for change in each.changes]
        said = Said(
            "counter", {"action": Said(f"to.{each.action}"), "changes": [change[3] for change in changes]}
        )
        gentler = ACTIONS.index(each.action) < rank
        found.append(Alternative(each.action, gentler, tuple(change[:3] for change in changes), said))
    return tuple(found)


def _change(book: Book, change: Changed) -> tuple[str, Value, Value, Said]:
    if change.how == "time":
        shift = change.to if isinstance(change.to, (int, float)) else 0
        key = "change.later" if shift > 0 else "change.earlier"
        before = book.value(change.field, change.before)
        moved = (change.before if isinstance(change.before, (int, float)) else 0) + shift
        return change.field, before, book.value(change.field, moved), Said(key, {"by": abs(shift)})
    before, after = book.value(change.field, change.before), book.value(change.field, change.to)
    said = Said("change.to", {"name": book.name(change.field), "to": after, "from": before})
    return change.field, before, after, said
