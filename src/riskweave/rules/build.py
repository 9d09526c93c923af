"""Builds the plan of one table, scorecard or tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

from riskweave.batch import TIME_ROW
from riskweave.document import Node
from riskweave.errors import Span, did_you_mean
from riskweave.expressions.strings import StringPool
from riskweave.expressions.types import Col, Const, Op, Type, Typed
from riskweave.kernels import tables
from riskweave.rules.cells import read_cell
from riskweave.rules.conditions import Condition, take_apart
from riskweave.rules.matcher import Rows, build_matcher
from riskweave.rules.plan import CopyPlan, Filler, ScorecardPlan, TablePlan, TreePlan
from riskweave.rules.ranges import EVERYTHING, LOWEST, Ranges
from riskweave.rules.spec import (
    AttributeSpec,
    BranchSpec,
    LeafSpec,
    OutputSpec,
    RuleSpec,
    ScorecardSpec,
    TableSpec,
    TreeSpec,
)


class ColumnMaker(Protocol):
    """What this room asks of the expression compiler."""

    def column(self, node: Typed) -> Col:
        """Return the column that will hold the node's value."""
        ...


# Text of an expression and where it stands -> what it means.
Check = Callable[[str, Span], Typed]


class Owner(Protocol):
    """The compiler of the whole room, as far as a builder needs it."""

    pool: StringPool
    outputs: dict[str, Col]
    local: Mapping[str, Typed]
    checked: Checked


class Checked:
    """What compilation learned, kept for the static checks: conditions and grids as sets of values."""

    def __init__(self) -> None:
        self.rules: list[tuple[RuleSpec, Condition, float | None]] = []
        # In which row of the batch each operand of a rule's condition lies, in the condition's order.
        self.rule_rows: list[list[int]] = []
        self.tables: list[tuple[TableSpec, list[Typed], list[list[Ranges]]]] = []
        self.bands: list[tuple[ScorecardSpec, AttributeSpec, Typed, list[Ranges]]] = []
        self.trees: list[tuple[TreeSpec, dict[int, Condition], dict[int, Condition]]] = []


class Columns:
    """Operands as rows of the batch, each asked of the expression compiler once."""

    def __init__(self, compiler: ColumnMaker) -> None:
        self.compiler = compiler
        self.known: dict[Typed, int] = {}

    def row(self, operand: Typed) -> int:
        if isinstance(operand, Col):
            return operand.index
        row = self.known.get(operand)
        if row is None:
            row = self.compiler.column(operand).index
            self.known[operand] = row
        return row

    def row_of(self, operand: Typed) -> int:
        """Return the row of an operand; that of the time for a constant, which allows nothing."""
        return TIME_ROW if isinstance(operand, Const) else self.row(operand)

    def rows(self, condition: Condition) -> Rows:
        """Return a condition by row."""
        found: Rows = {}
        for operand, allowed in condition.items():
            row = self.row_of(operand)
            found[row] = found[row] & allowed if row in found else allowed
        return found


