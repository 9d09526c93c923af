"""A model's inputs: which columns they come from, and what happens to them on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskweave.kernels import inputs as kernel
from riskweave.models.artifact import About

Floats = NDArray[np.float64]
Codes = Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Inputs:
    """The arrays of `gather`, and which feature each input belongs to."""

    sources: NDArray[np.int64]
    facts: Floats
    codes: NDArray[np.int64]
    whole: bool
    feature: NDArray[np.int64]
    rows: tuple[int, ...]

    def gather(self, values: Floats, which: NDArray[np.int64]) -> Floats:
        """Return the inputs of some columns (events) of `values`, a line each."""
        found = np.empty((which.size, len(self.sources)))
        kernel.gather(values, which, self.sources, self.facts, self.codes, self.whole, found)
        return found

    def by_feature(self, amounts: Floats) -> Floats:
        """Add up the amounts of each feature's inputs."""
        total = np.zeros(len(self.rows))
        np.add.at(total, self.feature, amounts)
        return total


def make_inputs(
    about: About,
    weights: Mapping[str, NDArray[Any]],
    rows: Sequence[int] | None = None,
    codes: Sequence[Codes | None] | None = None,
) -> Inputs:
    """Return how inputs are made of features that stand in `rows`, by default in the order named.

    `codes` says for a category what position each value of its column means; without it values are
    positions.
    """
    rows = list(range(len(about.features))) if rows is None else rows
    tables = [None] * len(rows) if codes is None else codes
    pairs: list[tuple[int, int]] = []
    lines: list[list[int]] = []
    owner: list[int] = []
    for number, (feature, row, table) in enumerate(zip(about.features, rows, tables, strict=True)):
        first = len(pairs)
        pairs += sorted(table.items()) if table else []
        if table is not None and not table:
            pairs.append((-1, -1))
        span = [first, len(pairs)] if table is not None else [0, 0]
        if feature.encoding == "one_hot":
            lines += [[row, kernel.ONE_HOT, each, *span] for each in range(len(feature.categories))]
        else:
            kind = kernel.CODE if feature.encoding == "code" else kernel.VALUE
            lines.append([row, kind, 0, *span])
        if feature.indicator:
            lines.append([row, kernel.INDICATOR, 0, 0, 0])
        owner += [number] * feature.inputs
    facts = np.zeros((len(lines), kernel.FACTS))
    facts[:, kernel.IMPUTE] = weights.get("input_impute", np.nan)
    facts[:, kernel.MEAN] = weights.get("input_mean", 0.0)
    facts[:, kernel.SCALE] = weights.get("input_scale", 1.0)
    facts[:, kernel.LOG] = weights.get("input_log", 0)
    facts[:, kernel.ZERO_MISSING] = weights.get("input_zero_missing", 0)
    return Inputs(
        np.array(lines, np.int64).reshape(-1, kernel.SOURCE_WORDS),
        facts,
        np.array(pairs, np.int64).reshape(-1, 2),
        about.precision == "float32",
        np.array(owner, np.int64),
        tuple(rows),
    )
