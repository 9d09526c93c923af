"""`riskweave actions`, `bands` and `capacity`, through the real door."""

import json
import xml.etree.ElementTree as ET

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from riskweave import Engine, Policy
from tests.cli.test_commands import riskweave
from tests.decision.world import policy, stream


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("deciding")
    values = policy(capacity={"per_hour": 1, "price": 0.5})
    # Through JSON, so that no part is written as an alias of another.
    values = json.loads(json.dumps(values))
    (folder / "policy.yaml").write_text(yaml.safe_dump(values, sort_keys=False, allow_unicode=True))
    pq.write_table(pa.Table.from_pylist(stream(4, 400)), folder / "events.parquet")
    return folder


def test_actions_prints_bands_and_draws_a_map(place):
    out = place / "map.svg"
    told = json.loads(riskweave("actions", place, "--costs", 1, "--out", out, "--json").stdout)
    for each in told["bands"]:
        assert each["bands"][0]["from"] == 0.0
        assert each["bands"][-1]["to"] == 1.0
    texts = {element.text for element in ET.parse(out).getroot().iter() if element.text}
    assert {"PASS", "MFA", "REVIEW", "BLOCK", "probability of fraud", "amount, EUR"} <= texts
    assert "10,000" in riskweave("actions", place).stdout
    assert "numbered from 0" in riskweave("actions", place, "--costs", 7, code=2).stderr
    assert ".svg" in riskweave("actions", place, "--out", place / "map.png", code=2).stderr


def test_bands_are_learned_from_a_file(place):
    chance = np.random.default_rng(2)
    score = chance.random(3000)
    table = pa.table({"score": score, "fraud": chance.random(3000) < np.where(score > 0.7, 0.5, 0.02)})
    pq.write_table(table, place / "labelled.parquet")
    arguments = ("bands", place / "labelled.parquet", "--column", "score", "--label", "fraud")
    told = json.loads(riskweave(*arguments, "--most", 2, "--json").stdout)
    assert told["cuts"] == [pytest.approx(0.7, abs=0.02)]
    assert sum(each["events"] for each in told["bands"]) == 3000
    assert "bands: [0." in riskweave(*arguments).stdout
    missing = riskweave("bands", place / "labelled.parquet", "--column", "scor", "--label", "fraud", code=2)
    assert "did you mean `score`?" in missing.stderr


def test_the_price_of_capacity_fills_the_reviewers_time_and_no_more(place):
    told = json.loads(
        riskweave("capacity", place, place / "events.parquet", "--per-hour", 0.3, "--json").stdout
    )
    assert told["price"] > 0
    # One that gains exactly the price may be asked for beyond the room: BLOCK would bring no more.
    assert told["asked"] <= max(told["room"], told["forced"]) + 1
    assert told["asked"] < told["wanted"]
    assert (
        "capacity: {per_hour: 0.3"
        in riskweave("capacity", place, place / "events.parquet", "--per-hour", 0.3).stdout
    )


def test_the_file_of_a_replay_is_what_the_engine_decides(place):
    riskweave("replay", place, place / "events.parquet", "--out", place / "decisions.parquet")
    written = pq.read_table(place / "decisions.parquet")
    decisions = (
        Engine(Policy.read(place)).decide_many(pq.read_table(place / "events.parquet")).without_repeats()
    )
    assert written["action"].to_pylist() == decisions.to_arrow()["action"].to_pylist()
    assert written["score"].to_numpy().tobytes() == decisions.score.tobytes()
