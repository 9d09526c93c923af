"""Small policies in every way of deciding, and events for them."""

from hypothesis import strategies as st

NETWORK = {
    "nodes": {
        "fraud": {"states": ["no", "yes"], "table": [0.97, 0.03]},
        "rule_risk": {
            "states": ["low", "medium", "high"],
            "parents": ["fraud"],
            "table": [[0.9, 0.08, 0.02], [0.2, 0.3, 0.5]],
        },
        "size": {
            "states": ["small", "large"],
            "parents": ["fraud", "rule_risk"],
            "table": [[[0.9, 0.1], [0.8, 0.2], [0.6, 0.4]], [[0.5, 0.5], [0.4, 0.6], [0.2, 0.8]]],
        },
        "device": {"states": ["known", "new"], "parents": ["fraud"], "table": [[0.9, 0.1], [0.3, 0.7]]},
        "where": {"states": ["home", "away"], "parents": ["fraud"], "table": [[0.9, 0.1], [0.6, 0.4]]},
    }
}
UTILITY = {
    "integrator": "utility",
    "network": NETWORK,
    "target": "fraud",
    "evidence": {
        "rule_risk": {"value": "rules.risk", "bands": [0.2, 0.6]},
        "size": {"value": "amount", "bands": [200]},
        "device": {"value": "new_device", "bands": [0.5]},
        "where": {"value": "country", "states": {"home": ["FR", "DE"]}, "else": "away"},
    },
    "costs": {
        "amount": "amount",
        "margin": "0.01 * amount",
        "insult": 20,
        "mfa": {"fee": 0.1, "customer_passes": 0.95, "attacker_passes": 0.2, "drop_off": 0.03},
        "review": {"cost": 5, "detection": 0.9},
    },
    "tests": {"call": {"sensitivity": 0.9, "specificity": 0.95, "cost": 2}},
}
WAYS = {"maximum": None, "weighted": {"integrator": "weighted"}, "utility": UTILITY}

CONDITIONS = [
    "amount > 100",
    "amount > 500",
    "amount > 3 * usual",
    "new_device",
    "count_1h >= 3",
    "country not in home",
    "hour(event_time) < 6",
    "paid_24h > 800 or count_1h > 5",
    "device_id in blocked",
    "amount >= 50 and amount < 60",
    "not (country == 'FR') and channel == 'web'",
]


def policy(rules, way="maximum", **others):
    """A policy with these rules."""
    decision = WAYS[way]
    return {
        "policy": {"name": "small", "currency": "EUR", "bands": {"mfa": 0.2, "review": 0.4, "block": 0.7}},
        "events": {
            "payment": {
                "id": "id",
                "time": "at",
                "fields": {
                    "id": "string",
                    "at": "time",
                    "who": "string",
                    "device_id": "string",
                    "country": {"type": "string"},
                    "channel": {"type": "string", "allowed": ["web", "pos"]},
                    "amount": {"type": "money", "min": 0},
                },
            }
        },
        "entities": {"customer": "who"},
        "constants": {"home": ["FR", "DE"]},
        "lists": {"blocked": ["d9"]},
        "features": {
            "usual": 'customer.mean(amount, "30d", before=True)',
            "paid_24h": 'customer.sum(amount, "24h")',
            "count_1h": 'customer.count("1h")',
            "new_device": 'customer.is_new(device_id, "90d")',
        },
        "patterns": {
            "twice": {
                "key": "customer",
                "stages": [
                    {"begin": "small", "where": "amount < 20", "times": 2},
                    {"followed_by": "large", "where": "amount > 200"},
                ],
                "within": "1h",
                "risk": 0.5,
            }
        },
        "rules": rules,
        **({"decision": decision} if decision else {}),
        **others,
    }


@st.composite
def rule_lists(draw):
    """One to four rules, of one to three conditions."""
    rules = []
    for number in range(draw(st.integers(1, 4))):
        parts = draw(st.lists(st.sampled_from(CONDITIONS), min_size=1, max_size=3, unique=True))
        rule = {
            "id": f"r{number}",
            "when": " and ".join(f"({part})" for part in parts),
            "risk": draw(st.sampled_from([0.0, 0.25, 0.45, 0.6, 0.9])),
        }
        if draw(st.booleans()):
            rule["reason"] = {"en": f"Reason {number}", "zh": f"原因{number}"}
        if draw(st.integers(0, 4)) == 0:
            rule["action"] = draw(st.sampled_from(["MFA", "REVIEW", "BLOCK"]))
        rules.append(rule)
    return rules


@st.composite
def streams(draw):
    """Some payments of one or two customers, in order."""
    minute, events = 0, []
    for number in range(draw(st.integers(1, 8))):
        minute += draw(st.sampled_from([1, 5, 50, 500]))
        events.append(
            {
                "id": f"e{number}",
                "at": f"2026-03-{2 + minute // 1440:02d}T{minute // 60 % 24:02d}:{minute % 60:02d}:00Z",
                "who": draw(st.sampled_from(["ann", "bob"])),
                "device_id": draw(st.sampled_from(["d1", "d2", "d9"])),
                "country": draw(st.sampled_from(["FR", "DE", "US"])),
                "channel": draw(st.sampled_from(["web", "pos"])),
                "amount": f"{draw(st.sampled_from([1, 15, 55, 90, 120, 450, 700, 2000]))}.00",
            }
        )
    return events
