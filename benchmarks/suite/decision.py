"""From evidence to action: five pieces of evidence, four utilities, three tests, beside NumPy."""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import numpy as np
import pyarrow as pa
from benchmarks.measure import machine, median_seconds, write
from benchmarks.peers import decision_numpy

from riskweave import Engine, Policy
from riskweave.decision import plan as decision
from riskweave.engine import pipeline
from riskweave.events.table import decode_table

COSTS = {
    "recovery": 0.1, "margin": 0.01, "insult": 15.0, "fee": 0.1, "customer_passes": 0.96,
    "attacker_passes": 0.2, "drop_off": 0.03, "review": 4.0, "detection": 0.9, "delay": 1.0,
}  # fmt: skip
BANDS = {
    "score": [0.02, 0.1, 0.3, 0.7],
    "rules": [0.3, 0.7],
    "patterns": [0.5],
    "amount": [20.0, 100.0, 500.0],
    "level": [1.0, 2.0],
}
TESTS = {"push": (0.7, 0.97, 0.2), "call": (0.9, 0.95, 3.0), "document": (0.95, 0.98, 6.0)}
FLOOR_AMOUNT = 4_000.0
PRIOR = 0.01
EVENTS_MAX = 200_000
SINGLES = 3_000


def tables(seed: int) -> dict[str, list[np.ndarray]]:
    """Return P(state | fraud) of `score`, and P(state | fraud, score) of the others."""
    chance = np.random.default_rng(seed)
    score = [np.array([0.7, 0.2, 0.07, 0.02, 0.01]), np.array([0.1, 0.15, 0.2, 0.25, 0.3])]
    found = {"score": score}
    for name, cuts in BANDS.items():
        if name != "score":
            found[name] = [chance.dirichlet(np.ones(len(cuts) + 1) * 3, 5) for _ in range(2)]
    return found


def policy(learned: dict[str, list[np.ndarray]]) -> dict[str, Any]:
    """Return the policy, written as an analyst would."""
    nodes: dict[str, Any] = {"fraud": {"states": ["no", "yes"], "table": [1 - PRIOR, PRIOR]}}
    for name, table in learned.items():
        nodes[name] = {
            "states": [f"s{k}" for k in range(len(BANDS[name]) + 1)],
            "parents": ["fraud"] if name == "score" else ["fraud", "score"],
            "table": [each.tolist() for each in table],
        }
    numbers = dict.fromkeys(["score", "rules", "patterns", "level"], "float")
    return {
        "policy": {"name": "decision", "dedupe": "0s"},
        "events": {
            "payment": {
                "id": "id",
                "time": "at",
                "fields": {"id": "int", "at": {"type": "time", "unit": "ms"}, "amount": "float", **numbers},
            }
        },
        "decision": {
            "network": {"nodes": nodes},
            "evidence": {name: {"value": name, "bands": cuts} for name, cuts in BANDS.items()},
            "costs": {
                "amount": "amount",
                "recovery": COSTS["recovery"],
                "margin": f"{COSTS['margin']} * amount",
                "insult": COSTS["insult"],
                "mfa": {
                    name: COSTS[name] for name in ("fee", "customer_passes", "attacker_passes", "drop_off")
                },
                "review": {"cost": COSTS["review"], "detection": COSTS["detection"], "delay": COSTS["delay"]},
            },
            "tests": {
                name: {"sensitivity": hit, "specificity": clear, "cost": cost}
                for name, (hit, clear, cost) in TESTS.items()
            },
            "floors": {"large": {"when": f"amount > {FLOOR_AMOUNT}", "action": "REVIEW"}},
        },
    }


def events(count: int, seed: int) -> pa.Table:
    chance = np.random.default_rng(seed)
    return pa.table(
        {
            "id": np.arange(count),
            "at": np.arange(count) + 1_700_000_000_000,
            "amount": np.round(np.exp(chance.normal(4, 1.5, count)), 2),
            "score": chance.beta(0.3, 4, count),
            "rules": chance.random(count) ** 3,
            "patterns": chance.random(count) ** 5,
            "level": chance.integers(0, 4, count).astype(float),
        }
    )


def run(arguments: argparse.Namespace) -> None:
    write("decision", measure(min(arguments.events, EVENTS_MAX), arguments.seed, arguments.runs))


def measure(count: int, seed: int, runs: int) -> dict[str, object]:
    """Return what one event costs here and in NumPy, and whether both say the same."""
    learned, table = tables(seed), events(count, seed)
    engine = Engine(Policy.from_dict(policy(learned)))
    engine.warm_up()
    plan, state = engine.plan.decision, engine.state.decision
    blocks = []
    for start in range(0, count, engine.block_rows):
        batch = decode_table(engine.plan.decode, table.slice(start, engine.block_rows)).batch
        pipeline.decide(engine.plan, engine.state, batch)
        blocks.append(batch)
    ours = median_seconds(lambda: [decision.step(plan, state, batch) for batch in blocks], max(runs, 5))
    columns = {name: table[name].to_numpy() for name in ("amount", "score", "rules", "patterns", "level")}
    parts = [
        {name: column[start : start + engine.block_rows] for name, column in columns.items()}
        for start in range(0, count, engine.block_rows)
    ]
    written = {
        "prior": PRIOR,
        "tables": learned,
        "bands": {name: np.array(cuts) for name, cuts in BANDS.items()},
        "costs": COSTS,
        "floor_amount": FLOOR_AMOUNT,
        "tests": [
            {"results": ((hit, 1 - clear), (1 - hit, clear)), "cost": cost}
            for hit, clear, cost in TESTS.values()
        ],
    }
    theirs = median_seconds(lambda: [decision_numpy.decide(part, written) for part in parts], max(runs, 5))
    decisions = engine.decide_many(table)
    expected = decision_numpy.decide(columns, written)
    records = table.slice(0, SINGLES).to_pylist()
    seconds = []
    for record in records:
        started = time.perf_counter()
        engine.decide(record)
        seconds.append(time.perf_counter() - started)
    return {
        "machine": machine(),
        "events": count,
        "riskweave_us": round(1e6 * ours / count, 3),
        "numpy_us": round(1e6 * theirs / count, 3),
        "times_numpy": round(theirs / ours, 2),
        "equal_numpy": equal(decisions, expected),
        "actions": decisions.actions(),
        "asked_for": int((expected["net"] > 0).sum()),
        "single_us_p50": round(1e6 * statistics.median(seconds), 1),
    }


def equal(decisions: Any, expected: dict[str, np.ndarray]) -> bool:
    """Tell whether belief, utilities, the tests' net gain and the action are the peer's."""
    net = decisions.kept.row(decisions.kept.plan.out + 7)
    return bool(
        np.allclose(decisions.probability, expected["belief"], rtol=1e-12, atol=0)
        and np.allclose(decisions.utilities, expected["utilities"], rtol=1e-10, atol=1e-9)
        and np.allclose(net, expected["net"], rtol=1e-9, atol=1e-9)
        and np.array_equal(decisions.action, expected["action"])
    )
