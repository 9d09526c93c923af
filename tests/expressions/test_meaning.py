"""Expressions mean what Python's own walk over them says, null included, whatever the batch."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskweave.expressions.text import render
from tests.expressions.world import EPOCH, Run, World
from tests.oracles.expressions import evaluate

OF_ONE_NUMBER = ("abs", "floor", "ceil", "sqrt", "log", "log10", "exp", "sign", "round")
OF_A_TIME = ("hour", "minute", "weekday", "day", "month", "year")
ZONES = (
    "UTC",
    "Europe/Paris",
    "America/New_York",
    "Asia/Shanghai",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
)

numbers = st.one_of(
    st.sampled_from([0.0, 1.0, -1.0, 0.5, 2.0, 3.0, -7.25, 100.0, 1e308, -1e308, 5e-324, 1e15]),
    st.floats(-1e6, 1e6, allow_nan=False),
    st.integers(-100, 100).map(float),
)
texts = st.sampled_from(["", "bob", "Bob", " BOB ", "Zoë", "北京", "10.1.2.3", "192.168.0.1", "a.b", "İ"])
times = st.one_of(
    st.datetimes(datetime(1950, 1, 1), datetime(2120, 1, 1)),
    # Around the changes of 2024 in Europe and America.
    st.datetimes(datetime(2024, 3, 9), datetime(2024, 3, 11)),
    st.datetimes(datetime(2024, 10, 26), datetime(2024, 10, 28)),
).map(lambda t: t.replace(microsecond=t.microsecond // 1000 * 1000, tzinfo=EPOCH.tzinfo))
places = st.tuples(st.floats(-90, 90), st.floats(-180, 180))
events = st.fixed_dictionaries(
    {
        "amount": st.none() | numbers,
        "count": st.none() | st.integers(-5, 5).map(float),
        "x": st.none() | numbers,
        "y": st.none() | numbers,
        "late": st.none() | numbers,
        "name": st.none() | texts,
        "city": st.none() | texts,
        "ip": st.none() | texts,
        "new": st.none() | st.booleans(),
        "known": st.none() | st.booleans(),
        "at": st.none() | times,
        "seen": st.none() | times,
        "home": places,
        "shop": places,
    }
)


def _number(depth):
    leaves = st.one_of(
        st.sampled_from(["amount", "count", "x", "y", "late"]),
        st.sampled_from(["0", "1", "2", "0.5", "3", "100", "-1", "1e308", "7"]),
    )
    if not depth:
        return leaves
    inner = _number(depth - 1)
    return st.one_of(
        leaves,
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "//", "%", "**"]), inner).map(
            lambda p: f"({p[0]} {p[1]} {p[2]})"
        ),
        inner.map(lambda a: f"-({a})"),
        st.tuples(
            st.sampled_from(["abs", "floor", "ceil", "sqrt", "log", "log10", "exp", "sign", "round"]), inner
        ).map(lambda p: f"{p[0]}({p[1]})"),
        st.tuples(inner, st.integers(-3, 5)).map(lambda p: f"round({p[0]}, {p[1]})"),
        st.tuples(st.sampled_from(["min", "max", "coalesce"]), inner, inner, inner).map(
            lambda p: f"{p[0]}({p[1]}, {p[2]}, {p[3]})"
        ),
        st.tuples(inner, inner, inner).map(lambda p: f"clip({p[0]}, {p[1]}, {p[2]})"),
        st.tuples(inner, inner).map(lambda p: f"pow({p[0]}, {p[1]})"),
        st.tuples(inner, _condition(depth - 1), inner).map(lambda p: f"({p[0]} if {p[1]} else {p[2]})"),
        st.tuples(inner, _condition(depth - 1)).map(lambda p: f"({p[0]} if {p[1]} else None)"),
        _text(depth - 1).map(lambda t: f"len({t})"),
        st.tuples(
            st.sampled_from(["hour", "minute", "weekday", "day", "month", "year"]), _time(depth - 1)
        ).map(lambda p: f"{p[0]}({p[1]})"),
        st.tuples(_time(depth - 1), _time(depth - 1)).map(lambda p: f"({p[0]} - {p[1]})"),
    )


def _time(depth):
    leaves = st.sampled_from(["at", "seen"])
    if not depth:
        return leaves
    return st.one_of(leaves, st.sampled_from(["3600", "86400.5", "count"]).map(lambda s: f"(at + {s})"))


def _text(depth):
    leaves = st.sampled_from(["name", "city"])
    if not depth:
        return leaves
    inner = _text(depth - 1)
    return st.one_of(
        leaves,
        st.tuples(st.sampled_from(["lower", "upper", "strip"]), inner).map(lambda p: f"{p[0]}({p[1]})"),
        inner.map(lambda t: f"{t}.lower()"),
        st.tuples(inner, st.integers(0, 3)).map(lambda p: f"prefix({p[0]}, {p[1]})"),
        st.tuples(inner, inner).map(lambda p: f"coalesce({p[0]}, {p[1]}, 'none')"),
    )


def _condition(depth):
    leaves = st.sampled_from(["new", "known", "x > y", "name == 'bob'", "True", "false", "count is None"])
    if not depth:
        return leaves
    inner, number, text = _condition(depth - 1), _number(depth - 1), _text(depth - 1)
    compare = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
    return st.one_of(
        leaves,
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda p: f"({p[0]} {p[1]} {p[2]})"),
        inner.map(lambda c: f"(not {c})"),
        st.tuples(number, compare, number).map(lambda p: f"({p[0]} {p[1]} {p[2]})"),
        st.tuples(number, compare, number, compare, number).map(lambda p: f"({' '.join(p)})"),
        st.tuples(number, st.sampled_from(["in", "not in"])).map(
            lambda p: f"({p[0]} {p[1]} [1, 2, -1, 0.5])"
        ),
        st.tuples(text, st.sampled_from(["in", "not in"])).map(
            lambda p: f"({p[0]} {p[1]} {{'bob', '北京', ''}})"
        ),
        st.tuples(text, st.sampled_from(["==", "!="]), text).map(lambda p: f"({p[0]} {p[1]} {p[2]})"),
        st.tuples(number, st.sampled_from(["is None", "is not None"])).map(lambda p: f"({p[0]} {p[1]})"),
        st.tuples(number, number, number).map(lambda p: f"between({p[0]}, {p[1]}, {p[2]})"),
        st.tuples(_time(1), compare, _time(1)).map(lambda p: f"({p[0]} {p[1]} {p[2]})"),
        st.tuples(_time(1), compare).map(lambda p: f"({p[0]} {p[1]} '2024-03-10T07:00:00Z')"),
        _time(1).map(lambda t: f"is_weekend({t})"),
        st.tuples(st.sampled_from(["startswith", "endswith", "contains"]), text).map(
            lambda p: f"{p[0]}({p[1]}, 'b')"
        ),
        text.map(lambda t: f"matches({t}, '^[Bb]o|b$')"),
        st.just("in_network(ip, '10.0.0.0/8')"),
    )


expressions = st.one_of(_number(2), _condition(2), _text(2), _time(1))


def same(ours, oracle):
    """Tell whether two plain values are the same; for numbers: every bit but the sign of zero."""
    return type(ours) is type(oracle) and ours == oracle


@settings(deadline=None, max_examples=250)
@given(
    st.lists(expressions, min_size=1, max_size=4),
    st.lists(events, min_size=1, max_size=4),
    st.sampled_from(ZONES),
)
def test_an_expression_means_what_python_says(written, given_events, zone):
    results = Run(written, zone).results(given_events)
    for text, row in zip(written, results, strict=True):
        for event, ours in zip(given_events, row, strict=True):
            oracle = evaluate(text, event, zone)
            assert same(ours, oracle), (text, ours, oracle)


@settings(deadline=None, max_examples=60)
@given(st.lists(expressions, min_size=1, max_size=4), st.lists(events, min_size=2, max_size=9))
def test_a_batch_gives_the_same_bytes_as_one_by_one(written, given_events):
    run = Run(written, "Europe/Paris")
    rows = [column.index for column in run.columns]
    together = run.batch(given_events).values[rows]
    alone = np.column_stack([run.batch([event]).values[rows] for event in given_events])
    assert together.tobytes() == np.ascontiguousarray(alone).tobytes()


@settings(deadline=None, max_examples=60)
@given(places, places)
def test_distance_is_the_haversine_both_ways(home, shop):
    ours, back = Run(["distance_km(home, shop)", "distance_km(shop, home)"]).results(
        [{"home": home, "shop": shop}]
    )
    assert ours[0] == pytest.approx(
        evaluate("distance_km(home, shop)", {"home": home, "shop": shop}), abs=1e-6
    )
    assert ours == back


@settings(deadline=None, max_examples=150)
@given(expressions)
def test_a_rendered_expression_reads_back_as_the_same_node(text):
    world = World()
    node = world.check(text)
    assert render(world.check(render(node))) == render(node)
