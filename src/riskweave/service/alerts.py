"""Alerts: rules over outcomes, watched as decisions happen.

    share    of the last `last` decisions, more than `share` had one of `actions` (or score >= `score_min`)
    spike    in `window_s`, more than `factor` times the mean of the `windows` windows before, and >= `least`
    silence  no decision for `seconds`

A rule that goes on being true does not alert again before its cooldown: the alert that is there counts on.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from sqlalchemy import Connection, Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from riskweave.service.audit import AuditLog
from riskweave.service.database import Database
from riskweave.service.outcomes import Outcome
from riskweave.service.problems import Problem
from riskweave.service.tables import alert_rules, alerts, deliveries

STATES = ("open", "acknowledged", "resolved")
RULES_MAX = 200


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid")

    scenario: str | None = Field(None, max_length=100, description="Only this scenario; all by default.")
    severity: Literal["info", "warning", "critical"] = "warning"
    cooldown_s: int = Field(600, ge=1, le=604_800)


class Share(_Rule):
    """More than a share of the last decisions."""

    kind: Literal["share"] = "share"
    last: int = Field(100, ge=10, le=10_000)
    share: float = Field(0.2, gt=0, lt=1)
    actions: tuple[Literal["PASS", "MFA", "REVIEW", "BLOCK"], ...] = ("REVIEW", "BLOCK")
    score_min: float | None = Field(None, ge=0, le=1)


class Spike(_Rule):
    """Many more decisions than usual."""

    kind: Literal["spike"] = "spike"
    window_s: int = Field(60, ge=1, le=86_400)
    windows: int = Field(30, ge=2, le=500)
    factor: float = Field(3.0, gt=1, le=1_000)
    least: int = Field(20, ge=1)
    actions: tuple[Literal["PASS", "MFA", "REVIEW", "BLOCK"], ...] = ("PASS", "MFA", "REVIEW", "BLOCK")


class Silence(_Rule):
    """No decision for a while."""

    kind: Literal["silence"] = "silence"
    seconds: int = Field(300, ge=1, le=604_800)


RuleSettings = Annotated[Share | Spike | Silence, Field(discriminator="kind")]
_adapter: TypeAdapter[Share | Spike | Silence] = TypeAdapter(RuleSettings)


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule is true: what was measured, the limit it passed, and the words for it."""

    value: float
    threshold: float
    en: str
    zh: str


class Watcher:
    """One rule and what it remembers."""

    def __init__(self, number: int, name: str, settings: Share | Spike | Silence, targets: list[Any]) -> None:
        self.number = number
        self.name = name
        self.settings = settings
        self.targets = targets
        self._last: deque[bool] = deque()
        self._risky = 0
        self._windows: dict[int, int] = {}
        self._seen_ms = 0

    def concerns(self, outcome: Outcome) -> bool:
        return self.settings.scenario is None or outcome.scenario == self.settings.scenario

    def take(self, outcome: Outcome) -> Finding | None:
        """Take a decision in; return what is true because of it."""
        match self.settings:
            case Share():
                return self._share(self.settings, outcome)
            case Spike():
                return self._spike(self.settings, outcome)
            case Silence():
                self._seen_ms = max(self._seen_ms, outcome.at_ms)
        return None

    def tick(self, now_ms: int) -> Finding | None:
        """Return what is true because time has passed."""
        if not isinstance(self.settings, Silence):
            return None
        if not self._seen_ms:
            self._seen_ms = now_ms
        quiet_s = (now_ms - self._seen_ms) / 1000
        limit = self.settings.seconds
        if quiet_s < limit:
            return None
        where = f" ({self.settings.scenario})" if self.settings.scenario else ""
        return Finding(
            quiet_s,
            limit,
            f"No decision{where} for {quiet_s:.0f} s; expected at least one in {limit} s",
            f"已有 {quiet_s:.0f} 秒没有决策{where}，预期每 {limit} 秒至少一笔",
        )

    def _share(self, rule: Share, outcome: Outcome) -> Finding | None:
        if rule.score_min is not None:
            risky = outcome.score >= rule.score_min
        else:
            risky = outcome.action in rule.actions
        self._last.append(risky)
        self._risky += risky
        if len(self._last) > rule.last:
            self._risky -= self._last.popleft()
        share = self._risky / rule.last
        if len(self._last) < rule.last or share <= rule.share:
            return None
        return Finding(
            share,
            rule.share,
            f"{share:.0%} of the last {rule.last} decisions were high-risk; the limit is {rule.share:.0%}",
            f"最近 {rule.last} 笔决策中高风险占 {share:.0%}，超过上限 {rule.share:.0%}",
        )

    def _spike(self, rule: Spike, outcome: Outcome) -> Finding | None:
        if outcome.action not in rule.actions:
            return None
        window = outcome.at_ms // (rule.window_s * 1000)
        counts = self._windows
        counts[window] = count = counts.get(window, 0) + 1
        self._seen_ms = self._seen_ms or outcome.at_ms
        oldest = window - rule.windows
        if len(counts) > rule.windows + 1:
            for each in [each for each in counts if each < oldest]:
                del counts[each]
        complete = self._seen_ms // (rule.window_s * 1000) <= oldest
        if not complete or count < rule.least:
            return None
        usual = sum(number for each, number in counts.items() if oldest <= each < window) / rule.windows
        limit = rule.factor * usual
        if count <= limit:
            return None
        return Finding(
            count,
            limit,
            f"{count} decisions within {rule.window_s} s; usual are {usual:.1f}",
            f"{rule.window_s} 秒内 {count} 笔决策，平时为 {usual:.1f} 笔",
        )


