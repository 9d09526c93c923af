"""Decisions that are on disk before they are told, beside plain inserts into SQLite of the same bytes.

A bulk of Arrow rows and of records, durable and relaxed; single events from one caller at a steady rate;
how long a snapshot stops the engine; a restart; what appending past SQLAlchemy brings. The peer writes the
same entries (event, record, checksums) with one `executemany` per group and waits for the disk as often.
"""

from __future__ import annotations

import argparse
import gc
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import percentiles_us, write
from benchmarks.peers.workload import generate
from benchmarks.policies import transactions, windows_policy

from riskweave import Policy
from riskweave.engine.durable import DurableEngine, DurableSettings
from riskweave.engine.ports import Entry
from riskweave.storage.journal import COLUMNS, SqlJournal
from riskweave.storage.open import open_stores
from riskweave.storage.sqlite import SqliteJournal, prepare

RATE = 2_000
STEADY_S = 5


def run(arguments: argparse.Namespace) -> None:
    folder = generate(arguments.events, arguments.seed)
    table = transactions(folder).slice(0, 200_000)
    ids = [f"t{number}" for number in range(table.num_rows)]
    import pyarrow as pa

    table = table.append_column("id", pa.array(ids))
    policy = windows_policy()
    policy["events"]["tx"]["id"] = "id"  # type: ignore[index]
    policy["events"]["tx"]["fields"]["id"] = "string"  # type: ignore[index]
    made = Policy.from_dict(policy)
    records = table.slice(0, 50_000).to_pylist()
    with tempfile.TemporaryDirectory(dir=arguments.folder if hasattr(arguments, "folder") else None) as home:
        place = Path(home)
        rounds = max(arguments.runs, 3)
        result: dict[str, object] = {
            "events": table.num_rows,
            "bulk_table_per_s": _bulk(place, made, table, rounds),
            "bulk_records_per_s": _bulk(place, made, records, rounds),
            "bulk_table_relaxed_per_s": _bulk(place, made, table, rounds, relaxed=True),
            "singles_per_s": _singles(place, made, records[:20_000], rounds),
            "singles_relaxed_per_s": _singles(place, made, records[:20_000], rounds, relaxed=True),
            "steady_2000_per_s_us": _steady(place, made, records),
            **_again(place, made, table),
            **_peer(place, made, table, rounds),
        }
        write("durable", result)


def _engine(place: Path, policy: Policy, relaxed: bool = False) -> DurableEngine:
    shutil.rmtree(place / "data", ignore_errors=True)
    settings = DurableSettings(relaxed=relaxed, queue_events=1_000_000)
    return DurableEngine.open(open_stores(place / "data"), policy, settings=settings)


def _ended(engine: DurableEngine) -> None:
    engine.close()
    engine.stores.close()


def _bulk(place: Path, policy: Policy, events: Any, rounds: int, relaxed: bool = False) -> float:
    seconds = []
    for _ in range(rounds):
        engine = _engine(place, policy, relaxed)
        engine.submit_many(events[:100] if isinstance(events, list) else events.slice(0, 100)).result()
        started = time.perf_counter()
        answers = engine.submit_many(events).result()
        seconds.append(time.perf_counter() - started)
        assert not answers.rejected
        _ended(engine)
    return round(len(events) / statistics.median(seconds))


def _singles(place: Path, policy: Policy, records: list[Any], rounds: int, relaxed: bool = False) -> float:
    seconds = []
    for _ in range(rounds):
        engine = _engine(place, policy, relaxed)
        started = time.perf_counter()
        for each in [engine.submit(record) for record in records]:
            each.result()
        seconds.append(time.perf_counter() - started)
        _ended(engine)
    return round(len(records) / statistics.median(seconds))


def _steady(place: Path, policy: Policy, records: list[Any]) -> dict[str, float]:
    """Submit at a steady rate; the clock of an event starts when it was due, not when it was sent.

    What stays is set aside from the collector of cycles first, as `riskweave serve` does.
    """
    engine = _engine(place, policy)
    gc.collect()
    gc.freeze()
    took: list[float] = []
    futures = []
    started = time.perf_counter()
    for number, record in enumerate(records[: RATE * STEADY_S]):
        due = started + number / RATE
        left = due - time.perf_counter()
        if left > 0:
            time.sleep(left)
        future = engine.submit(record)
        future.add_done_callback(lambda _, due=due: took.append(time.perf_counter() - due))  # type: ignore[misc]
        futures.append(future)
    for future in futures:
        future.result()
    _ended(engine)
    gc.unfreeze()
    return percentiles_us(took)


