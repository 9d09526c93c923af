"""Between banks: loans, derivatives, margin calls, liquidity reports. Amounts are of whole millions."""

from __future__ import annotations

import numpy as np

from riskweave.simulation.city import BANK, BANKS
from riskweave.simulation.clock import DAY_MS, HOUR_MS, OFFICE_HOURS, START_MS, Rhythm, day_of
from riskweave.simulation.columns import Count, Id, Money, Number, Word
from riskweave.simulation.mix import Array, mix, pick, share
from riskweave.simulation.rows import Rows, cents, choose, join
from riskweave.simulation.trade import Cast, Lookalike, Setting, Span, Steps, Trade, Typology, stage

LOAN, DERIVATIVE, MARGIN, LIQUIDITY = range(4)
PRODUCTS = ("irs", "fx_forward", "xccy_swap", "cds", "equity_option", "commodity_swap")
TENORS = np.array([1, 7, 30, 90, 180, 365])
_SPREAD = np.array([0.0, 0.04, 0.10, 0.22, 0.35, 0.55])


def market_rate(setting: Setting, at: Array) -> Array:
    """Return the overnight rate, per cent: decisions every six weeks, and waves between."""
    day = day_of(at)
    level = 2.4 + 0.25 * (mix(setting.seed, day // 42, 900) % 3 - 1)
    return level + 0.06 * np.sin(2 * np.pi * (at - START_MS) / (11 * DAY_MS) + setting.seed % 7)


def weakness(setting: Setting, bank: Array, at: Array) -> Array:
    """Return how weak a bank is at a moment, 0 sound .. 1."""
    wave = 0.1 * np.sin(2 * np.pi * ((at - START_MS) / (60 * DAY_MS) + share(setting.seed, bank, 901)))
    return np.clip(1 - setting.city.bank_health[bank] + wave + 0.2 * setting.drifted(at), 0, 1)


def million(amount: Array) -> Array:
    """Return cents of amounts given in millions, rounded to ten thousand."""
    return cents(np.maximum(np.rint(amount * 100), 1) * 10_000)


def line(setting: Setting, lender: Array, borrower: Array) -> Array:
    """Return how much one bank may lend another, millions."""
    city = setting.city
    smaller = np.minimum(city.bank_assets[lender], city.bank_assets[borrower])
    return smaller * 0.02 * (0.4 + city.bank_health[borrower]) * (0.6 + 0.8 * share(lender, borrower, 902))


def loan(
    setting: Setting,
    rng: np.random.Generator,
    at: Array,
    *,
    lender: Array,
    borrower: Array,
    weak: Array | None = None,
    used: Array | None = None,
    big: Array | float = 1.0,
    overpaid: Array | float = 0.0,
    tenor: Array | None = None,
) -> Rows:
    """Return loans; `used` is how much of the line is in use with this loan."""
    size = len(at)
    weak = weakness(setting, borrower, at) if weak is None else weak
    limit = line(setting, lender, borrower)
    used = np.clip(rng.beta(2.2, 2.6, size) * 1.05, 0.01, 1.01) if used is None else used
    amount = np.minimum(limit * used, limit * np.exp(rng.normal(-2.2, 0.7, size)) * big)
    term = choose(rng, size, (52, 16, 14, 10, 5, 3)) if tenor is None else tenor
    market = market_rate(setting, at) + _SPREAD[term]
    rate = market + 0.35 * weak**2 + rng.normal(0.02, 0.05, size) + overpaid
    covered = rng.random(size) < 0.45
    return Rows(
        size,
        type=LOAN,
        at=at,
        lender_id=lender,
        borrower_id=borrower,
        amount=million(amount),
        currency=0,
        rate=np.round(rate, 4),
        market_rate=np.round(market, 4),
        tenor_days=TENORS[term],
        collateral_value=np.where(covered, million(amount * rng.normal(1.03, 0.06, size)), 0),
        exposure=million(limit * used),
        limit=million(limit),
    )


def derivative(
    setting: Setting,
    rng: np.random.Generator,
    at: Array,
    *,
    bank: Array,
    other: Array,
    big: Array | float = 1.0,
    mtm: Array | None = None,
    margin: Array | None = None,
    product: Array | None = None,
) -> Rows:
    """Return derivative trades with value, future exposure and margin of their netting set."""
    size = len(at)
    base = np.minimum(setting.city.bank_assets[bank], setting.city.bank_assets[other])
    notional = base * 0.004 * rng.lognormal(0, 0.9, size) * big
    product = choose(rng, size, (38, 26, 12, 8, 9, 7)) if product is None else product
    noise = rng.normal(0, 0.018, size) if mtm is None else mtm
    value = notional * noise
    future = (
        notional * np.array([0.012, 0.02, 0.035, 0.05, 0.06, 0.045])[product] * rng.lognormal(0, 0.25, size)
    )
    threshold = np.rint(base * 0.0004 * (0.5 + share(bank, other, 903))) + 1
    posted = (
        np.maximum(0, np.abs(value) - threshold * 0.5) * rng.uniform(0.6, 1.1, size)
        if margin is None
        else margin * np.abs(value)
    )
    return Rows(
        size,
        type=DERIVATIVE,
        at=at,
        bank_id=bank,
        counterparty_id=other,
        product=product,
        notional=million(notional),
        currency=0,
        mtm=np.rint(value * 100).astype(np.int64) * 1_000_000,
        pfe=million(future),
        netting_set=bank * BANKS + other,
        margin_posted=np.rint(posted * 100).astype(np.int64) * 1_000_000,
        threshold=million(threshold),
    )


def margin_call(
    setting: Setting,
    rng: np.random.Generator,
    at: Array,
    *,
    bank: Array,
    other: Array,
    weak: Array | None = None,
) -> Rows:
    """Return margin calls; the weak pay late."""
    size = len(at)
    weak = weakness(setting, other, at) if weak is None else weak
    base = np.minimum(setting.city.bank_assets[bank], setting.city.bank_assets[other])
    late = np.maximum(0, rng.normal(-1.5 + 5.0 * weak, 2.2, size))
    return Rows(
        size,
        type=MARGIN,
        at=at,
        bank_id=bank,
        counterparty_id=other,
        amount=million(base * 0.0006 * rng.lognormal(0.4 * weak, 0.8, size)),
        currency=0,
        paid_late_h=np.round(late, 1),
    )


def liquidity(
    setting: Setting,
    rng: np.random.Generator,
    at: Array,
    *,
    bank: Array,
    weak: Array | None = None,
    dressed: Array | float = 0.0,
) -> Rows:
    """Return liquidity reports: high quality assets against the net outflows of thirty days."""
    size = len(at)
    weak = weakness(setting, bank, at) if weak is None else weak
    assets = setting.city.bank_assets[bank]
    out = assets * 0.11 * rng.lognormal(0.1 * weak, 0.07, size)
    back = np.minimum(out * np.clip(rng.normal(0.42, 0.07, size), 0.1, 0.75), out * 0.75)
    ratio = np.clip(1.55 - 0.45 * weak + rng.normal(0, 0.09, size) + dressed, 0.4, 3)
    held = (out - back) * ratio
    return Rows(
        size,
        type=LIQUIDITY,
        at=at,
        bank_id=bank,
        currency=0,
        hqla=million(held),
        outflows_30d=million(out),
        inflows_30d=million(back),
        lcr=np.round(100 * ratio, 1),
    )


def _pairs(span: Span, size: int) -> tuple[Array, Array, Array]:
    rng = span.rng
    _, at, _ = span.draw(size)
    one = (BANKS * rng.random(size) ** 1.5).astype(np.int64)
    known = pick(BANKS, span.seed, one, (9 * rng.random(size) ** 1.5).astype(np.int64), 904)
    other = np.where(rng.random(size) < 0.85, known, rng.integers(0, BANKS, size))
    return at, one, np.where(other == one, (one + 1) % BANKS, other)


def legitimate(span: Span) -> Rows:
    """A market in which banks lend, hedge, call for margin and report."""
    rng = span.rng
    loans, trades, calls, reports = (
        int(each) for each in rng.multinomial(span.wanted, (0.44, 0.32, 0.14, 0.1))
    )
    at, lender, borrower = _pairs(span, loans)
    lent = loan(span, rng, at, lender=lender, borrower=borrower)
    at, bank, other = _pairs(span, trades)
    dealt = derivative(span, rng, at, bank=bank, other=other)
    at, caller, called = _pairs(span, calls)
    asked = margin_call(span, rng, at, bank=caller, other=called)
    at, reporter, _ = _pairs(span, reports)
    told = liquidity(span, rng, at, bank=reporter)
    rows = join([lent, dealt, asked, told])
    return rows.take(rng.permutation(rows.size))


# What goes wrong.


def _bank(cast: Cast, role: int = 0) -> Array:
    return pick(BANKS, cast.seed, cast.number, role, 905)


def _others(steps: Steps, bank: Array) -> Array:
    other = pick(BANKS, steps.each(steps.cast.number), steps.number, 906)
    return np.where(other == bank, (bank + 1) % BANKS, other)


def counterparty_deterioration(cast: Cast) -> Rows:
    """A bank goes under over weeks: it pays more, pays late, its reserves shrink."""
    rng = cast.rng
    steps = cast.steps(6, 16)
    bank = steps.each(_bank(cast))
    others = _others(steps, bank)
    at = _office(steps.times(steps.gaps(2_000.0)))
    worse = np.clip(
        0.35
        + 0.55 * (steps.number + 1) / steps.count
        - 0.3 * steps.each(cast.skill)
        + rng.normal(0, 0.15, steps.size),
        0,
        1.2,
    )
    kind = choose(rng, steps.size, (50, 0, 32, 18))
    parts = []
    for code, made, name in (
        (
            LOAN,
            loan(cast, rng, at, lender=others, borrower=bank, weak=worse, overpaid=0.08 * worse),
            "build_up",
        ),
        (MARGIN, margin_call(cast, rng, at, bank=others, other=bank, weak=worse), "build_up"),
        (LIQUIDITY, liquidity(cast, rng, at, bank=bank, weak=worse), "build_up"),
    ):
        rows = made.take(kind == code)
        rows["of"], rows["stage"] = steps.of_campaign[kind == code], stage(name)
        rows["loss"] = rows["amount"] * 3 // 10 if code != LIQUIDITY else 0
        parts.append(rows)
    return join(parts)


def limit_breach(cast: Cast) -> Rows:
    """More is lent than the line allows, a little first."""
    rng = cast.rng
    steps = cast.steps(2, 6)
    lender = steps.each(_bank(cast))
    borrower = (lender + 1 + steps.each(cast.number) % (BANKS - 1)) % BANKS
    used = 0.97 + 0.03 * steps.number + rng.exponential(0.08, steps.size) * (1.2 - steps.each(cast.skill))
    rows = loan(
        cast,
        rng,
        _office(steps.times(steps.gaps(300.0))),
        lender=lender,
        borrower=borrower,
        used=used,
        big=1.8,
    )
    return _of(rows, steps, "act", 10)


def rogue_trader(cast: Cast) -> Rows:
    """One desk's bets grow, each larger than the loss of the one before."""
    rng = cast.rng
    steps = cast.steps(5, 13)
    bank = steps.each(_bank(cast))
    skill = steps.each(cast.skill)
    other = np.where(
        rng.random(steps.size) < 0.7, (bank + 1 + steps.each(cast.number) % 7) % BANKS, _others(steps, bank)
    )
    rows = derivative(
        cast,
        rng,
        steps.times(steps.gaps(250 + 900 * skill)),
        bank=bank,
        other=other,
        big=(1.3 - 0.5 * skill) * (1.15 + 0.1 * skill) ** steps.number,
        mtm=-np.abs(rng.normal(0.006 * (1 + steps.number), 0.012, steps.size)),
        product=np.where(rng.random(steps.size) < 0.7, pick(3, steps.each(cast.number), 907) + 3, 1),
    )
    return _of(rows, steps, "build_up", 5, "notional")


def window_dressing(cast: Cast) -> Rows:
    """Reserves are borrowed for the day of the report and given back after it."""
    rng = cast.rng
    steps = cast.steps(3, 5)
    skill = steps.each(cast.skill)
    bank = steps.each(_bank(cast))
    report = steps.number == steps.count - 1
    at = steps.times(steps.gaps(200 + 300 * skill))
    lent = loan(
        cast,
        rng,
        at,
        lender=_others(steps, bank),
        borrower=bank,
        weak=np.full(steps.size, 0.5),
        big=3.0 - 1.5 * skill,
        overpaid=0.08 * (1 - skill),
        tenor=np.where(rng.random(steps.size) < 0.8, 1, 0),
    ).take(~report)
    told = liquidity(
        cast, rng, at, bank=bank, weak=np.full(steps.size, 0.6), dressed=0.45 - 0.25 * skill
    ).take(report)
    lent["of"], lent["stage"], lent["loss"] = (
        steps.of_campaign[~report],
        stage("prepare"),
        lent["amount"] // 50,
    )
    told["of"], told["stage"], told["loss"] = steps.of_campaign[report], stage("act"), 0
    return join([lent, told])


def wrong_way_risk(cast: Cast) -> Rows:
    """Exposure grows just as the counterparty weakens, and the margin does not follow."""
    rng = cast.rng
    steps = cast.steps(4, 10)
    skill = steps.each(cast.skill)
    bank = steps.each(_bank(cast))
    other = (bank + 3 + steps.each(cast.number) % 11) % BANKS
    at = _office(steps.times(steps.gaps(1_300.0)))
    called = steps.number % 4 == 3
    rows = derivative(
        cast,
        rng,
        at,
        bank=bank,
        other=other,
        big=1.4,
        mtm=np.abs(rng.normal(0.012 + 0.006 * steps.number, 0.01, steps.size)),
        margin=rng.uniform(0.0, 0.5 + 0.5 * skill),
        product=np.where(rng.random(steps.size) < 0.6, 3, choose(rng, steps.size, (2, 2, 2, 2, 1, 1))),
    )
    late = margin_call(
        cast, rng, at, bank=bank, other=other, weak=0.5 + 0.05 * steps.number - 0.3 * skill
    ).take(called)
    rows = rows.take(~called)
    rows["of"], rows["stage"], rows["loss"] = (
        steps.of_campaign[~called],
        stage("build_up"),
        np.abs(rows["mtm"]),
    )
    late["of"], late["stage"], late["loss"] = steps.of_campaign[called], stage("act"), late["amount"]
    return join([rows, late])


# What looks like it and is none.


def quarter_end(cast: Cast) -> Rows:
    """Everybody wants reserves at the end of a quarter."""
    rng = cast.rng
    steps = cast.steps(3, 7)
    bank = steps.each(_bank(cast, 1))
    at = _office(steps.times(steps.gaps(250.0)))
    rows = loan(
        cast,
        rng,
        at,
        lender=_others(steps, bank),
        borrower=bank,
        big=2.2,
        used=rng.uniform(0.5, 1.02, steps.size),
        overpaid=rng.normal(0.05, 0.05, steps.size),
    )
    told = liquidity(cast, rng, at, bank=bank, dressed=0.2)
    last = steps.number == steps.count - 1
    return join([rows.take(~last), told.take(last)])


def hedge_programme(cast: Cast) -> Rows:
    """A large programme of hedges, one after the other with one dealer, at a loss that is meant."""
    rng = cast.rng
    steps = cast.steps(5, 12)
    bank = steps.each(_bank(cast, 2))
    other = (bank + 1 + steps.each(cast.number) % 7) % BANKS
    sign = steps.each(np.where(rng.random(cast.size) < 0.5, 1.0, -1.0))
    return derivative(
        cast,
        rng,
        _office(steps.times(steps.gaps(400.0))),
        bank=bank,
        other=other,
        big=1.7,
        mtm=sign * np.abs(rng.normal(0.02, 0.018, steps.size)),
        margin=rng.uniform(0.1, 1.1, steps.size),
    )


def settlement_delay(cast: Cast) -> Rows:
    """A holiday, a broken system: margin comes late, and it means nothing."""
    rng = cast.rng
    steps = cast.steps(2, 6)
    bank = steps.each(_bank(cast, 3))
    return margin_call(
        cast,
        rng,
        _office(steps.times(steps.gaps(500.0))),
        bank=_others(steps, bank),
        other=bank,
        weak=rng.uniform(0.4, 1.1, steps.size),
    )


def _office(at: Array) -> Array:
    """Move moments into office hours, keeping their order within a day."""
    return np.asarray(at // DAY_MS * DAY_MS + 7 * HOUR_MS + (at % DAY_MS) * 11 // 24)


def _of(rows: Rows, steps: Steps, name: str, part: int, what: str = "amount") -> Rows:
    rows["of"], rows["stage"] = steps.of_campaign, stage(name)
    rows["loss"] = rows[what] // part
    return rows


TRADE = Trade(
    code="interbank_derivatives",
    prefix="id",
    types=("interbank_loan", "derivative_trade", "margin_call", "liquidity_report"),
    columns={
        "lender_id": BANK,
        "borrower_id": BANK,
        "amount": Money(),
        "currency": Word(("EUR",)),
        "rate": Number(4),
        "market_rate": Number(4),
        "tenor_days": Count(),
        "collateral_value": Money(),
        "exposure": Money(),
        "limit": Money(),
        "bank_id": BANK,
        "counterparty_id": BANK,
        "product": Word(PRODUCTS),
        "notional": Money(),
        "mtm": Money(),
        "pfe": Money(),
        "netting_set": Id("ns", 4),
        "margin_posted": Money(),
        "threshold": Money(),
        "paid_late_h": Number(1),
        "hqla": Money(),
        "outflows_30d": Money(),
        "inflows_30d": Money(),
        "lcr": Number(1),
    },
    fraud_share=0.02,
    rhythm=Rhythm(weekend=0.03, closed=0.1, pay_day=1.2, hours=OFFICE_HOURS),
    legitimate=legitimate,
    typologies=(
        Typology("counterparty_deterioration", 0.30, 11, 45, counterparty_deterioration),
        Typology("limit_breach", 0.16, 4, 2, limit_breach),
        Typology("rogue_trader", 0.20, 9, 60, rogue_trader),
        Typology("window_dressing", 0.14, 4, 40, window_dressing),
        Typology("wrong_way_risk", 0.20, 7, 30, wrong_way_risk),
    ),
    lookalikes=(
        Lookalike("quarter_end", 0.04, 5, quarter_end),
        Lookalike("hedge_programme", 0.04, 8.5, hedge_programme),
        Lookalike("settlement_delay", 0.02, 4, settlement_delay),
    ),
)
