"""Programs: each value once, rows used again, stages kept apart, columns promised and given."""

import math

import numpy as np
import pytest

from riskweave.batch import Layout, empty_batch
from riskweave.errors import PolicyError
from riskweave.expressions.compile import OPS, Compiler
from riskweave.expressions.run import StringTables, step
from riskweave.expressions.strings import StringPool
from riskweave.expressions.types import Const, Op, Type
from riskweave.kernels.program import OPCODES
from tests.expressions.world import Run, World, run_one


def instructions(run):
    return [OPCODES[line[0]] for program in run.programs for line in program.code]


def test_a_repeated_part_is_computed_once_across_all_expressions():
    run = Run(["x + y > 1", "(y + x) * 2 < 7", "not (1 < y + x)", "x + y"])
    assert instructions(run).count("add") == 1
    assert instructions(run).count("lt_cr") + instructions(run).count("lt_rc") == 2


def test_equal_expressions_share_a_column():
    run = Run(["x > y", "y < x", "(x) > (y)"])
    assert len({column.index for column in run.columns}) == 1


def test_a_column_is_its_own_column():
    run = Run(["x"])
    assert run.columns[0] is run.world.columns["x"]
    assert instructions(run) == []


def test_rows_of_intermediate_values_are_used_again():
    chain = " + ".join(f"x * {number}.5" for number in range(1, 60))
    run = Run([chain])
    assert run.world.layout.temp_rows <= 3


def test_a_value_runs_at_the_first_stage_that_has_all_it_reads():
    run = Run(["x + 1 > late", "x + 1"])
    assert [column.stage for column in run.columns] == [2, 0]
    assert [len(program.code) for program in run.programs[:3]] == [1, 0, 1]
    assert run.results([{"x": 1.0, "late": 0.0}]) == [[True], [2.0]]


def test_a_value_survives_in_its_row_until_a_later_stage_has_read_it():
    # Each x * n is made at stage 0 and read at stage 2, after many other intermediate values.
    texts = [f"x * {n} + late > 0" for n in range(2, 9)] + [
        f"(y * {n} + 1) * (y + {n}) > 0" for n in range(2, 9)
    ]
    run = Run([*texts, "sqrt(abs(x * 3 + late))"])
    assert run.results([{"x": 3.0, "y": 1.0, "late": 0.0}])[-1] == [3.0]


def test_a_kept_column_serves_those_who_read_the_column():
    world = World()
    compiler = Compiler(world.layout, StringPool(), "UTC")
    kept = compiler.column(world.check("x + 1"))
    world.columns["more"] = kept
    again = compiler.column(world.check("more * 2"))
    same = compiler.column(world.check("(x + 1) * 2"))
    assert again == same
    assert sum(len(program.code) for program in compiler.finish()) == 2


def test_constants_and_points_get_columns():
    run = Run(["3", "'bob'", "None", "point(x, 2)", "point(1, 2)"])
    batch = run.batch([{"x": 48.0}, {"x": None}])
    number, text, null, made, fixed = (column.index for column in run.columns)
    assert batch.values[number].tolist() == [3.0, 3.0]
    assert run.pool.texts[int(batch.values[text, 1])] == "bob"
    assert np.isnan(batch.values[null]).all()
    assert batch.values[made, 0] == 48.0
    assert math.isnan(batch.values[made, 1])
    assert batch.values[made + 1].tolist() == [2.0, 2.0]
    assert batch.values[fixed : fixed + 2, 0].tolist() == [1.0, 2.0]


def test_stages_beyond_the_usual_get_programs():
    layout = Layout()
    far = layout.add("far", Type.FLOAT, 9)
    compiler = Compiler(layout, StringPool(), "UTC")
    compiler.column(Op("neg", (far,), Type.FLOAT))
    programs = compiler.finish()
    assert [program.stage for program in programs] == list(range(10))
    assert [len(program.code) for program in programs] == [0] * 9 + [1]


def test_no_column_is_added_once_rows_are_reserved():
    run = Run(["x + 1 > 2"])
    assert run.world.layout.temp_rows
    with pytest.raises(AssertionError):
        run.world.layout.add("another", Type.FLOAT, 0)


def test_an_unknown_time_zone_is_refused():
    with pytest.raises(PolicyError, match="unknown time zone"):
        Run(["hour(at)"], "Mars/Phobos")


def test_every_operation_is_named():
    made = {"gt", "ge"}
    assert not made & set(OPS)
    assert {"if", "and", "coalesce", "matches", "in_network", "hour"} <= set(OPS)


def test_a_thousand_expressions_share_one_program():
    run = Run([f"amount > {n} and name == 'm{n}'" for n in range(1000)])
    results = run.results([{"amount": 500.5, "name": "m7"}])
    assert [n for n, row in enumerate(results) if row == [True]] == [7]


# ---- text


def test_a_test_of_text_is_asked_once_per_distinct_text(monkeypatch):
    from riskweave.expressions import run as module

    asked = []
    monkeypatch.setitem(
        module.TEXT_FUNCTIONS, "contains", lambda text, part: asked.append(text) or part in text
    )
    run = Run(["contains(name, 'o')", "contains(name, 'o') and x > 1"])
    events = [{"name": name, "x": 2.0} for name in ("bob", "eve", "bob", None, "bob")]
    first = run.results(events)
    assert run.results(events) == first
    assert first[0] == [True, False, True, False, True]
    assert sorted(asked) == ["bob", "eve"]


def test_many_distinct_texts_are_answered():
    run = Run(["upper(name)", "name in ['N7', 'n9']", "upper(name) == 'N19999'"])
    events = [{"name": f"n{i}"} for i in range(20_000)]
    uppers, among, one = run.results(events)
    assert uppers == [f"N{i}" for i in range(20_000)]
    assert [i for i, found in enumerate(among) if found] == [9]
    assert [i for i, found in enumerate(one) if found] == [19_999]


def test_answers_and_constants_are_found_again_in_another_pool():
    run = Run(["lower(name) == 'bob'", "name in ['a', 'BOB']", "matches(name, 'B')"])
    events = [{"name": "BOB"}, {"name": "a"}, {"name": None}]
    before = run.results(events)
    other = StringPool()
    for text in ("zzz", "BOB", "yyy", "a"):
        other.code(text)
    run.pool = other
    run.strings.rebuild(other)
    assert run.results(events) == before


def test_a_failure_while_answering_leaves_nothing_half_known(monkeypatch):
    from riskweave.expressions import run as module

    run = Run(["contains(name, 'o')"])

    def fail(text, part):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setitem(module.TEXT_FUNCTIONS, "contains", fail)
        with pytest.raises(MemoryError):
            run.results([{"name": "bob"}])
    assert run.results([{"name": "bob"}]) == [[True]]


def test_an_empty_list_holds_nothing():
    assert run_one("x in []", {"x": 1.0}) is False
    assert run_one("x not in []", {"x": 1.0}) is True
    assert run_one("x not in []", {"x": None}) is False


def test_an_empty_batch_is_fine():
    layout = Layout()
    x = layout.add("x", Type.STRING, 0)
    compiler = Compiler(layout, StringPool(), "UTC")
    compiler.column(Op("contains", (x,), Type.BOOL, ("o",)))
    programs = compiler.finish()
    step(programs[0], StringTables(programs, compiler.pool), empty_batch(layout, 0))


def test_a_constant_beside_a_column_of_another_sign_of_zero_is_its_own():
    run = Run(["x * 0.0", "x * -0.0"])
    assert run.columns[0] != run.columns[1]
    assert isinstance(run.world.check("-0.0"), Const)
