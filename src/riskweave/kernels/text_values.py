"""Numbers and times out of text columns, byte by byte: only what is written in the plainest way.

Each kernel says for each text whether it read it; what it does not read may still be right.
Texts lie in `data` between consecutive `offsets`, as Arrow keeps them.
"""

import numpy as np

from riskweave.kernels.compile import inline_kernel, kernel

_SCALE_DIGITS_MAX = 17


@kernel
def parse_scaled(offsets, data, digits, out, read):
    """Fill `out` with decimal text times 10**digits, where that is whole: `-12.30` and 2 is -1230.

    At most 17 digits, no exponent, no blanks, no more decimals than `digits`.
    """
    for i in range(out.size):
        at = offsets[i]
        stop = offsets[i + 1]
        negative = False
        if at < stop and (data[at] == 45 or data[at] == 43):
            negative = data[at] == 45
            at += 1
        value = 0
        whole = 0
        decimals = 0
        good = stop - at <= _SCALE_DIGITS_MAX + 1
        if good:
            while at < stop and 48 <= data[at] <= 57:
                value = value * 10 + (np.int64(data[at]) - 48)
                whole += 1
                at += 1
            if at < stop and data[at] == 46 and digits > 0:
                at += 1
                while at < stop and 48 <= data[at] <= 57:
                    value = value * 10 + (np.int64(data[at]) - 48)
                    decimals += 1
                    at += 1
                good = decimals > 0
        good = good and at == stop and whole > 0 and decimals <= digits
        good = good and whole + digits <= _SCALE_DIGITS_MAX
        if good:
            for _ in range(digits - decimals):
                value *= 10
            out[i] = -value if negative else value
        else:
            out[i] = 0
        read[i] = good


@inline_kernel
def number_at(data, at, count):
    """Return the whole number that `count` digits from `at` on spell, -1 when one is no digit."""
    value = 0
    for k in range(count):
        digit = np.int64(data[at + k]) - 48
        if digit < 0 or digit > 9:
            return -1
        value = value * 10 + digit
    return value


@inline_kernel
def days_since_1970(year, month, day):
    """Return the days from 1970-01-01 to a date of the Gregorian calendar.

    Howard Hinnant, "chrono-compatible low-level date algorithms": years begin in March.
    """
    if month <= 2:
        year -= 1
        month += 12
    era = year // 400
    year_of_era = year - era * 400
    day_of_year = (153 * (month - 3) + 2) // 5 + day - 1
    return era * 146_097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719_468


@inline_kernel
def days_in_month(year, month):
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month == 4 or month == 6 or month == 9 or month == 11 else 31


@kernel
def parse_iso(offsets, data, out, read):
    """Fill `out` with the milliseconds UTC of `2024-02-29T12:34:56.789Z` and the like.

    The date alone; or date, `T` or a blank, time to the second, perhaps a fraction (digits beyond
    the third are dropped), perhaps `Z` or `+hh:mm`.
    """
    for i in range(out.size):
        at = offsets[i]
        stop = offsets[i + 1]
        size = stop - at
        out[i] = 0
        read[i] = False
        if size < 10 or size > 40 or data[at + 4] != 45 or data[at + 7] != 45:
            continue
        year = number_at(data, at, 4)
        month = number_at(data, at + 5, 2)
        day = number_at(data, at + 8, 2)
        if year < 1 or month < 1 or month > 12 or day < 1 or day > days_in_month(year, month):
            continue
        milliseconds = days_since_1970(year, month, day) * 86_400_000
        if size == 10:
            out[i] = milliseconds
            read[i] = True
            continue
        if size < 19 or (data[at + 10] != 84 and data[at + 10] != 32):
            continue
        hour = number_at(data, at + 11, 2)
        minute = number_at(data, at + 14, 2)
        second = number_at(data, at + 17, 2)
        if data[at + 13] != 58 or data[at + 16] != 58:
            continue
        if hour < 0 or hour > 23 or minute < 0 or minute > 59 or second < 0 or second > 59:
            continue
        milliseconds += ((hour * 60 + minute) * 60 + second) * 1000
        at += 19
        if at < stop and data[at] == 46:
            at += 1
            unit = 100
            first = at
            while at < stop and 48 <= data[at] <= 57:
                milliseconds += (np.int64(data[at]) - 48) * unit
                unit //= 10
                at += 1
            if at == first or at - first > 9:
                continue
        if at < stop and data[at] == 90:
            at += 1
        elif stop - at == 6 and (data[at] == 43 or data[at] == 45) and data[at + 3] == 58:
            hours = number_at(data, at + 1, 2)
            minutes = number_at(data, at + 4, 2)
            if hours < 0 or hours > 23 or minutes < 0 or minutes > 59:
                continue
            offset = (hours * 60 + minutes) * 60_000
            milliseconds += offset if data[at] == 45 else -offset
            at += 6
        if at == stop:
            out[i] = milliseconds
            read[i] = True
