"""The Fraud Detection Handbook's features, by definition: for each transaction, look at all before it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

DAY_S = 86_400
START = datetime(2018, 4, 1, tzinfo=UTC)
RAW = ("TRANSACTION_ID", "TX_TIME_SECONDS", "CUSTOMER_ID", "TERMINAL_ID", "AMOUNT_CENTS", "TX_FRAUD")


def features(transactions: list[dict[str, int]]) -> list[dict[str, float]]:
    """Return the book's features of each transaction, in arrival order; a later arrival is never seen."""
    return [_features(each, transactions[: at + 1]) for at, each in enumerate(transactions)]


def _features(this: dict[str, int], seen: list[dict[str, int]]) -> dict[str, float]:
    now = this["TX_TIME_SECONDS"]
    moment = START + timedelta(seconds=now)
    found: dict[str, float] = {
        "TRANSACTION_ID": this["TRANSACTION_ID"],
        "TX_DURING_WEEKEND": int(moment.weekday() >= 5),
        "TX_DURING_NIGHT": int(moment.hour <= 6),
    }
    for days in (1, 7, 30):
        own = _between(seen, "CUSTOMER_ID", this, now - days * DAY_S, now)
        found[f"CUSTOMER_ID_NB_TX_{days}DAY_WINDOW"] = len(own)
        found[f"CUSTOMER_ID_AVG_AMOUNT_{days}DAY_WINDOW"] = (
            sum(each["AMOUNT_CENTS"] for each in own) / len(own) / 100
        )
        known = now - 7 * DAY_S
        there = _between(seen, "TERMINAL_ID", this, known - days * DAY_S, known)
        found[f"TERMINAL_ID_NB_TX_{days}DAY_WINDOW"] = len(there)
        found[f"TERMINAL_ID_RISK_{days}DAY_WINDOW"] = (
            sum(each["TX_FRAUD"] for each in there) / len(there) if there else 0.0
        )
    return found


def _between(seen: list[dict[str, int]], key: str, this: dict[str, int], after: int, until: int):
    return [each for each in seen if each[key] == this[key] and after < each["TX_TIME_SECONDS"] <= until]


def sample(transactions: int, seed: int, days: int = 60) -> list[dict[str, int]]:
    """Return a small stream in time order with few customers and terminals, and times that repeat."""
    state = seed

    def draw(below: int) -> int:
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (state >> 33) % below

    times = sorted(draw(days * 48) * 1800 for _ in range(transactions))
    return [
        dict(zip(RAW, (at, time_s, draw(5), draw(4), 1 + draw(30_000), int(draw(5) == 0)), strict=True))
        for at, time_s in enumerate(times)
    ]
