"""Compare two names word by word: which words met, what was left over, and how sure that makes us.

Words of the one meet words of the other, best pairs first; neighbours may have been written as one
word (van der bilt, vanderbilt) and a letter may stand for a word it begins. What is left over on one
side alone costs little (a middle name, a title), what is left over on both sides contradicts.
"""

from __future__ import annotations

from dataclasses import dataclass

from riskweave.lists.names.reading import Name, Word, read_name
from riskweave.lists.names.spelling import alike
from riskweave.lists.names.vocabulary import same_given_name

MATCH_MIN = 0.7  # names this alike are taken for the same

# Joined words: at most so many neighbours on one side.
_JOINED_MAX = 3
_JOINABLE = ("name", "generic", "particle", "number")
_NICKNAME = 0.88
_INITIAL = 0.8


@dataclass(frozen=True, slots=True)
class Met:
    """Words that met: as written on either side, how alike, and what that counts."""

    one: str
    other: str
    likeness: float
    weight: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """How alike two names are in [0, 1], and why."""

    score: float
    met: tuple[Met, ...]
    left_one: tuple[str, ...]
    left_other: tuple[str, ...]

    @property
    def is_match(self) -> bool:
        return self.score >= MATCH_MIN


@dataclass(frozen=True, slots=True)
class Penalties:
    """What left-over words take off: on one side alone, and on both."""

    alone: float
    both: float


_PENALTIES = {
    "person": Penalties(0.28, 0.62),
    "organisation": Penalties(0.75, 0.6),
    "vessel": Penalties(0.5, 0.6),
    "unknown": Penalties(0.5, 0.6),
}


def compare(one: str, other: str, kind: str = "unknown") -> Comparison:
    """Return how alike two written names are; `kind` is person, organisation, vessel or unknown."""
    return compare_names(read_name(one, kind), read_name(other, kind))


def compare_names(one: Name, other: Name) -> Comparison:
    """Return how alike two names are that have been read."""
    if not one.words or not other.words:
        return Comparison(0.0, (), _texts(one.words), _texts(other.words))
    if one.joined == other.joined and one.joined:
        return Comparison(1.0, _same(one, other), (), ())
    met, used_one, used_other = _meet(one.words, other.words)
    left_one = [word for at, word in enumerate(one.words) if at not in used_one]
    left_other = [word for at, word in enumerate(other.words) if at not in used_other]
    left_one = _without_repeats(left_one, one.words, used_one)
    left_other = _without_repeats(left_other, other.words, used_other)
    score = _score(met, left_one, left_other, one)
    score = max(score, _as_one_word(one, other), _as_abbreviation(one, other))
    return Comparison(round(score, 6), tuple(met), _texts(left_one), _texts(left_other))


def _score(met: list[Met], left_one: list[Word], left_other: list[Word], one: Name) -> float:
    """Return the share of what counts that met, less for what contradicts."""
    penalties = _PENALTIES[one.kind]
    common = sum(each.weight for each in met)
    alike_weight = sum(each.weight * each.likeness for each in met)
    if common == 0.0 or not any(each.weight >= 0.35 for each in met):
        return 0.0
    rest_one = sum(word.weight for word in left_one)
    rest_other = sum(word.weight for word in left_other)
    less, more = min(rest_one, rest_other), max(rest_one, rest_other)
    likeness = alike_weight / common
    covered = common / (common + penalties.both * 2 * less)
    alone = (more - less) / (common + more)
    score: float = likeness * covered * (1.0 - penalties.alone * alone**1.2)
    if one.kind in ("person", "unknown") and _contradict(left_one, left_other):
        score *= 0.8
    if _numbers(left_one) != _numbers(left_other) and one.kind != "vessel":
        score *= 0.85
    if one.kind == "person" and len([each for each in met if each.weight >= 0.35]) == 1 and more >= 1.0:
        # One word of several: a surname alone is many people.
        score *= 0.9
    return score


def _contradict(one: list[Word], other: list[Word]) -> bool:
    """Tell whether an initial is left on one side, and on the other a word that begins otherwise."""
    for initials, words in ((one, other), (other, one)):
        if any(each.role == "initial" for each in initials) and any(
            each.role in ("name", "initial") for each in words
        ):
            return True
    return False


def _numbers(words: list[Word]) -> set[str]:
    return {word.text for word in words if word.role == "number"}


def _meet(one: tuple[Word, ...], other: tuple[Word, ...]) -> tuple[list[Met], set[int], set[int]]:
    """Return the pairs that met, the best first, and which words of either side they used."""
    pairs: list[tuple[float, float, tuple[int, ...], tuple[int, ...]]] = []
    for i, mine in enumerate(one):
        for j, theirs in enumerate(other):
            likeness = _likeness(mine, theirs)
            if likeness > 0.0:
                pairs.append((likeness, min(mine.weight, theirs.weight), (i,), (j,)))
    pairs += _joined_pairs(one, other, False) + _joined_pairs(other, one, True)
    # Words in the same place first among equals, so that a name said twice meets itself in order.
    pairs.sort(key=lambda pair: (-pair[0] * (0.5 + pair[1]), abs(pair[2][0] - pair[3][0])))
    met: list[Met] = []
    used_one: set[int] = set()
    used_other: set[int] = set()
    for likeness, _, ones, others in pairs:
        if used_one.isdisjoint(ones) and used_other.isdisjoint(others):
            used_one.update(ones)
            used_other.update(others)
            weight = max(sum(one[i].weight for i in ones), sum(other[j].weight for j in others))
            if len(ones) + len(others) == 2:
                weight = (one[ones[0]].weight + other[others[0]].weight) / 2
            met.append(
                Met(
                    " ".join(one[i].text for i in ones),
                    " ".join(other[j].text for j in others),
                    likeness,
                    weight,
                )
            )
    return met, used_one, used_other


