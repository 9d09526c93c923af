"""Bands: the score is the greatest risk within [0, 1]; a band begins at its threshold; the floor wins."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from riskweave.kernels.bands import act

THRESHOLDS = [-math.inf, 0.1, 0.3, 0.7]
risk = st.sampled_from([math.nan, -1.0, 0.0, 0.1, 0.3, 0.7, 1.0, 1.5]) | st.floats(0, 1)
bound = st.sampled_from([math.nan, 0.0, 1.0, 2.0, 3.0])


def decided(risks, floor, ceiling):
    """By definition: the band of the greatest risk, at most the ceiling, at least the floor."""
    score = min(max([0.0, *(each for each in risks if not math.isnan(each))]), 1.0)
    action = max(number for number, least in enumerate(THRESHOLDS) if score >= least)
    if not math.isnan(ceiling):
        action = min(action, int(ceiling))
    if not math.isnan(floor):
        action = max(action, int(floor))
    return score, action


@given(st.lists(st.tuples(risk, risk, bound, bound), min_size=1, max_size=30))
def test_it_is_the_definition(rows):
    values = np.array(rows).T.copy()
    score, action = np.empty(len(rows)), np.empty(len(rows), np.int8)
    act(values, np.array([0, 1]), 2, 3, np.array(THRESHOLDS), score, action)
    expected = [decided(row[:2], row[2], row[3]) for row in rows]
    assert list(zip(score.tolist(), action.tolist(), strict=True)) == expected
