"""An engine that runs for ever in a world that changes: does its memory stay flat?

    python -m benchmarks.suite.soak [MILLIONS OF EVENTS]

Customers, devices, addresses and texts come and are gone for good; labels arrive, some for events
that never were; events are late, repeated or wrong; list entries are added; every so often the
engine is taken down and restored, or gets another policy. Sampled all along: resident memory, and
what the engine says it remembers.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from riskweave import Engine, Policy, Snapshot

START_MS = 1_767_225_600_000
HOUR_MS = 3_600_000
BLOCK = 8_192


def policy(span: str, extra: bool) -> Policy:
    """Return the policy, or the other one that it is replaced by now and then."""
    features = {
        "paid": f'customer.sum(amount, "{span}")',
        "middle": 'customer.median(amount, "2h")',
        "devices": f'customer.distinct(device, "{span}")',
        "usual_device": 'customer.mode(lower(device), "2h")',
        "last_city": "customer.last(city)",
        "people": f'gadget.distinct(who, "{span}")',
        "fraud_rate": f'gadget.rate(fraud, "{span}", delay="1h")',
        "slow": 'customer.decayed_sum(amount, "1h")',
        "from_net": f'net.count("{span}", before=True)',
    }
    if extra:
        features["spread"] = 'customer.std(amount, "3h")'
    return Policy.from_dict(
        {
            "policy": {"name": "soak", "dedupe": "30m"},
            "events": {
                "payment": {
                    "id": "id",
                    "time": "at",
                    "fields": {
                        "id": "string",
                        "at": {"type": "time", "unit": "ms"},
                        "who": "string",
                        "device": "string",
                        "city": "string",
                        "address": "ip",
                        "amount": "money",
                        "fraud": {"type": "label", "delay": "2h"},
                    },
                }
            },
            "entities": {"customer": "who", "gadget": "device", "net": "address"},
            "lists": {"stolen": ["d-none"], "nets": {"kind": "cidr", "values": ["10.0.0.0/24"]}},
            "features": features,
            "rules": [
                {"id": "stolen", "when": "device in stolen", "risk": 0.9},
                {"id": "net", "when": "address in nets", "risk": 0.4},
                {"id": "odd", "when": "lower(device) != usual_device and paid > 300", "risk": 0.5},
                {"id": "rare", "when": "city != last_city or fraud_rate > 0.1", "risk": 0.2},
            ],
        }
    )


class World:
    """Blocks of events of a world in which everybody is replaced every few hours, from one seed."""

    def __init__(self, seed: int, people: int, block: int = BLOCK) -> None:
        self.chance = np.random.default_rng(seed)
        self.people = people
        self.block = block
        self.now_ms = START_MS
        self.events = 0

    def table(self) -> pa.Table:
        """Return the next block; a fiftieth late, a hundredth repeated, some that cannot be read."""
        chance, size = self.chance, self.block
        step_ms = 6 * HOUR_MS // max(3 * self.people, 1)  # three events of everybody in six hours
        at = self.now_ms + step_ms * np.arange(size)
        self.now_ms = int(at[-1]) + step_ms
        late = chance.random(size) < 0.02
        shown = at - late * chance.integers(0, 12 * HOUR_MS, size)
        # Who is around moves on with time: each name is used for about six hours.
        born = (at - START_MS) * self.people // (6 * HOUR_MS)
        who = born + chance.integers(0, self.people, size)
        device = who * 2 + chance.integers(0, 2, size)
        number = self.events + np.arange(size)
        self.events += size
        number = np.where(chance.random(size) < 0.01, np.maximum(number - 5, 0), number)
        amount = np.where(chance.random(size) < 0.001, "much", chance.integers(1, 300, size).astype(str))
        fraud = chance.random(size) < 0.02
        known = chance.random(size) < 0.5
        address = [f"10.{(n >> 14) & 127}.{(n >> 7) & 127}.{n & 127}" for n in who.tolist()]
        return pa.table(
            {
                "id": [f"e{n}" for n in number.tolist()],
                "at": shown,
                "who": [f"c{n}" for n in who.tolist()],
                "device": [f"Device-{n}" for n in device.tolist()],
                "city": [f"city {n}" for n in (born // 50 + chance.integers(0, 50, size)).tolist()],
                "address": address,
                "amount": amount,
                "fraud": pa.array(fraud, mask=~known),
            }
        )

    def labels(self) -> list[dict[str, object]]:
        """Return labels that people send: of events that were, and of some that never come."""
        numbers = self.chance.integers(0, self.events, 20).tolist()
        named = [{"event_id": f"e{n}", "value": True} for n in numbers]
        return named + [{"event_id": f"never-{n}", "value": True, "time": self.now_ms} for n in numbers[:5]]


@dataclass(frozen=True)
class Sample:
    """What was held after so many events."""

    events: int
    resident_mb: float
    told: dict[str, Any]

    @property
    def held(self) -> dict[str, int]:
        """Return every number that must not grow for ever."""
        told = self.told
        return {
            "keys": told["features"]["keys"],
            "features_bytes": told["features"]["bytes"],
            "ids": told["ids"]["remembered"],
            "ids_bytes": told["ids"]["bytes"],
            "labels": told["labels"]["on_their_way"],
            "texts": told["texts"]["codes"],
            "answers_bytes": told["texts"]["answers_bytes"],
            "lists_bytes": told["lists"]["bytes"],
        }


def soak(
    blocks: int,
    people: int,
    *,
    block: int = BLOCK,
    span: str = "6h",
    restore_every: int = 40,
    replace_every: int = 25,
    sample_every: int = 10,
    texts_limit: int | None = None,
    seed: int = 1,
    show: Callable[[Sample], None] | None = None,
) -> list[Sample]:
    """Run so many blocks; return samples."""
    world, samples, extra = World(seed, people, block), [], False
    engine = Engine(policy(span, extra))
    engine.warm_up()
    for number in range(1, blocks + 1):
        if texts_limit is not None:
            engine.plan.pool.limit = texts_limit
            engine.plan.pool.until = min(engine.plan.pool.until, max(texts_limit, 2 * texts_limit))
        table = world.table()
        for _ in engine.decide_blocks(table):
            pass
        for label in world.labels():
            engine.learn(label)
        if number % 10 == 0:
            engine.add_to_list("stolen", f"Device-{number}", expires_ms=world.now_ms + HOUR_MS)
        if number % replace_every == 0:
            extra = not extra
            engine.replace_policy(policy(span, extra), [table])
        if number % restore_every == 0:
            data = engine.snapshot().to_bytes()
            engine = Engine.restore(policy(span, extra), Snapshot.from_bytes(data))
        if number % sample_every == 0:
            samples.append(Sample(world.events, resident_mb(), engine.describe()))
            if show is not None:
                show(samples[-1])
    return samples


def resident_mb() -> float:
    """Return the memory that this process really has."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def growth(samples: list[Sample]) -> float:
    """Return the greatest resident memory of the last quarter over that of the second."""
    quarter = len(samples) // 4
    resident = [sample.resident_mb for sample in samples]
    return max(resident[-quarter:]) / max(resident[quarter : 2 * quarter])


def main() -> int:
    """Run and print; 1 when memory grew by more than a tenth after the first quarter."""
    millions = float(sys.argv[1]) if len(sys.argv) > 1 else 20.0
    blocks = max(int(millions * 1e6 / BLOCK), 160)
    started = time.perf_counter()

    def show(sample: Sample) -> None:
        held = "  ".join(f"{name} {value:,}" for name, value in sample.held.items())
        print(f"{sample.events:>12,} events  {sample.resident_mb:8.1f} MB  {held}", flush=True)

    samples = soak(blocks, 20_000, sample_every=max(blocks // 40, 1), texts_limit=200_000, show=show)
    grown = growth(samples)
    rate = samples[-1].events / (time.perf_counter() - started)
    print(f"{rate:,.0f} events/s; the last quarter held {grown:.3f} times what the second did")
    return int(grown > 1.1)


if __name__ == "__main__":
    sys.exit(main())
