"""The matcher: the same hits as asking every rule, with many rules, cuts, columns and events."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskweave.kernels import matching
from riskweave.rules import matcher as matcher_module
from riskweave.rules.matcher import build_matcher
from riskweave.rules.ranges import EVERYTHING, Ranges, codes, compare, just_above, points, whole

NUMBERS = st.sampled_from([-np.inf, -2.0, -0.0, 0.0, 5e-324, 1.0, just_above(1.0), 1e300, np.inf])
OPS = ["<", "<=", ">", ">=", "==", "!="]
FINITE = NUMBERS.filter(np.isfinite)
SETS = st.recursive(
    st.tuples(st.sampled_from(OPS), FINITE).map(lambda pair: (compare(*pair), [pair]))
    | st.lists(FINITE, max_size=3).map(lambda members: (points(members), [("in", tuple(members))]))
    | st.just((Ranges((), True), [("null", 0.0)])),
    lambda inner: (
        st.tuples(inner, inner).map(lambda pair: (pair[0][0] & pair[1][0], ["&", pair[0][1], pair[1][1]]))
        | st.tuples(inner, inner).map(lambda pair: (pair[0][0] | pair[1][0], ["|", pair[0][1], pair[1][1]]))
        | inner.map(lambda one: (~one[0], ["~", one[1]]))
    ),
    max_leaves=5,
)


def member(meaning, value):
    """Tell by definition whether a value is in a set that is written as nested lists."""
    if meaning[0] == "&":
        return member(meaning[1], value) and member(meaning[2], value)
    if meaning[0] == "|":
        return member(meaning[1], value) or member(meaning[2], value)
    if meaning[0] == "~":
        return not member(meaning[1], value)
    ((op, constant),) = meaning
    if op == "null":
        return np.isnan(value)
    if np.isnan(value):
        return False
    if op == "in":
        return value in constant
    return {
        "<": value < constant, "<=": value <= constant, ">": value > constant,
        ">=": value >= constant, "==": value == constant, "!=": value != constant,
    }[op]  # fmt: skip


@settings(deadline=None)
@given(SETS, st.lists(NUMBERS | st.just(np.nan), min_size=1))
def test_sets_are_exact_at_every_edge(pair, values):
    ranges, meaning = pair
    for value in values:
        assert (value in ranges) == member(meaning, value)


@settings(deadline=None)
@given(
    st.lists(st.tuples(SETS, SETS, SETS), max_size=20),
    st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), max_size=9),
)
def test_hits_are_the_rules_that_hold(rules, events):
    conditions = [{row: one[0] for row, one in enumerate(rule)} for rule in rules]
    values = np.array(events, np.float64).reshape(-1, 3).T.copy()
    start, hits = build_matcher(conditions).match(values)
    for index, event in enumerate(events):
        expected = [
            number
            for number, rule in enumerate(rules)
            if all(member(one[1], value) for one, value in zip(rule, event, strict=True))
        ]
        assert hits[start[index] : start[index + 1]].tolist() == expected


@pytest.mark.parametrize(("rules", "events"), [(64, 700), (130, 257), (600, 300), (5000, 80)])
def test_many_rules_over_many_columns_hit_like_numpy(rules, events):
    generator = np.random.default_rng(rules)
    values = np.round(generator.random((12, events)), 2)
    values[generator.random(values.shape) < 0.05] = np.nan
    conditions = []
    holds = np.ones((rules, events), bool)
    for rule in range(rules):
        condition = {}
        for row in generator.choice(12, 3, replace=False):
            bound = round(float(generator.random()), 2)
            op = str(generator.choice(["<", "<=", ">", ">=", "=="], p=[0.3, 0.3, 0.19, 0.19, 0.02]))
            condition[int(row)] = condition.get(int(row), EVERYTHING) & compare(op, bound)
            column = values[row]
            holds[rule] &= {
                "<": column < bound, "<=": column <= bound, ">": column > bound,
                ">=": column >= bound, "==": column == bound,
            }[op]  # fmt: skip
        conditions.append(condition)
    start, hits = build_matcher(conditions).match(values)
    assert np.array_equal(start, np.concatenate([[0], np.cumsum(holds.sum(axis=0))]))
    assert np.array_equal(hits[: start[-1]], np.nonzero(holds.T)[1])


def test_columns_few_rules_read_are_asked_of_survivors_only():
    conditions = [{0: compare(">", 0.5), rule + 1: compare("<", 0.5)} for rule in range(8)]
    matcher = build_matcher(conditions)
    assert matcher.plan[matching.COLUMNS] == 1
    values = np.full((9, 2), 0.25)
    values[0] = [0.75, 0.25]
    values[3, 0] = np.nan
    start, hits = matcher.match(values)
    assert hits[: start[1]].tolist() == [0, 1, 3, 4, 5, 6, 7]
    assert start.tolist() == [0, 7, 7]


def test_chunks_do_not_show(monkeypatch):
    generator = np.random.default_rng(5)
    conditions = [{int(generator.integers(4)): compare(">", float(generator.random()))} for _ in range(300)]
    values = generator.random((4, 50))
    start, hits = build_matcher(conditions).match(values)
    monkeypatch.setattr(matcher_module, "CHUNK_RULES", 128)
    other_start, other_hits = build_matcher(conditions).match(values)
    assert np.array_equal(start, other_start)
    assert np.array_equal(hits[: start[-1]], other_hits[: start[-1]])


def test_whole_numbers_round_their_edges():
    assert whole(compare(">", 3.0) & compare("<", 4.0)).is_empty
    assert whole(compare(">", 3.0) & compare("<=", 4.0)).edges == (4.0, 5.0)
    assert whole(compare(">=", 2.5)).edges == (3.0,)
    assert codes([3, 1, 2]).edges == (1.0, 4.0)


def test_kernels_run_without_the_jit():
    script = (
        "from tests.rules.test_matcher import test_many_rules_over_many_columns_hit_like_numpy as many\n"
        "from tests.rules.test_rules import test_risk_may_be_computed_and_stays_within_0_and_1 as risk\n"
        "from tests.rules.test_tables import test_tables_rules_and_trees_read_each_other as tables\n"
        "many(130, 20)\nmany(600, 9)\nmany(70, 1)\nrisk()\ntables()\n"
    )
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
