"""Polars on the windows workload: one rolling aggregation per key and length, (t - w, t] at every event.

Polars reads its number of threads when it is imported: import this module before any other that does.
"""

from __future__ import annotations

import os
from pathlib import Path
from time import process_time

os.environ.setdefault("POLARS_MAX_THREADS", "1")

import numpy as np
import polars as pl
from benchmarks.peers.workload import DEVICE_COUNT_MS, DEVICE_USERS_MS, IP_COUNT_MS, OUTPUTS, USER_WINDOWS
from numpy.typing import NDArray


def measure(folder: Path) -> tuple[dict[str, NDArray[np.float64]], float]:
    """Return every output as a column in event order, and the seconds all aggregations took."""
    if pl.thread_pool_size() != 1:
        raise SystemExit("Polars has more than one thread: set POLARS_MAX_THREADS=1 before it is imported")
    frame = pl.read_parquet(folder / "tx.parquet", columns=["ts", "user_id", "device_id", "ip", "amount"])
    frame = frame.with_row_index("row")
    amount = pl.col("amount")
    started = process_time()
    parts = [
        _rolled(
            frame,
            "user_id",
            length_ms,
            pl.len().alias(f"user_count_{length}"),
            amount.sum().alias(f"user_sum_{length}"),
            amount.mean().alias(f"user_mean_{length}"),
            amount.max().alias(f"user_max_{length}"),
        )
        for length, length_ms in USER_WINDOWS.items()
    ]
    users = pl.col("user_id").n_unique().alias("device_users_24h")
    parts += [
        _rolled(frame, "device_id", DEVICE_COUNT_MS, pl.len().alias("device_count_1h")),
        _rolled(frame, "device_id", DEVICE_USERS_MS, users),
        _rolled(frame, "ip", IP_COUNT_MS, pl.len().alias("ip_count_10m")),
    ]
    seconds = process_time() - started
    columns: dict[str, NDArray[np.float64]] = {}
    for part in parts:
        row = part["row"].to_numpy()
        for name in set(part.columns) & set(OUTPUTS):
            columns[name] = np.full(len(frame), np.nan)
            columns[name][row] = part[name].to_numpy()
    return {name: columns[name] for name in OUTPUTS}, seconds


def _rolled(frame: pl.DataFrame, key: str, length_ms: int, *aggregates: pl.Expr) -> pl.DataFrame:
    """Return the aggregates of one window; `row` is the event that each belongs to."""
    rolling = frame.rolling("ts", period=f"{length_ms}i", closed="right", group_by=key)
    return rolling.agg(pl.col("row").last(), *aggregates)
