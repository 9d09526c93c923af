"""Times of every spelling to milliseconds UTC.

ISO 8601 with an offset, without one (UTC) or the date alone; epoch seconds and milliseconds; numbers
counted from an origin. Fractions beyond the millisecond are dropped in text and rounded in numbers.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

TIME_MS_MIN = -62_135_596_800_000  # 0001-01-01
TIME_MS_MAX = 253_402_300_799_999  # 9999-12-31T23:59:59.999

# Without a unit, a number this large is milliseconds: as seconds it would lie beyond the year 5138,
# as milliseconds below it before March 1973.
EPOCH_SECONDS_MAX = 100_000_000_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_ISO = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,9}))?)?"
    r"[ ]?(Z|z|[+-][0-9]{2}(?::?[0-9]{2})?)?)?",
    re.ASCII,
)


def iso_ms(text: str) -> int | None:
    """Return the milliseconds UTC of ISO 8601 text, or None when it is none.

    >>> iso_ms("1970-01-02"), iso_ms("1970-01-01T01:00:00.5+01:00"), iso_ms("1970-13-01")
    (86400000, 500, None)
    """
    match = _ISO.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        moment = datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=UTC
        )
    except ValueError:
        return None
    milliseconds = datetime_ms(moment) + (int(fraction[:3].ljust(3, "0")) if fraction else 0)
    if zone and zone not in "Zz":
        hours, minutes = int(zone[1:3]), int(zone[3:].lstrip(":") or 0)
        if hours > 23 or minutes > 59:
            return None
        offset_ms = (hours * 60 + minutes) * 60_000
        milliseconds += offset_ms if zone[0] == "-" else -offset_ms
    return milliseconds if TIME_MS_MIN <= milliseconds <= TIME_MS_MAX else None


def number_ms(number: int | float, unit: str, origin_ms: int = 0) -> int | None:
    """Return the milliseconds UTC that a number of `unit` (s, ms, or iso: told by its size) means.

    >>> number_ms(1_717_200_000, "iso"), number_ms(1_717_200_000_000, "iso"), number_ms(1.5, "s", 1000)
    (1717200000000, 1717200000000, 2500)
    """
    if not abs(number) <= TIME_MS_MAX * 2:
        return None
    if unit == "s" or (unit == "iso" and abs(number) < EPOCH_SECONDS_MAX):
        number = number * 1000
    milliseconds = origin_ms + round(number)
    return milliseconds if TIME_MS_MIN <= milliseconds <= TIME_MS_MAX else None


def datetime_ms(moment: datetime) -> int:
    """Return the milliseconds of a datetime; one without a zone is UTC."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // _MS


def date_ms(day: date) -> int:
    """Return the milliseconds of the midnight that begins a day, UTC."""
    return (day.toordinal() - 719_163) * 86_400_000
