"""The world: `simulate(scenario, events, seed)` gives a scenario's labelled stream, in event time.

The same arguments give the same bytes. Scenarios of the same arguments happen to the same people on the
same days, and campaigns that go through several of them have one id.
"""

from __future__ import annotations

import importlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from riskweave.errors import LimitError, RiskweaveError, did_you_mean
from riskweave.simulation import attacks
from riskweave.simulation.city import CUSTOMERS, City, city, entities
from riskweave.simulation.clock import DAY_MS, START_MS
from riskweave.simulation.columns import (
    Column,
    Flag,
    Id,
    Moment,
    Money,
    Number,
    Text,
    Word,
    digits,
    taken,
)
from riskweave.simulation.mix import Array
from riskweave.simulation.rows import NULL, Rows, join
from riskweave.simulation.stories import SCENARIOS
from riskweave.simulation.trade import STAGES, Setting, Span, Trade

__all__ = ["SCENARIOS", "entities", "schema", "simulate", "stream", "typologies"]

EVENTS_MAX = 200_000_000
DAYS_MAX = 730
BLOCK_EVENTS = 250_000


@dataclass(frozen=True)
class Wish:
    """What was asked for, checked."""

    events: int
    seed: int
    days: int
    people: int
    fraud_share: float | None
    leave_out: tuple[str, ...]
    drift: float
    season: float
    label_delay: float | None


def simulate(
    scenario: str,
    events: int = 100_000,
    seed: int = 7,
    days: int | None = None,
    fraud_share: float | None = None,
    leave_out: Collection[str] = (),
    drift: float = 0.0,
    label_delay: float | None = None,
    season: float = 1.0,
    people: int | None = None,
) -> pa.Table | dict[str, pa.Table]:
    """Return one time-ordered table of `events` rows; for `all`, a table of so many for each scenario.

    `days` from 2026-01-01 on; `fraud_share` of the events (None: the scenario's own); `leave_out` names
    typologies that do not happen; `drift` 0..1 is how much habits and attackers change by the end;
    `label_delay` is the mean number of days until a truth is known (None: each typology's own); `season`
    0..1 is how much holidays matter; `people` are the active customers (None: grows with `events`).
    """
    if scenario == "all":
        wish = _wish(events, seed, days, fraud_share, leave_out, drift, label_delay, season, people)
        return {each: pa.concat_tables(_blocks(_trade(each), wish)) for each in SCENARIOS}
    return pa.concat_tables(
        stream(scenario, events, seed, days, fraud_share, leave_out, drift, label_delay, season, people)
    )


def stream(
    scenario: str,
    events: int = 100_000,
    seed: int = 7,
    days: int | None = None,
    fraud_share: float | None = None,
    leave_out: Collection[str] = (),
    drift: float = 0.0,
    label_delay: float | None = None,
    season: float = 1.0,
    people: int | None = None,
) -> Iterator[pa.Table]:
    """Give the table of `simulate` in blocks of days, so that memory stays small."""
    wish = _wish(events, seed, days, fraud_share, leave_out, drift, label_delay, season, people)
    return _blocks(_trade(scenario), wish)


def typologies(scenario: str) -> tuple[str, ...]:
    """Return the kinds of attack that happen in a scenario."""
    return tuple(each.name for each in _trade(scenario).typologies)


def schema(scenario: str) -> pa.Schema:
    """Return the columns of a scenario's table."""
    trade = _trade(scenario)
    return _table(trade, Rows(0), 0, city(0)).schema


def _trade(scenario: str) -> Trade:
    if scenario not in SCENARIOS:
        hint = did_you_mean(scenario, [*SCENARIOS, "all"])
        raise RiskweaveError(
            f"there is no world `{scenario}`; there are: {', '.join(SCENARIOS)}"
            + (f"; {hint}" if hint else "")
        )
    module = importlib.import_module(f"riskweave.simulation.trades.{scenario}")
    trade = module.TRADE
    assert isinstance(trade, Trade)
    return trade


