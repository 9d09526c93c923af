"""Lists from CSV and Parquet files; the same answers with the JIT off."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyarrow
import pyarrow.parquet

from riskweave.expressions.types import Type
from riskweave.lists.plan import step
from riskweave.lists.state import ListsState
from tests.lists.harness import House, matched

ROOT = Path(__file__).parents[2]


def look_up(house, name, operands, at=0):
    column = house.ask(name, "who")
    plan = house.plan()
    batch = house.batch([at] * len(operands), who=operands)
    state = ListsState.create(plan)
    step(plan, state, batch)
    return state, matched(batch, column)


def test_a_file_tells_who_put_an_entry_there_and_what_else_it_knows(tmp_path):
    (tmp_path / "people.csv").write_text(
        "\ufeffname,by,why,ticket,from,until\r\n\r\n"
        '"Doe, Jane",ann,"said\r\n""no""",T-1,1970-01-01,1970-01-02\r\nJoe,,,,,\r\n',
        encoding="utf-8",
        newline="",
    )
    house = House({"known": {"file": "people.csv", "column": "name"}}, {"who": Type.STRING}, tmp_path)
    state, found = look_up(house, "known", ["Doe, Jane", "joe", "Joe", None])
    assert found == [0, None, 1, None]
    entry = state.entry("known", 0)
    assert (entry.by, entry.why, entry.more) == ("ann", 'said\r\n"no"', {"ticket": "T-1"})
    assert (entry.added_ms, entry.expires_ms) == (0, 86_400_000)
    assert state.entry("known", 1).by is None


def test_a_parquet_file_is_read_as_its_csv_would_be(tmp_path):
    table = pyarrow.table({"value": [4111, None, 42], "why": ["a", None, "b"]})
    pyarrow.parquet.write_table(table.filter(pyarrow.array([True, False, True])), tmp_path / "bins.parquet")
    house = House({"bins": {"file": "bins.parquet", "kind": "prefix"}}, {"who": Type.STRING}, tmp_path)
    assert look_up(house, "bins", ["411122", "4", "421"])[1] == [0, None, 1]


def test_ranges_may_have_their_ends_in_two_columns(tmp_path):
    (tmp_path / "bins.csv").write_text("low,high,bank\n400000,499999,wide\n411000,411999,narrow\n")
    house = House({"bins": {"file": "bins.csv", "kind": "range"}}, {"who": Type.STRING}, tmp_path)
    state, found = look_up(house, "bins", ["411111", "450000", "500000", "x"])
    assert found == [1, 0, None, None]
    assert state.entry("bins", 1).more == {"bank": "narrow"}


def test_lists_nobody_asks_are_told():
    house = House({"a": ["x"], "b": ["y"]}, {"who": Type.STRING})
    house.ask("b", "who")
    assert [each.name for each in house.compiler.unused()] == ["a"]


def test_one_list_and_one_operand_share_a_column():
    house = House({"a": ["x"]}, {"who": Type.STRING})
    assert house.ask("a", "who") is house.ask("a", "who")
    assert len(house.plan().matchers) == 1


def test_describe_tells_entries_and_bytes():
    house = House({"a": ["x"]}, {"who": Type.STRING})
    state, _ = look_up(house, "a", ["x"])
    told = state.describe()
    assert told["bytes"] > 0
    assert told["lists"]["a"] == {"kind": "exact", "entries": 1, "added": 0, "ended": 0}


def test_the_same_with_the_jit_off():
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    tests = [
        "tests/lists/test_match.py",
        "-k",
        "any_split or came_after or by_its_value",
        "-p",
        "no:randomly",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *tests], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
