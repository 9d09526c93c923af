"""A bank's own house: logins of staff, network connections, what happens on its machines."""

from __future__ import annotations

import numpy as np

from riskweave.simulation.city import COUNTRY, CUSTOMER, CUSTOMERS, DEVICE, HOSTILE
from riskweave.simulation.clock import DAY_MS, HOUR_MS, MACHINE_HOURS, SECOND_MS, Rhythm, day_of
from riskweave.simulation.columns import Address, Count, Flag, Id, Word
from riskweave.simulation.mix import Array, mix, pick, share
from riskweave.simulation.rows import Rows, choose, join
from riskweave.simulation.trade import Cast, Lookalike, Setting, Span, Steps, Trade, Typology, stage

LOGIN, NETWORK, SYSTEM = range(3)
PASSWORD, MFA, KEY, TOKEN = range(4)
PRIVILEGE, START, READ, DELETE = range(4)
PORTS = np.array([443, 80, 53, 22, 445, 3389, 1433, 5432, 25, 8080, 123, 389])
PORT_SHARE = (46, 12, 14, 4, 7, 2, 3, 3, 3, 3, 2, 3)
TCP, UDP = range(2)
SERVERS = 240
OUTSIDE = 100_000
OBJECTS = (
    "customer_data",
    "card_vault",
    "payments",
    "mail",
    "source_code",
    "reports",
    "system32",
    "backup",
    "hr_files",
    "temp",
    "browser",
    "office",
)


def station(who: Array) -> Array:
    """Return the machine on somebody's desk."""
    return who


def server(number: Array) -> Array:
    """Return a server of the house."""
    return CUSTOMERS + number % SERVERS


def outside(number: Array) -> Array:
    """Return a machine somewhere outside."""
    return OUTSIDE + number % 800_000


def login(
    setting: Setting,
    rng: np.random.Generator,
    who: Array,
    at: Array,
    *,
    host: Array,
    ip: Array,
    success: Array,
    method: Array,
    device: Array,
    country: Array | int = 0,
) -> Rows:
    """Return logins of staff."""
    return Rows(
        len(who),
        type=LOGIN,
        at=at,
        user_id=who,
        host_id=host,
        ip=ip,
        country=country,
        success=success,
        method=method,
        device_id=device,
    )


def network(
    rng: np.random.Generator,
    at: Array,
    *,
    source: Array,
    target: Array,
    port: Array,
    out: Array,
    back: Array,
    lasts: Array,
) -> Rows:
    """Return connections: bytes sent, bytes received, milliseconds."""
    return Rows(
        len(at),
        type=NETWORK,
        at=at,
        src_host=source,
        dst_host=target,
        dst_port=port,
        bytes_out=np.maximum(40, out).astype(np.int64),
        bytes_in=np.maximum(40, back).astype(np.int64),
        duration_ms=np.maximum(1, lasts).astype(np.int64),
        protocol=np.where(np.isin(port, (53, 123)), UDP, TCP),
    )


def system(at: Array, who: Array, host: Array, action: Array | int, thing: Array, count: Array) -> Rows:
    """Return what was done on machines."""
    return Rows(
        len(at),
        type=SYSTEM,
        at=at,
        user_id=who,
        host_id=host,
        action=action,
        object=thing,
        count=np.maximum(1, count).astype(np.int64),
    )


