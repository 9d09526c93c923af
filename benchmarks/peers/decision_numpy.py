"""Deciding by expected utility as one writes it in NumPy: columns in, actions and utilities out.

The same network, costs, tests and floor as `benchmarks/suite/decision.py`, over whole columns at a
time; nothing of riskweave is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

Columns = Mapping[str, np.ndarray]


def decide(columns: Columns, policy: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return belief, utilities[action, event], the best test's net gain, and the action."""
    p = belief(columns, policy)
    q = 1.0 - p
    fraud, legitimate = money(columns["amount"], policy["costs"])
    utilities = p * fraud + q * legitimate
    low = np.where(columns["amount"] > policy["floor_amount"], 2, 0)
    closed = np.arange(4)[:, None] < low
    now = np.where(closed, -np.inf, utilities)
    best = now.max(axis=0)
    nets = []
    for test in policy["tests"]:
        then = np.zeros(p.size)
        for of_fraud, of_legitimate in test["results"]:
            each = p * of_fraud * fraud + q * of_legitimate * legitimate
            then += np.where(closed, -np.inf, each).max(axis=0)
        nets.append(then - best - test["cost"])
    return {
        "belief": p,
        "utilities": utilities,
        "net": np.maximum(np.max(nets, axis=0), 0.0),
        "action": now.argmax(axis=0),
    }


def belief(columns: Columns, policy: Mapping[str, Any]) -> np.ndarray:
    """Return P(fraud | evidence): every node's likelihood in both cases, nodes hanging on `score` too."""
    yes = np.full(columns["amount"].size, policy["prior"])
    no = 1.0 - yes
    score = np.searchsorted(policy["bands"]["score"], columns["score"], side="right")
    for name, table in policy["tables"].items():
        state = score
        if name != "score":
            state = np.searchsorted(policy["bands"][name], columns[name], side="right")
        place = (state,) if table[0].ndim == 1 else (score, state)
        no = no * table[0][place]
        yes = yes * table[1][place]
    found: np.ndarray = yes / (yes + no)
    return found


def money(amount: np.ndarray, costs: Mapping[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """Return what each action brings if fraud, and if legitimate: [action, event]."""
    lost = amount * (1.0 - costs["recovery"])
    margin = costs["margin"] * amount
    stays = 1.0 - costs["drop_off"]
    through = stays * costs["customer_passes"]
    failed = stays * (1.0 - costs["customer_passes"])
    nothing = np.zeros(amount.size)
    fraud = np.array(
        [
            -lost,
            -costs["attacker_passes"] * lost - costs["fee"],
            -(1.0 - costs["detection"]) * lost - costs["review"],
            nothing,
        ]
    )
    legitimate = np.array(
        [
            margin,
            through * margin - (1.0 - through) * margin - failed * costs["insult"] - costs["fee"],
            margin - costs["delay"] - costs["review"],
            -(margin + costs["insult"]),
        ]
    )
    return fraud, legitimate
