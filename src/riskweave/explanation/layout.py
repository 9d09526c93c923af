"""What an explanation's page says, in one language: the same for the terminal and for HTML."""

from __future__ import annotations

from dataclasses import dataclass

from riskweave.explanation.catalogue import MESSAGES
from riskweave.explanation.explanation import Contribution, Explanation
from riskweave.explanation.speech import Said, Speaker

# Smaller contributions than the first so many are only counted.
ROWS_MAX = 12
FACTS_MAX = 6
SHOWN_LEAST = 0.005


@dataclass(frozen=True, slots=True)
class Row:
    """A contribution: what it is, how much, and lines beneath."""

    log_odds: float
    title: str
    details: tuple[str, ...]
    code: str


@dataclass(frozen=True, slots=True)
class ActionRow:
    """An action's economics."""

    action: str
    expected: str
    note: str
    chosen: bool
    open: bool


class Layout:
    """The texts of one explanation in one language."""

    def __init__(self, explanation: Explanation, speaker: Speaker) -> None:
        self.explanation = explanation
        self.speaker = speaker
        self.summary = speaker.say(explanation.summary)
        # What did not move anything is in the JSON only.
        moved = [each for each in explanation.contributions if abs(each.log_odds) >= SHOWN_LEAST]
        self.contributions = [self._row(each) for each in moved]
        self.contribution_notes = self._notes()
        self.economics = self._economics()
        self.sections = [(heading, lines) for heading, lines in self._sections() if lines]
        book = explanation.book
        self.footer = speaker.say(
            Said("head.policy", {"name": book.policy or "policy", "version": book.version[:12]})
        )

    def word(self, key: str) -> str:
        return self.speaker.say(Said(key))

    @property
    def title(self) -> str:
        identity = self.explanation.event_id
        return self.speaker.say(
            Said("title", {"id": identity}) if identity is not None else Said("title.no_id")
        )

    def _row(self, each: Contribution) -> Row:
        say = self.speaker.say
        title, details = say(each.said), []
        if each.reason is not None:
            title, details = say(each.reason), [title]
        if each.kind == "feature":
            # The fact is the feature with its value: it need not be named before.
            title = say(each.facts[0].said) if each.facts else title
        elif each.facts:
            told = [fact.said for fact in each.facts[:FACTS_MAX]]
            details.append(say(Said("summary.facts", {"facts": told})))
        elif each.value is not None and each.kind == "evidence":
            details.append(say(each.value))
        return Row(each.log_odds, title, tuple(details), each.code)

    def _notes(self) -> list[str]:
        explanation, say = self.explanation, self.speaker.say
        notes = []
        if len(self.contributions) > ROWS_MAX:
            notes.append(say(Said("more", {"n": len(self.contributions) - ROWS_MAX})))
        if explanation.prior is not None and explanation.posterior is not None:
            args = {
                "prior": explanation.prior,
                "posterior": explanation.posterior,
                "p": explanation.probability,
            }
            notes.append(say(Said("sum.log_odds", args)))
        if not explanation.exact:
            notes.append(say(Said("sum.shared")))
        return notes

    def _economics(self) -> list[ActionRow]:
        explanation, say = self.explanation, self.speaker.say
        rows = []
        for each in explanation.economics:
            parts = [
                Said(
                    "part",
                    {
                        "name": Said(f"part.{name}")
                        if f"part.{name}" in MESSAGES
                        else Said("part.other", {"name": name}),
                        "amount": explanation.book.money(amount),
                    },
                )
                for name, amount in each.parts.items()
                if amount
            ]
            notes: list[object] = [Said("summary.facts", {"facts": parts})] if parts else []
            if each.action == explanation.action:
                notes.insert(0, Said("chosen"))
            if not each.open:
                notes.insert(0, Said("closed"))
            rows.append(
                ActionRow(
                    say(Said(f"name.{each.action}")),
                    say(explanation.book.money(each.expected)),
                    say(Said("clauses.of", {"items": notes})) if notes else "",
                    each.action == explanation.action,
                    each.open,
                )
            )
        return rows

    def _sections(self) -> list[tuple[str, list[str]]]:
        explanation, say = self.explanation, self.speaker.say
        money = explanation.book.money
        tests = [
            say(Said("test", {"name": each.name, "value": money(each.value), "cost": money(each.cost)}))
            for each in explanation.tests
            if each.net > 0
        ]
        return [
            (self.word("head.tests"), tests),
            (self.word("head.lines"), [say(each) for each in explanation.lines]),
            (self.word("head.near"), [say(each.said) for each in explanation.near_misses]),
            (self.word("head.counter"), [say(each.said) for each in explanation.alternatives]),
            (self.word("head.codes"), list(explanation.codes)),
        ]  # fmt: skip
