"""Every scenario on trial in a city of its own: the policy beside its rules and its model alone, in money."""

from __future__ import annotations

import argparse
import time
from typing import Any

from benchmarks.measure import machine, write

from riskweave.trials.evaluate import evaluate
from riskweave.trials.setting import Scenario, codes, scenario

EVENTS = 100_000


def run(arguments: argparse.Namespace) -> None:
    events = min(arguments.events, EVENTS)
    found = {code: measured(scenario(code), events, arguments.seed % 1_000) for code in codes()}
    write("scenarios", {"machine": machine(), "events": events, "scenarios": found})


def measured(of: Scenario, events: int, seed: int) -> dict[str, Any]:
    """Return a trial's main figures, and the processor's time for all of it."""
    started = time.process_time()
    found = evaluate(of, seed=seed, events=events, unknown=())
    kept = ("recall", "loss_recall", "false_positive_rate", "net")
    return {
        "frauds": found["test"]["frauds"],
        "loss": found["test"]["loss"],
        "currency": found["currency"],
        **{way: {key: found[way][key] for key in kept} for way in ("policy", "rules", "model")},
        "cpu_seconds": round(time.process_time() - started, 2),
    }
