"""When things happen: weekdays, pay days, holidays, seasons, and hours of the day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from riskweave.simulation.mix import Array
from riskweave.simulation.rows import choose

START_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z, a Thursday
DAY_MS = 86_400_000
HOUR_MS = 3_600_000
MINUTE_MS = 60_000
SECOND_MS = 1_000

# (first day of the year, days, factor): shops are busy before a holiday and closed on it.
SHOPPING = (
    (38, 9, 1.45),  # before the spring festival, 17 February 2026
    (46, 8, 0.8),
    (314, 2, 1.9),  # 11 November
    (330, 4, 1.7),  # Black Friday
    (344, 14, 1.4),  # before Christmas
    (358, 2, 0.5),
    (120, 3, 1.2),
    (273, 7, 1.25),  # 1 October
)
CLOSED = ((0, 1), (47, 5), (92, 4), (120, 1), (194, 1), (357, 3))


@dataclass(frozen=True)
class Rhythm:
    """How a trade's week goes, and its hours."""

    weekend: float = 1.0  # busyness of a Saturday or Sunday
    pay_day: float = 1.0  # of the 1st, 15th and 25th
    shopping: float = 0.0  # how much it follows the shops' seasons
    closed: float = 1.0  # busyness on a public holiday
    hours: tuple[float, ...] = ()  # of each hour of day; empty: people's own habits

    def weights(self, days: int, season: float, drift: float) -> Array:
        """Return how busy each day is."""
        day = np.arange(days)
        year_day, weekday = day % 365, (day + 3) % 7
        weight = np.where(weekday >= 5, self.weekend, 1.0)
        month_day = day_of_month(day)
        weight = weight * np.where(np.isin(month_day, (1, 15, 25)), self.pay_day, 1.0)
        for first, length, factor in SHOPPING:
            inside = (year_day >= first) & (year_day < first + length)
            weight = weight * np.where(inside, factor ** (self.shopping * season), 1.0)
        for first, length in CLOSED:
            inside = (year_day >= first) & (year_day < first + length)
            weight = weight * np.where(inside, self.closed, 1.0)
        summer = 1.0 + 0.12 * season * self.shopping * np.sin(2 * np.pi * (year_day - 100) / 365)
        growth: Array = weight * summer * (1.0 + 0.5 * drift * day / max(days, 1))
        return growth


OFFICE_HOURS = tuple(0.02 if h < 7 or h > 20 else (1.0 if 9 <= h <= 17 else 0.35) for h in range(24))
MARKET_HOURS = tuple(0.25 if h < 6 or h > 21 else (1.6 if 12 <= h <= 16 else 1.0) for h in range(24))
MACHINE_HOURS = tuple(0.5 if h < 6 else (1.2 if 8 <= h <= 18 else 0.8) for h in range(24))


def day_of(at: Array) -> Array:
    """Return the day of a moment, counted from the start."""
    return (at - START_MS) // DAY_MS


def day_of_month(day: Array) -> Array:
    """Return 1..31."""
    dates = np.datetime64("2026-01-01") + day.astype("timedelta64[D]")
    found: Array = (dates - dates.astype("datetime64[M]")).astype(np.int64) + 1
    return found


def hours(rng: np.random.Generator, rhythm: Rhythm, usual: Array) -> Array:
    """Return an hour of the day for each: the trade's, or around the person's own."""
    size = len(usual)
    if rhythm.hours:
        return choose(rng, size, rhythm.hours) + rng.random(size)
    own = usual + rng.normal(0, 2.6, size)
    # Lunch and the evening draw everybody but those who work at night.
    peak = np.where(rng.random(size) < 0.45, 12.6, 18.6) + rng.normal(0, 1.1, size)
    daily = (usual > 7) & (rng.random(size) < 0.4)
    strayed = rng.random(size) < 0.03
    found: Array = np.where(strayed, rng.random(size) * 24, np.where(daily, peak, own)) % 24.0
    return np.minimum(found, 23.9999)
