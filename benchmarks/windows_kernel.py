"""How fast the features kernel is on the windows workload, alone: events/s, batch of one, memory.

python benchmarks/windows_kernel.py FOLDER [--large]     FOLDER holds tx.parquet of the workload
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from riskweave.batch import Batch, Layout, empty_batch
from riskweave.errors import Span
from riskweave.expressions.types import Col, FeatureCall, Type
from riskweave.features.compile import FeaturesCompiler
from riskweave.features.plan import FeaturesPlan
from riskweave.features.state import FeaturesState, step

NO_SPAN = Span()


@dataclass(frozen=True)
class Written:
    """An argument of a call: a column, or what is written out."""

    value: object
    span: Span = NO_SPAN


class Reader:
    """Reads arguments that are values already."""

    def typed(self, expr):
        return expr.value

    def literal(self, expr):
        return expr.value


class Keys:
    """Key rows by field name."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def key(self, fields):
        return self.layout.add_key(" ".join(fields))


class Columns:
    """Columns are kept as they are."""

    def column(self, node):
        return node


@dataclass(frozen=True)
class Entity:
    name: str
    roles: dict[str, tuple[str, ...]]


FEATURES = [
    *[("user", name, ("amount", w)) for w in ("1h", "24h", "7d") for name in ("sum", "mean", "max")],
    *[("user", "count", (w,)) for w in ("1h", "24h", "7d")],
    ("device", "count", ("1h",)),
    ("device", "distinct", ("user_id", "24h")),
    ("ip", "count", ("10m",)),
]


def compile_plan(features: list, money: bool) -> tuple[Layout, FeaturesPlan, Col]:
    layout = Layout()
    amount = layout.add("amount", Type.MONEY if money else Type.FLOAT, 0)
    fields = {"amount": amount, "user_id": layout.add("user_id", Type.STRING, 0)}
    entities = [
        Entity("user", {"user": ("user_id",)}),
        Entity("device", {"device": ("device_id",)}),
        Entity("ip", {"ip": ("ip",)}),
    ]
    compiler = FeaturesCompiler(entities, Keys(layout), layout, Columns())
    for entity, name, args in features:
        written = tuple(Written(fields.get(each, each)) for each in args)
        compiler.feature(FeatureCall((entity,), name, written, (), Span(), Span()), Reader())
    return layout, compiler.finish(), amount


def hashes(values: np.ndarray) -> np.ndarray:
    """Spread whole numbers over 64 bits (splitmix64)."""
    z = values.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def batches(layout: Layout, columns: dict, amount: Col, size: int) -> list[Batch]:
    made = []
    total = len(columns["ts"])
    watermark = np.maximum.accumulate(columns["ts"])
    for begin in range(0, total, size):
        end = min(begin + size, total)
        batch = empty_batch(layout, end - begin)
        batch.values[0] = columns["ts"][begin:end]
        batch.values[amount.index] = columns["amount"][begin:end]
        for name, row in layout.keys.items():
            batch.keys[row] = columns[name][begin:end]
        batch.time_ms[:] = columns["ts"][begin:end]
        batch.watermark_ms[:] = watermark[begin:end]
        made.append(batch)
    return made


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--large", action="store_true", help="10 million events over 1 million keys")
    arguments.add_argument("--size", type=int, default=4096)
    options = arguments.parse_args()
    table = pq.read_table(options.folder / "tx.parquet")
    columns = {name: table[name].to_numpy() for name in ("ts", "user_id", "device_id", "ip", "amount")}
    for name in ("user_id", "device_id", "ip"):
        columns[name] = hashes(columns[name])
    for money in (False, True):
        layout, plan, amount = compile_plan(FEATURES, money)
        parts = batches(layout, columns, amount, options.size)
        begin = time.perf_counter()
        step(plan, FeaturesState.create(plan), parts[0])
        print(f"first call (compiling or loading): {time.perf_counter() - begin:.2f} s")
        rates = []
        for _ in range(3):
            state = FeaturesState.create(plan)
            begin = time.process_time()
            for part in parts:
                step(plan, state, part)
            rates.append(len(columns["ts"]) / (time.process_time() - begin))
        print(f"money={money}: {statistics.median(rates):,.0f} events/s", [f"{rate:,.0f}" for rate in rates])
        print(state.describe(plan))
        single = [
            batches(layout, {k: v[i : i + 1] for k, v in columns.items()}, amount, 1)[0] for i in range(2000)
        ]
        for one in single:
            one.watermark_ms[:] = parts[-1].watermark_ms[-1]
            one.time_ms[:] = parts[-1].watermark_ms[-1]
        latencies = []
        for one in single:
            begin = time.perf_counter_ns()
            step(plan, state, one)
            latencies.append((time.perf_counter_ns() - begin) / 1000)
        latencies.sort()
        print(f"batch of one: p50 {latencies[1000]:.2f} us, p99 {latencies[1980]:.2f} us")
    if options.large:
        large(amount)


def large(amount: Col) -> None:
    """Ten million events over a million keys, ten features."""
    features = [("user", name, ("amount", w)) for w in ("24h", "7d") for name in ("sum", "max", "std")]
    features += [("user", "count", (w,)) for w in ("1h", "24h", "7d", "30d")]
    layout, plan, amount = compile_plan(features, True)
    state = FeaturesState.create(plan)
    random = np.random.default_rng(1)
    seconds = 0.0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for part in range(100):
        size = 100_000
        ts = np.sort(random.integers(0, 25_920_000, size)) + 25_920_000 * part
        columns = {
            "ts": ts,
            "amount": random.integers(1, 100_000, size) / 100,
            "user_id": hashes(random.integers(0, 1_000_000, size)),
        }
        columns["device_id"] = columns["ip"] = columns["user_id"]
        for batch in batches(layout, columns, amount, 8192):
            begin = time.process_time()
            step(plan, state, batch)
            seconds += time.process_time() - begin
    told = state.describe(plan)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"large: {10_000_000 / seconds:,.0f} events/s, {told}, resident +{(after - before) / 1024:.0f} MB")


if __name__ == "__main__":
    main()
