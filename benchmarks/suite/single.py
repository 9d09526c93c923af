"""One event at a time: from a dict to a decision, and against 1,000 rules.

Each dict is parsed from JSON right before its clock starts, as a service has it at hand. Wall time
tells what a caller waits, and on a shared machine also what else it was doing: the time this thread
spent on the processor stands beside it. Garbage collection stays on, as in a service.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from benchmarks.measure import percentiles_us, write
from benchmarks.peers.workload import generate
from benchmarks.policies import both_policy, rules_policy, transactions

from riskweave import Engine, Policy
from riskweave.engine import engine as engines
from riskweave.engine import pipeline
from riskweave.events.table import decode_table
from riskweave.rules import plan as rules

EVENTS = 10_000


def run(arguments: argparse.Namespace) -> None:
    folder = generate(arguments.events, arguments.seed)
    rounds = max(arguments.runs, 3)
    table = transactions(folder, features=True).slice(0, EVENTS * (2 * rounds + 1))
    texts = [msgspec.json.encode(record) for record in table.to_pylist()]
    engine = Engine(Policy.from_dict(both_policy(folder, 100)))
    engine.warm_up()
    for text in texts[:EVENTS]:
        engine.decide(_parse(text))
    collections = _collections()
    wall: list[dict[str, float]] = []
    cpu: list[dict[str, float]] = []
    parts: list[dict[str, float]] = []
    for start in range(EVENTS, len(texts), 2 * EVENTS):
        on_wall, on_cpu = _times(engine.decide, texts[start : start + EVENTS], _parse)
        wall.append(percentiles_us(on_wall))
        cpu.append(percentiles_us(on_cpu))
        parts.append(_parts(engine, texts[start + EVENTS : start + 2 * EVENTS]))
    collections = _collections() - collections
    write(
        "single",
        {
            "dict_to_decision_us": _medians(wall),
            "dict_to_decision_cpu_us": _medians(cpu),
            "rounds": rounds,
            "events_per_round": EVENTS,
            "garbage_collections": collections,
            "features": len(engine.outputs),
            "rules": len(engine.rule_ids),
            "parts_p50_us": _medians(parts),
            "one_event_1000_rules_us": _thousand_rules(folder, rounds),
        },
    )


def _parse(text: bytes) -> dict[str, object]:
    return msgspec.json.decode(text, type=dict[str, object])


def _times(
    call: Callable[[Any], object], each_of: list[Any], make: Callable[[Any], Any] = lambda each: each
) -> tuple[list[float], list[float]]:
    """Return the seconds of each call on the wall and on the processor, `make` left out."""
    wall, cpu = [], []
    for one in each_of:
        each = make(one)
        on_cpu = time.thread_time_ns()
        on_wall = time.perf_counter_ns()
        call(each)
        wall.append((time.perf_counter_ns() - on_wall) / 1e9)
        cpu.append((time.thread_time_ns() - on_cpu) / 1e9)
    return wall, cpu


def _medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}


def _collections() -> int:
    return sum(each["collections"] for each in gc.get_stats())


def _parts(engine: Engine, texts: list[bytes]) -> dict[str, float]:
    """Return what the median event spends in decoding, in the rooms, and in making its answer."""
    spent: dict[str, list[int]] = {}

    def clocked(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        times = spent.setdefault(name, [])

        def timed(*arguments: Any) -> Any:
            started = time.perf_counter_ns()
            result = call(*arguments)
            times.append(time.perf_counter_ns() - started)
            return result

        return timed

    decode, rooms, answer = engines.decode_record, pipeline.decide, engine._answers.one
    parts = {"features": pipeline.features, "rules": pipeline.rules}
    steps = {name: room.step for name, room in parts.items()}
    try:
        engines.decode_record = clocked("decode", decode)
        pipeline.decide = clocked("rooms", rooms)
        engine._answers.one = clocked("answer", answer)  # type: ignore[method-assign]
        for name, room in parts.items():
            room.step = clocked(f"rooms_{name}", steps[name])  # type: ignore[attr-defined]
        for text in texts:
            engine.decide(_parse(text))
    finally:
        engines.decode_record, pipeline.decide = decode, rooms
        engine._answers.one = answer  # type: ignore[method-assign]
        for name, room in parts.items():
            room.step = steps[name]  # type: ignore[attr-defined]
    return {name: round(statistics.median(times) / 1e3, 2) for name, times in spent.items()}


def _thousand_rules(folder: Path, rounds: int) -> dict[str, float]:
    """Time the rules room on batches of one that are decoded already."""
    engine = Engine(Policy.from_dict(rules_policy(folder, 1000)))
    table = transactions(folder, features=True).slice(0, 5_000)
    batch = decode_table(engine.plan.decode, table).batch
    ones = [np.ascontiguousarray(batch.values[:, i : i + 1]) for i in range(batch.size)]
    one = decode_table(engine.plan.decode, table.slice(0, 1)).batch

    def step(values: Any) -> None:
        one.values = values
        rules.step(engine.plan.rules, one)

    _times(step, ones)
    return _medians([percentiles_us(_times(step, ones)[0]) for _ in range(rounds)])
