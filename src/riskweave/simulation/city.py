"""Who lives there: customers, merchants, companies and banks, the same for every scenario of a seed.

A thing is a number; what it is like is a row of arrays. Customers 0 .. `people`-1 of a run are active, those
above are newcomers, who appear when somebody opens or asks for something.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import pyarrow as pa

from riskweave.simulation import names
from riskweave.simulation.columns import Id, Money, Word, digits
from riskweave.simulation.mix import Array, mix, pick, share
from riskweave.simulation.rows import choose

CUSTOMERS = 60_000
MERCHANTS = 6_000  # in and around the city
FOREIGN = 300  # merchants of each country, numbered after the city's
COMPANIES = 4_000
BANKS = 60
SANCTIONED = 120

CENTRE = (48.86, 2.35)
COUNTRIES = ("FR", "DE", "GB", "ES", "IT", "NL", "CN", "US", "BR", "NG", "TR", "TH", "AE", "RU", "HK", "CH")
COUNTRY_PLACES = np.array(
    (
        CENTRE,
        (52.5, 13.4),
        (51.5, -0.1),
        (40.4, -3.7),
        (41.9, 12.5),
        (52.4, 4.9),
        (31.2, 121.5),
        (40.7, -74.0),
        (-23.5, -46.6),
        (6.5, 3.4),
        (41.0, 29.0),
        (13.8, 100.5),
        (25.2, 55.3),
        (55.8, 37.6),
        (22.3, 114.2),
        (47.4, 8.5),
    )
)
# Where people come from, go to on holiday, and where attackers say they are.
BORN = (70, 4, 3, 3, 3, 2, 9, 1, 1, 1, 1, 0.3, 0.2, 0.6, 0.5, 0.4)
VISITED = (0, 12, 12, 16, 14, 8, 5, 8, 2, 1, 8, 6, 4, 1, 2, 4)
HOSTILE = (6, 4, 4, 2, 2, 4, 4, 8, 10, 14, 8, 6, 4, 12, 6, 2)
RISKY_COUNTRIES = (8, 9, 10, 12, 13, 14)

MCC = (
    "5411",
    "5541",
    "5812",
    "5814",
    "4111",
    "5732",
    "5651",
    "5999",
    "7995",
    "4722",
    "5912",
    "6011",
    "5311",
    "8398",
    "5816",
    "4121",
)
MCC_SHARE = (20, 7, 12, 9, 8, 4, 7, 5, 1.5, 3, 6, 3, 7, 1, 4, 4)
MCC_LOG = np.array([3.4, 3.9, 3.5, 2.3, 1.2, 4.9, 4.2, 3.4, 3.8, 5.5, 2.9, 4.4, 3.9, 3.0, 2.2, 2.6])
MCC_ONLINE = np.array([0.1, 0, 0.1, 0.15, 0.3, 0.55, 0.5, 0.6, 0.9, 0.8, 0.1, 0, 0.45, 0.8, 1.0, 0.6])
CASH_MCC = MCC.index("6011")
SMALL_MCC = (MCC.index("5814"), MCC.index("4111"), MCC.index("5816"))
RESOLD_MCC = (MCC.index("5732"), MCC.index("5311"), MCC.index("5651"))

INDUSTRIES = (
    "food",
    "textiles",
    "logistics",
    "electronics",
    "steel",
    "pharma",
    "energy",
    "trading",
    "construction",
    "software",
    "automotive",
    "paper",
)
SEGMENTS = ("mass", "affluent", "private", "student")
BANK_COUNTRIES = (0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 14, 15)


@dataclass(frozen=True)
class City:
    """One row per customer, merchant, company or bank; days count from the start."""

    seed: int
    age: Array
    income: Array  # a month, EUR
    country: Array  # where they come from
    chinese: Array
    home: Array  # [customers, 2]
    work: Array
    hour: Array  # of day around which they are about
    night: Array  # works night shifts
    online: Array  # how much of life is online, 0..1
    appetite: Array  # for risk, 0..1
    usual_log: Array  # log of the usual payment, EUR
    savings: Array  # EUR
    phone_day: Array  # when the phone is changed for a new one
    trips: Array  # [customers, 3] first day
    trip_days: Array
    trip_country: Array
    score: Array  # of the credit bureau
    employed_months: Array
    segment: Array
    pep: Array
    landlord: Array
    merchant_place: Array
    merchant_mcc: Array
    merchant_country: Array
    company_industry: Array
    company_country: Array
    company_revenue: Array  # a year, EUR
    company_margin: Array
    company_leverage: Array
    company_years: Array
    bank_country: Array
    bank_assets: Array  # EUR millions
    bank_health: Array  # 0..1

    # Names and addresses are texts, written once.

    @cached_property
    def names(self) -> tuple[pa.Array, pa.Array]:
        """English and Chinese names."""
        return names.people(self._salted(CUSTOMERS), self.chinese)

    @cached_property
    def name_en(self) -> pa.Array:
        """English names; after the customers' come the sanctioned, `SPELLINGS` of each."""
        return pa.concat_arrays([self.names[0], names.misspelt(self.sanctioned[0])])

    @cached_property
    def name_zh(self) -> pa.Array:
        """Chinese names, likewise."""
        return pa.concat_arrays([self.names[1], names.repeated(self.sanctioned[1])])

    @cached_property
    def sanctioned(self) -> tuple[pa.Array, pa.Array]:
        """English and Chinese names of those that nobody may pay."""
        numbers = np.arange(SANCTIONED) + 77_000_000 + self.seed % 1_000_003 * 1_000_000
        return names.people(numbers, mix(numbers, 27) % 10 < 4)

    @cached_property
    def birth_date(self) -> pa.Array:
        """Days of birth as text; after the customers' come the sanctioned, as their names do."""
        born = np.datetime64("2026-01-01") - (self.age * 365 + mix(self._salted(CUSTOMERS), 28) % 365)
        numbers = np.repeat(np.arange(SANCTIONED), names.SPELLINGS)
        listed = np.datetime64("1950-01-01") + mix(numbers, self.seed, 29) % 16_000
        days = np.concatenate([born, listed]).astype("datetime64[D]")
        return pa.array(days).cast(pa.string())

    @cached_property
    def email(self) -> pa.Array:
        """An address for each person."""
        return names.emails(np.arange(CUSTOMERS), self.names[0])

    @cached_property
    def address(self) -> pa.Array:
        """A street address each; `household` says whose a person uses."""
        return names.addresses(self._salted(CUSTOMERS))

    @cached_property
    def phone(self) -> pa.Array:
        """A telephone number each."""
        return digits("+8613", mix(self._salted(CUSTOMERS), 5) % 10**9, 9)

    def _salted(self, size: int) -> Array:
        return np.arange(size) + self.seed % 1_000_003 * 1_000_000

    # Habits that are functions: who, and which one.

    def device(self, who: Array, day: Array) -> Array:
        """The phone somebody has on a day: an old one or the new one."""
        return who * 8 + (day >= self.phone_day[who])

    def stranger_device(self, number: Array, which: Array | int = 0) -> Array:
        """A device of an attacker: as new to everybody as a new phone."""
        return CUSTOMERS * 8 + (mix(self.seed, number, which, 11) % 50_000_000)

    def ip_home(self, who: Array) -> Array:
        """The address at home, 10.0.0.0/8."""
        return (10 << 24) + (mix(self.seed, who // 2, 12) & 0xFFFFFF)

    def ip_mobile(self, who: Array, day: Array) -> Array:
        """A carrier's address that many share, 100.64.0.0/10."""
        return (100 << 24) + (64 << 16) + mix(self.seed, who, day, 13) % 6_000

    def ip_hosting(self, number: Array) -> Array:
        """A data centre's address, 198.18.0.0/15: attackers, and people who value privacy."""
        return (198 << 24) + (18 << 16) + mix(self.seed, number, 14) % 900

    def ip_abroad(self, country: Array, number: Array) -> Array:
        """An address in a country, 172.16.0.0/12."""
        return np.asarray((172 << 24) + (16 << 16) + country * 65_536 + mix(self.seed, number, 15) % 65_536)

    def ip(self, rng: np.random.Generator, who: Array, day: Array, abroad: Array) -> Array:
        """Where somebody's device is seen: at home, on the road, abroad, or behind a data centre."""
        kind = rng.random(len(who))
        near = np.where(kind < 0.6, self.ip_home(who), self.ip_mobile(who, day))
        near = np.where(kind > 0.97, self.ip_hosting(who), near)
        return np.where(abroad >= 0, self.ip_abroad(np.maximum(abroad, 0), who * 7 + day), near)

    def abroad(self, who: Array, day: Array) -> Array:
        """The country somebody travels in on a day, or -1."""
        found = np.full(len(who), -1)
        for trip in range(self.trips.shape[1]):
            first = self.trips[who, trip]
            there = (day >= first) & (day < first + self.trip_days[who, trip])
            found = np.where(there, self.trip_country[who, trip], found)
        return found

    def place(self, rng: np.random.Generator, who: Array, abroad: Array) -> Array:
        """Where somebody is: near home or work, or near a foreign city."""
        at_work = rng.random(len(who)) < 0.4
        near = np.where(at_work[:, None], self.work[who], self.home[who])
        there = np.where((abroad >= 0)[:, None], COUNTRY_PLACES[np.maximum(abroad, 0)], near)
        return there + rng.normal(0, 0.02, (len(who), 2))

    def household(self, who: Array) -> Array:
        """Whose street address somebody uses: couples share one."""
        return np.where(share(self.seed, who // 2, 16) < 0.4, who // 2 * 2, who)

    def payee(self, who: Array, which: Array, people: int) -> Array:
        """Somebody's payee number `which`: friends, a landlord, a shop's account."""
        return pick(people, self.seed, who, which, 17)

    def employer(self, who: Array) -> Array:
        """The company somebody works for."""
        return pick(COMPANIES // 4, self.seed, who, 18)

    def landlord_of(self, who: Array, people: int) -> Array:
        """The person whose flat somebody rents: a few own many."""
        return pick(max(people // 25, 1), self.seed, who, 19) * 25 % people

    def merchant_abroad(self, country: Array, merchant: Array) -> Array:
        """The merchant of a country that stands for one of the city's."""
        return np.asarray(MERCHANTS + country * FOREIGN + mix(merchant, country, 25) % FOREIGN)

    def merchant(self, rng: np.random.Generator, who: Array, shops: int) -> Array:
        """Where somebody pays: mostly a dozen favourites, else anywhere popular."""
        size = len(who)
        favourite = pick(shops, self.seed, who, (12 * rng.random(size) ** 1.7).astype(np.int64), 20)
        popular = np.minimum((shops * rng.random(size) ** 1.8).astype(np.int64), shops - 1)
        return np.where(rng.random(size) < 0.65, favourite, popular)


@lru_cache(maxsize=4)
def city(seed: int) -> City:
    """Return the city of a seed."""
    rng = np.random.default_rng([seed, 1])
    n = CUSTOMERS
    centre = np.array(CENTRE)
    age = np.clip(18 + 62 * rng.beta(1.6, 2.4, n), 18, 92).astype(np.int64)
    income = np.exp(rng.normal(7.75, 0.5, n)) * np.where(age < 25, 0.6, 1.0)
    home = centre + rng.normal(0, 0.11, (n, 2))
    night = rng.random(n) < 0.06
    hour = np.where(night, rng.normal(1.5, 2, n), rng.normal(14.5, 2.5, n)) % 24
    segment = np.select([age < 25, income > 6_500, income > 3_600], [3, 2, 1], 0)
    trips = np.stack([rng.integers(-5, 365, n) for _ in range(3)], axis=1)
    often = rng.random((n, 3)) < np.array([0.75, 0.4, 0.2])
    born = choose(rng, n, BORN)
    shops = MERCHANTS + FOREIGN * len(COUNTRIES)
    abroad = (rng.random(shops) < 0.1) | (np.arange(shops) >= MERCHANTS)
    merchant_country = np.where(abroad, choose(rng, shops, VISITED), 0)
    merchant_country[MERCHANTS:] = np.repeat(np.arange(len(COUNTRIES)), FOREIGN)
    leverage = np.clip(rng.beta(4, 4, COMPANIES), 0.05, 0.95)
    return City(
        seed=seed,
        age=age,
        income=income,
        country=born,
        chinese=(born == 6) | (rng.random(n) < 0.45),
        home=home,
        work=centre + rng.normal(0, 0.05, (n, 2)),
        hour=hour,
        night=night,
        online=np.clip(rng.normal(0.55, 0.2, n) - (age - 40) * 0.006, 0.03, 0.97),
        appetite=np.clip(rng.normal(0.5, 0.2, n) - (age - 45) * 0.005, 0, 1),
        usual_log=rng.normal(0, 0.45, n) + 0.35 * (np.log(income) - 7.75),
        savings=np.exp(rng.normal(8.6, 1.3, n)) * (0.4 + age / 60),
        phone_day=rng.integers(-200, 700, n),
        trips=np.where(often, trips, 10_000),
        trip_days=rng.integers(2, 16, (n, 3)),
        trip_country=choose(rng, n * 3, VISITED).reshape(n, 3),
        score=np.clip(rng.normal(655, 75, n) + 20 * (np.log(income) - 7.75), 320, 850),
        employed_months=(rng.exponential(1, n) * np.clip(age - 18, 1, 25) * 4).astype(np.int64),
        segment=segment,
        pep=rng.random(n) < 0.006,
        landlord=np.arange(n) % 25 == 0,
        merchant_place=np.where(abroad[:, None], COUNTRY_PLACES[merchant_country], centre)
        + rng.normal(0, 0.09, (shops, 2)),
        merchant_mcc=choose(rng, shops, MCC_SHARE),
        merchant_country=merchant_country,
        company_industry=np.arange(COMPANIES) % len(INDUSTRIES),
        company_country=choose(rng, COMPANIES, BORN),
        company_revenue=np.exp(rng.normal(14.6, 1.3, COMPANIES)),
        company_margin=rng.normal(0.07, 0.07, COMPANIES),
        company_leverage=leverage,
        company_years=np.minimum(1 + rng.exponential(11, COMPANIES), 120),
        bank_country=np.array(BANK_COUNTRIES)[np.arange(BANKS) % len(BANK_COUNTRIES)],
        bank_assets=np.exp(rng.normal(10.5, 1.2, BANKS)),
        bank_health=rng.beta(6, 2, BANKS),
    )


CUSTOMER = Id("c", 6)
MERCHANT = Id("m", 5)
COMPANY = Id("co", 5)
BANK = Id("b", 3)
ACCOUNT = Id("a", 8, scattered=True)
CARD = Id("k", 8, scattered=True)
DEVICE = Id("d", 8, scattered=True)
WALLET = Id("w", 8, scattered=True)
COUNTRY = Word(COUNTRIES)


def account(who: Array, which: Array | int = 0) -> Array:
    """A person's account at the bank; a company's is `company_account`."""
    return who * 3 + which


def company_account(company: Array) -> Array:
    """A company's account."""
    return CUSTOMERS * 3 + company


def card(who: Array, which: Array | int = 0) -> Array:
    """A person's card."""
    return who * 3 + which


def entities(seed: int) -> dict[str, pa.Table]:
    """Return who there is: customers, merchants, companies, banks, accounts, sanctioned persons."""
    lives = city(seed)
    who = np.arange(CUSTOMERS)
    name_en, name_zh = lives.names
    firms = np.arange(COMPANIES)
    firm_en, firm_zh = names.companies(firms)
    shops, banks = np.arange(len(lives.merchant_mcc)), np.arange(BANKS)
    owner = np.repeat(who, 2)
    return {
        "customers": pa.table(
            {
                "customer_id": CUSTOMER.write(who),
                "name_en": name_en,
                "name_zh": name_zh,
                "age": lives.age,
                "income": Money().write((lives.income * 100).astype(np.int64)),
                "country": COUNTRY.write(lives.country),
                "segment": Word(SEGMENTS).write(lives.segment),
                "pep": lives.pep.astype(bool),
                "phone": lives.phone,
                "email": lives.email,
                "address": lives.address.take(pa.array(lives.household(who))),
                "lat": np.round(lives.home[:, 0], 5),
                "lon": np.round(lives.home[:, 1], 5),
                "bureau_score": lives.score.astype(np.int64),
            }
        ),
        "merchants": pa.table(
            {
                "merchant_id": MERCHANT.write(shops),
                "mcc": Word(MCC).write(lives.merchant_mcc),
                "country": COUNTRY.write(lives.merchant_country),
                "lat": np.round(lives.merchant_place[:, 0], 5),
                "lon": np.round(lives.merchant_place[:, 1], 5),
            }
        ),
        "companies": pa.table(
            {
                "company_id": COMPANY.write(firms),
                "name_en": firm_en,
                "name_zh": firm_zh,
                "industry": Word(INDUSTRIES).write(lives.company_industry),
                "country": COUNTRY.write(lives.company_country),
                "owner_id": CUSTOMER.write(company_owner(lives, firms)),
            }
        ),
        "sanctioned": pa.table(
            {
                "name_en": lives.sanctioned[0],
                "name_zh": lives.sanctioned[1],
                "birth_date": lives.birth_date.take(
                    pa.array(CUSTOMERS + np.arange(SANCTIONED) * names.SPELLINGS)
                ),
                "country": COUNTRY.write(sanctioned_country(np.arange(SANCTIONED))),
            }
        ),
        "banks": pa.table(
            {
                "bank_id": BANK.write(banks),
                "country": COUNTRY.write(lives.bank_country),
                "assets_million": np.round(lives.bank_assets, 1),
            }
        ),
        "accounts": pa.table(
            {
                "account_id": ACCOUNT.write(account(owner, np.tile([0, 1], CUSTOMERS))),
                "customer_id": CUSTOMER.write(owner),
                "bank_id": BANK.write(bank_of(owner)),
            }
        ),
    }


def company_owner(lives: City, company: Array) -> Array:
    """The person who owns a company; some own several."""
    return pick(CUSTOMERS // 40, lives.seed, company, 21) * 17 % CUSTOMERS


def sanctioned_country(number: Array) -> Array:
    """The country of somebody on the sanctions list."""
    return np.asarray(np.array([13, 12, 9, 10, 14, 6])[mix(number, 31) % 6])


def bank_of(who: Array) -> Array:
    """The bank that keeps somebody's account: three of them have half the city."""
    chance = share(who, 22)
    return np.where(chance < 0.5, pick(3, who, 23), pick(BANKS // 3, who, 24))
