"""Workload a: many rules of two or three comparisons, every hit returned, in batches."""

from __future__ import annotations

import argparse

import numpy as np
from benchmarks.measure import median_seconds, write
from benchmarks.peers import rules_numpy
from benchmarks.peers.workload import RULES, generate
from benchmarks.policies import rules_policy, transactions

from riskweave import Engine, Policy
from riskweave.engine import pipeline
from riskweave.events.table import decode_table


def run(arguments: argparse.Namespace) -> None:
    folder = generate(arguments.events, arguments.seed)
    table = transactions(folder, features=True)
    result: dict[str, object] = {"events": table.num_rows}
    for count in RULES:
        engine = Engine(Policy.from_dict(rules_policy(folder, count)))
        engine.warm_up()
        (offsets, ids), numpy_seconds = rules_numpy.measure(folder, count)
        decisions = engine.decide_many(table)
        same = np.array_equal(decisions.hit_start, offsets) and np.array_equal(decisions.hit_rule, ids)
        # The peer starts from columns in memory, and so does the matcher alone; whole events are decoded too.
        blocks = [
            decode_table(engine.plan.decode, table.slice(start, engine.block_rows)).batch
            for start in range(0, table.num_rows, engine.block_rows)
        ]
        matcher = median_seconds(
            lambda engine=engine, blocks=blocks: [engine.plan.rules.matcher.match(b.values) for b in blocks],
            arguments.runs,
        )
        rooms = median_seconds(
            lambda engine=engine, blocks=blocks: [
                pipeline.decide(engine.plan, engine.state, b) for b in blocks
            ],
            arguments.runs,
        )
        whole = median_seconds(
            lambda engine=engine: [None for _ in engine.decide_blocks(table)], arguments.runs
        )
        events = table.num_rows
        result[f"{count}_rules"] = {
            "hits": int(offsets[-1]),
            "hits_equal_numpy": bool(same),
            "matcher_per_s": round(events / matcher),
            "all_rooms_per_s": round(events / rooms),
            "decode_and_decide_per_s": round(events / whole),
            "numpy_per_s": round(events / numpy_seconds),
            "matcher_times_numpy": round(numpy_seconds / matcher, 2),
        }
    write("rules", result)
