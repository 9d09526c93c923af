"""Learned bands: the cut that tells most among those that rise, and the price that fills the queue."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskweave.decision.capacity import shadow_price
from riskweave.decision.learned_bands import learn_bands
from tests.oracles import decision as oracle

rows = st.lists(st.tuples(st.integers(0, 7), st.booleans()), min_size=1, max_size=40)


def groups_of(pairs, cuts):
    """(events, frauds) of each band, the first being below every cut."""
    edges = [-np.inf, *cuts, np.inf]
    return [
        (len(inside), sum(inside))
        for low, high in pairwise(edges)
        if (inside := [fraud for value, fraud in pairs if low <= value < high]) or True
    ]


@settings(max_examples=150, deadline=None)
@given(rows, st.integers(2, 4), st.integers(1, 5), st.booleans())
def test_no_other_cut_that_keeps_rising_tells_more(pairs, bands_max, events_min, rising):
    values, fraud = np.array([v for v, _ in pairs], float), np.array([f for _, f in pairs])
    found = learn_bands(values, fraud, bands_max=bands_max, events_min=events_min, rising=rising)
    mine = [(band.events, band.frauds) for band in found.bands]
    assert mine == groups_of(pairs, found.cuts)
    rates = [f / e for e, f in mine]
    assert rates == sorted(rates, reverse=not rising)
    assert found.gain == pytest.approx(oracle.information_gain(mine), abs=1e-9)
    if len(mine) > 1:
        assert min(e for e, _ in mine) >= events_min
    best = 0.0
    for count in range(bands_max):
        for cuts in combinations([v + 0.5 for v in range(7)], count):
            groups = groups_of(pairs, cuts)
            if min(e for e, _ in groups) < events_min:
                continue
            shares = [f / e for e, f in groups]
            if shares == sorted(shares, reverse=not rising):
                best = max(best, oracle.information_gain(groups))
    # With a least number of events the best cut may lie inside a pooled block; without one it never does.
    if events_min == 1:
        assert found.gain == pytest.approx(best, abs=1e-9)
    else:
        assert found.gain <= best + 1e-9


def test_many_distinct_values_and_unknown_ones():
    chance = np.random.default_rng(5)
    score = chance.random(20_000)
    fraud = chance.random(20_000) < np.where(score > 0.8, 0.4, np.where(score > 0.5, 0.1, 0.01))
    score[::50] = np.nan
    found = learn_bands(score, fraud, bands_max=3)
    assert found.cuts == pytest.approx([0.5, 0.8], abs=0.02)
    assert sum(band.events for band in found.bands) == 19_600
    assert learn_bands(np.array([np.nan]), np.array([True])).cuts == []
    assert learn_bands(-score, fraud, bands_max=3).cuts == pytest.approx([-0.8, -0.5], abs=0.02)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(*[st.integers(-5, 5)] * 4), min_size=1, max_size=30),
    st.integers(0, 10),
    st.integers(1, 5),
)
def test_the_price_is_the_least_at_which_no_more_are_asked_for_than_there_is_room(events, per_hour, hours):
    utilities = np.array(events, float).T
    time_ms = np.linspace(0, hours * 3_600_000, len(events)).astype(np.int64)
    if len(events) == 1:
        hours = 1
    found = shadow_price(utilities, np.ones_like(utilities, bool), time_ms, per_hour)
    assert found.room == per_hour * hours
    gains = [event[2] - max(event[0], event[1], event[3]) for event in events]
    assert found.price == oracle.shadow_price(gains, found.room)
    assert sum(gain > found.price for gain in gains) <= found.room
    chosen = [max(range(4), key=lambda a: (e[a] - found.price * (a == 2), -a)) for e in events]
    assert found.asked == chosen.count(2)


def test_reviews_that_a_floor_demands_take_room_whatever_they_cost():
    utilities = np.array([[0.0] * 4, [np.nan] * 4, [5.0, 4.0, 3.0, -9.0], [-50.0] * 4])
    opened = np.ones((4, 4), bool)
    opened[[0, 1, 3], 3] = False
    found = shadow_price(utilities, opened, np.array([0, 1, 2, 3_600_000]), 2)
    assert (found.price, found.asked, found.forced, found.wanted) == (4.0, 2, 1, 4)
    none = shadow_price(np.zeros((4, 0)), np.zeros((4, 0), bool), np.zeros(0, np.int64), 2)
    assert none.price == 0.0
