"""The demo's world: one simulated city, a part of it history and the rest live, kept in the demo's folder.

    world.parquet   the city's events with their truth
    demo.json       where the demo stands; written about once a second

Event times are moved by whole weeks, so that hours and weekdays stay what they are, to where history ends
within the week before the first start. The city's clock runs faster than ours: one event follows the
other at `--rate`, however long people took in between.
"""

from __future__ import annotations

import datetime
import heapq
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from riskweave.errors import RiskweaveError, did_you_mean

# What an event cannot know of itself.
TRUTH = ("fraud", "label_at", "typology", "campaign", "stage", "loss")
HISTORY = 0.4
# A campaign is looked for in a city of attacks alone, among the same people.
CAMPAIGN_EVENTS = 6_000
CAMPAIGN_SHARE = 0.3
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
WEEK_MS = 7 * DAY_MS

Record = dict[str, Any]


class Injected(msgspec.Struct, frozen=True):
    """A campaign somebody asked for: its kind, its number, and the earliest that it begins."""

    typology: str
    number: int
    start_ms: int


class Progress(msgspec.Struct, kw_only=True):
    """Where a demo stands."""

    scenario: str
    seed: int
    events: int
    shift_ms: int
    history_sent: int = 0
    live_sent: int = 0
    clock_ms: int = 0
    injected: list[Injected] = []
    decisions: int = 0
    actions: dict[str, int] = {}
    frauds: int = 0
    caught: int = 0
    false_alarms: int = 0
    labels: int = 0


@dataclass(frozen=True, slots=True)
class Event:
    """What the service is asked, and what really was."""

    at_ms: int
    record: Record
    fraud: bool
    typology: str
    label_at_ms: int


