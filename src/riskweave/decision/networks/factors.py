"""Factors: tables over some variables, and how to multiply them and take variables out.

A variable is a number; a factor's axes follow its variables. Every product is scaled by its
greatest cell, so that many observations together do not sink below what numbers can hold; `scale`
is the logarithm of what was taken out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskweave.errors import LimitError

# 512 MB of numbers; what needs more is no network for decisions.
CELLS_MAX = 1 << 26
# NumPy's arrays have at most 64 axes; products leave some room.
AXES_MAX = 60

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Factor:
    """`table` has one axis per variable of `variables`, in that order."""

    variables: tuple[int, ...]
    table: Array
    scale: float = 0.0

    def aligned(self, variables: Sequence[int]) -> Array:
        """Return the table with the axes of `variables`, of length 1 where it has none."""
        order = [self.variables.index(each) for each in variables if each in self.variables]
        table = self.table.transpose(order)
        lengths = iter(table.shape)
        return table.reshape([next(lengths) if each in self.variables else 1 for each in variables])


def multiply(factors: Sequence[Factor], sizes: Mapping[int, int], last: Iterable[int] = ()) -> Factor:
    """Return the product of factors; the variables of `last` become its last axes."""
    behind = list(last)
    seen = dict.fromkeys(each for factor in factors for each in factor.variables)
    variables = [each for each in seen if each not in behind] + behind
    check_size([sizes[each] for each in variables])
    # Small ones first: the full size is reached as late as possible.
    ordered = sorted(factors, key=lambda factor: factor.table.size)
    table: Array = np.ones([1] * len(variables))
    for factor in ordered:
        table = table * factor.aligned(variables)
    full = tuple(sizes[each] for each in variables)
    if table.shape != full:
        table = np.broadcast_to(table, full)
    return scaled(Factor(tuple(variables), table, sum(factor.scale for factor in factors)))


def scaled(factor: Factor) -> Factor:
    """Return the factor with 1 as its greatest cell; one that is 0 everywhere stays."""
    greatest = float(factor.table.max()) if factor.table.size else 0.0
    if greatest in (0.0, 1.0):
        return factor
    return Factor(factor.variables, factor.table / greatest, factor.scale + math.log(greatest))


def sum_out(factor: Factor, variable: int) -> Factor:
    """Return the factor summed over one of its variables."""
    axis = factor.variables.index(variable)
    left = factor.variables[:axis] + factor.variables[axis + 1 :]
    return Factor(left, factor.table.sum(axis=axis), factor.scale)


def max_out(factor: Factor, variable: int) -> tuple[Factor, NDArray[np.int64]]:
    """Return the greatest over a variable, and which of its states (the first on a tie) has it."""
    axis = factor.variables.index(variable)
    left = factor.variables[:axis] + factor.variables[axis + 1 :]
    chosen = factor.table.argmax(axis=axis)
    return Factor(left, factor.table.max(axis=axis), factor.scale), chosen


def restrict(factor: Factor, states: Mapping[int, int]) -> Factor:
    """Return the part of a factor in which some variables have a known state."""
    if not any(each in states for each in factor.variables):
        return factor
    index = tuple(states[each] if each in states else slice(None) for each in factor.variables)
    left = tuple(each for each in factor.variables if each not in states)
    return Factor(left, np.asarray(factor.table[index], dtype=np.float64), factor.scale)


def check_size(lengths: Iterable[int]) -> None:
    """Raise LimitError before a table is made that would not fit."""
    cells, axes = 1, 0
    for length in lengths:
        cells *= length
        axes += 1
    if cells > CELLS_MAX or axes > AXES_MAX:
        raise LimitError(
            f"this question needs a table over {axes} nodes of the network at once, {cells:.3g} numbers; "
            f"at most {CELLS_MAX} are made: observe more nodes, or give nodes fewer parents"
        )