@dataclass(slots=True)
class Alerts:
    """The rules, the alerts they raised, and what people made of them."""

    database: Database
    log: AuditLog
    _watchers: list[Watcher] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    latest: int = 0

    # ---- watching

    def load(self) -> None:
        """Take in the rules as they are now; a rule that did not change keeps what it remembers."""
        with self.database.read() as connection:
            rows = connection.execute(select(alert_rules).where(alert_rules.c.active)).all()
            last = connection.execute(select(alerts.c.id).order_by(alerts.c.id.desc()).limit(1)).scalar()
        with self._lock:
            kept = {(each.number, each.settings.model_dump_json()): each for each in self._watchers}
            self._watchers = []
            for row in rows:
                watcher = Watcher(
                    row.id, row.name, _adapter.validate_json(row.settings), json.loads(row.targets)
                )
                self._watchers.append(_with_memory(watcher, kept.get((row.id, row.settings))))
            self.latest = max(self.latest, int(last or 0))

    def warm(self, outcomes: list[Outcome]) -> None:
        """Remember decisions that were watched before the last stop, without alerting again."""
        with self._lock:
            for watcher in self._watchers:
                for each in outcomes:
                    if watcher.concerns(each):
                        watcher.take(each)

    def watch(self, outcomes: list[Outcome], now_ms: int) -> bool:
        """Take decisions in, in order; return whether an alert was raised."""
        found: list[tuple[Watcher, Finding, int, int]] = []
        with self._lock:
            for watcher in self._watchers:
                true: tuple[Finding, int, int] | None = None
                for each in outcomes:
                    if watcher.concerns(each):
                        finding = watcher.take(each)
                        if finding is not None:
                            first = each.at_ms if true is None else true[1]
                            true = (finding, first, each.at_ms)
                quiet = watcher.tick(now_ms)
                if quiet is not None:
                    true = (quiet, now_ms, now_ms)
                if true is not None:
                    found.append((watcher, *true))
            if not found:
                return False
            with self.database.change() as connection:
                return sum(self._raise(connection, *each) for each in found) > 0

    def _raise(
        self, connection: Connection, watcher: Watcher, finding: Finding, first_ms: int, last_ms: int
    ) -> bool:
        """Add an alert, or count on the one that is there."""
        since = first_ms - watcher.settings.cooldown_s * 1000
        there = connection.execute(
            select(alerts.c.id, alerts.c.count)
            .where(alerts.c.rule_id == watcher.number, alerts.c.first_ms > since)
            .order_by(alerts.c.id.desc())
            .limit(1)
        ).first()
        if there is not None:
            values = {"last_ms": last_ms, "count": there._mapping["count"] + 1, "value": finding.value}
            connection.execute(update(alerts).where(alerts.c.id == there.id).values(**values))
            return False
        done = connection.execute(
            insert(alerts).values(
                rule_id=watcher.number,
                rule=watcher.name,
                scenario=watcher.settings.scenario or "",
                severity=watcher.settings.severity,
                value=finding.value,
                threshold=finding.threshold,
                message_en=finding.en,
                message_zh=finding.zh,
                first_ms=first_ms,
                last_ms=last_ms,
                count=1,
                state="open",
            )
        )
        number = int(done.inserted_primary_key[0])  # type: ignore[index]
        for target in watcher.targets:
            connection.execute(
                insert(deliveries).values(
                    alert_id=number,
                    kind=target["kind"],
                    target=target["to"],
                    attempts=0,
                    next_ms=0,
                    state="waiting",
                )
            )
        self.latest = number
        return True

    # ---- rules

    def rules(self) -> list[dict[str, Any]]:
        with self.database.read() as connection:
            return [
                _rule(row) for row in connection.execute(select(alert_rules).order_by(alert_rules.c.name))
            ]

    def put_rule(
        self,
        actor: str,
        number: int | None,
        name: str,
        settings: Share | Spike | Silence,
        targets: list[dict[str, str]],
        active: bool,
    ) -> dict[str, Any]:
        """Add a rule, or change one."""
        values = {
            "name": name,
            "kind": settings.kind,
            "settings": settings.model_dump_json(),
            "targets": json.dumps(targets),
            "active": active,
        }
        with self.database.change() as connection:
            try:
                if number is None:
                    if len(connection.execute(select(alert_rules.c.id)).all()) >= RULES_MAX:
                        raise Problem("conflict", f"there are {RULES_MAX} alert rules already")
                    done = connection.execute(insert(alert_rules).values(**values))
                    number = int(done.inserted_primary_key[0])  # type: ignore[index]
                elif not connection.execute(
                    update(alert_rules).where(alert_rules.c.id == number).values(**values)
                ).rowcount:
                    raise Problem("not_found", "there is no such alert rule")
            except IntegrityError:
                raise Problem("conflict", f"there is an alert rule `{name}` already", "name") from None
            detail = {**settings.model_dump(), "targets": targets, "active": active}
            self.log.write(connection, actor, "alert_rule.put", name, detail)
            row = connection.execute(select(alert_rules).where(alert_rules.c.id == number)).one()
        self.load()
        return _rule(row)

    def delete_rule(self, actor: str, number: int) -> None:
        with self.database.change() as connection:
            row = connection.execute(select(alert_rules).where(alert_rules.c.id == number)).first()
            if row is None:
                raise Problem("not_found", "there is no such alert rule")
            connection.execute(delete(alert_rules).where(alert_rules.c.id == number))
            self.log.write(connection, actor, "alert_rule.delete", row.name)
        self.load()

    # ---- alerts

    def search(
        self, state: str | None, before: int | None, limit: int, scenarios: frozenset[str]
    ) -> list[dict[str, Any]]:
        """Return alerts, the latest first."""
        query = select(alerts).order_by(alerts.c.id.desc()).limit(limit)
        if state is not None:
            query = query.where(alerts.c.state == state)
        if before is not None:
            query = query.where(alerts.c.id < before)
        if scenarios:
            query = query.where(alerts.c.scenario.in_(scenarios))
        with self.database.read() as connection:
            return [dict(row._mapping) for row in connection.execute(query)]

    def since(self, number: int, limit: int, scenarios: frozenset[str]) -> list[dict[str, Any]]:
        """Return alerts after a number, in order: what a stream sends."""
        query = select(alerts).where(alerts.c.id > number).order_by(alerts.c.id).limit(limit)
        if scenarios:
            query = query.where(alerts.c.scenario.in_(scenarios))
        with self.database.read() as connection:
            return [dict(row._mapping) for row in connection.execute(query)]

    def handle(
        self, actor: str, number: int, state: str, note: str, scenarios: frozenset[str]
    ) -> dict[str, Any]:
        """Set what people made of an alert."""
        with self.database.change() as connection:
            row = connection.execute(select(alerts).where(alerts.c.id == number)).first()
            if row is None or (scenarios and row.scenario not in scenarios):
                raise Problem("not_found", "there is no such alert")
            values = {"state": state, "handled_by": actor, "note": note}
            connection.execute(update(alerts).where(alerts.c.id == number).values(**values))
            self.log.write(connection, actor, f"alert.{state}", str(number), {"note": note})
            return dict(connection.execute(select(alerts).where(alerts.c.id == number)).one()._mapping)

    def deliveries(self, number: int) -> list[dict[str, Any]]:
        with self.database.read() as connection:
            rows = connection.execute(select(deliveries).where(deliveries.c.alert_id == number))
            return [dict(row._mapping) for row in rows]


def _with_memory(new: Watcher, old: Watcher | None) -> Watcher:
    if old is None:
        return new
    old.name, old.targets = new.name, new.targets
    return old


def _rule(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "settings": json.loads(row.settings),
        "targets": json.loads(row.targets),
        "active": row.active,
    }
