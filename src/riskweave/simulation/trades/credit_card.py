"""Card payments, applications for cards and repayments."""

from __future__ import annotations

import numpy as np

from riskweave.simulation.city import (
    CARD,
    CASH_MCC,
    COUNTRY,
    COUNTRY_PLACES,
    CUSTOMER,
    DEVICE,
    HOSTILE,
    MCC,
    MCC_LOG,
    MCC_ONLINE,
    MERCHANT,
    RESOLD_MCC,
    SMALL_MCC,
    card,
)
from riskweave.simulation.clock import DAY_MS, HOUR_MS, Rhythm, day_of
from riskweave.simulation.columns import Address, Count, Flag, Id, Money, Number, Text, Word
from riskweave.simulation.mix import Array, mix, pick, share
from riskweave.simulation.rows import NULL, Rows, cents, choose, join, priced
from riskweave.simulation.trade import Cast, Lookalike, Setting, Span, Steps, Trade, Typology, stage

PAYMENT, APPLICATION, REPAYMENT = range(3)
POS, WEB, APP, ATM, MOTO = range(5)
CHIP, CONTACTLESS, MAGSTRIPE, ECOM = range(4)


def limit_of(setting: Setting, who: Array) -> Array:
    """Return the credit limit of somebody's card, EUR."""
    return np.rint(setting.city.income[who] * (1.0 + 2.0 * share(setting.seed, who, 60)) / 100) * 100


def payment(
    setting: Setting,
    rng: np.random.Generator,
    who: Array,
    at: Array,
    *,
    merchant: Array,
    amount: Array,
    online: Array,
    device: Array | None = None,
    ip: Array | None = None,
    abroad: Array | None = None,
    stolen: float = 0.0,
    which: Array | int = 0,
) -> Rows:
    """Return payments; what is not said follows from who pays and where."""
    city, size, day = setting.city, len(who), day_of(at)
    abroad = city.abroad(who, day) if abroad is None else abroad
    away = ~online & (abroad >= 0)
    merchant = np.where(away, city.merchant_abroad(np.maximum(abroad, 0), merchant), merchant)
    mcc = city.merchant_mcc[merchant]
    cash = (mcc == CASH_MCC) & ~online
    by_app = rng.random(size) < 0.55
    channel = np.where(online, np.where(by_app, APP, WEB), np.where(cash, ATM, POS))
    channel = np.where(online & (rng.random(size) < 0.03), MOTO, channel)
    tap = rng.random(size)
    entry = np.where(online, ECOM, np.where(cash | (tap < 0.35), CHIP, CONTACTLESS))
    entry = np.where(
        ~online & (rng.random(size) < np.where(away, 0.09, 0.015) + 0.1 * stolen), MAGSTRIPE, entry
    )
    country = np.where(away, np.maximum(abroad, 0), city.merchant_country[merchant])
    spot = city.merchant_place[merchant] + rng.normal(0, 0.002, (size, 2))
    spot = np.where(away[:, None], COUNTRY_PLACES[country] + rng.normal(0, 0.15, (size, 2)), spot)
    where = np.where(online[:, None], city.place(rng, who, abroad), spot)
    if device is None:
        # A tablet or a second browser now and then.
        device = city.device(who, day) + np.where(rng.random(size) < 0.06, 2, 0)
    if ip is None:
        ip = city.ip(rng, who, day, abroad)
    seen = online | ((entry == CONTACTLESS) & (share(setting.seed, who, 61) < 0.5))
    wrong = 0.012 + 0.1 * stolen
    return Rows(
        size,
        type=PAYMENT,
        at=at,
        customer_id=who,
        card_id=card(who, which),
        device_id=np.where(seen, device, NULL),
        ip=np.where(online, ip, NULL),
        merchant_id=merchant,
        terminal_id=np.where(online, NULL, merchant * 4 + mix(who, day, 62) % 3),
        mcc=mcc,
        merchant_country=country,
        amount=priced(rng, amount),
        currency=0,
        channel=channel,
        entry_mode=entry,
        lat=where[:, 0],
        lon=where[:, 1],
        cvv_match=np.where(online, rng.random(size) >= wrong, NULL),
    )


