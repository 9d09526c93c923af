"""The `policy:` section: what holds for the whole policy."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from riskweave.decision.spec import Bands, read_bands
from riskweave.document import Node
from riskweave.errors import PolicyError

FORGET_AFTER_MS_MAX = 400 * 86_400_000
DEDUPE_MS_DEFAULT = 3_600_000


@dataclass(frozen=True)
class Settings:
    """Name, zone, base currency, and the periods and bands of a policy.

    `forget_after_ms` None means: the longest window. `dedupe_ms` 0 means: event ids are not
    remembered by a bare engine.
    """

    name: str = "policy"
    time_zone: str = "UTC"
    currency: str = "EUR"
    rates: str | None = None
    dedupe_ms: int = DEDUPE_MS_DEFAULT
    forget_after_ms: int | None = None
    bands: Bands = field(default_factory=Bands)


def read_settings(node: Node | None, name: str) -> Settings:
    """Read the section; every part has a default."""
    if node is None:
        return Settings(name=name)
    node.only("name", "time_zone", "currency", "rates", "dedupe", "forget_after", "bands", "description")
    zone, currency, rates = node.get("time_zone"), node.get("currency"), node.get("rates")
    dedupe, forget, title = node.get("dedupe"), node.get("forget_after"), node.get("name")
    return Settings(
        name=title.text() if title else name,
        time_zone=_zone(zone) if zone else "UTC",
        currency=_currency(currency) if currency else "EUR",
        rates=rates.text() if rates else None,
        dedupe_ms=dedupe.duration_ms() if dedupe else DEDUPE_MS_DEFAULT,
        forget_after_ms=_forget_after(forget) if forget else None,
        bands=read_bands(node.get("bands")),
    )


def _zone(node: Node) -> str:
    try:
        ZoneInfo(node.text())
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise node.error(
            f"`{node.text()}` is no time zone", "write an IANA name such as Europe/Paris or Asia/Shanghai"
        ) from None
    return node.text()


def _currency(node: Node) -> str:
    if not re.fullmatch("[A-Z]{3}", node.text()):
        raise node.error(f"`{node.text()}` is no currency", "write an ISO 4217 code such as EUR or CNY")
    return node.text()


def _forget_after(node: Node) -> int:
    milliseconds = node.duration_ms()
    if not 1_000 <= milliseconds <= FORGET_AFTER_MS_MAX:
        raise PolicyError(f"`{node.path}` must be between 1s and 400d", node.span)
    return milliseconds
