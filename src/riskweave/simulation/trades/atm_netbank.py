"""Online banking and cash machines: logins, devices, payees, limits, transfers, withdrawals."""

from __future__ import annotations

import numpy as np

from riskweave.simulation.city import (
    ACCOUNT,
    CARD,
    COUNTRY,
    COUNTRY_PLACES,
    CUSTOMER,
    DEVICE,
    HOSTILE,
    account,
    bank_of,
    card,
)
from riskweave.simulation.clock import DAY_MS, HOUR_MS, MINUTE_MS, START_MS, Rhythm, day_of, day_of_month
from riskweave.simulation.columns import Address, Flag, Id, Money, Number, Word
from riskweave.simulation.mix import Array, mix, pick, share
from riskweave.simulation.rows import NULL, Rows, cents, choose, join
from riskweave.simulation.trade import Cast, Lookalike, Setting, Span, Steps, Trade, Typology, stage

LOGIN, DEVICE_BIND, PAYEE_ADD, LIMIT_CHANGE, TRANSFER, ATM = range(6)
NETBANK, MOBILE = range(2)
REASONS = ("wrong_password", "wrong_code", "unknown_user", "locked", "timeout")
AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0) Firefox/128",
    "Mozilla/5.0 (Windows NT 10.0) Chrome/131",
    "Mozilla/5.0 (Macintosh) Safari/17",
    "BankApp/7.2 (iOS 18)",
    "BankApp/7.2 (Android 15)",
    "BankApp/6.9 (Android 13)",
    "Mozilla/5.0 (X11; Linux) Chrome/131",
    "Mozilla/5.0 (Android 13) Chrome/120",
)
MACHINES = 400


def balance(setting: Setting, rng: np.random.Generator, who: Array, at: Array) -> Array:
    """Return what is on an account: savings, and a wage that is spent over the month; EUR."""
    city = setting.city
    left = 1.0 - (day_of_month(day_of(at)) + 5) % 30 / 30.0
    found: Array = city.savings[who] * 0.4 + city.income[who] * left * rng.lognormal(0, 0.25, len(who))
    return found


def login(
    setting: Setting,
    rng: np.random.Generator,
    who: Array,
    at: Array,
    session: Array,
    *,
    device: Array,
    ip: Array,
    success: Array,
    abroad: Array | None = None,
    typing: Array | float = 0.86,
    reason: Array | None = None,
    agent: Array | None = None,
) -> Rows:
    """Return logins; a typing score near 1 is the customer's own rhythm."""
    size = len(who)
    channel = np.where(mix(device, 90) % 10 < 7, MOBILE, NETBANK)
    own = np.where(channel == MOBILE, 3 + mix(device, 91) % 3, (0, 1, 2, 6)[0] + mix(device, 91) % 3)
    away = city_abroad(setting, who, at) if abroad is None else abroad
    why = choose(rng, size, (70, 18, 2, 4, 6)) if reason is None else reason
    spread = rng.normal(0, 0.09, size) - 0.25 * (rng.random(size) < 0.06)
    return Rows(
        size,
        type=LOGIN,
        at=at,
        customer_id=who,
        device_id=device,
        ip=ip,
        country=np.maximum(away, 0),
        channel=channel,
        success=success,
        failure_reason=np.where(success, NULL, why),
        session_id=session,
        user_agent=own if agent is None else agent,
        typing_score=np.clip(typing + spread, 0.02, 0.99),
    )


def city_abroad(setting: Setting, who: Array, at: Array) -> Array:
    """Return the country a customer is in, -1 at home."""
    return setting.city.abroad(who, day_of(at))


