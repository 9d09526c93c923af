"""What the commands on a data folder do: verify, backup, status."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

console = Console()
errors = Console(stderr=True)


def verify(folder: Path, url: str | None, as_json: bool) -> int:
    """Replay a journal and compare every decision; 0 when all is as it was, 1 otherwise."""
    from riskweave.engine.durable_verify import Verified
    from riskweave.engine.durable_verify import verify as replay
    from riskweave.storage.open import open_stores

    started = time.perf_counter()
    stores = open_stores(folder, url, write=False)
    try:
        with console.status("replaying") as status:

            def progress(found: Verified) -> None:
                status.update(f"{found.decisions:,} decisions compared")

            found = replay(stores, None if as_json else progress)
    finally:
        stores.close()
    seconds = time.perf_counter() - started
    if as_json:
        print(json.dumps({"ok": found.ok, **asdict(found), "seconds": round(seconds, 3)}))
        return 0 if found.ok else 1
    for text in found.damage:
        errors.print(f"[red]damaged:[/red] {text}", highlight=False)
    for text in found.differences:
        errors.print(f"[red]different:[/red] {text}", highlight=False)
    if found.ok:
        console.print(
            f"{found.decisions:,} decisions up to position {found.position:,} come out the same, "
            f"bit for bit ({seconds:.1f} s)",
            highlight=False,
        )
    return 0 if found.ok else 1


def backup(folder: Path, target: Path, as_json: bool) -> int:
    """Copy a data folder while it is in use; the copy is checked."""
    from riskweave.service.backup import copy_operations
    from riskweave.storage.backup import backup as copy

    made = copy(folder, target)
    operations = copy_operations(folder, target)
    if as_json:
        print(json.dumps(asdict(made) | {"operations": operations}))
    else:
        console.print(
            f"{made.entries:,} entries up to position {made.position:,} and {made.snapshots} snapshots "
            f"in {target} ({made.nbytes / 1e6:,.1f} MB), all checked"
            + (", with users, policies and audit log" if operations else ""),
            highlight=False,
        )
    return 0


def status(folder: Path, url: str | None, as_json: bool) -> int:
    """Tell what a data folder holds; looks on, changes nothing."""
    from riskweave.storage.open import open_stores

    stores = open_stores(folder, url, write=False)
    try:
        journal = stores.journal
        tip, first = journal.tip(), journal.first()
        last = journal.at(tip.position) if tip.position else None
        rows = journal.policies()
        told: dict[str, object] = {
            "journal": journal.identity,
            "position": tip.position,
            "kept_from": first.position + 1,
            "last_received": None if last is None else _moment(last.received_ms),
            "bytes": journal.nbytes(),
            "snapshots": stores.snapshots.positions(),
            "policies": [
                {"number": row.number, "version": row.version, "position": row.position} for row in rows
            ],
            "damage": journal.damage(),
        }
    finally:
        stores.close()
    if as_json:
        print(json.dumps(told))
        return 0
    for name, value in told.items():
        console.print(f"{name:14} {value}", highlight=False)
    return 0


def _moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
