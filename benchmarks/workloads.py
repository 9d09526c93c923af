"""The common workloads as riskweave policies; their data comes from ../shared/bench/generate.py."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parent.parent
GENERATOR = ROOT.parent / "shared" / "bench" / "generate.py"
DATA = ROOT / ".bench-data"


def data(events: int = 1_000_000, seed: int = 20240607) -> Path:
    """Return the folder with a workload's files, generated on first use."""
    folder = DATA / f"{events}-{seed}"
    if not (folder / "rules_2000.json").exists():
        if not GENERATOR.exists():
            raise SystemExit(f"the workload generator is not at {GENERATOR}; the benchmarks need it")
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, str(GENERATOR), str(folder), "--events", str(events), "--seed", str(seed)]
        subprocess.run(command, check=True)
    return folder


def windows_policy() -> dict[str, object]:
    """Workload b: exact windows of three entities."""
    features: dict[str, str] = {}
    for window in ("1h", "24h", "7d"):
        features[f"user_count_{window}"] = f'user.count("{window}")'
        for aggregate in ("sum", "mean", "max"):
            features[f"user_{aggregate}_{window}"] = f'user.{aggregate}(amount, "{window}")'
    features["device_count_1h"] = 'device.count("1h")'
    features["device_users_24h"] = 'device.distinct(user_id, "24h")'
    features["ip_count_10m"] = 'ip_address.count("10m")'
    return {
        "policy": {"name": "windows"},
        "events": {
            "tx": {
                "time": "ts",
                "fields": {
                    "ts": {"type": "time", "unit": "ms", "required": True},
                    "user_id": "int",
                    "device_id": "int",
                    "ip": "int",
                    "amount": "float",
                },
            }
        },
        "entities": {"user": "user_id", "device": "device_id", "ip_address": "ip"},
        "features": features,
    }


_OPERATORS = {"gt": ">", "lt": "<", "eq": "==", "in": "in"}


def rules_policy(folder: Path, count: int, features: bool = False) -> dict[str, object]:
    """Workload a: `count` rules of two or three comparisons; with `features`, workload b's windows too."""
    rules = []
    for name, comparisons in json.loads((folder / f"rules_{count}.json").read_text()):
        texts = [f"{column} {_OPERATORS[op]} {json.dumps(value)}" for column, op, value in comparisons]
        rules.append({"id": name, "when": " and ".join(texts), "risk": 0.5})
    policy = windows_policy()
    tx = policy["events"]["tx"]  # type: ignore[index]
    tx["fields"] |= {
        **{f"f{i}": "float" for i in range(20)},
        "lat": "float",
        "country": "string",
        "channel": "string",
        "mcc": "int",
    }
    if not features:
        del policy["features"], policy["entities"]
    return {**policy, "rules": rules}


def transactions(folder: Path, with_columns: bool = False) -> pa.Table:
    """Return the transactions; `with_columns` adds f0..f19."""
    table = pq.read_table(folder / "tx.parquet")
    if with_columns:
        columns = np.load(folder / "features.npy")
        for i in range(columns.shape[1]):
            table = table.append_column(f"f{i}", pa.array(np.ascontiguousarray(columns[:, i])))
    return table
