"""What is to be said, without a language: a message's key with its values; a `Speaker` says it in one.

A message may hold other messages, so a sentence is a tree; no translated part is ever put together by
code. Placeholders of the catalogue are typed: `{n:count}`, `{limit:value}`, `{facts:list}`, and
`{n?payment|payments}` picks a word by number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

from riskweave.explanation.catalogue import MESSAGES
from riskweave.explanation.formats import LANGUAGES, Formats, Unit

MASKED = "•••"
TEXT_MAX = 200

_HOLE = re.compile(r"\{(\w+)(?::(\w+)|\?([^{}|]*)\|([^{}|]*))\}")


@dataclass(frozen=True, slots=True)
class Said:
    """A message of the catalogue and what fills its placeholders."""

    key: str
    args: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Written:
    """Text that the policy's author wrote, by language; English stands in for a missing one."""

    by_language: Mapping[str, str]
    args: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Value:
    """A value with the unit it is to be written in; None is unknown."""

    value: object
    unit: Unit = field(default_factory=Unit)


Speech = Said | Written | Value | str


@dataclass(frozen=True, slots=True)
class Hole:
    """A placeholder: the argument's name and type, or the words it chooses from."""

    name: str
    type: str
    words: tuple[str, str] = ("", "")


@cache
def pieces(text: str) -> tuple[str | Hole, ...]:
    """Return a message as plain stretches and placeholders.

    >>> pieces("{n:count} {n?day|days}")[2].words
    ('day', 'days')
    """
    found: list[str | Hole] = []
    at = 0
    for match in _HOLE.finditer(text):
        if match.start() > at:
            found.append(text[at : match.start()])
        name, kind, one, many = match.groups()
        found.append(Hole(name, kind, ("", "")) if kind else Hole(name, "words", (one, many)))
        at = match.end()
    if at < len(text):
        found.append(text[at:])
    return tuple(found)


class Speaker:
    """Says things in one language."""

    def __init__(self, language: str, time_zone: str = "UTC") -> None:
        if language not in LANGUAGES:
            raise ValueError(f"no language `{language}`; there are: {', '.join(LANGUAGES)}")
        self.language = language
        self.formats = Formats(language, time_zone)

    def say(self, speech: object) -> str:
        """Return the text of a message, a value, or what the policy's author wrote."""
        if isinstance(speech, Said):
            return self._filled(MESSAGES[speech.key][self.language], speech.args)
        if isinstance(speech, Written):
            texts = speech.by_language
            text = texts.get(self.language) or texts.get("en") or next(iter(texts.values()), "")
            return self._filled(printable(text), speech.args)
        if isinstance(speech, Value):
            return self.formats.value(speech.value, speech.unit)
        return clean(str(speech))

    def _filled(self, text: str, args: Mapping[str, object]) -> str:
        return "".join(piece if isinstance(piece, str) else self._hole(piece, args) for piece in pieces(text))

    def _hole(self, hole: Hole, args: Mapping[str, object]) -> str:
        if hole.name not in args:
            # Only what an analyst wrote can name something that is not there; it is left as written.
            return f"{{{hole.name}}}"
        found = args[hole.name]
        if hole.type == "words":
            number = found.value if isinstance(found, Value) else found
            return hole.words[0] if number == 1 else hole.words[1]
        if hole.type == "list":
            return self._list(list(found) if isinstance(found, (list, tuple)) else [found], "list")
        if hole.type == "clauses":
            return self._list(list(found) if isinstance(found, (list, tuple)) else [found], "clauses")
        if hole.type in ("count", "number", "percent", "duration", "money", "signed") and not isinstance(
            found, (Value, Said)
        ):
            return self.formats.value(found, Unit(hole.type))
        return self.say(found)

    def _list(self, items: list[object], kind: str) -> str:
        texts = [self.say(item) for item in items]
        return MESSAGES[f"{kind}.between"][self.language].join(texts)


def printable(text: str) -> str:
    """Return text on one line, without control characters and such as turn the direction of reading."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def clean(text: str) -> str:
    """Return text on one line, without control characters, no longer than a line should be."""
    text = printable(text)
    return text if len(text) <= TEXT_MAX else text[: TEXT_MAX - 1] + "…"


def holes(text: str) -> Iterator[Hole]:
    """Yield a message's placeholders."""
    for piece in pieces(text):
        if isinstance(piece, Hole):
            yield piece
