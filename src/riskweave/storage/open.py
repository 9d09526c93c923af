"""Opening storage: a folder, and a PostgreSQL address for those who want the journal there."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from riskweave.engine.ports import Stores
from riskweave.errors import StorageFailed
from riskweave.storage.archive import ParquetArchive
from riskweave.storage.ids import IdRuns
from riskweave.storage.journal import SqlJournal, SqlShadowRecords
from riskweave.storage.snapshots import SnapshotFiles
from riskweave.storage.sqlite import SqliteJournal, sqlite_engine
from riskweave.storage.tables import metadata, shadows


class Folder(Stores):
    """A folder's stores; while it is open for writing no other process may write."""

    lock: int | None = None

    def close(self) -> None:
        """Close the files and let others write."""
        super().close()
        self.shadows.close()  # type: ignore[attr-defined]
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None


def open_stores(folder: str | Path, url: str | None = None, write: bool = True) -> Folder:
    """Return the stores in a folder; with a PostgreSQL `url` the journal is there, the rest in the folder.

    `write=False` looks on while another process writes.
    """
    home = Path(folder)
    if not write and not (home / "journal.sqlite").exists() and url is None:
        raise StorageFailed(f"there is no journal in `{home}`")
    lock = None
    journal: SqlJournal | None = None
    if write:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = _locked(home)
    try:
        archive = ParquetArchive(home / "archive")
        if url is None:
            journal = SqliteJournal((home / "journal.sqlite").absolute(), write)
            notes = sqlite_engine((home / "shadows.sqlite").absolute(), write)
            if write:
                metadata.create_all(notes, [shadows])
        else:
            from riskweave.storage.postgresql import postgresql_journal

            journal = postgresql_journal(url, home, write)
            notes = journal.database
        stores = Folder(
            journal,
            SnapshotFiles(home / "snapshots"),
            IdRuns(home / "ids", archive),
            archive,
            SqlShadowRecords(notes),
            home / "policies",
        )
    except BaseException:
        if journal is not None:
            journal.close()
        if lock is not None:
            os.close(lock)
        raise
    stores.lock = lock
    return stores


def _locked(home: Path) -> int:
    descriptor = os.open(home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise StorageFailed(f"another process writes to `{home}`") from None
    return descriptor
