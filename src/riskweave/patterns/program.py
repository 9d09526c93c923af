"""Formulas as rows of the tables that `kernels/condition_program.py` runs.

One `Programs` serves one lane of patterns; `bits` and `kept` begin anew with every pattern.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

from riskweave.batch import STAGE_FEATURES
from riskweave.errors import PolicyError, Span
from riskweave.expressions.types import Col, Const, Op, Type, Typed
from riskweave.kernels import condition_program as vm
from riskweave.kernels.patterns import COUNT, COUNT_VALUES, FIRST, GREATEST, LAST, LEAST, SUM
from riskweave.patterns.formula import (
    ACCEPTED,
    All,
    Always,
    Atom,
    Formula,
    Iterative,
    Not,
    Some,
    negated,
    reads_accepted,
)

BITS_MAX = 62

_FUNCTIONS = {"count": COUNT, "sum": SUM, "first": FIRST, "last": LAST, "min": LEAST, "max": GREATEST}
_UNARY = {
    "neg": vm.NEG,
    "abs": vm.ABS,
    "not": vm.NOT,
    "truth": vm.TRUTH,
    "is_null": vm.IS_NULL,
    "sqrt": vm.SQRT,
    "log": vm.LOG,
    "exp": vm.EXP,
    "floor": vm.FLOOR,
    "ceil": vm.CEIL,
}
_BINARY = {
    "add": vm.ADD,
    "sub": vm.SUB,
    "mul": vm.MUL,
    "div": vm.DIV,
    "pow": vm.POW,
    "lt": vm.LT,
    "le": vm.LE,
    "eq": vm.EQ,
    "ne": vm.NE,
    "time_diff": vm.TIME_DIFF,
    "time_add": vm.TIME_ADD,
}
_CHAINS = {"and": vm.AND, "or": vm.OR, "min": vm.MIN, "max": vm.MAX, "coalesce": vm.COALESCE}


class Expressions(Protocol):
    """What patterns ask of the room `expressions`."""

    def column(self, node: Typed) -> Col:
        """Return the column that holds the value of a typed node (also of a constant) at every event."""
        ...


class Programs:
    """Tables of conditions, growing while patterns are compiled."""

    def __init__(self, expressions: Expressions) -> None:
        self.expressions = expressions
        self.conditions: list[tuple[int, ...]] = []
        self.code: list[tuple[int, int]] = []
        self.constants: list[float] = []
        self.columns: list[int] = []
        self.begin_pattern(Span(), lambda name: 0)

    def begin_pattern(self, span: Span, stage_number: Callable[[str], int]) -> None:
        """Forget the bits and kept values of the pattern before."""
        self.span = span
        self.stage_number = stage_number
        self.bits: dict[Typed, int] = {}
        self.bit_rows: list[int] = []
        self.kept: list[tuple[int, int, int]] = []
        self.rows: dict[Formula, int] = {}

    # ---- conditions

    def condition(self, formula: Formula) -> int:
        """Return the row of a formula, the same for equal formulas of a pattern."""
        row = self.rows.get(formula)
        if row is None:
            row = self.rows[formula] = self._new_condition(formula)
        return row

    def _new_condition(self, formula: Formula) -> int:
        values = self._table_row(formula)
        self.conditions.append(values)
        return len(self.conditions) - 1

    def _table_row(self, formula: Formula) -> tuple[int, ...]:
        if isinstance(formula, Always):
            return (vm.ALWAYS, 0, 0, 0, 0, 0)
        negate = 0
        if isinstance(formula, Not) and not isinstance(formula.part, Atom):
            negate, formula = 1, formula.part
        if isinstance(formula, Some):
            negate, formula = 1 - negate, All(tuple(negated(part) for part in formula.parts))
        if isinstance(formula, Always):
            # Never: the empty conjunction, turned around.
            return (vm.BITS, 0, 0, negate, 0, 0)
        need = ban = 0
        rest: list[Formula] = []
        for part in formula.parts if isinstance(formula, All) else (formula,):
            if isinstance(part, Atom):
                need |= 1 << self.bit(part.node)
            elif isinstance(part, Not) and isinstance(part.part, Atom):
                ban |= 1 << self.bit(part.part.node)
            else:
                rest.append(part)
        if not rest:
            return (vm.BITS, need, ban, negate, 0, 0)
        block: list[tuple[int, int]] = []
        for at, part in enumerate(rest):
            self._formula(part, block)
            if at:
                block.append((vm.AND, 0))
        self._check_depth(block)
        start = len(self.code)
        self.code += block
        return (vm.PROGRAM, need, ban, negate, start, len(self.code))

    def bit(self, node: Typed) -> int:
        """Return the bit of the pattern's mask for a condition on the event alone."""
        bit = self.bits.get(node)
        if bit is None:
            bit = len(self.bits)
            if bit >= BITS_MAX:
                raise PolicyError(
                    f"a pattern has more than {BITS_MAX} different conditions", self.span, "split it in two"
                )
            self.bits[node] = bit
            self.bit_rows.append(self.row(node))
        return bit

    def row(self, node: Typed) -> int:
        """Return the batch row of a typed node's column, which must be filled before patterns run."""
        column = node if isinstance(node, Col) else self.expressions.column(node)
        if column.stage > STAGE_FEATURES:
            raise PolicyError(
                f"a pattern reads `{column.name}`, which is only known after patterns",
                self.span,
                "patterns read fields, lists and features",
            )
        return column.index

    # ---- code

    def _formula(self, formula: Formula, block: list[tuple[int, int]]) -> None:
        if isinstance(formula, Always):
            block.append((vm.CONST, self._constant(1.0)))
        elif isinstance(formula, Atom):
            block.append((vm.BIT, self.bit(formula.node)))
        elif isinstance(formula, Iterative):
            self._typed(formula.node, block)
        elif isinstance(formula, Not):
            self._formula(formula.part, block)
            block.append((vm.NOT, 0))
        else:
            op = vm.AND if isinstance(formula, All) else vm.OR
            for at, part in enumerate(formula.parts):
                self._formula(part, block)
                if at:
                    block.append((op, 0))

    def _typed(self, node: Typed, block: list[tuple[int, int]]) -> None:
        if isinstance(node, Const) and not isinstance(node.value, str):
            block.append((vm.CONST, self._constant(self._number(node))))
        elif not reads_accepted(node):
            # A text constant is a column, too: its code is only known while the engine runs.
            block.append((vm.COLUMN, self._column(self.row(node))))
        else:
            assert isinstance(node, Op)
            self._operation(node, block)

    def _operation(self, node: Op, block: list[tuple[int, int]]) -> None:
        if node.op == ACCEPTED:
            self._accepted(node, block)
        elif node.op in _UNARY:
            self._typed(node.args[0], block)
            block.append((_UNARY[node.op], 0))
        elif node.op in _BINARY:
            for each in node.args:
                self._typed(each, block)
            block.append((_BINARY[node.op], 0))
        elif node.op in _CHAINS:
            for at, each in enumerate(node.args):
                self._typed(each, block)
                if at:
                    block.append((_CHAINS[node.op], 0))
        elif node.op in ("if", "distance_km"):
            for each in node.args:
                self._typed(each, block)
            block.append((vm.IF if node.op == "if" else vm.DISTANCE_KM, 0))
        elif node.op in ("in", "not_in"):
            self._membership(node, block)
        else:
            raise PolicyError(
                f"`{node.op}` cannot be asked of events accepted before",
                self.span,
                "give the value a name under `features:` and read that",
            )

    def _membership(self, node: Op, block: list[tuple[int, int]]) -> None:
        op, join = (vm.EQ, vm.OR) if node.op == "in" else (vm.NE, vm.AND)
        if len(node.extra) > 100:
            raise PolicyError(
                "a list of more than 100 values beside accepted events", self.span, "shorten it"
            )
        for at, value in enumerate(node.extra):
            self._typed(node.args[0], block)
            is_text = isinstance(value, str)
            self._typed(
                Const(str(value), Type.STRING) if is_text else Const(float(str(value)), Type.FLOAT), block
            )
            block.append((op, 0))
            if at:
                block.append((join, 0))

    def _accepted(self, node: Op, block: list[tuple[int, int]]) -> None:
        function, stage = str(node.extra[0]), self.stage_number(str(node.extra[1]))
        column = self.row(node.args[0]) if node.args else -1
        if function == "mean":
            block.append((vm.KEPT, self._keep(SUM, stage, column)))
            block.append((vm.KEPT, self._keep(COUNT_VALUES, stage, column)))
            block.append((vm.DIV, 0))
        else:
            block.append((vm.KEPT, self._keep(_FUNCTIONS[function], stage, column)))

    def _keep(self, function: int, stage: int, column: int) -> int:
        """Return the place of a kept value. A `first` has the count of its stage right behind it."""
        value = (function, stage, column)
        for at, each in enumerate(self.kept):
            if each == value:
                return at
        self.kept.append(value)
        if function == FIRST:
            self.kept.append((COUNT, stage, -1 - len(self.kept)))
            return len(self.kept) - 2
        return len(self.kept) - 1

    def _number(self, node: Const) -> float:
        if node.value is None:
            return math.nan
        if isinstance(node.value, str | tuple):
            raise PolicyError("a place cannot be compared with accepted events", self.span, "use `distance`")
        return float(node.value)

    def _constant(self, value: float) -> int:
        for at, each in enumerate(self.constants):
            if each == value or (math.isnan(each) and math.isnan(value)):
                return at
        self.constants.append(value)
        return len(self.constants) - 1

    def _column(self, row: int) -> int:
        if row not in self.columns:
            self.columns.append(row)
        return self.columns.index(row)

    def _check_depth(self, block: list[tuple[int, int]]) -> None:
        depth = most = 0
        for op, _ in block:
            depth += 1 if op <= vm.BIT else -_POPS.get(op, 1)
            most = max(most, depth)
        if most > vm.STACK_MAX:
            raise PolicyError("a condition is nested too deeply", self.span, "name a part of it")


_POPS = dict.fromkeys(_UNARY.values(), 0) | {vm.IF: 2, vm.DISTANCE_KM: 3}


def initial_value(function: int) -> float:
    """Return what a kept value is before any event was accepted."""
    return 0.0 if function in (COUNT, SUM, COUNT_VALUES) else math.nan
