"""Digital yuan wallets: opening them, paying, topping up, offline payments."""

from __future__ import annotations

import numpy as np

from riskweave.simulation.city import CUSTOMER, CUSTOMERS, DEVICE, MERCHANT, WALLET
from riskweave.simulation.clock import DAY_MS, HOUR_MS, Rhythm, day_of
from riskweave.simulation.columns import Address, Count, Flag, Money, Text, Word
from riskweave.simulation.mix import Array, mix, pick, share
from riskweave.simulation.rows import NULL, Rows, cents, choose, join, priced
from riskweave.simulation.trade import Cast, Lookalike, Setting, Span, Steps, Trade, Typology, stage

OPEN, TRANSFER = range(2)
APP, QR, NFC = range(3)
P2P, MERCHANT_PAY, REDEEM, TOP_UP = range(4)
NOTES = (
    "房租 rent",
    "聚餐 dinner",
    "借款 loan",
    "礼金 gift",
    "货款 goods",
    "保证金 deposit",
    "任务返佣 task",
    "投资 investment",
    "学费 tuition",
)
EVERYDAY = (10, 26, 10, 16, 14, 5, 2, 4, 7)
TOLD = (3, 3, 10, 4, 12, 26, 8, 26, 8)
# Classes 1 (at a counter) .. 4 (anonymous), with their limits in yuan: balance, one payment, a day, a year.
LIMITS = np.array(
    [
        [1e9, 1e9, 1e9, 1e9],
        [1e9, 1e9, 1e9, 1e9],
        [500_000, 50_000, 100_000, 1e9],
        [20_000, 5_000, 10_000, 1e9],
        [10_000, 2_000, 5_000, 50_000],
    ]
)


def wallet(who: Array, which: Array | int = 0) -> Array:
    """Return somebody's wallet."""
    return who * 4 + which


def class_of(setting: Setting, held: Array) -> Array:
    """Return a wallet's class: many are of the second, some are anonymous."""
    chance = share(setting.seed, held, 300)
    second = held % 4 > 0
    cut = np.where(second, 0.0, 0.12), np.where(second, 0.25, 0.62), np.where(second, 0.55, 0.85)
    return 1 + (chance >= cut[0]).astype(np.int64) + (chance >= cut[1]) + (chance >= cut[2])


def shop_wallet(merchant: Array) -> Array:
    """Return a merchant's wallet."""
    return CUSTOMERS * 4 + merchant


def transfer(
    setting: Setting,
    rng: np.random.Generator,
    who: Array,
    at: Array,
    *,
    payer: Array,
    payee: Array,
    amount: Array,
    scene: Array | int,
    channel: Array,
    merchant: Array | int = NULL,
    device: Array | None = None,
    ip: Array | None = None,
    note: Array | int = NULL,
    offline: Array | bool = False,
    payee_class: Array | None = None,
    held: Array | None = None,
) -> Rows:
    """Return payments out of wallets; no payment exceeds its wallet's limit for one."""
    city, size, day = setting.city, len(who), day_of(at)
    kind = class_of(setting, payer)
    paid = priced(rng, np.minimum(amount, LIMITS[kind, 1]))
    if held is None:
        held = np.minimum(np.exp(rng.normal(6.4, 1.1, size) + 0.4 * city.usual_log[who]), LIMITS[kind, 0])
    on = np.broadcast_to(np.asarray(offline), (size,))
    return Rows(
        size,
        type=TRANSFER,
        at=at,
        customer_id=who,
        wallet_id=payer,
        wallet_class=kind,
        payee_wallet_id=payee,
        payee_class=class_of(setting, payee) if payee_class is None else payee_class,
        amount=paid,
        currency=0,
        balance=np.maximum(cents(held), paid),
        offline=on,
        device_id=city.device(who, day) if device is None else device,
        ip=np.where(on, NULL, city.ip(rng, who, day, np.full(size, -1)) if ip is None else ip),
        channel=channel,
        scene=scene,
        merchant_id=merchant,
        first_to_payee_note=note,
    )


