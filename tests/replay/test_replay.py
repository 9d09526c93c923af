"""Files through the engine: each event once in the output, what is refused beside it."""

import json

import pyarrow.parquet as pq

from riskweave import Engine, Policy
from riskweave.replay.replay import replay
from tests.engine.test_running import ENTITIES, EVENTS, pay

POLICY = Policy.from_dict({"events": EVENTS, "entities": ENTITIES, "features": {"n": 'customer.count("1d")'}})


def test_a_repeated_event_is_written_once_and_a_changed_one_refused(tmp_path):
    events = [pay(1, 0), pay(2, 1), pay(1, 0), pay(2, 1, amount="99.00"), pay(3, 2)]
    source = tmp_path / "events.jsonl"
    source.write_text("".join(json.dumps(each) + "\n" for each in events))
    report = replay(
        Engine(POLICY), [source], out=tmp_path / "out.parquet", rejected=tmp_path / "refused.jsonl"
    )
    assert (report.events, report.duplicates, report.rejected) == (3, 1, 1)
    table = pq.read_table(tmp_path / "out.parquet")
    assert table["event_id"].to_pylist() == ["p1", "p2", "p3"]
    assert table["n"].to_pylist() == [1, 2, 3]
    (refused,) = [json.loads(line) for line in (tmp_path / "refused.jsonl").read_text().splitlines()]
    assert (refused["field"], refused["place"]) == ("amount", f"{source}:4")


def test_an_error_that_is_set_aside_holds_nothing_else():
    decisions = Engine(POLICY).decide_many([pay(1, 0), pay(2, 1, amount="ten")])
    (refused,) = decisions.rejected
    assert refused.error.__traceback__ is refused.error.__context__ is None
