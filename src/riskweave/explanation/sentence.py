"""The first sentence: the action, and the few facts that tell most."""

from __future__ import annotations

from typing import TYPE_CHECKING

from riskweave.batch import ACTIONS
from riskweave.explanation.book import Book, Fact
from riskweave.explanation.facts import Facts
from riskweave.explanation.speech import MASKED, Said, Speech

if TYPE_CHECKING:
    from riskweave.explanation.explanation import Contribution

FACTS_MAX = 3
SOURCES_MAX = 3
# A source that moved the log-odds by less than this is not worth a sentence.
WORTH = 0.1
# A passed event's warnings are told from this part of the next action's threshold on.
NOTED = 0.5


def sentence(book: Book, facts: Facts, contributions: tuple[Contribution, ...]) -> Said:
    """Return the sentence: reasons with the values behind them, then scores."""
    clauses: list[Speech] = []
    told: set[str] = set()
    for each in _sources(facts, contributions):
        clause = _clause(book, each, told)
        if clause is not None:
            clauses.append(clause)
    clauses = clauses[:SOURCES_MAX]
    quiet = facts.action == ACTIONS[0]
    if quiet and _belief(facts) < NOTED * _first_threshold(facts):
        clauses = []
    if quiet and clauses:
        clauses = [Said("summary.noted", {"reason": clauses[0]})]
    elif quiet:
        clauses = [Said("summary.nothing"), *_plain_facts(book, facts)]
    elif not clauses:
        clauses = [Said("summary.quiet")] if not facts.forced else []
    for forced in facts.forced:
        if forced.before != forced.after:
            key = "summary.demanded" if forced.kind == "floor" else "summary.held_down"
            clauses.append(Said(key, {"rule": forced.rule}))
    clauses += _scores(facts)
    clauses += _expected(book, facts)
    return Said("summary", {"action": Said(f"action.{facts.action}"), "facts": clauses})


def _sources(facts: Facts, contributions: tuple[Contribution, ...]) -> list[Contribution]:
    """Return what raised the risk: the rule whose floor made the action, what has a reason, the rest.

    Each the strongest first.
    """
    firm = {each.rule for each in facts.forced if each.kind == "floor" and each.before != each.after}
    forcing = [each for each in contributions if each.kind == "rule" and each.name in firm]
    others = [
        each
        for each in contributions
        if each.log_odds >= WORTH
        and each not in forcing
        and each.kind not in ("none", "model")
        and (each.reason is not None or each.facts)
    ]
    others.sort(key=lambda each: each.reason is None)
    return [*forcing, *others]


def _belief(facts: Facts) -> float:
    outcome = facts.outcome
    return facts.score if outcome is None or outcome.probability is None else outcome.probability


def _first_threshold(facts: Facts) -> float:
    """Return from where on another action than the gentlest is chosen."""
    return min((each.at for each in facts.thresholds if each.action != ACTIONS[0]), default=1.0)


def _clause(book: Book, each: Contribution, told: set[str]) -> Speech | None:
    """Return a reason with the facts behind it that were not told yet; None where that leaves nothing."""
    fresh = [fact for fact in each.facts if fact.name not in told and _tells(fact)]
    # What is usual stands beside what it is usual for.
    beside = {book.usual[fact.name] for fact in each.facts if fact.usual is not None}
    fresh = sorted(
        (fact for fact in fresh if fact.name not in beside), key=lambda fact: _dullness(book, fact)
    )[:FACTS_MAX]
    told.update(fact.name for fact in fresh)
    told.update(beside)
    listed = [fact.said for fact in fresh]
    if each.kind in ("feature", "evidence"):
        return Said("summary.facts", {"facts": listed}) if listed else None
    reason = each.reason if each.reason is not None else each.said
    return Said("summary.because", {"reason": reason, "facts": listed}) if listed else reason


def _tells(fact: Fact) -> bool:
    """Tell whether a fact says something: what is unknown, false or private does not."""
    return fact.value.value not in (False, MASKED) and not (
        isinstance(fact.said, Said) and fact.said.key == "fact.unknown"
    )


def _dullness(book: Book, fact: Fact) -> int:
    """Order facts: with a usual value beside it; own amounts and counts; what is true; the rest."""
    kind = fact.value.unit.kind
    if fact.usual is not None:
        return 0
    if kind in ("count", "km_h", "times") or (kind == "money" and fact.name in book.fields):
        return 1
    return 2 if fact.value.value is True or fact.value.value is None or kind == "money" else 3


def _plain_facts(book: Book, facts: Facts) -> list[Speech]:
    """Return the amounts of an event of which there is nothing to tell."""
    amounts = [name for name in facts.values if name in book.fields and book.unit(name).kind == "money"]
    return [book.fact(name, facts.values).said for name in amounts[:1] if facts.values[name] is not None]


def _scores(facts: Facts) -> list[Speech]:
    clauses: list[Speech] = []
    ranked = sorted(facts.models, key=lambda each: -each[1])[:1]
    for name, score in ranked:
        key = "summary.model" if len(facts.models) == 1 else "summary.models"
        clauses.append(Said(key, {"name": name, "score": round(100 * score)}))
    outcome = facts.outcome
    if outcome is not None and outcome.probability is not None:
        clauses.append(Said("summary.probability", {"p": outcome.probability}))
    else:
        clauses.append(Said("summary.risk", {"score": round(100 * facts.score)}))
    return clauses


def _expected(book: Book, facts: Facts) -> list[Speech]:
    """Return what the action was expected to bring, beside what passing the event was."""
    economics = () if facts.outcome is None else facts.outcome.economics
    brings = {each.action: each.expected for each in economics}
    gentlest = ACTIONS[0]
    if facts.action == gentlest or facts.action not in brings or gentlest not in brings:
        return []
    mine, other = book.money(brings[facts.action]), book.money(brings[gentlest])
    return [Said("summary.expected", {"mine": mine, "other": other, "action": Said(f"to.{gentlest}")})]
