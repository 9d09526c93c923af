"""The tables of the journal, the same in SQLite and PostgreSQL."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Integer, LargeBinary, MetaData, SmallInteger, Table, Text

metadata = MetaData()

# A key that is INTEGER is SQLite's own row number: entries lie in the order of their positions.
_Position = BigInteger().with_variant(Integer(), "sqlite")


def _entries(name: str) -> Table:
    return Table(
        name,
        metadata,
        Column("position", _Position, primary_key=True, autoincrement=False),
        Column("count", Integer, nullable=False),
        Column("kind", SmallInteger, nullable=False),
        Column("policy", Integer, nullable=False),
        Column("rung", SmallInteger, nullable=False),
        Column("skipped", Text, nullable=False),
        Column("received_ms", BigInteger, nullable=False),
        Column("time_min_ms", BigInteger, nullable=False),
        Column("time_max_ms", BigInteger, nullable=False),
        Column("actions", Integer, nullable=False),
        Column("score_max", Float, nullable=False),
        Column("crc", BigInteger, nullable=False),
        Column("chain", LargeBinary, nullable=False),
        Column("ids", LargeBinary, nullable=False),
        Column("body", LargeBinary, nullable=False),
        Column("record", LargeBinary, nullable=False),
    )


journal = _entries("journal")
# What was found damaged and put aside, to be looked at.
aside = _entries("journal_aside")

policies = Table(
    "policies",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("version", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("shape", LargeBinary, nullable=False),
    Column("position", BigInteger, nullable=False),
)

contents = Table(
    "contents",
    metadata,
    Column("key", LargeBinary, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

about = Table(
    "about",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

shadows = Table(
    "shadow_records",
    metadata,
    Column("shadow", Text, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("action", Text, nullable=False),
    Column("score", Float, nullable=False),
    Column("rules", Text, nullable=False),
)
