"""Rates: exact, rounded once, the latest not after the day; golden errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskweave.errors import PolicyError
from riskweave.events.rates import DAY_MS, Rates
from tests.oracles.attributes import converted

DIGITS = {"EUR": 2, "USD": 2, "JPY": 0, "BHD": 3, "CLF": 4}
CODES = st.sampled_from(["USD", "JPY", "BHD", "CLF", "SEK"])
RATE = st.decimals("0.000001", "99999", places=6).map(str) | st.sampled_from(["0.5", "1", "2.5", "0.05"])
AMOUNTS = st.integers(-(10**6), 10**6) | st.integers(-(2**53), 2**53)


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from(["EUR", "JPY", "BHD"]),
    st.lists(st.tuples(CODES, st.integers(0, 9), RATE), max_size=12, unique_by=lambda each: each[:2]),
    st.lists(st.tuples(AMOUNTS, CODES | st.just("EUR"), st.integers(0, 10 * DAY_MS)), min_size=1),
)
def test_every_amount_is_the_exact_one_rounded_once(base, rates, amounts):
    rates = [each for each in rates if each[0] != base]
    table = Rates(base, [(name, day, *split(rate)) for name, day, rate in rates])
    wanted = []
    for minor, currency, time_ms in amounts:
        digits = (DIGITS.get(currency, 2), DIGITS[base])
        exact = converted(rates, minor, digits, currency, time_ms // DAY_MS)
        wanted.append(minor if currency == base else exact)
        assert table.convert(minor, currency, time_ms) == wanted[-1]
    columns = list(zip(*amounts, strict=True))
    found, known = table.convert_many(
        np.array(columns[0], np.int64), columns[1], np.array(columns[2], np.int64)
    )
    for each, mine, is_known in zip(wanted, found.tolist(), known.tolist(), strict=True):
        assert mine == (each if is_known else 0)
        assert is_known == (each is not None and abs(each) < 2**63)


def split(rate):
    whole, _, decimals = rate.partition(".")
    return int(whole + decimals), len(decimals)


def test_a_file_of_rates(tmp_path):
    (tmp_path / "rates.csv").write_text(
        "currency,date,rate\nUSD,2026-01-02,0.90\nUSD,2026-01-01,0.8\nJPY,2026-01-01,0.006\n"
    )
    rates = Rates.read(tmp_path / "rates.csv", "EUR")
    first = 1_767_225_600_000  # 2026-01-01
    assert rates.convert(1000, "USD", first - 1) is None
    assert rates.convert(1000, "USD", first) == 800
    assert rates.convert(1000, "USD", first + DAY_MS) == 900
    assert rates.convert(1000, "JPY", first + 9 * DAY_MS) == 600
    assert rates.convert(1000, "SEK", first) is None
    assert rates.convert(1000, "EUR", 0) == 1000


GOLDEN = {
    "currency,date,rate\nUSD,2026-01-01,1,1\n": """\
rates.csv:2:1: the row has 4 values, the header 3 names
    USD,2026-01-01,1,1
    ^^^^^^^^^^^^^^^^^^
  quote a value that contains a comma""",
    "currency,date,rate\nUSD,2026-01-01,\n": """\
rates.csv:2:1: column `rate`: found '', expected a decimal number above 0, as in 0.9215
    USD,2026-01-01,
    ^^^^^^^^^^^^^^^""",
    "currency,date,rate\nUSD,2026-01-01,0.0\n": """\
rates.csv:2:1: column `rate`: found '0.0', expected a decimal number above 0, as in 0.9215
    USD,2026-01-01,0.0
    ^^^^^^^^^^^^^^^^^^""",
    "currency,date,rate\nDollar,2026-01-01,1\n": """\
rates.csv:2:1: column `currency`: found 'Dollar', expected an ISO 4217 code, as in USD
    Dollar,2026-01-01,1
    ^^^^^^^^^^^^^^^^^^^""",
    "currency,date,rate\nEUR,2026-01-01,1\n": """\
rates.csv:2:1: column `currency`: found 'EUR', expected another currency than the base currency
    EUR,2026-01-01,1
    ^^^^^^^^^^^^^^^^""",
    "currency,date,rate\nUSD,2026-01-01T10:00:00Z,1\n": """\
rates.csv:2:1: column `date`: found '2026-01-01T10:00:00Z', expected a date, as in 2026-01-31
    USD,2026-01-01T10:00:00Z,1
    ^^^^^^^^^^^^^^^^^^^^^^^^^^""",
    "currency,date,rate\nUSD,2026-01-01,1\n\nUSD,2026-01-01,2\n": """\
rates.csv:4:1: column `date`: found '2026-01-01', expected one rate of USD a day
    USD,2026-01-01,2
    ^^^^^^^^^^^^^^^^
  first at line 2""",
    "currency,day,rate\nUSD,2026-01-01,1\n": """\
rates.csv:1:1: `rates.csv` has no column `date`
    currency,day,rate
    ^^^^^^^^^^^^^^^^^
  did you mean `rate`?""",
}


@pytest.mark.parametrize("text", GOLDEN)
def test_a_wrong_file_says_where_and_what(text, tmp_path):
    (tmp_path / "rates.csv").write_text(text)
    with pytest.raises(PolicyError) as caught:
        Rates.read(tmp_path / "rates.csv", "EUR")
    assert str(caught.value) == GOLDEN[text]