def transfer(
    setting: Setting,
    rng: np.random.Generator,
    who: Array,
    at: Array,
    session: Array,
    *,
    payee: Array,
    amount: Array,
    device: Array,
    ip: Array,
    on_call: Array | float = 0.02,
    held: Array | None = None,
) -> Rows:
    """Return transfers to persons' accounts."""
    size = len(who)
    held = balance(setting, rng, who, at) if held is None else held
    return Rows(
        size,
        type=TRANSFER,
        at=at,
        customer_id=who,
        account_id=account(who),
        payee_id=account(payee),
        payee_bank=bank_of(payee),
        amount=cents(amount),
        currency=0,
        session_id=session,
        device_id=device,
        ip=ip,
        balance=cents(np.maximum(held, amount * rng.uniform(1.0, 1.3, size))),
        on_call=rng.random(size) < on_call,
    )


def withdrawal(
    setting: Setting,
    rng: np.random.Generator,
    who: Array,
    at: Array,
    *,
    machine: Array,
    amount: Array,
    pin_ok: Array | float = 0.985,
    abroad: Array | None = None,
) -> Rows:
    """Return withdrawals at cash machines."""
    size = len(who)
    away = city_abroad(setting, who, at) if abroad is None else abroad
    centre = np.where((away >= 0)[:, None], COUNTRY_PLACES[np.maximum(away, 0)], COUNTRY_PLACES[0])
    angle, reach = 2 * np.pi * share(machine, 92), 0.16 * np.sqrt(share(machine, 93))
    return Rows(
        size,
        type=ATM,
        at=at,
        customer_id=who,
        card_id=card(who),
        currency=0,
        atm_id=np.where(away >= 0, MACHINES + away * 20 + machine % 20, machine),
        lat=centre[:, 0] + reach * np.cos(angle),
        lon=centre[:, 1] + reach * np.sin(angle),
        amount=np.maximum(np.rint(amount / 10) * 10, 20).astype(np.int64) * 100,
        pin_ok=rng.random(size) < pin_ok,
    )


