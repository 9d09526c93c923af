"""Every aggregate equals its definition at every event, whatever order events and labels arrive in."""

import itertools
import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskweave.features.spec import AGGREGATES
from riskweave.features.state import FeaturesState, step
from tests.features.world import World
from tests.oracles.features import LOOKS_BEFORE, Asked, answers

S = 1000
MONEY, NUMBER, WORD, PLACE = "amount", "weight", "device", "place"

BASIC = [
    Asked("count", "customer", "customer", window=10 * S),
    Asked("sum", "customer", "customer", MONEY, window=10 * S),
    Asked("mean", "customer", "customer", MONEY, window=30 * S),
    Asked("min", "customer", "customer", NUMBER, window=10 * S),
    Asked("max", "customer", "customer", NUMBER, window=10 * S),
    Asked("std", "customer", "customer", NUMBER, window=30 * S),
    Asked("distinct", "customer", "customer", WORD, window=30 * S),
]
EXACT = {
    "count", "min", "max", "distinct", "is_new", "first_seen", "last", "time_since", "rate", "mode", "rank",
    "distinct_places",
}  # fmt: skip


def everything():
    """Return each aggregate in several forms, on three tables."""
    shapes = [
        {"window": 10 * S},
        {"window": 30 * S, "where": ("flag",)},
        {"window": 20 * S, "before": True},
        {"window": 10 * S, "delay": 5 * S},
        {"window": 25 * S, "where": ("flag", "login"), "before": True, "delay": 3 * S},
        {"window": 15 * S, "labels": ("fraud",)},
        {"window": 40 * S, "labels": ("fraud",), "where": ("big",)},
    ]
    values = {
        "quantile": NUMBER, "median": MONEY, "std": NUMBER, "sum": NUMBER, "mean": NUMBER, "min": MONEY,
        "max": MONEY, "distinct": WORD, "is_new": WORD, "entropy": WORD, "last": "code", "mode": "code",
        "rank": MONEY, "zscore": NUMBER, "ratio": NUMBER, "decayed_sum": NUMBER, "hour_habit": "hour",
        "distance_from_last": PLACE, "speed_kmh": PLACE, "distance_from_usual": PLACE,
        "distinct_places": PLACE,
    }  # fmt: skip
    asked = []
    paths = [("customer", "customer"), ("payer", "payer"), ("payer", "payee"), ("payee", "payee")]
    for number, name in enumerate(AGGREGATES):
        for turn, shape in enumerate(shapes):
            shape = dict(shape)
            role, table = paths[(number + turn) % 4]
            if name in LOOKS_BEFORE:
                shape.pop("before", None)
            if name == "ratio":
                shape["second_window"] = shape["window"] + 10 * S
            if name in ("decayed_count", "decayed_sum"):
                shape["half_life"] = shape.pop("window")
                shape.pop("before", None)
            if (
                name in ("first_seen", "time_since", "last", "hour_habit")
                and turn % 2
                and "labels" not in shape
            ):
                shape.pop("window")
            if name == "rate":
                shape["condition"] = (*shape.get("where", ()), "big")
                shape["condition_labels"] = (*shape.get("labels", ()), *(("abuse",) if turn % 2 else ()))
            if name == "quantile":
                shape["share"] = (0.0, 0.1, 0.25, 0.5, 0.9, 0.99, 1.0)[turn]
            asked.append(Asked(name, role, table, values.get(name, ""), **shape))
    return asked


def check(features, events, labels, forget, splits=(), **state):
    """Compare the engine's answers with the definition's."""
    world = World()
    plan, columns = world.plan(features, forget)
    spans = {table.role: table.span_ms for table in plan.tables}
    expected = answers(events, features, labels, spans, plan.forget_after_ms)
    found = run(world, plan, columns, events, labels, splits, **state)
    for i in range(len(events)):
        for asked, column, want in zip(features, range(len(columns)), expected[i], strict=True):
            got = found[column, i]
            if want is None:
                assert np.isnan(got), (i, asked, got, want)
            elif asked.aggregate in EXACT or (asked.aggregate in ("sum", "mean") and asked.value == MONEY):
                assert got == want, (i, asked, got, want)
            else:
                assert got == pytest.approx(want, rel=1e-11, abs=2e-7 if asked.value == PLACE else 1e-11), (
                    i, asked, got, want,
                )  # fmt: skip


def run(world, plan, columns, events, labels, splits=(), keys=1, words=64):
    """Return the feature columns (feature, event), the events cut into batches at `splits`."""
    state = FeaturesState.create(plan, keys=keys, words=words)
    return carry(world, plan, state, columns, events, labels, splits)


def carry(world, plan, state, columns, events, labels, splits=()):
    """Step a state through all the events; a label goes with the first batch that may hold it."""
    found = np.empty((len(columns), len(events)))
    waiting = list(labels)
    bounds = [0, *sorted(splits), len(events)]
    for begin, end in itertools.pairwise(bounds):
        mine = [each for each in waiting if each[0] <= end]
        waiting = waiting[len(mine) :]
        batch = world.batch(events[begin:end], mine, begin)
        step(plan, state, batch)
        found[:, begin:end] = batch.values[[column.index for column in columns]]
    return found


