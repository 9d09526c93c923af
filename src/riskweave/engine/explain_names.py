"""What an explanation calls the columns of a plan: fields and features by name, conditions over them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from riskweave.engine.decisions import python_value
from riskweave.errors import Span
from riskweave.explanation.book import Book, RuleWords
from riskweave.explanation.near_misses import NearRules, columns_of
from riskweave.explanation.wording import Wording
from riskweave.expressions.parse import parse
from riskweave.expressions.syntax import Method, Name
from riskweave.expressions.types import Col, Const, Op, Type, Typed
from riskweave.policy.compile import Compilation, compile_all
from riskweave.policy.constants import Constant
from riskweave.policy.plan import Plan
from riskweave.policy.policy import Policy
from riskweave.rules.ranges import Ranges

# The aggregates that say what is usual, the best first.
_USUAL = ("median", "mean", "quantile")


class Names:
    """The names of one policy. The policy is compiled again: columns lie where they lie in the plan."""

    def __init__(self, policy: Policy, plan: Plan) -> None:
        self.plan = plan
        compilation = compile_all(policy, plan.pool)
        self.compilation = compilation
        layout = plan.layout
        self.members = {matcher.target for matcher in plan.lists.matchers}
        field_names = set(plan.events.fields())
        self.fields: dict[str, Col] = {
            column.name: column
            for column in layout.columns
            if column.name in field_names and column.index in plan.decode.rows
        }
        self.features: dict[str, Col] = dict(plan.outputs)
        self._name_of_row: dict[int, str] = {}
        for name, column in [*self.fields.items(), *self.features.items()]:
            self._name_of_row.setdefault(column.index, name)
        self._columns = [
            (name, column.index, column.type)
            for name, column in {**self.fields, **self.features}.items()
            if column.type is not Type.LOCATION
        ]
        self.texts = {name: node.text() for name, node in compilation.scope.named.items()}
        checked = compilation.rules.checked
        conditions = [
            {self.renamed(operand): allowed for operand, allowed in condition.items()}
            for _, condition, _ in checked.rules
        ]
        self.near_rules = NearRules(conditions, checked.rule_rows, plan.pool)
        self.limits = _limits(conditions)
        self._extra: dict[str, Col] = {}
        self.rule_reads = [self._reads(condition) for condition in conditions]
        self.rule_lists = [
            frozenset(column.name for operand in condition for column in columns_of(operand))
            for condition in conditions
        ]
        self.table_reads = {
            **{
                spec.name: self._reads(self.renamed(each) for each in inputs)
                for spec, inputs, _ in checked.tables
            },
            **{
                spec.name: self._reads(
                    self.renamed(each) for condition in holds.values() for each in condition
                )
                for spec, holds, _ in checked.trees
            },
        }
        self.card_reads = {
            (spec.name, attribute.name): self._reads([self.renamed(operand)])
            for spec, attribute, operand, _ in checked.bands
        }
        self.book = self._book(policy, compilation)

    # ---- columns

    def renamed(self, node: Typed) -> Typed:
        """Return a node whose columns have the names that people know; a list's column is true or false."""
        if isinstance(node, Op):
            return Op(node.op, tuple(self.renamed(each) for each in node.args), node.type, node.extra)
        if isinstance(node, Col):
            kind = Type.BOOL if node.index in self.members else node.type
            return Col(node.index, kind, node.stage, self._name_of_row.get(node.index, node.name))
        return node

    def values(self, column: NDArray[np.float64]) -> dict[str, object]:
        """Return every field and feature of an event by name."""
        texts = self.plan.pool.texts
        found = {name: python_value(float(column[row]), kind, texts) for name, row, kind in self._columns}
        for name, extra in self._extra.items():
            found[name] = python_value(float(column[extra.index]), extra.type, texts)
        return found

    def _reads(self, operands: Iterable[Typed]) -> tuple[str, ...]:
        """Return the names of what some operands read; what has none goes by its text."""
        found: dict[str, None] = {}
        for operand in operands:
            for column in columns_of(operand):
                if column.index < 2 or column.index in self.members:
                    continue
                if column.name not in self.fields and column.name not in self.features:
                    self._extra[column.name] = column
                found[column.name] = None
        return tuple(found)

    # ---- the book

    def _book(self, policy: Policy, compilation: Compilation) -> Book:
        plan, scope = self.plan, compilation.scope
        spec = compilation.explanation
        settings = plan.settings
        types = {name: plan.events.type_of(name) or Type.STRING for name in plan.events.fields()}
        wording = Wording(
            spec.labels,
            self.texts,
            lists=plan.lists.names,
            constants={name: _plain(constant) for name, constant in scope.constants.items()},
            event_types=plan.events.event_types(),
            money=[name for name, kind in types.items() if kind is Type.MONEY],
            currency=settings.currency,
        )
        return Book(
            spec,
            types,
            self.texts,
            wording,
            currency=settings.currency,
            time_zone=settings.time_zone,
            policy=policy.name,
            version=policy.version,
            rules=[RuleWords(rule.id, rule.reason) for rule in plan.rules.rules],
            usual=self._usual(types),
            kinds={name: column.type for name, column in {**self.features, **self._extra}.items()},
            texts=plan.pool.texts,
        )

    def _usual(self, types: Mapping[str, Type]) -> dict[str, str]:
        """Return, for a number of an event, the feature that says what the first entity's usually is."""
        entities = [role.name for each in self.plan.events.entities[:1] for role in each.roles]
        found: dict[str, tuple[int, str]] = {}
        for name, text in self.texts.items():
            call = parse(text, Span())
            if not (isinstance(call, Method) and isinstance(call.receiver, Name) and call.args):
                continue
            if call.method not in _USUAL or call.receiver.name not in entities:
                continue
            field = call.args[0]
            filtered = any(option == "where" for option, _ in call.named)
            if isinstance(field, Name) and field.name in types and not filtered:
                rank = _USUAL.index(call.method)
                if field.name not in found or rank < found[field.name][0]:
                    found[field.name] = (rank, name)
        return {field: name for field, (_, name) in found.items()}


def _limits(conditions: Iterable[Mapping[Typed, Ranges]]) -> dict[int, tuple[float, ...]]:
    """Return the numbers that conditions compare each column with, by row."""
    found: dict[int, set[float]] = {}

    def note(column: Typed, limits: Iterable[object]) -> None:
        if isinstance(column, Col) and column.type.is_number:
            numbers = (float(each) for each in limits if isinstance(each, (int, float)))
            found.setdefault(column.index, set()).update(each for each in numbers if abs(each) < 1e15)

    def walk(node: Typed) -> None:
        if isinstance(node, Op):
            if node.op in ("lt", "le", "eq", "ne"):
                for one, other in (node.args, node.args[::-1]):
                    if isinstance(other, Const):
                        note(one, [other.value])
            for each in node.args:
                walk(each)

    for condition in conditions:
        for operand, allowed in condition.items():
            note(operand, allowed.edges)
            walk(operand)
    return {row: tuple(sorted(limits)) for row, limits in found.items()}


def _plain(constant: Constant) -> object:
    node = constant.node
    if isinstance(node, Const):
        return node.value
    return tuple(node.extra) if isinstance(node, Op) else None
