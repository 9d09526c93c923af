"""Find the names that a name may be, among a hundred thousand, without comparing with all of them.

Every word of the names, and neighbours that are often written as one, is a term. A query's words
find the terms that are near in spelling; rare terms are worth more; the names with the most worth
are compared word by word (`compare`). A name that shares nothing rare with the query is never looked
at, which is why most of a bank's customers cost microseconds.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from riskweave.kernels import spellings as kernel
from riskweave.lists.names.compare import MATCH_MIN, Comparison, compare_names
from riskweave.lists.names.reading import Name, Word, read_name
from riskweave.lists.names.spelling import (
    CHANGE,
    DROP,
    DROP_ABJAD,
    STEEPNESS,
    letters_of,
    likeness,
    mask_of,
)
from riskweave.lists.names.vocabulary import NICKNAMES

# Names compared word by word for one query; the rest has less in common with it.
COMPARED_MAX = 40
# Terms near one word that are followed up.
_NEAR_MAX = 512
# A name is compared when what it shares covers this part of the query, or of itself.
_COVER_MIN = 0.58
# Words less alike than this find nothing; in the comparison they may still meet.
_NEAR_MIN, _NEAR_MIN_ABJAD = 0.69, 0.6
_FINDING = ("name", "generic", "number")
_REMEMBERED_MAX = 200_000


@dataclass(frozen=True, slots=True)
class Found:
    """A name of the list, by its number, and how alike it is."""

    number: int
    comparison: Comparison


class NamesIndex:
    """Names by number, found by how they are spelled; `kind` as in `read_name`."""

    def __init__(self, values: Sequence[str], kind: str = "unknown", threshold: float = MATCH_MIN) -> None:
        self.kind = kind
        self.threshold = threshold
        self.values = list(values)
        self.removed: set[int] = set()
        self._built = _Terms([read_name(each, kind) for each in self.values])
        self._recent: _Terms | None = None

    def __len__(self) -> int:
        return len(self.values)

    def add(self, value: str, number: int) -> None:
        """Take in one more name; `number` is the next one."""
        assert number == len(self.values)
        self.values.append(value)
        self._recent = None

    def same(self, value: str) -> Sequence[int]:
        """Return the entries whose value is this very one, newest first."""
        return [at for at in range(len(self.values) - 1, -1, -1) if self.values[at] == value]

    def of_text(self, operand: str) -> Sequence[int]:
        """Return the entries that the operand may be, best first, the newest of equals first."""
        found = self.search(operand)
        return [each.number for each in sorted(found, key=lambda it: (-it.comparison.score, -it.number))]

    def of_number(self, operand: float, whole: bool) -> Sequence[int]:
        return ()

    def cuts(self, whole: bool) -> NDArray[np.float64]:
        return np.zeros(0)

    def search(self, written: str, kind: str | None = None, threshold: float | None = None) -> list[Found]:
        """Return the names at least `threshold` alike, best first."""
        query = read_name(written, kind or self.kind)
        least = self.threshold if threshold is None else threshold
        found = self._search_in(self._built, 0, query, least)
        first = len(self._built.names)
        if len(self.values) > first:
            if self._recent is None:
                self._recent = _Terms([read_name(each, self.kind) for each in self.values[first:]])
                if len(self._recent.names) > max(1_000, first // 8):
                    self._built, self._recent = _Terms([read_name(v, self.kind) for v in self.values]), None
                    return self.search(written, kind, threshold)
            found += self._search_in(self._recent, first, query, least)
        return sorted(found, key=lambda each: (-each.comparison.score, each.number))

    def _search_in(self, terms: _Terms, first: int, query: Name, least: float) -> list[Found]:
        found = []
        for number in terms.candidates(query):
            comparison = compare_names(query, terms.names[number])
            if comparison.score >= least:
                found.append(Found(first + number, comparison))
        return found


class _Terms:
    """The terms of some names, and in which names each stands (CSR)."""

    def __init__(self, names: list[Name]) -> None:
        self.names = names
        places: dict[str, list[int]] = {}
        for number, name in enumerate(names):
            for term in _terms_of(name):
                places.setdefault(term, []).append(number)
        self.number = {term: at for at, term in enumerate(places)}
        self.terms = list(places)
        self.lengths = np.array([len(term[: kernel.LETTERS_MAX]) for term in self.terms], np.int64)
        self.start_letters = np.concatenate([[0], np.cumsum(self.lengths)]).astype(np.int64)
        letters = [letters_of(term) for term in self.terms]
        self.letters = np.concatenate(letters) if letters else np.zeros(0, np.uint8)
        self.masks = np.array([mask_of(term) for term in self.terms], np.uint64)
        counts = np.array([len(each) for each in places.values()], np.int64)
        self.start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        self.in_names = np.array([n for each in places.values() for n in each], np.int64)
        size = max(len(names), 1)
        self.rarity = np.log((size + 1.0) / (counts + 0.5)) / log(size + 1.0) if counts.size else np.zeros(0)
        by_group: dict[int, list[int]] = {}
        for term, at in self.number.items():
            for group in NICKNAMES.get(term, ()):
                by_group.setdefault(group, []).append(at)
        self.by_nickname = by_group
        self._near: dict[tuple[str, bool], tuple[NDArray[np.int64], NDArray[np.float64]]] = {}
        self._mass = np.zeros(size)
        self._cover = np.zeros(size)
        self._touched = np.zeros(size, np.int64)
        self._found = np.zeros(_NEAR_MAX, np.int64)
        self._costs = np.zeros(_NEAR_MAX)
        self._rows = np.zeros((3, kernel.LETTERS_MAX + 1))
        self._tables = np.zeros((3, 4096))
        self.weights = np.array([_weight_of(name) for name in names])

    def candidates(self, query: Name) -> list[int]:
        """Return the names worth comparing, the most promising first, at most COMPARED_MAX."""
        if not self.names:
            return []
        terms: dict[int, tuple[float, float]] = {}
        for word in query.words:
            if word.role in _FINDING:
                near, alike = self._near_terms(word)
                for at, value in zip(near.tolist(), (alike * word.weight).tolist(), strict=True):
                    if value > terms.get(at, (0.0, 0.0))[1]:
                        terms[at] = (value * max(float(self.rarity[at]), 0.05), value)
        for joined in _joined_terms(query):
            found = self.number.get(joined)
            if found is not None:
                terms[found] = (1.5 * float(self.rarity[found]), 1.5)
        if not terms:
            return []
        numbers = np.fromiter(terms, np.int64, len(terms))
        values = np.array(list(terms.values()))
        count = kernel.gather(
            numbers,
            np.ascontiguousarray(values[:, 0]),
            np.ascontiguousarray(values[:, 1]),
            self.start,
            self.in_names,
            self._mass,
            self._cover,
            self._touched,
        )
        touched = self._touched[:count]
        mass, cover = self._mass[touched], self._cover[touched]
        self._mass[touched] = 0.0
        self._cover[touched] = 0.0
        good = cover >= _COVER_MIN * np.minimum(max(_weight_of(query), 0.3), self.weights[touched])
        touched, mass = touched[good], mass[good]
        if touched.size > COMPARED_MAX:
            best = np.argpartition(-mass, COMPARED_MAX)[:COMPARED_MAX]
            touched, mass = touched[best], mass[best]
        ranked: list[int] = touched[np.lexsort((touched, -mass))].tolist()
        return ranked

    def _near_terms(self, word: Word) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the terms near a word, and how alike they are."""
        key = (word.text, word.abjad)
        known = self._near.get(key)
        if known is not None:
            return known
        numbers: dict[int, float] = {}
        if word.role == "number":
            at = self.number.get(word.text)
            if at is not None:
                numbers[at] = 1.0
        else:
            text = word.text[: kernel.LETTERS_MAX]
            count = kernel.near_words(
                letters_of(text),
                (1.0 - (_NEAR_MIN_ABJAD if word.abjad else _NEAR_MIN)) / STEEPNESS,
                self.letters,
                self.start_letters,
                self.masks,
                CHANGE,
                DROP_ABJAD if word.abjad else DROP,
                self._tables,
                self._rows,
                self._found,
                self._costs,
            )
            for at, cost in zip(self._found[:count].tolist(), self._costs[:count].tolist(), strict=True):
                value = likeness(cost, len(text), int(self.lengths[at]), word.abjad)
                if value > 0.0 and not (cost > 0.0 and self.terms[at].isdigit()):
                    numbers[at] = value
            for group in NICKNAMES.get(word.text, ()):
                for at in self.by_nickname.get(group, ()):
                    numbers[at] = max(numbers.get(at, 0.0), 0.88)
        near = np.fromiter(numbers.keys(), np.int64, len(numbers))
        alike = np.fromiter(numbers.values(), np.float64, len(numbers))
        if len(self._near) >= _REMEMBERED_MAX:
            self._near.clear()
        self._near[key] = near, alike
        return near, alike


def _weight_of(name: Name) -> float:
    """Return what the words count by which a name is found."""
    return max(sum(word.weight for word in name.words if word.role in _FINDING), 0.3)


def _terms_of(name: Name) -> set[str]:
    """Return what a name is found by: its words, and neighbours that may be written as one."""
    found = {word.text for word in name.words if word.role in ("name", "generic", "number")}
    found.update(_joined_terms(name))
    return found or {word.text for word in name.words if word.role != "title"}


def _joined_terms(name: Name) -> list[str]:
    """Return neighbours of which one is short, and short names as a whole, without spaces."""
    words = [word for word in name.words if word.role in ("name", "particle", "generic", "initial")]
    found = [
        first.text + second.text
        for first, second in itertools.pairwise(words)
        if min(len(first.text), len(second.text)) <= 4 and len(first.text + second.text) > 3
    ]
    if 2 <= len(words) <= 3:
        found.append("".join(word.text for word in words))
    if len(words) >= 3 and name.kind in ("organisation", "unknown"):
        found.append("".join(word.text[0] for word in words if word.role != "particle"))
    return found
