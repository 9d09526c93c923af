"""What comes out: one decision, or many as columns."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from riskweave.batch import ACTIONS, Matches
from riskweave.decision.outcome import Outcome
from riskweave.decision.plan import DecisionPlan, UtilityPlan
from riskweave.engine.matches import PatternMatch, match_at, moved
from riskweave.expressions.types import Type
from riskweave.patterns.plan import PatternsPlan, joined

if TYPE_CHECKING:
    import pyarrow as pa

    from riskweave.events.table import Rejected


@dataclass(frozen=True, slots=True)
class Output:
    """A named feature: where its value stands and what it is."""

    name: str
    row: int
    type: Type


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule that fired, with its reason per language; `risk` is None when a formula gave it."""

    rule: str
    risk: float | None
    reason: dict[str, str]


@dataclass(frozen=True, slots=True)
class ListMatch:
    """An entry of a list that matched: what was looked up, which value, who put it there and why."""

    list: str
    operand: str
    value: str
    by: str | None
    why: str | None


@dataclass(frozen=True, slots=True)
class Decision:
    """One event's decision.

    `score` is the risk in [0, 1]; `features` holds every named feature (None is unknown);
    `patterns` are the matches that this event completed, `elapsed` those that the passing of time
    completed or ended just before it, of any key: alerts of their own. `incomplete` names patterns
    that could lack a match here, because partial matches of this event's key were dropped at a cap.
    `duplicate` tells that the event was decided before and this is the first answer. `outcome` is what
    the decision was made of: belief, evidence, economics, tests, floors and adjustments; `kept` the
    numbers that it is told from, under the policy of version `policy`.
    """

    event_id: str | None
    time_ms: int
    action: str
    score: float
    hits: tuple[Hit, ...]
    features: dict[str, object]
    lists: tuple[ListMatch, ...] = ()
    patterns: tuple[PatternMatch, ...] = ()
    elapsed: tuple[PatternMatch, ...] = ()
    incomplete: tuple[str, ...] = ()
    duplicate: bool = False
    outcome: Outcome | None = None
    values: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0), repr=False, compare=False)
    rule_numbers: tuple[int, ...] = field(default=(), repr=False, compare=False)
    kept: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0), repr=False, compare=False)
    policy: str = field(default="", repr=False, compare=False)

    @property
    def rules(self) -> list[str]:
        """Return the ids of the rules hit, in policy order."""
        return [hit.rule for hit in self.hits]

    def reasons(self, language: str = "en") -> list[str]:
        """Return the reasons in `language` (English where there is none), riskiest first."""
        ranked = sorted(self.hits, key=lambda hit: -(hit.risk or 0.0))
        return [hit.reason.get(language) or hit.reason.get("en") or hit.rule for hit in ranked]

    def as_duplicate(self) -> Decision:
        """Return the same decision, marked as given before; what time brought is not told twice."""
        return dataclasses.replace(self, duplicate=True, elapsed=())


@dataclass(slots=True)
class PatternHits:
    """Which patterns each decision hit (CSR: `number[start[i]:start[i + 1]]`), and all matches.

    A match's row is the decision whose event completed it, or let time pass its limit.
    """

    plan: PatternsPlan
    start: NDArray[np.int64]
    number: NDArray[np.int32]
    matches: Matches

    def __iter__(self) -> Iterator[PatternMatch]:
        """Yield every match in the order reported, those by time among them."""
        for at in range(len(self.matches)):
            yield match_at(self.plan, self.matches, at)

    def take(self, which: NDArray[np.int64], size: int) -> PatternHits:
        """Return the hits of the decisions at these positions; their matches move with them."""
        start, picks = _picked(self.start, which)
        position = np.full(max(size, 1), -1, np.int64)
        position[which] = np.arange(which.size)
        return PatternHits(self.plan, start, self.number[picks], moved(self.matches, position))

    @classmethod
    def joined(cls, parts: Sequence[PatternHits], sizes: Sequence[int]) -> PatternHits:
        """Return the hits of several blocks as one."""
        matches = []
        first = 0
        for part, size in zip(parts, sizes, strict=True):
            matches.append(moved(part.matches, np.arange(first, first + max(size, 1))))
            first += size
        counts = np.concatenate([np.diff(part.start) for part in parts])
        start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return cls(parts[0].plan, start, np.concatenate([part.number for part in parts]), joined(matches))


