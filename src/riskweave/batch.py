"""The table that walks: a block of events as columns, to which each room appends its own.

A `Layout` says at compile time which columns there are; a `Batch` holds their values. All values
lie in one float64 matrix, a row per column, so that a room is one kernel call on one array.
Keys (64-bit hashes of entity keys, and of values that only need to be told apart) lie in a second
matrix, because a hash does not fit a float.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from riskweave.expressions.types import Col, Type

# Rows that every layout has.
TIME_ROW = 0
TYPE_ROW = 1

# A column of stage s is filled by the room of stage s, or by program s, which runs right after that room.
STAGE_DECODED = 0  # fields, attributes
STAGE_LISTS = 1
STAGE_FEATURES = 2
STAGE_PATTERNS = 3
STAGE_MODELS = 4
STAGE_TABLES = 5  # tables, scorecards and trees that read each other take one further stage each

# Gentlest first: a floor is the least, a ceiling the greatest that may be chosen.
ACTIONS = ("PASS", "MFA", "REVIEW", "BLOCK")


class Layout:
    """The columns of a plan while it is compiled; frozen once the plan is made.

    Row 0 is the event's time (ms), row 1 its type (a string code). `keys` are the rows of the key
    matrix by name. `temp_rows` rows below the columns hold what expressions compute on their way;
    the expression compiler sets it last, and no column is added after that.
    """

    def __init__(self) -> None:
        self.columns: list[Col] = []
        self.keys: dict[str, int] = {}
        self.temp_rows = 0
        self.add("event_time", Type.TIME, 0)
        self.add("event_type", Type.STRING, 0)

    def add(self, name: str, kind: Type, stage: int) -> Col:
        """Append a column that is filled by `stage`; a LOCATION takes two rows."""
        assert not self.temp_rows, "the layout is frozen"
        column = Col(len(self.columns), kind, stage, name)
        self.columns.append(column)
        if kind is Type.LOCATION:
            self.columns.append(Col(len(self.columns), Type.FLOAT, stage, f"{name}.lon"))
        return column

    def add_key(self, name: str) -> int:
        """Return the row of the key matrix with that name, appending it when it is new."""
        return self.keys.setdefault(name, len(self.keys))

    @property
    def rows(self) -> int:
        return len(self.columns) + self.temp_rows

    @property
    def key_rows(self) -> int:
        return len(self.keys)


@dataclass(slots=True)
class LabelArrivals:
    """Labels that arrive between the events of a batch.

    `before_row[k]`: the label is known to rows >= before_row[k] (and to none before it); sorted.
    `event_hash[k]`: 64-bit hash of the id of the event it names; `label[k]`: which label field;
    `value[k]`: 1, 0, or NaN to take it back; `time_ms[k]`: when it arrived.
    """

    before_row: NDArray[np.int64]
    event_hash: NDArray[np.uint64]
    label: NDArray[np.int64]
    value: NDArray[np.float64]
    time_ms: NDArray[np.int64]


# How a match of a pattern came about: by the event of a row, by time (an absence, or one that was held
# back), or as a partial match that ran out of time.
BY_EVENT, BY_TIME, TIMED_OUT = 0, 1, 2


@dataclass(slots=True)
class Matches:
    """Matches in the order they were reported, and the events of each (CSR).

    Match m is pattern `pattern[m]` of key `key[m]`, reported at `time_ms[m]`; `row[m]` is the row of
    the batch whose event completed it, or that let time pass its limit, -1 when the clock did.
    `kind[m]` is BY_EVENT, BY_TIME (an absence, or one that was held back) or TIMED_OUT. Its events
    are [start[m], start[m + 1]) of `event_hash`, `event_time_ms` and `stage`.
    """

    row: NDArray[np.int64]
    pattern: NDArray[np.int64]
    key: NDArray[np.uint64]
    time_ms: NDArray[np.int64]
    kind: NDArray[np.int64]
    start: NDArray[np.int64]
    event_hash: NDArray[np.uint64]
    event_time_ms: NDArray[np.int64]
    stage: NDArray[np.int64]

    def __len__(self) -> int:
        return int(self.row.size)


@dataclass(slots=True)
class Batch:
    """A block of events on its way.

    `values[row, i]` is event i's value of the layout's column `row`, NaN when null.
    `keys[row, i]` is event i's hash, 0 when the key is missing.
    `time_ms` is row 0 of `values` as int64; `watermark_ms[i]` is the greatest event time among all
    events that arrived up to and including event i (and before this batch).
    `event_hash[i]` is the hash of the event's id (of its arrival number when it has no id).
    Patterns leave what they matched in `matches`. Rules leave their hits in `hit_start` (n + 1
    offsets) and `hit_rule` (rule numbers, ascending within an event); the decision leaves `score`
    and `action`.
    """

    size: int
    values: NDArray[np.float64]
    keys: NDArray[np.uint64]
    time_ms: NDArray[np.int64]
    watermark_ms: NDArray[np.int64]
    event_hash: NDArray[np.uint64]
    labels: LabelArrivals | None = None
    matches: Matches | None = None
    hit_start: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, np.int64))
    hit_rule: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    score: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    action: NDArray[np.int8] = field(default_factory=lambda: np.zeros(0, np.int8))


def empty_batch(layout: Layout, size: int) -> Batch:
    """Return a batch of nulls."""
    return Batch(
        size=size,
        values=np.full((layout.rows, size), np.nan),
        keys=np.zeros((max(layout.key_rows, 1), size), np.uint64),
        time_ms=np.zeros(size, np.int64),
        watermark_ms=np.zeros(size, np.int64),
        event_hash=np.zeros(size, np.uint64),
    )


def take_rows(batch: Batch, which: NDArray[np.int64]) -> Batch:
    """Return a batch of some of the rows, before any room has written to it."""
    return Batch(
        size=which.size,
        values=np.ascontiguousarray(batch.values[:, which]),
        keys=np.ascontiguousarray(batch.keys[:, which]),
        time_ms=batch.time_ms[which],
        watermark_ms=batch.watermark_ms[which],
        event_hash=batch.event_hash[which],
    )
