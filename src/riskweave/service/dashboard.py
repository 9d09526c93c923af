"""What the dashboard shows: roll-ups of minutes, summed to what fits a screen."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from sqlalchemy import func, select

from riskweave.batch import ACTIONS
from riskweave.service.database import Database, now_ms
from riskweave.service.outcomes import MINUTE_MS
from riskweave.service.tables import alerts, rollups

POINTS_MAX = 120
STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440)


def summary(database: Database, hours: float, scenarios: frozenset[str]) -> dict[str, Any]:
    """Return the last hours in figures: totals, the period before, per scenario, and a series over time."""
    now = now_ms()
    last = now // MINUTE_MS
    minutes = max(1, round(hours * 60))
    first = last - minutes + 1
    step = next((each for each in STEPS if minutes / each <= POINTS_MAX), STEPS[-1])
    totals, before = (
        _totals(database, first, last, scenarios),
        _totals(database, first - minutes, first - 1, scenarios),
    )
    points: dict[int, Counter[str]] = defaultdict(Counter)
    by_scenario: dict[str, Counter[str]] = defaultdict(Counter)
    for minute, scenario, action, count in _cells(database, first, last, scenarios):
        points[minute - minute % step][action] += count
        by_scenario[scenario][action] += count
    return {
        "from_ms": first * MINUTE_MS,
        "until_ms": now,
        "totals": totals,
        "before": before,
        "scenarios": {name: _by_action(counts) for name, counts in sorted(by_scenario.items())},
        "step_minutes": step,
        "series": [
            {"at_ms": start * MINUTE_MS, **_by_action(points.get(start, Counter()))}
            for start in range(first - first % step, last + 1, step)
        ],
        "open_alerts": _open_alerts(database, scenarios),
    }


def _by_action(counts: Counter[str]) -> dict[str, int]:
    return {action: counts.get(action, 0) for action in ACTIONS}


def _cells(database: Database, first: int, last: int, scenarios: frozenset[str]) -> list[Any]:
    column = rollups.c
    query = select(column.minute, column.scenario, column.action, column.count).where(
        column.minute.between(first, last)
    )
    if scenarios:
        query = query.where(column.scenario.in_(scenarios))
    with database.read() as connection:
        return list(connection.execute(query))


def _totals(database: Database, first: int, last: int, scenarios: frozenset[str]) -> dict[str, Any]:
    column = rollups.c
    query = select(
        column.action,
        func.sum(column.count),
        func.sum(column.score_sum),
        func.sum(column.time_us_sum),
        func.max(column.time_us_max),
    ).where(column.minute.between(first, last))
    if scenarios:
        query = query.where(column.scenario.in_(scenarios))
    with database.read() as connection:
        rows = list(connection.execute(query.group_by(column.action)))
    decisions = sum(row[1] for row in rows)
    counts = Counter({row[0]: int(row[1]) for row in rows})
    risky = counts["REVIEW"] + counts["BLOCK"]
    return {
        "decisions": int(decisions),
        "actions": _by_action(counts),
        "high_risk_share": risky / decisions if decisions else None,
        "mean_score": float(sum(row[2] for row in rows) / decisions) if decisions else None,
        "mean_time_us": float(sum(row[3] for row in rows) / decisions) if decisions else None,
        "max_time_us": int(max((row[4] for row in rows), default=0)),
    }


def _open_alerts(database: Database, scenarios: frozenset[str]) -> int:
    query = select(func.count()).select_from(alerts).where(alerts.c.state == "open")
    if scenarios:
        query = query.where(alerts.c.scenario.in_(scenarios))
    with database.read() as connection:
        return int(connection.execute(query).scalar_one())
