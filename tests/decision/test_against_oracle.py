"""The kernel chooses what the definition chooses, and every number of an outcome is the defined one."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskweave.decision.money import NUMBERS, SHARES, SIGNED, Costs, default_of
from riskweave.decision.plan import Number, Test
from riskweave.decision.telling import information
from riskweave.kernels import decide as kernel
from tests.oracles import decision as oracle

NAMES = (*NUMBERS, "price")
share = st.floats(0, 1) | st.sampled_from([0.0, 1.0, -0.5, 1.5, math.nan])
money = st.floats(0, 1e5) | st.sampled_from([0.0, -3.0, math.nan])
signed = st.floats(-1e4, 1e4) | st.just(math.nan)
probability = st.floats(0, 1) | st.sampled_from([0.0, 1.0, 0.05, 0.5])
costs = st.fixed_dictionaries(
    {name: share if name in SHARES else signed if name in SIGNED else money for name in NAMES}
)
results = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(lambda t: [(t[0], 1 - t[1]), (1 - t[0], t[1])])
event = st.fixed_dictionaries(
    {
        "p": probability,
        "costs": costs,
        "floor": st.sampled_from([math.nan, 0.0, 1.0, 2.0, 3.0]),
        "ceiling": st.sampled_from([math.nan, 0.0, 1.0, 2.0, 3.0]),
        "own_floor": st.booleans(),
        "own_ceiling": st.booleans(),
        "change": st.booleans(),
        "step": st.booleans(),
        "at_most": st.booleans(),
        "test_cost": st.floats(0, 50),
    }
)


def decided(events, tests, priced, ask):
    """Run the kernel: rows are the numbers, then conditions, then what it writes."""
    size = len(events)
    flags = ["floor", "ceiling", "own_floor", "own_ceiling", "change", "step", "at_most", "test_cost"]
    rows = {name: k for k, name in enumerate([*NAMES, *flags])}
    out = len(rows)
    values = np.full((out + kernel.OUTS, size), np.nan)
    for i, each in enumerate(events):
        for name in NAMES:
            values[rows[name], i] = each["costs"][name]
        for name in flags:
            values[rows[name], i] = float(each[name])
        values[out, i] = each["p"]
    ends = np.cumsum([0, *(len(test) for test in tests)])
    limits = [
        kernel.SHARE if n in SHARES else kernel.SIGNED if n in SIGNED else kernel.POSITIVE for n in NAMES
    ]
    score, action = np.empty(size), np.empty(size, np.int8)
    kernel.act_by_utility(
        values, np.zeros((1, size), np.uint64), np.zeros(size, np.int64), out, rows["floor"], rows["ceiling"],
        np.array([-1]), np.arange(len(NAMES)).reshape(1, -1), np.zeros((1, len(NAMES))),
        np.array([priced], np.uint8), np.array([default_of(name) for name in NAMES]), np.array(limits),
        np.array([[rows["change"], NAMES.index("insult"), 0, -1]]), np.array([2.5]),
        np.array([[rows["own_floor"], 2]]), np.array([[rows["own_ceiling"], 1]]),
        np.array([[rows["step"], kernel.STEP, -1], [rows["at_most"], kernel.AT_MOST, 1]]),
        np.array([[-1, rows["test_cost"], 2, *edge] for edge in pairwise(ends)], np.int64).reshape(-1, 5),
        np.zeros(len(tests)),
        np.array([result for test in tests for result in test], np.float64).reshape(-1, 2),
        ask, -1, -1, 0.0, 0,
        np.zeros(1, np.uint64), np.zeros(1, np.int64), np.zeros(1, np.int8),
        np.zeros(kernel.NUMBERS), np.zeros(4), np.zeros(4), score, action,
    )  # fmt: skip
    return values[out:], score, action


@settings(max_examples=200, deadline=None)
@given(
    st.lists(event, min_size=1, max_size=4),
    st.lists(results, max_size=3),
    st.lists(st.booleans(), min_size=2, max_size=2),
    st.booleans(),
)
def test_the_action_and_every_utility_are_the_defined_ones(events, tests, steps, ask):
    priced = [True, *steps, True]
    told, score, action = decided(events, tests, priced, ask)
    for i, each in enumerate(events):
        n = oracle.numbers(each["costs"], [("insult", "multiply", 2.5)] if each["change"] else [])
        assert score[i] == each["p"]
        scale = 1 + sum(abs(number) for number in n.values())
        for a in range(4):
            if priced[a]:
                assert told[kernel.OUT_UTILITY + a, i] == pytest.approx(
                    oracle.expected(a, n, each["p"]), abs=1e-9 * scale
                )
            else:
                assert math.isnan(told[kernel.OUT_UTILITY + a, i])
        floors = [int(bound) for bound in [each["floor"]] if bound == bound] + [2] * each["own_floor"]
        ceilings = [int(bound) for bound in [each["ceiling"]] if bound == bound] + [1] * each["own_ceiling"]
        opened = oracle.open_actions(floors, ceilings)
        usable = [a for a in opened if priced[a]]
        chosen = opened[0]
        if usable:
            worth = {a: oracle.expected(a, n, each["p"]) for a in usable}
            ranked = sorted(worth.values())
            if len(ranked) > 1 and ranked[-1] - ranked[-2] <= 1e-9 * scale:
                continue  # too close to call for a definition in floats of another order
            chosen = oracle.best(usable, n, each["p"])
            nets = [oracle.information(usable, n, each["p"], test) - each["test_cost"] for test in tests]
            if any(abs(net) < 1e-9 * scale for net in nets):
                continue
            asked = max(range(len(nets)), key=lambda t: nets[t], default=-1)
            worth_it = asked >= 0 and nets[asked] > 0
            assert told[kernel.OUT_NET, i] == pytest.approx(
                nets[asked] if worth_it else 0.0, abs=1e-9 * scale
            )
            if ask and worth_it and 2 in opened:
                chosen = 2
        if each["step"]:
            chosen = max([a for a in range(4) if priced[a] and a < chosen], default=chosen)
        if each["at_most"]:
            chosen = min(chosen, 1)
        assert action[i] == min(max(chosen, opened[0]), opened[-1])


@settings(max_examples=200, deadline=None)
@given(costs, probability, st.lists(results, min_size=1, max_size=1), st.sets(st.integers(0, 3), min_size=1))
def test_information_is_the_definition_never_negative_and_nothing_when_no_answer_changes_the_action(
    given_costs, p, tests, actions
):
    actions = sorted(actions)
    n = oracle.numbers(given_costs)
    value = information(
        Costs.of({name: number for name, number in given_costs.items() if number == number}),
        p,
        Test("t", -1, Number(-1, 0.0), tuple(("r", *result) for result in tests[0]), -1),
        actions,
    )
    scale = 1 + sum(abs(number) for number in n.values())
    assert value >= 0.0
    assert value == pytest.approx(oracle.information(actions, n, p, tests[0]), abs=1e-9 * scale)
    if len(actions) == 1 or all(f == pytest.approx(q, abs=0) for f, q in tests[0]):
        assert value == 0.0


def test_the_worked_case_of_the_books():
    test = Test("call", -1, Number(-1, 0.0), (("alarm", 0.9, 0.05), ("clear", 0.1, 0.95)), -1)
    assert information(Costs.of({"amount": 500, "insult": 40}), 0.05, test, [0, 3]) == pytest.approx(20.60)


@settings(max_examples=100, deadline=None)
@given(costs, probability)
def test_parts_add_up_to_what_is_expected(given_costs, p):
    n = oracle.numbers(given_costs)
    numbers = {name: number for name, number in given_costs.items() if number == number}
    scale = 1 + sum(abs(number) for number in n.values())
    for a, action in enumerate(["PASS", "MFA", "REVIEW", "BLOCK"]):
        parts = Costs.of(numbers).parts(action, p)
        assert sum(parts.values()) == pytest.approx(oracle.expected(a, n, p), abs=1e-9 * scale)
        ends = Costs.of(numbers).ends(action)
        assert ends == pytest.approx(
            [oracle.brings(a, n, True), oracle.brings(a, n, False)], abs=1e-9 * scale
        )
