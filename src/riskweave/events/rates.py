"""What foreign money is worth: dated rates to the base currency, exact whole-number arithmetic.

A rate is decimal text: units of the base currency for one unit of the other. The rate of the latest
date that is not after the event's date (UTC) counts. A converted amount is rounded once, to the base
currency's minor unit, half to even.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from riskweave.errors import PolicyError, Span
from riskweave.events.money import currency_digits, is_currency
from riskweave.events.table_files import read_table
from riskweave.events.times import iso_ms

DAY_MS = 86_400_000

_RATE = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,18}))?", re.ASCII)


class Rates:
    """Rates by currency and day, as fractions of minor units: `minor * up / down` is the worth."""

    __slots__ = ("base", "days", "fractions")

    def __init__(self, base: str, table: Iterable[tuple[str, int, int, int]]) -> None:
        """Take rows of (currency, day since 1970, whole number, decimals): 12, 1 means 1.2."""
        self.base = base
        self.days: dict[str, list[int]] = {}
        self.fractions: dict[str, list[tuple[int, int]]] = {}
        base_digits = currency_digits(base)
        for currency, day, number, decimals in sorted(table):
            digits = base_digits - currency_digits(currency) - decimals
            fraction = (number * 10 ** max(digits, 0), 10 ** max(-digits, 0))
            self.days.setdefault(currency, []).append(day)
            self.fractions.setdefault(currency, []).append(fraction)

    @classmethod
    def read(cls, path: Path, base: str, name: str | None = None) -> Rates:
        """Read a table with the columns currency, date and rate; `name` is how errors call it."""
        if not is_currency(base):
            raise PolicyError(f"`{base}` is no ISO 4217 currency code", Span(name or path.name))
        table = read_table(path, name)
        currencies, dates, rates = (table.need(each) for each in ("currency", "date", "rate"))
        rows: list[tuple[str, int, int, int]] = []
        first: dict[tuple[str, int], int] = {}
        for row, (currency, date, rate) in enumerate(zip(currencies, dates, rates, strict=True)):
            if not is_currency(currency):
                raise table.error(row, "currency", "an ISO 4217 code, as in USD")
            if currency == base:
                raise table.error(row, "currency", "another currency than the base currency")
            moment = iso_ms(date)
            if moment is None or moment % DAY_MS:
                raise table.error(row, "date", "a date, as in 2026-01-31")
            parsed = _read_rate(rate)
            if parsed is None:
                raise table.error(row, "rate", "a decimal number above 0, as in 0.9215")
            before = first.setdefault((currency, moment), row)
            if before != row:
                raise table.error(
                    row, "date", f"one rate of {currency} a day", f"first at line {table.lines[before]}"
                )
            rows.append((currency, moment // DAY_MS, *parsed))
        return cls(base, rows)

    def convert(self, minor: int, currency: str, time_ms: int) -> int | None:
        """Return an amount in minor units of the base currency; None when no rate is known by that day.

        >>> Rates("EUR", [("USD", 0, 9, 1)]).convert(105, "USD", 0)
        94
        """
        if currency == self.base:
            return minor
        fraction = self._fraction(currency, time_ms // DAY_MS)
        return None if fraction is None else _half_even(minor * fraction[0], fraction[1])

    def convert_many(
        self, minor: NDArray[np.int64], currencies: Sequence[str], time_ms: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return amounts in minor units of the base currency and which are known; 0 where unknown.

        Equal to `convert` one by one. An amount beyond 64 bits is unknown.
        """
        out = np.zeros(minor.size, np.int64)
        known = np.zeros(minor.size, np.bool_)
        names, code = np.unique(np.asarray(currencies, dtype=np.str_), return_inverse=True)
        days = time_ms // DAY_MS
        for number, name in enumerate(names.tolist()):
            rows = np.flatnonzero(code == number)
            if name == self.base:
                out[rows], known[rows] = minor[rows], True
                continue
            if name not in self.days:
                continue
            place = np.searchsorted(np.array(self.days[name]), days[rows], side="right") - 1
            for each in np.unique(place[place >= 0]).tolist():
                at = rows[place == each]
                out[at], known[at] = _scale(minor[at], *self.fractions[name][each])
        return out, known

    def _fraction(self, currency: str, day: int) -> tuple[int, int] | None:
        days = self.days.get(currency)
        if days is None:
            return None
        place = bisect_right(days, day) - 1
        return None if place < 0 else self.fractions[currency][place]


def _read_rate(text: str) -> tuple[int, int] | None:
    """Return (whole number, decimals) of a rate; None when it is not a positive decimal."""
    match = _RATE.fullmatch(text)
    if match is None:
        return None
    decimals = (match[2] or "").rstrip("0")
    number = int(match[1] + decimals)
    return (number, len(decimals)) if number else None


def _half_even(up: int, down: int) -> int:
    """Return up / down, rounded to the nearest whole number, a half to the even one."""
    whole, rest = divmod(up, down)
    if 2 * rest > down or (2 * rest == down and whole & 1):
        whole += 1
    return whole


def _scale(minor: NDArray[np.int64], up: int, down: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return minor * up / down, half to even, in 64 bits while they suffice."""
    largest = max(abs(int(minor.max())), abs(int(minor.min())))
    if largest * up < 2**63 and down < 2**62:
        whole, rest = np.divmod(minor * up, down)
        whole += (2 * rest > down) | ((2 * rest == down) & (whole & 1 == 1))
        return whole, np.ones(minor.size, np.bool_)
    exact = [_half_even(each * up, down) for each in minor.tolist()]
    known = np.array([abs(each) < 2**63 for each in exact], np.bool_)
    return np.array([each if abs(each) < 2**63 else 0 for each in exact], np.int64), known
