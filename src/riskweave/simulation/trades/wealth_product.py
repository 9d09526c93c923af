"""Investment products sold to customers: sales, questionnaires, complaints, redemptions."""

from __future__ import annotations

import numpy as np

from riskweave.simulation.city import CUSTOMER
from riskweave.simulation.clock import DAY_MS, OFFICE_HOURS, Rhythm
from riskweave.simulation.columns import Count, Flag, Id, Money, Number, Word
from riskweave.simulation.mix import Array, mix, pick, share
from riskweave.simulation.rows import Rows, cents, choose, join
from riskweave.simulation.trade import Cast, Lookalike, Setting, Span, Trade, Typology, stage

SALE, QUESTIONNAIRE, COMPLAINT, REDEMPTION = range(4)
PRODUCTS = 120


def advisors(setting: Setting) -> int:
    """Return how many advisors there are."""
    return int(np.clip(setting.people // 60, 20, 600))


def advisor_of(setting: Setting, who: Array) -> Array:
    """Return somebody's advisor."""
    return pick(advisors(setting), setting.seed, who, 800)


def product_risk(product: Array) -> Array:
    """Return a product's risk class, 1..5."""
    return 1 + product % 5


def product_of(risk: Array, number: Array) -> Array:
    """Return one of the products of a risk class."""
    return np.asarray((risk - 1) + 5 * (mix(number, 801) % (PRODUCTS // 5)))


def profile(setting: Setting, who: Array) -> Array:
    """Return the risk class that suits somebody, 1..5."""
    city = setting.city
    old = np.select([city.age[who] > 75, city.age[who] > 65], [-1.5, -0.8], 0.0)
    return np.asarray(np.clip(np.rint(1 + 4 * city.appetite[who] + old), 1, 5).astype(np.int64))


def wealth(setting: Setting, who: Array) -> Array:
    """Return somebody's net worth, EUR."""
    city = setting.city
    return np.asarray(
        city.savings[who] * 6 + city.income[who] * 12 * np.maximum(city.age[who] - 25, 1) * 0.12
    )


def sale(
    setting: Setting,
    rng: np.random.Generator,
    who: Array,
    at: Array,
    *,
    risk: Array,
    shown: Array,
    part: Array,
    advisor: Array | None = None,
    waived: Array | float = 0.06,
    recorded: Array | float = 0.96,
    fresh: Array | None = None,
    term: Array | None = None,
) -> Rows:
    """Return sales; `shown` is the customer's risk class on paper, `part` the share of what he has."""
    city, size = setting.city, len(who)
    worth = wealth(setting, who)
    liquid = worth * (0.15 + 0.5 * share(setting.seed, who, 802))
    amount = np.maximum(np.rint(liquid * np.minimum(part, 0.97) / 100) * 100, 500)
    age = city.age[who]
    lived = np.clip((age - 25) * share(setting.seed, who, 803) * (0.4 + city.appetite[who]), 0, 45)
    days = rng.gamma(1.4, 170, size) if fresh is None else fresh
    terms = np.array([3, 6, 12, 24, 36, 60])
    return Rows(
        size,
        type=SALE,
        at=at,
        customer_id=who,
        advisor_id=advisor_of(setting, who) if advisor is None else advisor,
        branch_id=(advisor_of(setting, who) if advisor is None else advisor) // 8,
        product_id=product_of(risk, mix(who, at)),
        product_risk=risk,
        investor_risk=shown,
        age=age,
        experience_years=np.rint(lived).astype(np.int64),
        net_worth=cents(worth),
        liquid_assets=cents(liquid),
        amount=cents(amount),
        currency=0,
        term_months=terms[choose(rng, size, (14, 20, 28, 18, 13, 7))] if term is None else term,
        share_of_wealth=np.round(np.minimum(amount / liquid, 1.0), 4),
        questionnaire_age_days=np.rint(np.minimum(days, 1_500)).astype(np.int64),
        cooling_off_waived=rng.random(size) < waived,
        recorded=rng.random(size) < recorded,
    )


def questionnaire(
    setting: Setting,
    rng: np.random.Generator,
    who: Array,
    at: Array,
    risk: Array,
    before: Array,
    seconds: Array,
    advisor: Array | None = None,
) -> Rows:
    """Return questionnaires about somebody's willingness to take risk."""
    return Rows(
        len(who),
        type=QUESTIONNAIRE,
        at=at,
        customer_id=who,
        advisor_id=advisor_of(setting, who) if advisor is None else advisor,
        investor_risk=risk,
        previous_risk=before,
        duration_s=np.maximum(15, seconds).astype(np.int64),
        age=setting.city.age[who],
    )


def after_sale(setting: Setting, sales: Rows, at: Array, kind: int, part: Array | float = 1.0) -> Rows:
    """Return complaints about sales, or redemptions of them."""
    given = {name: sales[name] for name in ("customer_id", "advisor_id", "product_id", "product_risk")}
    if kind == REDEMPTION:
        given["amount"] = np.maximum(1, np.rint(sales["amount"] * part)).astype(np.int64)
    return Rows(sales.size, type=kind, at=at, currency=0, **given)


def legitimate(span: Span) -> Rows:
    """Advice that suits, mostly; questionnaires, redemptions, a complaint now and then."""
    rng, city = span.rng, span.city
    asked = int(span.wanted * 0.18)
    size = int((span.wanted - asked) / 1.32) + 1
    who, at, _ = span.draw(size, 1.3)
    fit = profile(span, who)
    drift = choose(rng, size, (12, 24, 46, 15, 3)) - 2
    risk = np.clip(fit + drift, 1, 5)
    part = rng.beta(1.3, 4.5, size) * (1 - 0.08 * risk) + 0.01
    sold = sale(
        span,
        rng,
        who,
        at,
        risk=risk,
        shown=np.clip(fit + (rng.random(size) < 0.1) - (rng.random(size) < 0.1), 1, 5),
        part=part,
        waived=0.05 + 0.06 * city.appetite[who],
    )
    sold["visit"] = np.arange(size)
    chance = rng.random(size)
    back = np.flatnonzero(chance < 0.3)
    wait = (rng.gamma(2.0, 18.0, len(back)) * DAY_MS).astype(np.int64) + DAY_MS
    redeemed = after_sale(
        span, sold.take(back), at[back] + wait, REDEMPTION, rng.uniform(0.3, 1.15, len(back))
    )
    redeemed["visit"] = back
    angry = np.flatnonzero((chance > 0.975) & (rng.random(size) < 0.5 + 0.1 * (risk - fit)))
    cried = after_sale(
        span,
        sold.take(angry),
        at[angry] + (rng.gamma(2, 12, len(angry)) * DAY_MS).astype(np.int64) + DAY_MS,
        COMPLAINT,
    )
    cried["visit"] = angry
    person, moment, _ = span.draw(asked, 1.3)
    before = profile(span, person)
    now = np.clip(before + choose(rng, asked, (4, 14, 64, 14, 4)) - 2, 1, 5)
    filled = questionnaire(span, rng, person, moment, now, before, np.exp(rng.normal(6.0, 0.55, asked)))
    filled["visit"] = size + np.arange(asked)
    rows = join([sold, redeemed, cried, filled])
    rows["visit"] = rng.permutation(size + asked)[rows["visit"]]
    return rows


# Attacks: the one who sells is the danger.


def _bad_advisor(cast: Cast) -> Array:
    return pick(advisors(cast), cast.seed, cast.number, 804)


def _old(cast: Cast, number: Array, which: Array) -> Array:
    """Return old customers: of a few drawn, the oldest."""
    drawn = np.stack([pick(cast.people, number, which, 805 + i) for i in range(5)])
    return np.asarray(np.take_along_axis(drawn, cast.city.age[drawn].argmax(axis=0)[None], axis=0)[0])


def mis_selling_old_age(cast: Cast) -> Rows:
    """Old people are sold what is too risky and binds too long."""
    rng = cast.rng
    steps = cast.steps(4, 10)
    number, skill = steps.each(cast.number), steps.each(cast.skill)
    who = _old(cast, number, steps.number)
    risk = np.clip(profile(cast, who) + choose(rng, steps.size, (20, 40, 40)) + (skill < 0.5), 1, 5)
    sold = sale(
        cast,
        rng,
        who,
        steps.times(steps.gaps(2_000 + 4_000 * skill)),
        risk=risk,
        shown=np.clip(profile(cast, who) + (rng.random(steps.size) < 0.35), 1, 5),
        part=0.15 + 0.6 * rng.random(steps.size) * (1.1 - 0.5 * skill),
        advisor=steps.each(_bad_advisor(cast)),
        waived=0.25,
        recorded=0.85,
        term=np.array([12, 24, 36, 60])[choose(rng, steps.size, (20, 25, 30, 25))],
    )
    sold = _of(sold, steps.of_campaign, "act")
    angry = rng.random(steps.size) < 0.25
    cried = after_sale(
        cast,
        sold.take(angry),
        sold["at"][angry] + (rng.gamma(2, 10, int(angry.sum())) * DAY_MS).astype(np.int64) + DAY_MS,
        COMPLAINT,
    )
    # A complaint is the customer's right: it is no fraud, it tells of one.
    cried["of"], cried["stage"], cried["fraud"] = steps.of_campaign[angry], stage("cover"), 0
    return join([sold, cried])


def risk_profile_gaming(cast: Cast) -> Rows:
    """The questionnaire is filled in again, quickly and higher, minutes before the sale."""
    rng = cast.rng
    steps = cast.steps(2, 7)
    number, skill = steps.each(cast.number), steps.each(cast.skill)
    who = pick(cast.people, number, steps.number, 811)
    at = steps.times(steps.gaps(1_500 + 4_000 * skill))
    fit = profile(cast, who)
    higher = np.clip(fit + 1 + (rng.random(steps.size) < 0.5), 1, 5)
    bad = steps.each(_bad_advisor(cast))
    filled = questionnaire(
        cast, rng, who, at, higher, fit, np.exp(rng.normal(4.9 + 0.8 * skill, 0.5, steps.size)), bad
    )
    sold = sale(
        cast,
        rng,
        who,
        at + (rng.exponential(1.0, steps.size) * (20 + 3_000 * skill) * 60_000).astype(np.int64) + 300_000,
        risk=np.clip(higher - (rng.random(steps.size) < 0.2), 1, 5),
        shown=higher,
        part=0.1 + 0.5 * rng.random(steps.size),
        advisor=bad,
        fresh=np.rint(skill * 5 * rng.random(steps.size)),
    )
    return join([_of(filled, steps.of_campaign, "prepare", 0), _of(sold, steps.of_campaign, "act")])


def churning(cast: Cast) -> Rows:
    """Sold, redeemed and sold again, for the fee."""
    rng = cast.rng
    steps = cast.steps(4, 10)
    skill = steps.each(cast.skill)
    who = steps.each(cast.customer)
    at = steps.times(steps.gaps(4_000 + 7_000 * skill))
    risk = np.clip(profile(cast, who) + choose(rng, steps.size, (25, 55, 20)) - 1, 1, 5)
    bought = sale(
        cast,
        rng,
        who,
        at,
        risk=risk,
        shown=profile(cast, who),
        part=0.1 + 0.4 * rng.random(steps.size),
        advisor=steps.each(_bad_advisor(cast)),
    )
    sells = steps.number % 2 == 1
    kept = bought.take(~sells)
    gone = after_sale(
        cast, bought.take(sells), at[sells], REDEMPTION, rng.uniform(0.85, 1.0, int(sells.sum()))
    )
    kept, gone = _of(kept, steps.of_campaign[~sells], "act"), _of(gone, steps.of_campaign[sells], "act")
    for rows in (kept, gone):
        rows["loss"] = rows["amount"] // 20
    return join([kept, gone])


def concentration(cast: Cast) -> Rows:
    """All eggs in one basket, little by little."""
    rng = cast.rng
    steps = cast.steps(3, 8)
    number, skill = steps.each(cast.number), steps.each(cast.skill)
    who = steps.each(cast.customer)
    rows = sale(
        cast,
        rng,
        who,
        steps.times(steps.gaps(3_000 + 5_000 * skill)),
        risk=np.clip(2 + mix(number, 812) % 4, 1, 5),
        shown=profile(cast, who),
        part=np.where(skill < 0.5, 0.25 + 0.5 * rng.random(steps.size), 0.08 + 0.3 * rng.random(steps.size)),
        advisor=steps.each(_bad_advisor(cast)),
        waived=0.12,
    )
    rows["product_id"] = product_of(rows["product_risk"], number)
    return _of(rows, steps.of_campaign, "act")


def pressured_sale(cast: Cast) -> Rows:
    """At the end of a quarter, quickly: time to think is waived, nothing is recorded."""
    rng = cast.rng
    steps = cast.steps(3, 9)
    number, skill = steps.each(cast.number), steps.each(cast.skill)
    who = pick(cast.people, number, steps.number, 813)
    rows = sale(
        cast,
        rng,
        who,
        steps.times(steps.gaps(60 + 900 * skill)),
        risk=np.clip(profile(cast, who) + choose(rng, steps.size, (25, 45, 30)), 1, 5),
        shown=profile(cast, who),
        part=0.1 + 0.5 * rng.random(steps.size),
        advisor=steps.each(_bad_advisor(cast)),
        waived=0.75 - 0.4 * skill,
        recorded=0.55 + 0.3 * skill,
    )
    return _of(rows, steps.of_campaign, "act")


# What looks like an attack and is none.


def keen_investor(cast: Cast) -> Rows:
    """Somebody experienced who wants risk, and much of it, at any age."""
    rng = cast.rng
    steps = cast.steps(2, 6)
    number = steps.each(cast.number)
    who = np.where(number % 3 == 0, _old(cast, number, steps.number * 0), steps.each(cast.customer))
    rows = sale(
        cast,
        rng,
        who,
        steps.times(steps.gaps(5_000.0)),
        risk=4 + steps.number % 2,
        shown=np.full(steps.size, 5) - (number % 4 == 0),
        part=0.2 + 0.6 * rng.random(steps.size),
        waived=0.3,
    )
    rows["experience_years"] = np.maximum(rows["experience_years"], 8 + number % 20)
    return rows


def campaign_week(cast: Cast) -> Rows:
    """A new product, a busy advisor: many sales in a few days, many with fresh questionnaires."""
    rng = cast.rng
    steps = cast.steps(4, 12)
    number = steps.each(cast.number)
    who = pick(cast.people, number, steps.number, 814)
    at = steps.times(steps.gaps(250.0))
    fit = profile(cast, who)
    up = np.clip(fit + (rng.random(steps.size) < 0.3), 1, 5)
    bad = pick(advisors(cast), number, 815)
    filled = questionnaire(cast, rng, who, at, up, fit, np.exp(rng.normal(5.7, 0.5, steps.size)), bad)
    sold = sale(
        cast,
        rng,
        who,
        at + (rng.exponential(1.0, steps.size) * 2 * 3_600_000).astype(np.int64) + 900_000,
        risk=up,
        shown=up,
        part=0.05 + 0.35 * rng.random(steps.size),
        advisor=bad,
        fresh=np.zeros(steps.size),
        waived=0.2,
    )
    return join([filled, sold])


def rebalancing(cast: Cast) -> Rows:
    """A portfolio is put in order: out of this, into that."""
    rng = cast.rng
    steps = cast.steps(3, 8)
    who = steps.each(cast.customer)
    at = steps.times(steps.gaps(4_000.0))
    bought = sale(
        cast,
        rng,
        who,
        at,
        risk=profile(cast, who),
        shown=profile(cast, who),
        part=0.05 + 0.3 * rng.random(steps.size),
    )
    sells = steps.number % 2 == 0
    return join([bought.take(~sells), after_sale(cast, bought.take(sells), at[sells], REDEMPTION, 1.0)])


def _of(rows: Rows, of: Array, name: str, loss: int | None = None) -> Rows:
    rows["of"], rows["stage"] = of, stage(name)
    rows["loss"] = rows["amount"] * 3 // 10 if loss is None else loss
    rows["fraud"] = 1
    return rows


TRADE = Trade(
    code="wealth_product",
    prefix="wp",
    types=("sale", "questionnaire", "complaint", "redemption"),
    columns={
        "customer_id": CUSTOMER,
        "advisor_id": Id("v", 4),
        "branch_id": Id("br", 3),
        "product_id": Id("pr", 4),
        "product_risk": Count(),
        "investor_risk": Count(),
        "age": Count(),
        "experience_years": Count(),
        "net_worth": Money(),
        "liquid_assets": Money(),
        "amount": Money(),
        "currency": Word(("EUR",)),
        "term_months": Count(),
        "share_of_wealth": Number(4),
        "questionnaire_age_days": Count(),
        "cooling_off_waived": Flag(),
        "recorded": Flag(),
        "previous_risk": Count(),
        "duration_s": Count(),
    },
    fraud_share=0.03,
    rhythm=Rhythm(weekend=0.1, pay_day=1.2, closed=0.05, hours=OFFICE_HOURS),
    legitimate=legitimate,
    typologies=(
        Typology("mis_selling_old_age", 0.24, 7, 60, mis_selling_old_age),
        Typology("risk_profile_gaming", 0.22, 9, 90, risk_profile_gaming),
        Typology("churning", 0.18, 7, 120, churning),
        Typology("concentration", 0.16, 5.5, 100, concentration),
        Typology("pressured_sale", 0.20, 6, 45, pressured_sale),
    ),
    lookalikes=(
        Lookalike("keen_investor", 0.04, 4, keen_investor),
        Lookalike("campaign_week", 0.03, 16, campaign_week),
        Lookalike("rebalancing", 0.03, 5.5, rebalancing),
    ),
)
