"""Attributes: an event sees what was said last, not after it; golden errors; a run with the JIT off."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xxhash import xxh64_intdigest

from riskweave.batch import Layout, empty_batch
from riskweave.document import parse_yaml
from riskweave.errors import EventError, PolicyError, StateError
from riskweave.events.attributes import (
    AttributesCompiler,
    AttributesState,
    adopt,
    read_attributes,
    step,
)
from riskweave.expressions.strings import StringPool
from riskweave.expressions.types import Type
from tests.oracles.attributes import known_as_of

ROOT = Path(__file__).parents[2]


class House:
    """One entity, `merchant`, with a table; two roles of it when `roles` says so."""

    def __init__(self, text, folder=None, key_types=(Type.STRING,), roles=None):
        self.layout, self.pool = Layout(), StringPool()
        self.roles = roles or {"merchant": ("merchant_id",)}
        node = parse_yaml(text, "entities.yaml")
        spec = read_attributes("merchant", node, self.roles, key_types, folder)
        self.compiler = AttributesCompiler([spec], self.layout, self.pool, self._key_row)

    def _key_row(self, fields, span):
        return self.layout.add_key("+".join(fields))

    def ask(self, *names, role="merchant"):
        return [self.compiler.attribute("merchant", role, each) for each in names]

    def batch(self, times, keys, row=0):
        batch = empty_batch(self.layout, len(times))
        batch.values[0] = batch.time_ms[:] = times
        batch.keys[row] = keys
        return batch

    def seen(self, batch, column):
        """Return a column with text for codes and None for NaN."""
        values = [None if each != each else each for each in batch.values[column.index].tolist()]
        if column.type.is_text:
            return [None if each is None else self.pool.texts[int(each)] for each in values]
        return values


def text_hash(text):
    return xxh64_intdigest(text.encode()) or 1


def int_hash(number):
    return xxh64_intdigest(number.to_bytes(8, "little", signed=True)) or 1


KEYS = ["a", "b", "c", "d"]
VALUES = st.fixed_dictionaries(
    {}, optional={"kind": st.none() | st.sampled_from(["x", "y", "z"]), "risk": st.none() | st.floats(0, 1)}
)
ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.sampled_from(KEYS), st.integers(0, 12), VALUES),
        st.tuples(
            st.just("see"), st.lists(st.tuples(st.sampled_from(KEYS), st.integers(-1, 14)), max_size=8)
        ),
        st.tuples(st.just("restart")),
    ),
    max_size=30,
)
ROWS = st.lists(
    st.tuples(st.sampled_from(KEYS), st.integers(0, 12), st.sampled_from(["x", "y", ""]), st.integers(0, 9)),
    max_size=8,
    unique_by=lambda each: each[:2],
)


@settings(deadline=None, max_examples=200)
@given(rows=ROWS, acts=ACTS)
def test_any_story_shows_what_was_said_last(tmp_path_factory, rows, acts):
    folder = tmp_path_factory.getbasetemp()
    lines = [f"{key},{kind},{risk},{iso(begins)}" for key, begins, kind, risk in rows]
    (folder / "m.csv").write_text("id,kind,risk,since\n" + "".join(f"{each}\n" for each in lines))
    house = House("{file: m.csv, key: id, columns: {kind: string, risk: float}, from: since}", folder)
    kind, risk = house.ask("kind", "risk")
    plan = house.compiler.finish()
    state = AttributesState.create(plan)
    said = [
        (key, begins if begins else -9e99, {"kind": word or None, "risk": float(number)})
        for key, begins, word, number in rows
    ]
    for act in acts:
        if act[0] == "say":
            key = act[1] if act[2] % 2 else np.uint64(text_hash(act[1]))
            state.update("merchant", key, act[3], act[2])
            said.append(act[1:])
        elif act[0] == "see":
            keys, times = [each[0] for each in act[1]], [each[1] for each in act[1]]
            batch = house.batch(times, [text_hash(each) for each in keys])
            step(plan, state, batch)
            for column, name in ((kind, "kind"), (risk, "risk")):
                wanted = [known_as_of(said, key, name, at) for key, at in act[1]]
                assert house.seen(batch, column) == wanted
        else:
            state = AttributesState.restore(plan, state.snapshot())


def iso(time_ms):
    """0 stands for a row without a time."""
    return f"1970-01-01T00:00:00.{time_ms:03d}Z" if time_ms else ""


def test_every_type_from_a_file(tmp_path):
    (tmp_path / "m.csv").write_text(
        "id,s,i,f,m,b,t,p,lat,lon,place\n"
        '7,é,-3,1.5,12.30,true,1970-01-02,10.0.0.1,48.5,2.25,"1,2"\n'
        "8,,,,,,,,,,\n"
    )
    house = House(
        "{file: m.csv, key: id, columns: {s: string, i: int, f: float, m: money, b: bool, t: time, p: ip, "
        "at: {type: location, from: [lat, lon]}, place: location}}",
        tmp_path,
        key_types=(Type.INT,),
    )
    columns = house.ask("s", "i", "f", "m", "b", "t", "p", "at", "place")
    plan = house.compiler.finish()
    state = AttributesState.create(plan)
    batch = house.batch([0, 0, 0, 0], [int_hash(7), int_hash(8), int_hash(9), 0])
    step(plan, state, batch)
    seen = [house.seen(batch, each) for each in columns]
    assert [each[0] for each in seen] == ["é", -3, 1.5, 12.3, 1.0, 86_400_000, "10.0.0.1", 48.5, 1.0]
    assert all(each[1:] == [None, None, None] for each in seen)
    assert batch.values[columns[7].index + 1, 0] == 2.25
    assert batch.values[columns[8].index + 1, 0] == 2.0
    state.update("merchant", 9, {"at": (1.0, 2.0), "b": False, "i": 4, "t": "1970-01-01"}, 0)
    state = AttributesState.restore(plan, state.snapshot())
    step(plan, state, batch)
    assert [house.seen(batch, each)[2] for each in columns] == [None, 4, None, None, 0, 0, None, 1.0, None]


def test_a_parquet_file_and_a_composite_key(tmp_path):
    table = pyarrow.table({"c": ["a", "b"], "m": [1, 2], "risk": [0.5, None]})
    pyarrow.parquet.write_table(table, tmp_path / "pairs.parquet")
    roles = {"merchant": ("customer", "shop")}
    types = (Type.STRING, Type.INT)
    house = House("{file: pairs.parquet, key: [c, m], columns: {risk: float}}", tmp_path, types, roles)
    (risk,) = house.ask("risk")
    plan = house.compiler.finish()
    state = AttributesState.create(plan)
    state.update("merchant", ("z", 5), {"risk": 0.25}, 0)
    keys = [
        xxh64_intdigest(np.array([text_hash(c), int_hash(m)], "<u8").tobytes())
        for c, m in [("a", 1), ("z", 5)]
    ]
    batch = house.batch([0, 0], keys)
    step(plan, state, batch)
    assert house.seen(batch, risk) == [0.5, 0.25]


def test_two_roles_read_one_table(tmp_path):
    roles = {"payer": ("from_id",), "payee": ("to_id",)}
    house = House("{columns: {risk: float}}", roles=roles)
    (payer,) = house.ask("risk", role="payer")
    (payee,) = house.ask("risk", role="payee")
    assert house.ask("risk", role="payee") == [payee]
    plan = house.compiler.finish()
    state = AttributesState.create(plan)
    state.update("merchant", "a", {"risk": 0.5}, 5)
    state.update("merchant", "b", {"risk": 0.25}, 5)
    batch = house.batch([5], [text_hash("a")])
    batch.keys[1] = text_hash("b")
    step(plan, state, batch)
    assert (house.seen(batch, payer), house.seen(batch, payee)) == ([0.5], [0.25])


def test_many_keys_and_versions_keep_their_places():
    house = House("{columns: {risk: float}}")
    (risk,) = house.ask("risk")
    plan = house.compiler.finish()
    state = AttributesState.create(plan)
    order = np.random.default_rng(3).permutation(2000)
    for each in order.tolist():
        state.update("merchant", f"k{each % 200}", {"risk": each}, each)
    keys = [text_hash(f"k{at}") for at in range(200)]
    batch = house.batch([1000] * 200, keys)
    step(plan, state, batch)
    assert house.seen(batch, risk) == [at + 1000 if at == 0 else at + 800 for at in range(200)]
    told = state.describe()["entities"]["merchant"]
    assert (told["keys"], told["versions"]) == (200, 2000)
    assert told["bytes"] < 2000 * 200


def test_updates_survive_another_policy(tmp_path):
    old, new = House("{columns: {risk: float, kind: string}}"), House("{columns: {risk: int, kind: string}}")
    before = AttributesState.create(old.compiler.finish())
    before.update("merchant", "a", {"risk": 0.5, "kind": "x"}, 0)
    before.update("merchant", "b", {"risk": 0.5}, 0)
    risk, kind = new.ask("risk", "kind")
    plan = new.compiler.finish()
    after = AttributesState.create(plan)
    assert adopt(before, after) == 1
    batch = new.batch([0, 0], [text_hash("a"), text_hash("b")])
    step(plan, after, batch)
    assert (new.seen(batch, risk), new.seen(batch, kind)) == ([None, None], ["x", None])


def test_the_plan_stays_as_it_was(tmp_path):
    (tmp_path / "m.csv").write_text("id,risk\na,1\n")
    house = House("{file: m.csv, key: id, columns: {risk: float}}", tmp_path)
    (risk,) = house.ask("risk")
    plan = house.compiler.finish()
    AttributesState.create(plan).update("merchant", "a", {"risk": 2}, -(2**52))
    first = AttributesState.create(plan)
    first.update("merchant", "a", {"risk": 3}, 0)
    batch = house.batch([0], [text_hash("a")])
    step(plan, AttributesState.create(plan), batch)
    assert house.seen(batch, risk) == [1.0]


FILES = {
    "m.csv": "id,risk,since\na,high,2026-01-01\n",
    "t.csv": "id,risk,since\na,1,2026-01-01\na,2,tomorrow\n",
    "twins.csv": "id,risk\nb,1\na,1\n\na,2\n",
    "keyless.csv": "id,risk\n,1\n",
}
GOLDEN = {
    "{file: m.csv, key: id, columns: {risk: float}}": """\
