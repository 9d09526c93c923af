"""Attempts that a role does not allow, in the audit log: the same one once a minute, in case of a flood."""

from __future__ import annotations

import asyncio
import time

import structlog

from riskweave.service.audit import AuditLog
from riskweave.service.database import Database
from riskweave.service.problems import Problem

QUIET_S = 60.0
REMEMBERED = 5_000

log = structlog.get_logger("riskweave.denials")


class Denials:
    """Writes denied attempts beside the requests: nobody waits for it."""

    def __init__(self, database: Database, log: AuditLog) -> None:
        self.database = database
        self.log = log
        self._told: dict[tuple[str, str, str], float] = {}
        self._writing: set[asyncio.Task[None]] = set()

    def note(self, actor: str, method: str, path: str, code: str) -> None:
        """Note an attempt, on the event loop; `path` is a route's pattern, without ids."""
        now = time.monotonic()
        key = (actor, f"{method} {path}", code)
        if now - self._told.get(key, -QUIET_S) < QUIET_S:
            return
        if len(self._told) >= REMEMBERED:
            self._told.clear()
        self._told[key] = now
        task = asyncio.ensure_future(asyncio.to_thread(self._write, *key))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def finish(self) -> None:
        """Wait until everything noted is written."""
        await asyncio.gather(*self._writing)

    def _write(self, actor: str, target: str, code: str) -> None:
        try:
            with self.database.change() as connection:
                self.log.write(connection, actor, "denied", target, {"code": code})
        except Problem as problem:
            log.error("a denied attempt could not be noted", error=problem.message)
