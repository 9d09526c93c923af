"""A full explanation of each decision: contributions, near misses, counterfactuals, both languages as JSON.

The starter policy over a simulated city; explained are the last payments, a third of them stopped ones.
The peer is the decision itself, in the same run: an explanation that asks for many decisions cannot be
quicker than they are.
"""

from __future__ import annotations

import argparse
import statistics
import time

import msgspec
from benchmarks.measure import percentiles_us, write

from riskweave import Engine, Policy, scenarios
from riskweave.engine.explain import Explainer
from riskweave.explanation.as_json import as_json
from riskweave.explanation.as_text import plain_text
from riskweave.simulation.payments import payments

EVENTS = 20_000
EXPLAINED = 300


def run(arguments: argparse.Namespace) -> None:
    engine = Engine(Policy.read(scenarios.folder("starter")))
    engine.warm_up()
    table = payments(EVENTS, arguments.seed)
    engine.decide_many(table.slice(0, EVENTS // 2))
    explainer = Explainer(engine)
    records = table.slice(EVENTS // 2).to_pylist()
    decide, act, build, said, decisions = [], [], [], [], []
    stopped = 0
    for record in records:
        event = {name: value for name, value in record.items() if value is not None}
        ahead = engine.what_if(event)
        wanted = ahead.action != "PASS" or len(build) < 2 * stopped + 20
        if not wanted or len(build) >= EXPLAINED:
            engine.decide(event)
            continue
        stopped += ahead.action != "PASS"
        started = time.thread_time_ns()
        engine.what_if(event)
        decide.append((time.thread_time_ns() - started) / 1e9)
        scratch = engine.scratch(event)
        scratch.act()
        started = time.thread_time_ns()
        for _ in range(10):
            scratch.act()
        act.append((time.thread_time_ns() - started) / 1e10)
        known = {"device_id": ["d1", "d2"]}
        started = time.thread_time_ns()
        _, explanation = explainer.decide(event, known)
        build.append((time.thread_time_ns() - started) / 1e9)
        decisions.append(explanation.decisions)
        started = time.thread_time_ns()
        msgspec.json.encode(as_json(explanation))
        said.append((time.thread_time_ns() - started) / 1e9)
    started = time.thread_time_ns()
    plain_text(explanation)
    text = (time.thread_time_ns() - started) / 1e9
    write(
        "explanation",
        {
            "explained": len(build),
            "stopped": stopped,
            "explain_cpu_us": percentiles_us(build),
            "json_both_languages_cpu_us": percentiles_us(said),
            "one_what_if_cpu_us": percentiles_us(decide),
            "one_variation_cpu_us": percentiles_us(act),
            "terminal_text_cpu_us": text * 1e6,
            "decisions_asked_median": statistics.median(decisions),
            "decisions_asked_max": max(decisions),
        },
    )
