"""What each type of field makes of a value: equal to the plain definition, or refused where it refuses."""

import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from riskweave.batch import Batch, empty_batch
from riskweave.errors import EventError
from riskweave.events.plan import DecodePlan
from riskweave.events.record import decode_record, event_id, event_labels
from tests.events.policies import EVERYTHING, FixedRates, plan_of
from tests.oracles import events as oracle

ONE = "policy: {{currency: {currency}}}\nevents: {{tx: {{time: at, fields: {{at: time, x: {field}}}}}}}"
AT = "2024-06-01T12:00:00Z"


def decoded(plan: DecodePlan, record: dict[str, Any]) -> Batch:
    batch = empty_batch(plan.layout, 1)
    decode_record(plan, record, batch, 0)
    return batch


def value_of(plan: DecodePlan, value: Any) -> float | None:
    """Return what the column of `x` holds, None when the record is refused."""
    try:
        return float(decoded(plan, {"at": AT, "x": value}).values[2, 0])
    except EventError:
        return None


MONEY = {
    (currency, minor): plan_of(ONE.format(currency=currency, field=f"{{type: money, minor: {minor}}}"))
    for currency in ("EUR", "JPY", "BHD", "CLF")
    for minor in (True, False)
}
decimals = st.decimals(-(2**60), 2**60, allow_nan=False, allow_infinity=False, places=None)
amounts = st.one_of(
    st.decimals(-(10**6), 10**6, places=2),
    st.decimals(-(10**15), 10**15, places=3),
    decimals,
    st.integers(-(2**54), 2**54).map(Decimal),
)


@settings(deadline=None, max_examples=300)
@given(amounts, st.sampled_from(["EUR", "JPY", "BHD", "CLF"]))
@example(Decimal("0.1"), "EUR")
@example(Decimal("90071992547409.91"), "EUR")
@example(Decimal("90071992547409.92"), "EUR")
def test_money_in_text_is_exact(amount: Decimal, currency: str) -> None:
    text = f"{amount:f}"
    assert value_of(MONEY[currency, False], text) == oracle.money(text, currency)
    assert value_of(MONEY[currency, False], amount) == oracle.money(text, currency)


@settings(deadline=None, max_examples=300)
@given(
    st.one_of(st.floats(), st.integers(-(10**9), 10**9).map(lambda n: n / 100), st.floats(-1e16, 1e16)),
    st.sampled_from(["EUR", "JPY", "BHD"]),
)
@example(0.1 + 0.2, "EUR")
@example(1.005, "EUR")
def test_money_in_floats_is_what_they_print_as(amount: float, currency: str) -> None:
    assert value_of(MONEY[currency, False], amount) == oracle.money(amount, currency)


@settings(deadline=None, max_examples=100)
@given(st.integers(-(2**60), 2**60), st.sampled_from(["EUR", "JPY", "BHD"]), st.booleans())
@example(2**53 - 1, "EUR", True)
@example(2**53, "EUR", True)
def test_money_in_whole_numbers(amount: int, currency: str, minor: bool) -> None:
    assert value_of(MONEY[currency, minor], amount) == oracle.money(amount, currency, minor)


TIMES = {
    unit: plan_of(ONE.format(currency="EUR", field=f"{{type: time, unit: {unit}, origin: 2018-04-01}}"))
    for unit in ("s", "ms")
} | {"iso": plan_of(ONE.format(currency="EUR", field="time"))}
ORIGIN_MS = 1_522_540_800_000
zones = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@settings(deadline=None, max_examples=200)
@given(st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=st.one_of(st.none(), zones)))
def test_iso_times_equal_the_standard_library(moment: datetime) -> None:
    expected = oracle.time_of_text(moment.isoformat())
    for plan in TIMES.values():
        assert value_of(plan, moment.isoformat()) == expected
        assert value_of(plan, moment) == expected
    assert value_of(TIMES["iso"], moment.date().isoformat()) == value_of(TIMES["iso"], moment.date())


@settings(deadline=None, max_examples=200)
@given(
    st.one_of(st.integers(-(10**13), 10**13), st.integers(0, 2 * 10**9), st.floats(-1e9, 1e9)),
    st.sampled_from(["s", "ms", "iso"]),
)
def test_counted_times(number: float, unit: str) -> None:
    expected = oracle.time_of_number(number, unit, 0 if unit == "iso" else ORIGIN_MS)
    if -62_135_596_800_000 <= expected <= 253_402_300_799_999:
        assert value_of(TIMES[unit], number) == expected
        if isinstance(number, int):
            assert value_of(TIMES[unit], str(number)) == expected
    else:
        assert value_of(TIMES[unit], number) is None


