"""Attributes and rates, by definition: what was said last, not after the event."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, localcontext


def known_as_of(said: list[tuple[object, float, dict[str, object]]], key: object, name: str, time_ms: int):
    """Return an attribute of `key` at a time; `said` is (key, from, values) in arrival order."""
    best = None
    for order, (other, begins, values) in enumerate(said):
        if (
            other == key
            and name in values
            and begins <= time_ms
            and (best is None or (begins, order) >= best[0])
        ):
            best = ((begins, order), values[name])
    return None if best is None else best[1]


def converted(
    rates: list[tuple[str, int, str]], minor: int, digits: tuple[int, int], currency: str, day: int
):
    """Return an amount in minor units of the base; `digits` are those of the currency and the base."""
    dated = [(when, rate) for name, when, rate in rates if name == currency and when <= day]
    if not dated:
        return None
    with localcontext(prec=100):
        worth = Decimal(minor).scaleb(-digits[0]) * Decimal(max(dated)[1])
        return int(worth.scaleb(digits[1]).quantize(Decimal(1), ROUND_HALF_EVEN))
