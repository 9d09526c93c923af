"""The service as one value: engine, database, people, alerts, counters, wired together."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import structlog

from riskweave.policy.policy import Policy
from riskweave.service.accounts import Accounts
from riskweave.service.alerts import Alerts
from riskweave.service.archive import PolicyArchive
from riskweave.service.audit import AuditLog
from riskweave.service.bridge import Bridge
from riskweave.service.database import Database, now_ms
from riskweave.service.delivery import Deliveries
from riskweave.service.denials import Denials
from riskweave.service.errors import problem_of
from riskweave.service.gate import Gate, LoginLimit
from riskweave.service.live import Live
from riskweave.service.meter import Meter
from riskweave.service.outcomes import Outcome, Outcomes, forget_old, outcome_of, roll_up, rolled_up_to
from riskweave.service.port import Backend, Decided, Event
from riskweave.service.problems import Problem
from riskweave.service.profiles import Profiles
from riskweave.service.roles import Identity
from riskweave.service.settings import Settings
from riskweave.service.telling import Told

T = TypeVar("T")
FOLLOW_BATCH = 5_000
# How many decisions before the last stop the alert rules look at again, to know their windows.
REMEMBERED = 10_000
COMMAND_S = 600.0

log = structlog.get_logger("riskweave.service")


class Service:
    """What requests are answered with. Made before the event loop runs; `start` and `stop` belong to it."""

    bridge: Bridge

    def __init__(
        self, backend: Backend, policy: Policy, data: Path, settings: Settings, database: Database
    ) -> None:
        self.backend = backend
        self.data = data
        self.settings = settings
        self.database = database
        self.live = Live(policy)
        self.log = AuditLog(data, settings.security.audit_key)
        self.accounts = Accounts(database, self.log, settings.security)
        self.gate = Gate(self.accounts)
        self.logins = LoginLimit(settings.security.login_attempts, settings.security.login_window_s)
        self.policies = PolicyArchive(database, self.log, data, settings.limits)
        self.meter = Meter(lambda: self.backend.health().figures)
        self.outcomes = Outcomes()
        self.alerts = Alerts(database, self.log)
        self.deliveries = Deliveries(database, settings.alerts, self.meter)
        self.profiles = Profiles(settings.redis, self.meter)
        self.started_ms = now_ms()
        # Where the journal ended before this process decided anything.
        self.began_at = backend.position()
        self.denials = Denials(database, self.log)
        self.stopping = False
        self.caught_up = False
        self.reading_failed = ""
        self.arrived: asyncio.Event
        self._tasks: list[asyncio.Task[None]] = []

    # ---- life

    async def start(self) -> None:
        """Begin what runs beside the requests."""
        self.bridge = Bridge()
        self.arrived = asyncio.Event()
        self.alerts.load()
        self._tasks = [
            asyncio.create_task(self._follow(), name="outcomes"),
            asyncio.create_task(self.deliveries.run(), name="deliveries"),
        ]
        await self.profiles.start()
        log.info("service started", policy=self.live.name, version=self.live.version)

    async def stop(self) -> None:
        """Let what is under way end; then close everything."""
        self.stopping = True
        self.arrived.set()
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await asyncio.to_thread(self.backend.close, self.settings.server.drain_s)
        if self.caught_up:
            await asyncio.to_thread(self._take_in, self.outcomes.take())
        await self.profiles.stop()
        await self.denials.finish()
        self.database.close()
        log.info("service stopped")

    # ---- what happened

    def count(self, done: Future[Decided], event: Event, scenario: str) -> None:
        """Count an answer, on the event loop, whether or not its sender still waits."""
        if not done.cancelled() and done.exception() is None:
            self.count_one(done.result(), event, scenario)

    def count_one(self, decided: Decided, event: Event, scenario: str) -> None:
        meter, decision = self.meter, decided.decision
        if decided.duplicate:
            meter.duplicates += 1
            return
        meter.decisions[decision.action, scenario] += 1
        meter.rungs[decided.rung] += 1
        meter.deciding.add(decided.processing_us / 1e6)
        self.outcomes.add(
            Outcome(
                decided.sequence, now_ms(), scenario, decision.action, decision.score, decided.processing_us
            )
        )
        if self.profiles.on:
            self.profiles.offer(scenario, decided, self.live.keys(event))
        if not self.arrived.is_set():
            self.arrived.set()

    def count_many(self, answers: Sequence[Told | dict[str, Any]]) -> None:
        """Count the answers of a batch, on the event loop."""
        meter = self.meter
        at_ms = now_ms()
        fresh = [each for each in answers if isinstance(each, Told) and not each.duplicate]
        meter.duplicates += sum(isinstance(each, Told) for each in answers) - len(fresh)
        if not fresh:
            return
        time_us = fresh[-1].processing_time_us
        meter.decisions.update(Counter((each.action, each.scenario) for each in fresh))
        meter.rungs.update(Counter(each.rung for each in fresh))
        meter.deciding.add(time_us / 1e6, len(fresh))
        self.outcomes.add_all(
            [Outcome(each.sequence, at_ms, each.scenario, each.action, each.score, time_us) for each in fresh]
        )
        if not self.arrived.is_set():
            self.arrived.set()

    def offer_many(self, results: Iterable[Decided | Exception], events: Sequence[Event]) -> None:
        """Leave the profiles of a batch to other systems."""
        for result, event in zip(results, events, strict=True):
            if not isinstance(result, Exception) and not result.duplicate:
                self.profiles.offer(self.live.scenario(event), result, self.live.keys(event))

    async def _follow(self) -> None:
        """Roll up outcomes and watch for alerts; first those that were decided before a crash."""
        await asyncio.to_thread(self._catch_up)
        self.caught_up = True
        while True:
            await asyncio.sleep(self.settings.alerts.every_s)
            try:
                raised = await asyncio.to_thread(self._take_in, self.outcomes.take())
            except Problem as problem:
                log.error("outcomes cannot be stored", error=problem.message)
                continue
            if raised:
                self.deliveries.wake()
                self.arrived.set()

    def _catch_up(self) -> None:
        """Take from the journal what was decided and not yet rolled up.

        Decisions made since this start come by themselves: the journal is read to where it ended.
        """
        last = rolled_up_to(self.database)
        end = self.began_at
        known: list[Outcome] = []
        part: list[Outcome] = []
        try:
            for each in self.backend.stream(max(1, last + 1 - REMEMBERED)):
                if each.sequence > end:
                    break
                outcome = outcome_of(each, self.live.scenario(each.event))
                if each.sequence <= last:
                    known.append(outcome)
                    continue
                if known:
                    self.alerts.warm(known)
                    known = []
                part.append(outcome)
                if len(part) >= FOLLOW_BATCH:
                    self._take_in(part)
                    part = []
            self.alerts.warm(known)
            self._take_in(part)
        except Exception as error:  # the service serves without its past; it must say so
            self.reading_failed = f"the journal's past cannot be read: {type(error).__name__}"
            log.error("catching up failed", error=str(error))
        forget_old(self.database)

    def _take_in(self, outcomes: list[Outcome]) -> bool:
        roll_up(self.database, outcomes)
        return self.alerts.watch(outcomes, now_ms())

    # ---- commands and errors

    def command(self, actor: str, action: str, target: str, detail: dict[str, Any], future: Any) -> Any:
        """Write the audit entry, tell the engine, and wait: in a worker thread.

        `future` is a function that submits the command, so that nothing is done without its entry.
        A command that is refused leaves a second entry.
        """
        with self.database.change() as connection:
            self.log.write(connection, actor, action, target, detail)
        try:
            return future().result(COMMAND_S)
        except Exception as error:
            with self.database.change() as connection:
                self.log.write(
                    connection, actor, f"{action}.refused", target, {"error": type(error).__name__}
                )
            raise

    def refresh_policy(self) -> None:
        """See the policy that decides now: after an activation or a rollback."""
        policy = self.backend.read(lambda engine: engine.policy).result(COMMAND_S)
        if policy.version != self.live.version:
            self.live = Live(policy)

    def note_denied(self, identity: Identity | None, method: str, path: str, problem: Problem) -> None:
        """Leave an entry in the audit log when somebody tried what their role does not allow."""
        if identity is not None and problem.status == 403:
            self.denials.note(identity.actor, method, path, problem.code)

    def tell(self, error: BaseException, request_id: str, identity: Identity | None) -> Problem:
        """Return the problem of an error, and log it when nobody foresaw it."""
        problem = problem_of(error, self.live.masks, identity)
        if problem.status == 500:
            log.error("unforeseen error", exc_info=error, **{"http.request.id": request_id})
        return problem

    def state(self) -> dict[str, Any]:
        """Return how everything is, for /health."""
        health = self.backend.health()
        reasons = list(health.reasons)
        if self.reading_failed:
            reasons.append(self.reading_failed)
        if self.stopping:
            reasons.append("stopping")
        return {
            "state": "stopping" if self.stopping else health.state,
            "reasons": reasons,
            "policy": {"name": self.live.name, "version": self.live.version},
            "started_ms": self.started_ms,
            "caught_up": self.caught_up,
            "engine": dict(health.figures),
        }
