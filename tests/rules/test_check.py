"""Static checks: what they claim holds for every event there can be, found by trying them all."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from riskweave.rules.check import check
from tests.oracles import tables as table_oracle
from tests.oracles.rules import as_text, holds
from tests.rules.fake import Room
from tests.rules.test_tables import table

NUMBERS = [0.0, 1.0, 2.0]
# Every value that conditions on these constants can tell apart.
EVERY = {
    "amount": [None, -1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0],
    "limit": [None, -1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0],
    "country": [None, "FR", "DE", "other"],
}
EVENTS = [dict(zip(EVERY, values, strict=True)) for values in itertools.product(*EVERY.values())]
LEAVES = st.one_of(
    st.tuples(
        st.sampled_from(["<", "<=", ">", ">=", "==", "!="]),
        st.sampled_from(["amount", "limit"]),
        st.sampled_from(NUMBERS),
    ),
    st.tuples(st.sampled_from(["==", "!="]), st.just("country"), st.sampled_from(["FR", "DE"])),
    st.tuples(st.just("null"), st.sampled_from(["amount", "country"])),
)
CONDITIONS = st.lists(LEAVES | LEAVES.map(lambda leaf: ("not", leaf)), min_size=1, max_size=3).map(
    lambda leaves: ("and", *leaves)
)
RULES = st.lists(st.tuples(CONDITIONS, st.sampled_from([0.0, 0.5, 1.0])), min_size=1, max_size=5)


def messages(room):
    return [finding.message for finding in check(room.compiler)]


@settings(deadline=None, max_examples=150)
@given(RULES)
def test_rules_that_never_always_or_idly_hold_are_found_and_no_others(rules):
    document = [
        {"id": f"r{number}", "when": as_text(condition), "risk": risk}
        for number, (condition, risk) in enumerate(rules)
    ]
    found = messages(Room({"rules": document}))
    truth = [frozenset(i for i, event in enumerate(EVENTS) if holds(rule[0], event)) for rule in rules]
    for number, (_, risk) in enumerate(rules):
        own = truth[number]
        mine = [message for message in found if message.startswith(f"rule `r{number}` ")]
        said = {
            kind: any(kind in message for message in mine)
            for kind in ("can never", "always", "same", "nothing")
        }
        assert said["can never"] == (not own)
        assert said["always"] == (len(own) == len(EVENTS))
        assert said["same"] == bool(own and own in truth[:number])
        # A repeated rule is told once, and shadows nothing.
        wider = [
            other
            for other in range(len(rules))
            if own < truth[other] and rules[other][1] >= risk and truth[other] not in truth[:other]
        ]
        assert said["nothing"] == bool(own and wider and not said["same"])


NUMBER_CELLS = st.one_of(
    st.just(("any",)),
    st.just(("missing",)),
    st.tuples(st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), st.sampled_from([0, 1, 2])),
    st.tuples(st.just("interval"), st.sampled_from("[("), st.just(0), st.just(2), st.sampled_from("])")),
)
TEXT_CELLS = st.one_of(
    st.just(("any",)), st.just(("missing",)), st.just(("is", "FR")), st.just(("is", "FR", "DE")),
    st.just(("not", ("is", "DE"))),
)  # fmt: skip
ROWS = st.lists(st.tuples(NUMBER_CELLS, NUMBER_CELLS, TEXT_CELLS), min_size=1, max_size=6)


def boxes(rows, hit):
    written = [(cells, [float(number % 2)]) for number, cells in enumerate(rows)]
    document = table(written, hit, None, {"risk": "float"})
    document["tables"]["limits"]["inputs"] = {"a": "amount", "l": "limit", "c": "country"}
    for row, (cells, results) in zip(document["tables"]["limits"]["rows"], written, strict=True):
        row[:] = [*(table_oracle.as_cell(cell) for cell in cells), *results]
    covered = []
    for event in EVENTS:
        values = tuple(event.values())
        covered.append(table_oracle.matching_rows(written, values))
    return Room(document), written, covered


@settings(deadline=None, max_examples=80)
@given(ROWS)
def test_gaps_and_overlaps_of_a_unique_table_are_exact(rows):
    room, _, covered = boxes(rows, "unique")
    found = messages(room)
    pairs = {pair for matched in covered for pair in itertools.combinations(matched, 2)}
    said = {
        (int(words[3]) - 1, int(words[5]) - 1)
        for words in (each.split() for each in found if "overlap" in each)
    }
    assert said == pairs
    asked = [any(cells[place] == ("missing",) for cells in rows) for place in range(3)]
    gap = any(
        not matched and all(value is not None or asked[place] for place, value in enumerate(event.values()))
        for matched, event in zip(covered, EVENTS, strict=True)
    )
    assert any("no row covers" in each for each in found) == gap


@settings(deadline=None, max_examples=80)
@given(ROWS)
def test_rows_of_a_first_table_that_are_never_reached_are_exact(rows):
    room, _, covered = boxes(rows, "first")
    reached = {matched[0] for matched in covered if matched}
    said = {int(each.split()[3]) - 1 for each in messages(room) if "never reached" in each}
    assert said == set(range(len(rows))) - reached


def test_ten_thousand_rules_are_checked_without_comparing_all_pairs():
    generator = np.random.default_rng(3)
    rules = []
    for number in range(10_000):
        low = float(np.round(generator.random(), 6))
        rules.append(
            {"id": f"r{number}", "when": f"amount > {low} and limit < {1 - low} and age == {number}"}
        )
    assert messages(Room({"rules": rules})) == []
