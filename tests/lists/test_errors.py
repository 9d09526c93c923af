"""Every mistake in a list is refused with its place and the way out (golden)."""

from __future__ import annotations

import pytest

from riskweave.errors import EventError, LimitError, PolicyError, Span, StateError
from riskweave.expressions.types import Const, Type
from riskweave.lists.state import ListsState
from tests.lists.harness import House

FILES = {
    "nets.csv": "value,why\n10.0.0.0/8,test\n10.0.0.1/8,host bits\n",
    "dated.csv": "value,from,expires\na,2026-01-01,2026-02-01\nb,soon,\n",
    "backwards.csv": "value,from,until\na,2026-02-01,2026-01-01\n",
    "narrow.csv": "value,why\na,x\nb\n",
    "names.csv": "valeu,why\na,x\n",
    "empty.csv": "",
    "hole.csv": 'value,why\na,"two\nlines"\n\n"",none\n',
    "twice.csv": "value,value\n",
    "both.csv": "value,expires,until\n",
    "ranges.csv": "low,high\n5,1\n",
    "latin.csv": "value\ncaf\udce9\n",
    "quote.csv": 'value\n"a\n',
    "list.txt": "a\n",
    "broken.parquet": "no",
}

GOLDEN = {
    "{a: {file: nets.csv, kind: cidr}}": """\
nets.csv:3:1: column `value`: found '10.0.0.1/8', expected an address or a network, as in 10.0.0.0/8 or \
2001:db8::/32
    10.0.0.1/8,host bits
    ^^^^^^^^^^^^^^^^^^^^
  did you mean `10.0.0.0/8`?""",
    "{a: {file: dated.csv}}": """\
dated.csv:3:1: column `from`: found 'soon', expected a date or time, as in 2026-01-31T12:00:00Z
    b,soon,
    ^^^^^^^""",
    "{a: {file: backwards.csv}}": """\
backwards.csv:2:1: column `until`: found '2026-01-01', expected a time after `from`
    a,2026-02-01,2026-01-01
    ^^^^^^^^^^^^^^^^^^^^^^^""",
    "{a: {file: narrow.csv}}": """\
narrow.csv:3:1: the row has 1 values, the header 2 names
    b
    ^
  quote a value that contains a comma""",
    "{a: {file: names.csv}}": """\
names.csv:1:1: `names.csv` has no column `value`
    valeu,why
    ^^^^^^^^^
  did you mean `valeu`?""",
    "{a: {file: empty.csv}}": """\
empty.csv:1:1: the file has no header
  the first line names the columns""",
    "{a: {file: hole.csv}}": """\
hole.csv:5:1: column `value`: found '', expected a value
    ,none
    ^^^^^""",
    "{a: {file: twice.csv}}": """\
twice.csv:1:1: the column `value` is there twice
    value,value
    ^^^^^^^^^^^""",
    "{a: {file: both.csv}}": """\
both.csv:1:1: the columns `expires` and `until` mean the same
    value,expires,until
    ^^^^^^^^^^^^^^^^^^^
  keep one of them""",
    "{a: {file: ranges.csv, kind: range}}": """\
ranges.csv:2:1: column `low`: found '5', expected low..high with low <= high
    5,1
    ^^^""",
    "{a: {file: latin.csv}}": "latin.csv: the file is not UTF-8 text (invalid continuation byte)",
    "{a: {file: quote.csv}}": "quote.csv:2:1: not CSV: unexpected end of data",
    "{a: {file: list.txt}}": """\
list.txt: `list.txt` is neither .csv nor .parquet
  give the file one of these endings""",
    "{a: {file: nest.csv, kind: cidr}}": """\
lists.yaml:1:12: there is no file `nest.csv` beside the policy
    {a: {file: nest.csv, kind: cidr}}
               ^^^^^^^^
  did you mean `nets.csv`?""",
    "{a: {file: ../x.csv}}": """\
lists.yaml:1:12: `../x.csv` lies outside the policy's folder
    {a: {file: ../x.csv}}
               ^^^^^^^^
  put the file beside the policy""",
    "{a: {values: [x], kind: exakt}}": """\
lists.yaml:1:25: `a.kind` is `exakt`
    {a: {values: [x], kind: exakt}}
                            ^^^^^
  did you mean `exact`?""",
    "{a: {kind: cidr}}": """\
lists.yaml:1:2: list `a` needs either `file` or `values`
    {a: {kind: cidr}}
     ^""",
    "{a: {values: [1], of: number}}": """\
lists.yaml:1:23: `of` says what a range's bounds are, or whose names; list `a` is exact
    {a: {values: [1], of: number}}
                          ^^^^^^
  remove `of`""",
    "{a: {values: [x], threshold: 0.9}}": """\
lists.yaml:1:30: names have a threshold; list `a` is exact
    {a: {values: [x], threshold: 0.9}}
                                 ^^^
  remove `threshold`""",
    "{a: {values: ['...'], kind: names}}": """\
lists.yaml:1:16: list `a`: expected a name, in letters or digits
    {a: {values: ['...'], kind: names}}
                   ^^^""",
    "{a: {values: [10.0.0.0/33], kind: cidr}}": """\
lists.yaml:1:15: list `a`: expected an address or a network, as in 10.0.0.0/8 or 2001:db8::/32
    {a: {values: [10.0.0.0/33], kind: cidr}}
                  ^^^^^^^^^^^""",
    "{a: {values: [1..x], kind: range, of: number}}": """\
lists.yaml:1:15: list `a`: expected low..high with two numbers
    {a: {values: [1..x], kind: range, of: number}}
                  ^^^^""",
    "{a: {values: [{value: x, until: later}]}}": """\
lists.yaml:1:23: list `a`: `later` is not a time
    {a: {values: [{value: x, until: later}]}}
                          ^
  write 2026-01-31 or 2026-01-31T12:00:00Z""",
    "{a: {values: [{value: x, why: z, expire: later}]}}": """\
lists.yaml:1:34: `a.values[0]` has an unknown key `expire`
    {a: {values: [{value: x, why: z, expire: later}]}}
                                     ^^^^^^
  did you mean `expires`?""",
    "{a: alice}": """\
lists.yaml:1:5: `a` must be a list of values, or a map with `file` or `values`
    {a: alice}
        ^^^^^
  as in {file: blocked.csv, kind: cidr}""",
    "{a-b: [alice]}": """\
lists.yaml:1:2: `a-b` cannot be a list's name
    {a-b: [alice]}
     ^^^
  use letters, digits and _""",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("policy")
    for name, text in FILES.items():
        (path / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    return path


@pytest.mark.parametrize("text", GOLDEN)
def test_a_wrong_list_says_where_and_what(text, folder):
    with pytest.raises(PolicyError) as caught:
        House(text, {}, folder)
    assert clean(str(caught.value)) == GOLDEN[text]


def clean(text):
    """Parquet's own words come and go with its version."""
    return text


def test_a_broken_parquet_file_is_named(folder):
    with pytest.raises(PolicyError, match=r"broken\.parquet: the file is not Parquet"):
        House("{a: {file: broken.parquet}}", {}, folder)


ASKED = [
    ("{a: [x]}", "b", Type.STRING, "unknown list `b`"),
    ("{a: [x]}", "a", Type.BOOL, "a bool is on no list"),
    ("{a: {values: [10.0.0.0/8], kind: cidr}}", "a", Type.INT, "holds networks; a number is in none"),
    ("{a: {values: [a..b], kind: range}}", "a", Type.INT, "holds ranges of text; a number is in none"),
    ("{a: {values: [41], kind: prefix}}", "a", Type.FLOAT, "holds prefixes; a float has no one way"),
]


@pytest.mark.parametrize(("text", "name", "kind", "message"), ASKED)
def test_an_operand_that_a_list_cannot_look_up_is_refused(text, name, kind, message):
    house = House(text, {"field": kind})
    with pytest.raises(PolicyError, match=message):
        house.ask(name, "field")


def test_an_address_must_be_spelled_as_the_field_holds_it():
    house = House('{a: ["2001:DB8::1"]}', {"field": Type.IP})
    with pytest.raises(PolicyError, match="holds as `2001:db8::1`"):
        house.ask("a", "field")


def test_a_feature_and_a_constant_are_refused():
    house = House("{a: [x]}", {})
    late = house.layout.add("late", Type.STRING, 2)
    with pytest.raises(PolicyError, match="before features are known"):
        house.compiler.member("a", late, Span())
    with pytest.raises(PolicyError, match="a constant"):
        house.compiler.member("a", Const("x", Type.STRING), Span())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("nets", "10.0.0.1/8", 0), "an address or a network"),
        (("net", "10.0.0.1", 0), "the name of a list; did you mean `nets`"),
        (("nets", "", 0), "characters"),
        (("nets", "10.0.0.1", 5, 5), "a time after 5"),
        (("nets", "10.0.0.1", 2**62), "milliseconds UTC"),
    ],
)
def test_a_wrong_change_is_refused_and_changes_nothing(change, message):
    state = ListsState.create(House("{nets: {values: [], kind: cidr}}", {}).plan())
    with pytest.raises(EventError, match=message):
        state.add(*change)
    assert state.changes == []


def test_a_list_does_not_grow_without_end(monkeypatch):
    monkeypatch.setattr("riskweave.lists.state.ENTRIES_MAX", 2)
    state = ListsState.create(House("{known: [a]}", {}).plan())
    state.add("known", "b", 0)
    with pytest.raises(LimitError):
        state.add("known", "c", 0)


def test_a_damaged_or_foreign_snapshot_is_refused():
    state = ListsState.create(House("{known: [a]}", {}).plan())
    state.add("known", "b", 0)
    with pytest.raises(StateError, match="damaged"):
        ListsState.restore(state.plan, state.snapshot()[:-1])
    with pytest.raises(StateError, match="other lists"):
        ListsState.restore(House("{other: [a]}", {}).plan(), state.snapshot())
