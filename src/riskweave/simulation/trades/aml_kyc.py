"""Transfers between accounts at home and abroad, customer reviews, accounts opened."""

from __future__ import annotations

import numpy as np

from riskweave.simulation.city import (
    ACCOUNT,
    BORN,
    COMPANIES,
    COUNTRY,
    CUSTOMERS,
    RISKY_COUNTRIES,
    SANCTIONED,
    SEGMENTS,
    account,
    company_account,
    sanctioned_country,
)
from riskweave.simulation.clock import DAY_MS, HOUR_MS, Rhythm
from riskweave.simulation.columns import Count, Flag, Id, Money, Text, Word
from riskweave.simulation.mix import Array, mix, pick, share
from riskweave.simulation.names import SPELLINGS
from riskweave.simulation.rows import NULL, Rows, cents, choose, join
from riskweave.simulation.trade import Cast, Lookalike, Setting, Span, Steps, Trade, Typology, stage

TRANSFER, REVIEW, ACCOUNT_OPEN = range(3)
WIRE, CASH, ACH, CARD = range(4)
PURPOSES = (
    "salary",
    "rent",
    "goods",
    "family",
    "invoice",
    "loan",
    "savings",
    "cash",
    "gift",
    "consulting",
    "investment",
    "tax",
)
SALARY, RENT, GOODS, FAMILY, INVOICE, LOAN, SAVINGS, DEPOSIT, GIFT, CONSULTING, INVESTMENT, TAX = range(12)
# A company is a customer too, numbered after the persons; abroad are people that no bank here knows.
BUSINESS = 100_000
REPORTED = 10_000.0
ABROAD = CUSTOMERS * 3 + COMPANIES
_RISKY = np.array(RISKY_COUNTRIES)


def transfer(
    setting: Setting,
    rng: np.random.Generator,
    at: Array,
    *,
    giver: Array,
    taker: Array,
    amount: Array,
    channel: Array | int,
    purpose: Array | int,
    from_country: Array | int = 0,
    to_country: Array | int = 0,
    name: Array | int = NULL,
) -> Rows:
    """Return transfers; a giver or taker from `BUSINESS` on is a company, abroad nobody's customer."""
    size = len(at)
    from_country = np.broadcast_to(np.asarray(from_country), (size,))
    to_country = np.broadcast_to(np.asarray(to_country), (size,))
    channel = np.broadcast_to(np.asarray(channel), (size,))
    known_name = np.where(
        (taker < CUSTOMERS) & (to_country == 0), taker, mix(taker, to_country, 400) % CUSTOMERS
    )
    return Rows(
        size,
        type=TRANSFER,
        at=at,
        from_account=account_of(giver, from_country),
        to_account=account_of(taker, to_country),
        from_customer=np.where(from_country == 0, giver, NULL),
        to_customer=np.where(to_country == 0, taker, NULL),
        from_country=from_country,
        to_country=to_country,
        amount=cents(amount),
        currency=0,
        channel=channel,
        is_cash=channel == CASH,
        purpose=purpose,
        to_name=np.where(
            np.broadcast_to(np.asarray(name), (size,)) >= 0,
            name,
            np.where(taker >= BUSINESS, NULL, known_name),
        ),
    )


def account_of(who: Array, country: Array | int = 0) -> Array:
    """Return the account of a person, a company, or somebody abroad."""
    own = np.where(who >= BUSINESS, company_account(who - BUSINESS), account(np.minimum(who, CUSTOMERS - 1)))
    foreign = ABROAD + mix(who, country, 401) % 20_000_000
    return np.where(np.asarray(country) > 0, foreign, own)


