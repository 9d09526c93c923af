"""From what the analyst wrote to a plan: where every PolicyError of this room is raised.

Tables, scorecards and trees may read each other's outputs. Their columns are laid out first, in
an order in which each comes after what it reads, so that conditions can name them; then
everything is checked and compiled.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np

from riskweave.batch import ACTIONS, STAGE_TABLES, TIME_ROW, TYPE_ROW, Layout
from riskweave.document import Node
from riskweave.errors import PolicyError, PolicyErrors, Span, did_you_mean
from riskweave.expressions.strings import StringPool
from riskweave.expressions.types import Col, Const, Op, Type, Typed
from riskweave.kernels import hits, tables
from riskweave.rules.cells import read_cell
from riskweave.rules.conditions import Condition, take_apart
from riskweave.rules.matcher import Rows, build_matcher
from riskweave.rules.plan import CopyPlan, Filler, Rule, RulesPlan, ScorecardPlan, TablePlan, TreePlan
from riskweave.rules.ranges import EVERYTHING, LOWEST, Ranges, codes, compare
from riskweave.rules.spec import (
    TAKES,
    AttributeSpec,
    BranchSpec,
    LeafSpec,
    OutputSpec,
    RuleSpec,
    RulesSpec,
    ScorecardSpec,
    TableSpec,
    TreeSpec,
    read_spec,
)

ERRORS_MAX = 100


class ColumnMaker(Protocol):
    """What this room asks of the expression compiler."""

    def column(self, node: Typed) -> Col:
        """Return the column that will hold the node's value."""
        ...


# Text of an expression and where it stands -> what it means.
Check = Callable[[str, Span], Typed]


