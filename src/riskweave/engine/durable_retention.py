"""Old entries leave the journal: to the archive, once a snapshot that is kept stands behind them."""

from __future__ import annotations

import time

from riskweave.engine.durable_host import check
from riskweave.engine.ports import DurableSettings, Entry, Stores

_ENTRIES_BYTES = 32 << 20


def retire(stores: Stores, settings: DurableSettings, now_ms: int | None = None) -> int:
    """Move entries older than `keep_days` to the archive; return the last position moved.

    Only what lies behind the oldest snapshot may go: a restart, and `verify`, begin there.
    """
    if settings.keep_days is None:
        return 0
    positions = stores.snapshots.positions()
    if not positions:
        return 0
    now_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    until_ms = now_ms - settings.keep_days * 86_400_000
    policies = {row.number: row for row in stores.journal.policies()}
    part: list[Entry] = []
    size, moved = 0, 0

    def put() -> None:
        nonlocal moved, size
        if part:
            stores.archive.put(part, policies, stores.journal)
            stores.journal.cut(part[-1].last, part[-1].chain)
            moved = part[-1].last
            part.clear()
            size = 0

    for entry in stores.journal.read(1, positions[0]):
        if entry.received_ms >= until_ms or entry.last > positions[0]:
            break
        part.append(check(entry))
        size += len(entry.body) + len(entry.record)
        if size >= _ENTRIES_BYTES:
            put()
    put()
    return moved
