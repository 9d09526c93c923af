"""A table decodes to what its rows decode to one by one: bit for bit, errors and all."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskweave.batch import Layout
from riskweave.events.plan import DecodePlan
from riskweave.events.table import Decoded, _records, decode_records, decode_table
from tests.events.policies import EVERYTHING, FixedRates, plan_of

PLAN = plan_of(EVERYTHING, rates=FixedRates())

small_ints = st.integers(-5, 200)
any_ints = st.one_of(
    small_ints, st.integers(-(2**63), 2**63 - 1), st.sampled_from([2**53, 2**53 + 1, -(2**53)])
)
any_floats = st.one_of(
    st.floats(),
    st.sampled_from([0.0, -0.0, 1.0, 12.3, 12.345, 1e11, 1e15]),
    st.integers(0, 9999).map(lambda n: n / 100),
)
number_texts = st.one_of(
    any_ints.map(str),
    st.decimals(-1000, 1000, places=2).map(str),
    st.decimals(-1000, 1000, places=4).map(str),
    any_floats.map(repr),
    st.sampled_from(
        [
            "",
            " 1",
            "+5",
            "1_0",
            ".5",
            "5.",
            "1e3",
            "-0",
            "00012.30",
            "1.500",
            "٣",
            "0x1",
            "1.",
            "1" * 17,
            "1" * 18,
            "1" * 19,
        ]
    ),
)
time_texts = st.one_of(
    st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)).map(datetime.isoformat),
    st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat),
    st.dates().map(date.isoformat),
    st.sampled_from(
        [
            "2024-02-30",
            "2024-02-29T24:00:00",
            "2024-02-29 10:00",
            "2024-02-29T10:00:00.1234567Z",
            "2024-06-30T23:59:60Z",
            "2024-02-29T10:00:00+05:30",
            "2024-02-29T10:00:00-0530",
            "20240229",
            "2024-02-29T10:00:00,5Z",
            "0001-01-01T00:00:00+01:00",
            "1900-02-29",
            "2000-02-29T00:00:00z",
            "2024-02-29T10:00:00.Z",
            "2024-1-1",
            "2024-02-29T10:00:00+25:00",
            "x" * 30,
        ]
    ),
)
texts = st.one_of(
    st.text(max_size=8), st.sampled_from(["", "é" * 40, "a" * 31, "b" * 32, "FR", "DE", "EUR", "USD", "JPY"])
)
ip_texts = st.one_of(
    st.ip_addresses().map(str),
    st.sampled_from(["::ffff:1.2.3.4", "1.2.3", "fe80::1%eth0", "01.2.3.4", "2001:DB8::1"]),
)
bool_texts = st.sampled_from(["true", "False", "1", "0", "yes", "TRUE", ""])
pair_texts = st.one_of(
    st.tuples(st.floats(-95, 95), st.floats(-185, 185)).map(lambda p: f"{p[0]}, {p[1]}"), texts
)


def array(values: st.SearchStrategy[Any], kind: pa.DataType) -> Callable[[int], st.SearchStrategy[pa.Array]]:
    """Return a strategy for Arrow columns of `kind`: plain or coded, with nulls or without."""

    def build(size: int) -> st.SearchStrategy[pa.Array]:
        column = st.one_of(
            st.lists(values, min_size=size, max_size=size),
            st.lists(st.one_of(st.none(), values), min_size=size, max_size=size),
        ).map(lambda listed: pa.array(listed, kind))
        if pa.types.is_string(kind) or pa.types.is_integer(kind):
            column = st.one_of(column, column.map(lambda plain: plain.dictionary_encode()))
        return column

    return build


def of_type(*strategies: tuple[st.SearchStrategy[Any], pa.DataType]) -> list[Callable[[int], Any]]:
    return [array(values, kind) for values, kind in strategies]


INTS = of_type(
    (any_ints, pa.int64()),
    (small_ints.map(abs), pa.uint8()),
    (st.integers(0, 2**64 - 1), pa.uint64()),
    (small_ints, pa.int32()),
)
FLOATS = of_type((any_floats, pa.float64()), (st.floats(width=32), pa.float32()))
NUMBER_TEXTS = of_type((number_texts, pa.string()), (number_texts, pa.large_string()))
TEXTS = of_type((texts, pa.string()), (texts, pa.large_string()))
BOOLS = of_type((st.booleans(), pa.bool_()), (bool_texts, pa.string()))
DECIMALS = of_type(
    (st.decimals(-1000, 1000, places=2), pa.decimal128(12, 2)),
    (st.decimals(-1000, 1000, places=3), pa.decimal128(30, 3)),
    (st.integers(-(2**70), 2**70).map(Decimal), pa.decimal128(25, 0)),
)
STAMPS = of_type(
    (st.integers(-(10**15), 10**15), pa.timestamp("ms")),
    (st.integers(-(10**18), 10**18), pa.timestamp("us", "Europe/Paris")),
    (st.integers(-(2**62), 2**62), pa.timestamp("ns")),
    (st.integers(-(10**11), 10**11), pa.timestamp("s", "UTC")),
    (st.dates(), pa.date32()),
)
TIMES = [*STAMPS, *INTS, *FLOATS, *of_type((time_texts, pa.string()), (number_texts, pa.string()))]
GOOD_TIMES = of_type(
    (st.integers(1_600_000_000, 1_800_000_000), pa.int64()),
    (st.integers(1_600_000_000_000, 1_800_000_000_000), pa.timestamp("ms")),
    (st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1)).map(datetime.isoformat), pa.string()),
)
LATITUDES = of_type(
    (st.floats(-95, 95), pa.float64()), (st.integers(-95, 95), pa.int32()), (number_texts, pa.string())
)

COLUMNS: dict[str, list[Callable[[int], Any]]] = {
    "payment_id": [*TEXTS, *INTS],
    "at": [*TIMES, *GOOD_TIMES, *GOOD_TIMES, *GOOD_TIMES, *GOOD_TIMES, *GOOD_TIMES],
    "when": GOOD_TIMES,
    "amount": [*INTS, *FLOATS, *NUMBER_TEXTS, *DECIMALS, *BOOLS],
    "CENTS": [*INTS, *FLOATS, *NUMBER_TEXTS, *DECIMALS],
    "fee": [*FLOATS, *NUMBER_TEXTS],
    "fee_currency": of_type((st.sampled_from(["EUR", "USD", "JPY", "eur"]), pa.string())),
    "customer": [*TEXTS, *INTS, *FLOATS],
    "terminal": [*INTS, *FLOATS, *NUMBER_TEXTS, *BOOLS],
    "TERMINAL": INTS,
    "age": [*INTS, *NUMBER_TEXTS],
    "score": [*INTS, *FLOATS, *NUMBER_TEXTS, *BOOLS],
    "ip": [*of_type((ip_texts, pa.string())), *INTS],
    "place": of_type((pair_texts, pa.string())),
    "lat": LATITUDES,
    "lon": LATITUDES,
    "home": of_type(
        (pair_texts, pa.string()),
        (st.lists(st.floats(-100, 100), min_size=1, max_size=3), pa.list_(pa.float64())),
    ),
    "online": [*BOOLS, *INTS, *FLOATS],
    "seen": TIMES,
    "fraud": [*BOOLS, *INTS],
    "ok": BOOLS,
    "unknown": TEXTS,
}


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    size = draw(st.integers(0, 6))
    kinds = st.sampled_from(["payment", "payment", "payment", "login", None, "other"])
    columns: dict[str, pa.Array] = {"kind": draw(array(kinds, pa.string())(size))}
    columns["country"] = draw(array(st.sampled_from(["FR", "DE", "DE", "XX"]), pa.string())(size))
    names = draw(st.lists(st.sampled_from(sorted(COLUMNS)), unique=True, max_size=7))
    if draw(st.integers(0, 9)):
        names.append("at")
    for name in dict.fromkeys(names):
        columns[name] = draw(draw(st.sampled_from(COLUMNS[name]))(size))
    return pa.table(columns)


def rows_of(table: pa.Table) -> list[dict[str, object]]:
    """Return what a reader of single records would give: no nanoseconds, no out-of-range datetimes."""
    return _records(table, np.arange(table.num_rows))


def columns_of(plan: DecodePlan, decoded: Decoded) -> dict[str, object]:
    """Return all that was decoded, string codes as their texts."""
    layout: Layout = plan.layout
    found: dict[str, object] = {}
    for column in layout.columns:
        values = decoded.batch.values[column.index]
        if column.type.is_text:
            found[column.name] = [None if np.isnan(code) else plan.pool.texts[int(code)] for code in values]
        else:
            found[column.name] = values.tobytes()
    found["keys"] = decoded.batch.keys.tobytes()
    found["time_ms"] = decoded.batch.time_ms.tobytes()
    found["event_hash"] = decoded.batch.event_hash.tobytes()
    found["rows"] = decoded.rows.tolist()
    found["ids"] = None if decoded.ids is None else decoded.ids.to_pylist()
    found["labels"] = {
        name: values.tobytes() for name, values in decoded.labels.items() if not np.isnan(values).all()
    }
    found["rejected"] = [(each.place, each.row, str(each.error)) for each in decoded.rejected]
    return found


@settings(deadline=None, max_examples=150)
@given(tables(), st.integers(0, 2**40))
def test_a_table_and_its_rows_decode_alike(table: pa.Table, arrival: int) -> None:
    by_column = decode_table(PLAN, table, arrival)
    by_row = decode_records(PLAN, rows_of(table), arrival)
    assert columns_of(PLAN, by_column) == columns_of(PLAN, by_row)


ONE_FIELD = """
policy: {{currency: EUR}}
events:
  tx:
    time: at
    fields:
      at: time
      x: {field}
