"""A Python loop written for just the two patterns of the workload: what a careful programmer gets by hand.

Columns are lists in memory before the clock starts; every match is kept as (row, user).
"""

from __future__ import annotations

from pathlib import Path
from time import process_time

import pyarrow.parquet as parquet

SECOND = 1_000

Matches = list[tuple[int, int]]


def measure(folder: Path) -> dict[str, tuple[Matches, float, int]]:
    """Return, for c1 and c2, the matches (row of the last event, user), the seconds, and the events."""
    payments = _lists(folder / "tx.parquet", "ts", "user_id", "device_id", "amount")
    started = process_time()
    found = three_large_then_a_new_device(*payments)
    results = {"c1": (found, process_time() - started, len(payments[0]))}
    logins = _lists(folder / "logins.parquet", "ts", "user_id", "ok")
    started = process_time()
    found = five_failures_then_a_success(*logins)
    return results | {"c2": (found, process_time() - started, len(logins[0]))}


def three_large_then_a_new_device(
    times: list[int], users: list[int], devices: list[int], amounts: list[float]
) -> Matches:
    """c1: each large payment begins a match, the next two large ones carry it on.

    The third comes less than 30 min after the first; the next payment on a device that the user never
    used before ends it: a match within 10 min of the third and 40 min of the first, nothing otherwise.
    """
    matches: Matches = []
    used: set[tuple[int, int]] = set()
    large: dict[int, tuple[int, int]] = {}  # the times of a user's last two large payments
    waiting: dict[int, list[tuple[int, int]]] = {}  # (first, third) of a user's partial matches
    for row, (time, user, device, amount) in enumerate(zip(times, users, devices, amounts, strict=True)):
        pair = (user, device)
        if pair not in used:
            used.add(pair)
            if user in waiting:
                for first, third in waiting.pop(user):
                    if time - third < 600 * SECOND and time - first < 2_400 * SECOND:
                        matches.append((row, user))
        if amount > 1000:
            before = large.get(user, (0, 0))
            if time - before[0] < 1_800 * SECOND:
                waiting.setdefault(user, []).append((before[0], time))
            large[user] = (before[1], time)
    return matches


def five_failures_then_a_success(times: list[int], users: list[int], oks: list[int]) -> Matches:
    """c2: a success right after five failures of a user, all six within 30 min."""
    matches: Matches = []
    failed: dict[int, list[int]] = {}
    for row, (time, user, ok) in enumerate(zip(times, users, oks, strict=True)):
        if not ok:
            failed.setdefault(user, []).append(time)
        elif user in failed:
            before = failed.pop(user)
            if len(before) >= 5 and time - before[-5] < 1_800 * SECOND:
                matches.append((row, user))
    return matches


def _lists(path: Path, *names: str) -> list[list[int]]:
    table = parquet.read_table(path, columns=list(names))
    return [table.column(name).to_pylist() for name in names]