def _usual(setting: Setting, rng: np.random.Generator, who: Array, merchant: Array, at: Array) -> Array:
    city = setting.city
    mcc = city.merchant_mcc[merchant]
    level = MCC_LOG[mcc] + city.usual_log[who] + 0.3 * setting.drifted(at)
    found: Array = np.exp(level + rng.normal(0, 0.65, len(who)))
    return found


def legitimate(span: Span) -> Rows:
    """Payments of everyday life, repayments month by month, and some applications."""
    rng, city = span.rng, span.city
    applications, repayments = rng.binomial(span.wanted, (0.012, 0.03))
    size = span.wanted - applications - repayments
    who, at, _ = span.draw(size)
    shop = city.merchant(rng, who, span.shops)
    online_odds = MCC_ONLINE[city.merchant_mcc[shop]] * (0.4 + city.online[who]) + 0.1 * span.drifted(at)
    online = rng.random(size) < online_odds
    second = (rng.random(size) < 0.12).astype(np.int64)
    paid = payment(
        span,
        rng,
        who,
        at,
        merchant=shop,
        amount=_usual(span, rng, who, shop, at),
        online=online,
        which=second,
    )
    return _shuffled(rng, join([paid, _repayments(span, repayments), _applications(span, applications)]))


def _shuffled(rng: np.random.Generator, rows: Rows) -> Rows:
    return rows.take(rng.permutation(rows.size))


def _repayments(span: Span, size: int) -> Rows:
    rng = span.rng
    who, at, _ = span.draw(size)
    limit = limit_of(span, who)
    owed = limit * rng.beta(1.3, 2.5, size)
    kind = rng.random(size)
    part = np.where(kind < 0.55, 1.0, np.where(kind < 0.75, 0.05, rng.random(size)))
    return Rows(
        size,
        type=REPAYMENT,
        at=at,
        customer_id=who,
        card_id=card(who),
        amount=cents(owed * part),
        balance=cents(owed),
        credit_limit=cents(limit),
        currency=0,
    )


def application(
    setting: Setting,
    rng: np.random.Generator,
    who: Array,
    at: Array,
    *,
    device: Array,
    ip: Array,
    inflated: Array | float = 1.0,
    phone: Array | None = None,
    address: Array | None = None,
    score: Array | None = None,
    months: Array | None = None,
) -> Rows:
    """Return applications for a card."""
    city, size = setting.city, len(who)
    income = city.income[who] * inflated * rng.lognormal(0, 0.08, size)
    asked = income * rng.uniform(0.8, 3.2, size)
    return Rows(
        size,
        type=APPLICATION,
        at=at,
        customer_id=who,
        device_id=device,
        ip=ip,
        phone=who if phone is None else phone,
        email=who,
        address=city.household(who) if address is None else address,
        income=cents(np.rint(income / 50) * 50),
        employment_months=city.employed_months[who] if months is None else months.astype(np.int64),
        requested_limit=cents(np.rint(asked / 100) * 100 + 100),
        bureau_score=np.rint(
            np.clip(city.score[who] + rng.normal(0, 12, size) if score is None else score, 300, 850)
        ).astype(np.int64),
        age=city.age[who],
        currency=0,
    )