@dataclass(slots=True)
class ListHits:
    """Which list entries each decision matched (CSR: `which[start[i]:start[i + 1]]` in `entries`)."""

    start: NDArray[np.int64]
    which: NDArray[np.int32]
    entries: list[ListMatch]

    def at(self, index: int) -> tuple[ListMatch, ...]:
        """Return the entries that one decision matched."""
        numbers = self.which[self.start[index] : self.start[index + 1]].tolist()
        return tuple([self.entries[number] for number in numbers])

    def take(self, which: NDArray[np.int64]) -> ListHits:
        """Return the matches of the decisions at these positions."""
        start, picks = _picked(self.start, which)
        return ListHits(start, self.which[picks], self.entries)

    @classmethod
    def of(cls, matches: Sequence[Sequence[ListMatch]]) -> ListHits:
        """Return the matches of some decisions."""
        start = np.concatenate([[0], np.cumsum([len(each) for each in matches])]).astype(np.int64)
        entries = [each for found in matches for each in found]
        return cls(start, np.arange(len(entries), dtype=np.int32), entries)

    @classmethod
    def joined(cls, parts: Sequence[ListHits]) -> ListHits:
        """Return the matches of several blocks as one."""
        counts = np.concatenate([np.diff(part.start) for part in parts])
        first = np.cumsum([0, *(len(part.entries) for part in parts)])
        which = [part.which + np.int32(base) for part, base in zip(parts, first[:-1].tolist(), strict=True)]
        entries = [each for part in parts for each in part.entries]
        start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return cls(start, np.concatenate(which).astype(np.int32), entries)

    def to_arrow(self) -> pa.Array:
        """Return a list of (list, operand, value) per decision."""
        import pyarrow as pa

        names = ("list", "operand", "value")
        entries = pa.StructArray.from_arrays(
            [pa.array([getattr(each, name) for each in self.entries], pa.string()) for name in names],
            list(names),
        )
        found = entries.take(pa.array(self.which, pa.int32()))
        return pa.ListArray.from_arrays(pa.array(self.start.astype(np.int32)), found)


@dataclass(frozen=True, slots=True)
class Kept:
    """The numbers that decisions were made with: row k is `plan.kept_rows[k]`, a column per decision.

    A column of nothing but NaN is of an earlier policy's decision.
    """

    plan: DecisionPlan
    values: NDArray[np.float64]

    def take(self, which: NDArray[np.int64]) -> Kept:
        return Kept(self.plan, self.values[:, which])

    def row(self, row: int) -> NDArray[np.float64]:
        """Return what stood in one row of the batch."""
        found: NDArray[np.float64] = self.values[self.plan.kept_rows.index(row)]
        return found

    def open_actions(self) -> NDArray[np.bool_]:
        """Return which actions (rows) floors and ceilings left open."""
        bounds = self.plan.bounds
        low = np.fmax(self.row(bounds.floor_row), 0.0)
        for each in bounds.floors:
            low = np.where(self.row(each.row) != 0.0, np.maximum(low, each.action), low)
        high = np.fmin(self.row(bounds.ceiling_row), len(ACTIONS) - 1)
        for each in bounds.ceilings:
            high = np.where(self.row(each.row) != 0.0, np.minimum(high, each.action), high)
        high = np.maximum(high, low)
        actions = np.arange(len(ACTIONS))[:, None]
        found: NDArray[np.bool_] = (actions >= low) & (actions <= high)
        return found

    def text_rows(self) -> list[int]:
        """Return which of `values` are codes of texts."""
        if not isinstance(self.plan, UtilityPlan):
            return []
        return sorted(
            {self.plan.kept_rows.index(each.row) for each in self.plan.evidence if each.type.is_text}
        )


