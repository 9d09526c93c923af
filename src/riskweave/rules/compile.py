"""From what the analyst wrote to a plan: where every PolicyError of this room is raised.

Tables, scorecards and trees may read each other's outputs. Their columns are laid out first, in
an order in which each comes after what it reads, so that conditions can name them; then
everything is checked and compiled.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from riskweave.batch import ACTIONS, STAGE_TABLES, TIME_ROW, TYPE_ROW, Layout
from riskweave.document import Node
from riskweave.errors import PolicyError, PolicyErrors, did_you_mean
from riskweave.expressions.strings import StringPool
from riskweave.expressions.types import Col, Const, Type, Typed
from riskweave.kernels import hits
from riskweave.rules.build import Builder, Check, Checked, ColumnMaker, Columns
from riskweave.rules.conditions import Condition, take_apart
from riskweave.rules.matcher import Outcome, Rows, build_matcher
from riskweave.rules.order import in_order, reads
from riskweave.rules.plan import Filler, Rule, RulesPlan
from riskweave.rules.ranges import EVERYTHING, codes, compare
from riskweave.rules.spec import TAKES, RuleSpec, RulesSpec, ScorecardSpec, TableSpec, TreeSpec, read_spec

ERRORS_MAX = 100


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
        for each in in_order(self.spec):
            stage = 1 + max(
                [STAGE_TABLES - 1, *(self._stage_of[name] for name in reads(each, self._stage_of))]
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
        for spec in in_order(self.spec):
            try:
                for stage, filler in Builder(self, compiler, check).build(spec):
                    stages.setdefault(stage, []).append(filler)
            except PolicyError as error:
                errors.append(error)
        rules: list[Rule] = []
        conditions: list[Rows] = []
        facts: list[list[float]] = []
        groups = {name: index for index, name in enumerate(self.spec.groups)}
        columns = Columns(compiler)
        for rule in self.spec.rules:
            if not rule.enabled:
                continue
            try:
                risk, risk_node = self._risk(rule, check)
                condition = self._condition(rule, check)
                self.checked.rules.append((rule, condition, risk))
                conditions.append(columns.rows(condition))
                self.checked.rule_rows.append([columns.row_of(operand) for operand in condition])
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
        outcome = Outcome(
            np.array(facts, np.float64).reshape(len(facts), hits.FACTS),
            [TAKES.index(take) for take in self.spec.groups.values()],
            self.risk.index,
        )
        return RulesPlan(
            rules=tuple(rules),
            matcher=build_matcher(conditions, outcome),
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