def legitimate(span: Span) -> Rows:
    """Staff log in and work; machines talk day and night."""
    rng, city = span.rng, span.city
    logins, systems = rng.binomial(span.wanted, (0.22, 0.2))
    size = span.wanted - logins - systems
    who, at, day = span.draw(logins, 1.2)
    office = rng.random(logins) < 0.8
    # People come in the morning; night shifts and batch jobs do not.
    hour = np.where(office & ~city.night[who], rng.normal(9.8, 2.4, logins) % 24, rng.random(logins) * 24)
    at = at // DAY_MS * DAY_MS + (hour * HOUR_MS).astype(np.int64)
    away = city.abroad(who, day)
    target = np.where(
        rng.random(logins) < 0.6,
        station(who),
        server(pick(SERVERS, span.seed, who, rng.integers(0, 5, logins), 500)),
    )
    entered = login(
        span,
        rng,
        who,
        at,
        host=target,
        ip=city.ip(rng, who, day, away),
        country=np.maximum(away, 0),
        success=rng.random(logins) > 0.045,
        method=choose(rng, logins, (46, 30, 9, 15)),
        device=city.device(who, day),
    )
    talker, moment, _ = span.draw(size, 1.3)
    machine = rng.random(size) < 0.4
    source = np.where(machine, server(talker), station(talker))
    port = PORTS[choose(rng, size, PORT_SHARE)]
    inside = (rng.random(size) < 0.45) | np.isin(port, (445, 3389, 1433, 5432, 389))
    target = np.where(
        inside,
        server(pick(SERVERS, span.seed, talker, rng.integers(0, 9, size), 501)),
        outside(pick(4_000, span.seed, talker, (25 * rng.random(size) ** 2).astype(np.int64), 502) * 191),
    )
    back = np.exp(rng.normal(8.6, 1.9, size))
    out = np.exp(rng.normal(7.1, 1.6, size)) * np.where(rng.random(size) < 0.012, 400, 1)
    talked = network(
        rng,
        moment,
        source=source,
        target=target,
        port=port,
        out=out,
        back=back,
        lasts=np.exp(rng.normal(5.8, 1.8, size)),
    )
    doer, when, _ = span.draw(systems, 1.2)
    action = choose(rng, systems, (2, 42, 47, 9))
    host = np.where(rng.random(systems) < 0.75, station(doer), server(pick(SERVERS, doer, 503)))
    job = mix(doer, 504) % 12
    thing = np.where(
        rng.random(systems) < 0.5, job, choose(rng, systems, (5, 1, 6, 14, 6, 12, 10, 5, 3, 16, 10, 12))
    )
    count = np.exp(rng.normal(0.9, 1.2, systems) + np.where(rng.random(systems) < 0.02, 3.0, 0.0))
    done = system(when, doer, host, action, thing, count)
    both = join([entered, talked, done])
    return both.take(rng.permutation(both.size))


# Attacks.


def _from(cast: Cast) -> tuple[Array, Array]:
    """Return the country attackers seem to be in (0: here), and their address."""
    city = cast.city
    far = np.where(
        cast.rng.random(cast.size) < 0.55 - 0.4 * cast.skill, choose(cast.rng, cast.size, HOSTILE), 0
    )
    return far, np.where(far > 0, city.ip_abroad(far, cast.number), city.ip_hosting(cast.number))


