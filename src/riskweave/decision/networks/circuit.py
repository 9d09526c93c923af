"""A posterior as an arithmetic circuit, for questions with too many combinations for one table.

Variable elimination is run once, at compile time, over what is known then. Factors that depend on
few evidence nodes stay numbers, with an axis per evidence node: at run time they are groups, small
tables of which an event picks a row. Where more evidence meets, cells become steps of a circuit over
the groups' cells (Darwiche, "A differential approach to inference in Bayesian networks", 2003);
equal steps are there once, and those that multiply by 0 or 1 not at all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskweave.decision.networks.factors import Factor, multiply, sum_out
from riskweave.decision.networks.ordering import min_fill
from riskweave.errors import PolicyError
from riskweave.kernels import posterior as kernel

# A group's table stays in the second level of cache.
GROUP_CELLS_MAX = 1 << 13
STEPS_MAX = 20_000


@dataclass(frozen=True, eq=False)
class Circuit:
    """The arrays that `kernels.posterior.run_circuit` reads; `places` is how many values it keeps."""

    steps: NDArray[np.int32]
    constants: NDArray[np.float64]
    results: NDArray[np.int64]
    member_start: NDArray[np.int64]
    member_node: NDArray[np.int64]
    member_stride: NDArray[np.int64]
    group_first: NDArray[np.int64]
    group_width: NDArray[np.int64]
    cells: NDArray[np.float64]
    places: int

    def run(self, indices: NDArray[np.int64], out: NDArray[np.float64]) -> None:
        """Fill `out[state, event]` from `indices[evidence node, event]`."""
        kernel.run_circuit(
            self.steps,
            self.constants,
            self.results,
            self.member_start,
            self.member_node,
            self.member_stride,
            self.group_first,
            self.group_width,
            self.cells,
            indices,
            np.empty((self.group_first.size, kernel.BLOCK), np.int64),
            np.empty((self.places, kernel.BLOCK)),
            out,
        )


@dataclass(frozen=True, eq=False)
class _Symbols:
    """A factor whose cells are values of the circuit."""

    variables: tuple[int, ...]
    cells: NDArray[np.int64]


def build_circuit(
    factors: Sequence[Factor], sizes: dict[int, int], indices: Sequence[int], target: int
) -> Circuit:
    """Return the circuit of the factors' product over `target`, `indices` being given at run time."""
    builder = _Builder(sizes, indices)
    mixed: list[Factor | _Symbols] = list(factors)
    given = set(indices)
    scopes = [[each for each in factor.variables if each not in given] for factor in factors]
    out = {each for scope in scopes for each in scope} - {target}
    for variable in min_fill(scopes, out, sizes):
        bucket = [factor for factor in mixed if variable in factor.variables]
        mixed = [factor for factor in mixed if variable not in factor.variables]
        mixed.append(builder.sum_out(builder.product(bucket), variable))
    # What does not depend on the target cancels when the results are scaled, unless it is 0.
    last = builder.product(mixed)
    cells = last.cells if isinstance(last, _Symbols) else builder.symbols(last).cells
    if cells.ndim == 0:
        cells = np.full(sizes[target], int(cells))
    return builder.finish([int(each) for each in cells])


