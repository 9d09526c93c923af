"""From how a name is written to its words: one alphabet, no punctuation, each word with a role."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from anyascii import anyascii

from riskweave.lists.names.spelling import alike
from riskweave.lists.names.vocabulary import (
    GENERIC,
    LEGAL_FORM_WORDS_MAX,
    LEGAL_FORMS,
    NUMBERS,
    PARTICLE_FORMS,
    PARTICLES,
    TENS,
    TITLES,
    VESSEL_TITLES,
)

KINDS = ("person", "organisation", "vessel", "unknown")
NAME_MAX = 400  # characters that are read
WORDS_MAX = 24

# Roles, and what a word of each counts beside a word that names (1).
WEIGHT = {
    "name": 1.0,
    "initial": 0.35,
    "particle": 0.2,
    "generic": 0.45,
    "number": 0.7,
    "title": 0.04,
    "form": 0.06,
}

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_ABJAD = re.compile(r"[\u0590-\u05ff\u0600-\u06ff\u0750-\u077f]")
# A.B.C. and J.-C. are initials written together.
_DOTTED = re.compile(r"\b(?:[^\W\d_]\.[ -]?){2,}(?:[^\W\d_]\b(?!\w))?")
_APOSTROPHES = re.compile(r"['’‘`´ʼʻʹ′\"“”„«»]")
_NOT_WORD = re.compile(r"[^a-z0-9]+")
_LEET = {"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "9": "g", "8": "b", "@": "a", "$": "s"}


@dataclass(frozen=True, slots=True)
class Word:
    """A word as it is compared; `abjad`: it came from a script that writes no vowels."""

    text: str
    role: str
    weight: float
    abjad: bool = False


@dataclass(frozen=True, slots=True)
class Name:
    """A name, read."""

    written: str
    kind: str
    words: tuple[Word, ...]

    @property
    def joined(self) -> str:
        """Return the words that name, without spaces."""
        return "".join(word.text for word in self.words if word.role in _NAMING)


_NAMING = ("name", "initial", "particle", "generic", "number")


@lru_cache(maxsize=65_536)
def read_name(written: str, kind: str = "unknown") -> Name:
    """Return the name's words; at most 24 of the first 400 characters."""
    text = unicodedata.normalize("NFKC", written[:NAME_MAX])
    if kind == "person" and text.count(",") == 1:
        # LASTNAME, Firstname
        last, _, first = text.partition(",")
        if first.strip() and last.strip():
            text = f"{first} {last}"
    spelled = _words(text)
    spelled = _numbers(spelled)
    words = _roles(spelled, kind)
    return Name(written, kind, tuple(words[:WORDS_MAX]))


def _words(text: str) -> list[tuple[str, bool]]:
    """Return the words in the letters a to z, and whether each came without vowels."""
    text = _DOTTED.sub(lambda match: re.sub(r"[.\s-]", "", match.group()) + " ", text)
    found: list[tuple[str, bool]] = []
    for part in re.split(r"[\s\-–—/\\,;:()\[\]&+|·・.]+", _APOSTROPHES.sub("", text)):
        if not part:
            continue
        plain = anyascii(_spaced_han(part)) if not part.isascii() else part
        abjad = bool(_ABJAD.search(part))
        for word in _NOT_WORD.split(_APOSTROPHES.sub("", plain).lower().replace("%", "")):
            if word:
                found.append((_letters(word), abjad))
    return found


def _spaced_han(part: str) -> str:
    """Return Chinese text with a space after each character: each is a syllable, and a word, of its own."""
    return _HAN.sub(lambda match: f" {match.group()} ", part)


def _letters(word: str) -> str:
    """Return a word with digits that stand for letters as those letters: s3rgey, ig0r."""
    if word.isalpha() or word.isdigit() or word in NUMBERS:
        return word
    letters = sum(each.isalpha() for each in word)
    inside = re.search(r"[a-z][0-9]+[a-z]|^[0-9][a-z]{3,}|^[a-z][0-9][a-z]", word)
    if inside and letters * 2 > len(word):
        return "".join(_LEET.get(each, each) for each in word)
    return word


def _numbers(words: list[tuple[str, bool]]) -> list[tuple[str, bool]]:
    """Return the words with numbers in digits: forty four is 44."""
    found: list[tuple[str, bool]] = []
    at = 0
    while at < len(words):
        word, abjad = words[at]
        if word in TENS:
            value = TENS[word]
            if at + 1 < len(words):
                unit = NUMBERS.get(words[at + 1][0], words[at + 1][0])
                if unit.isdigit() and 0 < int(unit[:4]) < 10:
                    value += int(unit[:4])
                    at += 1
            found.append((str(value), abjad))
        elif word in NUMBERS:
            found.append((NUMBERS[word], abjad))
        else:
            match = re.fullmatch(r"(\d+)([a-z]+)", word)
            found += [(match[1], abjad), (match[2], abjad)] if match else [(word, abjad)]
        at += 1
    return found


def _roles(words: list[tuple[str, bool]], kind: str) -> list[Word]:
    found: list[Word] = []
    texts = [text for text, _ in words]
    at = 0
    while at < len(words):
        length, form = _legal_form(texts, at)
        # A legal form alone is the name itself.
        if length and length < len(words):
            found.append(Word(form, "form", WEIGHT["form"]))
            at += length
            continue
        text, abjad = words[at]
        role = _role(text, kind, len(words))
        form_of = PARTICLE_FORMS.get(text, text) if role == "particle" else text
        found.append(Word(form_of, role, WEIGHT[role], abjad))
        at += 1
    if found and not any(word.role in ("name", "number") for word in found):
        # Nothing here names but its generic words: then they do.
        found = [Word(w.text, "name", 1.0, w.abjad) if w.role in ("generic", "title") else w for w in found]
    return found


def _legal_form(texts: list[str], at: int) -> tuple[int, str]:
    """Return how many words from `at` on are a legal form, the longest, and which."""
    for length in range(min(LEGAL_FORM_WORDS_MAX, len(texts) - at), 0, -1):
        words = tuple(texts[at : at + length])
        form = LEGAL_FORMS.get(words) or _misspelled_form(words)
        if form is not None and (length > 1 or at > 0 or form not in ("as", "sa", "ab", "ag", "co", "ev")):
            return length, form
    return 0, ""


@lru_cache(maxsize=65_536)
def _misspelled_form(words: tuple[str, ...]) -> str | None:
    """Return the long legal form that these words are but for a slip, as in joynt stock company."""
    text = " ".join(words)
    if len(text) < 12:
        return None
    for form, code in LEGAL_FORMS.items():
        if len(form) == len(words):
            apart = [alike(one, other) for one, other in zip(words, form, strict=True)]
            if min(apart) >= 0.7 and sum(apart) / len(apart) >= 0.85:
                return code
    return None


def _role(text: str, kind: str, words: int) -> str:
    if text.isdigit():
        return "number"
    if kind == "vessel":
        return "title" if text in VESSEL_TITLES and words > 1 else "name"
    if kind == "person":
        if text in TITLES and words > 1:
            return "title"
        if len(text) == 1:
            return "initial"
        return "particle" if text in PARTICLES and words > 1 else "name"
    if text in GENERIC and words > 1:
        return "generic"
    if kind == "unknown" and text in TITLES and words > 1:
        return "title"
    if text in PARTICLES and words > 1:
        return "particle"
    return "initial" if len(text) == 1 and words > 1 and kind == "unknown" else "name"
