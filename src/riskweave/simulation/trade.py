"""What a scenario has to say to be simulated, and what it is given to say it with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from riskweave.simulation.city import MERCHANTS, City
from riskweave.simulation.clock import DAY_MS, START_MS, Rhythm, hours
from riskweave.simulation.columns import Column
from riskweave.simulation.mix import Array, mix
from riskweave.simulation.rows import Rows, choose

# In the order in which a campaign goes through those it has.
STAGES = (
    "",
    "probe",
    "contact",
    "access",
    "prepare",
    "build_up",
    "act",
    "collect",
    "layer",
    "cash_out",
    "bust",
    "cover",
)


def stage(name: str) -> int:
    """Return a stage's number."""
    return STAGES.index(name)


@dataclass(frozen=True)
class Setting:
    """What holds for a whole run."""

    seed: int
    city: City
    people: int  # active customers are 0 .. people-1
    days: int
    drift: float

    @property
    def shops(self) -> int:
        """Active merchants are 0 .. shops-1."""
        return int(np.clip(self.people // 6, 60, MERCHANTS))

    @property
    def firms(self) -> int:
        """Active companies are 0 .. firms-1."""
        return int(np.clip(self.people // 10, 60, len(self.city.company_industry)))

    @property
    def end_ms(self) -> int:
        """The moment after the last."""
        return START_MS + self.days * DAY_MS

    def drifted(self, at: Array) -> Array:
        """Return how far the world has drifted at a moment: 0 at first, `drift` at the end."""
        moved: Array = self.drift * (at - START_MS) / (self.days * DAY_MS)
        return moved


@dataclass(frozen=True)
class Span(Setting):
    """A few days of legitimate life to be filled."""

    rng: np.random.Generator
    rhythm: Rhythm
    first_day: int
    weights: Array  # how busy each of its days is
    wanted: int  # how many events, about

    def draw(self, size: int, skew: float = 1.5) -> tuple[Array, Array, Array]:
        """Return who does something, when, and on which day; some do more than others."""
        rng = self.rng
        rank = np.minimum((self.people * rng.random(size) ** skew).astype(np.int64), self.people - 1)
        # A fixed walk through the people, so that the busy ones are none with low numbers.
        who = (rank * 7_919 + mix(self.seed, 30)[0]) % self.people
        if self.people % 7_919 == 0:
            who = rank
        day, at = self.times(self.city.hour[who])
        return who, at, day

    def times(self, usual_hour: Array) -> tuple[Array, Array]:
        """Return a day and a moment for each, around an hour."""
        rng = self.rng
        day = self.first_day + choose(rng, len(usual_hour), self.weights)
        at = START_MS + day * DAY_MS + (hours(rng, self.rhythm, usual_hour) * 3_600_000).astype(np.int64)
        return day, at


@dataclass(frozen=True)
class Cast(Setting):
    """Campaigns of one typology, or occasions of one lookalike: one row each."""

    rng: np.random.Generator
    number: Array  # the same in every scenario the campaign touches
    start: Array  # ms
    customer: Array  # the victim, or whoever it happens to
    skill: Array  # 0 clumsy .. 1 hardly to be told from ordinary life

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self.number)

    def person(self, role: int) -> Array:
        """An accomplice: the same person in every scenario."""
        return mix(self.seed, self.number, role, 40) % self.people

    def newcomer(self, role: int | Array, number: Array | None = None) -> Array:
        """An identity that nobody has seen before."""
        outside = len(self.city.age) - self.people
        return self.people + mix(self.seed, self.number if number is None else number, role, 41) % outside

    def steps(self, low: int, high: int) -> Steps:
        """Return between `low` and `high` steps for each."""
        return Steps.of(self, self.rng.integers(low, high + 1, self.size))


@dataclass(frozen=True)
class Steps:
    """The events of campaigns, one after the other: which campaign, which step of it."""

    cast: Cast
    of_campaign: Array
    number: Array
    count: Array  # of its campaign
    first: Array  # where its campaign begins

    @staticmethod
    def of(cast: Cast, sizes: Array) -> Steps:
        begins = np.cumsum(sizes) - sizes
        of_campaign = np.repeat(np.arange(cast.size), sizes)
        number = np.arange(int(sizes.sum())) - begins[of_campaign]
        return Steps(cast, of_campaign, number, sizes[of_campaign], begins[of_campaign])

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self.number)

    def each(self, values: Array) -> Array:
        """Return a campaign's value for each of its steps."""
        return values[self.of_campaign]

    def times(self, gaps_ms: Array, after_ms: Array | int = 0) -> Array:
        """Return when each step happens; the gap of a first step counts from `after_ms`."""
        total = np.cumsum(gaps_ms.astype(np.int64))
        before = total[self.first] - gaps_ms.astype(np.int64)[self.first]
        lag = self.each(np.broadcast_to(np.asarray(after_ms, np.int64), (self.cast.size,)))
        found: Array = self.each(self.cast.start) + lag + total - before
        return found

    def gaps(self, minutes: Array | float) -> Array:
        """Return random gaps around some minutes."""
        return self.cast.rng.exponential(1.0, self.size) * minutes * 60_000 + 1_000

    def probing(self, first: Array, limit: Array) -> tuple[Array, Array]:
        """Return amounts that feel for a limit, and how much slower each step is than usual.

        `first` and `limit` are a campaign's. It doubles until an amount meets the limit, then
        stays at 50 to 95 % of it, and takes its time.
        """
        rise = self.each(first) * 2.0**self.number
        met_at = np.ceil(np.log2(np.maximum(self.each(limit) / self.each(first), 1.0)))
        below = self.each(limit) * (0.5 + 0.45 * self.cast.rng.random(self.size))
        patient = self.number > met_at
        return np.where(patient, below, rise), np.where(patient, 5.0, 1.0)

    def rows(self, **columns: Array | float | int) -> Rows:
        """Return the steps as rows that remember their campaigns."""
        return Rows(self.size, of=self.of_campaign, **columns)


@dataclass(frozen=True)
class Typology:
    """A kind of attack: its share of the scenario's fraud, and the events of a campaign on average."""

    name: str
    share: float
    size: float
    delay_days: float
    make: Callable[[Cast], Rows]


@dataclass(frozen=True)
class Lookalike:
    """Something legitimate that resembles an attack: its share of the scenario's events."""

    name: str
    share: float
    size: float
    make: Callable[[Cast], Rows]


@dataclass(frozen=True)
class Trade:
    """A scenario: its events' columns, its legitimate life and its attacks."""

    code: str
    prefix: str
    types: tuple[str, ...]
    columns: dict[str, Column]
    fraud_share: float
    rhythm: Rhythm
    legitimate: Callable[[Span], Rows]
    typologies: tuple[Typology, ...]
    lookalikes: tuple[Lookalike, ...] = ()
    finish: Callable[[Rows, dict[str, Array]], None] | None = None
