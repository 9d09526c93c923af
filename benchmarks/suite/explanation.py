"""A full explanation: contributions, near misses, counterfactuals; and both languages as JSON.

The starter policy over a simulated city; half of the payments explained were not passed. What else a
caller pays for stands beside it in the same run: the decision alone, one variation of an event decided
(an explanation asks for several), and an explanation from the record, which asks for none.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
from benchmarks.measure import percentiles_us, write

from riskweave import Engine, Policy, scenarios
from riskweave.engine.explain import Explainer
from riskweave.explanation.as_json import as_json
from riskweave.simulation.payments import payments

EVENTS = 20_000
EXPLAINED = 200


def run(arguments: argparse.Namespace) -> None:
    write("explanation", measured(EVENTS, EXPLAINED, arguments.seed))


def measured(events: int, explained: int, seed: int) -> dict[str, object]:
    """Explain payments of a simulated city, and return what each part took on the processor."""
    policy = Policy.read(scenarios.folder("starter"))
    table = payments(events, seed)
    half = events // 2
    stopped = Engine(policy).decide_many(table).action[half:] > 0
    which = sorted(
        [
            *(half + np.flatnonzero(stopped)[: explained // 2]),
            *(half + np.flatnonzero(~stopped)[: explained - explained // 2]),
        ]
    )
    engine = Engine(policy)
    engine.warm_up()
    explainer = Explainer(engine)
    times: dict[str, list[float]] = {
        name: [] for name in ("decide", "one_variation", "explain", "json", "of_record")
    }
    asked: list[int] = []
    done = 0
    for at in which:
        engine.decide_many(table.slice(done, at - done))
        done = at + 1
        event = {
            name: value for name, value in table.slice(at, 1).to_pylist()[0].items() if value is not None
        }
        scratch = engine.scratch(event)
        scratch.act()
        _timed(times["one_variation"], lambda scratch=scratch: scratch.act())
        other = {**event, "payment_id": f"again {at}"}
        decision, explanation = _timed(
            times["explain"], lambda event=event: explainer.decide(event, {"device_id": ["d1", "d2"]})
        )
        asked.append(explanation.decisions)
        record = engine.record(decision)
        _timed(times["json"], lambda shown=explanation: msgspec.json.encode(as_json(shown)))
        _timed(times["of_record"], lambda record=record: explainer.of_record(record))
        _timed(times["decide"], lambda other=other: engine.decide(other))
    return {
        "explained": len(which),
        "stopped": int(sum(stopped[at - half] for at in which)),
        "decisions_asked_median": statistics.median(asked),
        "decisions_asked_max": max(asked),
        "cpu_us": {name: percentiles_us(found) for name, found in times.items()},
    }


def _timed(into: list[float], call: Callable[[], Any]) -> Any:
    started = time.thread_time_ns()
    found = call()
    into.append((time.thread_time_ns() - started) / 1e9)
    return found
