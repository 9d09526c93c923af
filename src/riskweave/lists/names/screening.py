"""Screen a party: its names, and what else is known of it, against sanctions and PEP lists.

A name decides whether there is a hit at all; dates of birth and countries only strengthen or weaken
it, because many people share a birthday. Pairs that a person has cleared are remembered: the hit is
still shown, as cleared, until the entry changes.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from riskweave.errors import EventError, RiskweaveError
from riskweave.lists.names.compare import MATCH_MIN, Comparison
from riskweave.lists.names.index import NamesIndex
from riskweave.lists.names.reading import KINDS, read_name

COLUMNS = ("id", "kind", "value", "alias", "birth_dates", "countries", "program", "source")
ENTRIES_MAX = 2_000_000

# What a date of birth or a country does to the score.
_BIRTH_SAME, _BIRTH_YEAR, _BIRTH_OTHER = 1.04, 1.02, 0.82
_COUNTRY_SAME, _COUNTRY_OTHER = 1.02, 0.94


@dataclass(frozen=True, slots=True)
class Listed:
    """One party of a list under one of its names.

    Names of the same party share `id`. `birth_dates` are years, months or days (1965, 1965-04,
    1965-04-19), `countries` whatever the list names them.
    """

    id: str
    kind: str
    value: str
    alias: bool = False
    birth_dates: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    program: str = ""
    source: str = ""

    @property
    def fingerprint(self) -> str:
        """Return a hash of what was known when a pair was cleared."""
        text = "\x1f".join([self.id, self.value, *self.birth_dates, *self.countries, self.program])
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class Party:
    """Who is asked about."""

    names: tuple[str, ...]
    kind: str = "unknown"
    birth_date: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True)
class Reason:
    """A step of a score: what it was about, and the factor it brought."""

    what: str
    asked: str
    listed: str
    factor: float


@dataclass(frozen=True, slots=True)
class ListHit:
    """A listed party that the one asked about may be, with the reasons; `cleared_by` a person, or empty."""

    listed: Listed
    asked: str
    score: float
    comparison: Comparison
    reasons: tuple[Reason, ...]
    cleared_by: str = ""

    def to_json(self) -> dict[str, object]:
        """Return JSON values."""
        return {
            "id": self.listed.id,
            "name": self.listed.value,
            "kind": self.listed.kind,
            "program": self.listed.program,
            "source": self.listed.source,
            "asked": self.asked,
            "score": self.score,
            "met": [
                {"asked": met.one, "listed": met.other, "likeness": round(met.likeness, 3)}
                for met in self.comparison.met
            ],
            "left_over": {
                "asked": list(self.comparison.left_one),
                "listed": list(self.comparison.left_other),
            },
            "reasons": [
                {"what": each.what, "asked": each.asked, "listed": each.listed, "factor": each.factor}
                for each in self.reasons
            ],
            "cleared_by": self.cleared_by,
        }

    def lines(self) -> list[str]:
        """Return the hit in words, a line each."""
        met = ", ".join(
            met.one if met.one == met.other else f"{met.one} ~ {met.other} ({met.likeness:.2f})"
            for met in self.comparison.met
        )
        told = [f"{self.score:.2f}  {self.listed.value}  [{self.listed.id} {self.listed.program}]".rstrip()]
        told.append(f"      met: {met or 'as one word'}")
        left = [*self.comparison.left_one, *self.comparison.left_other]
        if left:
            told.append(f"      left over: {', '.join(left)}")
        told += [
            f"      {each.what}: {each.asked} and {each.listed} (x {each.factor:.2f})"
            for each in self.reasons
        ]
        if self.cleared_by:
            told.append(f"      cleared by {self.cleared_by}")
        return told


@dataclass
class Cleared:
    """Pairs of a party asked about and a listed one that a person found to be two."""

    pairs: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)

    def add(self, party: str, listed: Listed, by: str) -> None:
        """Remember that the party (by your own id) is not the listed one, as it is listed now."""
        self.pairs[party, listed.id] = listed.fingerprint, by

    def by(self, party: str, listed: Listed) -> str:
        """Return who cleared the pair; empty when nobody did, or the entry has changed since."""
        fingerprint, by = self.pairs.get((party, listed.id), ("", ""))
        return by if fingerprint == listed.fingerprint else ""


class Screener:
    """Lists to screen against, indexed by kind of name."""

    def __init__(self, listed: Iterable[Listed], threshold: float = MATCH_MIN) -> None:
        self.listed = list(listed)
        if len(self.listed) > ENTRIES_MAX:
            raise RiskweaveError(f"{len(self.listed)} names to screen against; at most {ENTRIES_MAX}")
        self.threshold = threshold
        self._kinds: dict[str, tuple[list[int], NamesIndex]] = {}
        for kind in KINDS:
            numbers = [at for at, each in enumerate(self.listed) if each.kind == kind]
            if numbers:
                values = [self.listed[at].value for at in numbers]
                # The name decides from a little below: other evidence may lift it over the threshold.
                self._kinds[kind] = numbers, NamesIndex(values, kind, threshold / _BIRTH_SAME)

    def screen(self, party: Party, cleared: Cleared | None = None, id: str = "") -> list[ListHit]:
        """Return the listed parties it may be, each once, the likeliest first.

        A party of unknown kind is compared with all; a person is never a vessel.
        """
        best: dict[str, ListHit] = {}
        for name in party.names:
            for kind, (numbers, index) in self._kinds.items():
                if "unknown" not in (party.kind, kind) and kind != party.kind:
                    continue
                # Read as what the list says it is: that knows more than the one who asks.
                reading = kind if kind != "unknown" else party.kind
                for found in index.search(name, reading):
                    hit = self._hit(party, name, self.listed[numbers[found.number]], found.comparison)
                    before = best.get(hit.listed.id)
                    if hit.score >= self.threshold and (before is None or hit.score > before.score):
                        best[hit.listed.id] = hit
        hits = sorted(best.values(), key=lambda hit: (-hit.score, hit.listed.id))
        if cleared is None or not id:
            return hits
        return [
            ListHit(hit.listed, hit.asked, hit.score, hit.comparison, hit.reasons, cleared.by(id, hit.listed))
            for hit in hits
        ]

    def _hit(self, party: Party, name: str, listed: Listed, comparison: Comparison) -> ListHit:
        reasons = [
            each
            for each in (
                _birth(party.birth_date, listed.birth_dates),
                _country(party.country, listed.countries),
            )
            if each is not None
        ]
        score = comparison.score
        for reason in reasons:
            score *= reason.factor
        return ListHit(listed, name, round(min(score, 1.0), 4), comparison, tuple(reasons))


def _birth(asked: str, listed: Sequence[str]) -> Reason | None:
    """Return what dates of birth say; None when one side has none."""
    if not asked or not listed:
        return None
    for each in listed:
        shorter = min(len(asked), len(each))
        if asked[:shorter] == each[:shorter]:
            return Reason("born", asked, each, _BIRTH_SAME if shorter >= 10 else _BIRTH_YEAR)
    years = [int(each[:4]) for each in listed if each[:4].isdigit()]
    if not asked[:4].isdigit() or not years:
        return None
    nearest = min(years, key=lambda year: abs(year - int(asked[:4])))
    # Lists are often a year off.
    return (
        None if abs(nearest - int(asked[:4])) <= 1 else Reason("born", asked, ", ".join(listed), _BIRTH_OTHER)
    )


def _country(asked: str, listed: Sequence[str]) -> Reason | None:
    if not asked or not listed:
        return None
    same = asked.casefold() in {each.casefold() for each in listed}
    return Reason("country", asked, ", ".join(listed), _COUNTRY_SAME if same else _COUNTRY_OTHER)


def write_listed(path: Path, listed: Iterable[Listed]) -> int:
    """Write parties as a CSV that a policy's list of kind `names` reads too; return how many rows."""
    count = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for each in listed:
            writer.writerow(
                [
                    each.id,
                    each.kind,
                    each.value,
                    "yes" if each.alias else "",
                    ";".join(each.birth_dates),
                    ";".join(each.countries),
                    each.program,
                    each.source,
                ]
            )
            count += 1
    return count


def read_listed(path: Path) -> list[Listed]:
    """Read parties written by `write_listed`; only `value` must be there."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        if not reader.fieldnames or "value" not in reader.fieldnames:
            raise EventError("value", ", ".join(reader.fieldnames or ()), f"a column `value` in {path.name}")
        return [each for number, row in enumerate(reader, 2) if (each := _listed(row, number, path))]


def _listed(row: Mapping[str, str | None], line: int, path: Path) -> Listed | None:
    value = (row.get("value") or "").strip()
    kind = (row.get("kind") or "unknown").strip()
    if kind not in KINDS:
        raise EventError("kind", kind, f"one of {', '.join(KINDS)} ({path.name}:{line})")
    if not read_name(value, kind).words:
        return None
    return Listed(
        (row.get("id") or f"{path.stem}:{line}").strip(),
        kind,
        value,
        bool(row.get("alias")),
        _parts(row.get("birth_dates")),
        _parts(row.get("countries")),
        (row.get("program") or "").strip(),
        (row.get("source") or "").strip(),
    )


def _parts(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(";") if part.strip())
