"""Scorecards and trees: points, reasons and leaves equal their definition."""

from hypothesis import given, settings
from hypothesis import strategies as st

from riskweave.rules.plan import reasons
from tests.oracles import rules as rule_oracle
from tests.oracles import tables as oracle
from tests.rules.fake import Room
from tests.rules.test_rules import CONDITIONS
from tests.rules.test_rules import EVENTS as RULE_EVENTS
from tests.rules.test_tables import EVENTS, NUMBER_CELLS, TEXT_CELLS

POINTS = st.integers(-50, 50).map(float)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(NUMBER_CELLS, POINTS), min_size=1, max_size=5),
    st.lists(st.tuples(TEXT_CELLS, POINTS), min_size=1, max_size=5),
    EVENTS,
)
def test_points_and_reasons_equal_their_definition(number_bands, text_bands, events):
    attributes = {"paid": ("amount", number_bands), "level": ("segment", text_bands)}
    room = Room({"scorecards": {"card": {
        "base": 600,
        "reasons": 1,
        "attributes": {
            name: {"value": value, "bands": [[oracle.as_cell(cell), worth] for cell, worth in bands]}
            for name, (value, bands) in attributes.items()
        },
        "risk": "points / 1000",
    }}})  # fmt: skip
    batch = room.run(events)
    plan = room.plan.table("card")
    for index, event in enumerate(events):
        bands = [number_bands, text_bands]
        total, earned = oracle.points(600.0, bands, (event["amount"], event["segment"]))
        assert room.values(batch, "card.points")[index] == total
        assert room.values(batch, "card.risk")[index] == total / 1000
        assert plan.points_of(batch, index) == earned
        expected = oracle.reasons(bands, earned, 1)
        assert [reason.attribute for reason in reasons(plan, batch, index)] == [
            list(attributes)[number] for number in expected
        ]


TREES = st.recursive(
    st.floats(0, 1).map(lambda risk: round(risk, 2)),
    lambda inner: st.tuples(CONDITIONS, inner, inner),
    max_leaves=6,
)


def as_tree(tree):
    if isinstance(tree, tuple):
        condition, then, otherwise = tree
        return {"if": rule_oracle.as_text(condition), "then": as_tree(then), "else": as_tree(otherwise)}
    return {"risk": tree, "reason": {"en": f"leaf {tree}"}}


@settings(deadline=None, max_examples=80)
@given(TREES, RULE_EVENTS)
def test_a_tree_ends_in_the_leaf_of_its_definition(tree, events):
    room = Room({"trees": {"triage": as_tree(tree)}})
    batch = room.run(events)
    plan = room.plan.table("triage")
    for index, event in enumerate(events):
        expected = oracle.leaf(tree, lambda condition, event=event: rule_oracle.holds(condition, event))
        assert room.values(batch, "triage.risk")[index] == expected
        assert plan.reason_of(batch, index) == {"en": f"leaf {expected}"}


def test_a_leaf_may_leave_outputs_out():
    room = Room(
        {"trees": {"t": {"if": "flag", "then": {"word": "stop", "sure": True}, "else": {"risk": 0.5}}}}
    )
    batch = room.run([{"flag": True}, {"flag": False}])
    found = [room.values(batch, f"t.{name}") for name in ("word", "sure", "risk")]
    assert found == [["stop", None], [1.0, None], [None, 0.5]]
