"""The journal in a database, through SQLAlchemy Core; SQLite and PostgreSQL differ in few methods."""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, delete, func, insert, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from riskweave.engine.ports import CHAIN_START, Entry, Kind, PolicyRow, Tip
from riskweave.errors import StorageFailed
from riskweave.storage.tables import about, aside, contents, journal, metadata, policies, shadows

FORMAT = "1"
COLUMNS = tuple(column.name for column in journal.columns)
# Entries read at a time: few at first, then as many as hold so many bytes, for some are single events and
# some are blocks of thousands.
_PAGE, _PAGE_MAX, _PAGE_BYTES = 4, 256, 4 << 20
_TIP = struct.Struct("<q32sI")


@contextmanager
def connected(database: Engine, write: bool, closed: bool) -> Iterator[Connection]:
    """Yield a connection that is given back, or closed when the database is, or was meanwhile."""
    pool = database.pool
    try:
        with database.begin() if write else database.connect() as connection:
            yield connection
    finally:
        if closed:
            database.dispose()
        # Disposing closes what lies in the pool; what was lent then comes back to a pool nobody looks at.
        if pool is not database.pool:
            pool.dispose()


class SqlJournal:
    """What `engine.ports.Journal` asks for; `make` opens a database engine, again after an error."""

    def __init__(self, make: Callable[[], Engine], folder: Path, write: bool = True) -> None:
        self._make = make
        self._tip_file = folder / "tip"
        self._write = write
        self._damage: list[str] = []
        self._tip_known: Tip | None = None
        self._durable = True
        self._closed = False
        self.database = make()
        try:
            if write:
                self._prepare()
            self.identity = self._about("identity") or ""
            if not self.identity or self._about("format") != FORMAT:
                raise StorageFailed("the database is no journal of this version")
            self._compare_tip()
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        with self._connection(write=True) as connection:
            self._create(connection)
            known = connection.execute(select(about.c.value).where(about.c.key == "identity")).scalar()
            if known is None:
                identity = os.urandom(16).hex()
                rows = {
                    "identity": identity,
                    "format": FORMAT,
                    "first": "0",
                    "first_chain": CHAIN_START.hex(),
                }
                connection.execute(
                    insert(about), [{"key": key, "value": value} for key, value in rows.items()]
                )

    def _create(self, connection: Connection) -> None:
        metadata.create_all(connection)

    # ---- connections

    @contextmanager
    def _connection(self, write: bool = False) -> Iterator[Connection]:
        try:
            with connected(self.database, write, self._closed) as connection:
                yield connection
        except SQLAlchemyError as error:
            raise StorageFailed(f"the database failed: {failure(error)}") from error

    def _about(self, key: str) -> str | None:
        with self._connection() as connection:
            value: str | None = connection.execute(select(about.c.value).where(about.c.key == key)).scalar()
            return value

    def reopen(self) -> None:
        """Begin anew after an error."""
        self.database.dispose()
        self.database = self._make()
        self._tip_known = None

    def close(self) -> None:
        """Close every connection; whoever reads later, as an old answer its policy, takes one for himself."""
        self._closed = True
        self.database.dispose()

    def set_durable(self, durable: bool) -> None:
        """Choose whether `append` waits for the disk."""
        self._durable = durable

    # ---- where it ends

    def tip(self) -> Tip:
        """Return where the journal ends."""
        if self._tip_known is None:
            with self._connection() as connection:
                self._tip_known = self._stored_tip(connection)
        return self._tip_known

    def _stored_tip(self, connection: Connection) -> Tip:
        last = (
            select(journal.c.position, journal.c.count, journal.c.chain)
            .order_by(journal.c.position.desc())
            .limit(1)
        )
        row = connection.execute(last).one_or_none()
        return self._first(connection) if row is None else Tip(row.position + row.count - 1, row.chain)

    def first(self) -> Tip:
        """Return the position before the first entry kept."""
        with self._connection() as connection:
            return self._first(connection)

    def _first(self, connection: Connection) -> Tip:
        known = dict(connection.execute(select(about.c.key, about.c.value)).all())
        return Tip(int(known["first"]), bytes.fromhex(known["first_chain"]))

    def _compare_tip(self) -> None:
        """Note when entries that were durable once are no longer there: a database may drop a torn tail."""
        try:
            data = self._tip_file.read_bytes()
        except FileNotFoundError:
            return
        if len(data) != _TIP.size:
            self._damage.append("the file `tip` is damaged; it is written anew")
            return
        position, chain, crc = _TIP.unpack(data)
        if zlib.crc32(data[: _TIP.size - 4]) != crc:
            self._damage.append("the file `tip` is damaged; it is written anew")
            return
        tip = self.tip()
        if position > tip.position or (position == tip.position and chain != tip.chain):
            self._damage.append(
                f"entries were lost: the journal reached position {position} and now ends at {tip.position}"
            )

    def _note_tip(self, tip: Tip) -> None:
        # Not waited for: it need only outlive this process to tell a lost tail from none.
        packed = struct.pack("<q32s", tip.position, tip.chain)
        data = packed + struct.pack("<I", zlib.crc32(packed))
        descriptor = os.open(self._tip_file, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(descriptor, data, 0)
        finally:
            os.close(descriptor)

    def damage(self) -> list[str]:
        """Return what was found when the journal was opened."""
        return list(self._damage)

    # ---- writing

    def append(self, entries: Sequence[Entry], policy_rows: Sequence[PolicyRow] = ()) -> None:
        """Make entries durable, all or none."""
        if not entries:
            return
        self._append(entries, policy_rows)
        self._tip_known = Tip(entries[-1].last, entries[-1].chain)
        try:
            self._note_tip(self._tip_known)
        except OSError as error:
            raise StorageFailed(f"the file `tip` cannot be written: {error}") from error

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._connection(write=True) as connection:
            yield connection

    def _append(self, entries: Sequence[Entry], policy_rows: Sequence[PolicyRow]) -> None:
        with self._writing() as connection:
            if self._tip_known is None:
                entries = self._missing(self._stored_tip(connection), entries)
                if not entries:
                    return
                policy_rows = [row for row in policy_rows if row.position >= entries[0].position]
            self._expect(entries[0])
            connection.execute(insert(journal), [row_of(entry) for entry in entries])
            if policy_rows:
                connection.execute(insert(policies), [policy_values(row) for row in policy_rows])

    def _missing(self, tip: Tip, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Return the entries that are not there: an append whose outcome was unknown may have succeeded."""
        self._tip_known = tip
        for number, entry in enumerate(entries, 1):
            if tip == Tip(entry.last, entry.chain):
                return entries[number:]
        return entries

    def _expect(self, first: Entry) -> None:
        assert self._tip_known is not None
        if self._tip_known.position != first.position - 1:
            raise StorageFailed(
                f"the journal ends at {self._tip_known.position}, not at {first.position - 1}: "
                "somebody else wrote to it"
            )

    def put_content(self, content: bytes) -> bytes:
        """Store content once; return its SHA-256."""
        key = hashlib.sha256(content).digest()
        try:
            with self._connection(write=True) as connection:
                there = connection.execute(select(contents.c.key).where(contents.c.key == key)).scalar()
                if there is None:
                    connection.execute(insert(contents).values(key=key, content=content))
        except StorageFailed as error:
            if not isinstance(error.__cause__, IntegrityError):
                raise
        return key

    def content(self, key: bytes) -> bytes:
        """Return stored content, checked."""
        with self._connection() as connection:
            content = connection.execute(select(contents.c.content).where(contents.c.key == key)).scalar()
        if content is None or hashlib.sha256(content).digest() != key:
            raise StorageFailed(
                f"stored content {key.hex()[:12]} is {'missing' if content is None else 'damaged'}"
            )
        return bytes(content)

    def policies(self) -> list[PolicyRow]:
        """Return every policy that was in force."""
        with self._connection() as connection:
            rows = connection.execute(select(policies).order_by(policies.c.number)).all()
        return [PolicyRow(r.number, r.version, bytes(r.content), bytes(r.shape), r.position) for r in rows]

    # ---- reading

    def read(self, first: int = 1, last: int | None = None) -> Iterator[Entry]:
        """Yield the entries that reach into [first, last], ascending."""
        start, page = self._start(first), _PAGE
        while True:
            query = select(journal).where(journal.c.position >= start)
            if last is not None:
                query = query.where(journal.c.position <= last)
            with self._connection() as connection:
                rows = connection.execute(query.order_by(journal.c.position).limit(page)).all()
            for row in rows:
                entry = entry_of(row)
                if entry.last >= first:
                    yield entry
                start = entry.last + 1
            if len(rows) < page:
                return
            page = _next_page(rows)

    def _start(self, position: int) -> int:
        query = select(func.max(journal.c.position)).where(journal.c.position <= position)
        with self._connection() as connection:
            found = connection.execute(query).scalar()
        return position if found is None else int(found)

    def read_back(self, last: int | None = None) -> Iterator[Entry]:
        """Yield the entries that begin at or before `last`, the latest first."""
        page = _PAGE
        while True:
            query = select(journal)
            if last is not None:
                query = query.where(journal.c.position <= last)
            with self._connection() as connection:
                rows = connection.execute(query.order_by(journal.c.position.desc()).limit(page)).all()
            for row in rows:
                yield entry_of(row)
                last = row.position - 1
            if len(rows) < page:
                return
            page = _next_page(rows)

    def at(self, position: int) -> Entry | None:
        """Return the entry that holds a position."""
        query = select(journal).where(journal.c.position <= position)
        with self._connection() as connection:
            row = connection.execute(query.order_by(journal.c.position.desc()).limit(1)).one_or_none()
        if row is None:
            return None
        entry = entry_of(row)
        return entry if position <= entry.last else None

    def first_beyond(self, time_ms: int) -> int | None:
        """Return the first position of the first entry with an event later than `time_ms`."""
        query = select(func.min(journal.c.position)).where(
            journal.c.time_max_ms > time_ms, journal.c.kind <= int(Kind.TABLE)
        )
        with self._connection() as connection:
            found: int | None = connection.execute(query).scalar()
        return found

    def ids(self, first: int) -> Iterator[tuple[int, int, bytes]]:
        """Yield position, count and id hashes of entries from `first` on."""
        start = self._start(first)
        size = 1024
        while True:
            query = (
                select(journal.c.position, journal.c.count, journal.c.ids)
                .where(journal.c.position >= start)
                .order_by(journal.c.position)
                .limit(size)
            )
            with self._connection() as connection:
                rows = connection.execute(query).all()
            for position, count, ids in rows:
                start = position + count
                if start > first:
                    yield position, count, bytes(ids)
            if len(rows) < size:
                return

    # ---- losing

    def cut(self, position: int, chain: bytes) -> None:
        """Drop the entries up to and including `position`."""
        with self._connection(write=True) as connection:
            connection.execute(delete(journal).where(journal.c.position <= position))
            for key, value in (("first", str(position)), ("first_chain", chain.hex())):
                connection.execute(about.update().where(about.c.key == key).values(value=value))

    def set_aside(self, position: int, why: str) -> str:
        """Move the entries from `position` on out of the way."""
        with self._connection(write=True) as connection:
            connection.execute(delete(aside).where(aside.c.position >= position))
            connection.execute(
                insert(aside).from_select(COLUMNS, select(journal).where(journal.c.position >= position))
            )
            connection.execute(delete(journal).where(journal.c.position >= position))
        self._tip_known = None
        self._note_tip(self.tip())
        return f"table `{aside.name}`"

    def backup(self, target: Path) -> None:
        raise StorageFailed("a PostgreSQL journal is backed up with pg_dump or pg_basebackup")

    def nbytes(self) -> int:
        """Return how much room the journal takes."""
        with self._connection() as connection:
            return int(connection.execute(select(func.pg_total_relation_size("journal"))).scalar() or 0)


class SqlShadowRecords:
    """What shadow policies said, in a table."""

    def __init__(self, database: Engine) -> None:
        self.database = database
        self._closed = False

    def close(self) -> None:
        """Close every connection."""
        self._closed = True
        self.database.dispose()

    def add(self, shadow: str, records: Sequence[Any]) -> None:
        """Store what a shadow said; the same positions again are written over."""
        if not records:
            return
        rows = [
            {
                "shadow": shadow,
                "position": each.position,
                "action": each.action,
                "score": each.score,
                "rules": "\n".join(each.rules),
            }
            for each in records
        ]
        with connected(self.database, True, self._closed) as connection:
            first, last = records[0].position, records[-1].position
            connection.execute(
                delete(shadows).where(shadows.c.shadow == shadow, shadows.c.position.between(first, last))
            )
            connection.execute(insert(shadows), rows)

    def last(self, shadow: str) -> int:
        """Return the last position a shadow has answered."""
        with connected(self.database, False, self._closed) as connection:
            query = select(func.max(shadows.c.position)).where(shadows.c.shadow == shadow)
            return int(connection.execute(query).scalar() or 0)

    def read(self, shadow: str, first: int = 1, limit: int = 1000) -> list[Any]:
        """Return what a shadow said from a position on."""
        from riskweave.engine.ports import ShadowRecord

        query = select(shadows).where(shadows.c.shadow == shadow, shadows.c.position >= first)
        with connected(self.database, False, self._closed) as connection:
            rows = connection.execute(query.order_by(shadows.c.position).limit(limit)).all()
        return [
            ShadowRecord(r.position, r.shadow, r.action, r.score, tuple(filter(None, r.rules.split("\n"))))
            for r in rows
        ]


def row_of(entry: Entry) -> dict[str, object]:
    """Return an entry as a row."""
    return {name: getattr(entry, name) for name in COLUMNS} | {"kind": int(entry.kind)}


def policy_values(row: PolicyRow) -> dict[str, object]:
    """Return a policy as a row."""
    return {
        "number": row.number,
        "version": row.version,
        "content": row.content,
        "shape": row.shape,
        "position": row.position,
    }


def entry_of(row: Any) -> Entry:
    """Return an entry from a row; what is not even of the right form is damaged."""
    try:
        return Entry(
            int(row.position),
            int(row.count),
            Kind(row.kind),
            int(row.policy),
            int(row.rung),
            str(row.skipped),
            int(row.received_ms),
            bytes(row.body),
            bytes(row.record),
            bytes(row.ids),
            int(row.time_min_ms),
            int(row.time_max_ms),
            int(row.actions),
            float(row.score_max),
            int(row.crc),
            bytes(row.chain),
        )
    except (TypeError, ValueError) as error:
        raise StorageFailed(f"the journal is damaged at position {row.position}: {error}") from error


def _next_page(rows: Sequence[Any]) -> int:
    """Return how many entries to read next, by the size of the last ones."""
    size = sum(len(row.body) + len(row.record) for row in rows) // len(rows)
    return int(min(max(_PAGE_BYTES // max(size, 1), 1), _PAGE_MAX))


def failure(error: SQLAlchemyError) -> str:
    """Return what a database said, in one line."""
    cause = getattr(error, "orig", None) or error
    return str(cause).splitlines()[0] if str(cause) else type(cause).__name__
