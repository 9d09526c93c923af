"""Near misses: what failed, how far it was, never what fired."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskweave.explanation.near_misses import NEAR, NearRules, evaluate
from riskweave.expressions.build import make
from riskweave.expressions.strings import StringPool
from riskweave.expressions.types import Col, Const, Op, Type
from riskweave.rules.conditions import take_apart

AMOUNT, LIMIT, COUNT, NEW, COUNTRY = (
    Col(2, Type.MONEY, 0, "amount"),
    Col(3, Type.MONEY, 2, "limit"),
    Col(4, Type.INT, 2, "count"),
    Col(5, Type.BOOL, 2, "new"),
    Col(6, Type.STRING, 0, "country"),
)
POOL = StringPool()
FR, DE = POOL.code("FR"), POOL.code("DE")


def number(value):
    return Const(float(value), Type.FLOAT)


def above(column, value):
    return Op("lt", (number(value), column), Type.BOOL)


def rules(*nodes):
    """Rules whose compound operands are computed into rows of their own; and a way to fill those rows."""
    conditions = [take_apart(node, POOL) for node in nodes]
    rows, compound = [], {}
    for condition in conditions:
        rows.append([
            operand.index if isinstance(operand, Col) else compound.setdefault(operand, 7 + len(compound))
            for operand in condition
        ])  # fmt: skip
    return NearRules(conditions, rows, POOL), compound


def near(nodes, amount=0.0, limit=0.0, count=0.0, new=0.0, country=float(FR), fired=()):
    found, compound = rules(*nodes)
    values = np.array([0.0, 0.0, amount, limit, count, new, country, *([0.0] * len(compound))])
    for operand, row in compound.items():
        values[row] = truth(operand, values)
    return found.of(values, fired)


def truth(node, values):
    if isinstance(node, Op) and node.op in ("and", "or"):
        return float((all if node.op == "and" else any)(truth(each, values) for each in node.args))
    if isinstance(node, Op) and node.op == "not":
        return 1.0 - truth(node.args[0], values)
    if isinstance(node, Op) and node.op == "lt":
        left, right = (evaluate(each, values) for each in node.args)
        return float(left < right)
    return float(evaluate(node, values) == 1.0)


def test_a_number_short_of_its_limit_is_told_with_the_distance():
    (found,) = near([above(AMOUNT, 5000)], amount=4800.0)
    (missing,) = found.missing
    assert (missing.kind, missing.value, missing.limit) == ("above", 4800.0, 5000.0)
    assert missing.gap == pytest.approx(0.04)


def test_a_number_far_from_its_limit_is_not_told():
    assert near([above(AMOUNT, 5000)], amount=5000 * (1 - NEAR) - 1) == []


def test_nothing_is_a_limit_too():
    (found,) = near([above(AMOUNT, 0)], amount=-0.1)
    assert found.missing[0].gap == pytest.approx(0.1)
    assert near([above(AMOUNT, 0)], amount=-1.0) == []


def test_a_count_one_step_away_is_near_whatever_the_share():
    (found,) = near([Op("le", (number(3), COUNT), Type.BOOL)], count=2.0)
    assert (found.missing[0].kind, found.missing[0].limit) == ("at_least", 3.0)


def test_all_failing_comparisons_must_be_near():
    node = make("and", (above(AMOUNT, 100), above(COUNT, 10)), Type.BOOL)
    assert len(near([node], amount=90.0, count=9.5)[0].missing) == 2
    assert near([node], amount=90.0, count=1.0) == []


def test_a_flag_alone_is_told_only_when_two_others_hold():
    node = make("and", (above(AMOUNT, 100), above(COUNT, 10), NEW), Type.BOOL)
    (found,) = near([node], amount=200.0, count=20.0)
    assert found.missing[0].kind == "true"
    assert near([make("and", (above(AMOUNT, 100), NEW), Type.BOOL)], amount=200.0) == []


def test_the_side_that_the_event_brings_is_the_one_told():
    (found,) = near([Op("lt", (LIMIT, AMOUNT), Type.BOOL)], amount=95.0, limit=100.0)
    (missing,) = found.missing
    assert (missing.operand, missing.kind, missing.limit) == (AMOUNT, "above", 100.0)


def test_of_alternatives_the_nearest_is_told():
    node = make("or", (above(AMOUNT, 1000), above(COUNT, 10)), Type.BOOL)
    (found,) = near([node], amount=950.0, count=1.0)
    assert [each.operand for each in found.missing] == [AMOUNT]


def test_text_tells_what_would_have_been_right():
    where = Op("in", (COUNTRY,), Type.BOOL, ("DE",))
    node = make("and", (above(AMOUNT, 10), above(COUNT, 1), where), Type.BOOL)
    (found,) = near([node], amount=20.0, count=5.0, country=float(FR))
    assert (found.missing[0].kind, found.missing[0].wanted) == ("is", (float(DE),))


def test_a_rule_of_another_kind_of_event_is_not_near():
    kind = Col(1, Type.STRING, 0, "event_type")
    node = make(
        "and", (Op("eq", (kind, Const("login", Type.STRING)), Type.BOOL), above(AMOUNT, 100)), Type.BOOL
    )
    POOL.code("login")
    assert near([node], amount=99.0) == []


values = st.floats(-1000, 1000, width=32)
atoms = st.one_of(
    st.builds(above, st.sampled_from([AMOUNT, COUNT, LIMIT]), values),
    st.builds(lambda a, b: Op("lt", (a, b), Type.BOOL), *[st.sampled_from([AMOUNT, COUNT, LIMIT])] * 2),
    st.just(NEW),
)
nodes = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.builds(lambda a: make("not", (a,), Type.BOOL), inner),
        st.builds(lambda op, a, b: make(op, (a, b), Type.BOOL), st.sampled_from(["and", "or"]), inner, inner),
    ),
    max_leaves=6,
)


@given(st.lists(nodes, min_size=1, max_size=5), values, values, values, st.sampled_from([0.0, 1.0]))
def test_a_rule_that_holds_is_never_near_and_a_near_one_says_what_is_missing(
    found, amount, limit, count, new
):
    told = near(found, amount, limit, count, new)
    row = np.array([0.0, 0.0, amount, limit, count, new, float(FR)])
    for each in told:
        assert truth(found[each.number], row) == 0.0
        assert each.missing
        for missing in each.missing:
            if missing.kind in ("above", "at_least") and isinstance(missing.operand, Col):
                assert missing.value <= missing.limit
            if missing.kind in ("below", "at_most") and isinstance(missing.operand, Col):
                assert missing.value >= missing.limit
    assert [each.distance for each in told] == sorted(each.distance for each in told)
    assert all(math.isfinite(each.distance) for each in told)