def make_event(time, watermark, customer, payer, payee, cents, weight, code, device, place, flags, hour):
    return {
        "time": time, "watermark": watermark, "keys": {"customer": customer, "payer": payer, "payee": payee},
        "amount": None if cents is None else Fraction(cents, 100), "weight": weight, "code": code,
        "device": device, "place": place, "hour": hour,
        "flag": [None, False, True, True][flags % 4], "big": bool(flags & 4), "login": bool(flags & 8),
    }  # fmt: skip


places = st.sampled_from([None, (0.0, 0.0), (48.8, 2.3), (48.81, 2.31), (-33.9, 151.2), (60.0, -179.9)])
keys = st.sampled_from([None, 1, 1, 2, 3])


@st.composite
def streams(draw, size=40):
    """Events of few keys with equal times, late ones, long silences; labels that come, change and go."""
    steps = draw(
        st.lists(
            st.tuples(
                st.sampled_from([0, 0, 1, 1, 2, 5, 9, -1, -3, -12, -40, -90, 30, 70, 200]),
                st.integers(0, 3).map(lambda part: part * 250),
                keys, keys, keys,
                st.one_of(st.none(), st.integers(-500, 500)),
                st.one_of(st.none(), st.sampled_from([0.0, -0.0, 0.1, 1e9, -7.25]), st.floats(-1e6, 1e6)),
                st.one_of(st.none(), st.integers(0, 2)),
                st.one_of(st.none(), st.integers(1, 3)),
                places, st.integers(0, 15), st.integers(0, 23),
            ),
            min_size=1, max_size=size,
        )
    )  # fmt: skip
    events = []
    now = watermark = 1_700_000_000_000
    for jump, part, *rest in steps:
        time = now + jump * S + part
        watermark = max(watermark, time)
        events.append(make_event(time, watermark, *rest))
        if jump > 0:
            now = time
    named = draw(
        st.lists(
            st.tuples(
                st.integers(0, len(events)), st.integers(0, len(events) - 1),
                st.sampled_from(["fraud", "abuse"]),
                st.sampled_from([1, 1, 0, None]),
            ),
            max_size=25,
        )
    )  # fmt: skip
    return events, sorted(named, key=lambda each: each[0])


@settings(max_examples=60, deadline=None)
@given(streams())
def test_basic_aggregates_equal_their_definition(stream):
    check(BASIC, *stream, forget=None)


@settings(max_examples=60, deadline=None)
@given(streams(), st.sampled_from([5 * S, 25 * S, 100 * S]))
def test_every_aggregate_equals_its_definition(stream, forget):
    check(everything(), *stream, forget=forget)


def long_stream(seed, size, keys=3, late=0.2, labels=0):
    """A dense stream of one or few keys: windows of hundreds of entries."""
    choose = random.Random(seed)
    events = []
    watermark = 1_700_000_000_000
    for _ in range(size):
        now = watermark + choose.choice([0, 0, 50, 100, 400])
        time = now - (choose.randrange(0, 30_000) if choose.random() < late else 0)
        watermark = max(watermark, time)
        who = [choose.randrange(1, keys + 1) for _ in range(3)]
        events.append(
            make_event(
                time, watermark, *who, choose.choice([None, *range(-9, 30)]),
                choose.choice([None, choose.random() * 100]),
                choose.choice([None, 0, 1, 2, 3]), choose.choice([None, *range(1, 40)]),
                choose.choice([None, (choose.random() * 50, choose.random() * 50)]),
                choose.randrange(16), choose.randrange(24),
            )
        )  # fmt: skip
    named = [
        (
            choose.randrange(size + 1),
            choose.randrange(size),
            choose.choice(["fraud", "abuse"]),
            choose.choice([1, 1, 0]),
        )
        for _ in range(labels)
    ]
    return events, sorted(named, key=lambda each: each[0])


@pytest.mark.parametrize("seed", range(3))
def test_long_windows_equal_their_definition(seed):
    check(everything(), *long_stream(seed, 250, keys=1 + seed, labels=150), forget=60 * S)


def test_a_huge_value_that_has_left_leaves_no_trace():
    start = 1_700_000_000_000
    weights = [1e9, 0.1, 0.1, 0.1, 1e-7, 3e-7, 2e-7, 0.5, 0.25]
    events = [
        make_event(start + 4 * S * i, start + 4 * S * i, 1, 1, 1, 100, weight, 0, 1, None, 1, 0)
        for i, weight in enumerate(weights)
    ]
    asked = [
        Asked(name, "customer", "customer", NUMBER, window=10 * S)
        for name in ("sum", "mean", "std", "zscore")
    ]
    check(asked, events, [], 60 * S)
