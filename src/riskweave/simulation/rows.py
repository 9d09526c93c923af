"""Events on their way: columns of numbers, before they become text.

Every column is int64 or float64. An id is its number, a word its place in a vocabulary, money its
minor units, time its milliseconds; `NULL` (or NaN) where an event has no such column.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from riskweave.simulation.mix import Array

NULL = int(np.iinfo(np.int64).min)


class Rows:
    """Columns of equal length; what is not given is null."""

    def __init__(self, size: int, **columns: Array | float | int) -> None:
        self.size = size
        self.columns: dict[str, Array] = {}
        for name, values in columns.items():
            self[name] = values

    def __getitem__(self, name: str) -> Array:
        return self.columns[name]

    def __setitem__(self, name: str, values: Array | float | int) -> None:
        array = np.asarray(values)
        array = array.astype(np.float64 if array.dtype.kind == "f" else np.int64, copy=False)
        self.columns[name] = np.broadcast_to(array, (self.size,))

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def take(self, index: Array) -> Rows:
        """Return some of the rows, in the order of `index` (numbers, or one bool a row)."""
        taken = {name: values[index] for name, values in self.columns.items()}
        size = int(np.count_nonzero(index)) if index.dtype == bool else len(index)
        return Rows(size, **taken)


def join(parts: Iterable[Rows]) -> Rows:
    """Return rows one after the other; a column that a part lacks is null there."""
    kept = [part for part in parts if part.size]
    if len(kept) == 1:
        return kept[0]
    joined = Rows(sum(part.size for part in kept))
    names = dict.fromkeys(name for part in kept for name in part.columns)
    for name in names:
        floats = any(name in part and part[name].dtype.kind == "f" for part in kept)
        whole = np.full(joined.size, np.nan) if floats else np.full(joined.size, NULL, np.int64)
        place = 0
        for part in kept:
            if name in part:
                values = part[name]
                if floats and values.dtype.kind != "f":
                    values = np.where(values == NULL, np.nan, values)
                whole[place : place + part.size] = values
            place += part.size
        joined[name] = whole
    return joined


def choose(rng: np.random.Generator, size: int, weights: Iterable[float]) -> Array:
    """Return `size` numbers, i as often as `weights[i]` says."""
    edges = np.cumsum(np.fromiter(weights, np.float64))
    drawn: Array = np.searchsorted(edges, rng.random(size) * edges[-1], side="right")
    return np.minimum(drawn, len(edges) - 1)


def cents(amount: Array) -> Array:
    """Return amounts as minor units, at least one."""
    return np.asarray(np.maximum(1, np.rint(np.minimum(amount, 1e13) * 100)).astype(np.int64))


def priced(rng: np.random.Generator, amount: Array) -> Array:
    """Return minor units as prices are: a third round, a third ending in 9 or 5, the others as they are."""
    exact = cents(amount)
    kind = rng.random(len(exact))
    step = np.where(exact >= 20_000, 1_000, np.where(exact >= 2_000, 100, 10))
    rounded = np.maximum(exact // step, 1) * step
    ended = np.maximum(exact // 100, 1) * 100 - np.where(kind < 0.5, 1, 5)
    return np.where(kind < 0.3, rounded, np.where(kind < 0.65, ended, exact))