def brute_force(cast: Cast) -> Rows:
    """One account, many passwords, until one fits or the attacker tires; slower after a lock."""
    rng, city = cast.rng, cast.city
    steps = cast.steps(10, 40)
    number, skill = steps.each(cast.number), steps.each(cast.skill)
    far, ip = _from(cast)
    who = steps.each(cast.customer)
    pause = np.where(steps.number % 5 == 4, 30.0 * skill, 0.15 + 2 * skill)
    found = (steps.number == steps.count - 1) & (share(number, 505) < 0.4)
    rows = login(
        cast,
        rng,
        who,
        steps.times(steps.gaps(pause)),
        host=server(number),
        success=found,
        method=np.full(steps.size, PASSWORD),
        ip=np.where(skill > 0.6, city.ip_hosting(number + steps.number // 5), steps.each(ip)),
        country=steps.each(far),
        device=city.stranger_device(number),
    )
    return _of(rows, steps, np.where(found, stage("access"), stage("probe")))


def credential_stuffing(cast: Cast) -> Rows:
    """Many accounts, one password each, from a list that leaked elsewhere."""
    rng, city = cast.rng, cast.city
    steps = cast.steps(12, 45)
    number, skill = steps.each(cast.number), steps.each(cast.skill)
    far, ip = _from(cast)
    who = np.where(
        steps.number == steps.count - 1,
        steps.each(cast.customer),
        pick(cast.people, number, steps.number, 506),
    )
    found = (steps.number == steps.count - 1) | (rng.random(steps.size) < 0.03)
    hop = np.where(
        rng.random(steps.size) < 0.5,
        city.ip_hosting(number + steps.number // 4),
        city.ip_mobile(number + steps.number // 4, number),
    )
    rows = login(
        cast,
        rng,
        who,
        steps.times(steps.gaps(0.1 + 6 * skill)),
        host=server(number),
        success=found,
        method=np.full(steps.size, PASSWORD),
        ip=np.where(skill > 0.4, hop, steps.each(ip)),
        country=steps.each(far),
        device=city.stranger_device(number, steps.number // 6),
    )
    return _of(rows, steps, np.where(found, stage("access"), stage("probe")))


def scanning(cast: Cast) -> Rows:
    """One machine knocks at many doors."""
    rng = cast.rng
    steps = cast.steps(14, 50)
    number, skill = steps.each(cast.number), steps.each(cast.skill)
    source = np.where(share(number, 507) < 0.5, station(steps.each(cast.customer)), outside(mix(number, 508)))
    wide = share(number, 509) < 0.6
    target = np.where(wide, server(mix(number, steps.number, 510)), server(number))
    port = np.where(wide, PORTS[mix(number, 511) % 12], PORTS[mix(number, steps.number, 512) % 12])
    rows = network(
        rng,
        steps.times(steps.gaps(0.02 + 8 * skill**2)),
        source=source,
        target=target,
        port=port,
        out=np.exp(rng.normal(5.0 + skill, 0.8, steps.size)),
        back=np.exp(rng.normal(5.0 + 1.5 * skill, 1.2, steps.size)),
        lasts=np.exp(rng.normal(3.2 + skill, 1.2, steps.size)),
    )
    return _of(rows, steps, np.full(steps.size, stage("probe")))


def exfiltration(cast: Cast) -> Rows:
    """Data leaves, all in a night or a little every hour."""
    rng = cast.rng
    steps = cast.steps(5, 18)
    number, skill = steps.each(cast.number), steps.each(cast.skill)
    host = np.where(share(number, 513) < 0.5, station(steps.each(cast.customer)), server(number))
    size = np.exp(rng.normal(15.5 - 4.5 * skill, 1.1, steps.size))
    rows = network(
        rng,
        steps.times(steps.gaps(6 + 240 * skill)),
        source=host,
        target=outside(mix(number, np.where(skill > 0.6, steps.number // 4, 0), 514)),
        port=np.where(share(number, 515) < 0.7, 443, PORTS[mix(number, 516) % 12]),
        out=size,
        back=np.exp(rng.normal(7.4, 1.2, steps.size)),
        lasts=size / 900 + 60,
    )
    return _of(rows, steps, np.full(steps.size, stage("cash_out")))


def lateral_movement(cast: Cast) -> Rows:
    """From one machine to the next with borrowed rights."""
    rng, city = cast.rng, cast.city
    steps = cast.steps(4, 10)
    number, skill = steps.each(cast.number), steps.each(cast.skill)
    who = steps.each(cast.customer)
    at = steps.times(steps.gaps(8 + 300 * skill))
    here = np.where(steps.number == 0, station(who), server(mix(number, steps.number, 517)))
    there = server(mix(number, steps.number + 1, 517))
    joined = network(
        rng,
        at,
        source=here,
        target=there,
        port=rng.choice(np.array([445, 3389, 22, 445]), steps.size),
        out=np.exp(rng.normal(8.0, 1.2, steps.size)),
        back=np.exp(rng.normal(8.3, 1.3, steps.size)),
        lasts=np.exp(rng.normal(7.5, 1.2, steps.size)),
    )
    entered = login(
        cast,
        rng,
        who,
        at + 4 * SECOND_MS,
        host=there,
        ip=city.ip_home(who),
        success=rng.random(steps.size) < 0.88 + 0.08 * skill,
        method=choose(rng, steps.size, (35, 3, 32, 30)),
        device=city.device(who, day_of(at)),
    )
    some = np.flatnonzero(rng.random(steps.size) < 0.45)
    raised = system(
        at[some] + 60 * SECOND_MS,
        who[some],
        there[some],
        np.where(rng.random(len(some)) < 0.5, PRIVILEGE, START),
        choose(rng, len(some), (6, 3, 6, 3, 3, 3, 40, 10, 3, 12, 3, 3)),
        np.exp(rng.normal(0.7, 0.8, len(some))),
    )
    parts = []
    for rows, which, name in (
        (joined, np.arange(steps.size), "access"),
        (entered, np.arange(steps.size), "access"),
        (raised, some, "act"),
    ):
        rows["of"], rows["stage"], rows["loss"] = steps.of_campaign[which], stage(name), 400_000
        parts.append(rows)
    return join(parts)


def malware_beacon(cast: Cast) -> Rows:
    """A machine calls home at nearly even intervals, a few bytes each time."""
    rng = cast.rng
    steps = cast.steps(12, 40)
    number, skill = steps.each(cast.number), steps.each(cast.skill)
    period = np.exp(rng.normal(3.2, 0.8, cast.size))
    jitter = 0.03 + 0.5 * skill
    gaps = steps.each(period) * 60_000 * rng.uniform(1 - jitter, 1 + jitter)
    host = station(pick(cast.people, number, 518))
    rows = network(
        rng,
        steps.times(gaps),
        source=host,
        target=outside(mix(number, 519)),
        port=np.where(share(number, 520) < 0.75, 443, PORTS[mix(number, 521) % 12]),
        out=steps.each(np.exp(rng.normal(6.2, 0.7, cast.size))) * rng.lognormal(0, 0.1, steps.size),
        back=np.exp(rng.normal(6.4, 0.9, steps.size)),
        lasts=np.exp(rng.normal(5.0, 0.9, steps.size)),
    )
    return _of(rows, steps, np.full(steps.size, stage("act")))


def insider(cast: Cast) -> Rows:
    """Somebody with rights reads what is not his business, takes it out, and tidies up."""
    rng = cast.rng
    steps = cast.steps(5, 12)
    skill = steps.each(cast.skill)
    who = steps.each(cast.customer)
    at = steps.times(steps.gaps(60 + 600 * skill))
    thing = choose(rng, steps.size, (40, 30, 8, 3, 6, 4, 0, 3, 5, 1, 0, 0))
    read = system(
        at,
        who,
        np.where(rng.random(steps.size) < 0.5, station(who), server(who)),
        READ,
        thing,
        np.exp(rng.normal(4.0 - 2.0 * skill, 0.9, steps.size)),
    )
    read = _of(read, steps, np.full(steps.size, stage("collect")))
    ends = np.zeros(cast.size, np.int64)
    np.maximum.at(ends, steps.of_campaign, at)
    every = np.arange(cast.size)
    left = network(
        rng,
        ends + HOUR_MS // 3,
        source=station(cast.customer),
        target=outside(mix(cast.number, 522)),
        port=np.full(cast.size, 443),
        out=np.exp(rng.normal(14.0 - 2.5 * cast.skill, 1.0, cast.size)),
        back=np.exp(rng.normal(7.2, 1.0, cast.size)),
        lasts=np.exp(rng.normal(9.0, 1.0, cast.size)),
    )
    left["of"], left["stage"], left["loss"] = every, stage("cash_out"), 2_500_000
    some = every[share(cast.number, 523) < 0.5]
    tidied = system(
        ends[some] + HOUR_MS,
        cast.customer[some],
        station(cast.customer[some]),
        DELETE,
        np.full(len(some), 9),
        np.exp(rng.normal(2.2, 1.0, len(some))),
    )
    tidied["of"], tidied["stage"], tidied["loss"] = some, stage("cover"), 0
    return join([read, left, tidied])


# What looks like an attack and is none.


def stale_password(cast: Cast) -> Rows:
    """A phone or a script that still knows last month's password."""
    rng, city = cast.rng, cast.city
    steps = cast.steps(6, 25)
    who = steps.each(cast.customer)
    at = steps.times(steps.gaps(4.0))
    return login(
        cast,
        rng,
        who,
        at,
        host=server(steps.each(cast.number)),
        ip=np.where(
            steps.each(cast.number) % 4 == 0,
            city.ip_hosting(steps.each(cast.number)),
            city.ip_mobile(who, day_of(at)),
        ),
        success=(steps.number == steps.count - 1) & (rng.random(steps.size) < 0.7),
        method=np.full(steps.size, PASSWORD),
        device=city.device(who, day_of(at)),
    )


def on_call(cast: Cast) -> Rows:
    """An engineer on call, abroad or at night: server after server, rights raised, services started."""
    rng, city = cast.rng, cast.city
    steps = cast.steps(4, 10)
    number = steps.each(cast.number)
    who = steps.each(cast.customer) // 20 * 20
    at = steps.times(steps.gaps(12.0))
    there = server(mix(number, steps.number, 524))
    away = steps.each(np.where(rng.random(cast.size) < 0.35, choose(rng, cast.size, HOSTILE), 0))
    entered = login(
        cast,
        rng,
        who,
        at,
        host=there,
        ip=np.where(away > 0, city.ip_abroad(away, number), city.ip_home(who)),
        country=away,
        success=rng.random(steps.size) < 0.93,
        method=choose(rng, steps.size, (30, 15, 35, 20)),
        device=city.device(who, day_of(at)),
    )
    some = rng.random(steps.size) < 0.6
    did = system(
        at[some] + 90 * SECOND_MS,
        who[some],
        there[some],
        np.where(rng.random(int(some.sum())) < 0.35, PRIVILEGE, START),
        choose(rng, int(some.sum()), (4, 2, 8, 2, 4, 4, 40, 12, 2, 14, 2, 6)),
        np.exp(rng.normal(0.7, 0.8, int(some.sum()))),
    )
    joined = network(
        rng,
        at + SECOND_MS,
        source=station(who),
        target=there,
        port=rng.choice(np.array([22, 3389, 445]), steps.size),
        out=np.exp(rng.normal(8.2, 1.2, steps.size)),
        back=np.exp(rng.normal(8.5, 1.3, steps.size)),
        lasts=np.exp(rng.normal(7.8, 1.2, steps.size)),
    )
    return join([entered, did, joined])


def backup(cast: Cast) -> Rows:
    """Backups and videos: much leaves for a place that is known."""
    rng = cast.rng
    steps = cast.steps(4, 14)
    number = steps.each(cast.number)
    size = np.exp(rng.normal(14.5, 1.8, steps.size))
    return network(
        rng,
        steps.times(steps.gaps(25.0)),
        source=np.where(number % 3 == 0, station(steps.each(cast.customer)), server(number)),
        target=outside(number % 23 * 191),
        port=np.full(steps.size, 443),
        out=size,
        back=np.exp(rng.normal(7.5, 1.2, steps.size)),
        lasts=size / 900 + 60,
    )


def monitoring(cast: Cast) -> Rows:
    """Monitoring and updates: even intervals, many machines, few bytes."""
    rng = cast.rng
    steps = cast.steps(14, 40)
    number = steps.each(cast.number)
    wide = number % 2 == 0
    gaps = np.where(
        wide, 1_500.0, steps.each(np.exp(rng.normal(3.2, 0.8, cast.size))) * 60_000
    ) * rng.uniform(0.9, 1.1, steps.size)
    source = np.where(wide, server(number % 4), station(steps.each(cast.customer)))
    target = np.where(wide, server(mix(number, steps.number, 525)), outside(number % 31 * 191))
    return network(
        rng,
        steps.times(gaps),
        source=source,
        target=target,
        port=np.where(wide, PORTS[mix(number, 526) % 12], 443),
        out=np.exp(rng.normal(5.9, 0.6, steps.size)),
        back=np.exp(rng.normal(6.2, 0.9, steps.size)),
        lasts=np.exp(rng.normal(4.4, 1.0, steps.size)),
    )


def audit(cast: Cast) -> Rows:
    """An audit, a migration, a report at the quarter's end: a great deal is read."""
    rng = cast.rng
    steps = cast.steps(5, 14)
    who = steps.each(cast.customer)
    thing = choose(rng, steps.size, (34, 18, 14, 3, 6, 14, 0, 6, 5, 0, 0, 0))
    at = steps.times(steps.gaps(120.0))
    return system(
        at,
        who,
        np.where(rng.random(steps.size) < 0.5, station(who), server(who)),
        np.where(rng.random(steps.size) < 0.9, READ, DELETE),
        thing,
        np.exp(rng.normal(3.6, 1.1, steps.size)),
    )


def _of(rows: Rows, steps: Steps, stages: Array) -> Rows:
    rows["of"] = steps.of_campaign
    rows["stage"] = stages
    # What a breach costs is seldom known; what answering it costs is.
    rows["loss"] = np.where(stages == stage("probe"), 20_000, 150_000)
    return rows


TRADE = Trade(
    code="cyber_security",
    prefix="cs",
    types=("login", "network", "system"),
    columns={
        "user_id": CUSTOMER,
        "host_id": Id("h", 6),
        "ip": Address(),
        "country": COUNTRY,
        "success": Flag(),
        "method": Word(("password", "mfa", "key", "token")),
        "device_id": DEVICE,
        "src_host": Id("h", 6),
        "dst_host": Id("h", 6),
        "dst_port": Count(),
        "bytes_out": Count(),
        "bytes_in": Count(),
        "duration_ms": Count(),
        "protocol": Word(("tcp", "udp")),
        "action": Word(("privilege_add", "process_start", "file_read", "file_delete")),
        "object": Word(OBJECTS),
        "count": Count(),
    },
    fraud_share=0.02,
    rhythm=Rhythm(weekend=0.55, closed=0.6, hours=MACHINE_HOURS),
    legitimate=legitimate,
    typologies=(
        Typology("brute_force", 0.16, 25, 1, brute_force),
        Typology("credential_stuffing", 0.16, 28, 1, credential_stuffing),
        Typology("scanning", 0.16, 32, 1, scanning),
        Typology("exfiltration", 0.13, 11.5, 4, exfiltration),
        Typology("lateral_movement", 0.13, 17, 3, lateral_movement),
        Typology("malware_beacon", 0.16, 25, 5, malware_beacon),
        Typology("insider", 0.10, 10, 20, insider),
    ),
    lookalikes=(
        Lookalike("stale_password", 0.025, 15, stale_password),
        Lookalike("on_call", 0.02, 18, on_call),
        Lookalike("backup", 0.02, 9, backup),
        Lookalike("monitoring", 0.03, 27, monitoring),
        Lookalike("audit", 0.02, 9.5, audit),
    ),
)