@dataclass(slots=True)
class Decisions:
    """Many decisions as columns, in the order of the events that could be read.

    `kept` holds the numbers of the decision room, from which `Answers.at` tells an outcome.
    `rows` are the events' positions in what was given, `rejected` the records that could not be
    read. `features[k, i]` is named feature k of decision i, NaN when unknown. The rules hit by
    decision i are `hit_rule[hit_start[i]:hit_start[i + 1]]`. `patterns` is None when the policy has
    none, `lists` when it looks nothing up in lists.
    """

    outputs: tuple[Output, ...]
    rule_ids: Sequence[str]
    texts: Sequence[str]
    event_ids: pa.Array | None
    time_ms: NDArray[np.int64]
    score: NDArray[np.float64]
    action: NDArray[np.int8]
    features: NDArray[np.float64]
    hit_start: NDArray[np.int64]
    hit_rule: NDArray[np.int32]
    rows: NDArray[np.int64]
    duplicate: NDArray[np.bool_]
    patterns: PatternHits | None = None
    rejected: list[Rejected] = field(default_factory=list)
    kept: Kept | None = None
    lists: ListHits | None = None

    def __len__(self) -> int:
        return len(self.time_ms)

    def feature(self, name: str) -> NDArray[np.float64]:
        """Return one named feature's column; text comes as codes, so read that from `to_arrow`."""
        for k, output in enumerate(self.outputs):
            if output.name == name:
                column: NDArray[np.float64] = self.features[k]
                return column
        raise KeyError(name)

    def rules(self, index: int) -> list[str]:
        """Return the ids of the rules that decision `index` hit."""
        return [
            self.rule_ids[rule] for rule in self.hit_rule[self.hit_start[index] : self.hit_start[index + 1]]
        ]

    @property
    def probability(self) -> NDArray[np.float64] | None:
        """Return how likely fraud was, before any action; None unless the policy decides by utility."""
        kept = self.kept
        return kept.row(kept.plan.out) if kept is not None and isinstance(kept.plan, UtilityPlan) else None

    @property
    def utilities(self) -> NDArray[np.float64] | None:
        """Return what each action was expected to bring (rows as in ACTIONS; NaN: it has no price)."""
        kept = self.kept
        if kept is None or not isinstance(kept.plan, UtilityPlan):
            return None
        return np.array([kept.row(kept.plan.out + 1 + a) for a in range(len(ACTIONS))])

    def actions(self) -> dict[str, int]:
        """Return how many decisions each action has, answers to repeated ids left out."""
        counts = np.bincount(self.action[~self.duplicate], minlength=len(ACTIONS)).tolist()
        return dict(zip(ACTIONS, counts, strict=True))

    def take(self, which: NDArray[np.int64]) -> Decisions:
        """Return the decisions at these positions, in this order."""
        start, picks = _picked(self.hit_start, which)
        return Decisions(
            self.outputs,
            self.rule_ids,
            self.texts,
            None if self.event_ids is None else self.event_ids.take(which),
            self.time_ms[which],
            self.score[which],
            self.action[which],
            self.features[:, which],
            start,
            self.hit_rule[picks],
            self.rows[which],
            self.duplicate[which],
            None if self.patterns is None else self.patterns.take(which, len(self)),
            self.rejected,
            None if self.kept is None else self.kept.take(which),
            None if self.lists is None else self.lists.take(which),
        )

    def without_repeats(self) -> Decisions:
        """Return the decisions that are not the answer to a repeated id."""
        return self.take(np.flatnonzero(~self.duplicate)) if self.duplicate.any() else self

    @classmethod
    def joined(cls, parts: Sequence[Decisions]) -> Decisions:
        """Return the decisions of several blocks as one."""
        if len(parts) == 1:
            return parts[0]
        parts = _in_one_coding(parts)
        first = parts[0]
        counts = np.concatenate([np.diff(part.hit_start) for part in parts])
        return cls(
            first.outputs,
            first.rule_ids,
            first.texts,
            _joined_ids(parts),
            np.concatenate([part.time_ms for part in parts]),
            np.concatenate([part.score for part in parts]),
            np.concatenate([part.action for part in parts]),
            np.concatenate([part.features for part in parts], axis=1),
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            np.concatenate([part.hit_rule for part in parts]),
            np.concatenate([part.rows for part in parts]),
            np.concatenate([part.duplicate for part in parts]),
            _joined_patterns(parts),
            [rejected for part in parts for rejected in part.rejected],
            _joined_kept(parts),
            _joined_lists(parts),
        )

    def __iter__(self) -> Iterator[dict[str, object]]:
        yield from self.to_arrow().to_pylist()

    def to_arrow(self) -> pa.Table:
        """Return a table: event_id, time, action, score, every named feature, patterns, rules (lists of ids).

        `lists` are the list entries that matched, when the policy looks something up.

        Event ids are whole numbers when the policy's id field is an int, text otherwise.
        """
        import pyarrow as pa

        size = len(self)
        ids = self.event_ids if self.event_ids is not None else pa.nulls(size, pa.string())
        columns: dict[str, pa.Array] = {
            "event_id": ids,
            "time": pa.array(self.time_ms, pa.int64()).cast(pa.timestamp("ms", "UTC")),
            "action": pa.DictionaryArray.from_arrays(pa.array(self.action, pa.int8()), pa.array(ACTIONS)),
            "score": pa.array(self.score),
        }
        for k, output in enumerate(self.outputs):
            columns[output.name] = arrow_column(self.features[k], output.type, self.texts)
        rules = pa.DictionaryArray.from_arrays(
            pa.array(self.hit_rule, pa.int32()), pa.array(list(self.rule_ids), pa.string())
        )
        if self.patterns is not None:
            names = pa.array([each.name for each in self.patterns.plan.patterns], pa.string())
            numbers = pa.DictionaryArray.from_arrays(pa.array(self.patterns.number, pa.int32()), names)
            columns["patterns"] = pa.ListArray.from_arrays(
                pa.array(self.patterns.start.astype(np.int32)), numbers
            )
        if self.lists is not None:
            columns["lists"] = self.lists.to_arrow()
        columns["rules"] = pa.ListArray.from_arrays(pa.array(self.hit_start.astype(np.int32)), rules)
        return pa.table(columns)