class Builder:
    """Builds one table, scorecard or tree."""

    def __init__(self, owner: Owner, compiler: ColumnMaker, check: Check) -> None:
        self.owner = owner
        self.pool = owner.pool
        self.compiler = compiler
        self.check = check
        self.columns = Columns(compiler)

    def build(self, spec: TableSpec | ScorecardSpec | TreeSpec) -> list[tuple[int, Filler]]:
        if isinstance(spec, TableSpec):
            return [self.table(spec)]
        if isinstance(spec, ScorecardSpec):
            return self.scorecard(spec)
        return [self.tree(spec)]

    def value(self, node: Node, reader: str) -> Typed:
        typed = self.check(node.text(), node.span)
        if typed.type in (Type.LOCATION, Type.NULL, Type.LABEL):
            raise node.error(f"{reader} cannot read a {typed.type.value}")
        return typed

    def constant(self, node: Node, output: OutputSpec, reader: str) -> float:
        """Return an output's value as it stands in the batch; NaN for `-` and nothing."""
        if node.is_null or (node.plain and node.text().strip() in ("-", "")):
            return float("nan")
        if output.type is Type.STRING:
            if output.ranking and node.text() not in output.ranking:
                raise node.error(
                    f"{reader}: `{node.text()}` is not a value of output `{output.name}`",
                    did_you_mean(node.text(), output.ranking) or f"known values: {', '.join(output.ranking)}",
                )
            return float(self.pool.code(node.text()))
        if output.type is Type.BOOL:
            return float(node.flag())
        if output.type is Type.INT:
            return float(node.integer())
        return node.number()

    def table(self, spec: TableSpec) -> tuple[int, Filler]:
        reader = f"table `{spec.name}`"
        inputs = [self.value(node, reader) for node in spec.inputs.values()]
        grid = [
            [
                read_cell(cell, inputs[index].type, self.pool)
                for index, cell in enumerate(row.cells[: len(inputs)])
            ]
            for row in spec.rows
        ]
        self.owner.checked.tables.append((spec, inputs, grid))
        conditions = []
        for cells in grid:
            condition: Condition = {}
            for operand, allowed in zip(inputs, cells, strict=True):
                if isinstance(operand, Const):
                    allowed = EVERYTHING if _constant_in(operand, allowed, self.pool) else Ranges(())
                condition[operand] = condition.get(operand, EVERYTHING) & allowed
            conditions.append(
                self.columns.rows({key: each for key, each in condition.items() if not each.is_everything})
            )
        results = np.full((len(spec.rows), len(spec.outputs)), np.nan)
        for index, row in enumerate(spec.rows):
            for place, output in enumerate(spec.outputs):
                cell = row.cells[len(inputs) + place]
                results[index, place] = self.constant(cell, output, reader)
                if output.name == spec.risk and not (
                    np.isnan(results[index, place]) or 0 <= results[index, place] <= 1
                ):
                    raise cell.error(f"{reader}: risk must be between 0 and 1, not {cell.text()}")
        outputs = [self.owner.outputs[f"{spec.name}.{output.name}"] for output in spec.outputs]
        last = "violation" if spec.hit in ("unique", "any") else "matches"
        outputs.append(self.owner.outputs[f"{spec.name}.{last}"])
        plan = TablePlan(
            name=spec.name,
            outputs=tuple(outputs),
            matcher=build_matcher(conditions),
            cells=results,
            rank=_rank(spec),
            policy=_policy(spec),
            ordered_by_rank=spec.hit in ("priority", "output_order"),
        )
        return outputs[0].stage, plan

    def scorecard(self, spec: ScorecardSpec) -> list[tuple[int, Filler]]:
        points = self.owner.outputs[f"{spec.name}.points"]
        attributes: list[tuple[int, int, int]] = []
        cuts: list[float] = []
        band_points: list[float] = []
        best: list[float] = []
        for attribute in spec.attributes:
            operand = self.value(attribute.value, f"scorecard `{spec.name}`")
            bands = [read_cell(band.cell, operand.type, self.pool) for band in attribute.bands]
            self.owner.checked.bands.append((spec, attribute, operand, bands))
            row = self.compiler.column(operand).index if not isinstance(operand, Col) else operand.index
            edges = [LOWEST, *sorted({edge for band in bands for edge in band.edges} - {LOWEST})]
            earned = [band.points for band in attribute.bands]
            first = len(cuts)
            cuts += edges
            attributes.append((row, first, len(cuts)))
            for value in (float("nan"), *edges):
                band_points.append(
                    next((p for p, band in zip(earned, bands, strict=True) if value in band), 0.0)
                )
            best.append(max(earned))
        plan = ScorecardPlan(
            name=spec.name,
            points=points,
            base=spec.base,
            attributes=np.array(attributes, np.int64).reshape(-1, 3),
            cuts=np.array(cuts, np.float64),
            band_points=np.array(band_points, np.float64),
            best=np.array(best, np.float64),
            names=tuple(attribute.name for attribute in spec.attributes),
            texts=tuple(attribute.reason for attribute in spec.attributes),
            reasons_max=spec.reasons,
        )
        found: list[tuple[int, Filler]] = [(points.stage, plan)]
        if spec.risk is not None:
            target = self.owner.outputs[f"{spec.name}.risk"]
            self.owner.local = {"points": points}
            try:
                node = self.check(spec.risk.text(), spec.risk.span)
            finally:
                self.owner.local = {}
            if not node.type.is_number:
                raise spec.risk.error(f"scorecard `{spec.name}`: risk must be a number")
            found.append((target.stage, CopyPlan(spec.name, self.compiler.column(node).index, target.index)))
        return found

    def tree(self, spec: TreeSpec) -> tuple[int, Filler]:
        branches: list[list[int]] = []
        bounds: list[tuple[float, float]] = []
        leaves: list[list[float]] = []
        texts: list[dict[str, str]] = []
        holds: dict[int, Condition] = {}
        fails: dict[int, Condition] = {}

        def add(each: BranchSpec | LeafSpec) -> int:
            """Append a branch or leaf and what is below it; return how a branch points at it."""
            if isinstance(each, LeafSpec):
                reader = f"tree `{spec.name}`"
                leaves.append(
                    [
                        self.constant(each.outputs[output.name], output, reader)
                        if output.name in each.outputs
                        else float("nan")
                        for output in spec.outputs
                    ]
                )
                texts.append(each.reason)
                return -len(leaves)
            at = len(branches)
            node = self.check(each.condition.text(), each.condition.span)
            if node.type is not Type.BOOL:
                raise each.condition.error(
                    f"tree `{spec.name}`: `if` must be true or false, this is {node.type.value}"
                )
            holds[id(each)] = take_apart(node, self.pool)
            fails[id(each)] = take_apart(Op("not", (node,), Type.BOOL), self.pool)
            row, low, high = self.test(node, holds[id(each)])
            branches.append([row, 0, 0])
            bounds.append((low, high))
            branches[at][1] = add(each.then)
            branches[at][2] = add(each.otherwise)
            return at

        add(spec.root)
        self.owner.checked.trees.append((spec, holds, fails))
        outputs = [self.owner.outputs[f"{spec.name}.{output.name}"] for output in spec.outputs]
        outputs.append(self.owner.outputs[f"{spec.name}.leaf"])
        plan = TreePlan(
            name=spec.name,
            outputs=tuple(outputs),
            branches=np.array(branches, np.int64).reshape(-1, 3),
            bounds=np.array(bounds, np.float64).reshape(-1, 2),
            leaves=np.array(leaves, np.float64).reshape(len(leaves), len(spec.outputs)),
            texts=tuple(texts),
        )
        return outputs[0].stage, plan

    def test(self, node: Typed, condition: Condition) -> tuple[int, float, float]:
        """Return a fork's condition as bounds on one row."""
        if len(condition) == 1:
            ((operand, allowed),) = condition.items()
            if not isinstance(operand, Const) and not allowed.null and 1 <= len(allowed.edges) <= 2:
                high = allowed.edges[1] if len(allowed.edges) == 2 else float("nan")
                return self.columns.row(operand), allowed.edges[0], high
        return self.compiler.column(node).index, 1.0, float("nan")


