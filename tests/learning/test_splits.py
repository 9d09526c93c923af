"""Splits equal their definition: nothing is learned from that was not known, nothing known is tested."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from riskweave.learning.splits import (
    DAY_MS,
    prequential,
    shares_by_time,
    split_by_time,
    without_known_compromised,
)
from tests.oracles import splits as oracle

events = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 15), st.sampled_from([0.0, 1.0, None])), max_size=60
)


@given(events, st.integers(0, 10), st.integers(1, 15), st.integers(0, 8), st.integers(1, 15))
def test_a_split_is_what_was_known_and_what_comes(rows, start, train, gap, test):
    time = np.array([row[0] for row in rows], np.int64)
    known = time + np.array([row[1] for row in rows], np.int64)
    label = np.array([np.nan if row[2] is None else row[2] for row in rows])
    found = split_by_time(time, known, label, start, start + train, gap, start + train + gap + test)
    plain = [(t, k, row[2]) for t, k, row in zip(time.tolist(), known.tolist(), rows, strict=True)]
    wanted = oracle.split(plain, start, start + train, gap, start + train + gap + test)
    assert (found.train.tolist(), found.test.tolist()) == wanted


@given(
    st.lists(st.tuples(st.integers(0, 25), st.integers(0, 6), st.booleans()), max_size=80),
    st.integers(1, 5),
    st.integers(0, 8),
    st.integers(1, 8),
)
def test_cards_known_to_be_compromised_leave_the_test(rows, train_days, delay, test_days):
    rows = sorted(rows, key=lambda row: row[0])
    day = np.array([row[0] for row in rows], np.int64)
    card = np.array([row[1] for row in rows], np.int64)
    label = np.array([float(row[2]) for row in rows])
    time = day * DAY_MS + 1000
    end = (train_days + delay + test_days) * DAY_MS
    split = split_by_time(time, time, label, 0, train_days * DAY_MS, delay * DAY_MS, end)
    kept = without_known_compromised(split, time, card, label, delay)
    assert kept.test.tolist() == oracle.kept_in_test(rows, test_days, 0, train_days, delay, delay)
    assert kept.train.tolist() == split.train.tolist()


def test_folds_follow_each_other():
    time = np.arange(100, dtype=np.int64)
    folds = prequential(time, time, np.zeros(100), 10, train_ms=20, gap_ms=5, test_ms=10, folds=3)
    assert [(fold.train[0], fold.train[-1], fold.test[0], fold.test[-1]) for fold in folds] == [
        (10, 29, 35, 44),
        (20, 39, 45, 54),
        (30, 49, 55, 64),
    ]


def test_the_last_share_is_the_test():
    time = np.arange(100, dtype=np.int64)
    split = shares_by_time(time, time, np.zeros(100), 0.25, gap_ms=10)
    assert (split.train[-1], split.test[0], split.test[-1]) == (64, 75, 99)