def _in_one_coding(parts: Sequence[Decisions]) -> Sequence[Decisions]:
    """Return parts whose texts have the same codes: the engine may have dropped texts between two."""
    if all(part.texts is parts[0].texts for part in parts):
        return parts
    codes: dict[str, int] = {}
    texts: list[str] = []
    recoded = []
    for part in parts:
        features = part.features.copy()
        for k, output in enumerate(part.outputs):
            if not output.type.is_text:
                continue
            _recode(features[k], part.texts, codes)
        kept = part.kept
        if kept is not None:
            kept = Kept(kept.plan, kept.values.copy())
            for row in kept.text_rows():
                _recode(kept.values[row], part.texts, codes)
        recoded.append(dataclasses.replace(part, features=features, texts=texts, kept=kept))
    texts += codes
    return recoded


def _recode(column: NDArray[np.float64], texts: Sequence[str], codes: dict[str, int]) -> None:
    """Replace the codes in a column by those of `codes`, which grows."""
    known = ~np.isnan(column)
    distinct, places = np.unique(column[known].astype(np.int64), return_inverse=True)
    numbers = np.zeros(distinct.size)
    for place, code in enumerate(distinct.tolist()):
        numbers[place] = codes.setdefault(texts[code], len(codes))
    column[known] = numbers[places]


def _joined_kept(parts: Sequence[Decisions]) -> Kept | None:
    kept = [part.kept for part in parts if part.kept is not None]
    if len(kept) != len(parts):
        return None
    return Kept(kept[0].plan, np.concatenate([each.values for each in kept], axis=1))


def _picked(
    start: NDArray[np.int64], which: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return, for some rows of a CSR, their new offsets and where their elements lie."""
    counts = np.diff(start)[which]
    new = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return new, np.repeat(start[:-1][which] - new[:-1], counts) + np.arange(new[-1])


def _joined_patterns(parts: Sequence[Decisions]) -> PatternHits | None:
    hits = [part.patterns for part in parts if part.patterns is not None]
    return PatternHits.joined(hits, [len(part) for part in parts]) if hits else None


def _joined_lists(parts: Sequence[Decisions]) -> ListHits | None:
    hits = [part.lists for part in parts if part.lists is not None]
    return ListHits.joined(hits) if len(hits) == len(parts) else None


def _joined_ids(parts: Sequence[Decisions]) -> pa.Array | None:
    import pyarrow as pa

    arrays = [part.event_ids for part in parts]
    if any(array is None for array in arrays):
        return None
    return pa.concat_arrays(arrays)


def arrow_column(values: NDArray[np.float64], kind: Type, texts: Sequence[str]) -> pa.Array:
    """Return a column of the batch as an Arrow array of its own type; NaN is null."""
    import pyarrow as pa

    unknown = np.isnan(values)
    known = not unknown.any()
    mask = None if known else unknown
    if kind in (Type.FLOAT, Type.MONEY):
        return pa.array(values, mask=mask)
    filled = values if known else np.where(unknown, 0.0, values)
    if kind is Type.INT:
        return pa.array(filled.astype(np.int64), mask=mask)
    if kind is Type.BOOL:
        return pa.array(filled.astype(np.bool_), mask=mask)
    if kind is Type.TIME:
        return pa.array(filled.astype(np.int64), mask=mask).cast(pa.timestamp("ms", "UTC"))
    distinct, codes = np.unique(filled.astype(np.int64), return_inverse=True)
    names = [texts[code] if 0 <= code < len(texts) else "" for code in distinct.tolist()]
    indices = pa.array(codes.astype(np.int32), mask=mask)
    return pa.DictionaryArray.from_arrays(indices, pa.array(names, pa.string())).cast(pa.string())


def python_value(value: float, kind: Type, texts: Sequence[str]) -> object:
    """Return one value of the batch as Python sees it; NaN is None."""
    if math.isnan(value):
        return None
    if kind is Type.BOOL:
        return value != 0.0
    if kind is Type.INT or kind is Type.TIME:
        return int(value)
    if kind.is_text:
        return texts[int(value)]
    return value
