"""Decision tables: every DMN hit policy equals a direct reading of its definition."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracles.tables import as_cell, decide
from tests.rules.fake import Room

NUMBERS = st.sampled_from([-5, 0, 1, 2.5, 5, 100])
TEXTS = st.sampled_from(["gold", "silver", "basic"])
NUMBER_CELLS = st.one_of(
    st.just(("any",)),
    st.just(("missing",)),
    NUMBERS.map(lambda number: ("is", number)),
    st.tuples(st.just("is"), NUMBERS, NUMBERS),
    st.tuples(st.sampled_from(["<", "<=", ">", ">=", "!="]), NUMBERS),
    st.tuples(st.just("interval"), st.sampled_from("[("), st.just(0), NUMBERS.filter(lambda n: n >= 0),
              st.sampled_from("])")),
)  # fmt: skip
TEXT_CELLS = st.one_of(
    st.just(("any",)),
    st.just(("missing",)),
    TEXTS.map(lambda text: ("is", text)),
    st.tuples(st.just("is"), TEXTS, TEXTS),
    TEXTS.map(lambda text: ("not", ("is", text))),
)
NUMBER_CELLS = NUMBER_CELLS | NUMBER_CELLS.filter(lambda cell: cell[0] not in ("any", "missing")).map(
    lambda cell: ("not", cell)
)
LEVELS = ("high", "middle", "low")
ROWS = st.lists(
    st.tuples(
        st.tuples(NUMBER_CELLS, TEXT_CELLS),
        st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from(LEVELS)).map(list),
    ),
    min_size=1,
    max_size=8,
)
EVENTS = st.lists(
    st.fixed_dictionaries(
        {"amount": st.none() | NUMBERS, "segment": st.none() | TEXTS | st.just("never seen")}
    ),
    min_size=1,
    max_size=10,
)


def table(rows, hit, collect, outputs):
    document = {
        "inputs": {"paid": "amount", "level_of": "segment"},
        "hit": hit,
        "outputs": outputs,
        "rows": [[*(as_cell(cell) for cell in cells), *results] for cells, results in rows],
    }
    return {"tables": {"limits": {**document, "collect": collect} if collect else document}}


@settings(deadline=None, max_examples=40)
@pytest.mark.parametrize(
    "hit", ["unique", "any", "priority", "first", "rule_order", "output_order", "collect"]
)
@given(ROWS, EVENTS)
def test_a_hit_policy_decides_as_defined(hit, rows, events):
    room = Room(table(rows, hit, None, {"worth": "float", "level": list(LEVELS)}))
    batch = room.run(events)
    last = room.values(batch, "limits.violation" if hit in ("unique", "any") else "limits.matches")
    worth, level = room.values(batch, "limits.worth"), room.values(batch, "limits.level")
    plan = room.plan.table("limits")
    for index, event in enumerate(events):
        outputs, flag, ordered = decide(
            rows, (event["amount"], event["segment"]), hit, "list", [None, LEVELS]
        )
        assert [worth[index], level[index]] == outputs
        assert last[index] == flag
        assert plan.rows_of(batch, index) == ordered


@settings(deadline=None, max_examples=30)
@pytest.mark.parametrize("collect", ["sum", "min", "max", "count"])
@given(ROWS, EVENTS)
def test_collect_aggregates_as_defined(collect, rows, events):
    rows = [(cells, [results[0], 2.0 * number]) for number, (cells, results) in enumerate(rows)]
    room = Room(table(rows, "collect", collect, {"worth": "float", "more": "float"}))
    batch = room.run(events)
    found = [room.values(batch, f"limits.{name}") for name in ("worth", "more", "matches")]
    for index, event in enumerate(events):
        values = (event["amount"], event["segment"])
        outputs, matches, _ = decide(rows, values, "collect", collect, [None, None])
        assert [column[index] for column in found] == [*outputs, matches]


def test_tables_rules_and_trees_read_each_other():
    room = Room({
        "tables": {
            "second": {"inputs": {"level": "first_one.level"}, "hit": "first", "outputs": {"risk": "float"},
                       "rows": [["high", 0.9], ["-", 0.1]], "risk": "risk"},
            "first_one": {"inputs": {"a": "amount"}, "outputs": {"level": "string"},
                          "rows": [["> 10", "high"], ["<= 10", "low"]]},
        },
        "trees": {"third": {"if": "second.risk > 0.5", "then": {"risk": 1, "word": "stop"},
                            "else": {"risk": 0}}},
        "rules": [{"id": "r", "when": 'third.risk == 1 and third.word == "stop"'}],
    })  # fmt: skip
    batch = room.run([{"amount": 20.0}, {"amount": 5.0}, {"amount": None}])
    assert room.values(batch, "second.risk") == [0.9, 0.1, 0.1]
    assert room.hits(batch) == [["r"], [], []]
    assert sorted(room.plan.risks) == ["second.risk", "third.risk"]
    assert room.plan.stage == 8


def test_rows_may_come_from_a_csv_beside_the_policy(tmp_path):
    (tmp_path / "limits.csv").write_text(
        'risk,a,where\n0.2,"1, 2",FR\n0.7,> 5,"not(FR, DE)"\n0.9,-,missing\n'
    )
    room = Room(
        {"tables": {"limits": {"inputs": {"a": "amount", "where": "country"}, "outputs": {"risk": "float"},
                               "file": "limits.csv"}}},
        folder=tmp_path,
    )  # fmt: skip
    events = [(2.0, "FR"), (9.0, "GB"), (9.0, "DE"), (1.0, None)]
    batch = room.run([{"amount": amount, "country": country} for amount, country in events])
    assert room.values(batch, "limits.risk") == [0.2, 0.7, None, 0.9]


def test_quotes_make_plain_text_of_what_would_mean_something():
    rows = [[cell, number] for number, cell in enumerate(['"-"', '"missing"', '"a, b"', "'> 5'"])]
    room = Room({"tables": {"t": {"inputs": {"c": "country"}, "outputs": {"n": "int"}, "rows": rows}}})
    events = [{"country": text} for text in ("-", "missing", "a, b", "> 5", "a")]
    assert room.values(room.run(events), "t.n") == [0, 1, 2, 3, None]
