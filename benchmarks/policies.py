"""The common workloads as riskweave policies, and their events as Arrow tables."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
from benchmarks.peers.workload import USER_WINDOWS

_OPERATORS = {"gt": ">", "lt": "<", "eq": "==", "in": "in"}


def windows_policy() -> dict[str, object]:
    """Workload b: exact windows of three entities, at every event."""
    features: dict[str, str] = {}
    for window in USER_WINDOWS:
        features[f"user_count_{window}"] = f'user.count("{window}")'
        for aggregate in ("sum", "mean", "max"):
            features[f"user_{aggregate}_{window}"] = f'user.{aggregate}(amount, "{window}")'
    features["device_count_1h"] = 'device.count("1h")'
    features["device_users_24h"] = 'device.distinct(user_id, "24h")'
    features["ip_count_10m"] = 'ip_address.count("10m")'
    return {
        "policy": {"name": "windows"},
        "events": {"tx": {"time": "ts", "fields": _fields(rules=False)}},
        "entities": {"user": "user_id", "device": "device_id", "ip_address": "ip"},
        "features": features,
    }


def rules_policy(folder: Path, count: int) -> dict[str, object]:
    """Workload a: rules of two or three comparisons, as the generator wrote them."""
    return {
        "policy": {"name": "rules"},
        "events": {"tx": {"time": "ts", "fields": _fields(rules=True)}},
        "rules": written_rules(folder, count),
    }


def both_policy(folder: Path, count: int) -> dict[str, object]:
    """The windows of workload b and the rules of workload a in one policy."""
    policy = windows_policy()
    policy["events"] = {"tx": {"time": "ts", "fields": _fields(rules=True)}}
    return {**policy, "rules": written_rules(folder, count)}


def written_rules(folder: Path, count: int) -> list[dict[str, object]]:
    """Return the generator's rules in the policy's language."""
    rules: list[dict[str, object]] = []
    for name, comparisons in json.loads((folder / f"rules_{count}.json").read_text()):
        texts = [f"{column} {_OPERATORS[op]} {json.dumps(value)}" for column, op, value in comparisons]
        rules.append({"id": name, "when": " and ".join(texts), "risk": 0.5})
    return rules


def _fields(rules: bool) -> dict[str, object]:
    fields: dict[str, object] = {
        "ts": {"type": "time", "unit": "ms", "required": True},
        "user_id": "int",
        "device_id": "int",
        "ip": "int",
        "amount": "float",
    }
    if rules:
        fields |= {"lat": "float", "mcc": "int", "country": "string", "channel": "string"}
        fields |= {f"f{number}": "float" for number in range(20)}
    return fields


def transactions(folder: Path, features: bool = False) -> pa.Table:
    """Return the transactions in time order; `features` adds f0..f19."""
    table = parquet.read_table(folder / "tx.parquet").combine_chunks()
    if features:
        columns = np.load(folder / "features.npy")
        for number in range(columns.shape[1]):
            table = table.append_column(f"f{number}", pa.array(np.ascontiguousarray(columns[:, number])))
    return table