@dataclass
class World:
    """The city and where the demo stands in it."""

    folder: Path
    table: Any
    progress: Progress

    @property
    def first_live(self) -> int:
        """Return the row at which live begins."""
        return int(self.table.num_rows * HISTORY)

    def history(self) -> Iterator[list[Record]]:
        """Give what is not yet sent of history, in parts, each event with its truth as history has it."""
        while self.progress.history_sent < self.first_live:
            size = min(5_000, self.first_live - self.progress.history_sent)
            rows = self.table.slice(self.progress.history_sent, size).to_pylist()
            part = [self._event(row, self.progress.shift_ms) for row in rows]
            yield [{**each.record, "fraud": each.fraud} for each in part]
            self.progress.history_sent += size

    def live(self) -> Iterator[Event]:
        """Give what is not yet sent of the live part."""
        start = self.first_live + self.progress.live_sent
        for batch in self.table.slice(start).to_batches(max_chunksize=2_000):
            for row in batch.to_pylist():
                yield self._event(row, self.progress.shift_ms)

    def waiting_labels(self) -> Iterator[Event]:
        """Give the live events that were sent and whose truth is still to come."""
        sent = self.table.slice(self.first_live, self.progress.live_sent)
        for row in sent.to_pylist():
            event = self._event(row, self.progress.shift_ms)
            if event.label_at_ms > self.progress.clock_ms:
                yield event

    def inject(self, typology: str) -> tuple[list[Event], str]:
        """Return a campaign that begins within a day of the city's clock, and what to tell whoever asked."""
        number = sum(each.typology == typology for each in self.progress.injected)
        wanted = Injected(typology, number, self.progress.clock_ms + 1_000)
        events = self.campaign(wanted)
        self.progress.injected.append(wanted)
        frauds = sum(each.fraud for each in events)
        hours = (events[-1].at_ms - events[0].at_ms) / HOUR_MS
        told = (
            f"{typology}: {len(events)} events, {frauds} of them fraud, over {hours:.1f} hours, "
            f"from {_iso(events[0].at_ms)[:16]} of the city's clock"
        )
        return events, told

    def campaign(self, wanted: Injected) -> list[Event]:
        """Return the events of one campaign among the people of this city, in the order of time."""
        import pyarrow as pa
        import pyarrow.compute as pc

        from riskweave.simulation import world

        known = world.typologies(self.progress.scenario)
        if wanted.typology not in known:
            hint = did_you_mean(wanted.typology, known) or f"there are: {', '.join(known)}"
            raise RiskweaveError(f"`{self.progress.scenario}` has no attack `{wanted.typology}`; {hint}")
        city = world.simulate(
            self.progress.scenario,
            CAMPAIGN_EVENTS,
            self.progress.seed,
            fraud_share=CAMPAIGN_SHARE,
            leave_out=[name for name in known if name != wanted.typology],
            people=people(self.progress.events),
        )
        assert isinstance(city, pa.Table)
        campaigns: dict[str, list[Record]] = {}
        for row in city.filter(pc.not_equal(city["campaign"], "")).to_pylist():
            campaigns.setdefault(row["campaign"], []).append(row)
        whole = [each for each in campaigns.values() if any(row["fraud"] for row in each)]
        if not whole:
            raise RiskweaveError(f"no campaign of `{wanted.typology}` happens among so few people")
        rows = sorted(whole, key=_showing)[wanted.number % len(whole)]
        # By whole days: an attack at night stays one at night.
        shift_ms = -((_ms(rows[0]["at"]) - wanted.start_ms) // DAY_MS) * DAY_MS
        prefix = f"{wanted.typology}-{wanted.number + 1}-"
        return [self._event({**row, "event_id": prefix + row["event_id"]}, shift_ms) for row in rows]

    def save(self) -> None:
        """Write where the demo stands; the file is whole at every moment."""
        new = self.folder / "demo.json.new"
        new.write_bytes(msgspec.json.encode(self.progress))
        os.replace(new, self.folder / "demo.json")

    def _event(self, row: Record, shift_ms: int) -> Event:
        at_ms = _ms(row["at"]) + shift_ms
        record = {
            name: _iso(_ms(value) + shift_ms) if isinstance(value, datetime.datetime) else value
            for name, value in row.items()
            if value is not None and name not in TRUTH
        }
        return Event(at_ms, record, row["fraud"], row["typology"], _ms(row["label_at"]) + shift_ms)


class Stream:
    """Live events and injected campaigns in the order of the city's clock, and truths that are due."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._live = world.live()
        self._next = next(self._live, None)
        self._added: list[tuple[int, int, Event]] = []
        self._labels: list[tuple[int, int, Event]] = []
        self._count = 0
        for event in world.waiting_labels():
            self._expect(event)
        for injected in world.progress.injected:
            for event in world.campaign(injected):
                if event.at_ms > world.progress.clock_ms:
                    self.add([event])
                elif event.label_at_ms > world.progress.clock_ms:
                    self._expect(event)

    def add(self, events: list[Event]) -> None:
        """Let a campaign happen beside everything else."""
        for event in events:
            self._count += 1
            heapq.heappush(self._added, (event.at_ms, self._count, event))

    def next(self) -> Event | None:
        """Return the next event and move the clock; None when the city has lived to its end."""
        progress = self.world.progress
        if self._added and (self._next is None or self._added[0][0] <= self._next.at_ms):
            event = heapq.heappop(self._added)[2]
        elif self._next is not None:
            event, self._next = self._next, next(self._live, None)
            progress.live_sent += 1
        else:
            return None
        progress.clock_ms = max(progress.clock_ms, event.at_ms)
        self._expect(event)
        return event

    def labels(self) -> Iterator[Event]:
        """Give the events whose truth has become known."""
        while self._labels and self._labels[0][0] <= self.world.progress.clock_ms:
            yield heapq.heappop(self._labels)[2]

    def _expect(self, event: Event) -> None:
        self._count += 1
        heapq.heappush(self._labels, (event.label_at_ms, self._count, event))


def open_world(
    folder: Path, scenario: str | None, events: int, seed: int, progress: Callable[[int], None]
) -> World:
    """Return the folder's world, made at the first start; later ones go on where it stands."""
    import pyarrow.parquet as pq

    state, file = folder / "demo.json", folder / "world.parquet"
    if state.exists():
        try:
            told = msgspec.json.decode(state.read_bytes(), type=Progress)
        except msgspec.DecodeError as error:
            raise RiskweaveError(f"`{state}` cannot be read ({error}); remove `{folder}`") from None
        if scenario not in (None, told.scenario):
            raise RiskweaveError(
                f"`{folder}` holds a demo of `{told.scenario}`; choose another --data for `{scenario}`"
            )
        return World(folder, pq.read_table(file), told)
    if folder.exists() and any(each != file for each in folder.iterdir()):
        raise RiskweaveError(f"`{folder}` is not empty and no demo's; choose another --data")
    scenario = scenario or "credit_card"
    table = _simulated(scenario, events, seed, progress)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    pq.write_table(table, file, compression="zstd")
    last_ms = _ms(table["at"][int(table.num_rows * HISTORY) - 1].as_py())
    shift_ms = (time.time_ns() // 1_000_000 - last_ms) // WEEK_MS * WEEK_MS
    begun = Progress(
        scenario=scenario, seed=seed, events=events, shift_ms=shift_ms, clock_ms=last_ms + shift_ms
    )
    made = World(folder, table, begun)
    made.save()
    return made


def people(events: int) -> int:
    """Return how many customers the city has."""
    return max(200, min(events // 40, 20_000))


def _simulated(scenario: str, events: int, seed: int, progress: Callable[[int], None]) -> Any:
    import pyarrow as pa

    from riskweave.simulation import world

    tables, done = [], 0
    for table in world.stream(scenario, events, seed, people=people(events)):
        tables.append(table)
        done += table.num_rows
        progress(done)
    return pa.concat_tables(tables)


def _showing(rows: list[Record]) -> tuple[int, int, str]:
    """Order campaigns: those of an evening before those of weeks, and the larger ones first."""
    hours = (_ms(rows[-1]["at"]) - _ms(rows[0]["at"])) / HOUR_MS
    length = 0 if hours <= 6 else 1 if hours <= 48 else 2
    return length, -sum(row["fraud"] for row in rows), rows[0]["campaign"]


def _ms(moment: datetime.datetime) -> int:
    return round(moment.timestamp() * 1000)


def _iso(ms: int) -> str:
    return datetime.datetime.fromtimestamp(ms / 1000, datetime.UTC).isoformat(timespec="milliseconds")
