"""Nodes in normal form: mirrored or repeated, they are one; what differs on null stays apart."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskweave.expressions.compile import Compiler
from riskweave.expressions.fold import NOT_FOLDED, fold
from riskweave.expressions.run import StringTables
from riskweave.expressions.text import render
from riskweave.expressions.types import Const, Op, Type
from tests.expressions.world import Run, World

NUMBERS = st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-9, 9).map(float)
OF_TWO = ("add", "sub", "mul", "div", "floordiv", "mod", "pow", "min", "max", "lt", "le", "eq", "ne")
OF_ONE = (
    "neg",
    "abs",
    "sign",
    "round",
    "floor",
    "ceil",
    "sqrt",
    "log",
    "log10",
    "exp",
    "is_null",
    "not",
    "truth",
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x > y", "y < x"),
        ("x + y", "y + x"),
        ("x == 1", "1.0 == x"),
        ("new and known", "known and new and known"),
        ("(new and known) and x > 1", "1 < x and (known and new)"),
        ("not not (x > 1)", "x > 1"),
        ("not x is None", "x is not None"),
        ("name in ['b', 'a', 'b']", "name in {'a', 'b'}"),
        ("name in ['a']", "name == 'a'"),
        ("between(x, 1, 2)", "1 <= x <= 2"),
        ("distance_km(home, shop)", "distance_km(shop, home)"),
        ("x > 2 * 3", "x > 6"),
        ("new and True", "new and new"),
        ("name.lower() == 'a'", "lower(name) == 'a'"),
        ("customer.age > limit", "customer.age > 5000"),
        ("(x if True else y) > 1", "x > 1"),
        ("coalesce(x, x)", "x"),
        ("--x", "x"),
    ],
)
def test_one_meaning_is_one_node(one, other):
    world = World()
    assert world.check(one) == world.check(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("not (x < y)", "x >= y"),
        ("not (x == y)", "x != y"),
        ("not (name in ['a', 'b'])", "name not in ['a', 'b']"),
        ("new", "not not new"),
        ("min(x, y)", "min(y, x)"),
        ("(x + y) + late", "x + (y + late)"),
    ],
)
def test_what_may_differ_stays_apart(one, other):
    world = World()
    assert world.check(one) != world.check(other)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", 7.0),
        ("'a' == 'a'", True),
        ("True or new", True),
        ("new and False", False),
        ("1 / 0", None),
    ],
)
def test_constants_fold(text, value):
    node = World().check(text)
    assert isinstance(node, Const)
    assert node.value == value


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(OF_ONE + OF_TWO), NUMBERS, NUMBERS)
def test_folding_and_the_kernel_agree(op, a, b):
    kind = Type.BOOL if op in ("lt", "le", "eq", "ne", "is_null", "not", "truth") else Type.FLOAT
    count = 2 if op in OF_TWO else 1
    run = Run([])
    world = run.world
    compiler = Compiler(world.layout, run.pool, "UTC")
    node = Op(op, (world.columns["x"], world.columns["y"])[:count], kind)
    run.columns = [compiler.column(node)]
    run.programs = compiler.finish()
    run.strings = StringTables(run.programs, run.pool)
    folded = fold(op, (a, b)[:count], ())
    assert folded is not NOT_FOLDED
    assert run.results([{"x": a, "y": b}])[0][0] == folded


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("5000 < amount", "amount > 5000"),
        ("not (x is None)", "x is not None"),
        ("(x + y) * (x - 1)", "(x + y) * (x - 1)"),
        ("x - (y - 1)", "x - (y - 1)"),
        ("(x > 1 or new) and known", "known and (new or x > 1)"),
        ("-x ** 2", "-x ** 2"),
        ("at >= '2024-01-01'", 'at >= "2024-01-01"'),
        ("x if new else 0", "x if new else 0"),
        ("name not in ('b', 'a')", 'name not in ["a", "b"]'),
        ("round(x)", "round(x)"),
        ("round(x, 2)", "round(x, 2)"),
        ("distance_km(home, point(1, 2))", "distance_km(home, point(1, 2))"),
    ],
)
def test_a_node_reads_as_an_analyst_would_write_it(text, rendered):
    assert render(World().check(text)) == rendered
