"""Contributions of inputs to a sum of trees, exact: looked up where tables are small, else worked out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskweave.models.shap_quadrature import Quadrature, find_ways, lay_out
from riskweave.models.shap_tables import BYTES_MAX, Tables, make_tables
from riskweave.models.trees import expected_sum

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TreeShap:
    """Trees laid out for their explanation; `expected` is the mean of their sum over the training set."""

    tables: Tables | None
    rest: Quadrature | None
    expected: float

    def contributions(self, inputs: Floats) -> Floats:
        """Return what each input adds to the sum of leaves above `expected`: a row for each row."""
        out = np.zeros_like(inputs) if self.rest is None else self.rest.contributions(inputs)
        if self.tables is not None:
            self.tables.add(inputs, out)
        return out

    @property
    def nbytes(self) -> int:
        """Return what the tables take."""
        return 0 if self.tables is None else self.tables.tables.nbytes


def prepare(weights: Mapping[str, NDArray[Any]], bytes_max: int = BYTES_MAX) -> TreeShap:
    """Lay trees out, with tables of at most `bytes_max` bytes; `weights` are a checked artifact's."""
    ways = find_ways(weights)
    tables, others = make_tables(weights, ways.share, bytes_max)
    rest = lay_out(weights, ways, others) if others else None
    return TreeShap(tables, rest, expected_sum(weights))
