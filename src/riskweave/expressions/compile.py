"""Typed nodes to flat programs: each distinct sub-expression once, in as few rows as it takes.

`Compiler.column(node)` promises a node's value in a column of the batch; `finish()` gives the
programs, one per stage. A value is computed by the program of the first stage at which all it reads
is there. Rows of intermediate values are used again once their last reader has run, in whatever
stage that is.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from riskweave.expressions.program import Program, Symbols
from riskweave.expressions.strings import StringPool
from riskweave.expressions.text import render
from riskweave.expressions.text_functions import TEXT_FUNCTIONS
from riskweave.expressions.types import Col, Const, Op, Type, Typed
from riskweave.expressions.zone import periods
from riskweave.kernels.program import OPCODES

# Every operation of a typed node, and how many operands it has (0: two or more, by pairs).
OPS = {
    **dict.fromkeys(("add", "sub", "mul", "div", "floordiv", "mod", "pow", "time_diff", "time_add"), 2),
    **dict.fromkeys(("lt", "le", "eq", "ne", "point"), 2),
    **dict.fromkeys(("and", "or", "min", "max", "coalesce"), 0),
    **dict.fromkeys(("not", "truth", "is_null", "in", "not_in", "lat", "lon"), 1),
    **dict.fromkeys(("neg", "abs", "sign", "round", "floor", "ceil", "sqrt", "log", "log10", "exp"), 1),
    **dict.fromkeys(("hour", "minute", "weekday", "day", "month", "year"), 1),
    **dict.fromkeys(TEXT_FUNCTIONS, 1),
    "if": 3,
    "distance_km": 4,
}
_CALENDAR = frozenset(["hour", "minute", "weekday", "day", "month", "year"])
_OPCODE = {name: number for number, name in enumerate(OPCODES)}
_VALUES_OF_TEXT = frozenset(["lower", "upper", "strip", "len", "prefix"])
# The stages that the engine's rooms have; tables that read each other add to them.
_STAGES_MIN = 6


class Columns(Protocol):
    """What the compiler needs of the batch's layout."""

    columns: list[Col]
    temp_rows: int

    def add(self, name: str, kind: Type, stage: int) -> Col: ...


@dataclass(slots=True)
class _Value:
    """A distinct value: how it is computed, or where it lies."""

    stage: int
    op: str = ""  # empty: it lies in `row` already
    args: tuple[int, ...] = ()
    k: int = 0
    m: int = 0
    s: int = 0
    row: int = -1
    readers: list[int] = field(default_factory=list)