class _Builder:
    """Collects values: constants, loads of a group's cell, sums and products, each but once."""

    def __init__(self, sizes: dict[int, int], indices: Sequence[int]) -> None:
        self.sizes = sizes
        self.indices = list(indices)
        self.values: list[tuple[int, float, float]] = []
        self.known: dict[tuple[int, float, float], int] = {}
        self.groups: list[tuple[list[int], NDArray[np.float64]]] = []
        self.zero = self.constant(0.0)
        self.one = self.constant(1.0)

    # ---- values

    def value(self, what: int, first: float, second: float) -> int:
        key = (what, first, second)
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = len(self.values)
            self.values.append(key)
            if found > 20 * STEPS_MAX:
                raise _too_large()
        return found

    def constant(self, number: float) -> int:
        return self.value(_CONSTANT, number, 0)

    def times(self, first: int, second: int) -> int:
        if first == self.zero or second == self.zero:
            return self.zero
        if first == self.one:
            return second
        if second == self.one:
            return first
        return self._pair(kernel.TIMES, first, second)

    def plus(self, first: int, second: int) -> int:
        if first == self.zero:
            return second
        if second == self.zero:
            return first
        return self._pair(kernel.PLUS, first, second)

    def _pair(self, what: int, first: int, second: int) -> int:
        first, second = min(first, second), max(first, second)
        a, b = self.values[first], self.values[second]
        if a[0] == b[0] == _CONSTANT:
            return self.constant(a[1] * b[1] if what == kernel.TIMES else a[1] + b[1])
        return self.value(what, first, second)

    # ---- factors

    def symbols(self, factor: Factor) -> _Symbols:
        """Turn numbers into values: constants, or loads of a new group's cells."""
        inner = [each for each in factor.variables if each not in self.indices]
        outer = [each for each in factor.variables if each in self.indices]
        table = factor.aligned(outer + inner)
        shape = table.shape[len(outer) :]
        rows = table.reshape(math.prod(table.shape[: len(outer)]), -1)
        if not outer:
            cells = [self.constant(float(number)) for number in rows[0]]
            return _Symbols(tuple(inner), np.array(cells, np.int64).reshape(shape))
        # A row's scale does not change a posterior, and keeps many rows' product within numbers.
        greatest = rows.max(axis=1, keepdims=True)
        rows = np.divide(rows, greatest, out=np.zeros_like(rows), where=greatest > 0)
        columns: list[NDArray[np.float64]] = []
        seen: dict[bytes, int] = {}
        cells = []
        for column in rows.T:
            if (column == column[0]).all():
                cells.append(self.constant(float(column[0])))
                continue
            key = column.tobytes()
            if key not in seen:
                seen[key] = len(columns)
                columns.append(column)
            cells.append(self.value(kernel.LOAD, len(self.groups), seen[key]))
        if columns:
            self.groups.append(([self.indices.index(each) for each in outer], np.array(columns).T))
        return _Symbols(tuple(inner), np.array(cells, np.int64).reshape(shape))

    def product(self, factors: Sequence[Factor | _Symbols]) -> Factor | _Symbols:
        """Multiply: numbers as long as their tables stay small, values of the circuit otherwise."""
        merged: list[Factor] = []
        numbers = [factor for factor in factors if isinstance(factor, Factor)]
        for factor in sorted(numbers, key=lambda each: each.table.size):
            for number, other in enumerate(merged):
                if self._fits(factor, other):
                    merged[number] = multiply([other, factor], self.sizes)
                    break
            else:
                merged.append(factor)
        symbols = [factor for factor in factors if isinstance(factor, _Symbols)]
        if not symbols and len(merged) == 1:
            return merged[0]
        symbols += [self.symbols(factor) for factor in merged]
        symbols.sort(key=lambda each: each.cells.size)
        found = symbols[0] if symbols else _Symbols((), np.array(self.one))
        for each in symbols[1:]:
            found = self._times(found, each)
        return found

    def _fits(self, first: Factor, second: Factor) -> bool:
        union = set(first.variables) | set(second.variables)
        return math.prod(self.sizes[each] for each in union) <= GROUP_CELLS_MAX

    def _times(self, first: _Symbols, second: _Symbols) -> _Symbols:
        variables = tuple(dict.fromkeys([*first.variables, *second.variables]))
        shape = [self.sizes[each] for each in variables]
        if math.prod(shape) > 20 * STEPS_MAX:
            raise _too_large()
        left = np.broadcast_to(_aligned(first, variables), shape)
        right = np.broadcast_to(_aligned(second, variables), shape)
        cells = [self.times(int(a), int(b)) for a, b in zip(left.flat, right.flat, strict=True)]
        return _Symbols(variables, np.array(cells, np.int64).reshape(shape))

    def sum_out(self, factor: Factor | _Symbols, variable: int) -> Factor | _Symbols:
        if isinstance(factor, Factor):
            return sum_out(factor, variable)
        axis = factor.variables.index(variable)
        left = tuple(each for each in factor.variables if each != variable)
        moved = np.moveaxis(factor.cells, axis, -1)
        cells = []
        for row in moved.reshape(-1, moved.shape[-1]):
            total = self.zero
            for each in row:
                total = self.plus(total, int(each))
            cells.append(total)
        return _Symbols(left, np.array(cells, np.int64).reshape(moved.shape[:-1]))

    # ---- the circuit

    def finish(self, results: list[int]) -> Circuit:
        """Lay the values that the results need into as few places as their lives allow."""
        order = self._order(results)
        if len(order) > STEPS_MAX:
            raise _too_large()
        uses: dict[int, int] = dict.fromkeys(order, 0)
        for number in order:
            for each in self._operands(number):
                uses[each] += 1
        for each in results:
            uses[each] += 1
        layout = _Layout(uses)
        constants: list[float] = []
        for number in order:
            what, first, second = self.values[number]
            if what == _CONSTANT:
                continue
            if what == kernel.LOAD:
                layout.step(what, number, int(first), int(second), [])
                continue
            a, b = int(first), int(second)
            constant = next((each for each in (a, b) if self.values[each][0] == _CONSTANT), None)
            if constant is not None:
                other = b if constant == a else a
                constants.append(self.values[constant][1])
                kind = kernel.TIMES_CONSTANT if what == kernel.TIMES else kernel.PLUS_CONSTANT
                layout.step(kind, number, layout.place[other], len(constants) - 1, [other])
            else:
                layout.step(what, number, layout.place[a], layout.place[b], [a, b])
        places = []
        for each in results:
            if each not in layout.place:
                constants.append(self.values[each][1])
                layout.step(kernel.SET, each, 0, len(constants) - 1, [])
            places.append(layout.place[each])
        starts = np.cumsum([0, *(len(members) for members, _ in self.groups)])
        widths = [table.shape[1] for _, table in self.groups]
        firsts = np.cumsum([0, *(table.size for _, table in self.groups)])
        strides: list[int] = []
        for members, _ in self.groups:
            lengths = [self.sizes[self.indices[each]] for each in members]
            strides += [math.prod(lengths[k + 1 :]) for k in range(len(members))]
        return Circuit(
            steps=np.array(layout.steps, np.int32).reshape(-1, 4),
            constants=np.array(constants, np.float64),
            results=np.array(places, np.int64),
            member_start=starts.astype(np.int64),
            member_node=np.array([each for members, _ in self.groups for each in members], np.int64),
            member_stride=np.array(strides, np.int64),
            group_first=firsts[:-1].astype(np.int64),
            group_width=np.array(widths, np.int64),
            cells=np.concatenate([table.ravel() for _, table in self.groups] or [np.zeros(0)]),
            places=max(layout.count, 1),
        )

    def _operands(self, number: int) -> tuple[int, ...]:
        what, first, second = self.values[number]
        return (int(first), int(second)) if what in (kernel.TIMES, kernel.PLUS) else ()

    def _order(self, results: list[int]) -> list[int]:
        """Return what the results need, operands before what uses them and near to it."""
        order: list[int] = []
        done: set[int] = set()
        waiting = [(number, False) for number in reversed(results)]
        while waiting:
            number, ready = waiting.pop()
            if number in done:
                continue
            if ready:
                done.add(number)
                order.append(number)
            else:
                waiting.append((number, True))
                waiting.extend((each, False) for each in reversed(self._operands(number)))
        return order