def review(
    setting: Setting,
    rng: np.random.Generator,
    who: Array,
    at: Array,
    kind: int = REVIEW,
    name: Array | None = None,
) -> Rows:
    """Return reviews of customers, or accounts opened; `name` is whose name is on the papers."""
    city, size = setting.city, len(who)
    shown = who if name is None else name
    listed = shown >= CUSTOMERS
    country = np.where(listed, sanctioned_country((shown - CUSTOMERS) // SPELLINGS), city.country[who])
    return Rows(
        size,
        type=kind,
        at=at,
        customer_id=who,
        account_id=account(who),
        name_en=shown,
        name_zh=shown,
        birth_date=shown,
        country=country,
        pep=city.pep[who],
        segment=city.segment[who],
        months_since_review=np.where(
            kind == REVIEW, np.minimum(rng.gamma(2.2, 9.0, size), 120).astype(np.int64), NULL
        ),
    )


def legitimate(span: Span) -> Rows:
    """Wages, rents, bills, families at home and abroad, business, cash; reviews and new accounts."""
    rng, city = span.rng, span.city
    reviews, opened = rng.binomial(span.wanted, (0.03, 0.01))
    size = span.wanted - reviews - opened
    who, at, _ = span.draw(size)
    kind = choose(rng, size, (10, 8, 14, 14, 16, 3, 10, 9, 4, 3, 6, 3))
    firm = BUSINESS + (span.firms * rng.random(size) ** 1.5).astype(np.int64)
    other = BUSINESS + pick(span.firms, span.seed, firm, rng.integers(0, 6, size), 402)
    friend = city.payee(who, (9 * rng.random(size) ** 1.6).astype(np.int64), span.people)
    stranger = pick(span.people, who, at, 403)
    friend = np.where(rng.random(size) < 0.12, stranger, friend)
    business = np.isin(kind, (GOODS, INVOICE, CONSULTING))
    between = business & (rng.random(size) < 0.65)
    giver = np.select([kind == SALARY, between], [BUSINESS + city.employer(who) % span.firms, firm], who)
    taker = np.select(
        [kind == SALARY, kind == RENT, between, business, kind == TAX, np.isin(kind, (SAVINGS, DEPOSIT))],
        [who, city.landlord_of(who, span.people), other, firm, np.full(size, BUSINESS), who],
        friend,
    )
    level = np.array([7.6, 6.7, 7.0, 5.2, 6.6, 6.3, 6.2, 6.6, 4.6, 6.9, 7.2, 6.5])[kind]
    own = np.where(
        between,
        0.6 * np.log(city.company_revenue[np.maximum(firm - BUSINESS, 0)] / 2.2e6),
        0.9 * city.usual_log[who],
    )
    amount = np.exp(
        level + own + rng.normal(0, 0.95, size) * np.where(kind == SALARY, 0.2, 1.0) + 0.3 * span.drifted(at)
    )
    amount = np.where(
        kind == SALARY, city.income[who], np.where(kind == RENT, city.income[who] * 0.3, amount)
    )
    amount = np.where(rng.random(size) < 0.35, np.maximum(np.rint(amount / 50) * 50, 10), amount)
    cash = kind == DEPOSIT
    till = cash & (rng.random(size) < 0.35)
    # Shops bring their takings, now and then just below what must be reported.
    amount = np.where(till, np.exp(rng.normal(8.35, 0.55, size)), amount)
    taker, giver = np.where(till, firm, taker), np.where(till, firm, giver)
    channel = np.where(
        cash,
        CASH,
        np.where(
            between | (amount > 5_000), choose(rng, size, (55, 0, 45, 0)), choose(rng, size, (6, 0, 74, 20))
        ),
    )
    far = rng.random(size) < np.where(between, 0.2, np.where(kind == FAMILY, 0.16, 0.02))
    far = far & ~cash
    incoming = far & (rng.random(size) < 0.4)
    country = np.where(
        kind == FAMILY,
        np.where(city.country[who] > 0, city.country[who], 1 + who % 15),
        choose(rng, size, (0, 12, 10, 8, 8, 9, 12, 10, 2, 1, 4, 3, 4, 2, 6, 5)),
    )
    channel = np.where(far, WIRE, channel)
    rows = transfer(
        span,
        rng,
        at,
        giver=giver,
        taker=taker,
        amount=amount,
        channel=channel,
        purpose=kind,
        from_country=np.where(incoming, country, 0),
        to_country=np.where(far & ~incoming, country, 0),
    )
    checked, moment, _ = span.draw(reviews)
    fresh, when, on = span.draw(opened)
    new = np.where(
        rng.random(opened) < 0.6, span.people + pick(CUSTOMERS - span.people, fresh, on, 404), fresh
    )
    both = join([rows, review(span, rng, checked, moment), review(span, rng, new, when, ACCOUNT_OPEN)])
    return both.take(rng.permutation(both.size))


# Attacks.


def structuring(cast: Cast) -> Rows:
    """Cash in parts, each below what must be reported, over days; then it leaves in one."""
    rng = cast.rng
    steps = cast.steps(4, 11)
    skill = steps.each(cast.skill)
    who = np.where(rng.random(steps.size) < 0.25, steps.each(cast.person(8)), steps.each(cast.customer))
    at = _office(steps.times(steps.gaps(400 + 2_600 * skill)))
    last = steps.number == steps.count - 1
    amount = REPORTED * np.where(
        skill > 0.5, rng.uniform(0.35, 0.97, steps.size), rng.uniform(0.78, 0.995, steps.size)
    )
    amount = np.where(last, amount * steps.count * 0.8, amount)
    amount = np.where(
        rng.random(steps.size) < 0.5,
        np.rint(amount / 100) * 100 - 100 * (rng.random(steps.size) < 0.3),
        amount,
    )
    to = np.where(last, cast.person(9)[steps.of_campaign], who)
    rows = transfer(
        cast,
        rng,
        at,
        giver=np.where(last, steps.each(cast.customer), who),
        taker=to,
        amount=amount,
        channel=np.where(last, WIRE, CASH),
        purpose=np.where(last, INVESTMENT, DEPOSIT),
    )
    return _of(rows, steps, np.where(last, stage("layer"), stage("act")))


def layering_cycle(cast: Cast) -> Rows:
    """Money goes round: through a handful of accounts, a little less each time, back to where it began."""
    rng = cast.rng
    steps = cast.steps(3, 8)
    number, skill = steps.each(cast.number), steps.each(cast.skill)

    def member(which: Array) -> Array:
        which = which % steps.count
        other = pick(cast.people, number, which, 405)
        firm = BUSINESS + pick(cast.firms, number, which, 406)
        first = steps.each(cast.newcomer(2))
        return np.where(which == 0, first, np.where(mix(number, which, 407) % 4 == 0, firm, other))

    at = steps.times(steps.gaps(120 + 2_500 * skill))
    amount = steps.each(np.exp(rng.normal(8.3, 0.7, cast.size))) * (
        1 - rng.uniform(0.01, 0.06, steps.size)
    ) ** (1 + steps.number)
    rows = transfer(
        cast,
        rng,
        at,
        giver=member(steps.number),
        taker=member(steps.number + 1),
        amount=amount,
        channel=choose(rng, steps.size, (45, 0, 55, 0)),
        purpose=rng.choice(np.array([LOAN, INVOICE, CONSULTING, GOODS, FAMILY]), steps.size),
    )
    return _of(rows, steps, np.full(steps.size, stage("layer")))


def fan_in(cast: Cast) -> Rows:
    """Many pay one within a day or two, then it leaves."""
    rng = cast.rng
    steps = cast.steps(7, 18)
    number, skill = steps.each(cast.number), steps.each(cast.skill)
    mule = steps.each(cast.person(1))
    last = steps.number >= steps.count - 1 - (steps.count > 12)
    victim = np.where(
        steps.number == 0, steps.each(cast.customer), pick(cast.people, number, steps.number, 408)
    )
    at = steps.times(steps.gaps(50 + 800 * skill))
    amount = np.exp(rng.normal(6.2 - 0.3 * skill, 0.7, steps.size)) * np.where(last, steps.count * 0.55, 1.0)
    country = np.where(last & (rng.random(steps.size) < 0.55), rng.choice(_RISKY, steps.size), 0)
    rows = transfer(
        cast,
        rng,
        at,
        giver=np.where(last, mule, victim),
        taker=np.where(last, steps.each(cast.person(2)), mule),
        amount=amount,
        channel=np.where(last, WIRE, choose(rng, steps.size, (12, 0, 80, 8))),
        purpose=np.where(
            last, INVESTMENT, rng.choice(np.array([FAMILY, GOODS, LOAN, INVESTMENT, RENT]), steps.size)
        ),
        to_country=country,
    )
    return _of(rows, steps, np.where(last, stage("cash_out"), stage("collect")))


def fan_out(cast: Cast) -> Rows:
    """One large amount in, many small ones out to people who have nothing to do with it."""
    rng = cast.rng
    steps = cast.steps(7, 18)
    number, skill = steps.each(cast.number), steps.each(cast.skill)
    hub = steps.each(cast.person(3))
    first = steps.number == 0
    out = pick(cast.people, number, steps.number, 409)
    at = steps.times(steps.gaps(40 + 700 * skill))
    amount = np.exp(rng.normal(6.3 - 0.3 * skill, 0.5, steps.size)) * np.where(first, steps.count * 0.9, 1.0)
    rows = transfer(
        cast,
        rng,
        at,
        giver=np.where(first, BUSINESS + pick(cast.firms, number, 410), hub),
        taker=np.where(first, hub, out),
        amount=amount,
        channel=np.where(first, WIRE, choose(rng, steps.size, (12, 0, 80, 8))),
        purpose=np.where(
            first, CONSULTING, rng.choice(np.array([SALARY, FAMILY, LOAN, GIFT, CONSULTING]), steps.size)
        ),
    )
    return _of(rows, steps, np.where(first, stage("collect"), stage("layer")))


def rapid_in_out(cast: Cast) -> Rows:
    """Somebody's money arrives and is gone within the hour."""
    rng = cast.rng
    steps = cast.steps(2, 7)
    number, skill = steps.each(cast.number), steps.each(cast.skill)
    mule = steps.each(cast.person(1))
    entering = steps.number % 2 == 0
    victim = np.where(
        steps.number == 0, steps.each(cast.customer), pick(cast.people, number, steps.number, 411)
    )
    at = steps.times(steps.gaps(np.where(entering, 200.0, 10.0 + 200 * skill**2)))
    base = steps.each(np.exp(rng.normal(7.3, 0.7, cast.size)))
    amount = base * np.where(entering, 1.0, rng.uniform(0.85, 0.99, steps.size))
    cash = ~entering & (rng.random(steps.size) < 0.3)
    far = ~entering & ~cash & (rng.random(steps.size) < 0.4)
    out = np.where(cash, mule, pick(cast.people, number, steps.number, 412))
    rows = transfer(
        cast,
        rng,
        at,
        giver=np.where(entering, victim, mule),
        taker=np.where(entering, mule, out),
        amount=amount,
        channel=np.where(cash, CASH, np.where(far, WIRE, choose(rng, steps.size, (8, 0, 84, 8)))),
        purpose=np.where(cash, DEPOSIT, rng.choice(np.array([FAMILY, LOAN, GOODS, INVESTMENT]), steps.size)),
        to_country=np.where(far, rng.choice(_RISKY, steps.size), 0),
    )
    return _of(rows, steps, np.where(entering, stage("collect"), stage("cash_out")))


def dormant_reactivated(cast: Cast) -> Rows:
    """An account that slept for years wakes, and large sums go through it."""
    rng = cast.rng
    steps = cast.steps(3, 8)
    number, skill = steps.each(cast.number), steps.each(cast.skill)
    sleeper = steps.each(cast.newcomer(9))
    entering = steps.number % 2 == 0
    at = steps.times(steps.gaps(300 + 1_500 * skill))
    amount = np.exp(rng.normal(7.9 - 0.6 * skill, 0.6, steps.size))
    rows = transfer(
        cast,
        rng,
        at,
        giver=np.where(entering, pick(cast.people, number, steps.number, 413), sleeper),
        taker=np.where(entering, sleeper, pick(cast.people, number, steps.number, 414)),
        amount=amount,
        channel=choose(rng, steps.size, (50, 0, 50, 0)),
        purpose=rng.choice(np.array([SAVINGS, INVESTMENT, LOAN, CONSULTING]), steps.size),
        to_country=np.where(~entering & (rng.random(steps.size) < 0.3), rng.choice(_RISKY, steps.size), 0),
    )
    return _of(rows, steps, np.where(entering, stage("collect"), stage("cash_out")))


def trade_mispricing(cast: Cast) -> Rows:
    """Goods invoiced at a multiple, by wire, between a company here and one abroad."""
    rng, city = cast.rng, cast.city
    steps = cast.steps(3, 8)
    number, skill = steps.each(cast.number), steps.each(cast.skill)
    firm = pick(cast.firms, number, 415)
    at = _office(steps.times(steps.gaps(1_400 + 3_000 * skill)))
    country = steps.each(rng.choice(np.array([*RISKY_COUNTRIES, 6, 7]), cast.size))
    amount = np.exp(
        7.0
        + 0.6 * np.log(city.company_revenue[firm] / 2.2e6)
        + rng.normal(1.5 - 0.7 * skill, 0.6, steps.size)
    )
    incoming = rng.random(steps.size) < 0.25
    owner = steps.number == 0
    rows = transfer(
        cast,
        rng,
        at,
        giver=np.where(owner, steps.each(cast.person(1)), BUSINESS + firm),
        taker=np.where(owner, BUSINESS + firm, BUSINESS + COMPANIES + mix(number, 416) % 900),
        amount=np.rint(amount / 100) * 100 + 100,
        channel=WIRE,
        purpose=np.where(rng.random(steps.size) < 0.8, GOODS, INVOICE),
        from_country=np.where(incoming & ~owner, country, 0),
        to_country=np.where(incoming | owner, 0, country),
    )
    return _of(rows, steps, np.where(owner, stage("prepare"), stage("act")))


def sanctioned_party(cast: Cast) -> Rows:
    """Somebody on the list, under a spelling of the name: at the counter, or at the other end of a wire."""
    rng = cast.rng
    steps = cast.steps(1, 4)
    number = steps.each(cast.number)
    listed = CUSTOMERS + pick(SANCTIONED, number, 417) * SPELLINGS + rng.integers(0, SPELLINGS, steps.size)
    at = _office(steps.times(steps.gaps(3_000.0)))
    seen = (steps.number == 0) & (share(number, 418) < 0.5)
    amount = np.exp(rng.normal(7.0, 1.0, steps.size))
    country = sanctioned_country((listed - CUSTOMERS) // SPELLINGS)
    wired = transfer(
        cast,
        rng,
        at[~seen],
        giver=steps.each(cast.customer)[~seen],
        taker=mix(number, 419)[~seen] % CUSTOMERS,
        amount=amount[~seen],
        channel=WIRE,
        purpose=rng.choice(np.array([GOODS, FAMILY, CONSULTING, INVESTMENT]), int((~seen).sum())),
        to_country=np.where(rng.random(steps.size) < 0.75, country, 1 + number % 5)[~seen],
        name=listed[~seen],
    )
    wired["of"] = steps.of_campaign[~seen]
    paper = review(cast, rng, steps.each(cast.newcomer(10))[seen], at[seen], name=listed[seen])
    paper["type"] = np.where(rng.random(paper.size) < 0.5, REVIEW, ACCOUNT_OPEN)
    paper["of"] = steps.of_campaign[seen]
    rows = join([paper, wired])
    rows["stage"] = stage("act")
    rows["loss"] = np.where(rows["amount"] == NULL, 500_000, rows["amount"]) if "amount" in rows else 500_000
    return rows


# What looks like an attack and is none.


def pay_roll(cast: Cast) -> Rows:
    """A small company pays its people: one to many, within minutes."""
    rng, city = cast.rng, cast.city
    steps = cast.steps(6, 20)
    number = steps.each(cast.number)
    firm = BUSINESS + pick(cast.firms, number, 420)
    who = pick(cast.people, firm, steps.number, 421)
    at = _office(steps.times(steps.gaps(0.5)))
    return transfer(
        cast,
        rng,
        at,
        giver=firm,
        taker=who,
        amount=city.income[who] * rng.uniform(0.3, 1.0, steps.size),
        channel=ACH,
        purpose=SALARY,
    )


def rents(cast: Cast) -> Rows:
    """A landlord's rents, a club's fees: many to one in a few days, then a mortgage is paid."""
    rng, city = cast.rng, cast.city
    steps = cast.steps(6, 16)
    number = steps.each(cast.number)
    landlord = steps.each(cast.customer) // 25 * 25
    last = steps.number == steps.count - 1
    tenant = pick(cast.people, landlord, steps.number, 422)
    at = _office(steps.times(steps.gaps(200.0)))
    amount = np.where(
        last,
        np.exp(rng.normal(8.0, 0.4, steps.size)),
        city.income[tenant] * rng.uniform(0.1, 0.35, steps.size),
    )
    return transfer(
        cast,
        rng,
        at,
        giver=np.where(last, landlord, tenant),
        taker=np.where(last, BUSINESS + number % cast.firms, landlord),
        amount=amount,
        channel=np.where(last, WIRE, ACH),
        purpose=np.where(last, LOAN, np.where(number % 3 == 0, GOODS, RENT)),
    )


def takings(cast: Cast) -> Rows:
    """A shop's cash, evening by evening, often a little below ten thousand."""
    rng = cast.rng
    steps = cast.steps(4, 10)
    owner = np.where(
        steps.each(cast.number) % 2 == 0,
        steps.each(cast.customer),
        BUSINESS + pick(cast.firms, steps.each(cast.number), 423),
    )
    at = _office(steps.times(steps.gaps(1_440.0)))
    amount = steps.each(np.exp(rng.normal(8.6, 0.4, cast.size))) * rng.lognormal(0, 0.25, steps.size)
    return transfer(
        cast,
        rng,
        at,
        giver=owner,
        taker=owner,
        amount=np.rint(amount / 5) * 5 + 5,
        channel=CASH,
        purpose=DEPOSIT,
    )


def house(cast: Cast) -> Rows:
    """A house or an inheritance: a quiet account receives a lot, and most of it leaves."""
    rng = cast.rng
    steps = cast.steps(2, 5)
    number = steps.each(cast.number)
    who = np.where(number % 3 == 0, steps.each(cast.newcomer(11)), steps.each(cast.customer))
    entering = steps.number == 0
    at = _office(steps.times(steps.gaps(700.0)))
    base = steps.each(np.exp(rng.normal(8.9, 0.7, cast.size)))
    amount = base * np.where(entering, 1.0, rng.uniform(0.2, 0.95, steps.size))
    far = rng.random(steps.size) < 0.2
    return transfer(
        cast,
        rng,
        at,
        giver=np.where(entering, pick(cast.people, number, 424), who),
        taker=np.where(entering, who, pick(cast.people, number, steps.number, 425)),
        amount=amount,
        channel=choose(rng, steps.size, (60, 0, 40, 0)),
        purpose=rng.choice(np.array([GIFT, SAVINGS, INVESTMENT, FAMILY]), steps.size),
        to_country=np.where(far & ~entering, choose(rng, steps.size, BORN), 0),
    )


def _office(at: Array) -> Array:
    """Move moments into the hours when a counter is open, keeping their order within a day."""
    return np.asarray(at // DAY_MS * DAY_MS + 8 * HOUR_MS + (at % DAY_MS) * 10 // 24)


def _of(rows: Rows, steps: Steps, stages: Array) -> Rows:
    rows["of"] = steps.of_campaign
    rows["stage"] = stages
    return rows


_CUSTOMER = Id("c", 6)

TRADE = Trade(
    code="aml_kyc",
    prefix="ak",
    types=("transfer", "kyc_review", "account_open"),
    columns={
        "from_account": ACCOUNT,
        "to_account": ACCOUNT,
        "from_customer": _CUSTOMER,
        "to_customer": _CUSTOMER,
        "from_country": COUNTRY,
        "to_country": COUNTRY,
        "amount": Money(),
        "currency": Word(("EUR",)),
        "channel": Word(("wire", "cash", "ach", "card")),
        "is_cash": Flag(),
        "purpose": Word(PURPOSES),
        "to_name": Text("name_en"),
        "customer_id": _CUSTOMER,
        "account_id": ACCOUNT,
        "name_en": Text("name_en"),
        "name_zh": Text("name_zh"),
        "country": COUNTRY,
        "birth_date": Text("birth_date"),
        "pep": Flag(),
        "segment": Word(SEGMENTS),
        "months_since_review": Count(),
    },
    fraud_share=0.01,
    rhythm=Rhythm(weekend=0.4, pay_day=2.2, shopping=0.2, closed=0.3),
    legitimate=legitimate,
    typologies=(
        Typology("structuring", 0.16, 7.5, 40, structuring),
        Typology("layering_cycle", 0.14, 5.5, 60, layering_cycle),
        Typology("fan_in", 0.16, 12.5, 25, fan_in),
        Typology("fan_out", 0.12, 12.5, 30, fan_out),
        Typology("rapid_in_out", 0.16, 4.5, 20, rapid_in_out),
        Typology("dormant_reactivated", 0.10, 5.5, 45, dormant_reactivated),
        Typology("trade_mispricing", 0.10, 5.5, 90, trade_mispricing),
        Typology("sanctioned_party", 0.06, 2.5, 10, sanctioned_party),
    ),
    lookalikes=(
        Lookalike("pay_roll", 0.03, 13, pay_roll),
        Lookalike("rents", 0.02, 11, rents),
        Lookalike("takings", 0.015, 7, takings),
        Lookalike("house", 0.012, 3.5, house),
    ),
)
