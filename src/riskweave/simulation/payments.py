"""A small city of card holders: a labelled stream of payments from one seed.

Customers have a home, usual amounts, habits of hour and a phone or two; some of them travel or
change phones, which is legitimate. Four kinds of attack are mixed in, each with ground truth:

    card_testing   many small payments at one merchant within minutes, then a large one
    stolen_card    a burst of large payments, far from home, for some days
    takeover       a new device and a foreign address, then large payments online
    bad_terminal   for two weeks every third payment at a merchant's terminal is a copy of a card
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

START_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
DAY_MS = 86_400_000

COUNTRIES = ("FR", "DE", "GB", "ES", "IT", "NL", "CN", "US", "BR", "NG")
CATEGORIES = ("grocery", "fuel", "restaurant", "travel", "electronics", "fashion", "gift_card", "pharmacy")
CHANNELS = ("pos", "web", "app")
KINDS = ("", "card_testing", "stolen_card", "takeover", "bad_terminal")


@dataclass(frozen=True)
class City:
    """Who lives there: one row per customer or merchant."""

    home: NDArray[np.float64]  # [customers, 2] latitude, longitude
    country: NDArray[np.int64]
    usual_log: NDArray[np.float64]  # log of the usual amount
    hour: NDArray[np.float64]  # hour of day around which they pay
    merchant_place: NDArray[np.float64]


def payments(
    events: int,
    seed: int = 7,
    customers: int | None = None,
    days: int | None = None,
    fraud_share: float = 0.01,
) -> pa.Table:
    """Return `events` payments in time order; the same arguments give the same bytes.

    Columns: payment_id, at (timestamp, UTC), customer_id, device_id, ip, merchant_id, category,
    amount (decimal text, EUR), country, lat, lon, channel, fraud (bool), attack (the kind, or
    empty: ground truth for evaluation, no policy may read it).
    """
    generator = np.random.default_rng(seed)
    people = customers or max(50, events // 100)
    period = days or max(20, min(120, events // max(people, 1)))
    city = _city(generator, people, max(40, people // 5))
    frauds = round(events * fraud_share)
    columns = _legitimate(generator, city, events - frauds, period)
    attacks = _attacks(generator, city, frauds, period)
    merged = {name: np.concatenate([columns[name], attacks[name]]) for name in columns}
    order = np.argsort(merged["at"], kind="stable")
    return _table({name: column[order] for name, column in merged.items()})


def _city(generator: np.random.Generator, people: int, shops: int) -> City:
    centre = np.array([48.86, 2.35])
    return City(
        home=centre + generator.normal(0, 0.15, (people, 2)),
        country=np.where(generator.random(people) < 0.9, 0, generator.integers(1, 6, people)),
        usual_log=generator.normal(3.3, 0.6, people),
        hour=generator.normal(14, 3.5, people) % 24,
        merchant_place=centre + generator.normal(0, 0.2, (shops, 2)),
    )


def _legitimate(
    generator: np.random.Generator, city: City, size: int, days: int
) -> dict[str, NDArray[np.generic]]:
    people, shops = len(city.hour), len(city.merchant_place)
    who = np.minimum((people * generator.random(size) ** 1.6).astype(np.int64), people - 1)
    day = generator.integers(0, days, size)
    hour = (city.hour[who] + generator.normal(0, 3, size)) % 24
    shop = np.minimum((shops * generator.random(size) ** 2).astype(np.int64), shops - 1)
    online = generator.random(size) < 0.35
    travelling = generator.random(size) < 0.01
    new_phone_day = generator.integers(0, days * 3, people)
    place = city.merchant_place[shop] + generator.normal(0, 0.01, (size, 2))
    place[travelling] += generator.normal(0, 6, (int(travelling.sum()), 2))
    place[online] = city.home[who[online]] + generator.normal(0, 0.01, (int(online.sum()), 2))
    return {
        "at": START_MS + day * DAY_MS + (hour * 3_600_000).astype(np.int64),
        "customer": who,
        "device": who * 10 + (day >= new_phone_day[who]) + 2 * (generator.random(size) < 0.05),
        "ip": who * 4 + generator.integers(0, 3, size),
        "merchant": shop,
        "cents": np.maximum(
            50, np.rint(100 * np.exp(city.usual_log[who] + generator.normal(0, 0.7, size)))
        ).astype(np.int64),
        "country": np.where(travelling, generator.integers(0, len(COUNTRIES), size), city.country[who]),
        "place": place,
        "channel": np.where(online, generator.integers(1, 3, size), 0),
        "kind": np.zeros(size, np.int64),
    }


def _attacks(
    generator: np.random.Generator, city: City, size: int, days: int
) -> dict[str, NDArray[np.generic]]:
    people, shops = len(city.hour), len(city.merchant_place)
    burst = 10
    campaigns = -(-size // burst)
    kind = generator.integers(1, len(KINDS), campaigns)
    victim = generator.integers(0, people, campaigns)
    begin = START_MS + generator.integers(DAY_MS, max(days - 4, 2) * DAY_MS, campaigns)
    length_ms = np.array([0, 15 * 60_000, 3 * DAY_MS, 40 * 60_000, 14 * DAY_MS])[kind]
    steps = np.sort(generator.random((campaigns, burst)), axis=1)
    at = begin[:, None] + (steps * length_ms[:, None]).astype(np.int64)
    at = np.minimum(at, START_MS + days * DAY_MS - 1)
    number = np.broadcast_to(np.arange(burst), (campaigns, burst))
    usual = np.exp(city.usual_log[victim])[:, None]
    wild = generator.random((campaigns, burst))
    amount = np.select(
        [kind[:, None] == 1, kind[:, None] == 2, kind[:, None] == 3],
        [
            np.where(number < burst - 1, 0.5 + 2 * wild, 400 + 900 * wild),
            usual * (4 + 8 * wild),
            300 + 2500 * wild,
        ],
        usual * (0.6 + 1.2 * wild),
    )
    shop = np.where(
        np.isin(kind, (1, 4))[:, None],
        generator.integers(0, shops, campaigns)[:, None],
        generator.integers(0, shops, (campaigns, burst)),
    )
    # A copied card: another victim each time, at the one bad terminal.
    who = np.where(kind[:, None] == 4, generator.integers(0, people, (campaigns, burst)), victim[:, None])
    abroad = np.isin(kind, (2, 3))[:, None] & (generator.random((campaigns, burst)) < 0.7)
    strange = np.isin(kind, (1, 3))[:, None]
    place = np.where(
        abroad[..., None],
        generator.uniform((-30, -100), (55, 120), (campaigns, burst, 2)),
        city.merchant_place[shop],
    )
    stranger = people * 10 + generator.integers(0, 400, campaigns)[:, None]
    columns: dict[str, NDArray[np.generic]] = {
        "at": at,
        "customer": who,
        "device": np.where(strange, stranger, who * 10),
        "ip": np.where(strange, people * 4 + stranger % 97, who * 4),
        "merchant": shop,
        "cents": np.maximum(50, np.rint(amount * 100)).astype(np.int64),
        "country": np.where(
            abroad, generator.integers(6, len(COUNTRIES), (campaigns, burst)), city.country[who]
        ),
        "place": place,
        "channel": np.where(strange, 1, 0) + np.zeros((campaigns, burst), np.int64),
        "kind": kind[:, None] + np.zeros((campaigns, burst), np.int64),
    }
    return {
        name: column.reshape(campaigns * burst, *column.shape[2:])[:size] for name, column in columns.items()
    }


def _table(columns: dict[str, NDArray[np.generic]]) -> pa.Table:
    size = len(columns["at"])
    kind = columns["kind"]
    cents = columns["cents"]
    # One integer becomes one address of 10.0.0.0/8, so that CIDR lists have something to hold.
    ip = columns["ip"].astype(np.int64)
    octets = np.stack([ip >> 16 & 255, ip >> 8 & 255, ip & 255], axis=1)
    return pa.table(
        {
            "payment_id": _names("p", np.arange(1, size + 1), 8),
            "at": pa.array(columns["at"].astype("datetime64[ms]"), pa.timestamp("ms", "UTC")),
            "customer_id": _names("c", columns["customer"], 5),
            "device_id": _names("d", columns["device"], 6),
            "ip": pa.array([f"10.{a}.{b}.{c}" for a, b, c in octets.tolist()]),
            "merchant_id": _names("m", columns["merchant"], 4),
            "category": _coded(_categories(columns), CATEGORIES),
            "amount": pa.array([f"{whole}.{part:02d}" for whole, part in zip(*_split(cents), strict=True)]),
            "country": _coded(columns["country"], COUNTRIES),
            "lat": pa.array(np.round(columns["place"][:, 0].astype(np.float64), 5)),
            "lon": pa.array(np.round(columns["place"][:, 1].astype(np.float64), 5)),
            "channel": _coded(columns["channel"], CHANNELS),
            "fraud": pa.array(kind.astype(np.int64) > 0),
            "attack": _coded(kind, KINDS),
        }
    )


def _categories(columns: dict[str, NDArray[np.generic]]) -> NDArray[np.int64]:
    return columns["merchant"].astype(np.int64) * 7 % len(CATEGORIES)


def _split(cents: NDArray[np.generic]) -> tuple[list[int], list[int]]:
    whole = cents.astype(np.int64)
    return (whole // 100).tolist(), (whole % 100).tolist()


def _names(letter: str, numbers: NDArray[np.generic], digits: int) -> pa.Array:
    distinct, codes = np.unique(numbers.astype(np.int64), return_inverse=True)
    names = pa.array([f"{letter}{number:0{digits}d}" for number in distinct.tolist()])
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), names).cast(pa.string())


def _coded(codes: NDArray[np.generic], texts: tuple[str, ...]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(texts)).cast(pa.string())