class Compiler:
    """Collects the expressions of one policy."""

    def __init__(self, layout: Columns, pool: StringPool, time_zone: str) -> None:
        self.layout = layout
        self.pool = pool
        self.time_zone = time_zone
        self.values: list[_Value] = []
        self._known: dict[tuple[object, ...], int] = {}
        self._of_row: dict[int, int] = {}
        self._columns: dict[tuple[int, ...], Col] = {}
        self._constants: list[float] = [0.0]
        self._places: dict[tuple[object, ...], int] = {}
        self._texts: list[tuple[int, str]] = []
        self._text_sets: list[tuple[int, tuple[str, ...]]] = []
        self._text_functions: dict[tuple[str, object], int] = {}
        self._zone: tuple[int, int] | None = None
        self._finished = False

    # ---- what other rooms call

    def column(self, node: Typed) -> Col:
        """Return a column that holds the node's value once its stage has run."""
        if isinstance(node, Col):
            return node
        assert not self._finished, "the layout is frozen"
        if node.type is Type.LOCATION:
            return self._location(node)
        value = self._intern(node)
        known = self._columns.get((value,))
        if known is not None:
            return known
        if self.values[value].row >= 0:
            # The node is another column's value under a new name.
            row = self.values[value].row
            return self.layout.columns[row]
        column = self.layout.add(render(node), node.type, self.values[value].stage)
        self._keep(value, column.index)
        self._columns[value,] = column
        return column

    def finish(self) -> tuple[Program, ...]:
        """Return one program per stage, and reserve the rows of intermediate values."""
        assert not self._finished, "finish is called once"
        self._finished = True
        stages = max(
            _STAGES_MIN,
            1 + max((column.stage for column in self.layout.columns), default=0),
            1 + max((value.stage for value in self.values), default=0),
        )
        # Within a stage values are computed in the order they were made: operands first.
        order = sorted(
            (index for index, value in enumerate(self.values) if value.op),
            key=lambda index: (self.values[index].stage, index),
        )
        self._assign_rows(order)
        symbols = Symbols(
            _frozen(np.array(self._constants, np.float64)),
            tuple(self._texts),
            tuple(self._text_sets),
            tuple(self._text_functions),
        )
        code: list[list[list[int]]] = [[] for _ in range(stages)]
        for index in order:
            code[self.values[index].stage].append(self._instruction(self.values[index]))
        return tuple(
            Program(stage, _frozen(np.array(lines, np.int64).reshape(-1, 8)), symbols)
            for stage, lines in enumerate(code)
        )

    # ---- distinct values

    def _intern(self, node: Typed) -> int:
        """Return the number of the node's value, making it and its operands when they are new."""
        if isinstance(node, Col):
            return self._lies_in(node.index, node.stage)
        if isinstance(node, Const):
            return self._fill(node)
        if node.op in ("lat", "lon"):
            place = node.args[0]
            assert isinstance(place, Col), "only a column of locations has parts"
            return self._lies_in(place.index + (node.op == "lon"), place.stage)
        if node.op in _CALENDAR:
            start, count = self._periods()
            local = self._value("local", (self._intern(node.args[0]),), k=start, m=count)
            return self._value(node.op, (local,))
        if node.op in TEXT_FUNCTIONS:
            function = (node.op, node.extra[0] if node.extra else None)
            number = self._text_functions.setdefault(function, len(self._text_functions))
            op = "text_value" if node.op in _VALUES_OF_TEXT else "text_test"
            return self._value(op, (self._intern(node.args[0]),), s=number)
        if node.op in ("in", "not_in"):
            return self._value(
                node.op, (self._intern(node.args[0]),), k=self._set(node.extra), m=len(node.extra)
            )
        if node.op == "round":
            digits = node.extra[0] if node.extra else 0
            return self._value("round", (self._intern(node.args[0]),), m=int(str(digits)))
        if OPS[node.op] == 0:
            return self._by_pairs(node.op, node.args)
        immediate = self._immediate(node)
        if immediate is not None:
            return immediate
        return self._value(node.op, tuple(self._intern(each) for each in node.args))

    def _by_pairs(self, op: str, args: tuple[Typed, ...]) -> int:
        result = self._intern(args[0])
        for each in args[1:]:
            result = self._value(op, (result, self._intern(each)))
        return result

    def _immediate(self, node: Op) -> int | None:
        """Return the value of an operation that takes one operand as a constant, if it is one."""
        if len(node.args) != 2:
            return None
        left, right = node.args
        if isinstance(right, Const) and f"{node.op}_rc" in _OPCODE:
            return self._value(f"{node.op}_rc", (self._intern(left),), k=self._constant(right))
        if isinstance(left, Const):
            if node.op in ("add", "mul", "eq", "ne"):
                return self._value(f"{node.op}_rc", (self._intern(right),), k=self._constant(left))
            if f"{node.op}_cr" in _OPCODE:
                return self._value(f"{node.op}_cr", (self._intern(right),), k=self._constant(left))
        return None

    def _value(self, op: str, args: tuple[int, ...], k: int = 0, m: int = 0, s: int = 0) -> int:
        key = (op, args, k, m, s)
        number = self._known.get(key)
        if number is None:
            stage = max((self.values[each].stage for each in args), default=0)
            number = self._append(_Value(stage, op, args, k, m, s))
            self._known[key] = number
            for each in args:
                self.values[each].readers.append(number)
        return number

    def _append(self, value: _Value) -> int:
        self.values.append(value)
        return len(self.values) - 1

    def _lies_in(self, row: int, stage: int) -> int:
        number = self._of_row.get(row)
        if number is None:
            number = self._append(_Value(stage, row=row))
            self._of_row[row] = number
        return number

    def _keep(self, number: int, row: int) -> None:
        self.values[number].row = row
        self._of_row[row] = number

    def _location(self, node: Const | Op) -> Col:
        """Put a made location into two rows side by side."""
        if isinstance(node, Const):
            lat, lon = node.value if isinstance(node.value, tuple) else (None, None)
            parts: tuple[Typed, ...] = (Const(lat, Type.FLOAT), Const(lon, Type.FLOAT))
        else:
            assert node.op == "point", "a location is a column, a constant or a point"
            parts = node.args
        values = tuple(self._intern(each) for each in parts)
        known = self._columns.get(values)
        if known is None:
            stage = max(self.values[each].stage for each in values)
            known = self.layout.add(render(node), Type.LOCATION, stage)
            for offset, each in enumerate(values):
                # A copy, for the part may have a row of its own already. It runs where the column is filled.
                copy = self._append(_Value(stage, "copy", (each,)))
                self.values[each].readers.append(copy)
                self._keep(copy, known.index + offset)
            self._columns[values] = known
        return known

    # ---- constants

    def _fill(self, node: Const) -> int:
        return self._value("fill", (), k=self._constant(node))

    def _constant(self, node: Const) -> int:
        """Return the place of a constant among the constants."""
        value = node.value
        assert not isinstance(value, tuple)
        key = (type(value).__name__, repr(value))
        place = self._places.get(key)
        if place is None:
            place = len(self._constants)
            self._places[key] = place
            if isinstance(value, str):
                self.pool.code(value)
                self._texts.append((place, value))
                self._constants.append(0.0)
            else:
                self._constants.append(np.nan if value is None else float(value))
        return place

    def _set(self, extra: tuple[object, ...]) -> int:
        """Return where the ascending values of a set begin."""
        key = ("set", repr(extra))
        place = self._places.get(key)
        if place is None:
            place = len(self._constants)
            self._places[key] = place
            texts = tuple(each for each in extra if isinstance(each, str))
            if texts:
                self._text_sets.append((place, texts))
                self._constants.extend(0.0 for _ in texts)
            else:
                self._constants.extend(
                    sorted(float(each) for each in extra if isinstance(each, (int, float)))
                )
            self._constants.append(0.0)  # an empty set at the end still has a place
        return place

    def _periods(self) -> tuple[int, int]:
        if self._zone is None:
            starts, offsets = periods(self.time_zone)
            self._zone = (len(self._constants), len(starts))
            self._constants.extend(starts)
            self._constants.extend(offsets)
        return self._zone

    # ---- rows

    def _assign_rows(self, order: list[int]) -> None:
        """Give every value a row: a linear scan that frees a row after its last reader."""
        position = {number: at for at, number in enumerate(order)}
        first_free = len(self.layout.columns)
        free: list[int] = []
        rows = first_free
        ending: dict[int, list[int]] = {}
        for at, number in enumerate(order):
            value = self.values[number]
            if value.row < 0:
                # Taken before this instruction's own operands are freed: the destination is none of them.
                if free:
                    value.row = heapq.heappop(free)
                else:
                    value.row = rows
                    rows += 1
                last = max((position[each] for each in value.readers), default=at)
                ending.setdefault(last, []).append(value.row)
            for row in ending.pop(at, ()):
                heapq.heappush(free, row)
        self.layout.temp_rows = rows - first_free

    def _instruction(self, value: _Value) -> list[int]:
        rows = [self.values[each].row for each in value.args]
        a, b, c, s = 0, 0, 0, value.s
        if value.op.endswith("_cr"):
            b = rows[0]
        else:
            a, b, c, s = (*rows, 0, 0, 0, 0)[:4] if len(rows) == 4 else (*(*rows, 0, 0, 0)[:3], value.s)
        m = len(self._text_functions) if value.op.startswith("text_") else value.m
        return [_OPCODE[value.op], value.row, a, b, c, value.k, m, s]


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    array.setflags(write=False)
    return array