m.csv:2:1: column `risk`: found 'high', expected a number
    a,high,2026-01-01
    ^^^^^^^^^^^^^^^^^""",
    "{file: m.csv, key: id, columns: {risk: bool}}": """\
m.csv:2:1: column `risk`: found 'high', expected true or false
    a,high,2026-01-01
    ^^^^^^^^^^^^^^^^^""",
    "{file: m.csv, key: id, columns: {rsk: float}}": """\
m.csv:1:1: `m.csv` has no column `rsk`
    id,risk,since
    ^^^^^^^^^^^^^
  did you mean `risk`?""",
    "{file: t.csv, key: id, columns: {risk: float}, from: since}": """\
t.csv:3:1: column `since`: found 'tomorrow', expected a date or time, as in 2026-01-31T12:00:00Z
    a,2,tomorrow
    ^^^^^^^^^^^^""",
    "{file: twins.csv, key: id, columns: {risk: float}}": """\
twins.csv:5:1: `a` is there twice with the same time
    a,2
    ^^^
  first at line 3; name the column of times in `from`, or keep one row""",
    "{file: keyless.csv, key: id, columns: {risk: float}}": """\
keyless.csv:2:1: column `id`: found '', expected a key
    ,1
    ^^""",
    "{file: m.csv, key: [id, risk], columns: {risk: float}}": """\
