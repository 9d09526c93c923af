"""A little world to crash in: two policies, and events from a seed, some of them late, some repeated."""

from __future__ import annotations

import random
from typing import Any


def policy(number: int = 0) -> dict[str, Any]:
    """Return one of the policies; they share state, and each has something of its own."""
    features = {
        "paid_1h": 'customer.sum(amount, "1h")',
        "devices": 'customer.distinct(device, "1d")',
        "frauds": 'customer.rate(fraud, "7d")',
    }
    rules = [
        {
            "id": "much",
            "when": "paid_1h > 400",
            "risk": 0.8,
            "reason": {"en": "much in an hour", "zh": "一小时内金额高"},
        },
        {"id": "known", "when": "who in bad", "risk": 0.9},
        {"id": "again", "when": "coalesce(frauds, 0) > 0", "risk": 0.75},
    ]
    patterns = {
        "probe": {
            "key": "customer",
            "stages": [
                {"begin": "small", "where": "amount < 5"},
                {"followed_by": "large", "where": "amount > 60"},
            ],
            "within": "1h",
            "risk": 0.6,
        }
    }
    if number % 2:
        features["paid_1d"] = 'customer.sum(amount, "1d")'
        features["mean_2h"] = 'customer.mean(amount, "2h", before=True)'
        rules.append({"id": "day", "when": "paid_1d > 900", "risk": 0.85})
    return {
        "policy": {"name": f"crash{number}"},
        "events": {
            "payment": {
                "time": "at",
                "id": "id",
                "fields": {
                    "id": "string",
                    "at": "time",
                    "who": "string",
                    "device": "string",
                    "amount": "money",
                    "fraud": {"type": "label", "delay": "0s"},
                },
            }
        },
        "entities": {"customer": "who"},
        "lists": {"bad": ["eve"]},
        "features": features,
        "patterns": patterns,
        "rules": rules,
    }


START_MS = 1_767_225_600_000


def events(seed: int, count: int, first: int = 0) -> list[dict[str, Any]]:
    """Return events; the same seed gives the same ones."""
    draw = random.Random(f"{seed}/{first}")
    made = []
    for number in range(first, first + count):
        late = draw.choice([0, 0, 0, 600_000])
        made.append(
            {
                "id": f"e{number}",
                "at": START_MS + number * 20_000 - late,
                "who": draw.choice(["ann", "bob", "cem", "eve", "fay", f"guest{draw.randrange(50)}"]),
                "device": f"d{draw.randrange(9)}",
                "amount": f"{draw.choice([1, 3, 20, 70, 150])}.{draw.randrange(100):02}",
            }
        )
    return made
