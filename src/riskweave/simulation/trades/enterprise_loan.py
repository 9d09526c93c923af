"""Loans to companies: applications, quarterly reports, repayments."""

from __future__ import annotations

import numpy as np

from riskweave.simulation.city import COMPANIES, COMPANY, COUNTRY, CUSTOMER, INDUSTRIES, company_owner
from riskweave.simulation.clock import DAY_MS, OFFICE_HOURS, Rhythm
from riskweave.simulation.columns import Count, Id, Money, Word
from riskweave.simulation.mix import Array, mix, pick, share
from riskweave.simulation.rows import NULL, Rows, cents, choose, join
from riskweave.simulation.trade import Cast, Lookalike, Setting, Span, Steps, Trade, Typology, stage

APPLICATION, REPORT, REPAYMENT = range(3)
COLLATERAL = ("none", "property", "machinery", "receivables", "inventory", "guarantee")
COLLATERAL_SHARE = (26, 22, 16, 16, 10, 10)
# Cyclical trades swing more.
_RISK = np.array([0.2, 0.6, 0.5, 0.4, 0.7, 0.2, 0.5, 0.6, 0.8, 0.4, 0.7, 0.5])


def firms_of(setting: Setting) -> int:
    """Return how many companies borrow: more than trade, since each does so seldom."""
    return int(np.clip(setting.people // 3, 200, COMPANIES))


def strength(setting: Setting, firm: Array, at: Array) -> Array:
    """Return how well a company is, around 0; it changes slowly."""
    months = at // (30 * DAY_MS)
    base = 2 * (share(setting.seed, firm, 700) + share(setting.seed, firm, 701) - 1.0) * 1.6
    wave = 0.5 * np.sin(2 * np.pi * (months / 9.0 + share(setting.seed, firm, 702)))
    found: Array = base + wave * _RISK[setting.city.company_industry[firm]] - 0.5 * setting.drifted(at)
    return found


def financials(
    setting: Setting,
    rng: np.random.Generator,
    firm: Array,
    at: Array,
    *,
    health: Array | None = None,
    window: Array | float = 0.0,
) -> dict[str, Array]:
    """Return a year's figures of companies; `window` is how much of it is made up."""
    city, size = setting.city, len(firm)
    health = (strength(setting, firm, at) if health is None else health) + rng.normal(0, 0.35, size)
    sales = (
        city.company_revenue[firm] * rng.lognormal(0, 0.1, size) * (1 + 0.05 * health) * (1 + 0.7 * window)
    )
    margin = np.clip(
        city.company_margin[firm] + 0.035 * health + 0.05 * window + rng.normal(0, 0.02, size), -0.4, 0.45
    )
    ebit = sales * margin
    assets = sales * np.clip(0.75 + 0.6 * share(setting.seed, firm, 703) + rng.normal(0, 0.05, size), 0.2, 3)
    leverage = np.clip(
        city.company_leverage[firm] - 0.05 * health - 0.06 * window + rng.normal(0, 0.03, size), 0.05, 1.15
    )
    owed = assets * leverage
    short_assets = assets * np.clip(0.48 + 0.05 * health + rng.normal(0, 0.06, size), 0.05, 0.95)
    short_owed = owed * np.clip(0.52 - 0.04 * health + rng.normal(0, 0.06, size), 0.1, 0.95)
    interest = owed * np.clip(0.035 - 0.004 * health + rng.normal(0, 0.004, size), 0.008, 0.12)
    # What is made up shows in receivables, not in the till.
    cash = short_assets * np.clip(0.2 + 0.05 * health - 0.08 * window + rng.normal(0, 0.05, size), 0.004, 0.8)
    return {
        "revenue": cents(sales),
        "ebit": _money(ebit),
        "net_income": _money((ebit - interest) * 0.76),
        "total_assets": cents(assets),
        "total_liabilities": cents(owed),
        "current_assets": cents(short_assets),
        "current_liabilities": cents(short_owed),
        "cash": cents(cash),
        "interest_expense": cents(interest),
    }


def application(
    setting: Setting,
    rng: np.random.Generator,
    firm: Array,
    at: Array,
    *,
    health: Array | None = None,
    window: Array | float = 0.0,
    greed: Array | float = 1.0,
    guarantor: Array | None = None,
    owner: Array | None = None,
    years: Array | None = None,
    pledge: Array | None = None,
    kind: Array | None = None,
) -> Rows:
    """Return applications for a loan."""
    city, size = setting.city, len(firm)
    inner = strength(setting, firm, at) if health is None else health
    figures = financials(setting, rng, firm, at, health=inner, window=window)
    amount = np.maximum(10_000, city.company_revenue[firm] * np.exp(rng.normal(-2.1, 0.7, size)) * greed)
    amount = np.rint(amount / 5_000) * 5_000 + 5_000
    kind = choose(rng, size, COLLATERAL_SHARE) if kind is None else kind
    value = np.where(kind == 0, 0.0, amount * rng.lognormal(-0.05, 0.4, size)) if pledge is None else pledge
    age = city.company_years[firm] if years is None else years
    guarded = np.where(rng.random(size) < 0.3, pick(firms_of(setting), setting.seed, firm, 704), NULL)
    return Rows(
        size,
        type=APPLICATION,
        at=at,
        company_id=firm,
        industry=city.company_industry[firm],
        country=city.company_country[firm],
        amount=cents(amount),
        currency=0,
        term_months=np.array([6, 12, 24, 36, 60, 84])[choose(rng, size, (8, 22, 22, 26, 16, 6))],
        collateral_value=np.rint(value / 100).astype(np.int64) * 10_000,
        collateral_kind=kind,
        collateral_id=np.where(kind == 0, NULL, mix(firm, at, 705) % 10**8),
        guarantor_id=guarded if guarantor is None else guarantor,
        owner_id=company_owner(city, firm) if owner is None else owner,
        years_in_business=np.rint(age).astype(np.int64),
        employees=np.maximum(1, city.company_revenue[firm] / 180_000 * rng.lognormal(0, 0.3, size)).astype(
            np.int64
        ),
        bureau_score=np.rint(
            np.clip(640 + 45 * inner + 12 * np.log(age + 1) + rng.normal(0, 40, size), 300, 850)
        ).astype(np.int64),
        existing_debt=figures["total_liabilities"] * 6 // 10,
        **figures,
    )


def report(
    setting: Setting,
    rng: np.random.Generator,
    firm: Array,
    at: Array,
    *,
    health: Array | None = None,
    window: Array | float = 0.0,
    late: Array | float = 0.0,
) -> Rows:
    """Return quarterly reports, some of them late."""
    size = len(firm)
    inner = strength(setting, firm, at) if health is None else health
    days = np.maximum(0, rng.normal(-3 - 2 * inner, 7, size) + late)
    return Rows(
        size,
        type=REPORT,
        at=at,
        company_id=firm,
        industry=setting.city.company_industry[firm],
        country=setting.city.company_country[firm],
        days_late=np.rint(days).astype(np.int64),
        currency=0,
        **financials(setting, rng, firm, at, health=inner, window=window),
    )


def repayment(
    setting: Setting,
    rng: np.random.Generator,
    firm: Array,
    at: Array,
    *,
    health: Array | None = None,
    short: Array | float = 0.0,
) -> Rows:
    """Return repayments; the weak pay late and in part."""
    size = len(firm)
    inner = strength(setting, firm, at) if health is None else health
    due = setting.city.company_revenue[firm] * 0.012 * rng.lognormal(0, 0.2, size)
    late = np.maximum(0, rng.normal(-5 - 5 * inner, 9, size) + 30 * short)
    part = np.where(rng.random(size) < 0.03 + 0.5 * short, rng.random(size) * 0.9, 1.0)
    return Rows(
        size,
        type=REPAYMENT,
        at=at,
        company_id=firm,
        loan_id=firm * 8 + mix(firm, at // (90 * DAY_MS), 706) % 3,
        due=cents(due),
        paid=np.rint(due * part * 100).astype(np.int64),
        days_past_due=np.rint(late).astype(np.int64),
        currency=0,
    )


def legitimate(span: Span) -> Rows:
    """Applications, reports and repayments of companies that mean to pay."""
    rng = span.rng
    kinds = rng.multinomial(span.wanted, (0.42, 0.24, 0.34))

    def some(size: int) -> tuple[Array, Array]:
        _, at, _ = span.draw(size)
        return (firms_of(span) * rng.random(size) ** 1.2).astype(np.int64), at

    asked, told, paid = (some(int(size)) for size in kinds)
    rows = join([application(span, rng, *asked), report(span, rng, *told), repayment(span, rng, *paid)])
    return rows.take(rng.permutation(rows.size))


# What goes wrong.


def _firm(cast: Cast, role: int = 0) -> Array:
    return pick(firms_of(cast), cast.seed, cast.number, role, 707)


def default(cast: Cast) -> Rows:
    """A company fails, honestly: its figures worsen, it pays late, and it asks for more."""
    rng = cast.rng
    steps = cast.steps(3, 6)
    firm = steps.each(_firm(cast))
    at = steps.times(steps.gaps(5 * 1440.0))
    health = -0.9 - 0.3 * steps.number + 0.9 * steps.each(cast.skill) + rng.normal(0, 0.5, steps.size)
    asks = (steps.number == 0) | (rng.random(steps.size) < 0.3)
    tells = ~asks & (rng.random(steps.size) < 0.45)
    pays = ~asks & ~tells
    parts = []
    for which, made, name in (
        (asks, application(cast, rng, firm, at, health=health, greed=1.15), "access"),
        (tells, report(cast, rng, firm, at, health=health, late=3.0), "build_up"),
        (pays, repayment(cast, rng, firm, at, health=health, short=0.35), "build_up"),
    ):
        rows = made.take(which)
        rows["of"], rows["stage"] = steps.of_campaign[which], stage(name)
        rows["loss"] = (
            rows["amount"] * 45 // 100 if name == "access" else rows["due"] * 3 if "due" in rows else 0
        )
        parts.append(rows)
    return join(parts)


def loan_stacking(cast: Cast) -> Rows:
    """Several loans within days, from one or a few companies of one owner, none knowing of the others."""
    rng = cast.rng
    steps = cast.steps(3, 7)
    number, skill = steps.each(cast.number), steps.each(cast.skill)
    firm = np.where(
        rng.random(steps.size) < 0.5,
        steps.each(_firm(cast)),
        pick(firms_of(cast), number, steps.number // 2, 708),
    )
    at = steps.times(steps.gaps(600 + 4_000 * skill))
    rows = application(
        cast,
        rng,
        firm,
        at,
        health=strength(cast, firm, at) - 0.3,
        greed=1.5 - 0.4 * skill,
        owner=steps.each(cast.person(1)),
        guarantor=steps.each(_firm(cast, 1)),
    )
    return _of(rows, steps)


def shell_company(cast: Cast) -> Rows:
    """A young company with fine figures and nobody in it; its owner has others."""
    rng = cast.rng
    steps = cast.steps(1, 4)
    skill = steps.each(cast.skill)
    firm = pick(firms_of(cast), steps.each(cast.number), steps.number, 709)
    at = steps.times(steps.gaps(2_000 + 4_000 * skill))
    rows = application(
        cast,
        rng,
        firm,
        at,
        health=0.6 + rng.normal(0, 0.5, steps.size),
        greed=1.5 - 0.5 * skill,
        owner=steps.each(cast.person(1)),
        years=rng.exponential(1.5 + 3.5 * skill),
        kind=choose(rng, steps.size, (45, 5, 8, 22, 10, 10)),
    )
    rows["employees"] = np.maximum(1, rows["employees"] * (0.1 + 0.7 * skill)).astype(np.int64)
    return _of(rows, steps)


def inflated_statements(cast: Cast) -> Rows:
    """Sales that never were: profit grows, cash does not."""
    rng = cast.rng
    steps = cast.steps(2, 5)
    skill = steps.each(cast.skill)
    firm = steps.each(_firm(cast))
    at = steps.times(steps.gaps(4 * 1440.0))
    asks = steps.number == steps.count - 1
    window = 0.9 - 0.5 * skill
    health = -0.5 + rng.normal(0, 0.4, steps.size)
    asked = application(cast, rng, firm, at, health=health, window=window, greed=1.3).take(asks)
    told = report(cast, rng, firm, at, health=health, window=window, late=4.0).take(~asks)
    asked["of"], asked["stage"], asked["loss"] = (
        steps.of_campaign[asks],
        stage("act"),
        asked["amount"] * 6 // 10,
    )
    told["of"], told["stage"], told["loss"] = steps.of_campaign[~asks], stage("build_up"), 0
    return join([told, asked])


def related_party_ring(cast: Cast) -> Rows:
    """Companies of one circle guarantee each other's loans."""
    rng = cast.rng
    steps = cast.steps(3, 7)
    number, skill = steps.each(cast.number), steps.each(cast.skill)
    firm = pick(firms_of(cast), number, steps.number, 710)
    next_one = pick(firms_of(cast), number, (steps.number + 1) % steps.count, 710)
    at = steps.times(steps.gaps(1_000 + 6_000 * skill))
    rows = application(
        cast,
        rng,
        firm,
        at,
        health=strength(cast, firm, at) - 0.3,
        greed=1.2,
        guarantor=next_one,
        owner=np.where(
            rng.random(steps.size) < 0.5, steps.each(cast.person(1)), company_owner(cast.city, firm)
        ),
        kind=choose(rng, steps.size, (20, 8, 8, 8, 6, 50)),
    )
    return _of(rows, steps)


def collateral_double_pledge(cast: Cast) -> Rows:
    """The same property secures two loans and more."""
    rng = cast.rng
    steps = cast.steps(2, 5)
    number, skill = steps.each(cast.number), steps.each(cast.skill)
    firm = np.where(
        rng.random(steps.size) < 0.6, steps.each(_firm(cast)), pick(firms_of(cast), number, steps.number, 711)
    )
    at = steps.times(steps.gaps(1_500 + 9_000 * skill))
    worth = steps.each(cast.city.company_revenue[_firm(cast)] * np.exp(rng.normal(-1.7, 0.4, cast.size)))
    rows = application(
        cast,
        rng,
        firm,
        at,
        pledge=worth * rng.uniform(0.97, 1.03, steps.size),
        kind=np.where(share(number, 712) < 0.6, 1, 2 + number % 3),
    )
    rows["collateral_id"] = mix(number, 713) % 10**8
    return _of(rows, steps)


# What looks like it and is none.


def group_financing(cast: Cast) -> Rows:
    """A group finances its parts in one go: same owner, guarantees within."""
    rng = cast.rng
    steps = cast.steps(2, 6)
    number = steps.each(cast.number)
    firm = pick(firms_of(cast), number, steps.number, 714)
    guard = pick(firms_of(cast), number, np.where(number % 2 == 0, 0, (steps.number + 1) % steps.count), 714)
    return application(
        cast,
        rng,
        firm,
        steps.times(steps.gaps(3_000.0)),
        guarantor=guard,
        owner=steps.each(cast.customer),
        greed=1.1,
    )


def start_up(cast: Cast) -> Rows:
    """A young company with few people and large plans."""
    rng = cast.rng
    steps = cast.steps(1, 2)
    firm = pick(firms_of(cast), steps.each(cast.number), 715)
    rows = application(
        cast, rng, firm, steps.times(steps.gaps(4_000.0)), years=rng.exponential(2.0, steps.size), greed=1.2
    )
    rows["employees"] = np.maximum(1, rows["employees"] // 3)
    return rows


def bad_season(cast: Cast) -> Rows:
    """A bad season that passes: late reports, late payments, and all is paid in the end."""
    rng = cast.rng
    steps = cast.steps(2, 6)
    firm = steps.each(_firm(cast, 2))
    at = steps.times(steps.gaps(4 * 1440.0))
    health = -0.8 + rng.normal(0, 0.5, steps.size)
    tells = rng.random(steps.size) < 0.4
    return join(
        [
            report(cast, rng, firm, at, health=health, late=2.0).take(tells),
            repayment(cast, rng, firm, at, health=health, short=0.25).take(~tells),
        ]
    )


def _money(amount: Array) -> Array:
    return np.asarray(np.rint(amount * 100).astype(np.int64))


def _of(rows: Rows, steps: Steps) -> Rows:
    rows["of"], rows["stage"] = steps.of_campaign, stage("act")
    rows["loss"] = rows["amount"] * 7 // 10
    return rows


TRADE = Trade(
    code="enterprise_loan",
    prefix="el",
    types=("application", "quarter_report", "repayment"),
    columns={
        "company_id": COMPANY,
        "industry": Word(INDUSTRIES),
        "country": COUNTRY,
        "amount": Money(),
        "currency": Word(("EUR",)),
        "term_months": Count(),
        "revenue": Money(),
        "ebit": Money(),
        "net_income": Money(),
        "total_assets": Money(),
        "total_liabilities": Money(),
        "current_assets": Money(),
        "current_liabilities": Money(),
        "cash": Money(),
        "interest_expense": Money(),
        "collateral_value": Money(),
        "collateral_kind": Word(COLLATERAL),
        "collateral_id": Id("y", 8),
        "guarantor_id": COMPANY,
        "owner_id": CUSTOMER,
        "years_in_business": Count(),
        "employees": Count(),
        "bureau_score": Count(),
        "existing_debt": Money(),
        "days_late": Count(),
        "loan_id": Id("l", 6),
        "due": Money(),
        "paid": Money(),
        "days_past_due": Count(),
    },
    fraud_share=0.05,
    rhythm=Rhythm(weekend=0.05, pay_day=1.3, closed=0.05, hours=OFFICE_HOURS),
    legitimate=legitimate,
    typologies=(
        Typology("default", 0.40, 4.5, 120, default),
        Typology("loan_stacking", 0.14, 5, 60, loan_stacking),
        Typology("shell_company", 0.12, 2.5, 90, shell_company),
        Typology("inflated_statements", 0.12, 3.5, 180, inflated_statements),
        Typology("related_party_ring", 0.12, 5, 120, related_party_ring),
        Typology("collateral_double_pledge", 0.10, 3.5, 75, collateral_double_pledge),
    ),
    lookalikes=(
        Lookalike("group_financing", 0.04, 4, group_financing),
        Lookalike("start_up", 0.03, 1.5, start_up),
        Lookalike("bad_season", 0.05, 4, bad_season),
    ),
)
