"""Online shops: accounts, orders, refunds."""

from __future__ import annotations

import numpy as np

from riskweave.simulation.city import CARD, COUNTRY, CUSTOMER, CUSTOMERS, DEVICE, HOSTILE, VISITED, card
from riskweave.simulation.clock import DAY_MS, Rhythm, day_of
from riskweave.simulation.columns import Address, Count, Id, Money, Text, Word
from riskweave.simulation.mix import Array, mix, pick, share
from riskweave.simulation.rows import NULL, Rows, choose, join, priced
from riskweave.simulation.trade import Cast, Lookalike, Setting, Span, Steps, Trade, Typology, stage

SIGNUP, ORDER, REFUND = range(3)
CATEGORIES = (
    "fashion",
    "electronics",
    "grocery",
    "gift_card",
    "beauty",
    "home",
    "toys",
    "travel",
    "books",
    "luxury",
)
CATEGORY_SHARE = (22, 12, 16, 4, 12, 14, 8, 4, 6, 2)
CATEGORY_LOG = np.array([4.0, 5.2, 3.9, 3.9, 3.4, 4.3, 3.5, 5.6, 2.9, 6.3])
RESOLD = np.array([1, 3, 9, 0])
COUPONS = ("WELCOME10", "WELCOME20", "SPRING15", "DOUBLE11", "FRIEND5", "XMAS10", "FREESHIP")
REASONS = ("not_received", "damaged", "wrong_item", "changed_mind", "unknown_payment")


def shop_account(who: Array) -> Array:
    """Return somebody's own account at the shop."""
    return who


def alias(number: Array) -> Array:
    """Return an account that stands for nobody in particular."""
    return CUSTOMERS + number % 30_000_000


def signup(
    setting: Setting,
    rng: np.random.Generator,
    who: Array,
    at: Array,
    *,
    account: Array,
    device: Array,
    ip: Array,
    mail: Array | None = None,
    phone: Array | None = None,
    address: Array | None = None,
) -> Rows:
    """Return new accounts."""
    return Rows(
        len(who),
        type=SIGNUP,
        at=at,
        account_id=account,
        customer_id=who,
        device_id=device,
        ip=ip,
        email=who if mail is None else mail,
        phone=who if phone is None else phone,
        address=setting.city.household(who) if address is None else address,
    )


def order(
    setting: Setting,
    rng: np.random.Generator,
    who: Array,
    at: Array,
    *,
    account: Array,
    device: Array,
    ip: Array,
    category: Array,
    amount: Array,
    card_of: Array | None = None,
    mail: Array | None = None,
    phone: Array | None = None,
    ship_to: Array | None = None,
    ship_country: Array | int = 0,
    coupon: Array | None = None,
    items: Array | None = None,
) -> Rows:
    """Return orders; `who` logs in, `card_of` pays, `ship_to` receives."""
    size, city = len(who), setting.city
    payer = who if card_of is None else card_of
    paid = priced(rng, amount)
    offered = np.where(rng.random(size) < 0.16, choose(rng, size, (6, 3, 5, 4, 3, 3, 5)), NULL)
    coupon = offered if coupon is None else np.where(coupon == NULL, offered, coupon)
    off = np.array([0.1, 0.2, 0.15, 0.12, 0.05, 0.1, 0.04])[np.maximum(coupon, 0)]
    return Rows(
        size,
        type=ORDER,
        at=at,
        order_id=mix(setting.seed, who, at, 200) % 10**11,
        account_id=account,
        customer_id=who,
        device_id=device,
        ip=ip,
        card_id=card(payer),
        email=who if mail is None else mail,
        phone=who if phone is None else phone,
        shipping_address=city.household(who) if ship_to is None else ship_to,
        shipping_country=ship_country,
        billing_country=np.where(share(payer, 201) < 0.94, 0, city.country[payer]),
        category=category,
        amount=paid,
        currency=0,
        items=rng.geometric(0.45, size) if items is None else items,
        coupon=coupon,
        discount=np.where(coupon == NULL, 0, paid * off).astype(np.int64),
    )


def refund(setting: Setting, rng: np.random.Generator, orders: Rows, at: Array, reason: Array) -> Rows:
    """Return requests to give the money of orders back, mostly all of it."""
    whole = rng.random(orders.size) < 0.75
    part = np.where(whole, 1.0, rng.uniform(0.2, 0.9, orders.size))
    return Rows(
        orders.size,
        type=REFUND,
        at=at,
        order_id=orders["order_id"],
        account_id=orders["account_id"],
        customer_id=orders["customer_id"],
        amount=np.maximum(1, orders["amount"] * part).astype(np.int64),
        currency=0,
        reason=reason,
    )


