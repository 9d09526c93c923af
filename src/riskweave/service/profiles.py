"""Entity profiles in Redis, for other systems to read: what was decided last of a customer, a device, a card.

Optional (extra `redis`) and beside the decision: a slow or absent Redis costs nothing but profiles, which
are dropped and counted. A profile is a hash under `<prefix><role>:<key>` with a time to live. Personal
fields stay out.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import structlog

from riskweave.errors import RiskweaveError
from riskweave.service.meter import Meter
from riskweave.service.port import Decided
from riskweave.service.settings import Redis

AT_ONCE = 500

log = structlog.get_logger("riskweave.profiles")


class Profiles:
    """A bounded queue and the task that writes it, one pipeline at a time."""

    def __init__(self, settings: Redis, meter: Meter) -> None:
        self.settings = settings
        self.meter = meter
        self.on = bool(settings.url)
        self._queue: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue(settings.queue)
        self._client: Any = None
        self._task: asyncio.Task[None] | None = None

    async def start(self, client: Any = None) -> None:
        if not self.on:
            return
        self._client = client or _connect(self.settings.url)
        self._task = asyncio.create_task(self._run(), name="profiles")

    async def stop(self) -> None:
        """Write what waits, within two seconds, and close."""
        if self._task is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2.0):
                await self._queue.join()
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        await self._client.aclose()

    def offer(self, scenario: str, decided: Decided, keys: dict[str, str]) -> None:
        """Take a decision's profiles, or drop them when Redis is too slow."""
        decision = decided.decision
        content = {
            "action": decision.action,
            "score": decision.score,
            "scenario": scenario,
            "time_ms": decision.time_ms,
            "sequence": decided.sequence,
            "rules": ",".join(decision.rules),
        }
        numbers = {
            f"feature:{name}": value
            for name, value in decision.features.items()
            if isinstance(value, (int, float)) and not isinstance(value, bool)
        }
        for role, key in keys.items():
            try:
                self._queue.put_nowait((f"{self.settings.prefix}{role}:{key}", content | numbers))
            except asyncio.QueueFull:
                self.meter.cache_dropped += 1

    async def _run(self) -> None:
        while True:
            part = [await self._queue.get()]
            while len(part) < AT_ONCE and not self._queue.empty():
                part.append(self._queue.get_nowait())
            try:
                async with self._client.pipeline(transaction=False) as pipe:
                    for name, content in part:
                        pipe.hset(name, mapping=content)
                        pipe.expire(name, self.settings.ttl_s)
                    await pipe.execute()
            except Exception as error:  # whatever Redis does, decisions go on
                self.meter.cache_dropped += len(part)
                log.warning("profiles were not written", error=type(error).__name__)
                await asyncio.sleep(0.5)
            finally:
                for _ in part:
                    self._queue.task_done()


def _connect(url: str) -> Any:
    try:
        from redis.asyncio import from_url
    except ImportError:
        raise RiskweaveError(
            "redis.url is set, but redis is not installed: pip install 'riskweave[redis]'"
        ) from None
    return from_url(url, socket_timeout=2.0, socket_connect_timeout=2.0)
