"""Motor insurance: policies, claims, invoices of garages and doctors."""

from __future__ import annotations

import numpy as np

from riskweave.simulation.city import CUSTOMER
from riskweave.simulation.clock import DAY_MS, HOUR_MS, OFFICE_HOURS, Rhythm
from riskweave.simulation.columns import Count, Flag, Id, Moment, Money, Number, Word
from riskweave.simulation.mix import Array, mix, pick, share
from riskweave.simulation.rows import NULL, Rows, cents, choose, join
from riskweave.simulation.trade import Cast, Lookalike, Setting, Span, Trade, Typology, stage

POLICY, CLAIM, INVOICE = range(3)
OWN, THIRD = range(2)
KINDS = (
    "rear_end",
    "parking",
    "glass",
    "theft",
    "junction",
    "animal",
    "single_vehicle",
    "weather",
    "lane_change",
)
KIND_SHARE = (20, 22, 16, 4, 13, 4, 8, 5, 8)
KIND_LOG = np.array([7.7, 6.8, 6.1, 9.1, 8.1, 7.2, 8.2, 7.3, 7.6])
ADJUSTERS = 60


def providers(setting: Setting) -> int:
    """Return how many garages and surgeries there are."""
    return int(np.clip(setting.people // 40, 30, 900))


def vehicle(who: Array, which: Array | int = 0) -> Array:
    """Return somebody's car."""
    return who * 2 + which


def cover(setting: Setting, who: Array) -> tuple[Array, Array]:
    """Return a car's sum insured and its yearly premium, EUR."""
    insured = np.exp(
        9.6 + 0.5 * np.log(setting.city.income[who] / 2_300) + 0.4 * (share(setting.seed, who, 1000) - 0.5)
    )
    return insured, 180 + insured * 0.028 * (1.5 - 0.006 * setting.city.age[who])


def policy_start(setting: Setting, rng: np.random.Generator, who: Array, at: Array) -> Rows:
    """Return policies begun."""
    insured, premium = cover(setting, who)
    return Rows(
        len(who),
        type=POLICY,
        at=at,
        policy_id=who,
        customer_id=who,
        vehicle_id=vehicle(who),
        sum_insured=np.rint(insured / 100).astype(np.int64) * 10_000,
        premium=cents(premium),
        currency=0,
        agent_id=pick(90, setting.seed, who, 1001),
    )


def claim(
    setting: Setting,
    rng: np.random.Generator,
    who: Array,
    at: Array,
    *,
    kind: Array | None = None,
    big: Array | float = 1.0,
    provider: Array | None = None,
    other: Array | None = None,
    since: Array | None = None,
    injuries: Array | None = None,
    witnesses: Array | None = None,
    police: Array | float | None = None,
    lag_h: Array | None = None,
    place: Array | None = None,
    adjuster: Array | None = None,
) -> Rows:
    """Return claims; what is not said is what accidents are like."""
    city, size = setting.city, len(who)
    kind = choose(rng, size, KIND_SHARE) if kind is None else kind
    alone = np.isin(kind, (1, 2, 3, 5, 6, 7))
    hurt = np.where(alone, rng.random(size) < 0.02, rng.random(size) < 0.16) * (
        1 + rng.geometric(0.75, size) - 1
    )
    injuries = hurt if injuries is None else injuries
    lag = np.exp(rng.normal(2.9, 1.2, size)) if lag_h is None else lag_h
    lag_ms = np.minimum(lag, 24 * 60) * HOUR_MS
    insured, _ = cover(setting, who)
    amount = np.exp(
        KIND_LOG[kind] + rng.normal(0, 0.7, size) + 0.25 * setting.drifted(at)
    ) * big + 1_900 * injuries * rng.lognormal(0, 0.5, size)
    amount = np.minimum(amount, insured * 1.1)
    days = rng.gamma(1.3, 420, size) if since is None else since
    met = np.where(alone, NULL, pick(setting.people, who, at, 1002)) if other is None else other
    spot = city.place(rng, who, np.full(size, -1)) if place is None else place
    asked = np.where(alone, 0.12, 0.34) + 0.2 * (injuries > 0) if police is None else police
    return Rows(
        size,
        type=CLAIM,
        at=at,
        claim_id=mix(setting.seed, who, at, 1003) % 10**9,
        policy_id=who,
        customer_id=who,
        vehicle_id=vehicle(who, (rng.random(size) < 0.12).astype(np.int64)),
        provider_id=np.where(
            rng.random(size) < 0.75,
            pick(providers(setting), setting.seed, who, 1004),
            pick(providers(setting), who, at, 1005),
        )
        if provider is None
        else provider,
        adjuster_id=pick(ADJUSTERS, who, at, 1006) if adjuster is None else adjuster,
        amount=cents(np.rint(amount / 5) * 5 + 5),
        currency=0,
        accident_at=(at - lag_ms).astype(np.int64),
        reported_at=at,
        days_since_start=np.rint(np.minimum(days, 7_000)).astype(np.int64),
        injuries=injuries,
        witnesses=rng.poisson(np.where(alone, 0.15, 0.6), size) if witnesses is None else witnesses,
        police_report=rng.random(size) < asked,
        fault=np.where(alone, OWN, (rng.random(size) < 0.5).astype(np.int64)),
        lat=spot[:, 0],
        lon=spot[:, 1],
        description_kind=kind,
        counterparty_customer_id=met,
    )


def invoice(
    setting: Setting, rng: np.random.Generator, claims: Rows, at: Array, dear: Array | float = 1.0
) -> Rows:
    """Return the invoices of claims; an hour costs about ninety."""
    part = np.minimum(rng.normal(0.82, 0.15, claims.size), 1.25) * dear
    amount = np.maximum(claims["amount"] * np.maximum(part, 0.1), 5_000)
    rate = rng.normal(92, 13, claims.size) * (0.7 + 0.3 * np.asarray(dear)) * 100
    work = rng.uniform(0.35, 0.7, claims.size)
    return Rows(
        claims.size,
        type=INVOICE,
        at=at,
        amount=np.rint(amount).astype(np.int64),
        currency=0,
        hours=np.round(amount * work / np.maximum(rate, 3_000), 1),
        **{name: claims[name] for name in ("claim_id", "provider_id", "policy_id", "customer_id")},
    )


def legitimate(span: Span) -> Rows:
    """Policies, honest accidents, and their invoices."""
    rng, city = span.rng, span.city
    started = int(span.wanted * 0.18)
    size = int((span.wanted - started) / 1.75) + 1
    who, at, _ = span.draw(size, 1.15)
    # Young drivers have more accidents.
    young = city.age[who] < 26
    winter = np.where(rng.random(size) < 0.5 * young, 1.25, 1.0)
    claims = claim(span, rng, who, at, big=winter)
    claims["visit"] = np.arange(size)
    billed = np.flatnonzero(rng.random(size) < 0.82)
    wait = (rng.gamma(2.0, 5.0, len(billed)) * DAY_MS).astype(np.int64) + 2 * HOUR_MS
    bills = invoice(span, rng, claims.take(billed), at[billed] + wait)
    bills["visit"] = billed
    person, moment, day = span.draw(started)
    fresh = np.where(
        rng.random(started) < 0.5, span.people + pick(len(city.age) - span.people, person, day, 1007), person
    )
    begun = policy_start(span, rng, fresh, moment)
    begun["visit"] = size + np.arange(started)
    rows = join([claims, bills, begun])
    rows["visit"] = rng.permutation(size + started)[rows["visit"]]
    return rows


# Attacks.


def _bills(cast: Cast, claims: Rows, odds: float, dear: Array | float = 1.0) -> Rows:
    rng = cast.rng
    some = np.flatnonzero(rng.random(claims.size) < odds)
    taken = claims.take(some)
    dear = np.broadcast_to(np.asarray(dear, np.float64), (claims.size,))[some]
    bills = invoice(
        cast,
        rng,
        taken,
        taken["at"] + (rng.gamma(2.0, 4.0, len(some)) * DAY_MS).astype(np.int64) + HOUR_MS,
        dear,
    )
    bills["of"], bills["stage"] = taken["of"], stage("cash_out")
    return bills


def _claims(rows: Rows, of: Array, name: str = "act") -> Rows:
    rows["of"], rows["stage"] = of, stage(name)
    return rows


def staged_accident(cast: Cast) -> Rows:
    """An accident with friends at the wheel: everybody is hurt a little, nobody saw it."""
    rng = cast.rng
    steps = cast.steps(2, 5)
    number, skill = steps.each(cast.number), steps.each(cast.skill)
    who = pick(cast.people, number, steps.number, 1008)
    met = pick(cast.people, number, steps.number + 50, 1008)
    at = steps.times(steps.gaps(9_000.0))
    made = claim(
        cast,
        rng,
        who,
        at,
        kind=np.array([0, 4, 8])[choose(rng, steps.size, (55, 25, 20))],
        big=1.25 - 0.2 * skill,
        injuries=rng.binomial(3, 0.55 - 0.25 * skill),
        witnesses=rng.binomial(1, 0.15 + 0.3 * skill),
        police=0.25 + 0.1 * skill,
        other=met,
        since=rng.gamma(1.2, 150 + 250 * skill),
        provider=np.where(
            rng.random(steps.size) < 0.6,
            pick(providers(cast), number, 1009),
            pick(providers(cast), who, 1010),
        ),
    )
    made = _claims(made, steps.of_campaign)
    return join([made, _bills(cast, made, 0.8, 1.1)])


def claims_ring(cast: Cast) -> Rows:
    """A circle that takes turns: driver here, counterparty there, one doctor, one garage."""
    rng, city = cast.rng, cast.city
    steps = cast.steps(5, 12)
    number, skill = steps.each(cast.number), steps.each(cast.skill)
    circle = 4 + number % 3

    def member(which: Array) -> Array:
        which = which % circle
        return np.where(which == 0, steps.each(cast.person(3)), pick(cast.people, number, which, 1011))

    who, met = member(steps.number), member(steps.number + 1 + mix(number, steps.number) % 2)
    at = steps.times(steps.gaps(3_500 + 3_500 * skill))
    spot = city.home[steps.each(cast.person(3))] + rng.normal(0, 0.02, (steps.size, 2))
    made = claim(
        cast,
        rng,
        who,
        at,
        kind=np.array([0, 4, 8, 1])[choose(rng, steps.size, (40, 25, 15, 20))],
        big=1.2,
        other=np.where(rng.random(steps.size) < 0.85, met, pick(cast.people, who, at, 1012)),
        provider=np.where(
            rng.random(steps.size) < 0.9 - 0.4 * skill,
            pick(providers(cast), number, 1013),
            pick(providers(cast), who, 1014),
        ),
        injuries=rng.binomial(2, 0.35, steps.size),
        place=spot,
    )
    made = _claims(made, steps.of_campaign)
    return join([made, _bills(cast, made, 0.7, 1.15)])


def inflated_invoice(cast: Cast) -> Rows:
    """An honest accident, and an invoice that is not."""
    rng = cast.rng
    steps = cast.steps(4, 10)
    number, skill = steps.each(cast.number), steps.each(cast.skill)
    who = pick(cast.people, number, steps.number, 1015)
    garage = pick(providers(cast), number, 1016)
    made = _claims(
        claim(cast, rng, who, steps.times(steps.gaps(2_500.0)), provider=garage),
        steps.of_campaign,
        "build_up",
    )
    made["fraud"], made["loss"] = 0, 0
    bills = _bills(cast, made, 0.95, 1.75 - 0.5 * skill)
    bills["fraud"], bills["loss"] = 1, bills["amount"] * 4 // 10
    return join([made, bills])


def early_claim(cast: Cast) -> Rows:
    """The policy is days old, and the car was broken before."""
    rng = cast.rng
    who = cast.newcomer(12)
    start = policy_start(cast, rng, who, cast.start)
    every = np.arange(cast.size)
    start["of"], start["stage"], start["fraud"], start["loss"] = every, stage("prepare"), 0, 0
    days = rng.gamma(1.5, 3.0 + 10 * cast.skill) + 0.5
    made = claim(
        cast,
        rng,
        who,
        cast.start + (days * DAY_MS).astype(np.int64),
        kind=np.array([3, 6, 7, 1, 0])[choose(rng, cast.size, (30, 25, 10, 20, 15))],
        big=1.4 - 0.3 * cast.skill,
        since=days,
        lag_h=np.exp(rng.normal(3.4, 0.9, cast.size)),
        police=0.3,
    )
    made["fraud"] = 1
    return join([start, _claims(made, every)])


def phantom_passenger(cast: Cast) -> Rows:
    """A real bump; the injured were not in the car."""
    rng = cast.rng
    steps = cast.steps(1, 3)
    skill = steps.each(cast.skill)
    who = pick(cast.people, steps.each(cast.number), steps.number, 1017)
    made = claim(
        cast,
        rng,
        who,
        steps.times(steps.gaps(8_000.0)),
        kind=np.array([0, 1, 4, 8])[choose(rng, steps.size, (45, 15, 20, 20))],
        injuries=1 + rng.binomial(3, 0.5 - 0.3 * skill),
        big=0.8,
        lag_h=np.exp(rng.normal(4.2 - skill, 0.8, steps.size)),
        witnesses=rng.binomial(1, 0.3, steps.size),
        police=0.3,
    )
    made = _claims(made, steps.of_campaign)
    return join([made, _bills(cast, made, 0.6, 1.1)])


def provider_collusion(cast: Cast) -> Rows:
    """A garage and an adjuster: dear repairs that nobody questions."""
    rng = cast.rng
    steps = cast.steps(5, 12)
    number, skill = steps.each(cast.number), steps.each(cast.skill)
    who = pick(cast.people, number, steps.number, 1018)
    made = claim(
        cast,
        rng,
        who,
        steps.times(steps.gaps(2_000 + 2_000 * skill)),
        provider=pick(providers(cast), number, 1019),
        adjuster=np.where(
            rng.random(steps.size) < 0.85 - 0.3 * skill,
            pick(ADJUSTERS, number, 1020),
            pick(ADJUSTERS, who, 1021),
        ),
        big=1.45 - 0.3 * skill,
    )
    made = _claims(made, steps.of_campaign)
    return join([made, _bills(cast, made, 0.9, 1.35 - 0.2 * skill)])


# What looks like an attack and is none.


def hail(cast: Cast) -> Rows:
    """A storm: one street's cars, one garage, one day."""
    rng, city = cast.rng, cast.city
    steps = cast.steps(5, 14)
    number = steps.each(cast.number)
    who = pick(cast.people, number, steps.number, 1022)
    place = city.home[steps.each(cast.customer)] + rng.normal(0, 0.01, (steps.size, 2))
    made = claim(
        cast,
        rng,
        who,
        steps.times(steps.gaps(120.0)),
        kind=np.array([7, 2])[(rng.random(steps.size) < 0.3).astype(np.int64)],
        place=place,
        big=1.3,
        provider=np.where(
            rng.random(steps.size) < 0.6,
            pick(providers(cast), number, 1023),
            pick(providers(cast), who, 1024),
        ),
    )
    return join([made, (_bills(cast, _claims(made, steps.of_campaign), 0.8, 1.1))])


def new_driver(cast: Cast) -> Rows:
    """A new policy and, soon, a first and honest accident."""
    rng = cast.rng
    who = cast.newcomer(13)
    days = rng.gamma(1.3, 14.0, cast.size) + 0.5
    made = claim(cast, rng, who, cast.start + (days * DAY_MS).astype(np.int64), since=days, big=1.1)
    return join([policy_start(cast, rng, who, cast.start), made])


def pile_up(cast: Cast) -> Rows:
    """A pile-up: several are hurt, for real, and meet again in each other's claims."""
    rng = cast.rng
    steps = cast.steps(2, 6)
    number = steps.each(cast.number)
    who = pick(cast.people, number, steps.number, 1025)
    met = pick(cast.people, number, steps.number + 1, 1025)
    made = claim(
        cast,
        rng,
        who,
        steps.times(steps.gaps(500.0)),
        kind=np.zeros(steps.size, np.int64),
        other=met,
        injuries=rng.binomial(4, 0.4, steps.size),
        police=0.75,
        witnesses=rng.poisson(1.2, steps.size),
        big=1.3,
    )
    return join([made, (_bills(cast, _claims(made, steps.of_campaign), 0.8, 1.05))])


def dear_garage(cast: Cast) -> Rows:
    """A garage of a dear make: its invoices are high, and right."""
    rng = cast.rng
    steps = cast.steps(3, 9)
    number = steps.each(cast.number)
    who = pick(cast.people, number, steps.number, 1026)
    made = claim(
        cast,
        rng,
        who,
        steps.times(steps.gaps(2_500.0)),
        provider=pick(providers(cast), number % 7, 1027),
        big=1.35,
    )
    return join([made, (_bills(cast, _claims(made, steps.of_campaign), 0.9, 1.4))])


TRADE = Trade(
    code="insurance_claims",
    prefix="ic",
    types=("policy_start", "claim", "invoice"),
    columns={
        "policy_id": Id("po", 6),
        "customer_id": CUSTOMER,
        "vehicle_id": Id("ve", 6),
        "sum_insured": Money(),
        "premium": Money(),
        "agent_id": Id("ag", 3),
        "claim_id": Id("cl", 9),
        "provider_id": Id("g", 4),
        "adjuster_id": Id("ad", 3),
        "amount": Money(),
        "currency": Word(("EUR",)),
        "accident_at": Moment(),
        "reported_at": Moment(),
        "days_since_start": Count(),
        "injuries": Count(),
        "witnesses": Count(),
        "police_report": Flag(),
        "fault": Word(("own", "third_party")),
        "lat": Number(5),
        "lon": Number(5),
        "description_kind": Word(KINDS),
        "counterparty_customer_id": CUSTOMER,
        "hours": Number(1),
    },
    fraud_share=0.05,
    rhythm=Rhythm(weekend=0.6, closed=0.6, hours=OFFICE_HOURS),
    legitimate=legitimate,
    typologies=(
        Typology("staged_accident", 0.18, 6.3, 60, staged_accident),
        Typology("claims_ring", 0.22, 14, 120, claims_ring),
        Typology("inflated_invoice", 0.16, 6.5, 45, inflated_invoice),
        Typology("early_claim", 0.14, 1, 30, early_claim),
        Typology("phantom_passenger", 0.12, 3.2, 75, phantom_passenger),
        Typology("provider_collusion", 0.18, 16, 150, provider_collusion),
    ),
    lookalikes=(
        Lookalike("hail", 0.03, 17, hail),
        Lookalike("new_driver", 0.03, 2, new_driver),
        Lookalike("pile_up", 0.02, 7, pile_up),
        Lookalike("dear_garage", 0.03, 11, dear_garage),
    ),
)
