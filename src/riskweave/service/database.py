"""The database of the operational tables: opened, brought up to date, used from threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, OperationalError

from riskweave.errors import RiskweaveError
from riskweave.service.problems import Problem
from riskweave.service.tables import VERSION_TABLE

MIGRATIONS = Path(__file__).parent / "migrations"
FILE = "operations.db"


class Database:
    """A pool of connections; `read` and `change` are used in worker threads, never in the event loop."""

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        # SQLite has one writer; waiting here is fairer than its own retries. The audit chain needs it too.
        self._writing = threading.Lock()

    @classmethod
    def open(cls, data: Path, url: str = "") -> Database:
        """Open the database of a data folder, or another by URL, at the newest schema."""
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        database = cls(url or f"sqlite:///{data / FILE}")
        database.migrate()
        return database

    def migrate(self) -> None:
        """Bring the schema up to date."""
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        with self._writing, self.engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Lend a connection for reading."""
        with _told(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def change(self) -> Iterator[Connection]:
        """Lend a connection in a transaction: all of it or nothing."""
        with _told(), self._writing, self.engine.begin() as connection:
            yield connection

    def close(self) -> None:
        self.engine.dispose()


@contextmanager
def _told() -> Iterator[None]:
    """Turn a database that cannot be reached, or has no room, into the documented answer."""
    try:
        yield
    except OperationalError as error:
        raise Problem("storage_failed", f"the operational database refused: {error.orig}") from error


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise RiskweaveError(
            "storage.database is no database URL, as in postgresql+psycopg://host/name"
        ) from None
    if parsed.get_backend_name() == "postgresql":
        return create_engine(parsed.set(drivername="postgresql+psycopg"), pool_pre_ping=True)
    if parsed.get_backend_name() != "sqlite":
        raise RiskweaveError("storage.database: SQLite and PostgreSQL are known here")
    engine = create_engine(parsed, connect_args={"check_same_thread": False, "timeout": 10})
    event.listen(engine, "connect", _prepare_sqlite)
    # The driver would begin a transaction only at the first write: begin it where SQLAlchemy does.
    event.listen(engine, "begin", _begin)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def now_ms() -> int:
    """Return the wall clock, for what people and sessions do; decisions never ask it."""
    return time.time_ns() // 1_000_000


__all__ = ["FILE", "VERSION_TABLE", "Database", "now_ms"]
