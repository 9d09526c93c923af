"""A policy that decides by utility with everything there is, and events for it."""

import random

EVENTS = {
    "payment": {
        "id": "id",
        "time": "at",
        "fields": {
            "id": "string",
            "at": {"type": "time", "unit": "ms"},
            "card": "string",
            "amount": "money",
            "score": "float",
            "segment": "string",
            "urgent": "bool",
            "margin": "float",
        },
    }
}
COSTS = {
    "amount": "amount",
    "recovery": 0.2,
    "margin": "coalesce(margin, 0.01 * amount)",
    "insult": 12,
    "fine": 1,
    "mfa": {"fee": 0.2, "customer_passes": 0.95, "attacker_passes": 0.3, "drop_off": 0.04},
    "review": {"cost": 4, "detection": 0.9, "cleared": 0.98, "delay": 0.5},
    "block": {"cost": 0.3},
}
NETWORK = {
    "nodes": {
        "fraud": {"states": ["no", "yes"], "table": [0.97, 0.03]},
        "model": {
            "states": ["low", "middle", "high"],
            "parents": ["fraud"],
            "table": {"no": [0.9, 0.09, 0.01], "yes": [0.2, 0.3, 0.5]},
        },
        "rules": {
            "states": ["quiet", "loud"],
            "parents": ["fraud", "model"],
            "table": [
                [[0.99, 0.01], [0.9, 0.1], [0.5, 0.5]],
                [[0.8, 0.2], [0.6, 0.4], [0.2, 0.8]],
            ],
        },
        "segment": {
            "states": ["gold", "plain"],
            "parents": ["fraud"],
            "table": {"no": [0.3, 0.7], "yes": [0.1, 0.9]},
        },
        "urgent": {
            "states": ["no", "yes"],
            "parents": ["fraud"],
            "table": {"no": [0.9, 0.1], "yes": [0.6, 0.4]},
        },
    }
}
EVIDENCE = {
    "model": {"value": "score", "bands": [0.1, 0.5]},
    "rules": {"value": "rules.risk", "bands": [0.3]},
    "segment": {"value": "segment", "states": {"gold": ["gold", "platinum"], "plain": "plain"}},
    "urgent": "urgent",
}
TESTS = {
    "call": {"sensitivity": 0.9, "specificity": 0.95, "cost": 1.5, "action": "REVIEW"},
    "push": {"sensitivity": 0.7, "specificity": 0.97, "cost": "0.1 + 0.001 * amount", "action": "MFA"},
    "bureau": {
        "when": "amount > 100",
        "likelihood": {
            "fraud": {"match": 0.2, "thin": 0.5, "mismatch": 0.3},
            "legitimate": {"match": 0.8, "thin": 0.15, "mismatch": 0.05},
        },
        "cost": 0.4,
    },
}
RULES = [
    {"id": "many", "when": 'customer.count("1h") > 4', "risk": 0.4},
    {
        "id": "large",
        "when": "amount > 900",
        "risk": 0.6,
        "action": "MFA",
        "reason": {"en": "Large", "zh": "大额"},
    },
    {"id": "known", "when": "card == 'c1' and amount < 300", "risk": 0.0, "at_most": "MFA"},
]


def policy(**changes):
    """The policy as plain values; `changes` replace parts of the section `decision` (None: take away)."""
    decision = {
        "network": NETWORK,
        "evidence": EVIDENCE,
        "costs": [
            {**COSTS, "name": "gold", "when": "segment == 'gold'", "insult": 40},
            COSTS,
        ],
        "assume": {"margin": 1},
        "tests": TESTS,
        "ask": True,
        "adjustments": {
            "valued": {"when": "segment == 'platinum'", "multiply": {"insult": 3}, "add": {"review.cost": 1}},
            "in_a_hurry": {"when": "urgent", "step": "gentler", "reason": {"en": "Urgent", "zh": "紧急"}},
            "fast_pass": {"when": "card == 'c2' and amount < 50", "at_most": "PASS"},
        },
        "floors": {"law": {"when": "amount > 2500", "action": "REVIEW", "reason": {"en": "The law"}}},
        "ceilings": {"small": {"when": "amount < 5", "action": "MFA"}},
        "capacity": {"per_hour": 5, "price": 1.5},
        "hysteresis": {"key": "customer", "margin": 0.6, "for": "30m"},
        **changes,
    }
    return {
        "policy": {"name": "world", "dedupe": "60d"},
        "events": EVENTS,
        "entities": {"customer": "card"},
        "features": {"paid_1h": 'customer.sum(amount, "1h")'},
        "rules": RULES,
        "decision": {name: part for name, part in decision.items() if part is not None},
    }


def stream(seed, size):
    """Events mostly in order, some of them late, repeated or with parts missing."""
    chance = random.Random(seed)
    now = 1_767_225_600_000
    events = []
    for number in range(size):
        now += chance.choice([0, 1_000, 60_000, 600_000, 3_000_000])
        late = chance.choice([0] * 8 + [500_000, 7_200_000])
        events.append(
            {
                "id": f"e{number}",
                "at": now - late,
                "card": chance.choice(["c1", "c2", "c3", None]),
                "amount": chance.choice(["3.00", "40.00", "120.50", "640.00", "1200.00", "4000.00", None]),
                "score": chance.choice([None, 0.01, 0.1, 0.3, 0.5, 0.9, round(chance.random(), 3)]),
                "segment": chance.choice(["gold", "platinum", "plain", "odd", None]),
                "urgent": chance.choice([True, False, None]),
                "margin": chance.choice([None, 2.0, 15.0, -1.0]),
            }
        )
        if chance.random() < 0.1:
            events.append(dict(chance.choice(events[-8:])))
    return events