def _again(place: Path, policy: Policy, table: Any) -> dict[str, object]:
    """Time a snapshot's stall, a restart behind a snapshot, and one that replays everything."""
    engine = _engine(place, policy)
    engine.submit_many(table).result()
    engine.snapshot()
    stall_ms = engine.health().snapshot_stall_ms
    size = engine.health().journal_bytes
    _ended(engine)
    seconds = {}
    for name in ("restart_snapshot_s", "restart_replay_s"):
        started = time.perf_counter()
        engine = DurableEngine.open(open_stores(place / "data"), policy)
        seconds[name] = round(time.perf_counter() - started, 3)
        _ended(engine)
        shutil.rmtree(place / "data" / "snapshots")
    return {
        "snapshot_stall_ms": round(stall_ms, 2),
        "journal_bytes_per_event": round(size / table.num_rows, 1),
        **seconds,
    }


def _peer(place: Path, policy: Policy, table: Any, rounds: int) -> dict[str, object]:
    """Write the entries of a run again: bare SQLite, our journal, and the same through SQLAlchemy."""
    engine = _engine(place, policy)
    engine.submit_many(table).result()
    for each in [
        engine.submit({**record, "id": f"s{n}"}) for n, record in enumerate(table.slice(0, 500).to_pylist())
    ]:
        each.result()
    entries = list(engine.stores.journal.read())
    one = [entry for entry in entries if entry.count == 1][-1]
    blocks = [entry for entry in entries if entry.count > 1_000]
    _ended(engine)
    count = sum(entry.count for entry in blocks)

    def bare(entries: list[Entry], path: Path) -> None:
        connection = sqlite3.connect(path, isolation_level=None)
        prepare(connection)
        connection.execute(f"CREATE TABLE t ({', '.join(COLUMNS)}, PRIMARY KEY (position))")
        for entry in entries:
            connection.execute("BEGIN")
            row = tuple(getattr(entry, name) for name in COLUMNS)
            connection.execute(f"INSERT INTO t VALUES ({', '.join('?' * len(COLUMNS))})", row)
            connection.execute("COMMIT")
        connection.close()

    def journal(entries: list[Entry], path: Path, append: Callable[..., None]) -> None:
        made = SqliteJournal(path)
        for entry in entries:
            append(made, [entry])
        made.close()

    from dataclasses import replace

    ones = [replace(one, position=number + 1) for number in range(500)]
    first = entries[0]
    renumbered = []
    position = first.last
    for entry in blocks:
        renumbered.append(replace(entry, position=position))
        position += entry.count

    def seconds(run: Callable[[Path], None]) -> float:
        found = []
        for number in range(rounds):
            path = place / f"peer{number}.sqlite"
            for beside in place.glob("peer*"):
                beside.unlink()
            (place / "tip").unlink(missing_ok=True)
            started = time.perf_counter()
            run(path)
            found.append(time.perf_counter() - started)
        return statistics.median(found)

    return {
        "peer_sqlite_blocks_events_per_s": round(count / seconds(lambda path: bare(renumbered, path))),
        "peer_sqlite_commits_per_s": round(500 / seconds(lambda path: bare(ones, path))),
        "journal_commits_per_s": round(500 / seconds(lambda p: journal(ones, p, SqliteJournal.append))),
        "journal_commits_sqlalchemy_per_s": round(500 / seconds(lambda p: journal(ones, p, _through_core))),
    }


def _through_core(journal: SqliteJournal, entries: list[Entry]) -> None:
    """Append as PostgreSQL is appended to."""
    SqlJournal._append(journal, entries, ())
    tip = entries[-1]
    from riskweave.engine.ports import Tip

    journal._tip_known = Tip(tip.last, tip.chain)
    journal._note_tip(journal._tip_known)