"""
FIELDS = {
    "string": TEXTS + INTS + FLOATS + BOOLS,
    "{type: string, allowed: [FR, DE]}": TEXTS,
    "int": INTS + FLOATS + NUMBER_TEXTS + BOOLS + DECIMALS,
    "{type: int, allowed: [1, 2, 3], required: true}": INTS + FLOATS + NUMBER_TEXTS,
    "float": INTS + FLOATS + NUMBER_TEXTS + BOOLS + DECIMALS,
    "money": INTS + FLOATS + NUMBER_TEXTS + DECIMALS + BOOLS,
    "{type: money, minor: true, min: -10}": INTS + FLOATS + NUMBER_TEXTS + DECIMALS,
    "bool": INTS + FLOATS + BOOLS + TEXTS,
    "time": TIMES,
    "{type: time, unit: s, origin: 2018-04-01}": TIMES,
    "{type: time, unit: ms}": TIMES,
    "ip": of_type((ip_texts, pa.string())) + INTS,
    "location": of_type((pair_texts, pa.string())),
}
ONE_FIELD_PLANS = {
    (field, used): plan_of(
        ONE_FIELD.format(field=field), ["x"] if used else [], [("x",), ("x", "at")] if used else []
    )
    for field in FIELDS
    for used in (True, False)
}


@pytest.mark.parametrize("field", FIELDS)
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_one_field_of_every_type_decodes_alike(field: str, data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 4))
    column = data.draw(data.draw(st.sampled_from(FIELDS[field]))(size))
    table = pa.table({"at": pa.array([1_700_000_000_000] * size, pa.int64()), "x": column})
    plan = ONE_FIELD_PLANS[field, data.draw(st.booleans())]
    assert columns_of(plan, decode_table(plan, table)) == columns_of(
        plan, decode_records(plan, rows_of(table))
    )


def test_slices_of_chunked_tables_decode_alike() -> None:
    whole = pa.table(
        {
            "kind": ["payment"] * 6,
            "at": [1_700_000_000 + i for i in range(6)],
            "country": ["FR", "DE", "FR", "DE", "FR", "DE"],
            "customer": pa.chunked_array([["a", "b"], ["c"], ["d", None, "f" * 40]]),
            "ip": pa.chunked_array([pa.array([ip] * 3).dictionary_encode() for ip in ("1.1.1.1", "::1")]),
            "terminal": [1, 2, 3, 4, 5, 6],
            "CENTS": [100, 200, None, 400, 500, 600],
        }
    )
    for start in range(6):
        part = whole.slice(start, 3)
        assert columns_of(PLAN, decode_table(PLAN, part)) == columns_of(
            PLAN, decode_records(PLAN, rows_of(part))
        )


EDGES: list[list[Any]] = [
    [0.0, -0.0, 1.0, 12.3, 12.345, 0.1 + 0.2, 1.005, 2.0**50 / 100, 2.0**49 / 100, 1e300, float("nan"), None],
    [0, 1, -1, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63), 99_999_999_999, 100_000_000_000, None],
    [2**64 - 1, 2**63, 2**53, 0, None],
    [
        "12.3",
        "12.345",
        "1e3",
        "9007199254740992",
        "9007199254740993",
        "90071992547409.91",
        "90071992547409.92",
    ],
    ["", "0", "TRUE", "2024-02-29T10:00:00Z", "2000-02-29", "1900-02-29", "x" * 65_536, "x" * 65_537, None],
    [True, False, None],
    [Decimal("1.10"), Decimal("-0.01"), None],
    [Decimal("1.101"), Decimal("1.100"), None],
]


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("edges", EDGES, ids=range(len(EDGES)))
def test_edges_decode_alike(field: str, edges: list[Any]) -> None:
    column = pa.array(edges, pa.uint64() if edges[0] == 2**64 - 1 else None)
    table = pa.table({"at": pa.array([1_700_000_000_000] * len(column), pa.int64()), "x": column})
    plan = ONE_FIELD_PLANS[field, True]
    assert columns_of(plan, decode_table(plan, table)) == columns_of(
        plan, decode_records(plan, rows_of(table))
    )


def test_text_that_is_not_utf8_is_refused_in_its_row_alone() -> None:
    texts = pa.array([b"good", b"\xff", b"12"], pa.binary()).view(pa.string())
    for field in FIELDS:
        table = pa.table({"at": pa.array([1_700_000_000_000] * 3, pa.int64()), "x": texts})
        plan = ONE_FIELD_PLANS[field, True]
        decoded = decode_table(plan, table)
        assert columns_of(plan, decoded) == columns_of(plan, decode_records(plan, rows_of(table)))
        assert 1 not in decoded.rows