def _constant_in(constant: Const, allowed: Ranges, pool: StringPool) -> bool:
    value = constant.value
    if isinstance(value, str):
        return float(pool.code(value)) in allowed
    return isinstance(value, (int, float)) and float(value) in allowed


def _rank(spec: TableSpec) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return each row's place by the priority of its outputs, then by the order written."""
    first = len(spec.inputs)
    ranked = [
        (first + index, {value: place for place, value in enumerate(output.ranking)})
        for index, output in enumerate(spec.outputs)
        if output.ranking
    ]
    keys = [
        tuple(places.get(str(row.cells[at].value), len(places)) for at, places in ranked) for row in spec.rows
    ]
    rank = np.empty(len(spec.rows), np.int64)
    rank[sorted(range(len(keys)), key=lambda row: keys[row])] = np.arange(len(keys))
    return rank


def _policy(spec: TableSpec) -> int:
    if spec.hit == "collect":
        return {
            "list": tables.LISTED,
            "sum": tables.SUM,
            "min": tables.MIN,
            "max": tables.MAX,
            "count": tables.COUNT,
        }[spec.collect]
    return {
        "unique": tables.UNIQUE,
        "any": tables.ANY,
        "first": tables.FIRST,
        "priority": tables.RANKED,
        "output_order": tables.RANKED,
        "rule_order": tables.LISTED,
    }[spec.hit]
