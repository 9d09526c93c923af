"""Workload c: event patterns through the real engine and in their room alone, beside a loop written for them.

"A device this user never used before" is `user.is_new(device_id, "400d")`: the stream lasts 30 days, so
that the window holds all of it. The features room decides it, as a policy would; the room alone is given
that column, and its clock takes in the conditions on single events.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
from benchmarks.measure import median_seconds, write
from benchmarks.peers import patterns_python
from benchmarks.peers.workload import generate

from benchmarks import plots
from riskweave import Engine, Policy
from riskweave.batch import BY_EVENT, STAGE_DECODED, STAGE_FEATURES, STAGE_LISTS, Batch, Matches
from riskweave.engine import pipeline
from riskweave.engine.state import State
from riskweave.events.table import decode_table
from riskweave.expressions import run as expressions
from riskweave.patterns import plan as patterns
from riskweave.patterns.state import PatternsState

MANY = 100
MANY_EVENTS = 200_000
COUNTS = (1, 3, 10, 30, 100, 300)
LENGTHS = {"1m": 60, "10m": 600, "1h": 3_600, "6h": 21_600, "1d": 86_400, "7d": 604_800}
FLOOD_EVENTS = 20_000
# 1 + 1 + 3 + 6 + ... + 96 partial matches began with the last eight events. The cap lets whole generations
# stay, so that the model need not know which of two with the same first event goes.
FLOOD_CAP = 191

Stages = list[dict[str, object]]


def run(arguments: argparse.Namespace) -> None:
    folder = generate(arguments.events, arguments.seed)
    payments = parquet.read_table(folder / "tx.parquet", columns=["ts", "user_id", "device_id", "amount"])
    logins = parquet.read_table(folder / "logins.parquet")
    by_hand = patterns_python.measure(folder)
    result: dict[str, object] = {
        "c1": workload(payments_policy({"c1": c1()}), payments, by_hand["c1"], arguments.runs),
        "c2": workload(logins_policy({"c2": c2()}), logins, by_hand["c2"], arguments.runs),
        "many": _many(payments, arguments.runs),
        "idle": _idle(payments, arguments.runs),
        "flood": flood(FLOOD_EVENTS),
        "patterns": [[count, _number(payments, count)] for count in COUNTS],
        "pattern_window_s": [[seconds, _length(payments, each)] for each, seconds in LENGTHS.items()],
    }
    write("patterns", result)
    plots.patterns(result)


# ---- the policies


def c1(threshold: float = 1000.0, window: str = "40m") -> dict[str, object]:
    """Three large payments within 30 min, then within 10 min one on a device never used before."""
    in_time = "large.count == 0 or event_time - large.first.event_time < 1800"
    stages: Stages = [
        {"begin": "large", "where": [f"amount > {threshold}", in_time], "times": 3},
        {"followed_by": "new", "where": "new_device", "within_previous": "10m"},
    ]
    return {"key": "user", "stages": stages, "within": window}


def c2() -> dict[str, object]:
    """Five failed logins with nothing in between, then at once a success."""
    stages: Stages = [
        {"begin": "failed", "where": "ok == 0", "times": 5, "consecutive": True},
        {"next": "entered", "where": "ok == 1"},
    ]
    return {"key": "user", "stages": stages, "within": "30m"}


def variations(count: int) -> dict[str, object]:
    """Patterns like c1 with other thresholds and windows, so that they share nothing."""
    return {f"p{n}": c1(500.0 + 2000.0 * n / count, f"{40 + n % 20}m") for n in range(count)}


def payments_policy(wanted: dict[str, object]) -> dict[str, object]:
    fields = {"ts": {"type": "time", "unit": "ms"}, "user_id": "int", "device_id": "int", "amount": "float"}
    return {
        "policy": {"name": "patterns", "dedupe": "0s"},
        "events": {"tx": {"time": "ts", "fields": fields}},
        "entities": {"user": "user_id"},
        "features": {"new_device": 'user.is_new(device_id, "400d")'},
        "patterns": wanted,
    }


def logins_policy(wanted: dict[str, object]) -> dict[str, object]:
    fields = {"ts": {"type": "time", "unit": "ms"}, "user_id": "int", "ok": "int"}
    return {
        "policy": {"name": "patterns", "dedupe": "0s"},
        "events": {"login": {"time": "ts", "fields": fields}},
        "entities": {"user": "user_id"},
        "patterns": wanted,
    }


# ---- the two patterns


def workload(
    policy: dict[str, object], table: pa.Table, by_hand: tuple[patterns_python.Matches, float, int], runs: int
) -> dict[str, object]:
    """Measure one pattern; its matches must be those of the loop, event by event."""
    read = Policy.from_dict(policy)
    Engine(read).warm_up()
    whole = median_seconds(lambda: _decide(Engine(read), table), runs)
    room = Room(policy, table)
    alone = statistics.median(room.seconds() for _ in range(runs))
    rows = room.ends()
    both = median_seconds(room.with_features, runs)
    theirs, seconds, events = by_hand
    return {
        "events": events,
        "matches": int(rows.size),
        "ends": int(np.unique(rows).size),
        "equal_python": sorted(rows.tolist()) == sorted(row for row, _ in theirs),
        "room_per_s": round(events / alone),
        "with_features_per_s": round(events / both),
        "engine_per_s": round(events / whole),
        "python_per_s": round(events / seconds),
    }


class Room:
    """The patterns room of a policy with all its blocks decoded and their features filled."""

    def __init__(self, policy: dict[str, object], table: pa.Table, block_rows: int = 8_192) -> None:
        engine = Engine(Policy.from_dict(policy))
        self.plan, self.strings = engine.plan, engine.state.strings
        self.blocks: list[Batch] = []
        state = State.create(self.plan)
        for start in range(0, table.num_rows, block_rows):
            batch = decode_table(self.plan.decode, table.slice(start, block_rows)).batch
            np.maximum.accumulate(batch.time_ms, out=batch.watermark_ms)
            pipeline.remember(self.plan, state, batch)
            self.blocks.append(batch)
        self.events = table.num_rows
        self.state = PatternsState.create(self.plan.patterns)
        self.matches: list[Matches] = []

    def seconds(self) -> float:
        """Return the CPU seconds from columns to matches, beginning with nothing."""
        self.state = PatternsState.create(self.plan.patterns)
        self.matches = []
        began = time.process_time()
        for batch in self.blocks:
            for stage in (STAGE_DECODED, STAGE_LISTS, STAGE_FEATURES):
                expressions.step(self.plan.programs[stage], self.strings, batch)
            self.matches.append(patterns.step(self.plan.patterns, self.state, batch))
        return time.process_time() - began

    def with_features(self) -> None:
        """Go from columns to matches through every room up to the patterns, beginning with nothing."""
        state = State.create(self.plan)
        for batch in self.blocks:
            pipeline.remember(self.plan, state, batch)

    def ends(self) -> np.ndarray:
        """Return the row of the event that completed each match."""
        found, before = [np.zeros(0, np.int64)], 0
        for batch, matches in zip(self.blocks, self.matches, strict=True):
            if len(matches):
                found.append(matches.row[matches.kind == BY_EVENT] + before)
            before += batch.size
        return np.concatenate(found)


def _decide(engine: Engine, table: pa.Table) -> None:
    for _ in engine.decide_blocks(table):
        pass


# ---- many, and none


def _many(payments: pa.Table, runs: int) -> dict[str, object]:
    table = payments.slice(0, MANY_EVENTS)
    policy = payments_policy(variations(MANY))
    room = Room(policy, table)
    alone = statistics.median(room.seconds() for _ in range(runs))
    read = Policy.from_dict(policy)
    whole = median_seconds(lambda: _decide(Engine(read), table), runs)
    return {
        "patterns": MANY,
        "events": table.num_rows,
        "matches": int(room.ends().size),
        "room_per_s": round(table.num_rows / alone),
        "engine_per_s": round(table.num_rows / whole),
    }


def _idle(payments: pa.Table, runs: int) -> dict[str, object]:
    """No amount is large enough to start a match: what an event costs that concerns no pattern."""
    amount = np.minimum(payments["amount"].to_numpy(), 400.0)
    quiet = payments.set_column(payments.column_names.index("amount"), "amount", pa.array(amount))
    found: dict[str, object] = {}
    for count in (1, MANY):
        table = quiet.slice(0, quiet.num_rows if count == 1 else MANY_EVENTS)
        room = Room(payments_policy(variations(count)), table)
        seconds = statistics.median(room.seconds() for _ in range(runs))
        assert not room.ends().size
        found[f"ns_with_{count}"] = round(1e9 * seconds / table.num_rows, 1)
    return found


# ---- the flood


def flood(count: int, cap: int = FLOOD_CAP) -> dict[str, object]:
    """One user, one pattern whose partial matches double with every event, and that never completes."""
    stages: Stages = [
        {"begin": "a", "where": "amount > 0"},
        {"followed_by": "b", "where": "amount > 0", "one_or_more": True, "allow_combinations": True},
        {"followed_by": "c", "where": "amount < 0"},
    ]
    flooding = {"key": "user", "stages": stages, "keep": {"partial_matches": cap, "events": 10 * cap}}
    engine = Engine(Policy.from_dict(payments_policy({"flood": flooding})))
    engine.warm_up()
    zeros = np.zeros(count, np.int32)
    table = pa.table(
        {"ts": np.arange(count) + 1, "user_id": zeros, "device_id": zeros, "amount": np.ones(count)}
    )
    most, seconds = 0, 0.0
    for start in range(0, count, 1_000):
        began = time.process_time()
        _decide(engine, table.slice(start, 1_000))
        seconds += time.process_time() - began
        described = engine.state.patterns.describe()
        held = described["partial_matches"]
        most = max(most, held)
    dropped = engine.state.patterns.losses(engine.plan.patterns, "flood")
    kept, lost = model(count, cap)
    return {
        "events": count,
        "cap": cap,
        "per_s": round(count / seconds),
        "partial_matches": held,
        "most_partial_matches": most,
        "events_kept": described["events"],
        "bytes": described["bytes"],
        "dropped": dropped,
        "dropped_by_model": lost,
        "kept_by_model": kept,
    }


def model(count: int, cap: int) -> tuple[int, int]:
    """Return how many partial matches of the flood a plain model keeps, and how many it drops.

    One that `waits` for b takes the event. One that just `took` takes this event too, or leaves it, or
    goes over to waiting for c for good; one that `left` an event takes this one or leaves it. Every event
    begins another. Above the cap those that began first go.
    """
    becomes = {
        "waits": ["took"],
        "took": ["took", "left", "past"],
        "left": ["took", "left"],
        "past": ["past"],
    }
    partials: list[tuple[int, str]] = []
    lost = 0
    for event in range(count):
        partials = [(began, after) for began, now in partials for after in becomes[now]]
        partials.append((event, "waits"))
        partials.sort()
        lost += max(0, len(partials) - cap)
        partials = partials[-cap:]
    return len(partials), lost


# ---- how cost grows


def _number(payments: pa.Table, count: int) -> int:
    room = Room(payments_policy(variations(count)), payments.slice(0, MANY_EVENTS))
    return round(room.events / statistics.median(room.seconds() for _ in range(3)))


def _length(payments: pa.Table, window: str) -> int:
    """A pattern whose partial matches live as long as its window."""
    stages: Stages = [
        {"begin": "large", "where": "amount > 1000"},
        {"followed_by": "new", "where": "new_device"},
        {"followed_by": "more", "where": "amount > 2 * large.last.amount"},
    ]
    room = Room(payments_policy({"long": {"key": "user", "stages": stages, "within": window}}), payments)
    return round(room.events / statistics.median(room.seconds() for _ in range(3)))
