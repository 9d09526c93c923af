"""The journal in one SQLite file. Appending goes past SQLAlchemy: see docs/durability.md for the gain."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event

from riskweave.engine.ports import Entry, PolicyRow, Tip
from riskweave.errors import StorageFailed
from riskweave.storage.journal import COLUMNS, SqlJournal, entry_of
from riskweave.storage.tables import policies

PAGE_BYTES = 8192
# Bytes of the log before a thread moves them to the file, and before a commit waits for the rest: only
# when all of it has been moved does the log begin anew.
CHECKPOINT_BYTES = 16 << 20
LOG_BYTES_MAX = 128 << 20

_INSERT = f"INSERT INTO journal ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"
_values = attrgetter(*COLUMNS)
_POLICY_COLUMNS = tuple(column.name for column in policies.columns)
_INSERT_POLICY = (
    f"INSERT INTO policies ({', '.join(_POLICY_COLUMNS)}) VALUES ({', '.join('?' * len(_POLICY_COLUMNS))})"
)


def sqlite_engine(path: Path, write: bool = True) -> Engine:
    """Return a database engine on a file."""
    mode = "rwc" if write else "ro"
    database = create_engine(f"sqlite:///file:{path}?mode={mode}&uri=true", connect_args={"timeout": 15.0})

    @event.listens_for(database, "connect")
    def _(connection: Any, _record: Any) -> None:
        prepare(connection, write)

    return database


def prepare(connection: sqlite3.Connection, write: bool = True) -> None:
    """Set a connection up."""
    if write:
        connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA wal_autocheckpoint=0")
    connection.execute("PRAGMA cell_size_check=ON")
    connection.execute("PRAGMA busy_timeout=15000")


class SqliteJournal(SqlJournal):
    """A journal in a file, written by one connection of its own."""

    def __init__(self, path: Path, write: bool = True) -> None:
        self.path = path
        self._writer: sqlite3.Connection | None = None
        self._lock = threading.Lock()
        self._mover = LogMover(path)
        super().__init__(lambda: sqlite_engine(path, write), path.parent, write)

    def _connected(self) -> sqlite3.Connection:
        if self._writer is None:
            self._writer = sqlite3.connect(
                self.path, timeout=15.0, isolation_level=None, check_same_thread=False
            )
            prepare(self._writer)
            if not self._durable:
                self._writer.execute("PRAGMA synchronous=NORMAL")
        return self._writer

    def set_durable(self, durable: bool) -> None:
        """Choose whether `append` waits for the disk."""
        self._durable = durable
        if self._writer is not None:
            self._writer.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")

    def _append(self, entries: Sequence[Entry], policy_rows: Sequence[PolicyRow]) -> None:
        with self._lock:
            try:
                writer = self._connected()
                writer.execute("BEGIN IMMEDIATE")
            except sqlite3.Error as error:
                raise StorageFailed(f"the journal cannot be written: {error}") from error
            try:
                if self._tip_known is None:
                    entries = self._missing(self._raw_tip(writer), entries)
                    if not entries:
                        writer.execute("ROLLBACK")
                        return
                    policy_rows = [row for row in policy_rows if row.position >= entries[0].position]
                self._expect(entries[0])
                writer.executemany(_INSERT, [_values(entry) for entry in entries])
                if policy_rows:
                    writer.executemany(
                        _INSERT_POLICY,
                        [tuple(getattr(row, name) for name in _POLICY_COLUMNS) for row in policy_rows],
                    )
                writer.execute("COMMIT")
                self._mover.grown(writer, entries)
            except (sqlite3.Error, StorageFailed, MemoryError) as error:
                self._tip_known = None
                if writer.in_transaction:
                    try:
                        writer.execute("ROLLBACK")
                    except sqlite3.Error:
                        self._drop_writer()
                if isinstance(error, StorageFailed):
                    raise
                raise StorageFailed(f"the journal cannot be written: {error}") from error

    def _raw_tip(self, writer: sqlite3.Connection) -> Tip:
        row = writer.execute(
            "SELECT position, count, chain FROM journal ORDER BY position DESC LIMIT 1"
        ).fetchone()
        return self.first() if row is None else Tip(row[0] + row[1] - 1, bytes(row[2]))

    def reopen(self) -> None:
        """Begin anew, and have the log written to the file: it may hold what never reached the disk."""
        with self._lock:
            self._drop_writer()
            super().reopen()
            try:
                self._connected().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            except sqlite3.Error as error:
                self._drop_writer()
                raise StorageFailed(f"the journal cannot be written: {error}") from error

    def _drop_writer(self) -> None:
        if self._writer is not None:
            with contextlib.suppress(sqlite3.Error):
                self._writer.close()
            self._writer = None

    def close(self) -> None:
        self._mover.wait()
        self._drop_writer()
        super().close()

    def set_aside(self, position: int, why: str) -> str:
        """Copy what is sound to a new file, and keep the damaged one beside it."""
        self._mover.wait()
        self._drop_writer()
        self.database.dispose()
        fresh = self.path.with_suffix(".salvaged")
        fresh.unlink(missing_ok=True)
        _copy_sound(self.path, fresh, position)
        kept = self.path.with_name(f"{self.path.stem}.damaged-{position}-{time.time_ns()}")
        for suffix in ("-wal", "-shm"):
            beside = Path(f"{self.path}{suffix}")
            if beside.exists():
                os.replace(beside, Path(f"{kept}{suffix}"))
        os.replace(self.path, kept)
        os.replace(fresh, self.path)
        _fsync_folder(self.path.parent)
        self.database = self._make()
        self._tip_known = None
        self._note_tip(self.tip())
        return kept.name

    def backup(self, target: Path) -> None:
        """Write a consistent copy while others write."""
        source = sqlite3.connect(self.path, timeout=15.0)
        copy = sqlite3.connect(target)
        try:
            source.backup(copy, pages=4096, sleep=0.001)
        except sqlite3.Error as error:
            raise StorageFailed(f"the backup failed: {error}") from error
        finally:
            copy.close()
            source.close()

    def nbytes(self) -> int:
        """Return how much room the journal takes."""
        log = Path(f"{self.path}-wal")
        return self.path.stat().st_size + (log.stat().st_size if log.exists() else 0)


class LogMover:
    """Moves the log into the file beside the commits, so that none of them waits for it.

    The log begins anew only when all of it was moved and nobody reads in it; while commits keep coming
    that never happens by itself, so a commit moves the rest, which is little, when the log is long.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.moved = 0
        self.error: str | None = None
        self._log_bytes = 0
        self._since = 0
        self._thread: threading.Thread | None = None

    def grown(self, writer: sqlite3.Connection, entries: Sequence[Entry]) -> None:
        """Note a commit; have the log moved when it is time."""
        # What changes a page writes the whole page.
        size = sum(len(each.body) + len(each.record) + len(each.ids) for each in entries) + 2 * PAGE_BYTES
        self._since += size
        self._log_bytes += size
        if self._thread is not None and self._thread.is_alive():
            return
        if self._log_bytes >= LOG_BYTES_MAX:
            self._finish(writer)
        elif self._since >= CHECKPOINT_BYTES:
            self._since = 0
            self._thread = threading.Thread(target=self._move, name="riskweave-log", daemon=True)
            self._thread.start()

    def _finish(self, writer: sqlite3.Connection) -> None:
        self._log_bytes = self._since = 0
        with contextlib.suppress(sqlite3.Error):
            writer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def _move(self) -> None:
        try:
            connection = sqlite3.connect(self.path, timeout=15.0)
            try:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
                self.moved += 1
                self.error = None
            finally:
                connection.close()
        except sqlite3.Error as error:
            # The log stays as it is, and whole; a disk that is full is told by the next commit.
            self.error = str(error)

    def wait(self) -> None:
        """Wait for what is on its way."""
        if self._thread is not None:
            self._thread.join()


def _copy_sound(source: Path, target: Path, position: int) -> None:
    """Copy everything before a position, row by row: pages of a damaged file cannot be trusted."""
    old = sqlite3.connect(source, timeout=15.0)
    new = sqlite3.connect(target, isolation_level=None)
    try:
        new.execute(f"PRAGMA page_size={PAGE_BYTES}")
        for (statement,) in old.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall():
            new.execute(statement)
        new.execute("BEGIN")
        for table in ("about", "contents", "policies", "journal", "alembic_version"):
            known = old.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone()
            if known is None:
                continue
            where = " WHERE position < ? ORDER BY position" if table == "journal" else ""
            rows = old.execute(f"SELECT * FROM {table}{where}", (position,) if where else ())
            for row in rows:
                new.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
        new.execute("DELETE FROM policies WHERE position >= ?", (position,))
        new.execute("COMMIT")
    except sqlite3.Error as error:
        raise StorageFailed(f"the damaged journal cannot be salvaged: {error}; restore a backup") from error
    finally:
        new.close()
        old.close()
    with target.open("rb") as stream:
        os.fsync(stream.fileno())


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


__all__ = ["SqliteJournal", "entry_of", "prepare", "sqlite_engine"]