def opening(setting: Setting, who: Array, at: Array, *, held: Array, device: Array, phone: Array) -> Rows:
    """Return wallets opened; an anonymous one (class 4) knows a telephone number only."""
    kind = class_of(setting, held)
    return Rows(
        len(who),
        type=OPEN,
        at=at,
        wallet_id=held,
        wallet_class=kind,
        customer_id=np.where(kind < 4, who, NULL),
        device_id=device,
        phone=phone,
    )


def legitimate(span: Span) -> Rows:
    """Shops, friends, top-ups and redemptions; a few wallets opened."""
    rng, city = span.rng, span.city
    opened = rng.binomial(span.wanted, 0.015)
    size = span.wanted - opened
    who, at, _ = span.draw(size)
    payer = wallet(who, (rng.random(size) < 0.1).astype(np.int64))
    scene = choose(rng, size, (24, 56, 7, 13))
    channel = np.where(scene == MERCHANT_PAY, choose(rng, size, (28, 52, 20)), choose(rng, size, (88, 10, 2)))
    shop = city.merchant(rng, who, span.shops)
    which = (9 * rng.random(size) ** 1.6).astype(np.int64)
    friend = city.payee(who, which, span.people)
    stranger = rng.random(size) < 0.1
    friend = np.where(stranger, pick(span.people, who, at, 301), friend)
    own = wallet(who)
    payee = np.select([scene == P2P, scene == MERCHANT_PAY], [wallet(friend), shop_wallet(shop)], own)
    level = np.select([scene == P2P, scene == MERCHANT_PAY, scene == REDEEM], [4.8, 3.5, 6.1], 5.7)
    amount = np.exp(level + 0.8 * city.usual_log[who] + rng.normal(0, 1.05, size) + 0.3 * span.drifted(at))
    offline = (channel == NFC) & (scene == MERCHANT_PAY) & (rng.random(size) < 0.35)
    first = (scene == P2P) & stranger
    rows = transfer(
        span,
        rng,
        who,
        at,
        payer=payer,
        payee=payee,
        amount=amount,
        scene=scene,
        channel=channel,
        offline=offline,
        merchant=np.where(scene == MERCHANT_PAY, shop, NULL),
        payee_class=np.where(scene == MERCHANT_PAY, 1, class_of(span, payee)),
        note=np.where(first & (rng.random(size) < 0.6), choose(rng, size, EVERYDAY), NULL),
    )
    fresh, moment, on = span.draw(opened)
    new = span.people + pick(len(city.age) - span.people, span.seed, fresh, on, 302)
    new = np.where(rng.random(opened) < 0.5, new, fresh)
    held = wallet(new, np.where(new < span.people, 1, 0))
    family = np.where(rng.random(opened) < 0.15, new // 2 * 2, new)
    made = opening(span, new, moment, held=held, device=city.device(family, on), phone=family)
    both = join([rows, made])
    return both.take(rng.permutation(both.size))


# Attacks.


def impersonation_scam(cast: Cast) -> Rows:
    """The holder pays himself, told to: a top-up, then a stranger, in growing amounts."""
    rng, city = cast.rng, cast.city
    steps = cast.steps(2, 6)
    number, skill = steps.each(cast.number), steps.each(cast.skill)
    who = steps.each(cast.customer)
    start = _by_day(cast)
    at = Steps.times(_moved(steps, start), steps.gaps(8 + 120 * skill**2))
    first = steps.number == 0
    mule = wallet(steps.each(cast.person(1)), steps.number // 3)
    wealth = np.minimum(
        np.exp(6.9 + 0.8 * city.usual_log[who] + rng.normal(0, 0.7, steps.size)) * (1 + steps.number), 50_000
    )
    topped = first & (share(number, 303) < 0.6)
    rows = transfer(
        cast,
        rng,
        who,
        at,
        payer=wallet(who),
        payee=np.where(topped, wallet(who), mule),
        amount=wealth,
        scene=np.where(topped, TOP_UP, P2P),
        channel=choose(rng, steps.size, (75, 24, 1)),
        note=np.where(
            ~topped & (steps.number < 2) & (rng.random(steps.size) < 0.75),
            choose(rng, steps.size, TOLD),
            NULL,
        ),
        held=wealth * rng.uniform(1.0, 1.6, steps.size),
    )
    rows["fraud"] = ~topped
    return _of(rows, steps, np.where(topped, stage("prepare"), stage("act")))


def brush_order_scam(cast: Cast) -> Rows:
    """Paid tasks: small payments come back with a commission, the last and large ones do not."""
    rng = cast.rng
    steps = cast.steps(4, 9)
    skill = steps.each(cast.skill)
    who = steps.each(cast.customer)
    at = steps.times(steps.gaps(40 + 500 * skill))
    early = steps.number < 2
    mule = steps.each(cast.person(1))
    base = steps.each(np.exp(rng.normal(4.2, 0.5, cast.size)))
    amount = base * np.where(early, 1.0, 2.3 ** (steps.number - 1)) * rng.uniform(0.8, 1.2, steps.size)
    rows = transfer(
        cast,
        rng,
        who,
        at,
        payer=wallet(who),
        payee=wallet(mule, steps.number % 3),
        amount=amount,
        scene=P2P,
        channel=choose(rng, steps.size, (45, 53, 2)),
        note=np.where(
            (steps.number < 3) & (rng.random(steps.size) < 0.6),
            choose(rng, steps.size, (2, 4, 4, 4, 26, 14, 30, 12, 4)),
            NULL,
        ),
        held=amount * rng.uniform(1.05, 2.0, steps.size),
    )
    return _of(rows, steps, np.where(early, stage("contact"), stage("act")))


def mule_network(cast: Cast) -> Rows:
    """Wallets opened on few devices; money goes from one to the next and is redeemed."""
    rng, city = cast.rng, cast.city
    opened, moves = cast.steps(2, 4), cast.steps(5, 12)
    device = city.stranger_device(cast.number)

    def member(steps: Steps, which: Array) -> Array:
        first = steps.each(cast.newcomer(2))
        return np.where(which == 0, first, cast.newcomer(7, steps.each(cast.number) * 8 + which))

    who = member(opened, opened.number)
    at = opened.times(opened.gaps(30 + 600 * opened.each(cast.skill)))
    # All wallets are there before the money moves.
    at = np.minimum(at, opened.each(cast.start) + 20 * HOUR_MS)
    made = opening(
        cast,
        who,
        at,
        held=wallet(who),
        device=np.where(opened.each(cast.skill) > 0.6, city.device(who, day_of(at)), opened.each(device)),
        phone=np.where(rng.random(opened.size) < 0.4, opened.each(cast.newcomer(2)), who),
    )
    made = _of(made, opened, np.full(opened.size, stage("prepare")))
    made["loss"] = 0
    n = np.bincount(opened.of_campaign, minlength=cast.size)
    hop = moves.number % moves.each(n)
    giver, taker = member(moves, hop), member(moves, (hop + 1) % moves.each(n))
    last = moves.number >= moves.count - 2
    skill = moves.each(cast.skill)
    when = moves.times(moves.gaps(25 + 500 * skill**2), DAY_MS)
    amount = moves.each(np.exp(rng.normal(7.4, 0.6, cast.size))) * rng.uniform(0.75, 1.05, moves.size)
    went = transfer(
        cast,
        rng,
        giver,
        when,
        payer=wallet(giver),
        payee=np.where(last, wallet(giver), wallet(taker)),
        amount=amount,
        scene=np.where(last, REDEEM, P2P),
        channel=choose(rng, moves.size, (70, 28, 2)),
        device=np.where(skill > 0.6, city.device(giver, day_of(when)), moves.each(device)),
        held=amount * rng.uniform(1.0, 1.25, moves.size),
        note=np.where(rng.random(moves.size) < 0.25, choose(rng, moves.size, EVERYDAY), NULL),
    )
    return join([made, _of(went, moves, np.where(last, stage("cash_out"), stage("layer")))])


def rapid_in_out(cast: Cast) -> Rows:
    """Money comes from several and leaves within minutes."""
    rng = cast.rng
    steps = cast.steps(4, 11)
    number, skill = steps.each(cast.number), steps.each(cast.skill)
    mule = steps.each(cast.person(1))
    out = steps.number % 3 == 2
    who = np.where(out, mule, pick(cast.people, number, steps.number, 304))
    at = steps.times(steps.gaps(5 + 120 * skill**2))
    amount = np.exp(rng.normal(6.3, 0.6, steps.size)) * np.where(out, 1.9, 1.0)
    redeemed = out & (rng.random(steps.size) < 0.5)
    exit_to = wallet(pick(cast.people, number, steps.number, 305))
    rows = transfer(
        cast,
        rng,
        who,
        at,
        payer=wallet(who),
        payee=np.where(out, np.where(redeemed, wallet(mule), exit_to), wallet(mule)),
        amount=amount,
        scene=np.where(redeemed, REDEEM, P2P),
        channel=choose(rng, steps.size, (70, 28, 2)),
        held=amount * rng.uniform(1.0, 1.3, steps.size),
        note=np.where(~out & (rng.random(steps.size) < 0.5), choose(rng, steps.size, TOLD), NULL),
    )
    return _of(rows, steps, np.where(out, stage("cash_out"), stage("collect")))


def offline_double_spend(cast: Cast) -> Rows:
    """A cloned hard wallet spends the same balance offline, here and there, before anybody is online."""
    rng, city = cast.rng, cast.city
    steps = cast.steps(3, 8)
    number, skill = steps.each(cast.number), steps.each(cast.skill)
    who = steps.each(cast.customer)
    at = steps.times(steps.gaps(4 + 60 * skill))
    shop = pick(cast.shops, number, steps.number, 306)
    held = steps.each(np.exp(rng.normal(5.2, 0.5, cast.size)))
    amount = held * rng.uniform(0.4, 1.0, steps.size)
    rows = transfer(
        cast,
        rng,
        who,
        at,
        payer=wallet(who, 1),
        payee=shop_wallet(shop),
        amount=amount,
        scene=MERCHANT_PAY,
        channel=np.full(steps.size, NFC),
        merchant=shop,
        offline=rng.random(steps.size) < 0.85,
        payee_class=np.ones(steps.size, np.int64),
        held=held,
        device=np.where(steps.number % 2 == 0, city.device(who, day_of(at)), city.stranger_device(number)),
    )
    return _of(rows, steps, np.full(steps.size, stage("act")))


def merchant_cash_out(cast: Cast) -> Rows:
    """A shop without goods: wallets pay it round sums, one after the other, and it redeems."""
    rng = cast.rng
    steps = cast.steps(6, 16)
    number, skill = steps.each(cast.number), steps.each(cast.skill)
    who = pick(cast.people, number, mix(number, steps.number) % 5, 307)
    at = steps.times(steps.gaps(10 + 300 * skill))
    shop = pick(cast.shops, number, 308)
    amount = np.exp(rng.normal(6.6 - 0.6 * skill, 0.5, steps.size))
    amount = np.where(rng.random(steps.size) < 0.6, np.maximum(np.rint(amount / 100) * 100, 100), amount)
    rows = transfer(
        cast,
        rng,
        who,
        at,
        payer=wallet(who),
        payee=shop_wallet(shop),
        amount=amount,
        scene=MERCHANT_PAY,
        channel=choose(rng, steps.size, (20, 75, 5)),
        merchant=shop,
        payee_class=np.ones(steps.size, np.int64),
        held=amount * rng.uniform(1.0, 1.5, steps.size),
    )
    return _of(rows, steps, np.full(steps.size, stage("cash_out")))


# What looks like an attack and is none.


def new_friend(cast: Cast) -> Rows:
    """A deposit for a flat, a wedding gift: a stranger is paid a lot, with a note."""
    rng, city = cast.rng, cast.city
    steps = cast.steps(1, 3)
    who = steps.each(cast.customer)
    at = Steps.times(_moved(steps, _by_day(cast)), steps.gaps(15.0))
    other = wallet(pick(cast.people, steps.each(cast.number), 309))
    amount = np.exp(rng.normal(7.0, 0.9, steps.size) + 0.8 * city.usual_log[who])
    return transfer(
        cast,
        rng,
        who,
        at,
        payer=wallet(who),
        payee=other,
        amount=amount,
        scene=P2P,
        channel=choose(rng, steps.size, (75, 23, 2)),
        note=np.where(
            rng.random(steps.size) < 0.7, choose(rng, steps.size, (18, 6, 12, 22, 10, 16, 2, 6, 8)), NULL
        ),
        held=amount * rng.uniform(1.0, 2.0, steps.size),
    )


def dinner(cast: Cast) -> Rows:
    """One pays for all: the others pay him back within minutes, and he redeems."""
    rng = cast.rng
    steps = cast.steps(4, 10)
    number = steps.each(cast.number)
    host = steps.each(cast.customer)
    out = (steps.number == steps.count - 1) & (share(number, 310) < 0.6)
    who = np.where(out, host, pick(cast.people, number, steps.number, 311))
    at = steps.times(steps.gaps(9.0))
    share_of = steps.each(np.exp(rng.normal(5.0, 0.7, cast.size)))
    amount = share_of * np.where(out, steps.count - 1, 1)
    return transfer(
        cast,
        rng,
        who,
        at,
        payer=wallet(who),
        payee=wallet(host),
        amount=amount,
        scene=np.where(out, REDEEM, P2P),
        channel=choose(rng, steps.size, (60, 38, 2)),
        note=np.where(
            ~out & (rng.random(steps.size) < 0.6),
            choose(rng, steps.size, (4, 60, 6, 16, 8, 1, 1, 1, 3)),
            NULL,
        ),
    )


def metro(cast: Cast) -> Rows:
    """Small offline payments in quick succession: gates, machines, a market."""
    rng = cast.rng
    steps = cast.steps(3, 7)
    who = steps.each(cast.customer)
    at = steps.times(steps.gaps(9.0))
    shop = pick(cast.shops, steps.each(cast.number), steps.number // 2, 312)
    return transfer(
        cast,
        rng,
        who,
        at,
        payer=wallet(who, 1),
        payee=shop_wallet(shop),
        amount=np.exp(rng.normal(2.6, 1.0, steps.size)),
        scene=MERCHANT_PAY,
        channel=np.full(steps.size, NFC),
        merchant=shop,
        offline=rng.random(steps.size) < 0.8,
        payee_class=np.ones(steps.size, np.int64),
    )


def market_stall(cast: Cast) -> Rows:
    """A shop that sells in round sums to the same regulars."""
    rng = cast.rng
    steps = cast.steps(5, 14)
    number = steps.each(cast.number)
    who = pick(cast.people, number, mix(number, steps.number) % 7, 313)
    at = steps.times(steps.gaps(60.0))
    shop = pick(cast.shops, number, 314)
    amount = np.maximum(np.rint(np.exp(rng.normal(5.3, 0.9, steps.size)) / 50) * 50, 50)
    return transfer(
        cast,
        rng,
        who,
        at,
        payer=wallet(who),
        payee=shop_wallet(shop),
        amount=amount,
        scene=MERCHANT_PAY,
        channel=choose(rng, steps.size, (20, 70, 10)),
        merchant=shop,
        payee_class=np.ones(steps.size, np.int64),
    )


def _by_day(cast: Cast) -> Array:
    hour = ((9 + 12 * share(cast.number, 315)) * HOUR_MS).astype(np.int64)
    moved: Array = cast.start // DAY_MS * DAY_MS + hour
    return np.maximum(moved, cast.start)


def _moved(steps: Steps, start: Array) -> Steps:
    cast = Cast(**{**steps.cast.__dict__, "start": start})
    return Steps(cast, steps.of_campaign, steps.number, steps.count, steps.first)


def _of(rows: Rows, steps: Steps, stages: Array) -> Rows:
    rows["of"] = steps.of_campaign
    rows["stage"] = stages
    if "fraud" not in rows:
        rows["fraud"] = 1
    if "amount" in rows:
        rows["loss"] = rows["amount"]
    return rows


def totals(rows: Rows, memory: dict[str, Array]) -> None:
    """Fill in what a wallet has paid that day and that year, this payment included."""
    paid = np.flatnonzero(rows["type"] == TRANSFER)
    who, amount, at = rows["wallet_id"][paid], rows["amount"][paid], rows["at"][paid]
    # What enters a wallet uses up no limit.
    spent = np.where(rows["scene"][paid] == TOP_UP, 0, amount)
    year = day_of(at) // 365
    before = memory.setdefault("year_total", np.zeros((CUSTOMERS * 4 + 50_000, 2), np.int64))
    year_total, day_total = np.full(rows.size, NULL), np.full(rows.size, NULL)
    day_total[paid] = _running((who, day_of(at)), spent)
    year_total[paid] = _running((who, year), spent) + before[who, np.minimum(year, 1)]
    np.add.at(before, (who, np.minimum(year, 1)), spent)
    rows["day_total"], rows["year_total"] = day_total, year_total


def _running(keys: tuple[Array, Array], values: Array) -> Array:
    """Return the running sum of each group of keys, in the order given."""
    order = np.lexsort((np.arange(len(values)), keys[1], keys[0]))
    changed = np.ones(len(values), bool)
    changed[1:] = (np.diff(keys[0][order]) != 0) | (np.diff(keys[1][order]) != 0)
    whole = np.cumsum(values[order])
    base = np.where(changed, whole - values[order], 0)
    base = np.maximum.accumulate(base)
    found = np.empty(len(values), np.int64)
    found[order] = whole - base
    return found


TRADE = Trade(
    code="ecny_wallet",
    prefix="ew",
    types=("wallet_open", "transfer"),
    columns={
        "customer_id": CUSTOMER,
        "wallet_id": WALLET,
        "wallet_class": Count(),
        "payee_wallet_id": WALLET,
        "payee_class": Count(),
        "phone": Text("phone"),
        "amount": Money(),
        "currency": Word(("CNY",)),
        "balance": Money(),
        "day_total": Money(),
        "year_total": Money(),
        "offline": Flag(),
        "device_id": DEVICE,
        "ip": Address(),
        "channel": Word(("app", "qr", "nfc")),
        "scene": Word(("p2p", "merchant", "redeem", "top_up")),
        "merchant_id": MERCHANT,
        "first_to_payee_note": Word(NOTES),
    },
    fraud_share=0.01,
    rhythm=Rhythm(weekend=1.15, pay_day=1.2, shopping=0.8, closed=1.1),
    legitimate=legitimate,
    finish=totals,
    typologies=(
        Typology("impersonation_scam", 0.24, 3.4, 6, impersonation_scam),
        Typology("brush_order_scam", 0.20, 6.5, 7, brush_order_scam),
        Typology("mule_network", 0.20, 11.5, 20, mule_network),
        Typology("rapid_in_out", 0.14, 7.5, 15, rapid_in_out),
        Typology("offline_double_spend", 0.08, 5.5, 2, offline_double_spend),
        Typology("merchant_cash_out", 0.14, 11, 25, merchant_cash_out),
    ),
    lookalikes=(
        Lookalike("new_friend", 0.02, 2, new_friend),
        Lookalike("dinner", 0.03, 7, dinner),
        Lookalike("metro", 0.02, 5, metro),
        Lookalike("market_stall", 0.02, 9.5, market_stall),
    ),
)
