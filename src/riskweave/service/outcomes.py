"""Outcomes as they happen: one small tuple a decision, for dashboard and alerts.

They come from the answers themselves, so nothing is read back from the journal while the service runs.
What was rolled up and up to which sequence is stored together, so after a crash the rest is taken from
the journal: every decision is counted exactly once.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, case, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from riskweave.service.database import Database, now_ms
from riskweave.service.port import Recorded
from riskweave.service.tables import positions, rollups

MINUTE_MS = 60_000
POSITION = "rollups"
KEPT_DAYS = 400


class Outcome(NamedTuple):
    """A decision in short; `at_ms` is the wall clock when it was taken in."""

    sequence: int
    at_ms: int
    scenario: str
    action: str
    score: float
    time_us: float


@dataclass(slots=True)
class Cell:
    """What one minute, scenario and action add up to."""

    count: int = 0
    score_sum: float = 0.0
    time_us_sum: float = 0
    time_us_max: float = 0

    def add(self, outcome: Outcome) -> None:
        self.count += 1
        self.score_sum += outcome.score
        self.time_us_sum += outcome.time_us
        self.time_us_max = max(self.time_us_max, outcome.time_us)


class Outcomes:
    """Collects outcomes on the event loop; `take` hands them to whoever rolls up and watches.

    Events of a batch are answered together, and others may be answered between: until the batch is told,
    nothing behind its beginning is handed on, so that what is handed on is complete up to its last sequence.
    """

    def __init__(self) -> None:
        self._waiting: list[Outcome] = []
        self._held: Counter[int] = Counter()
        self.latest = 0

    def add(self, outcome: Outcome) -> None:
        self._waiting.append(outcome)
        if outcome.sequence > self.latest:
            self.latest = outcome.sequence

    def add_all(self, outcomes: list[Outcome]) -> None:
        """Take the outcomes of a batch, in order."""
        self._waiting += outcomes
        self.latest = max(self.latest, outcomes[-1].sequence)

    def hold(self) -> int:
        """Hold back what comes from now on, until `release` of what this returns."""
        self._held[self.latest] += 1
        return self.latest

    def release(self, held: int) -> None:
        self._held[held] -= 1
        if not self._held[held]:
            del self._held[held]

    def take(self) -> list[Outcome]:
        """Return what came since the last call and is complete, in order."""
        waiting, self._waiting = self._waiting, []
        if self._held:
            end = min(self._held)
            self._waiting = [each for each in waiting if each.sequence > end]
            waiting = [each for each in waiting if each.sequence <= end]
        return sorted(waiting)


def roll_up(database: Database, outcomes: list[Outcome]) -> None:
    """Add outcomes to the stored minutes, with the position they reach, in one transaction."""
    if not outcomes:
        return
    cells: dict[tuple[int, str, str], Cell] = defaultdict(Cell)
    for each in outcomes:
        cells[each.at_ms // MINUTE_MS, each.scenario, each.action].add(each)
    with database.change() as connection:
        for (minute, scenario, action), cell in cells.items():
            _add_cell(connection, minute, scenario, action, cell)
        _set_position(connection, max(each.sequence for each in outcomes))


def _add_cell(connection: Connection, minute: int, scenario: str, action: str, cell: Cell) -> None:
    values = {
        "minute": minute,
        "scenario": scenario,
        "action": action,
        "count": cell.count,
        "score_sum": cell.score_sum,
        "time_us_sum": round(cell.time_us_sum),
        "time_us_max": round(cell.time_us_max),
    }
    insert = (
        (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(rollups).values(values)
    )
    new = insert.excluded
    old = rollups.c
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=["minute", "scenario", "action"],
            set_={
                "count": old.count + new.count,
                "score_sum": old.score_sum + new.score_sum,
                "time_us_sum": old.time_us_sum + new.time_us_sum,
                "time_us_max": _greater(old.time_us_max, new.time_us_max),
            },
        )
    )


def _greater(first: ColumnElement[int], second: ColumnElement[int]) -> ColumnElement[int]:
    return case((first > second, first), else_=second)


def _set_position(connection: Connection, position: int) -> None:
    connection.execute(delete(positions).where(positions.c.name == POSITION))
    connection.execute(positions.insert().values(name=POSITION, position=position))


def rolled_up_to(database: Database) -> int:
    """Return the last sequence that the stored minutes contain."""
    with database.read() as connection:
        found = connection.execute(select(positions.c.position).where(positions.c.name == POSITION)).scalar()
    return int(found or 0)


def forget_old(database: Database) -> None:
    """Drop minutes older than anybody asks for."""
    with database.change() as connection:
        oldest = now_ms() // MINUTE_MS - KEPT_DAYS * 1440
        connection.execute(delete(rollups).where(rollups.c.minute < oldest))


def outcome_of(recorded: Recorded, scenario: str) -> Outcome:
    """Return a stored decision in short."""
    decision = recorded.decision
    return Outcome(recorded.sequence, recorded.received_ms, scenario, decision.action, decision.score, 0)


__all__ = ["Outcome", "Outcomes", "forget_old", "outcome_of", "roll_up", "rolled_up_to"]