def legitimate(span: Span) -> Rows:
    """Sessions: a login, perhaps a second try, then perhaps a payee, transfers; and withdrawals beside."""
    rng, city = span.rng, span.city
    withdrawals = int(span.wanted * 0.2)
    visits = int((span.wanted - withdrawals) / 1.75) + 1
    who, at, day = span.draw(visits)
    session = mix(span.seed, who, at, 94) % 10**11
    away = city.abroad(who, day)
    laptop = rng.random(visits) < 0.22
    device = np.where(laptop, who * 8 + 3, city.device(who, day))
    ip = city.ip(rng, who, day, away)
    # Fingers slip, more on some days; nearly all find in again.
    fails = np.where(rng.random(visits) < 0.07, rng.geometric(0.6, visits), 0)
    gave_up = (fails > 0) & (rng.random(visits) < 0.12)
    parts, visit = [], np.arange(visits)
    slipped = np.repeat(visit, fails)
    nth = np.arange(len(slipped)) - np.repeat(np.cumsum(fails) - fails, fails)
    before = at[slipped] - (fails[slipped] - nth) * (20_000 + mix(slipped, 95) % 20_000)
    before = np.maximum(before, at[slipped] // DAY_MS * DAY_MS)
    failed = login(
        span,
        rng,
        who[slipped],
        before,
        session[slipped],
        device=device[slipped],
        ip=ip[slipped],
        success=np.zeros(len(slipped), bool),
    )
    failed["visit"] = slipped
    parts.append(failed)
    into = login(span, rng, who, at, session, device=device, ip=ip, success=~gave_up)
    into["visit"] = visit
    parts.append(into)
    chance = rng.random(visits)
    # A third of sessions pay something; some to somebody new, which is added first.
    pays = visit[~gave_up & (chance < 0.36)]
    new = rng.random(len(pays)) < 0.14
    fresh = pick(span.people, span.seed, who[pays], at[pays], 96)
    which = (9 * rng.random(len(pays)) ** 1.5).astype(np.int64)
    payee = np.where(new, fresh, city.payee(who[pays], which, span.people))
    moment = at[pays] + (rng.exponential(70_000, len(pays))).astype(np.int64) + 15_000
    added = pays[new]
    parts.append(
        _added(who[added], at[added] + 10_000, session[added], device[added], ip[added], fresh[new], added)
    )
    level = 4.3 + 0.8 * city.usual_log[who[pays]] + np.where(new, 0.5, 0.0) + 0.3 * span.drifted(moment)
    amount = np.exp(level + rng.normal(0, 1.05, len(pays)))
    # Rents and rates are large, regular and to one account; others are round.
    rent = rng.random(len(pays)) < 0.07
    payee = np.where(rent & ~new, city.landlord_of(who[pays], span.people), payee)
    amount = np.where(rent, city.income[who[pays]] * 0.3, amount)
    amount = np.where(rng.random(len(pays)) < 0.5, np.maximum(np.rint(amount / 10) * 10, 5), amount)
    held = balance(span, rng, who[pays], moment)
    paid = transfer(
        span,
        rng,
        who[pays],
        moment,
        session[pays],
        payee=payee,
        amount=np.minimum(amount, held),
        device=device[pays],
        ip=ip[pays],
        on_call=np.where(new, 0.05, 0.02),
        held=held,
    )
    paid["visit"] = pays
    parts.append(paid)
    bound = visit[(chance > 0.985) & ~gave_up]
    parts.append(_bound(who[bound], at[bound] + 25_000, device[bound], ip[bound], session[bound], bound))
    raised = visit[(chance > 0.97) & (chance < 0.98) & ~gave_up]
    parts.append(
        _raised(
            rng, span, who[raised], at[raised] + 30_000, device[raised], ip[raised], session[raised], raised
        )
    )
    parts.append(_withdrawals(span, withdrawals, visits))
    rows = join(parts)
    # Visits come in any order: when there are enough events, the rest never happen.
    order = rng.permutation(visits + withdrawals)
    rows["visit"] = order[rows["visit"]]
    end = (span.first_day + len(span.weights)) * DAY_MS + START_MS
    rows["at"] = np.minimum(rows["at"], end - 1)
    return rows


def _withdrawals(span: Span, size: int, visits: int) -> Rows:
    rng = span.rng
    who, at, _ = span.draw(size)
    usual = pick(MACHINES, span.seed, who, rng.integers(0, 3, size), 97)
    machine = np.where(rng.random(size) < 0.85, usual, rng.integers(0, MACHINES, size))
    amount = np.exp(rng.normal(4.3, 0.6, size) + 0.4 * span.city.usual_log[who])
    rows = withdrawal(span, rng, who, at, machine=machine, amount=np.minimum(amount, 1_000))
    rows["visit"] = visits + np.arange(size)
    return rows


def _added(
    who: Array, at: Array, session: Array, device: Array, ip: Array, payee: Array, visit: Array
) -> Rows:
    return Rows(
        len(who),
        type=PAYEE_ADD,
        at=at,
        customer_id=who,
        payee_id=account(payee),
        payee_bank=bank_of(payee),
        session_id=session,
        device_id=device,
        ip=ip,
        visit=visit,
    )


def _bound(who: Array, at: Array, device: Array, ip: Array, session: Array, visit: Array) -> Rows:
    return Rows(
        len(who),
        type=DEVICE_BIND,
        at=at,
        customer_id=who,
        device_id=device,
        ip=ip,
        session_id=session,
        visit=visit,
    )


def _raised(
    rng: np.random.Generator,
    setting: Setting,
    who: Array,
    at: Array,
    device: Array,
    ip: Array,
    session: Array,
    visit: Array,
) -> Rows:
    limit = np.rint(setting.city.income[who] * rng.uniform(1, 4, len(who)) / 500) * 500 + 500
    return Rows(
        len(who),
        type=LIMIT_CHANGE,
        at=at,
        customer_id=who,
        new_limit=cents(limit),
        device_id=device,
        ip=ip,
        session_id=session,
        visit=visit,
        currency=0,
    )


# Attacks.


def _into(
    cast: Cast,
    *,
    bind: Array | float,
    limit: Array | float,
    new_payee: float,
    tries: int,
    typing: Array,
    device: Array,
    ip: Array,
    abroad: Array,
    high: int = 5,
    pause: Array | float = 6.0,
    on_call: Array | float = 0.02,
    agent: Array | None = None,
    name: str = "act",
) -> Rows:
    """Return sessions of somebody else: tries, a login, a device, a limit, a payee, transfers."""
    rng, who, n = cast.rng, cast.customer, cast.size
    session = mix(cast.number, 100) % 10**11
    parts = []
    # Tries that fail.
    failing = Steps.of(cast, rng.integers(0, tries + 1, n))
    gaps = failing.gaps(0.4 + 2.0 * failing.each(cast.skill))
    tried = login(
        cast,
        rng,
        failing.each(who),
        np.minimum(failing.times(gaps) - 40 * MINUTE_MS, failing.each(cast.start) - 1_000),
        failing.each(session),
        device=failing.each(device),
        ip=failing.each(ip),
        success=np.zeros(failing.size, bool),
        abroad=failing.each(abroad),
        typing=failing.each(typing),
    )
    parts.append(_staged(tried, failing.of_campaign, "probe", 0))
    every = np.arange(n)
    entered = login(
        cast,
        rng,
        who,
        cast.start,
        session,
        device=device,
        ip=ip,
        success=np.ones(n, bool),
        abroad=abroad,
        typing=typing,
        agent=agent,
    )
    parts.append(_staged(entered, every, "access", 0))
    some = every[rng.random(n) < bind]
    made = _bound(who[some], cast.start[some] + MINUTE_MS, device[some], ip[some], session[some], some)
    parts.append(_staged(made, some, "prepare", 0))
    some = every[rng.random(n) < limit]
    raised = _raised(
        rng, cast, who[some], cast.start[some] + 2 * MINUTE_MS, device[some], ip[some], session[some], some
    )
    parts.append(_staged(raised, some, "prepare", 0))
    mule = cast.person(1)
    some = every[rng.random(n) < new_payee]
    added = _added(
        who[some], cast.start[some] + 3 * MINUTE_MS, session[some], device[some], ip[some], mule[some], some
    )
    parts.append(_staged(added, some, "prepare", 0))
    # Money leaves, feeling for the limit at which questions are asked.
    steps = cast.steps(1, high)
    held = balance(cast, rng, who, cast.start)
    bound = np.minimum(held * 0.8, np.exp(rng.normal(7.3, 0.7, n)))
    feeling, slower = steps.probing(np.maximum(bound / 4, 30), bound)
    adaptive = steps.each(share(cast.seed, cast.number, 101) < 0.4)
    grab = steps.each(held) * rng.uniform(0.05, 0.7 - 0.3 * steps.each(cast.skill))
    amount = np.where(adaptive, feeling, np.minimum(grab, np.exp(rng.normal(7.2, 0.8, steps.size))))
    amount = np.where(rng.random(steps.size) < 0.5, np.maximum(np.rint(amount / 50) * 50, 20), amount)
    late = np.broadcast_to(np.asarray(pause, np.float64), (n,))
    at = steps.times(steps.gaps(steps.each(late) * np.where(adaptive, slower, 1.0)), 5 * MINUTE_MS)
    second = np.where(steps.number >= 3, pick(cast.people, steps.each(cast.number), 102), steps.each(mule))
    paid = transfer(
        cast,
        rng,
        steps.each(who),
        at,
        steps.each(session),
        payee=second,
        amount=amount,
        device=steps.each(device),
        ip=steps.each(ip),
        on_call=on_call,
        held=steps.each(held),
    )
    parts.append(_staged(paid, steps.of_campaign, name, paid["amount"]))
    return join(parts)


def _foreign(cast: Cast, odds: Array) -> tuple[Array, Array]:
    """Return where attackers seem to be, and their addresses."""
    rng, city = cast.rng, cast.city
    far = np.where(rng.random(cast.size) < odds, choose(rng, cast.size, HOSTILE), -1)
    hosted = np.where(
        rng.random(cast.size) < 0.5, city.ip_hosting(cast.number), city.ip_mobile(cast.number, cast.number)
    )
    return far, np.where(far >= 0, city.ip_abroad(np.maximum(far, 0), cast.number), hosted)


def phishing_takeover(cast: Cast) -> Rows:
    """Credentials from a false page: a strange device, a new payee, then the money."""
    abroad, ip = _foreign(cast, 0.5 - 0.4 * cast.skill)
    return _into(
        cast,
        bind=0.6,
        limit=0.3,
        new_payee=0.9,
        tries=2,
        typing=0.45 + 0.35 * cast.skill,
        device=cast.city.stranger_device(cast.number),
        ip=ip,
        abroad=abroad,
        pause=4 + 300 * cast.skill**2,
    )


def sim_swap(cast: Cast) -> Rows:
    """The telephone number moves to another card: codes fail, a device is bound, the account emptied."""
    abroad, ip = _foreign(cast, 0.15 + 0 * cast.skill)
    return _into(
        cast,
        bind=1.0,
        limit=0.6,
        new_payee=0.8,
        tries=3,
        typing=0.5 + 0.3 * cast.skill,
        device=cast.city.stranger_device(cast.number, 1),
        ip=ip,
        abroad=abroad,
        high=6,
        pause=3.0 + 60 * cast.skill**2,
    )


def impersonation_scam(cast: Cast) -> Rows:
    """The customer pays himself, told to by a voice: own device, own rhythm, a payee never seen."""
    day = day_of(cast.start)
    city = cast.city
    hour = (9.5 + 9 * share(cast.number, 103)) * HOUR_MS
    cast = Cast(**{**cast.__dict__, "start": (cast.start // DAY_MS * DAY_MS + hour).astype(np.int64)})
    return _into(
        cast,
        bind=0.05,
        limit=0.4,
        new_payee=0.95,
        tries=1,
        typing=0.78 + 0.08 * cast.skill,
        device=city.device(cast.customer, day),
        ip=city.ip_home(cast.customer),
        abroad=city.abroad(cast.customer, day),
        high=4,
        pause=20.0 + 200 * cast.skill**2,
        on_call=0.55,
    )


def malware(cast: Cast) -> Rows:
    """A program in the customer's own session: own device and address, a typing that is no one's."""
    day = day_of(cast.start)
    return _into(
        cast,
        bind=0.0,
        limit=0.15,
        new_payee=0.6,
        tries=1,
        typing=0.35 + 0.45 * cast.skill,
        device=cast.customer * 8 + 3,
        ip=cast.city.ip_home(cast.customer),
        abroad=cast.city.abroad(cast.customer, day),
        high=3,
        pause=1.0 + 0 * cast.skill,
        agent=np.where(cast.skill > 0.5, 1, 6),
    )


def brute_force(cast: Cast) -> Rows:
    """Passwords are guessed, one customer or many, from a few addresses; now and then one fits."""
    rng, city = cast.rng, cast.city
    steps = cast.steps(8, 30)
    number, skill = steps.each(cast.number), steps.each(cast.skill)
    many = share(cast.seed, number, 104) < 0.5
    who = np.where(many, pick(cast.people, number, steps.number, 105), steps.each(cast.customer))
    at = steps.times(steps.gaps(np.where(steps.number > 8, 0.3 + 25 * skill, 0.2 + 5 * skill)))
    far, ip = _foreign(cast, 0.4 - 0.2 * cast.skill)
    moving = np.where(skill > 0.5, city.ip_hosting(number + steps.number // 4), steps.each(ip))
    found = (steps.number == steps.count - 1) & (rng.random(steps.size) < 0.4)
    rows = login(
        cast,
        rng,
        who,
        at,
        mix(number, steps.number, 106) % 10**11,
        device=city.stranger_device(number, steps.number // 10),
        ip=moving,
        success=found,
        abroad=steps.each(far),
        typing=0.4 + 0.3 * skill,
        reason=choose(rng, steps.size, (72, 6, 14, 6, 2)),
    )
    return _staged(rows, steps.of_campaign, "probe", 0)


def card_trap(cast: Cast) -> Rows:
    """A card is kept by a machine, its PIN seen: tries, then withdrawals to the daily limit."""
    rng = cast.rng
    steps = cast.steps(2, 7)
    number = steps.each(cast.number)
    machine = pick(MACHINES, number, steps.number // 2, 107)
    at = steps.times(steps.gaps(6.0 + 60 * steps.each(cast.skill)))
    amount = np.exp(rng.normal(5.4 - 0.6 * steps.each(cast.skill), 0.5, steps.size))
    rows = withdrawal(
        cast,
        rng,
        steps.each(cast.customer),
        at,
        machine=machine,
        amount=np.minimum(amount, 1_000),
        pin_ok=np.where(steps.number == 0, 0.6, 0.95),
        abroad=np.full(steps.size, -1),
    )
    return _staged(rows, steps.of_campaign, "cash_out", rows["amount"])


def mule_cash_out(cast: Cast) -> Rows:
    """A mule draws in cash what came in: several machines, one evening."""
    rng = cast.rng
    steps = cast.steps(2, 8)
    number = steps.each(cast.number)
    machine = pick(MACHINES, number, steps.number, 108)
    at = steps.times(steps.gaps(14.0 + 200 * steps.each(cast.skill) ** 2))
    amount = np.exp(rng.normal(5.6 - 0.5 * steps.each(cast.skill), 0.4, steps.size))
    rows = withdrawal(
        cast, rng, steps.each(cast.person(1)), at, machine=machine, amount=np.minimum(amount, 1_000)
    )
    return _staged(rows, steps.of_campaign, "cash_out", rows["amount"])


# What looks like an attack and is none.


def new_phone(cast: Cast) -> Rows:
    """A new phone: codes fail once, the device is bound, and somebody new is paid, often a lot."""
    city = cast.city
    day = day_of(cast.start)
    return _into(
        cast,
        bind=0.9,
        limit=0.3,
        new_payee=0.5,
        tries=2,
        typing=0.72 + 0.1 * cast.skill,
        device=cast.customer * 8 + 4 + cast.number % 4,
        ip=city.ip_mobile(cast.customer, day),
        abroad=city.abroad(cast.customer, day),
        high=3,
        pause=40.0,
        on_call=0.06,
    )


def large_purchase(cast: Cast) -> Rows:
    """A car, a deposit for a flat: a new payee and far more than usual."""
    city = cast.city
    day = day_of(cast.start)
    hour = ((9 + 10 * share(cast.number, 109)) * HOUR_MS).astype(np.int64)
    cast = Cast(**{**cast.__dict__, "start": cast.start // DAY_MS * DAY_MS + hour})
    return _into(
        cast,
        bind=0.03,
        limit=0.5,
        new_payee=0.95,
        tries=1,
        typing=0.82 + 0 * cast.skill,
        device=city.device(cast.customer, day),
        ip=city.ip_home(cast.customer),
        abroad=city.abroad(cast.customer, day),
        high=2,
        pause=30.0,
        on_call=0.2,
    )


def forgotten_password(cast: Cast) -> Rows:
    """A password forgotten: many tries, hours apart, on the customer's own device."""
    rng, city = cast.rng, cast.city
    steps = cast.steps(4, 12)
    who = steps.each(cast.customer)
    at = steps.times(steps.gaps(3.0))
    done = (steps.number == steps.count - 1) & (rng.random(steps.size) < 0.7)
    return login(
        cast,
        rng,
        who,
        at,
        mix(steps.each(cast.number), 110) % 10**11,
        device=city.device(who, day_of(at)),
        ip=city.ip_home(who),
        success=done,
        typing=0.7,
    )


def traveller(cast: Cast) -> Rows:
    """Logins and withdrawals abroad, on a borrowed machine at times."""
    rng, city = cast.rng, cast.city
    steps = cast.steps(3, 7)
    who, number = steps.each(cast.customer), steps.each(cast.number)
    at = steps.times(steps.gaps(700.0))
    away = steps.each(choose(rng, cast.size, HOSTILE))
    borrowed = steps.each(rng.random(cast.size) < 0.3)
    device = np.where(borrowed, city.stranger_device(number, 7), city.device(who, day_of(at)))
    entered = login(
        cast,
        rng,
        who,
        at,
        mix(number, steps.number, 111) % 10**11,
        device=device,
        ip=city.ip_abroad(away, number),
        success=rng.random(steps.size) < 0.85,
        abroad=away,
        typing=np.where(borrowed, 0.65, 0.84),
    )
    cash = rng.random(steps.size) < 0.5
    drawn = withdrawal(
        cast,
        rng,
        who[cash],
        at[cash] + HOUR_MS,
        machine=pick(MACHINES, number, 112)[cash],
        amount=np.exp(rng.normal(5.2, 0.5, int(cash.sum()))),
        abroad=away[cash],
    )
    return join([entered, drawn])


def _staged(rows: Rows, of: Array, name: str, loss: Array | int) -> Rows:
    rows["of"] = of
    rows["stage"] = stage(name)
    rows["loss"] = loss
    return rows


TRADE = Trade(
    code="atm_netbank",
    prefix="an",
    types=("login", "device_bind", "payee_add", "limit_change", "transfer", "atm"),
    columns={
        "customer_id": CUSTOMER,
        "account_id": ACCOUNT,
        "card_id": CARD,
        "device_id": DEVICE,
        "ip": Address(),
        "country": COUNTRY,
        "channel": Word(("netbank", "mobile")),
        "success": Flag(),
        "failure_reason": Word(REASONS),
        "session_id": Id("s", 11),
        "user_agent": Word(AGENTS),
        "typing_score": Number(3),
        "payee_id": ACCOUNT,
        "payee_bank": Id("b", 3),
        "new_limit": Money(),
        "amount": Money(),
        "currency": Word(("EUR",)),
        "balance": Money(),
        "on_call": Flag(),
        "atm_id": Id("n", 4),
        "lat": Number(5),
        "lon": Number(5),
        "pin_ok": Flag(),
    },
    fraud_share=0.012,
    rhythm=Rhythm(weekend=0.8, pay_day=1.5, shopping=0.3, closed=0.7),
    legitimate=legitimate,
    typologies=(
        Typology("phishing_takeover", 0.24, 7, 3, phishing_takeover),
        Typology("sim_swap", 0.14, 9, 2, sim_swap),
        Typology("impersonation_scam", 0.18, 5.3, 9, impersonation_scam),
        Typology("malware", 0.10, 4.2, 5, malware),
        Typology("brute_force", 0.16, 19, 1, brute_force),
        Typology("card_trap", 0.08, 4.5, 2, card_trap),
        Typology("mule_cash_out", 0.10, 5, 14, mule_cash_out),
    ),
    lookalikes=(
        Lookalike("new_phone", 0.02, 6.5, new_phone),
        Lookalike("large_purchase", 0.02, 5, large_purchase),
        Lookalike("forgotten_password", 0.015, 8, forgotten_password),
        Lookalike("traveller", 0.015, 7.5, traveller),
    ),
)
