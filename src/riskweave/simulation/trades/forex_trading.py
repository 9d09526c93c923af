"""Foreign exchange: quotes, orders, cancellations, trades."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from riskweave.simulation.city import CUSTOMER
from riskweave.simulation.clock import HOUR_MS, MARKET_HOURS, SECOND_MS, START_MS, Rhythm
from riskweave.simulation.columns import Count, Id, Number, Word
from riskweave.simulation.mix import Array, mix, pick, share
from riskweave.simulation.rows import NULL, Rows, choose, join
from riskweave.simulation.trade import Cast, Lookalike, Setting, Span, Steps, Trade, Typology, stage

QUOTE, ORDER, CANCEL, TRADE_DONE = range(4)
BUY, SELL = range(2)
LIMIT, MARKET = range(2)
PAIRS = ("EURUSD", "USDJPY", "GBPUSD", "USDCNH", "EURGBP", "USDCHF", "AUDUSD", "USDTRY", "EURCNH", "USDBRL")
PAIR_SHARE = (28, 15, 13, 10, 8, 7, 7, 4, 5, 3)
FIRST = np.array([1.085, 151.2, 1.27, 7.24, 0.853, 0.881, 0.662, 34.1, 7.86, 5.12])
HOURLY = np.array([6, 6.5, 7, 3, 5, 6, 8, 11, 5, 12]) * 1e-4  # standard deviation of an hour's return
SPREAD = np.array([0.6, 0.8, 0.9, 2.2, 1.1, 1.2, 1.0, 9.0, 3.0, 8.0]) * 1e-4 * 0.5  # of the price


@dataclass(frozen=True)
class Market:
    """Mid prices and volatility of every hour: [pairs, hours]."""

    mid: Array
    volatility: Array

    def at(self, pair: Array, at: Array) -> tuple[Array, Array]:
        """Return mid price and volatility (an hour's standard deviation, in basis points) at moments."""
        hour = (at - START_MS) / HOUR_MS
        low = np.clip(hour.astype(np.int64), 0, self.mid.shape[1] - 2)
        part = np.clip(hour - low, 0, 1)
        mid = self.mid[pair, low] * (1 - part) + self.mid[pair, low + 1] * part
        return mid, self.volatility[pair, low] * 1e4


@lru_cache(maxsize=4)
def market(seed: int, days: int) -> Market:
    """Return the market of a seed: random walks whose volatility comes in clusters."""
    rng = np.random.default_rng([seed, 600])
    hours = days * 24 + 2
    shocks = rng.normal(0, 0.22, (len(PAIRS), hours))
    level = np.zeros_like(shocks)
    for hour in range(1, hours):
        level[:, hour] = 0.95 * level[:, hour - 1] + shocks[:, hour]
    volatility = HOURLY[:, None] * np.exp(level)
    steps = rng.standard_t(5, (len(PAIRS), hours)) * np.sqrt(3 / 5) * volatility
    return Market(FIRST[:, None] * np.exp(np.cumsum(steps, axis=1)), volatility)


def prices(setting: Setting, rng: np.random.Generator, pair: Array, at: Array) -> tuple[Array, Array, Array]:
    """Return bid, ask and volatility."""
    mid, volatility = market(setting.seed, setting.days).at(pair, at)
    mid = mid * (1 + rng.normal(0, 1.5e-5, len(at)))
    wide = (
        mid
        * SPREAD[pair]
        * np.clip(volatility / (HOURLY[pair] * 1e4), 0.6, 5)
        * rng.uniform(0.8, 1.25, len(at))
    )
    return mid - wide, mid + wide, volatility


def traders(setting: Setting) -> int:
    """Return how many traders there are."""
    return int(np.clip(setting.people // 20, 25, 900))


def usual_quantity(setting: Setting, trader: Array) -> Array:
    """Return what a trader deals in, units of the first currency."""
    return np.exp(12.2 + 1.6 * (share(setting.seed, trader, 601) - 0.3))


def order(
    setting: Setting,
    rng: np.random.Generator,
    trader: Array,
    at: Array,
    *,
    pair: Array,
    side: Array,
    quantity: Array,
    number: Array,
    kind: Array | None = None,
    away: Array | float = 0.0,
    customer: Array | None = None,
    used: Array | None = None,
    position: Array | None = None,
) -> Rows:
    """Return orders; `away` moves a limit's price from the market, in basis points, to the passive side."""
    size = len(at)
    bid, ask, volatility = prices(setting, rng, pair, at)
    kind = (rng.random(size) < 0.45).astype(np.int64) if kind is None else kind
    touch = np.where(side == BUY, ask, bid)
    sign = np.where(side == BUY, -1.0, 1.0)
    passive = touch * (1 + sign * (np.abs(rng.normal(0, 1.0, size)) * volatility * 0.15 + away) * 1e-4)
    full = usual_quantity(setting, trader) * 25
    if used is None:
        used = np.clip(rng.beta(2.0, 3.2, size) * 1.08, 0, 1.03)
    if position is None:
        position = np.where(mix(trader, at // HOUR_MS, 602) % 2 == 0, 1, -1) * used * full
    client = np.where(share(setting.seed, trader, 603) < 0.65, pick(setting.people, trader, at, 604), NULL)
    return Rows(
        size,
        type=ORDER,
        at=at,
        order_id=number,
        trader_id=trader,
        desk=trader % len(DESKS),
        customer_id=client if customer is None else customer,
        pair=pair,
        side=side,
        quantity=np.maximum(1_000, np.rint(quantity / 1_000) * 1_000).astype(np.int64),
        price=np.where(kind == MARKET, touch, passive),
        order_type=kind,
        bid=bid,
        ask=ask,
        volatility=volatility,
        position=np.rint(position / 1_000).astype(np.int64) * 1_000,
        limit_used=np.round(used, 4),
    )


def cancelled(orders: Rows, age_ms: Array) -> Rows:
    """Return the cancellations of orders."""
    return Rows(
        orders.size,
        type=CANCEL,
        at=orders["at"] + age_ms,
        age_ms=age_ms,
        **{name: orders[name] for name in ("order_id", "trader_id", "pair", "side", "quantity")},
    )


def traded(
    setting: Setting,
    rng: np.random.Generator,
    orders: Rows,
    after_ms: Array,
    counterparty: Array,
    off: Array | float = 0.0,
) -> Rows:
    """Return trades of orders; `off` moves the price by basis points, to the trader's gain."""
    at = orders["at"] + after_ms
    bid, ask, _ = prices(setting, rng, orders["pair"], at)
    side = orders["side"]
    touch = np.where(side == BUY, ask, bid)
    slip = rng.normal(0, 0.25, orders.size)
    sign = np.where(side == BUY, -1.0, 1.0)
    return Rows(
        orders.size,
        type=TRADE_DONE,
        at=at,
        counterparty_id=counterparty,
        price=touch * (1 + (sign * off + slip) * 1e-4),
        bid=bid,
        ask=ask,
        **{name: orders[name] for name in ("order_id", "trader_id", "pair", "side", "quantity")},
    )


def legitimate(span: Span) -> Rows:
    """Quotes, orders, most of them traded, some withdrawn."""
    rng = span.rng
    quotes = int(span.wanted * 0.3)
    size = int((span.wanted - quotes) / 1.85) + 1
    _, at, _ = span.draw(size)
    trader = (traders(span) * rng.random(size) ** 1.3).astype(np.int64)
    home = mix(trader, 605) % len(PAIRS)
    pair = np.where(rng.random(size) < 0.4, home, choose(rng, size, PAIR_SHARE))
    number = mix(span.seed, trader, at, 606) % 10**10
    hit = rng.random(size) < 0.02
    quantity = usual_quantity(span, trader) * rng.lognormal(0, 0.8, size) * np.where(hit, 6, 1)
    # Makers stand far from the market and think again quickly.
    maker = share(span.seed, trader, 607) < 0.2
    side = rng.integers(0, 2, size)
    made = order(
        span,
        rng,
        trader,
        at,
        pair=pair,
        side=side,
        quantity=quantity,
        number=number,
        away=np.where(maker, rng.exponential(3.0, size), 0.0),
        kind=np.where(maker, LIMIT, (rng.random(size) < 0.5).astype(np.int64)),
    )
    made["visit"] = np.arange(size)
    fate = rng.random(size)
    gone = np.flatnonzero(np.where(maker, fate < 0.5, fate < 0.2))
    age = np.exp(rng.normal(np.where(maker[gone], 8.4, 10.2), 1.5, len(gone))).astype(np.int64) + 80
    withdrawn = cancelled(made.take(gone), np.minimum(age, 6 * HOUR_MS))
    withdrawn["visit"] = gone
    filled = np.flatnonzero(np.where(maker, fate >= 0.6, fate >= 0.28))
    wait = np.exp(rng.normal(6.5, 1.6, len(filled))).astype(np.int64) + 5
    party = pick(400, trader[filled], rng.integers(0, 20, len(filled)), 608)
    # An old rate, a swap's leg, a thin market: prices stray without anybody's fault.
    stray = np.where(rng.random(len(filled)) < 0.03, rng.normal(0, 9.0, len(filled)), 0.0)
    done = traded(span, rng, made.take(filled), np.minimum(wait, 2 * HOUR_MS), party, stray)
    done["visit"] = filled
    _, moment, _ = span.draw(quotes)
    shown = choose(rng, quotes, PAIR_SHARE)
    bid, ask, volatility = prices(span, rng, shown, moment)
    quoted = Rows(
        quotes,
        type=QUOTE,
        at=moment,
        pair=shown,
        bid=bid,
        ask=ask,
        volatility=volatility,
        visit=size + np.arange(quotes),
    )
    rows = join([made, withdrawn, done, quoted])
    rows["visit"] = rng.permutation(size + quotes)[rows["visit"]]
    return rows


# Attacks.


def _trader(cast: Cast) -> Array:
    return pick(traders(cast), cast.seed, cast.number, 609)


def wash_trade(cast: Cast) -> Rows:
    """One buys what he sells, to himself or to a friend: volume and no risk."""
    rng = cast.rng
    steps = cast.steps(4, 12)
    number, skill = steps.each(cast.number), steps.each(cast.skill)
    trader = steps.each(_trader(cast))
    at = steps.times(steps.gaps(1.5 + 60 * skill))
    size = steps.each(usual_quantity(cast, _trader(cast)) * rng.lognormal(0.2, 0.6, cast.size))
    size = size * np.where(skill > 0.5, rng.uniform(0.93, 1.07, steps.size), 1.0)
    made = order(
        cast,
        rng,
        trader,
        at,
        pair=pick(len(PAIRS), number, 610),
        side=steps.number % 2,
        quantity=size,
        number=_numbers(steps),
    )
    made["customer_id"] = NULL
    done = traded(cast, rng, made, rng.integers(20, 900, steps.size), pick(400, number, 611))
    return join([_of(made, steps.of_campaign, "prepare"), _of(done, steps.of_campaign, "act")])


def spoofing(cast: Cast) -> Rows:
    """Large orders that are not meant on one side, gone within seconds; a real one on the other."""
    rng = cast.rng
    steps = cast.steps(3, 9)
    number, skill = steps.each(cast.number), steps.each(cast.skill)
    trader = steps.each(_trader(cast))
    pair, side = pick(len(PAIRS), number, 612), mix(number, 613) % 2
    at = steps.times(steps.gaps(0.05 + 2.0 * skill))
    size = usual_quantity(cast, trader) * rng.lognormal(1.6 - 1.0 * skill, 0.4)
    made = order(
        cast,
        rng,
        trader,
        at,
        pair=pair,
        side=side,
        quantity=size,
        number=_numbers(steps),
        kind=np.full(steps.size, LIMIT),
        away=rng.exponential(2.5, steps.size),
    )
    age = np.exp(rng.normal(7.2 + 1.2 * skill, 0.6, steps.size)).astype(np.int64) + 60
    gone = cancelled(made, age)
    every = np.arange(cast.size)
    ends = np.zeros(cast.size, np.int64)
    np.maximum.at(ends, steps.of_campaign, at)
    own = order(
        cast,
        rng,
        _trader(cast),
        ends + SECOND_MS // 2,
        pair=pick(len(PAIRS), cast.number, 612),
        side=1 - mix(cast.number, 613) % 2,
        quantity=usual_quantity(cast, _trader(cast)) * rng.lognormal(-0.2, 0.5, cast.size),
        number=mix(cast.number, 614) % 10**10,
        kind=np.full(cast.size, MARKET),
    )
    won = traded(cast, rng, own, np.full(cast.size, 30), pick(400, cast.number, 615))
    return join(
        [
            _of(made, steps.of_campaign, "prepare"),
            _of(gone, steps.of_campaign, "prepare"),
            _of(own, every, "act"),
            _of(won, every, "cash_out"),
        ]
    )


def off_market_rate(cast: Cast) -> Rows:
    """Deals at prices the market never saw, to move profit between books."""
    rng = cast.rng
    steps = cast.steps(1, 5)
    number, skill = steps.each(cast.number), steps.each(cast.skill)
    trader = steps.each(_trader(cast))
    at = steps.times(steps.gaps(400 + 3_000 * skill))
    made = order(
        cast,
        rng,
        trader,
        at,
        pair=pick(len(PAIRS), number, steps.number, 616),
        side=rng.integers(0, 2, steps.size),
        quantity=usual_quantity(cast, trader) * rng.lognormal(0.4, 0.6, steps.size),
        number=_numbers(steps),
    )
    off = np.exp(rng.normal(3.0 - 1.1 * skill, 0.5, steps.size)) * np.where(
        rng.random(steps.size) < 0.7, 1, -1
    )
    done = traded(cast, rng, made, rng.integers(200, 90_000, steps.size), pick(400, number, 617), off)
    done["loss"] = _money(done["quantity"] * np.abs(off) * 1e-4)
    made = _of(made, steps.of_campaign, "prepare")
    made["fraud"] = 0
    done["of"], done["stage"], done["fraud"] = steps.of_campaign, stage("act"), 1
    return join([made, done])


def limit_breach(cast: Cast) -> Rows:
    """A position grows beyond what the trader may hold, and is dealt on all the same."""
    rng = cast.rng
    steps = cast.steps(2, 7)
    number, skill = steps.each(cast.number), steps.each(cast.skill)
    trader = steps.each(_trader(cast))
    used = np.minimum(0.9 + 0.08 * rng.random(steps.size) + (0.09 - 0.05 * skill) * steps.number, 1.6)
    side = mix(number, 618) % 2
    made = order(
        cast,
        rng,
        trader,
        steps.times(steps.gaps(15 + 120 * skill)),
        pair=pick(len(PAIRS), number, 619),
        side=side,
        quantity=usual_quantity(cast, trader) * rng.lognormal(0.7, 0.5, steps.size),
        number=_numbers(steps),
        used=used,
        position=np.where(side == BUY, 1, -1) * used * usual_quantity(cast, trader) * 25,
    )
    done = traded(cast, rng, made, rng.integers(20, 3_000, steps.size), pick(400, number, steps.number, 620))
    return join([_of(made, steps.of_campaign, "act"), _of(done, steps.of_campaign, "act")])


def front_running(cast: Cast) -> Rows:
    """Just before a customer's large order the trader deals for himself, and closes just after."""
    rng = cast.rng
    steps = cast.steps(3, 3)
    number, skill = steps.each(cast.number), steps.each(cast.skill)
    trader = steps.each(_trader(cast))
    side = np.where(steps.number == 2, 1 - mix(number, 621) % 2, mix(number, 621) % 2)
    client = steps.number == 1
    size = usual_quantity(cast, trader) * np.where(
        client, rng.lognormal(1.7, 0.4, steps.size), rng.lognormal(-0.1, 0.5, steps.size)
    )
    made = order(
        cast,
        rng,
        trader,
        steps.times(steps.gaps(0.4 + 6 * skill)),
        pair=pick(len(PAIRS), number, 622),
        side=side,
        quantity=size,
        number=_numbers(steps),
        kind=np.full(steps.size, MARKET),
        customer=np.where(client, steps.each(cast.customer), NULL),
    )
    done = traded(cast, rng, made, np.full(steps.size, 25), pick(400, number, steps.number, 623))
    parts = []
    for rows in (made, done):
        rows = _of(rows, steps.of_campaign, "act")
        # The customer's order is his right; the trader's own are not.
        rows["fraud"] = ~client
        parts.append(rows)
    return join(parts)


def unhedged_build_up(cast: Cast) -> Rows:
    """The same side again and again, for days: a bet that nobody has been told of."""
    rng = cast.rng
    steps = cast.steps(5, 14)
    number, skill = steps.each(cast.number), steps.each(cast.skill)
    trader = steps.each(_trader(cast))
    side = mix(number, 624) % 2
    used = np.clip(0.25 + 0.06 * steps.number + rng.normal(0, 0.05, steps.size), 0.02, 1.02)
    made = order(
        cast,
        rng,
        trader,
        steps.times(steps.gaps(60 + 500 * skill)),
        pair=pick(len(PAIRS), number, 625),
        side=side,
        quantity=usual_quantity(cast, trader) * rng.lognormal(0.5, 0.4, steps.size),
        number=_numbers(steps),
        customer=np.full(steps.size, NULL),
        used=used,
        position=np.where(side == BUY, 1, -1) * used * usual_quantity(cast, trader) * 25,
    )
    done = traded(cast, rng, made, rng.integers(20, 3_000, steps.size), pick(400, number, steps.number, 626))
    return join([_of(made, steps.of_campaign, "build_up"), _of(done, steps.of_campaign, "build_up")])


# What looks like an attack and is none.


def market_making(cast: Cast) -> Rows:
    """A maker quotes both sides, large, and thinks again within seconds."""
    rng = cast.rng
    steps = cast.steps(5, 14)
    number = steps.each(cast.number)
    trader = pick(traders(cast), number, 627) // 5 * 5
    made = order(
        cast,
        rng,
        trader,
        steps.times(steps.gaps(0.3)),
        pair=pick(len(PAIRS), number, 628),
        side=steps.number % 2,
        quantity=usual_quantity(cast, trader) * rng.lognormal(0.9, 0.5, steps.size),
        number=_numbers(steps),
        kind=np.full(steps.size, LIMIT),
        away=rng.exponential(2.5, steps.size),
    )
    gone = rng.random(steps.size) < 0.8
    kept = np.flatnonzero(~gone)
    withdrawn = cancelled(
        made.take(gone), np.exp(rng.normal(7.8, 0.9, int(gone.sum()))).astype(np.int64) + 60
    )
    done = traded(
        cast,
        rng,
        made.take(kept),
        rng.integers(100, 20_000, len(kept)),
        pick(400, number[kept], steps.number[kept], 629),
    )
    return join([made, withdrawn, done])


def hedging(cast: Cast) -> Rows:
    """A large customer's order is worked in slices, hedged the other way, with the same bank."""
    rng = cast.rng
    steps = cast.steps(4, 12)
    number = steps.each(cast.number)
    trader = pick(traders(cast), number, 630)
    side = np.where(number % 3 == 0, steps.number % 2, mix(number, 631) % 2)
    used = np.clip(steps.each(rng.beta(3, 2.5, cast.size)) + 0.03 * steps.number, 0, 1.04)
    made = order(
        cast,
        rng,
        trader,
        steps.times(steps.gaps(12.0)),
        pair=pick(len(PAIRS), number, 632),
        side=side,
        quantity=usual_quantity(cast, trader) * rng.lognormal(0.5, 0.5, steps.size),
        number=_numbers(steps),
        used=used,
        position=np.where(side == BUY, 1, -1) * used * usual_quantity(cast, trader) * 25,
    )
    done = traded(cast, rng, made, rng.integers(20, 3_000, steps.size), pick(400, number, 633))
    return join([made, done])


def _numbers(steps: Steps) -> Array:
    return mix(steps.each(steps.cast.number), steps.number, 634) % 10**10


def _money(amount: Array) -> Array:
    return np.asarray(np.rint(np.minimum(amount, 1e12) * 100).astype(np.int64))


def _of(rows: Rows, of: Array, name: str) -> Rows:
    rows["of"], rows["stage"] = of, stage(name)
    rows["fraud"] = 1
    rows["loss"] = _money(rows["quantity"] * 4e-4)
    return rows


DESKS = ("spot", "forwards", "corporate", "retail", "emerging", "options", "treasury", "algo")

TRADE = Trade(
    code="forex_trading",
    prefix="fx",
    types=("quote", "order", "cancel", "trade"),
    columns={
        "order_id": Id("o", 10),
        "trader_id": Id("r", 4),
        "desk": Word(DESKS),
        "customer_id": CUSTOMER,
        "pair": Word(PAIRS),
        "side": Word(("buy", "sell")),
        "quantity": Count(),
        "price": Number(6),
        "order_type": Word(("limit", "market")),
        "bid": Number(6),
        "ask": Number(6),
        "volatility": Number(3),
        "position": Count(),
        "limit_used": Number(4),
        "age_ms": Count(),
        "counterparty_id": Id("p", 4),
    },
    fraud_share=0.015,
    rhythm=Rhythm(weekend=0.08, closed=0.5, hours=MARKET_HOURS),
    legitimate=legitimate,
    typologies=(
        Typology("wash_trade", 0.22, 16, 10, wash_trade),
        Typology("spoofing", 0.22, 14, 12, spoofing),
        Typology("off_market_rate", 0.14, 3, 5, off_market_rate),
        Typology("limit_breach", 0.14, 9, 2, limit_breach),
        Typology("front_running", 0.12, 4, 30, front_running),
        Typology("unhedged_build_up", 0.16, 19, 8, unhedged_build_up),
    ),
    lookalikes=(
        Lookalike("market_making", 0.03, 19, market_making),
        Lookalike("hedging", 0.03, 16, hedging),
    ),
)
