"""A small world for feature tests: its fields, its entities, plans and batches without other rooms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from riskweave.batch import LabelArrivals, Layout, empty_batch
from riskweave.errors import PolicyError, Span
from riskweave.expressions.types import Col, FeatureCall, Op, Type
from riskweave.features.compile import FeaturesCompiler, signature
from tests.oracles.features import Asked

NO_SPAN = Span()
LABELS = {"fraud": 0, "abuse": 1}


@dataclass(frozen=True)
class Written:
    """An expression: a name of a field, or what is written out."""

    value: object
    span: Span = NO_SPAN


@dataclass(frozen=True)
class Entity:
    name: str
    roles: dict[str, tuple[str, ...]]


class World:
    """Fields and entities, and the doubles that a features compiler talks to."""

    def __init__(self):
        self.layout = Layout()
        add = self.layout.add
        self.fields = {
            "amount": add("amount", Type.MONEY, 0),
            "weight": add("weight", Type.FLOAT, 0),
            "code": add("code", Type.INT, 0),
            "device": add("device", Type.STRING, 0),
            "place": add("place", Type.LOCATION, 0),
            "flag": add("flag", Type.BOOL, 0),
            "big": add("big", Type.BOOL, 0),
            "login": add("login", Type.BOOL, 0),
            "hour": add("hour", Type.INT, 0),
            "fraud": Col(-1, Type.LABEL, 0, "fraud"),
            "abuse": Col(-1, Type.LABEL, 0, "abuse"),
            "score": add("score", Type.FLOAT, 4),
        }
        self.entities = [
            Entity("customer", {"customer": ("customer_id",)}),
            Entity("account", {"payer": ("from_id",), "payee": ("to_id",)}),
        ]
        self.joined: dict[str, tuple[Col, Op]] = {}

    # what a compiler asks of other rooms
    def key(self, fields):
        if fields[0] not in ("customer_id", "from_id", "to_id", "device"):
            raise KeyError(fields[0])
        return self.layout.add_key(" ".join(fields))

    def column(self, node):
        if isinstance(node, Col):
            return node
        text = signature(node)
        if text not in self.joined:
            self.joined[text] = (self.layout.add(text, node.type, 0), node)
        return self.joined[text][0]

    # what reads arguments
    def typed(self, expr):
        name = expr.value
        if name not in self.fields:
            raise PolicyError(f"unknown name `{name}`", expr.span)
        return self.fields[name]

    def literal(self, expr):
        return expr.value

    def conjuncts(self, expr):
        return [self.fields[name] for name in expr.value]

    def all_of(self, parts):
        return Op("and", tuple(parts), Type.BOOL)

    def types(self, expr):
        return self.fields[expr.value]

    def label(self, column):
        return LABELS[column.name]

    def hour(self):
        return self.fields["hour"]

    # plans and batches
    def compiler(self, forget=None):
        return FeaturesCompiler(self.entities, self, self.layout, self, forget_after_ms=forget)

    def call(self, compiler, path, aggregate, *args, **named):
        return compiler.feature(
            FeatureCall(
                tuple(path.split(".")),
                aggregate,
                tuple(Written(each) for each in args),
                tuple((name, Written(each)) for name, each in named.items()),
                Span("features.yaml", 3, 1, len(path), f"{path}.{aggregate}(...)"),
                NO_SPAN,
            ),
            self,
        )

    def plan(self, features, forget=None):
        """Return the plan of `Asked` features and the column of each."""
        compiler = self.compiler(forget)
        columns = [self.call(compiler, *written(asked)[0], **written(asked)[1]) for asked in features]
        return compiler.finish(), columns

    def batch(self, events, labels=(), first=0):
        """Return events as one batch that begins with number `first`; labels as the oracle has them."""
        batch = empty_batch(self.layout, len(events))
        rows = self.layout.keys
        for i, event in enumerate(events):
            batch.time_ms[i] = event["time"]
            batch.values[0, i] = event["time"]
            batch.watermark_ms[i] = event["watermark"]
            batch.event_hash[i] = event_hash(first + i)
            for name, column in self.fields.items():
                value = event.get(name)
                if value is None or column.index < 0:
                    continue
                if column.type is Type.LOCATION:
                    batch.values[column.index : column.index + 2, i] = value
                else:
                    batch.values[column.index, i] = float(value)
            for column, node in self.joined.values():
                batch.values[column.index, i] = float(all(event[each.name] is True for each in node.args))
            keys = {"customer_id": "customer", "from_id": "payer", "to_id": "payee"}
            for field, role in keys.items():
                if field in rows and event["keys"][role] is not None:
                    batch.keys[rows[field], i] = event["keys"][role]
            if "device" in rows and event["device"] is not None:
                batch.keys[rows["device"], i] = np.uint64(event["device"] * 0x9E3779B97F4A7C15 % 2**64)
        if labels:
            batch.labels = LabelArrivals(
                np.array([each[0] - first for each in labels], np.int64),
                np.array([event_hash(each[1]) for each in labels], np.uint64),
                np.array([LABELS[each[2]] for each in labels], np.int64),
                np.array([np.nan if each[3] is None else float(each[3]) for each in labels]),
                np.zeros(len(labels), np.int64),
            )
        return batch


def event_hash(number):
    return np.uint64((number + 1) * 0xD1B54A32D192ED03 % 2**64)


def written(asked: Asked):
    """Return the call that asks this: positional parts, then options."""
    path = asked.role if asked.role == asked.table else f"{asked.role}.as_{asked.table}"
    args: list[object] = [path, asked.aggregate]
    if asked.aggregate == "rate":
        args.append((*asked.condition, *asked.condition_labels))
    elif asked.value and asked.aggregate != "hour_habit":
        args.append(asked.value)
    if asked.aggregate == "quantile":
        args.append(asked.share)
    if asked.half_life:
        args.append(f"{asked.half_life}ms")
    for window in (asked.window, asked.second_window):
        if window is not None:
            args.append(f"{window}ms")
    if asked.aggregate == "distinct_places":
        args.append(asked.cell_km)
    named: dict[str, object] = {}
    where = tuple(name for name in asked.where if name != "login") + asked.labels
    if where:
        named["where"] = where
    if "login" in asked.where:
        named["on"] = "login"
    if asked.before:
        named["before"] = True
    if asked.delay:
        named["delay"] = f"{asked.delay}ms"
    return args, named
