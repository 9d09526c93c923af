"""Numbers, money, shares, lengths of time and moments as each language writes them.

Nothing is rounded that an auditor would miss: money keeps its cents, and 万 is used only where the
number is a whole number of hundreds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from riskweave.events.money import currency_digits

LANGUAGES = ("en", "zh")

_SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£", "CNY": "CN¥", "JPY": "¥", "INR": "₹", "KRW": "₩"}
_NAMES_ZH = {
    "CNY": "元",
    "EUR": "欧元",
    "USD": "美元",
    "GBP": "英镑",
    "JPY": "日元",
    "HKD": "港元",
    "KRW": "韩元",
    "SGD": "新加坡元",
    "CHF": "瑞士法郎",
}
_DURATIONS = (
    (86_400_000, "day", "days", "天"),
    (3_600_000, "h", "h", "小时"),
    (60_000, "min", "min", "分钟"),
    (1_000, "s", "s", "秒"),
    (1, "ms", "ms", "毫秒"),
)
_WORDS = {
    "en": {"true": "yes", "false": "no", "null": "unknown"},
    "zh": {"true": "是", "false": "否", "null": "未知"},
}
UNITS = (
    "number", "count", "money", "percent", "duration", "days", "hours", "minutes", "seconds",
    "time", "flag", "text", "km", "km_h", "times", "signed",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Unit:
    """How a value is written: one of UNITS; `currency` goes with money."""

    kind: str = ""
    currency: str = ""


class Formats:
    """Writes values in one language."""

    def __init__(self, language: str, time_zone: str) -> None:
        self.language = language
        self.zone = ZoneInfo(time_zone)
        self.words = _WORDS[language]

    def value(self, value: object, unit: Unit) -> str:
        """Return a value as text; what is unknown, true or false is said so whatever the unit."""
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return self.words["null"]
        if isinstance(value, bool):
            return self.words["true" if value else "false"]
        if isinstance(value, str):
            from riskweave.explanation.speech import clean

            return clean(value)
        if not isinstance(value, (int, float)):
            return str(value)
        if math.isinf(value):
            return "∞" if value > 0 else "-∞"
        return self._number(float(value), unit)

    def _number(self, number: float, unit: Unit) -> str:
        kind = unit.kind
        if kind == "money":
            return self.money(number, unit.currency)
        if kind == "percent":
            return self.percent(number)
        if kind == "duration":
            return self.duration(number)
        if kind in ("days", "hours", "minutes", "seconds"):
            scale = {"days": 86_400_000, "hours": 3_600_000, "minutes": 60_000, "seconds": 1_000}[kind]
            return self.duration(number * scale)
        if kind == "time":
            return self.moment(number)
        if kind == "signed":
            return f"{number:+.2f}"
        if kind == "times":
            number = round(number, 1) if abs(number) < 10 else float(round(number))
        text = self.number(number)
        if kind == "km":
            return f"{text} km" if self.language == "en" else f"{text}公里"
        if kind == "km_h":
            return f"{text} km/h" if self.language == "en" else f"每小时{text}公里"
        if kind == "times":
            return f"{text}×" if self.language == "en" else f"{text}倍"
        return text

    def number(self, number: float) -> str:
        """Return a number with its thousands told apart, with as many decimals as say something."""
        short = self._in_wan(number)
        if short:
            return short
        if number == int(number) and abs(number) < 1e15:
            return f"{int(number):,}"
        if abs(number) >= 1e15 or abs(number) < 1e-4:
            return f"{number:.3g}"
        digits = 2 if abs(number) >= 1 else 4
        text = f"{number:,.{digits}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text

    def _in_wan(self, number: float) -> str:
        """Return a large round number in 万 or 亿, where the language counts so."""
        if self.language != "zh" or abs(number) < 10_000 or number % 100 or abs(number) >= 1e15:
            return ""
        size, name = (1e8, "亿") if abs(number) >= 1e8 and not number % 1e6 else (1e4, "万")
        text = f"{number / size:,.2f}".rstrip("0").rstrip(".")
        return text + name

    def money(self, amount: float, currency: str) -> str:
        """Return an amount with its currency and as many decimals as that has."""
        digits = currency_digits(currency) if currency else 2
        sign, size = ("-" if amount < 0 else ""), abs(amount)
        if self.language == "zh":
            text = self._in_wan(size) or f"{size:,.{digits}f}"
            name = _NAMES_ZH.get(currency, f" {currency}" if currency else "")
            return f"{sign}{text}{name}"
        text = f"{size:,.{digits}f}"
        symbol = _SYMBOLS.get(currency, f"{currency} " if currency else "")
        return f"{sign}{symbol}{text}"

    def percent(self, share: float) -> str:
        """Return a share in per cent: whole from ten on, with one or two decimals below."""
        size = abs(share) * 100
        digits = 0 if size >= 9.95 or size == 0 else 1 if size >= 0.95 else 2
        return f"{share * 100:.{digits}f}%"

    def duration(self, milliseconds: float) -> str:
        """Return a length of time in its one or two largest units.

        >>> Formats("en", "UTC").duration(86_400_000), Formats("zh", "UTC").duration(5_460_000)
        ('24 h', '1小时31分钟')
        """
        if milliseconds < 0:
            return "-" + self.duration(-milliseconds)
        left = round(milliseconds)
        if left >= 60_000:
            left = round(left / 1_000) * 1_000
        # A day is said in hours: the windows of policies are.
        units = _DURATIONS if left >= 2 * 86_400_000 else _DURATIONS[1:]
        parts: list[str] = []
        for size, one, many, zh in units:
            count, rest = divmod(left, size)
            if count:
                word = one if count == 1 else many
                parts.append(f"{count}{zh}" if self.language == "zh" else f"{count} {word}")
                left = rest
            if len(parts) == 2 or (parts and not count):
                break
        if not parts:
            return "0秒" if self.language == "zh" else "0 s"
        return ("" if self.language == "zh" else " ").join(parts)

    def moment(self, milliseconds: float) -> str:
        """Return a moment in the policy's zone, to the second."""
        return _moment(int(milliseconds), self.zone.key)


@lru_cache(maxsize=4096)
def _moment(milliseconds: int, zone: str) -> str:
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
        return moment.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError):
        return f"{milliseconds} ms"
