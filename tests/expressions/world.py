"""A small world to evaluate expressions in: typed columns, a scope over them, one way to run."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from riskweave.batch import Layout, empty_batch
from riskweave.errors import PolicyError, Span, did_you_mean
from riskweave.expressions.check import check
from riskweave.expressions.compile import Compiler
from riskweave.expressions.parse import parse
from riskweave.expressions.run import StringTables, step
from riskweave.expressions.strings import StringPool
from riskweave.expressions.types import Const, Op, Type

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIELDS = {
    "amount": Type.MONEY,
    "count": Type.INT,
    "x": Type.FLOAT,
    "y": Type.FLOAT,
    "name": Type.STRING,
    "city": Type.STRING,
    "ip": Type.IP,
    "new": Type.BOOL,
    "known": Type.BOOL,
    "at": Type.TIME,
    "seen": Type.TIME,
    "home": Type.LOCATION,
    "shop": Type.LOCATION,
    "fraud": Type.LABEL,
    "late": Type.FLOAT,
}
STAGES = {"late": 2}


class World:
    """A layout with FIELDS, and the scope that finds them."""

    def __init__(self):
        self.layout = Layout()
        self.columns = {
            name: self.layout.add(name, kind, STAGES.get(name, 0)) for name, kind in FIELDS.items()
        }
        self.columns["event_time"] = self.layout.columns[0]
        self.columns["customer.age"] = self.layout.add("customer.age", Type.INT, 0)
        self.constants = {
            "limit": Const(5000.0, Type.INT),
            "countries": Op("collection", (), Type.NULL, ("FR", "DE")),
        }
        self.calls = []

    def name(self, name, span):
        if name in self.constants:
            return self.constants[name]
        if name not in self.columns:
            raise PolicyError(f"unknown name `{name}`", span, did_you_mean(name, self.columns))
        return self.columns[name]

    def attribute(self, path, span):
        return self.name(".".join(path), span)

    def is_entity(self, name):
        return name in ("customer", "payer")

    def feature(self, call):
        self.calls.append(call)
        return self.columns["late"]

    def is_list(self, name):
        return name == "watched"

    def member(self, list_name, operand, span):
        return Op("eq", (operand, Const("bob", Type.STRING)), Type.BOOL)

    def check(self, text):
        return check(parse(text, span_of(text)), self)


def span_of(text):
    """Return the span of a text that fills a file's first line."""
    return Span("rules.yaml", 1, 1, max(len(text), 1), text.split("\n", maxsplit=1)[0])


class Run:
    """Expressions compiled together, ready to be run over events."""

    def __init__(self, texts, zone="UTC"):
        self.world = World()
        self.pool = StringPool()
        compiler = Compiler(self.world.layout, self.pool, zone)
        self.nodes = [self.world.check(text) for text in texts]
        self.columns = [compiler.column(node) for node in self.nodes]
        self.programs = compiler.finish()
        self.strings = StringTables(self.programs, self.pool)

    def batch(self, events):
        batch = empty_batch(self.world.layout, len(events))
        for i, event in enumerate(events):
            for name, value in event.items():
                column = self.world.columns[name]
                if column.type is Type.LOCATION:
                    for part in (0, 1):
                        batch.values[column.index + part, i] = self.encode(value and value[part])
                else:
                    batch.values[column.index, i] = self.encode(value)
        for program in self.programs:
            step(program, self.strings, batch)
        return batch

    def encode(self, value):
        if value is None:
            return math.nan
        if isinstance(value, str):
            return self.pool.code(value)
        if isinstance(value, datetime):
            return (value - EPOCH) // timedelta(milliseconds=1)
        return float(value)

    def results(self, events):
        """Return one list of plain values per expression."""
        batch = self.batch(events)
        return [
            [self.decode(column.type, batch.values[column.index, i]) for i in range(len(events))]
            for column in self.columns
        ]

    def decode(self, kind, value):
        if value != value:
            return None
        if kind is Type.BOOL:
            assert value in (0.0, 1.0)
            return bool(value)
        if kind.is_text:
            return self.pool.texts[int(value)]
        if kind is Type.TIME:
            return EPOCH + timedelta(milliseconds=value)
        return float(value)


def run_one(text, event, zone="UTC"):
    """Return the value of one expression for one event."""
    return Run([text], zone).results([event])[0][0]