def _wish(
    events: int,
    seed: int,
    days: int | None,
    fraud_share: float | None,
    leave_out: Collection[str],
    drift: float,
    label_delay: float | None,
    season: float,
    people: int | None,
) -> Wish:
    if not 100 <= events <= EVENTS_MAX:
        raise LimitError(f"events: found {events:,}, expected 100 to {EVENTS_MAX:,}")
    if days is not None and not 2 <= days <= DAYS_MAX:
        raise LimitError(f"days: found {days:,}, expected 2 to {DAYS_MAX}")
    if fraud_share is not None and not 0 <= fraud_share <= 0.5:
        raise LimitError(f"fraud share: found {fraud_share}, expected 0 to 0.5")
    if not 0 <= drift <= 1 or not 0 <= season <= 3:
        raise LimitError(f"drift {drift} and season {season}: expected 0 to 1 and 0 to 3")
    if label_delay is not None and not 0 <= label_delay <= 365:
        raise LimitError(f"label delay: found {label_delay}, expected 0 to 365 days")
    if people is not None and not 50 <= people <= CUSTOMERS - 10_000:
        raise LimitError(f"people: found {people:,}, expected 50 to {CUSTOMERS - 10_000:,}")
    if not 0 <= seed < 1 << 32:
        raise LimitError(f"seed: found {seed}, expected 0 to {(1 << 32) - 1}")
    if isinstance(leave_out, str):
        leave_out = (leave_out,)
    known = {name for scenario in SCENARIOS for name in typologies(scenario)} if leave_out else set()
    for name in leave_out:
        if name not in known:
            hint = did_you_mean(name, sorted(known))
            raise RiskweaveError(f"there is no typology `{name}`" + (f"; {hint}" if hint else ""))
    return Wish(
        events,
        seed,
        days or int(np.clip(events // 1_000, 45, 90)),
        people or int(np.clip(events // 40, 200, CUSTOMERS - 10_000)),
        fraud_share,
        tuple(sorted(set(leave_out))),
        drift,
        season,
        label_delay,
    )


def _blocks(trade: Trade, wish: Wish) -> Iterator[pa.Table]:
    lives = city(wish.seed)
    setting = Setting(wish.seed, lives, wish.people, wish.days, wish.drift)
    share = trade.fraud_share if wish.fraud_share is None else wish.fraud_share
    frauds = round(wish.events * share)
    usual = 0.01 if wish.fraud_share is None else wish.fraud_share
    stories = round(wish.events * usual / attacks.STORY_EVERY)
    special = join(
        [
            attacks.attacks(trade, setting, frauds, stories, wish.leave_out, wish.label_delay),
            attacks.lookalikes(trade, setting, wish.events - frauds),
        ]
    )
    if special.size:
        special = special.take(np.argsort(special["at"], kind="stable")[: wish.events])
    weights = trade.rhythm.weights(wish.days, wish.season, wish.drift)
    plain = wish.events - special.size
    upto = np.rint(np.cumsum(weights) / weights.sum() * plain).astype(np.int64)
    block_days = max(1, int(BLOCK_EVENTS * wish.days // wish.events))
    pending, memory, done, number = Rows(0), dict[str, Array](), 0, 0
    for first in range(0, wish.days, block_days):
        last = min(first + block_days, wish.days)
        begin_ms, end_ms = START_MS + first * DAY_MS, START_MS + last * DAY_MS
        rng = np.random.default_rng([wish.seed, SCENARIOS.index(trade.code) + 1, 4, first])
        span = Span(
            **setting.__dict__,
            rng=rng,
            rhythm=trade.rhythm,
            first_day=first,
            weights=weights[first:last],
            wanted=0,
        )
        rows, pending = _filled(trade, span, pending, int(upto[last - 1]) - done, end_ms)
        done += rows.size
        if special.size:
            inside = (special["at"] >= begin_ms) & (special["at"] < end_ms)
            rows = join([rows, special.take(inside)])
        if not rows.size:
            continue
        rows = rows.take(np.argsort(rows["at"], kind="stable"))
        _truth(trade, rows, wish.label_delay, rng)
        if trade.finish:
            trade.finish(rows, memory)
        yield _table(trade, rows, number, lives)
        number += rows.size


def _filled(trade: Trade, span: Span, pending: Rows, wanted: int, end_ms: int) -> tuple[Rows, Rows]:
    """Return `wanted` legitimate events of some days, and what they bring about later."""
    due, later = _split(pending, end_ms)
    if due.size > wanted:
        # What was put off does not all find room: the last of it never happens.
        due = due.take(np.arange(due.size) < wanted)
    parts, more, missing = [due], [later], wanted - due.size
    while missing > 0:
        made = trade.legitimate(Span(**{**span.__dict__, "wanted": missing + 20}))
        visit = made["visit"] if "visit" in made else np.arange(made.size)
        order = np.argsort(visit, kind="stable")
        made, visit = made.take(order), visit[order]
        inside = made["at"] < end_ms
        counted = np.cumsum(inside)
        # Whole visits, one after the other, until there are enough; the last one may be cut short.
        kept = counted <= missing
        made, inside = made.take(kept), inside[kept]
        parts.append(made.take(inside))
        more.append(made.take(~inside))
        missing -= int(np.count_nonzero(inside))
    return join(parts), join(more)


def _split(rows: Rows, end_ms: int) -> tuple[Rows, Rows]:
    if not rows.size:
        return rows, rows
    inside = rows["at"] < end_ms
    return rows.take(inside), rows.take(~inside)


def _truth(trade: Trade, rows: Rows, label_delay: float | None, rng: np.random.Generator) -> None:
    """Give legitimate events their truth; attacks have theirs."""
    usual = attacks.usual_delay(trade) if label_delay is None else label_delay
    later = rows["at"] + (usual * rng.lognormal(-0.1, 0.45, rows.size) * DAY_MS).astype(np.int64)
    for name, value in (("fraud", 0), ("typology", 0), ("campaign", NULL), ("stage", 0), ("loss", 0)):
        given = rows[name] if name in rows else np.full(rows.size, NULL)
        rows[name] = np.where(given == NULL, value, given)
    given = rows["label_at"] if "label_at" in rows else np.full(rows.size, NULL)
    rows["label_at"] = np.where(given == NULL, later, given)


def _table(trade: Trade, rows: Rows, number: int, lives: City) -> pa.Table:
    size = rows.size
    whole: dict[str, pa.Array] = {}
    whole["type"] = _column(Word(trade.types), rows, "type", lives)
    whole["event_id"] = digits(trade.prefix, np.arange(number + 1, number + 1 + size), 9)
    whole["at"] = _column(Moment(), rows, "at", lives)
    for name, column in trade.columns.items():
        whole[name] = _column(column, rows, name, lives)
    whole["fraud"] = _column(Flag(), rows, "fraud", lives)
    whole["label_at"] = _column(Moment(), rows, "label_at", lives)
    whole["typology"] = _column(
        Word(("", *(each.name for each in trade.typologies))), rows, "typology", lives
    )
    whole["campaign"] = _campaigns(rows)
    whole["stage"] = _column(Word(STAGES), rows, "stage", lives)
    whole["loss"] = _column(Money(), rows, "loss", lives)
    return pa.table(whole)


def _column(column: Column, rows: Rows, name: str, lives: City) -> pa.Array:
    values = rows[name] if name in rows else np.full(rows.size, NULL)
    if isinstance(column, Text):
        return taken(getattr(lives, column.of), values)
    if not isinstance(column, Number) and values.dtype.kind == "f":
        values = np.where(np.isnan(values), NULL, values).astype(np.int64)
    return column.write(values)


def _campaigns(rows: Rows) -> pa.Array:
    if "campaign" not in rows:
        return pa.array([], pa.string())
    numbers, places = np.unique(rows["campaign"], return_inverse=True)
    texts = Id("g", 8).write(numbers).fill_null("")
    return texts.take(pa.array(places.astype(np.int32)))
