"""How cost grows: events/s against rules, features, entities, window length and state size (and plots)."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from benchmarks.measure import write
from benchmarks.suite.policy import rules_of

from benchmarks import plots
from riskweave import Engine, Policy

EVENTS = 200_000
LONG_EVENTS = 240_000
START_MS = 1_704_067_200_000
DAY_MS = 86_400_000

RULES = (10, 30, 100, 300, 1_000, 3_000, 10_000)
FEATURES = (1, 2, 5, 10, 20, 50, 100, 200)
ENTITIES = (1, 2, 3, 4, 6, 8, 10, 12)
LENGTHS = {"1s": 1, "1m": 60, "10m": 600, "1h": 3_600, "6h": 21_600, "1d": 86_400, "7d": 604_800}
LENGTHS |= {"30d": 2_592_000, "100d": 8_640_000, "400d": 34_560_000}
KEYS = (10_000, 30_000, 100_000, 300_000, 1_000_000)

_AGGREGATES = ("count(", "sum(amount, ", "mean(amount, ", "max(amount, ", "min(amount, ", "std(amount, ")
_WINDOWS = ("10m", "1h", "6h", "1d", "3d", "7d", "14d", "30d")


def run(arguments: argparse.Namespace) -> None:
    result: dict[str, object] = {
        "events_per_point": EVENTS,
        "rules": [[count, _rules(count)] for count in RULES],
        "features": [[count, _features(count)] for count in FEATURES],
        "entities": [[count, _entities(count)] for count in ENTITIES],
        "window_length_s": [[seconds, _length(length)] for length, seconds in LENGTHS.items()],
        "keys": [[count, _keys(count)] for count in KEYS],
    }
    write("growth", result)
    plots.growth(result)


def _rules(count: int) -> int:
    random = np.random.default_rng(1)
    columns = {f"f{number}": random.random(EVENTS) for number in range(20)}
    policy = rules_of(count) | {"features": {}, "entities": {}}
    return _rate(
        policy, [_stream(EVENTS, keys=1_000).append_column("f0", pa.array(columns.pop("f0")))], columns
    )


def _features(count: int) -> int:
    calls = [f'{call}"{window}")' for window in _WINDOWS for call in _AGGREGATES]
    calls += [f'{call}"{days}d")' for days in range(31, 64) for call in _AGGREGATES]
    features = {f"feature_{number}": f"user.{call}" for number, call in enumerate(calls[:count])}
    return _rate(_policy({"user": "user_id"}, features), [_stream(EVENTS, keys=5_000)])


def _entities(count: int) -> int:
    keys = {f"key_{number}": pa.array(_random_keys(number, EVENTS, 20_000)) for number in range(count)}
    entities = {f"entity_{number}": name for number, name in enumerate(keys)}
    features = {}
    for entity in entities:
        features[f"{entity}_count"] = f'{entity}.count("1d")'
        features[f"{entity}_sum"] = f'{entity}.sum(amount, "7d")'
    return _rate(_policy(entities, features, tuple(keys)), [_stream(EVENTS, keys=1)], keys)


def _length(length: str) -> int:
    """A hundred customers over 500 days, so that the longest windows hold thousands of events."""
    features = {
        "times": f'user.count("{length}")',
        "paid": f'user.sum(amount, "{length}")',
        "largest": f'user.max(amount, "{length}")',
        "spread": f'user.std(amount, "{length}")',
    }
    stream = _stream(LONG_EVENTS, keys=100, span_ms=500 * DAY_MS)
    return _rate(_policy({"user": "user_id"}, features), [stream])


def _keys(count: int) -> int:
    """Every key is there before the clock starts; then events meet keys at random."""
    features = {
        "times_1d": 'user.count("1d")',
        "paid_1d": 'user.sum(amount, "1d")',
        "paid_30d": 'user.sum(amount, "30d")',
        "largest_30d": 'user.max(amount, "30d")',
    }
    known = _stream(count, keys=count, each_once=True)
    later = [_stream(EVENTS, count, start_ms=START_MS + (2 + n) * DAY_MS, seed=n) for n in range(3)]
    return _rate(_policy({"user": "user_id"}, features), later, before=known)


def _policy(
    entities: dict[str, str], features: dict[str, str], more: tuple[str, ...] = ()
) -> dict[str, object]:
    fields = {
        "ts": {"type": "time", "unit": "ms"},
        "user_id": "int",
        "amount": "float",
        **dict.fromkeys(more, "int"),
    }
    return {
        "policy": {"name": "growth", "dedupe": "0s"},
        "events": {"tx": {"time": "ts", "fields": fields}},
        "entities": entities,
        "features": features,
    }


def _stream(
    events: int,
    keys: int,
    span_ms: int = DAY_MS,
    start_ms: int = START_MS,
    seed: int = 0,
    each_once: bool = False,
) -> pa.Table:
    user = np.random.default_rng(9).permutation(keys) if each_once else _random_keys(seed, events, keys)
    amount = np.round(np.random.default_rng([seed, 1]).exponential(60.0, events), 2)
    return pa.table(
        {"ts": start_ms + np.arange(events) * span_ms // events, "user_id": user, "amount": amount}
    )


def _random_keys(seed: int, events: int, keys: int) -> np.ndarray:
    return np.random.default_rng([seed, 2]).integers(0, keys, events)


def _rate(
    policy: dict[str, object],
    streams: list[pa.Table],
    columns: dict[str, object] | None = None,
    before: pa.Table | None = None,
) -> int:
    """Return events per second on the processor; several streams go one after another, the median counts."""
    for name, values in (columns or {}).items():
        streams = [each.append_column(name, pa.array(values)) for each in streams]
    read = Policy.from_dict(policy)
    engine = Engine(read)
    engine.warm_up()
    if before is not None:
        _decide(engine, before)
    rates = []
    for each, stream in _runs(engine, read, streams):
        began = time.process_time()
        _decide(each, stream)
        rates.append(stream.num_rows / (time.process_time() - began))
    return round(statistics.median(rates))


def _runs(engine: Engine, policy: Policy, streams: list[pa.Table]) -> Iterator[tuple[Engine, pa.Table]]:
    """One stream is run three times from nothing, several are carried on."""
    if len(streams) > 1:
        yield from ((engine, stream) for stream in streams)
    else:
        yield from ((Engine(policy), streams[0]) for _ in range(3))


def _decide(engine: Engine, stream: pa.Table) -> None:
    for _ in engine.decide_blocks(stream):
        pass