class RulesCompiler:
    """Compiles the sections `rules`, `rule_groups`, `tables`, `scorecards` and `trees` of one policy.

    Made before conditions are checked: it lays out the columns `limits.risk`, `rules.risk`, ...
    (`outputs`, by name). `check(text, span)` then says what an expression means; in a scorecard's
    `risk` this room itself explains `points` (`check` must ask `local` for names, see there).
    `event_types` are the known names, for `on:`.
    """

    def __init__(
        self,
        layout: Layout,
        pool: StringPool,
        document: Node,
        *,
        folder: Path | None = None,
        event_types: Iterable[str] | None = None,
    ) -> None:
        self.layout = layout
        self.pool = pool
        self.event_types = None if event_types is None else tuple(event_types)
        self.spec: RulesSpec = read_spec(document, folder)
        self.outputs: dict[str, Col] = {}
        self.local: Mapping[str, Typed] = {}
        self.checked = Checked()
        self._stage_of: dict[str, int] = {}
        last = STAGE_TABLES - 1
        for each in _in_order(self.spec):
            stage = 1 + max(
                [STAGE_TABLES - 1, *(self._stage_of[name] for name in _reads(each, self._stage_of))]
            )
            self._lay_out(each, stage)
            last = max(last, self._stage_of[each.name])
        self.stage = last + 1
        self.risk = self._add("rules.risk", Type.FLOAT, self.stage)
        self.floor = self._add("rules.floor", Type.FLOAT, self.stage)
        self.ceiling = self._add("rules.ceiling", Type.FLOAT, self.stage)

    def _add(self, name: str, kind: Type, stage: int) -> Col:
        column = self.layout.add(name, kind, stage)
        self.outputs[name] = column
        return column

    def _lay_out(self, spec: TableSpec | ScorecardSpec | TreeSpec, stage: int) -> None:
        """Give a table, scorecard or tree its columns; a scorecard's risk takes a stage more."""
        self._stage_of[spec.name] = stage
        if isinstance(spec, ScorecardSpec):
            self._add(f"{spec.name}.points", Type.FLOAT, stage)
            if spec.risk is not None:
                self._add(f"{spec.name}.risk", Type.FLOAT, stage + 1)
                self._stage_of[spec.name] = stage + 1
            return
        for output in spec.outputs:
            counts = isinstance(spec, TableSpec) and spec.hit == "collect" and spec.collect == "count"
            self._add(f"{spec.name}.{output.name}", Type.INT if counts else output.type, stage)
        if isinstance(spec, TreeSpec):
            self._add(f"{spec.name}.leaf", Type.INT, stage)
        elif spec.hit in ("unique", "any"):
            self._add(f"{spec.name}.violation", Type.BOOL, stage)
        else:
            self._add(f"{spec.name}.matches", Type.INT, stage)

    def compile(self, compiler: ColumnMaker, check: Check) -> RulesPlan:
        """Return the plan, or raise every mistake found at once."""
        errors: list[PolicyError] = []
        stages: dict[int, list[Filler]] = {}
        for spec in _in_order(self.spec):
            try:
                for stage, filler in _Builder(self, compiler, check).build(spec):
                    stages.setdefault(stage, []).append(filler)
            except PolicyError as error:
                errors.append(error)
        rules: list[Rule] = []
        conditions: list[Rows] = []
        facts: list[list[float]] = []
        groups = {name: index for index, name in enumerate(self.spec.groups)}
        columns = _Columns(compiler)
        for rule in self.spec.rules:
            if not rule.enabled:
                continue
            try:
                risk, risk_node = self._risk(rule, check)
                condition = self._condition(rule, check)
                self.checked.rules.append((rule, condition, risk))
                conditions.append(columns.rows(condition))
            except PolicyError as error:
                errors.append(error)
                if len(errors) >= ERRORS_MAX:
                    break
                continue
            facts.append(
                [
                    0.0 if risk is None else risk,
                    -1.0 if risk_node is None else float(compiler.column(risk_node).index),
                    -1.0 if rule.action is None else float(ACTIONS.index(rule.action)),
                    -1.0 if rule.at_most is None else float(ACTIONS.index(rule.at_most)),
                    -1.0 if rule.group is None else float(groups[rule.group]),
                    rule.priority,
                ]
            )
            rules.append(
                Rule(
                    rule.id,
                    rule.when.text(),
                    rule.reason,
                    risk,
                    rule.action,
                    rule.at_most,
                    rule.priority,
                    rule.group,
                    rule.description,
                    rule.owner,
                    rule.tags,
                )
            )
        if errors:
            raise errors[0] if len(errors) == 1 else PolicyErrors(errors)
        return RulesPlan(
            rules=tuple(rules),
            matcher=build_matcher(conditions),
            facts=np.array(facts, np.float64).reshape(len(facts), hits.FACTS),
            takes=np.array([TAKES.index(take) for take in self.spec.groups.values()], np.int64),
            stage=self.stage,
            risk=self.risk,
            floor=self.floor,
            ceiling=self.ceiling,
            stages={stage: tuple(stages[stage]) for stage in sorted(stages)},
            risks=self._risks(),
        )

    def _risks(self) -> dict[str, Col]:
        """Return the outputs that count as risk: what a table says, `risk` of scorecards and trees."""
        names = [f"{table.name}.{table.risk}" for table in self.spec.tables if table.risk is not None]
        names += [f"{card.name}.risk" for card in self.spec.scorecards if card.risk is not None]
        names += [
            f"{tree.name}.risk"
            for tree in self.spec.trees
            if any(output.name == "risk" and output.type is Type.FLOAT for output in tree.outputs)
        ]
        return {name: self.outputs[name] for name in names}

    def _risk(self, rule: RuleSpec, check: Check) -> tuple[float | None, Typed | None]:
        """Return a rule's constant risk (0 when it has none), or the expression that computes it."""
        if rule.risk is None:
            return 0.0, None
        node = check(rule.risk.text(), rule.risk.span)
        if not node.type.is_number:
            raise rule.risk.error(f"rule `{rule.id}`: risk must be a number")
        if not isinstance(node, Const):
            return None, node
        assert isinstance(node.value, (int, float))
        if not 0.0 <= node.value <= 1.0:
            raise rule.risk.error(f"rule `{rule.id}`: risk must be between 0 and 1, not {node.value:g}")
        return float(node.value), None

    def _condition(self, rule: RuleSpec, check: Check) -> Condition:
        node = check(rule.when.text(), rule.when.span)
        if node.type is not Type.BOOL and not (isinstance(node, Const) and node.value is None):
            raise rule.when.error(
                f"rule `{rule.id}`: `when` must be true or false, this is {node.type.value}"
            )
        condition = take_apart(node, self.pool)
        time, kind = self.layout.columns[TIME_ROW], self.layout.columns[TYPE_ROW]
        if rule.start_ms is not None:
            condition[time] = condition.get(time, EVERYTHING) & compare(">=", rule.start_ms)
        if rule.end_ms is not None:
            condition[time] = condition.get(time, EVERYTHING) & compare("<", rule.end_ms)
        if rule.on:
            for each in rule.on:
                if self.event_types is not None and each.text() not in self.event_types:
                    raise each.error(
                        f"rule `{rule.id}` looks at an unknown event type `{each.text()}`",
                        did_you_mean(each.text(), self.event_types)
                        or f"known types: {', '.join(self.event_types)}",
                    )
            condition[kind] = condition.get(kind, EVERYTHING) & codes(
                self.pool.code(each.text()) for each in rule.on
            )
        return condition


