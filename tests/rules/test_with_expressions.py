"""Rules with the real expressions room: the same hits as by definition."""

from hypothesis import given, settings

from riskweave.expressions.check import check
from riskweave.expressions.compile import Compiler
from riskweave.expressions.parse import parse
from riskweave.expressions.run import StringTables
from riskweave.expressions.run import step as run_program
from riskweave.rules.plan import step, step_stage
from tests.oracles import tables as table_oracle
from tests.oracles.rules import counted_hits, holds, outcome
from tests.rules.fake import Room
from tests.rules.test_rules import EVENTS, RULES, TAKES, as_policy
from tests.rules.test_scorecards_and_trees import TREES, as_tree


class RealRoom(Room):
    """The stand-in's columns, with expressions parsed, checked and computed for real."""

    def __init__(self, document):
        self.real = None
        super().__init__(document)
        self.programs = self.real.finish()
        self.strings = StringTables(self.programs, self.pool)

    def column(self, node):
        self.real = self.real or Compiler(self.layout, self.pool, "UTC")
        return self.real.column(node)

    def check(self, text, span):
        self.real = self.real or Compiler(self.layout, self.pool, "UTC")
        return check(parse(text, span), self)

    # ---- what names mean

    def name(self, name, span):
        return self.named(name, span, _Start())

    def attribute(self, path, span):
        return self.named(".".join(path), span, _Start())

    def is_entity(self, name):
        return False

    def is_list(self, name):
        return False

    def run(self, events):
        batch = self.batch(events)
        for stage in range(self.plan.stage + 1):
            step_stage(self.plan, stage, batch)
            if stage < len(self.programs):
                run_program(self.programs[stage], self.strings, batch)
        step(self.plan, batch)
        return batch


class _Start:
    col_offset = 0


@settings(deadline=None, max_examples=100)
@given(RULES, TAKES, EVENTS)
def test_hits_and_outcome_equal_their_definition(rules, takes, events):
    if not rules:
        return
    room = RealRoom(as_policy(rules, takes))
    batch = room.run(events)
    columns = [room.values(batch, f"rules.{name}") for name in ("risk", "floor", "ceiling")]
    for index, event in enumerate(events):
        expected = counted_hits(rules, takes, event)
        assert room.hits(batch)[index] == [f"r{number}" for number in expected]
        assert tuple(column[index] for column in columns) == outcome(rules, expected)


@settings(deadline=None, max_examples=50)
@given(TREES.filter(lambda tree: isinstance(tree, tuple)), EVENTS)
def test_a_tree_ends_in_the_leaf_of_its_definition(tree, events):
    room = RealRoom({"trees": {"triage": as_tree(tree)}})
    found = room.values(room.run(events), "triage.risk")
    for index, event in enumerate(events):
        assert found[index] == table_oracle.leaf(tree, lambda asked, event=event: holds(asked, event))


def test_computed_operands_are_shared_and_text_functions_work():
    room = RealRoom({"rules": [
        {"id": "night", "when": "hour(event_time) >= 22 or hour(event_time) < 6"},
        {"id": "noon", "when": "hour(event_time) == 12 and lower(country) == 'fr'"},
        {"id": "starts", "when": "country.startswith('F') and not (amount / limit > 2)"},
    ]})  # fmt: skip
    hour = 3_600_000
    events = [
        {"event_time": 23 * hour, "country": "DE", "amount": 9.0, "limit": 1.0},
        {"event_time": 12 * hour, "country": "FR", "amount": 9.0, "limit": 1.0},
        {"event_time": 12 * hour, "country": "FR", "amount": 1.0, "limit": 1.0},
        {"event_time": 12 * hour, "country": None, "amount": 1.0, "limit": None},
    ]
    assert room.hits(room.run(events)) == [["night"], ["noon"], ["noon", "starts"], []]


def test_a_scorecard_computes_its_risk_from_points():
    room = RealRoom({
        "scorecards": {"card": {"base": 500, "risk": "1 / (1 + exp((points - 500) / 50))",
                                "attributes": {"age": {"value": "age", "bands": [["< 25", -50], ["-", 0]]}}}},
        "rules": [{"id": "risky", "when": "card.risk > 0.7 and card.points < 460"}],
    })  # fmt: skip
    batch = room.run([{"age": 19}, {"age": 40}])
    assert room.hits(batch) == [["risky"], []]
    assert room.values(batch, "card.risk")[1] == 0.5
