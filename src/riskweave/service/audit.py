"""The audit log: who changed what, each entry chained to the one before by its hash.

Whoever changes, removes or inserts an entry breaks the chain from there on; whoever cuts off the
end contradicts the head, which is kept beside the database. With `security.audit_key` the hashes
are HMACs, so that even someone who can write everywhere cannot make a chain that fits.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select

from riskweave.service.database import Database, now_ms
from riskweave.service.tables import audit

BEGINNING = "0" * 64
HEAD_FILE = "audit.head"
DETAIL_CHARACTERS_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verification found: how many entries are sound, and what is wrong (empty: nothing)."""

    entries: int
    wrong: str = ""


class AuditLog:
    """Writes and verifies the chain."""

    def __init__(self, data: Path, key: str = "") -> None:
        self.head_file = data / HEAD_FILE
        self._key = key.encode()

    def write(
        self,
        connection: Connection,
        actor: str,
        action: str,
        target: str,
        detail: dict[str, Any] | None = None,
    ) -> int:
        """Add an entry in the transaction of the change that it tells of."""
        last = connection.execute(
            select(audit.c.sequence, audit.c.hash).order_by(audit.c.sequence.desc()).limit(1)
        ).first()
        sequence, previous = (last.sequence + 1, last.hash) if last else (1, BEGINNING)
        text = json.dumps(detail or {}, sort_keys=True, ensure_ascii=False, default=str)
        if len(text) > DETAIL_CHARACTERS_MAX:
            text = json.dumps({"shortened": text[:DETAIL_CHARACTERS_MAX]}, ensure_ascii=False)
        entry = {
            "sequence": sequence,
            "at_ms": now_ms(),
            "actor": actor[:120],
            "action": action,
            "target": target[:255],
            "detail": text,
            "previous": previous,
        }
        digest = self._hash(entry)
        connection.execute(audit.insert().values(**entry, hash=digest))
        self._keep_head(sequence, digest, previous)
        return int(sequence)

    def verify(self, database: Database) -> Verdict:
        """Walk the whole chain and compare its end with the head."""
        expected, previous, last = 1, BEGINNING, BEGINNING
        with database.read() as connection:
            for row in connection.execute(
                select(audit).order_by(audit.c.sequence).execution_options(yield_per=1000)
            ):
                entry = dict(row._mapping)
                digest = entry.pop("hash")
                if entry["sequence"] != expected:
                    return Verdict(expected - 1, f"entry {expected} is missing: {entry['sequence']} follows")
                if entry["previous"] != previous:
                    return Verdict(expected - 1, f"entry {expected} does not follow the entry before it")
                if not hmac.compare_digest(self._hash(entry), digest):
                    return Verdict(expected - 1, f"entry {expected} was changed after it was written")
                expected, previous, last = expected + 1, digest, digest
        return Verdict(expected - 1, self._contradiction(expected - 1, last))

    def count(self, database: Database) -> int:
        with database.read() as connection:
            return int(connection.execute(select(func.count()).select_from(audit)).scalar_one())

    def _contradiction(self, entries: int, last: str) -> str:
        """Return how the kept head contradicts the chain's end.

        The head is written just before its entry is committed, so after a crash or a refused commit it
        may be one ahead: then it says which entry it follows.
        """
        if not self.head_file.exists():
            return "" if not entries else f"`{self.head_file.name}` is missing, so the end cannot be trusted"
        sequence, digest, before = self.head_file.read_text().split()
        if (int(sequence), digest) == (entries, last) or (int(sequence) - 1, before) == (entries, last):
            return ""
        return (
            f"the log ends at entry {entries}, but its head says {sequence}: entries were cut off or replaced"
        )

    def _hash(self, entry: dict[str, Any]) -> str:
        text = json.dumps(entry, sort_keys=True, ensure_ascii=False).encode()
        if self._key:
            return hmac.new(self._key, text, hashlib.sha256).hexdigest()
        return hashlib.sha256(text).hexdigest()

    def _keep_head(self, sequence: int, digest: str, previous: str) -> None:
        waiting = self.head_file.with_suffix(".new")
        with open(waiting, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as stream:
            stream.write(f"{sequence} {digest} {previous}\n")
            stream.flush()
            os.fsync(stream.fileno())
        waiting.replace(self.head_file)
