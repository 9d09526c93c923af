"""The service's own tables: people, keys, what they did, alerts, policies.

One schema for SQLite and PostgreSQL. Times are milliseconds UTC. Nothing here can sign anybody in: passwords
are argon2 hashes, tokens SHA-256.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

VERSION_TABLE = "service_version"

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite numbers rows by itself for INTEGER keys alone.
_Id = BigInteger().with_variant(Integer, "sqlite")

users = Table(
    "users",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("name", String(100), nullable=False, unique=True),
    Column("role", String(30), nullable=False),
    Column("scenarios", Text, nullable=False, default="[]"),
    Column("password", Text),
    Column("subject", String(255), unique=True),
    Column("active", Boolean, nullable=False, default=True),
    Column("created_ms", BigInteger, nullable=False),
)

invitations = Table(
    "invitations",
    metadata,
    Column("token", String(64), primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE")),
    Column("role", String(30), nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("token", String(64), primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_ms", BigInteger, nullable=False),
    Column("seen_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
)

keys = Table(
    "api_keys",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("name", String(100), nullable=False, unique=True),
    Column("token", String(64), nullable=False, unique=True),
    Column("hint", String(12), nullable=False),
    Column("role", String(30), nullable=False),
    Column("scenarios", Text, nullable=False, default="[]"),
    Column("created_by", String(120), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger),
    Column("revoked_ms", BigInteger),
)

audit = Table(
    "audit",
    metadata,
    Column("sequence", _Id, primary_key=True, autoincrement=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("actor", String(120), nullable=False),
    Column("action", String(60), nullable=False, index=True),
    Column("target", String(255), nullable=False),
    Column("detail", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)

policies = Table(
    "policies",
    metadata,
    Column("version", String(64), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("archive", LargeBinary, nullable=False),
    Column("uploaded_by", String(120), nullable=False),
    Column("uploaded_ms", BigInteger, nullable=False),
    Column("note", Text, nullable=False, default=""),
)

activations = Table(
    "activations",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("version", String(64), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("by", String(120), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
)

alert_rules = Table(
    "alert_rules",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("name", String(100), nullable=False, unique=True),
    Column("kind", String(30), nullable=False),
    Column("settings", Text, nullable=False),
    Column("targets", Text, nullable=False, default="[]"),
    Column("active", Boolean, nullable=False, default=True),
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("rule_id", _Id, nullable=False),
    Column("rule", String(100), nullable=False),
    Column("scenario", String(100), nullable=False),
    Column("severity", String(20), nullable=False),
    Column("value", Float, nullable=False),
    Column("threshold", Float, nullable=False),
    Column("message_en", Text, nullable=False),
    Column("message_zh", Text, nullable=False),
    Column("first_ms", BigInteger, nullable=False, index=True),
    Column("last_ms", BigInteger, nullable=False),
    Column("count", Integer, nullable=False, default=1),
    Column("state", String(20), nullable=False, default="open"),
    Column("handled_by", String(120)),
    Column("note", Text),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("alert_id", ForeignKey("alerts.id", ondelete="CASCADE"), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("target", Text, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_ms", BigInteger, nullable=False),
    Column("state", String(20), nullable=False, default="waiting"),
    Column("error", Text),
    UniqueConstraint("alert_id", "kind", "target"),
)

rollups = Table(
    "rollups",
    metadata,
    Column("minute", BigInteger, primary_key=True, autoincrement=False),
    Column("scenario", String(100), primary_key=True),
    Column("action", String(12), primary_key=True),
    Column("count", Integer, nullable=False),
    Column("score_sum", Float, nullable=False),
    Column("time_us_sum", BigInteger, nullable=False),
    Column("time_us_max", BigInteger, nullable=False),
)

positions = Table(
    "positions",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("position", BigInteger, nullable=False),
)

Index("ix_deliveries_due", deliveries.c.state, deliveries.c.next_ms)
