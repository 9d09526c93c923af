"""Conditions compiled into interval maps and rows of bits: the arrays that the matching kernel runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskweave.kernels import matching
from riskweave.kernels.hits import FACTS
from riskweave.rules.ranges import LOWEST, Ranges

# Rules of one chunk: their rows of bits stay in the second-level cache.
CHUNK_RULES = 2048

# A column read by no more rules of a chunk than this is asked for their survivors only.
RARE_READERS = 2

# What one column allows, by row of the batch.
Rows = dict[int, Ranges]


# Room for the hits of a batch of one; more is made when needed.
HITS_MIN = 256


@dataclass(frozen=True, slots=True)
class Outcome:
    """What hits add up to: a row of facts per rule, which hits of each group count, and the row of risk."""

    facts: NDArray[np.float64]
    takes: Sequence[int]
    risk_row: int


NO_OUTCOME = Outcome(np.zeros((0, FACTS)), (), -1)


@dataclass(frozen=True, slots=True)
class Matcher:
    """Which of `rules` conditions hold, for every event of a batch."""

    rules: int
    work: int
    work_per_event: int
    plan: NDArray[np.int64]
    reals: NDArray[np.float64]
    rows: NDArray[np.uint64]

    def match(self, values: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Return the hits of each event: offsets (n + 1), and rule numbers ascending within an event.

        Of a matcher with an outcome: the hits that count; its rows of `values` are filled.
        """
        events = values.shape[1]
        work = np.empty(self.work + self.work_per_event * min(events, matching.BLOCK), np.int64)
        start = np.empty(events + 1, np.int64)
        start[0] = 0
        hits = np.empty(HITS_MIN + 4 * events, np.int32)
        first = 0
        while True:
            first = matching.match(values, self.plan, self.reals, self.rows, first, work, start, hits)
            if first == events:
                return start, hits
            # The rest is likely to hit as often as what was seen, and one event may hit every rule.
            used = int(start[first])
            longer = np.empty(
                max(2 * hits.size, int(1.2 * used * events / max(first, 1))) + self.rules, np.int32
            )
            longer[:used] = hits[:used]
            hits = longer


def build_matcher(conditions: Sequence[Rows], outcome: Outcome = NO_OUTCOME) -> Matcher:
    """Return the matcher of these conditions: each an AND over columns of the values allowed."""
    chunks = [
        _Chunk(conditions[first : first + CHUNK_RULES]) for first in range(0, len(conditions), CHUNK_RULES)
    ]
    cuts: list[NDArray[np.float64]] = []
    rows: list[NDArray[np.uint64]] = []
    chunk_fields: list[int] = []
    column_fields: list[int] = []
    cut_at = row_at = word_at = columns = 0
    for chunk in chunks:
        rows.append(chunk.possible)
        chunk_fields += [word_at, chunk.words, columns, len(chunk.columns), row_at]
        row_at += chunk.possible.size
        for column in chunk.columns:
            column_fields += [column.row, cut_at, column.cuts.size, row_at]
            cuts.append(column.cuts)
            rows.append(column.bits)
            cut_at += column.cuts.size
            row_at += column.bits.size
        columns += len(chunk.columns)
        word_at += chunk.words
    test_start = [0]
    test_row: list[int] = []
    bounds: list[float] = []
    for chunk in chunks:
        for tests in chunk.tests:
            for row, low, high in tests:
                test_row.append(row)
                bounds += [low, high]
            test_start.append(len(test_row))
    # Words of a chunk that no rule owns still have a place, so rules are numbered chunk by chunk.
    assert all(chunk.words * 64 == CHUNK_RULES for chunk in chunks[:-1])
    header = [0] * matching.HEADER
    header[matching.CHUNKS] = len(chunks)
    header[matching.WORDS] = word_at
    at = matching.HEADER
    for place, part in (
        (matching.CHUNK_AT, chunk_fields),
        (matching.COLUMN_AT, column_fields),
        (matching.TEST_START_AT, test_start),
        (matching.TEST_ROW_AT, test_row),
        (matching.TAKES_AT, outcome.takes),
    ):
        header[place] = at
        at += len(part)
    most_columns = max((len(chunk.columns) for chunk in chunks), default=0)
    header[matching.COLUMNS] = most_columns
    header[matching.GROUPS] = len(outcome.takes)
    header[matching.BOUND_AT] = cut_at
    header[matching.FACTS_AT] = cut_at + len(bounds)
    header[matching.RISK_ROW] = outcome.risk_row
    fields = [*header, *chunk_fields, *column_fields, *test_start, *test_row, *outcome.takes]
    return Matcher(
        rules=len(conditions),
        work=2 * len(outcome.takes),
        work_per_event=most_columns + word_at,
        plan=np.array(fields, np.int64),
        reals=np.concatenate([*cuts, np.array(bounds, np.float64), outcome.facts.reshape(-1)]),
        rows=np.concatenate(rows) if rows else np.zeros(1, np.uint64),
    )


@dataclass(slots=True)
class _Column:
    row: int
    cuts: NDArray[np.float64]
    bits: NDArray[np.uint64]


class _Chunk:
    """Up to CHUNK_RULES rules: the bits of those that can hold at all, interval maps, and rare tests."""

    def __init__(self, conditions: Sequence[Rows]) -> None:
        words = -(-len(conditions) // 64)
        self.words = -(-words // 8) * 8 if words > 6 else -(-words // 2) * 2
        possible = np.zeros(self.words * 64, bool)
        readers: dict[int, list[tuple[int, Ranges]]] = {}
        for rule, condition in enumerate(conditions):
            if any(allowed.is_empty for allowed in condition.values()):
                continue
            possible[rule] = True
            for row, allowed in condition.items():
                readers.setdefault(row, []).append((rule, allowed))
        self.possible = _packed(possible)
        self.tests: list[list[tuple[int, float, float]]] = [[] for _ in conditions]
        self.columns: list[_Column] = []
        for row, each in readers.items():
            if len(each) <= RARE_READERS and all(_is_test(allowed) for _, allowed in each):
                for rule, allowed in each:
                    high = allowed.edges[1] if len(allowed.edges) == 2 else math.nan
                    self.tests[rule].append((row, allowed.edges[0], high))
            else:
                self.columns.append(self._map(row, each))

    def _map(self, row: int, readers: list[tuple[int, Ranges]]) -> _Column:
        edges = {edge for _, allowed in readers for edge in allowed.edges}
        cuts = [LOWEST, *sorted(edges - {LOWEST})]
        number = {cut: index + 1 for index, cut in enumerate(cuts)}
        bits = np.ones((len(cuts) + 1, self.words * 64), bool)
        for rule, allowed in readers:
            column = bits[:, rule]
            column[:] = False
            column[0] = allowed.null
            starts = [number[edge] for edge in allowed.edges]
            if len(starts) % 2:
                starts.append(len(cuts) + 1)
            for first, last in zip(starts[::2], starts[1::2], strict=True):
                column[first:last] = True
        size = 3
        while size < len(cuts):
            size = 2 * size + 1
        padded = np.full(size, np.nan)
        padded[: len(cuts)] = cuts
        return _Column(row, padded, _packed(bits))


def _is_test(allowed: Ranges) -> bool:
    return not allowed.null and 1 <= len(allowed.edges) <= 2


def _packed(flags: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Return flags as words of 64, the first flag in the lowest bit."""
    return np.packbits(flags, axis=-1, bitorder="little").reshape(-1).view("<u8").astype(np.uint64)
