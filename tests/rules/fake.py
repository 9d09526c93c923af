"""A small stand-in for the expressions room: parse and check with `ast`, compute columns one by one."""

from __future__ import annotations

import ast
import math

from riskweave.batch import Layout, empty_batch
from riskweave.document import from_python
from riskweave.errors import PolicyError, Span, did_you_mean
from riskweave.expressions.strings import StringPool
from riskweave.expressions.types import Col, Const, Op, Type, stage_of
from riskweave.rules.compile import RulesCompiler
from riskweave.rules.plan import step, step_stage

COLUMNS = {
    "amount": Type.FLOAT,
    "limit": Type.FLOAT,
    "age": Type.INT,
    "country": Type.STRING,
    "segment": Type.STRING,
    "flag": Type.BOOL,
    "new_device": Type.BOOL,
}
COMPARISONS = {ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge", ast.Eq: "eq", ast.NotEq: "ne"}
ARITHMETIC = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div"}


class Room:
    """A layout of a few columns, a pool, and one policy's rules compiled over them."""

    def __init__(self, document, folder=None, event_types=("payment", "login")):
        self.pool = StringPool()
        self.layout = Layout()
        self.columns = {name: self.layout.add(name, kind, 0) for name, kind in COLUMNS.items()}
        node = from_python(document) if isinstance(document, dict) else document
        self.compiler = RulesCompiler(self.layout, self.pool, node, folder=folder, event_types=event_types)
        self.computed = {}
        self.plan = self.compiler.compile(self, self.check)

    def column(self, node):
        if isinstance(node, Col):
            return node
        if node not in self.computed:
            self.computed[node] = self.layout.add(f"computed{len(self.computed)}", node.type, stage_of(node))
        return self.computed[node]

    def check(self, text, span):
        try:
            tree = ast.parse(text, mode="eval").body
        except SyntaxError:
            raise PolicyError("this is no expression", span) from None
        return self.typed(tree, span)

    def typed(self, tree, span):
        if isinstance(tree, ast.Name):
            return self.named(tree.id, span, tree)
        if isinstance(tree, ast.Attribute):
            return self.named(f"{tree.value.id}.{tree.attr}", span, tree)
        if isinstance(tree, ast.Constant):
            kind = {bool: Type.BOOL, int: Type.INT, float: Type.FLOAT, str: Type.STRING}[type(tree.value)]
            return Const(tree.value, kind)
        if isinstance(tree, ast.BoolOp):
            op = "and" if isinstance(tree.op, ast.And) else "or"
            return Op(op, tuple(self.typed(each, span) for each in tree.values), Type.BOOL)
        if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.Not):
            return Op("not", (self.typed(tree.operand, span),), Type.BOOL)
        if isinstance(tree, ast.UnaryOp):
            return Const(-self.typed(tree.operand, span).value, Type.FLOAT)
        if isinstance(tree, ast.BinOp):
            parts = (self.typed(tree.left, span), self.typed(tree.right, span))
            return Op(ARITHMETIC[type(tree.op)], parts, Type.FLOAT)
        parts = []
        left = self.typed(tree.left, span)
        for op, comparator in zip(tree.ops, tree.comparators, strict=True):
            if isinstance(op, ast.Is):
                parts.append(Op("is_null", (left,), Type.BOOL))
                continue
            if isinstance(op, (ast.In, ast.NotIn)):
                members = tuple(self.typed(each, span).value for each in comparator.elts)
                parts.append(Op("in" if isinstance(op, ast.In) else "not_in", (left,), Type.BOOL, members))
                continue
            right = self.typed(comparator, span)
            parts.append(Op(COMPARISONS[type(op)], (left, right), Type.BOOL))
            left = right
        return parts[0] if len(parts) == 1 else Op("and", tuple(parts), Type.BOOL)

    def named(self, name, span, tree):
        known = {
            **self.columns,
            "event_time": self.layout.columns[0],
            **self.compiler.outputs,
            **self.compiler.local,
        }
        if name not in known:
            inner = span.within(tree.col_offset, len(name))
            raise PolicyError(f"unknown name `{name}`", inner, did_you_mean(name, known))
        return known[name]

    # ---- running

    def batch(self, events):
        batch = empty_batch(self.layout, len(events))
        for index, event in enumerate(events):
            for name, value in event.items():
                if name == "event_type":
                    batch.values[1, index] = self.pool.code(value)
                elif name == "event_time":
                    batch.values[0, index] = value
                    batch.time_ms[index] = value
                elif value is not None:
                    code = self.pool.code(value) if isinstance(value, str) else float(value)
                    batch.values[self.columns[name].index, index] = code
        return batch

    def run(self, events):
        """Return the batch after tables, computed columns and rules."""
        batch = self.batch(events)
        for stage in range(self.plan.stage + 1):
            step_stage(self.plan, stage, batch)
            for node, column in self.computed.items():
                if column.stage == stage:
                    for index in range(len(events)):
                        batch.values[column.index, index] = self.value(node, batch.values[:, index])
        step(self.plan, batch)
        return batch

    def value(self, node, row):
        """Compute a node for one event; NaN is null."""
        if isinstance(node, Col):
            return float(row[node.index])
        if isinstance(node, Const):
            return float(self.pool.code(node.value)) if isinstance(node.value, str) else float(node.value)
        values = [self.value(each, row) for each in node.args]
        if node.op == "and":
            return float(all(each == 1 for each in values))
        if node.op == "or":
            return float(any(each == 1 for each in values))
        if node.op == "not":
            return float(values[0] != 1)
        if node.op == "is_null":
            return float(math.isnan(values[0]))
        if any(math.isnan(each) for each in values):
            return math.nan if node.op in ("add", "sub", "mul", "div") else 0.0
        if node.op in ("in", "not_in"):
            members = [self.pool.code(each) if isinstance(each, str) else float(each) for each in node.extra]
            return float((values[0] in members) == (node.op == "in"))
        left, right = values
        if node.op == "div":
            return left / right if right else math.nan
        arithmetic = {"add": left + right, "sub": left - right, "mul": left * right}
        if node.op in arithmetic:
            return arithmetic[node.op]
        order = {"lt": left < right, "le": left <= right, "gt": left > right, "ge": left >= right}
        return float({**order, "eq": left == right, "ne": left != right}[node.op])

    def hits(self, batch):
        """Return the ids of the rules that count, event by event."""
        return [
            [self.plan.rules[rule].id for rule in batch.hit_rule[batch.hit_start[i] : batch.hit_start[i + 1]]]
            for i in range(batch.size)
        ]

    def values(self, batch, name):
        """Return an output column as Python values, None for null."""
        column = self.compiler.outputs[name]
        found = batch.values[column.index]
        if column.type is Type.STRING:
            return [None if math.isnan(each) else self.pool.texts[int(each)] for each in found]
        return [None if math.isnan(each) else float(each) for each in found]


def check_error(document, **named):
    """Return the text of the error that a policy is refused with."""
    try:
        Room(document, **named)
    except PolicyError as error:
        return str(error)
    raise AssertionError("no error")


__all__ = ["Room", "Span", "check_error"]