class Checked:
    """What compilation learned, kept for the static checks: conditions and grids as sets of values."""

    def __init__(self) -> None:
        self.rules: list[tuple[RuleSpec, Condition, float | None]] = []
        self.tables: list[tuple[TableSpec, list[Typed], list[list[Ranges]]]] = []
        self.bands: list[tuple[ScorecardSpec, AttributeSpec, Typed, list[Ranges]]] = []
        self.trees: list[tuple[TreeSpec, dict[int, Condition], dict[int, Condition]]] = []


class _Columns:
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

    def rows(self, condition: Condition) -> Rows:
        """Return a condition by row; a constant that allows nothing stands at the time's row."""
        found: Rows = {}
        for operand, allowed in condition.items():
            row = TIME_ROW if isinstance(operand, Const) else self.row(operand)
            found[row] = found[row] & allowed if row in found else allowed
        return found


class _Builder:
    """Builds one table, scorecard or tree."""

    def __init__(self, owner: RulesCompiler, compiler: ColumnMaker, check: Check) -> None:
        self.owner = owner
        self.pool = owner.pool
        self.compiler = compiler
        self.check = check
        self.columns = _Columns(compiler)

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


# ---- who reads whom

_TEXT = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)
_DOTTED = re.compile(r"(?<![\w.])([A-Za-z_]\w*)\s*\.\s*[A-Za-z_]")

_Spec = TableSpec | ScorecardSpec | TreeSpec


def _expressions(spec: _Spec) -> list[Node]:
    if isinstance(spec, TableSpec):
        return list(spec.inputs.values())
    if isinstance(spec, ScorecardSpec):
        nodes = [attribute.value for attribute in spec.attributes]
        return [*nodes, spec.risk] if spec.risk is not None else nodes
    found: list[Node] = []
    waiting: list[BranchSpec | LeafSpec] = [spec.root]
    while waiting:
        each = waiting.pop()
        if isinstance(each, BranchSpec):
            found.append(each.condition)
            waiting += [each.then, each.otherwise]
    return found


def _reads(spec: _Spec, names: Iterable[str]) -> list[str]:
    """Return which of `names` the expressions of `spec` ask for an output."""
    known = set(names)
    asked = (
        match[1] for node in _expressions(spec) if isinstance(node.value, str)
        for match in _DOTTED.finditer(_TEXT.sub("''", node.value))
    )  # fmt: skip
    return list(dict.fromkeys(name for name in asked if name in known))


def _in_order(spec: RulesSpec) -> list[_Spec]:
    """Return tables, scorecards and trees so that each comes after what it reads."""
    each_spec: list[_Spec] = [*spec.tables, *spec.scorecards, *spec.trees]
    every = {each.name: each for each in each_spec}
    ordered: list[_Spec] = []
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        if name in way:
            circle = " -> ".join([*way[way.index(name) :], name])
            raise PolicyError(
                f"`{name}` reads its own output: {circle}", every[name].span, "take one of these inputs away"
            )
        if name in done:
            return
        for other in _reads(every[name], every):
            visit(other, (*way, name))
        done.add(name)
        ordered.append(every[name])

    for name in every:
        visit(name, ())
    return ordered
