"""The offsets of a time zone over three centuries, as arrays a kernel can search."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from riskweave.errors import PolicyError

YEAR_FIRST = 1900
YEAR_LAST = 2200
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


@lru_cache(maxsize=64)
def periods(time_zone: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return from when (ms UTC) which offset (ms) holds, from 1900 to 2200; the first holds before, too.

    >>> periods("UTC")
    ((-2208988800000.0,), (0.0,))
    """
    zone = _zone(time_zone)
    begin, end = datetime(YEAR_FIRST, 1, 1, tzinfo=UTC), datetime(YEAR_LAST, 1, 1, tzinfo=UTC)
    starts, offsets = [_ms(begin - _EPOCH)], [_offset(zone, begin)]
    if time_zone == "UTC":
        return tuple(starts), tuple(offsets)
    day = begin
    while day < end:
        following = day + _DAY
        last = _offset(zone, following)
        while last != offsets[-1]:
            moment = _first_change(zone, day, following, offsets[-1])
            starts.append(_ms(moment - _EPOCH))
            offsets.append(_offset(zone, moment))
        day = following
    return tuple(starts), tuple(offsets)


def _zone(time_zone: str) -> ZoneInfo:
    try:
        return ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise PolicyError(
            f"unknown time zone `{time_zone}`", hint="write it as in `Europe/Paris`, or UTC"
        ) from None


def _first_change(zone: ZoneInfo, low: datetime, high: datetime, offset: float) -> datetime:
    """Return the first second after `low` whose offset differs."""
    while high - low > _SECOND:
        middle = low + timedelta(seconds=(high - low) // _SECOND // 2)
        if _offset(zone, middle) == offset:
            low = middle
        else:
            high = middle
    return high


def _offset(zone: ZoneInfo, moment: datetime) -> float:
    return _ms(moment.astimezone(zone).utcoffset() or timedelta(0))


def _ms(length: timedelta) -> float:
    return float((length.days * 86_400 + length.seconds) * 1000)
