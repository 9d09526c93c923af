"""Calendar arithmetic on milliseconds: local time of a zone, and the civil date of a day.

A zone is a row of transitions: `from_ms[j]` (ascending) and the offset that holds from then on.
The civil date follows Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms" (2014).
"""

import math

from riskweave.kernels.compile import inline_kernel

DAY_MS = 86_400_000


@inline_kernel
def period_of(zone, start, count, time_ms):
    """Return which of `count` periods, whose beginnings lie at `zone[start:]`, holds `time_ms`."""
    low = 0
    high = count
    while high - low > 1:
        middle = (low + high) >> 1
        if zone[start + middle] <= time_ms:
            low = middle
        else:
            high = middle
    return low


@inline_kernel
def day_of(local_ms):
    """Return the number of whole days since 1970-01-01."""
    return math.floor(local_ms / 86_400_000.0)


@inline_kernel
def civil(day):
    """Return (year, month, day of the month) of a day since 1970-01-01, Gregorian."""
    z = day + 719_468
    era = z // 146_097
    doe = z - era * 146_097
    yoe = (doe - doe // 1460 + doe // 36_524 - doe // 146_096) // 365
    doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
    mp = (5 * doy + 2) // 153
    month = mp + 3 if mp < 10 else mp - 9
    year = yoe + era * 400 + (1 if month <= 2 else 0)
    return year, month, doy - (153 * mp + 2) // 5 + 1