@settings(deadline=None)
@given(
    st.one_of(st.ip_addresses().map(str), st.ip_addresses(v=4).map("::ffff:{}".format), st.text(max_size=20))
)
def test_addresses_have_one_spelling(text: str) -> None:
    plan = plan_of(ONE.format(currency="EUR", field="ip"))
    code = value_of(plan, text)
    expected = oracle.address(text) if "%" not in text else None
    assert (None if code is None else plan.pool.texts[int(code)]) == expected


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("int", 5, 5.0),
        ("int", "-5", -5.0),
        ("int", 5.0, 5.0),
        ("int", np.int32(5), 5.0),
        ("int", 2**53, 2.0**53),
        ("int", 2**53 + 1, None),
        pytest.param("int", 10**5000, None, id="int-huge"),
        pytest.param("bool", [10**5000], None, id="bool-huge"),
        ("int", 5.5, None),
        ("int", True, None),
        ("int", "5.0", None),
        ("{type: int, min: 1, max: 3}", 4, None),
        ("{type: int, allowed: [1, 3]}", 3, 3.0),
        ("{type: int, allowed: [1, 3]}", 2, None),
        ("float", "1e3", 1000.0),
        ("float", 7, 7.0),
        ("float", math.nan, None),
        ("float", math.inf, None),
        ("float", "1e999", None),
        pytest.param("float", 10**400, None, id="float-huge"),
        ("float", np.float32(0.5), 0.5),
        ("{type: float, max: 1}", 1.5, None),
        ("bool", "TRUE", 1.0),
        ("bool", 0, 0.0),
        ("bool", np.bool_(True), 1.0),
        ("bool", 2, None),
        ("bool", "yes", None),
        ("time", math.nan, None),
        ("time", datetime(2024, 1, 1, tzinfo=UTC), 1_704_067_200_000.0),
        ("time", date(2024, 1, 1), 1_704_067_200_000.0),
        ("time", "10000-01-01", None),
        ("location", "48.5, 2.25", 48.5),
        ("location", [48.5, 2.25], 48.5),
        ("location", {"lat": 48.5, "lng": 2.25}, 48.5),
        ("location", {"lat": 48.5}, None),
        ("location", [91, 0], None),
        ("location", "48.5", None),
        ("string", 1.5, None),
        ("string", b"x", None),
        ("string", True, None),
        pytest.param("string", "x" * 65_537, None, id="string-long"),
        pytest.param("string", "é" * 32_769, None, id="string-long-bytes"),
        pytest.param("string", "\ud800", None, id="string-surrogate"),
    ],
)
def test_values_and_what_they_become(field: str, value: Any, expected: float | None) -> None:
    assert value_of(plan_of(ONE.format(currency="EUR", field=field)), value) == expected


def test_a_whole_record() -> None:
    plan = plan_of(EVERYTHING, rates=FixedRates())
    record = {
        "kind": "payment",
        "payment_id": 17,
        "when": AT,
        "CENTS": 1230,
        "fee": "1.00",
        "fee_currency": "USD",
        "country": "FR",
        "customer": "c1",
        "TERMINAL": "7",
        "ip": "::ffff:10.0.0.1",
        "lat": 48.5,
        "lon": "2.25",
        "seen": 60,
        "fraud": "1",
    }
    batch = decoded(plan, record)
    found = {column.name: float(batch.values[column.index, 0]) for column in plan.layout.columns}
    texts = plan.pool.texts
    assert found["event_time"] == 1_717_243_200_000 == batch.time_ms[0]
    assert texts[int(found["event_type"])] == "payment"
    assert (found["amount"], found["fee"], found["terminal"]) == (12.3, 0.9, 7.0)
    assert (found["place"], found["place.lon"], found["seen"]) == (48.5, 2.25, ORIGIN_MS + 60_000)
    assert math.isnan(found["age"])
    assert math.isnan(found["ok"])
    keys = {name: int(batch.keys[row, 0]) for name, row in plan.layout.keys.items()}
    assert keys["customer"] == oracle.hash_of("c1")
    assert keys["customer+terminal+ip"] == oracle.hash_of_all(["c1", 7, "10.0.0.1"])
    assert int(batch.event_hash[0]) == oracle.hash_of("17")
    assert event_id(plan, record) == "17"
    assert event_labels(plan, record) == {"fraud": 1.0}


def test_own_names_mean_major_units_and_come_first() -> None:
    plan = plan_of(EVERYTHING, rates=FixedRates())
    record = {"kind": "payment", "at": AT, "country": "FR", "amount": "20.00", "CENTS": 5}
    assert decoded(plan, record).values[plan.layout.columns[3].index, 0] == 20.0


def test_an_event_without_id_is_told_by_its_arrival() -> None:
    plan = plan_of(EVERYTHING, rates=FixedRates())
    batch = empty_batch(plan.layout, 1)
    decode_record(plan, {"kind": "payment", "at": AT, "country": "FR"}, batch, 0, arrival=41)
    assert int(batch.event_hash[0]) == oracle.hash_of(41)


def test_fields_that_nobody_reads_are_checked_all_the_same() -> None:
    plan = plan_of(EVERYTHING, fields=[], keys=[], rates=FixedRates())
    assert plan.layout.rows == 2
    record = {"kind": "payment", "at": AT, "country": "FR"}
    decoded(plan, record)
    with pytest.raises(EventError, match="age"):
        decoded(plan, record | {"age": 200})
