"""What a list matches equals its definition, whatever is added or removed in between."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskweave.expressions.types import Type
from riskweave.lists.plan import step
from riskweave.lists.state import ListsState, adopt
from tests.lists.harness import House, matched
from tests.oracles.lists import Entry, OracleList

TIMES = st.integers(0, 20)
WORDS = st.text("abAß1", min_size=1, max_size=3)
V4 = st.builds(lambda a, b: f"10.0.{a}.{b}", st.integers(0, 3), st.integers(0, 7))
V6 = st.builds(lambda a, b: f"2001:db8::{a:x}:{b:x}", st.integers(0, 2), st.integers(0, 7))
ADDRESSES = st.one_of(V4, V6, V4.map(lambda each: f"::ffff:{each}"), st.just("no address"))


@st.composite
def networks(draw):
    if draw(st.booleans()):
        host = draw(st.sampled_from([0, 1, 2, 3, 8, 10, 16]))
        bits = (10 << 24 | draw(st.integers(0, 3)) << 8 | draw(st.integers(0, 7))) >> host << host
        return ".".join(str(bits >> at & 255) for at in (24, 16, 8, 0)) + f"/{32 - host}"
    host = draw(st.sampled_from([1, 3, 16, 17, 64]))
    bits = (0x20010DB8 << 96 | draw(st.integers(0, 2)) << 16 | draw(st.integers(0, 7))) >> host << host
    words = ":".join(f"{bits >> at & 0xFFFF:x}" for at in range(112, -1, -16))
    return f"{words}/{128 - host}"


def ranges(bounds):
    return st.tuples(bounds, bounds).map(lambda pair: "..".join(pair))


def ordered(kind, low_high):
    low, high = low_high.split("..")
    return low_high if kind(low) <= kind(high) else f"{high}..{low}"


NUMBERS = st.one_of(
    st.integers(-30, 30).map(str), st.builds(lambda a, b: f"{a}.{b}", st.integers(0, 9), st.integers(0, 9))
)
KINDS = {
    "exact": ("exact", "", WORDS, WORDS),
    "prefix": ("prefix", "", WORDS, st.text("abAß1", max_size=4)),
    "cidr": ("cidr", "", networks(), ADDRESSES),
    "numbers": ("range", "number", ranges(NUMBERS).map(lambda r: ordered(float, r)), NUMBERS),
    "texts": ("range", "text", ranges(WORDS), WORDS),
    "addresses": (
        "range",
        "ip",
        ranges(V4).map(lambda r: ordered(lambda each: [int(part) for part in each.split(".")], r)),
        ADDRESSES,
    ),
}


@st.composite
def stories(draw):
    """A list, its first entries, and then events and changes in arrival order."""
    name = draw(st.sampled_from(sorted(KINDS)))
    kind, of, values, operands = KINDS[name]
    ignore_case = kind in ("exact", "prefix") and draw(st.booleans())
    if of == "text":
        values = values.map(lambda each: ordered(str, each))
    limits = st.one_of(st.none(), TIMES)
    first = []
    for value in draw(st.lists(values, max_size=5)):
        begins, ends = draw(limits), draw(limits)
        if begins is not None and ends is not None and begins >= ends:
            ends = begins + 1
        first.append((value, begins, ends))
    acts = draw(
        st.lists(
            st.one_of(
                st.tuples(st.just("events"), st.lists(st.tuples(TIMES, st.none() | operands), max_size=6)),
                st.tuples(st.just("add"), values, TIMES, st.none() | st.integers(1, 10)),
                st.tuples(st.just("remove"), values, TIMES),
                st.tuples(st.just("restart")),
            ),
            min_size=1,
            max_size=10,
        )
    )
    return kind, of, ignore_case, first, acts


def iso(time_ms):
    return f"1970-01-01T00:00:00.{time_ms:03d}Z"


@settings(deadline=None, max_examples=250)
@given(stories())
def test_any_story_matches_what_the_definition_matches(story):
    kind, of, ignore_case, first, acts = story
    entries = [
        {"value": value}
        | ({} if begins is None else {"from": iso(begins)})
        | ({} if ends is None else {"until": iso(ends)})
        for value, begins, ends in first
    ]
    spec = {"kind": kind, "values": entries} | ({"of": of} if of else {})
    spec |= {"ignore_case": ignore_case} if kind != "cidr" else {}
    house = House({"known": spec}, {"who": Type.STRING, "other": Type.STRING})
    column, other = house.ask("known", "who"), house.ask("known", "other")
    plan = house.plan()
    state = ListsState.create(plan)
    oracle = OracleList(
        kind,
        of,
        ignore_case,
        [
            Entry(value, -math.inf if begins is None else begins, math.inf if ends is None else ends)
            for value, begins, ends in first
        ],
    )
    for act in acts:
        if act[0] == "events":
            times, operands = [each[0] for each in act[1]], [each[1] for each in act[1]]
            batch = house.batch(times, who=operands, other=operands[::-1])
            step(plan, state, batch)
            assert matched(batch, column) == list(map(oracle.match, operands, times))
            assert matched(batch, other) == list(map(oracle.match, operands[::-1], times))
        elif act[0] == "add":
            expires = None if act[3] is None else act[2] + act[3]
            state.add("known", act[1], act[2], expires, "ann", "seen")
            oracle.add(act[1], act[2], expires)
        elif act[0] == "remove":
            state.remove("known", act[1], act[2])
            same = [each.value for each in oracle.entries]
            for value in {each for each in same if canonical(kind, of, each) == canonical(kind, of, act[1])}:
                oracle.remove(value, act[2])
            oracle.remove(act[1], act[2])
        else:
            state = ListsState.restore(plan, state.snapshot())


def canonical(kind, of, value):
    """`1.0..2` and `1..2` are one range."""
    if kind == "range" and of == "number":
        return tuple(map(float, value.split("..")))
    return value


WHOLE = st.integers(-1300, 1300) | st.sampled_from([2**53, 10**15, -(10**15), 12 * 10**13])


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.one_of(WHOLE.map(str), st.sampled_from(["007", "12.0", "x", "-0", "-"])), max_size=8),
    st.lists(WHOLE, max_size=12),
    st.sampled_from(["exact", "prefix"]),
)
def test_a_whole_number_compares_by_its_decimal_text(values, operands, kind):
    house = House({"known": {"kind": kind, "values": values}}, {"number": Type.INT})
    column = house.ask("known", "number")
    plan = house.plan()
    batch = house.batch([0] * len(operands), number=operands)
    step(plan, ListsState.create(plan), batch)
    oracle = OracleList(kind, "", False, [Entry(each) for each in values])
    assert matched(batch, column) == [oracle.match(str(each), 0) for each in operands]


@settings(deadline=None, max_examples=200)
@given(
    st.lists(ranges(NUMBERS).map(lambda each: ordered(float, each)), max_size=8),
    st.lists(NUMBERS, max_size=12),
    st.sampled_from([Type.INT, Type.FLOAT, Type.MONEY]),
    st.lists(ranges(NUMBERS).map(lambda each: ordered(float, each)), max_size=2),
)
def test_a_number_lies_in_its_narrowest_range(values, operands, kind, later):
    house = House({"known": {"kind": "range", "of": "number", "values": values}}, {"number": kind})
    column = house.ask("known", "number")
    plan, oracle = house.plan(), OracleList("range", "number", False, [Entry(each) for each in values])
    state = ListsState.create(plan)
    if kind is Type.INT:
        operands = [str(int(float(each))) for each in operands]
    for value in [None, *later]:
        if value is not None:
            state.add("known", value, 0)
            oracle.add(value, 0, None)
        batch = house.batch([0] * len(operands), number=[float(each) for each in operands])
        step(plan, state, batch)
        found = matched(batch, column)
        for operand, mine, wanted in zip(
            operands, found, [oracle.match(x, 0) for x in operands], strict=True
        ):
            # Widths of decimals and of floats may order two ranges differently only when they are equal.
            assert mine == wanted or width(oracle, mine) == pytest.approx(width(oracle, wanted)), operand


def width(oracle, number):
    low, high = oracle.entries[number].value.split("..")
    return float(high) - float(low)


@settings(deadline=None, max_examples=100)
@given(st.lists(NUMBERS, max_size=8), st.lists(NUMBERS, max_size=12))
def test_an_amount_is_on_a_list_by_its_value(values, operands):
    house = House({"known": values}, {"amount": Type.MONEY})
    column = house.ask("known", "amount")
    plan = house.plan()
    batch = house.batch([0] * len(operands), amount=[float(each) for each in operands])
    step(plan, ListsState.create(plan), batch)
    wanted = [
        max((n for n, each in enumerate(values) if float(each) == float(operand)), default=None)
        for operand in operands
    ]
    assert matched(batch, column) == wanted


def test_texts_that_come_after_the_tables_were_laid_out_are_looked_up():
    house = House({"known": ["w500"], "never": []}, {"who": Type.STRING})
    column, never = house.ask("known", "who"), house.ask("never", "who")
    plan = house.plan()
    state = ListsState.create(plan)
    for first in range(0, 1000, 100):
        operands = [f"w{at}" for at in range(first, first + 100)]
        batch = house.batch([0] * 100, who=operands)
        step(plan, state, batch)
        assert matched(batch, column) == [0 if each == "w500" else None for each in operands]
        assert matched(batch, never) == [None] * 100


def test_any_split_into_batches_gives_the_same_columns():
    values = [{"value": f"w{at}", "until": iso(at % 7 + 1)} for at in range(20)]
    generator = np.random.default_rng(1)
    operands = [f"w{at}" for at in generator.integers(0, 40, 200)]
    times = generator.integers(0, 9, 200).tolist()
    columns = []
    for size in (1, 7, 200):
        house = House({"known": {"values": values}}, {"who": Type.STRING})
        column = house.ask("known", "who")
        plan = house.plan()
        state, found = ListsState.create(plan), []
        for at in range(0, 200, size):
            batch = house.batch(times[at : at + size], who=operands[at : at + size])
            step(plan, state, batch)
            found += matched(batch, column)
        columns.append(found)
    assert columns[0] == columns[1] == columns[2]


def test_an_entry_tells_who_when_and_why():
    house = House(
        {"known": {"values": [{"value": "eve", "from": iso(3), "by": "ann", "why": "fraud"}, "bob"]}},
        {"who": Type.STRING},
    )
    house.ask("known", "who")
    state = ListsState.create(house.plan())
    number = state.add("known", "joe", 5, 9, "bob", "mule")
    first, last = state.entry("known", 0), state.entry("known", number)
    assert (first.value, first.by, first.why, first.added_ms, first.expires_ms) == (
        "eve",
        "ann",
        "fraud",
        3,
        None,
    )
    assert (last.value, last.by, last.why, last.added_ms, last.expires_ms) == ("joe", "bob", "mule", 5, 9)
    assert state.remove("known", "joe", 7) == 1
    assert state.remove("known", "joe", 8) == 0
    assert state.entry("known", number).expires_ms == 7


def test_changes_survive_another_policy():
    old = House({"known": ["a", "b"], "gone": []}, {"who": Type.STRING})
    old.ask("known", "who")
    before = ListsState.create(old.plan())
    before.add("known", "c", 0)
    before.remove("known", "a", 0)
    before.add("gone", "x", 0)
    new = House({"known": ["z", "a", "b"]}, {"who": Type.STRING})
    column = new.ask("known", "who")
    after = ListsState.create(new.plan())
    assert adopt(before, after) == 2
    batch = new.batch([1] * 4, who=["a", "b", "c", "z"])
    step(new.plan(), after, batch)
    assert matched(batch, column) == [None, 2, 3, 0]


def test_many_changes_do_not_fill_memory(monkeypatch):
    monkeypatch.setattr("riskweave.lists.state._CELLS_WASTED_MAX", 300)
    house = House({"known": []}, {"who": Type.STRING})
    column = house.ask("known", "who")
    plan = house.plan()
    state = ListsState.create(plan)
    for at in range(400):
        state.remove("known", "a", at)
        number = state.add("known", "a", at)
        batch = house.batch([at], who=["a"])
        step(plan, state, batch)
        assert matched(batch, column) == [number]
    assert len(state.table) < 12_000


@pytest.mark.parametrize(
    ("kind", "value", "operand"),
    [
        ("exact", "a", "a"),
        ("cidr", "10.0.0.0/8", "10.1.1.1"),
        ("prefix", "a", "ab"),
        ("range", "1..5", "3"),
        ("range", "a..c", "b"),
    ],
)
def test_of_equal_entries_the_one_added_last_matches(kind, value, operand):
    house = House({"known": {"kind": kind, "values": [value, value]}}, {"who": Type.STRING})
    column = house.ask("known", "who")
    plan = house.plan()
    state = ListsState.create(plan)
    for at, wanted in ((-1, 1), (0, 2)):
        if at == 0:
            state.add("known", value, at)
        batch = house.batch([at], who=[operand])
        step(plan, state, batch)
        assert matched(batch, column) == [wanted]
