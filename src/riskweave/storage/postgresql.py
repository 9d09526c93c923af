"""The journal in PostgreSQL; one process at a time may write to it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, func, select, text
from sqlalchemy.exc import SQLAlchemyError

from riskweave.errors import StorageFailed
from riskweave.storage.journal import SqlJournal, failure
from riskweave.storage.migrate import upgrade

# A name for the lock that says "I write to this journal"; any constant will do.
_LOCK = 7_227_411_965
_MEASURED_EVERY_S = 30.0


class PostgresqlJournal(SqlJournal):
    """A journal in a database; its writer holds a lock for as long as it is connected."""

    _holder: Connection | None = None
    _bytes = 0
    _measure_at = 0.0
    commit_mode = "on"

    def _prepare(self) -> None:
        self._hold()
        super()._prepare()

    def _hold(self) -> None:
        holder: Connection | None = None
        try:
            holder = self.database.connect()
            mine = holder.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _LOCK}).scalar()
            holder.commit()
        except SQLAlchemyError as error:
            if holder is not None:
                holder.invalidate()
                holder.close()
            self.database.dispose()
            raise StorageFailed(f"the database failed: {failure(error)}") from error
        if not mine:
            holder.close()
            self.database.dispose()
            raise StorageFailed("another process writes to this database")
        self._holder = holder

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """Append over the connection that holds the lock: whoever has lost it cannot write."""
        holder = self._holder
        if holder is None:
            raise StorageFailed("the database failed: the connection is lost")
        try:
            with holder.begin():
                yield holder
                self._measure(holder)
        except SQLAlchemyError as error:
            raise StorageFailed(f"the database failed: {failure(error)}") from error

    def _measure(self, connection: Connection) -> None:
        """Ask for the journal's size now and then, so that `nbytes` waits for nobody."""
        now = time.monotonic()
        if now < self._measure_at:
            return
        self._measure_at = now + _MEASURED_EVERY_S
        size = select(func.pg_total_relation_size("journal"))
        self._bytes = int(connection.execute(size).scalar() or 0)

    def nbytes(self) -> int:
        """Return how much room the journal took when it was last asked."""
        return self._bytes if self._write else super().nbytes()

    def _create(self, connection: Connection) -> None:
        upgrade(connection)

    def reopen(self) -> None:
        """Begin anew after an error."""
        self._release()
        super().reopen()
        if self._write:
            self._hold()

    def _release(self) -> None:
        if self._holder is not None:
            try:
                self._holder.close()
            except SQLAlchemyError:
                with suppress(SQLAlchemyError):
                    self._holder.invalidate()
            self._holder = None

    def set_durable(self, durable: bool) -> None:
        """Choose whether a commit waits for the disk."""
        super().set_durable(durable)
        self.commit_mode = "on" if durable else "off"

    def close(self) -> None:
        self._release()
        super().close()


def postgresql_journal(url: str, folder: Path, write: bool = True) -> PostgresqlJournal:
    """Return the journal at an address such as postgresql://user@host/database."""
    address = url.replace("postgresql://", "postgresql+psycopg://", 1).replace(
        "postgres://", "postgresql+psycopg://", 1
    )
    found: list[PostgresqlJournal] = []

    def make() -> Engine:
        database = create_engine(
            address, pool_pre_ping=True, connect_args={"connect_timeout": 10, "client_encoding": "utf8"}
        )

        @event.listens_for(database, "begin")
        def _(connection: Connection) -> None:
            if found and found[0].commit_mode == "off":
                connection.exec_driver_sql("SET LOCAL synchronous_commit = off")

        return database

    journal = PostgresqlJournal(make, folder, write)
    found.append(journal)
    return journal