class _Layout:
    """Gives every value a place in the arena, and frees it after its last use."""

    def __init__(self, uses: dict[int, int]) -> None:
        self.uses = uses
        self.place: dict[int, int] = {}
        self.free: list[int] = []
        self.count = 0
        self.steps: list[tuple[int, int, int, int]] = []

    def step(self, what: int, number: int, first: int, second: int, operands: list[int]) -> None:
        # Never the place of an operand: steps over places that may overlap are not vectorized.
        self.place[number] = place = self._take()
        for each in operands:
            self.uses[each] -= 1
            if self.uses[each] == 0:
                self.free.append(self.place[each])
        self.steps.append((what, place, first, second))

    def _take(self) -> int:
        if self.free:
            return self.free.pop()
        self.count += 1
        return self.count - 1


_CONSTANT = -1


def _aligned(factor: _Symbols, variables: Sequence[int]) -> NDArray[np.int64]:
    order = [factor.variables.index(each) for each in variables if each in factor.variables]
    cells = factor.cells.transpose(order)
    lengths = iter(cells.shape)
    return cells.reshape([next(lengths) if each in factor.variables else 1 for each in variables])


def _too_large() -> PolicyError:
    return PolicyError(
        f"this question needs a circuit of more than {STEPS_MAX} steps",
        None,
        "name fewer evidence nodes, or give the network fewer edges",
    )
