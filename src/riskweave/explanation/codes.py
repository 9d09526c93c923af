"""Reason codes: stable names, for machines, of everything that an explanation can give as a reason.

A code is what the policy's `explanation: codes:` says, or else made of the kind and the names:
`rule.after_testing`, `pattern.tried_then_emptied`, `model.fraud.paid_24h`, `evidence.rule_risk.high`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from riskweave.explanation.book import Book
from riskweave.explanation.formats import LANGUAGES
from riskweave.explanation.speech import Said, Speaker, Speech, Written


@dataclass(frozen=True, slots=True)
class Code:
    """A reason code and what it stands for, by language."""

    code: str
    kind: str
    name: str
    texts: Mapping[str, str]

    def to_json(self) -> dict[str, object]:
        return {"code": self.code, "kind": self.kind, "name": self.name, "text": dict(self.texts)}


def listed(
    book: Book,
    reasons: Iterable[tuple[str, str, Mapping[str, str]]],
    features: Iterable[tuple[str, str]],
    evidence: Iterable[tuple[str, tuple[str, ...]]],
) -> list[Code]:
    """Return every code of a policy, in the order given, each once.

    `reasons` are (kind, name, reason) of rules, patterns, tables, cards and trees; `features` (model,
    feature); `evidence` a node and its states.
    """
    speakers = {language: Speaker(language, book.time_zone) for language in LANGUAGES}
    found: dict[str, Code] = {}

    def add(code: str, kind: str, name: str, said: Speech) -> None:
        texts = {language: speaker.say(said) for language, speaker in speakers.items()}
        found.setdefault(code, Code(code, kind, name, texts))

    for kind, name, reason in reasons:
        said = Written(reason) if reason else Said(f"source.{kind}", {"name": name})
        add(book.code(kind, name), kind, name, said)
    for model, feature in features:
        add(book.code("model", model, feature), "feature", feature, book.words(feature))
    for node, states in evidence:
        add(book.code("evidence", node), "evidence", node, Said("source.evidence", {"name": book.name(node)}))
        for state in states:
            add(book.code("evidence", node, state), "evidence", node, book.state(node, state))
    return list(found.values())