def legitimate(span: Span) -> Rows:
    """Orders, some by new accounts, some sent to others, some given back weeks later."""
    rng, city = span.rng, span.city
    visits = int(span.wanted / 1.13) + 1
    who, at, day = span.draw(visits, 1.4)
    visit = np.arange(visits)
    first = share(span.seed, who, day, 202) < 0.06
    away = city.abroad(who, day)
    device = city.device(who, day) + np.where(rng.random(visits) < 0.1, 2, 0)
    # One household shops with one tablet, an office with one address.
    device = np.where(rng.random(visits) < 0.03, (who // 2 * 2) * 8 + 2, device)
    ip = city.ip(rng, who, day, away)
    category = choose(rng, visits, CATEGORY_SHARE)
    level = CATEGORY_LOG[category] + 0.7 * city.usual_log[who] + 0.3 * span.drifted(at)
    chance = rng.random(visits)
    gift = pick(span.people, who, at, 203)
    ship_to = np.where(chance < 0.09, city.household(gift), city.household(who))
    ship_country = np.where(chance > 0.975, choose(rng, visits, VISITED), 0)
    friend = np.where(rng.random(visits) < 0.02, who // 2 * 2, who)
    ordered = order(
        span,
        rng,
        who,
        at,
        account=shop_account(who),
        device=device,
        ip=ip,
        category=category,
        amount=np.exp(level + rng.normal(0, 0.7, visits)),
        ship_to=ship_to,
        ship_country=ship_country,
        card_of=friend,
        coupon=np.where(first & (rng.random(visits) < 0.6), rng.integers(0, 2, visits), NULL),
    )
    ordered["visit"] = visit
    joined = visit[first]
    before = np.maximum(
        at[joined] - rng.integers(60_000, 1_200_000, len(joined)), at[joined] // DAY_MS * DAY_MS
    )
    signed = signup(
        span,
        rng,
        who[joined],
        before,
        account=shop_account(who[joined]),
        device=device[joined],
        ip=ip[joined],
    )
    signed["visit"] = joined
    returns = visit[rng.random(visits) < np.where(category == 0, 0.13, 0.05) * (0.5 + city.appetite[who])]
    wait = (rng.gamma(2.0, 4.0, len(returns)) * DAY_MS).astype(np.int64) + 3_600_000
    back = refund(
        span, rng, ordered.take(returns), at[returns] + wait, choose(rng, len(returns), (12, 22, 20, 42, 4))
    )
    back["visit"] = returns
    rows = join([signed, ordered, back])
    rows["visit"] = rng.permutation(visits)[rows["visit"]]
    return rows


# Attacks.


def _hosts(cast: Cast, steps: Steps) -> Array:
    city, number = cast.city, steps.each(cast.number)
    careful = steps.each(cast.skill) > 0.5
    return np.where(careful, city.ip_mobile(number, number), city.ip_hosting(number))


def stolen_card(cast: Cast) -> Rows:
    """Somebody else's card: a fresh account or a guest, things to sell on, another address."""
    rng, city = cast.rng, cast.city
    steps = cast.steps(2, 6)
    number, skill = steps.each(cast.number), steps.each(cast.skill)
    victim = steps.each(cast.customer)
    thief = steps.each(cast.person(5))
    account, device = alias(mix(number, 204)), city.stranger_device(number)
    at = steps.times(steps.gaps(20 + 500 * skill), 600_000)
    limit = np.exp(rng.normal(6.0, 0.6, cast.size))
    feeling, _ = steps.probing(np.maximum(limit / 8, 10), limit)
    category = np.where(
        rng.random(steps.size) < 0.75 - 0.3 * skill,
        rng.choice(RESOLD, steps.size),
        choose(rng, steps.size, CATEGORY_SHARE),
    )
    usual = np.exp(CATEGORY_LOG[category] + rng.normal(0.3, 0.7, steps.size))
    amount = np.where(steps.each(rng.random(cast.size) < 0.4), feeling, usual)
    drop = city.household(thief)
    bought = order(
        cast,
        rng,
        thief,
        at,
        account=account,
        device=device,
        ip=_hosts(cast, steps),
        category=category,
        amount=amount,
        card_of=victim,
        ship_to=np.where(rng.random(steps.size) < 0.2 + 0.3 * skill, city.household(victim), drop),
        ship_country=np.where(rng.random(steps.size) < 0.18, choose(rng, steps.size, HOSTILE), 0),
    )
    bought["customer_id"] = victim
    bought = _of(bought, steps.of_campaign, "act")
    some = np.flatnonzero(rng.random(cast.size) < 0.7)
    opened = signup(
        cast,
        rng,
        cast.customer[some],
        cast.start[some],
        account=alias(mix(cast.number[some], 204)),
        device=city.stranger_device(cast.number[some]),
        ip=city.ip_hosting(cast.number[some]),
        mail=cast.person(5)[some],
        phone=cast.person(5)[some],
        address=city.household(cast.person(5)[some]),
    )
    return join([_of(opened, some, "prepare", 0), bought])


def account_takeover(cast: Cast) -> Rows:
    """A customer's own account on a strange device; the parcel goes elsewhere."""
    rng, city = cast.rng, cast.city
    steps = cast.steps(1, 5)
    number, skill = steps.each(cast.number), steps.each(cast.skill)
    who = steps.each(cast.customer)
    at = steps.times(steps.gaps(30 + 400 * skill))
    category = np.where(
        rng.random(steps.size) < 0.65, rng.choice(RESOLD, steps.size), choose(rng, steps.size, CATEGORY_SHARE)
    )
    amount = np.exp(CATEGORY_LOG[category] + rng.normal(0.35 - 0.2 * skill, 0.6, steps.size))
    rows = order(
        cast,
        rng,
        who,
        at,
        account=shop_account(who),
        device=city.stranger_device(number),
        ip=_hosts(cast, steps),
        category=category,
        amount=amount,
        ship_to=np.where(
            rng.random(steps.size) < 0.75, city.household(steps.each(cast.person(5))), city.household(who)
        ),
    )
    return _of(rows, steps.of_campaign, "act")


def coupon_abuse(cast: Cast) -> Rows:
    """One person, many new accounts, each with its welcome."""
    rng, city = cast.rng, cast.city
    steps = cast.steps(4, 11)
    number, skill = steps.each(cast.number), steps.each(cast.skill)
    who = steps.each(cast.customer)
    account = alias(mix(number, steps.number, 205))
    at = steps.times(steps.gaps(30 + 2_500 * skill))
    device = np.where(
        skill > 0.6, city.stranger_device(number, steps.number // 3), city.device(who, day_of(at))
    )
    ip = np.where(rng.random(steps.size) < 0.6, city.ip_home(who), city.ip_mobile(who, day_of(at)))
    fake = pick(CUSTOMERS, number, steps.number, 206)
    phone = np.where(rng.random(steps.size) < 0.5, who, fake)
    opened = signup(cast, rng, who, at, account=account, device=device, ip=ip, mail=fake, phone=phone)
    bought = order(
        cast,
        rng,
        who,
        at + 240_000,
        account=account,
        device=device,
        ip=ip,
        category=choose(rng, steps.size, CATEGORY_SHARE),
        amount=np.exp(rng.normal(3.7, 0.5, steps.size)),
        coupon=rng.integers(0, 2, steps.size),
        mail=fake,
        phone=phone,
    )
    bought["loss"] = bought["discount"]
    bought["of"], bought["stage"] = steps.of_campaign, stage("act")
    return join([_of(opened, steps.of_campaign, "prepare", 0), bought])


def refund_abuse(cast: Cast) -> Rows:
    """Ordered, received, and the money asked back: it never came, it was broken."""
    rng, city = cast.rng, cast.city
    steps = cast.steps(2, 6)
    who = steps.each(cast.customer)
    at = steps.times(steps.gaps(5_000 + 4_000 * steps.each(cast.skill)))
    category = choose(rng, steps.size, (20, 25, 4, 2, 8, 10, 6, 2, 4, 8))
    bought = order(
        cast,
        rng,
        who,
        at,
        account=shop_account(who),
        device=city.device(who, day_of(at)),
        ip=city.ip_home(who),
        category=category,
        amount=np.exp(CATEGORY_LOG[category] + rng.normal(0.3, 0.6, steps.size)),
    )
    asked = refund(
        cast,
        rng,
        bought,
        at + (rng.gamma(2.0, 2.2, steps.size) * DAY_MS).astype(np.int64) + DAY_MS // 2,
        choose(rng, steps.size, (50, 24, 14, 10, 2)),
    )
    bought = _of(bought, steps.of_campaign, "build_up", 0)
    bought["fraud"] = 0
    asked = _of(asked, steps.of_campaign, "act")
    asked["fraud"] = 1
    return join([bought, asked])


def friendly_fraud(cast: Cast) -> Rows:
    """The customer's own order, disputed afterwards: only habit and history tell."""
    rng, city = cast.rng, cast.city
    steps = cast.steps(1, 4)
    who = steps.each(cast.customer)
    at = steps.times(steps.gaps(8_000.0))
    category = choose(rng, steps.size, (18, 18, 4, 14, 8, 6, 6, 10, 3, 8))
    bought = order(
        cast,
        rng,
        who,
        at,
        account=shop_account(who),
        device=city.device(who, day_of(at)),
        ip=city.ip_home(who),
        category=category,
        amount=np.exp(CATEGORY_LOG[category] + rng.normal(0.35, 0.7, steps.size)),
    )
    bought = _of(bought, steps.of_campaign, "act")
    bought["fraud"] = 1
    some = rng.random(steps.size) < 0.35
    asked = refund(
        cast, rng, bought.take(some), at[some] + 5 * DAY_MS, np.where(rng.random(int(some.sum())) < 0.6, 4, 0)
    )
    asked = _of(asked, steps.of_campaign[some], "cover")
    asked["fraud"] = 1
    return join([bought, asked])


def reseller_ring(cast: Cast) -> Rows:
    """Many accounts, one warehouse: scarce goods bought up in a hurry."""
    rng, city = cast.rng, cast.city
    steps = cast.steps(8, 22)
    number, skill = steps.each(cast.number), steps.each(cast.skill)
    who = pick(cast.people, number, steps.number % 6, 207)
    account = np.where(rng.random(steps.size) < 0.6, alias(mix(number, steps.number, 208)), shop_account(who))
    at = steps.times(steps.gaps(3 + 90 * skill))
    category = np.where(
        rng.random(steps.size) < 0.85, rng.choice(np.array([1, 6, 9]), cast.size)[steps.of_campaign], 0
    )
    rows = order(
        cast,
        rng,
        who,
        at,
        account=account,
        device=np.where(
            skill > 0.5, city.device(who, day_of(at)), city.stranger_device(number, steps.number // 5)
        ),
        ip=np.where(rng.random(steps.size) < 0.5, city.ip_hosting(number), city.ip_mobile(who, day_of(at))),
        category=category,
        amount=np.exp(CATEGORY_LOG[category] + rng.normal(0.3, 0.4, steps.size)),
        ship_to=city.household(steps.each(cast.person(6))) + steps.number % 2,
        items=rng.geometric(0.3, steps.size),
        coupon=np.where(rng.random(steps.size) < 0.3, 2, NULL),
    )
    rows["loss"] = rows["amount"] // 10 + rows["discount"]
    rows["of"], rows["stage"] = steps.of_campaign, stage("act")
    return rows


# What looks like an attack and is none.


def new_phone(cast: Cast) -> Rows:
    """A new phone and large orders from it."""
    rng, city = cast.rng, cast.city
    steps = cast.steps(1, 4)
    who = steps.each(cast.customer)
    at = steps.times(steps.gaps(300.0))
    category = choose(rng, steps.size, (10, 40, 6, 8, 6, 14, 4, 8, 2, 6))
    return order(
        cast,
        rng,
        who,
        at,
        account=shop_account(who),
        device=who * 8 + 4 + steps.each(cast.number) % 4,
        ip=city.ip_mobile(who, day_of(at)),
        category=category,
        amount=np.exp(CATEGORY_LOG[category] + rng.normal(0.2, 0.6, steps.size)),
    )


def gifts(cast: Cast) -> Rows:
    """Presents for the family: several addresses, in a hurry."""
    rng, city = cast.rng, cast.city
    steps = cast.steps(3, 8)
    who, number = steps.each(cast.customer), steps.each(cast.number)
    at = steps.times(steps.gaps(25.0))
    category = choose(rng, steps.size, (18, 14, 2, 22, 12, 8, 18, 2, 8, 4))
    return order(
        cast,
        rng,
        who,
        at,
        account=shop_account(who),
        device=city.device(who, day_of(at)),
        ip=city.ip_home(who),
        category=category,
        amount=np.exp(CATEGORY_LOG[category] + rng.normal(0, 0.6, steps.size)),
        ship_to=pick(cast.people, number, steps.number, 209),
        ship_country=np.where(rng.random(steps.size) < 0.1, choose(rng, steps.size, VISITED), 0),
    )


def shared_flat(cast: Cast) -> Rows:
    """A shared flat or an office: several new accounts on one address and one machine."""
    rng, city = cast.rng, cast.city
    steps = cast.steps(3, 7)
    number = steps.each(cast.number)
    who = pick(cast.people, number, steps.number, 210)
    at = steps.times(steps.gaps(600.0))
    host = steps.each(cast.customer)
    device = np.where(
        rng.random(steps.size) < 0.5, city.device(host, day_of(at)), city.device(who, day_of(at))
    )
    opened = signup(
        cast,
        rng,
        who,
        at,
        account=shop_account(who),
        device=device,
        ip=city.ip_home(host),
        address=city.household(host),
    )
    bought = order(
        cast,
        rng,
        who,
        at + 400_000,
        account=shop_account(who),
        device=device,
        ip=city.ip_home(host),
        category=choose(rng, steps.size, CATEGORY_SHARE),
        amount=np.exp(rng.normal(3.8, 0.7, steps.size)),
        ship_to=city.household(host),
        coupon=rng.integers(0, 2, steps.size),
    )
    return join([opened, bought])


def careless(cast: Cast) -> Rows:
    """Somebody who sends much back, honestly."""
    rng, city = cast.rng, cast.city
    steps = cast.steps(3, 7)
    who = steps.each(cast.customer)
    at = steps.times(steps.gaps(3_000.0))
    bought = order(
        cast,
        rng,
        who,
        at,
        account=shop_account(who),
        device=city.device(who, day_of(at)),
        ip=city.ip_home(who),
        category=np.where(rng.random(steps.size) < 0.8, 0, 1),
        amount=np.exp(rng.normal(4.2, 0.6, steps.size)),
    )
    back = refund(
        cast,
        rng,
        bought,
        at + (rng.gamma(2.0, 3.0, steps.size) * DAY_MS).astype(np.int64) + DAY_MS // 2,
        choose(rng, steps.size, (30, 28, 20, 18, 4)),
    )
    return join([bought, back])


def _of(rows: Rows, of: Array, name: str, loss: int | None = None) -> Rows:
    rows["of"] = of
    rows["stage"] = stage(name)
    rows["loss"] = rows["amount"] if loss is None else loss
    return rows


TRADE = Trade(
    code="ecommerce_payment",
    prefix="ep",
    types=("signup", "order", "refund_request"),
    columns={
        "order_id": Id("o", 11),
        "account_id": Id("u", 8, scattered=True),
        "customer_id": CUSTOMER,
        "device_id": DEVICE,
        "ip": Address(),
        "card_id": CARD,
        "email": Text("email"),
        "phone": Text("phone"),
        "address": Text("address"),
        "shipping_address": Text("address"),
        "shipping_country": COUNTRY,
        "billing_country": COUNTRY,
        "category": Word(CATEGORIES),
        "amount": Money(),
        "currency": Word(("EUR",)),
        "items": Count(),
        "coupon": Word(COUPONS),
        "discount": Money(),
        "reason": Word(REASONS),
    },
    fraud_share=0.015,
    rhythm=Rhythm(weekend=1.1, pay_day=1.1, shopping=1.3, closed=1.0),
    legitimate=legitimate,
    typologies=(
        Typology("stolen_card", 0.26, 4.7, 14, stolen_card),
        Typology("account_takeover", 0.18, 3, 6, account_takeover),
        Typology("coupon_abuse", 0.18, 15, 10, coupon_abuse),
        Typology("refund_abuse", 0.14, 4, 25, refund_abuse),
        Typology("friendly_fraud", 0.12, 3.4, 40, friendly_fraud),
        Typology("reseller_ring", 0.12, 15, 8, reseller_ring),
    ),
    lookalikes=(
        Lookalike("new_phone", 0.015, 2.5, new_phone),
        Lookalike("gifts", 0.02, 5.5, gifts),
        Lookalike("shared_flat", 0.02, 10, shared_flat),
        Lookalike("careless", 0.02, 10, careless),
    ),
)