def _likeness(one: Word, other: Word) -> float:
    if one.role == "form" or other.role == "form":
        return 1.0 if one.role == other.role and one.text == other.text else 0.0
    if one.text == other.text:
        return 1.0
    if one.role == "number" or other.role == "number":
        return 0.0
    if one.role == "initial" or other.role == "initial":
        longer, initial = (other, one) if one.role == "initial" else (one, other)
        starts = longer.text[0] == initial.text and longer.role in ("name", "initial")
        return _INITIAL if starts and longer.role != "initial" else 0.0
    if one.role == "particle" and other.role == "particle":
        return 0.0
    likeness = alike(one.text, other.text, one.abjad != other.abjad)
    if likeness < _NICKNAME and one.role == other.role == "name" and same_given_name(one.text, other.text):
        return _NICKNAME
    return likeness


def _joined_pairs(
    one: tuple[Word, ...], other: tuple[Word, ...], swapped: bool
) -> list[tuple[float, float, tuple[int, ...], tuple[int, ...]]]:
    """Return pairs of neighbours of `one` with a word of `other` that was written for all of them."""
    found = []
    targets = [(j, word) for j, word in enumerate(other) if word.role in _JOINABLE and len(word.text) > 1]
    for i in range(len(one)):
        text = initials = ""
        abjad = False
        for length in range(1, min(_JOINED_MAX, len(one) - i) + 1):
            word = one[i + length - 1]
            text += word.text
            if word.role in ("form", "title"):
                break
            initials += word.text[0]
            abjad = abjad or word.abjad
            if length == 1:
                continue
            for j, target in targets:
                likeness = _joined_likeness(text, initials, abjad, target)
                if likeness > 0.0:
                    mine, theirs = tuple(range(i, i + length)), (j,)
                    found.append((likeness, 1.0, *((theirs, mine) if swapped else (mine, theirs))))
    return found


def _joined_likeness(text: str, initials: str, abjad: bool, target: Word) -> float:
    """Return how alike neighbours, as one word or by their initials, are to a word; 0 if not alike."""
    if target.text == initials:
        # JC for Jean-Claude
        return _INITIAL
    if len(target.text) < 3 or abs(len(text) - len(target.text)) > 2:
        return 0.0
    if text == initials and text != target.text:
        return 0.0
    likeness = alike(text, target.text, abjad != target.abjad)
    # Two whole words that meet explain more than one made of them.
    return likeness * 0.97 if likeness >= 0.72 or abjad != target.abjad else 0.0


def _without_repeats(left: list[Word], words: tuple[Word, ...], used: set[int]) -> list[Word]:
    """Return what is left without words that were said twice: Sergey Sergey Shoigu."""
    said = {words[at].text for at in used}
    return [word for word in left if word.text not in said]


def _as_one_word(one: Name, other: Name) -> float:
    """Return how alike the names are when spaces mean nothing: rimaldiv nitup is nobody, abdulaziz is."""
    mine, theirs = one.joined, other.joined
    if min(len(mine), len(theirs)) < 5 or abs(len(mine) - len(theirs)) > 3:
        return 0.0
    if _numbers(list(one.words)) != _numbers(list(other.words)):
        return 0.0
    if len(one.words) == len(other.words) and len(one.words) > 1:
        return 0.0
    likeness = alike(mine, theirs, any(w.abjad for w in one.words) != any(w.abjad for w in other.words))
    return likeness * 0.96 if likeness >= 0.8 else 0.0


def _as_abbreviation(one: Name, other: Name) -> float:
    """Return 0.75 when one name is the other's initials: PLA, People's Liberation Army."""
    if one.kind == "person" or one.kind == "vessel":
        return 0.0
    for short, long in ((one, other), (other, one)):
        naming = [word for word in short.words if word.role != "form"]
        if naming and 3 <= len(naming[0].text) <= 6:
            words = [w for w in long.words if w.role not in ("form", "particle") and w.text != "the"]
            initials = "".join(word.text[0] for word in words)
            if len(words) >= 3 and initials == naming[0].text:
                return 0.75
    return 0.0


def _same(one: Name, other: Name) -> tuple[Met, ...]:
    mine, theirs = " ".join(_texts(one.words)), " ".join(_texts(other.words))
    return (Met(mine, theirs, 1.0, 1.0),)


def _texts(words: tuple[Word, ...] | list[Word]) -> tuple[str, ...]:
    return tuple(word.text for word in words)