entities.yaml:1:20: the key of `merchant` has 1 parts, this one 2
    {file: m.csv, key: [id, risk], columns: {risk: float}}
                       ^^^^^^^^^^
  name one column of the file for each field of the entity's key""",
    "{file: m.csv, key: id, columns: {risk: flat}}": """\
entities.yaml:1:40: `columns.risk` is `flat`
    {file: m.csv, key: id, columns: {risk: flat}}
                                           ^^^^
  did you mean `float`?""",
    "{file: m.csv, columns: {risk: float}}": """\
entities.yaml:1:1: `policy` needs `key`
    {file: m.csv, columns: {risk: float}}
    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^""",
}


@pytest.mark.parametrize("text", GOLDEN)
def test_a_wrong_table_says_where_and_what(text, tmp_path):
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(PolicyError) as caught:
        House(text, tmp_path).compiler.finish()
    assert str(caught.value) == GOLDEN[text]


def test_an_unknown_attribute_gives_the_nearest():
    house = House("{columns: {risk: float}}")
    with pytest.raises(PolicyError, match="has no attribute `rsk`") as caught:
        house.ask("rsk")
    assert caught.value.hint == "did you mean `risk`?"
    with pytest.raises(PolicyError, match="`customer` has no attributes"):
        house.compiler.attribute("customer", "customer", "risk")
    assert house.compiler.has("merchant", "risk")
    assert not house.compiler.has("merchant", "age")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("shop", "a", {}, 0), "an entity with attributes"),
        (("merchant", "a", {"rsk": 1}, 0), "an attribute of `merchant`; did you mean `risk`"),
        (("merchant", "a", {"risk": "high"}, 0), "expected a number"),
        (("merchant", "a", {"risk": True}, 0), "expected a number"),
        (("merchant", "a", {"risk": float("inf")}, 0), "expected a number"),
        (("merchant", "a", {"risk": (1.0, 2.0)}, 0), "expected a number"),
        (("merchant", 5, {"risk": 1}, 0), "expected text"),
        (("merchant", ("a", "b"), {"risk": 1}, 0), "expected 1 parts"),
        (("merchant", "a", {"risk": 1}, 2**60), "milliseconds"),
    ],
)
def test_a_wrong_update_is_refused_and_changes_nothing(change, message):
    state = AttributesState.create(House("{columns: {risk: float}}").compiler.finish())
    with pytest.raises(EventError, match=message):
        state.update(*change)
    assert state.updates == []
    assert state.describe()["entities"]["merchant"]["versions"] == 0


def test_a_damaged_or_foreign_snapshot_is_refused():
    state = AttributesState.create(House("{columns: {risk: float}}").compiler.finish())
    state.update("merchant", "a", {"risk": 1}, 0)
    with pytest.raises(StateError, match="damaged"):
        AttributesState.restore(state.plan, state.snapshot()[:-1])
    with pytest.raises(StateError, match="another policy"):
        AttributesState.restore(House("{columns: {age: float}}").compiler.finish(), state.snapshot())


def test_the_same_with_the_jit_off():
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    tests = ["tests/events/test_attributes.py", "-k", "every_type or many_keys or two_roles"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *tests], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
