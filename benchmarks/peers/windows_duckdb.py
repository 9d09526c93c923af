"""DuckDB on the windows workload: one query of window functions, (t - w, t] at every event."""

from __future__ import annotations

from pathlib import Path
from time import process_time

import duckdb
import numpy as np
from benchmarks.peers.workload import DEVICE_COUNT_MS, DEVICE_USERS_MS, IP_COUNT_MS, OUTPUTS, USER_WINDOWS
from numpy.typing import NDArray


def query() -> str:
    """Return the query; times are whole milliseconds, so (t - w, t] is [t - w + 1, t]."""
    terms, frames = [], []
    for length, length_ms in USER_WINDOWS.items():
        frames.append(_frame(f"u{length}", "user_id", length_ms))
        terms += [
            f"count(*) OVER u{length} AS user_count_{length}",
            f"sum(amount) OVER u{length} AS user_sum_{length}",
            f"avg(amount) OVER u{length} AS user_mean_{length}",
            f"max(amount) OVER u{length} AS user_max_{length}",
        ]
    frames += [
        _frame("device_1h", "device_id", DEVICE_COUNT_MS),
        _frame("device_24h", "device_id", DEVICE_USERS_MS),
        _frame("ip_10m", "ip", IP_COUNT_MS),
    ]
    terms += [
        "count(*) OVER device_1h AS device_count_1h",
        "count(DISTINCT user_id) OVER device_24h AS device_users_24h",
        "count(*) OVER ip_10m AS ip_count_10m",
    ]
    return f"SELECT row, {', '.join(terms)} FROM tx WINDOW {', '.join(frames)}"


def _frame(name: str, key: str, length_ms: int) -> str:
    between = f"RANGE BETWEEN {length_ms - 1} PRECEDING AND CURRENT ROW"
    return f"{name} AS (PARTITION BY {key} ORDER BY ts {between})"


def measure(folder: Path) -> tuple[dict[str, NDArray[np.float64]], float]:
    """Return every output as a column in event order, and the seconds the query took on one thread."""
    connection = duckdb.connect(config={"threads": 1})
    connection.execute(
        "CREATE TABLE tx AS SELECT ts, user_id, device_id, ip, amount, file_row_number AS row"
        " FROM read_parquet(?, file_row_number = true)",
        [str(folder / "tx.parquet")],
    )
    started = process_time()
    found = connection.execute(query()).fetchnumpy()
    seconds = process_time() - started
    order = np.argsort(found["row"])
    return {name: np.asarray(found[name], np.float64)[order] for name in OUTPUTS}, seconds
