"""Numbers and times in text columns: what the kernels read, they read right."""

from decimal import Decimal

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from riskweave.events.columns import text_buffers
from riskweave.events.money import MINOR_MAX, minor_from_text
from riskweave.events.times import iso_ms
from riskweave.kernels import text_values
from tests.oracles.events import time_of_text

plain_numbers = st.decimals(-(10**12), 10**12, places=2).map(str)
odd_texts = st.text("0123456789+-.eT:Z ", max_size=20)
times = st.datetimes().map(lambda moment: moment.isoformat())
offsets = st.sampled_from(["", "Z", "+01:00", "-05:30", "+23:59"])


def parsed(texts: list[str], digits: int | None) -> list[int | None]:
    where, data = text_buffers(pa.array(texts, pa.string()))
    out, read = np.empty(len(texts), np.int64), np.empty(len(texts), np.bool_)
    if digits is None:
        text_values.parse_iso(where, data, out, read)
    else:
        text_values.parse_scaled(where, data, digits, out, read)
    return [int(value) if known else None for value, known in zip(out, read, strict=True)]


@settings(deadline=None, max_examples=100)
@given(st.lists(st.one_of(plain_numbers, odd_texts)), st.integers(0, 4))
def test_amounts_that_are_read_are_right(texts: list[str], digits: int) -> None:
    for text, minor in zip(texts, parsed(texts, digits), strict=True):
        if minor is not None:
            assert minor == Decimal(text).scaleb(digits)
            assert abs(minor) >= MINOR_MAX or minor_from_text(text, digits) == minor


@settings(deadline=None, max_examples=100)
@given(st.lists(plain_numbers))
def test_usual_amounts_are_read(texts: list[str]) -> None:
    assert parsed(texts, 2) == [int(Decimal(text).scaleb(2)) for text in texts]


@settings(deadline=None, max_examples=100)
@given(st.lists(st.one_of(st.tuples(times, offsets).map("".join), odd_texts)))
def test_times_that_are_read_are_right(texts: list[str]) -> None:
    for text, milliseconds in zip(texts, parsed(texts, None), strict=True):
        if milliseconds is not None and iso_ms(text) is not None:
            assert milliseconds == iso_ms(text) == time_of_text(text)


def test_usual_times_are_read() -> None:
    texts = [
        "2024-02-29",
        "2000-02-29",
        "2024-02-29T12:34:56",
        "2024-02-29 12:34:56.789Z",
        "2024-02-29T12:34:56+05:30",
    ]
    assert parsed(texts, None) == [time_of_text(text) for text in texts]
    assert parsed(["2023-02-29", "2024-04-31", "2024-00-01", "2024-02-29T24:00:00"], None) == [None] * 4