def _applications(span: Span, size: int) -> Rows:
    rng, city = span.rng, span.city
    known, at, day = span.draw(size)
    fresh = span.people + pick(len(city.age) - span.people, span.seed, known, day, 63)
    who = np.where(rng.random(size) < 0.6, fresh, known)
    # Families and shops apply on one device; some say more than they earn.
    device = np.where(rng.random(size) < 0.12, city.device(who // 3 * 3, day), city.device(who, day))
    boast = np.where(rng.random(size) < 0.12, rng.uniform(1.1, 1.7, size), 1.0)
    nobody = np.full(size, -1)
    return application(span, rng, who, at, device=device, ip=city.ip(rng, who, day, nobody), inflated=boast)


# Attacks.


def stolen_card(cast: Cast) -> Rows:
    """A card and its numbers in other hands: a burst of purchases that can be sold on."""
    rng, city = cast.rng, cast.city
    steps = cast.steps(3, 11)
    who = steps.each(cast.customer)
    skill = steps.each(cast.skill)
    at = steps.times(steps.gaps(15 + 240 * skill))
    resold = rng.random(steps.size) < 0.6 - 0.3 * skill
    shop = pick(cast.shops, cast.seed, steps.each(cast.number), steps.number, 70)
    shop = np.where(resold, _of_kind(cast, shop, RESOLD_MCC), shop)
    online = rng.random(steps.size) < np.maximum(0.15, MCC_ONLINE[city.merchant_mcc[shop]])
    far = share(cast.seed, steps.each(cast.number), 71) < 0.45 - 0.25 * skill
    abroad = np.where(far, choose(rng, cast.size, HOSTILE)[steps.of_campaign], -1)
    limit = np.exp(rng.normal(6.2, 0.5, cast.size))
    feeling, slower = steps.probing(np.maximum(limit / 16, 15), limit)
    adaptive = share(cast.seed, steps.each(cast.number), 72) < 0.4
    usual = _usual(cast, rng, who, shop, at)
    amount = np.where(adaptive, feeling, usual * rng.uniform(0.9, 5.5 - 3.5 * skill))
    at = np.where(adaptive, steps.times(steps.gaps((15 + 120 * skill) * slower)), at)
    number = steps.each(cast.number)
    near = city.ip_mobile(who, day_of(at))
    ip = np.where(rng.random(steps.size) < 0.4 + 0.4 * skill, near, city.ip_hosting(number))
    ip = np.where(abroad >= 0, city.ip_abroad(np.maximum(abroad, 0), number), ip)
    rows = payment(
        cast,
        rng,
        who,
        at,
        merchant=shop,
        amount=amount,
        online=online,
        ip=ip,
        abroad=abroad,
        stolen=1.0,
        device=city.stranger_device(number),
    )
    return _of(rows, steps, np.where(steps.number < np.where(adaptive, 2, 0), stage("probe"), stage("act")))


def card_testing(cast: Cast) -> Rows:
    """Stolen numbers are tried with small amounts at one shop; those that live are used for more."""
    rng, city = cast.rng, cast.city
    steps = cast.steps(7, 17)
    number, skill = steps.each(cast.number), steps.each(cast.skill)
    cards = 2 + mix(number, 73) % 5
    late = steps.number >= steps.count - 3
    pointer = np.where(late, 0, steps.number % cards)
    who = np.where(pointer == 0, steps.each(cast.customer), pick(cast.people, cast.seed, number, pointer, 74))
    at = steps.times(steps.gaps(np.where(late, 25.0, 1.0) * (0.7 + 20 * skill**2)))
    small = _of_kind(cast, pick(cast.shops, cast.seed, number, 75), (13, 14, 7))
    shop = np.where(
        late, _of_kind(cast, pick(cast.shops, cast.seed, number, steps.number, 76), RESOLD_MCC), small
    )
    amount = np.where(
        late, np.exp(rng.normal(5.2 - 0.5 * skill, 0.6)), np.exp(rng.normal(1.0 + 0.8 * skill, 0.7))
    )
    rows = payment(
        cast,
        rng,
        who,
        at,
        merchant=shop,
        amount=amount,
        online=np.full(steps.size, True),
        stolen=1.6,
        device=city.stranger_device(number, np.where(skill > 0.6, steps.number // 3, 0)),
        ip=np.where(skill > 0.5, city.ip_mobile(who + 3, day_of(at)), city.ip_hosting(number)),
    )
    return _of(rows, steps, np.where(late, stage("cash_out"), stage("probe")))


def account_takeover(cast: Cast) -> Rows:
    """The customer's access in other hands: a new device, then goods that can be sold."""
    rng, city = cast.rng, cast.city
    steps = cast.steps(2, 7)
    who, number, skill = steps.each(cast.customer), steps.each(cast.number), steps.each(cast.skill)
    limit = np.exp(rng.normal(6.5, 0.5, cast.size))
    amount, slower = steps.probing(np.maximum(limit / 6, 20), limit)
    at = steps.times(steps.gaps((10 + 300 * skill) * slower))
    resold = _of_kind(cast, pick(cast.shops, cast.seed, number, steps.number, 77), RESOLD_MCC)
    shop = np.where(rng.random(steps.size) < 0.7, resold, pick(cast.shops, number, steps.number, 78))
    hosting = np.where(skill > 0.6, city.ip_mobile(who + 1, day_of(at)), city.ip_hosting(number))
    rows = payment(
        cast,
        rng,
        who,
        at,
        merchant=shop,
        amount=amount * rng.uniform(0.5, 1.2, steps.size),
        online=np.full(steps.size, True),
        device=city.stranger_device(number),
        ip=hosting,
        stolen=0.4,
    )
    return _of(rows, steps, np.where(steps.number == 0, stage("probe"), stage("act")))


def terminal_compromise(cast: Cast) -> Rows:
    """Cards that were used at one terminal are copied: for two weeks it is many customers' misfortune."""
    rng = cast.rng
    steps = cast.steps(12, 28)
    number = steps.each(cast.number)
    who = pick(cast.people, cast.seed, number, steps.number, 79)
    at = steps.times(steps.gaps(14 * 1440 / 20))
    # In the daytime, when the shop is open.
    at = at // DAY_MS * DAY_MS + ((9 + 11 * rng.random(steps.size)) * HOUR_MS).astype(np.int64)
    shop = pick(cast.shops, cast.seed, number, 80)
    amount = _usual(cast, rng, who, shop, at) * rng.uniform(0.7, 2.0, steps.size)
    rows = payment(
        cast, rng, who, at, merchant=shop, amount=amount, online=np.full(steps.size, False), stolen=0.6
    )
    rows["terminal_id"] = shop * 4 + 1
    return _of(rows, steps, np.full(steps.size, stage("act")))


def merchant_collusion(cast: Cast) -> Rows:
    """A merchant and a few card holders: sales that never were, in amounts that look like sales."""
    rng = cast.rng
    steps = cast.steps(8, 20)
    number, skill = steps.each(cast.number), steps.each(cast.skill)
    who = pick(cast.people, cast.seed, number, mix(number, steps.number) % 4, 81)
    at = steps.times(steps.gaps(60 + 900 * skill))
    shop = pick(cast.shops, cast.seed, number, 82)
    amount = np.rint(np.exp(rng.normal(5.0, 0.5, steps.size)) / 10) * 10 + 10
    rows = payment(cast, rng, who, at, merchant=shop, amount=amount, online=rng.random(steps.size) < 0.3)
    rows["amount"] = np.where(rng.random(steps.size) < 0.6, cents(amount), rows["amount"])
    return _of(rows, steps, np.full(steps.size, stage("act")))


def bust_out(cast: Cast) -> Rows:
    """A card is used and paid back for weeks, then drawn to its limit within days and never paid."""
    rng, city = cast.rng, cast.city
    calm = cast.steps(5, 9)
    bust = cast.steps(6, 13)
    who = calm.each(cast.customer)
    at = calm.times(calm.gaps(3 * 1440.0))
    shop = city.merchant(rng, who, cast.shops)
    built = payment(
        cast,
        rng,
        who,
        at,
        merchant=shop,
        amount=_usual(cast, rng, who, shop, at) * 1.3,
        online=rng.random(calm.size) < 0.4,
    )
    built = _of(built, calm, np.full(calm.size, stage("build_up")))
    built["fraud"] = 0
    last = np.zeros(cast.size, np.int64)
    np.maximum.at(last, calm.of_campaign, at - calm.each(cast.start))
    who = bust.each(cast.customer)
    late = bust.times(bust.gaps(120 + 400 * bust.each(cast.skill)), last + DAY_MS)
    shop = pick(cast.shops, cast.seed, bust.each(cast.number), bust.number, 83)
    resold = np.where(rng.random(bust.size) < 0.6, _of_kind(cast, shop, RESOLD_MCC), shop)
    amount = limit_of(cast, who) / bust.count * rng.uniform(0.5, 1.4, bust.size)
    spent = payment(cast, rng, who, late, merchant=resold, amount=amount, online=rng.random(bust.size) < 0.5)
    spent = _of(spent, bust, np.full(bust.size, stage("bust")))
    spent["fraud"] = 1
    return join([built, spent])


def application_fraud(cast: Cast) -> Rows:
    """Applications in names of others, or with an income that is none."""
    rng, city = cast.rng, cast.city
    steps = cast.steps(1, 4)
    number, skill = steps.each(cast.number), steps.each(cast.skill)
    who = cast.newcomer(0, number * 16 + steps.number)
    at = steps.times(steps.gaps(60 + 2_000 * skill))
    rows = application(
        cast,
        rng,
        who,
        at,
        device=city.stranger_device(number),
        inflated=rng.uniform(1.3, 3.4 - 1.6 * skill),
        ip=np.where(skill < 0.5, city.ip_hosting(number), city.ip_mobile(number, day_of(at))),
        months=np.rint(rng.exponential(18, steps.size)),
        phone=np.where(skill < 0.6, who, cast.newcomer(1)[steps.of_campaign]),
    )
    return _asked(_of(rows, steps, np.full(steps.size, stage("act"))))


def synthetic_identity(cast: Cast) -> Rows:
    """Persons who do not exist, made of parts of others: one telephone and one address for several."""
    rng, city = cast.rng, cast.city
    steps = cast.steps(2, 6)
    number, skill = steps.each(cast.number), steps.each(cast.skill)
    # The first of them is the one that the other scenarios meet.
    who = np.where(
        steps.number == 0, steps.each(cast.newcomer(2)), cast.newcomer(3, number * 16 + steps.number)
    )
    at = steps.times(steps.gaps(1_000 + 3_000 * skill))
    shared = steps.each(cast.newcomer(4))
    device = np.where(skill > 0.5, city.device(who, day_of(at)), city.stranger_device(number))
    rows = application(
        cast,
        rng,
        who,
        at,
        device=device,
        ip=city.ip_mobile(number, day_of(at)),
        phone=np.where(rng.random(steps.size) < 0.85 - 0.5 * skill, shared, who),
        address=np.where(rng.random(steps.size) < 0.85 - 0.4 * skill, shared, who),
        score=rng.normal(640, 45, steps.size),
        months=np.rint(rng.exponential(14, steps.size)),
    )
    return _asked(_of(rows, steps, np.full(steps.size, stage("prepare"))))


# What looks like an attack and is none.


def new_phone(cast: Cast) -> Rows:
    """A new phone, and something large for it or on it."""
    rng = cast.rng
    steps = cast.steps(1, 3)
    who = steps.each(cast.customer)
    at = _awake(cast, steps, steps.times(steps.gaps(400.0)))
    shop = _of_kind(cast, pick(cast.shops, steps.each(cast.number), steps.number, 84), RESOLD_MCC)
    device = who * 8 + 4 + mix(steps.each(cast.number)) % 4
    amount = np.exp(rng.normal(5.7, 0.6, steps.size))
    return payment(
        cast, rng, who, at, merchant=shop, amount=amount, online=np.full(steps.size, True), device=device
    )


def vending(cast: Cast) -> Rows:
    """A few small payments in quick succession: a machine, a game, a fare for each child."""
    rng = cast.rng
    steps = cast.steps(3, 9)
    who = steps.each(cast.customer)
    at = steps.times(steps.gaps(1.5))
    shop = _of_kind(cast, pick(cast.shops, steps.each(cast.number), 85), SMALL_MCC)
    amount = np.exp(rng.normal(1.1, 0.6, steps.size))
    online = steps.each(rng.random(cast.size) < 0.5)
    return payment(cast, rng, who, at, merchant=shop, amount=amount, online=online)


def spree(cast: Cast) -> Rows:
    """A journey or a move: large payments one after the other, often far away."""
    rng = cast.rng
    steps = cast.steps(4, 9)
    who = steps.each(cast.customer)
    at = _awake(cast, steps, steps.times(steps.gaps(180.0)))
    shop = pick(cast.shops, steps.each(cast.number), steps.number, 86)
    away = steps.each(np.where(rng.random(cast.size) < 0.6, choose(rng, cast.size, HOSTILE), -1))
    amount = _usual(cast, rng, who, shop, at) * rng.uniform(1, 5, steps.size)
    online = rng.random(steps.size) < 0.3
    return payment(cast, rng, who, at, merchant=shop, amount=amount, online=online, abroad=away)


def _awake(cast: Cast, steps: Steps, at: Array) -> Array:
    """Move moments of the small hours into the day."""
    hour = at % DAY_MS // HOUR_MS
    return np.where(hour < 8, at + 9 * HOUR_MS, at)


def _of_kind(setting: Setting, shop: Array, kinds: tuple[int, ...]) -> Array:
    """Return a shop of one of some kinds, as many different ones as there are."""
    shops = np.flatnonzero(np.isin(setting.city.merchant_mcc[: setting.shops], kinds))
    return shops[shop % len(shops)] if len(shops) else shop


def _of(rows: Rows, steps: Steps, stages: Array) -> Rows:
    rows["of"] = steps.of_campaign
    rows["stage"] = stages
    return rows


def _asked(rows: Rows) -> Rows:
    rows["loss"] = rows["requested_limit"] * 7 // 10
    return rows


TRADE = Trade(
    code="credit_card",
    prefix="cc",
    types=("payment", "application", "repayment"),
    columns={
        "customer_id": CUSTOMER,
        "card_id": CARD,
        "device_id": DEVICE,
        "ip": Address(),
        "merchant_id": MERCHANT,
        "terminal_id": Id("t", 6),
        "mcc": Word(MCC),
        "merchant_country": COUNTRY,
        "amount": Money(),
        "currency": Word(("EUR",)),
        "channel": Word(("pos", "web", "app", "atm", "moto")),
        "entry_mode": Word(("chip", "contactless", "magstripe", "ecom")),
        "lat": Number(5),
        "lon": Number(5),
        "cvv_match": Flag(),
        "phone": Text("phone"),
        "email": Text("email"),
        "address": Text("address"),
        "income": Money(),
        "employment_months": Count(),
        "requested_limit": Money(),
        "bureau_score": Count(),
        "age": Count(),
        "balance": Money(),
        "credit_limit": Money(),
    },
    fraud_share=0.01,
    rhythm=Rhythm(weekend=1.15, pay_day=1.15, shopping=1.0, closed=0.8),
    legitimate=legitimate,
    typologies=(
        Typology("stolen_card", 0.22, 7, 5, stolen_card),
        Typology("card_testing", 0.18, 12, 6, card_testing),
        Typology("account_takeover", 0.14, 4.5, 4, account_takeover),
        Typology("terminal_compromise", 0.14, 20, 9, terminal_compromise),
        Typology("merchant_collusion", 0.10, 14, 21, merchant_collusion),
        Typology("bust_out", 0.10, 9.5, 35, bust_out),
        Typology("application_fraud", 0.06, 2.5, 30, application_fraud),
        Typology("synthetic_identity", 0.06, 4, 45, synthetic_identity),
    ),
    lookalikes=(
        Lookalike("new_phone", 0.012, 2, new_phone),
        Lookalike("vending", 0.025, 6, vending),
        Lookalike("spree", 0.015, 6.5, spree),
    ),
)
