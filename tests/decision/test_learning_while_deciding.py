"""A network that learns while it decides: what labels teach, when it counts, and fitting to records."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from riskweave import Engine, Policy, PolicyError
from riskweave.cli.app import app
from riskweave.decision.networks.bif import read_bif
from riskweave.decision.networks.learning import Learner, LearningSpec
from riskweave.decision.networks.network import read_network
from riskweave.document import from_python
from riskweave.engine.explain import Explainer
from riskweave.replay.replay import replay
from tests.decision.world import NETWORK, labelled_stream, learning_policy, policy

HOUR = 3_600_000
START = 1_767_225_600_000


def event(number, hours, **others):
    plain = {"score": 0.9, "segment": "plain", "urgent": False, "amount": "100.00", "card": "c1"}
    return {"id": f"n{number}", "at": START + int(hours * HOUR), **plain, **others}


def made(**learn):
    return Policy.from_dict(learning_policy({"every": "1h", "half_life": None, "missing": "skip", **learn}))


def made_forever():
    values = learning_policy({"every": "1h", "missing": "skip"})
    del values["decision"]["network"]["learn"]["half_life"]
    return Policy.from_dict(values)


def learned(engine):
    return engine.state.decision.learning


def test_a_label_counts_from_the_next_period_on_and_is_what_the_learner_says():
    engine = Engine(made_forever())
    first = engine.decide(event(1, 0.1))
    engine.learn({"event_id": "n1", "value": True})
    same = engine.decide(event(2, 0.2))
    assert same.outcome.network == first.outcome.network
    later = engine.decide(event(3, 1.3))
    learner = Learner(read_network(from_python(NETWORK), None), LearningSpec())
    case = {"fraud": "yes", "model": "high", "rules": "quiet", "segment": "plain", "urgent": "no"}
    assert learner.add(case, START) == ""
    assert later.outcome.network == learner.network.version[:12]
    assert later.outcome.prior == pytest.approx((0.03 * 10 + 1) / 11)
    assert later.outcome.probability > first.outcome.probability
    assert learned(engine).version.network.version == learner.network.version


def test_a_label_that_changes_is_counted_once_and_one_taken_back_not_at_all():
    engine = Engine(made_forever())
    before = engine.decide(event(1, 0.1)).outcome
    for hours, value in ((0.2, False), (1.2, False), (1.3, True), (2.2, True)):
        engine.learn({"event_id": "n1", "value": value})
        engine.decide(event(f"at{hours}", hours + 0.05))
    counts = learned(engine).learner.counts("fraud")
    assert counts.tolist() == [0.0, 1.0]
    engine.learn({"event_id": "n1", "value": None})
    after = engine.decide(event(9, 3.5))
    assert learned(engine).learner.counts("fraud").tolist() == [0.0, 0.0]
    assert after.outcome.prior == pytest.approx(before.prior, abs=1e-15)


def test_a_label_of_an_event_that_is_forgotten_or_was_never_seen_changes_nothing():
    values = learning_policy({"every": "1h", "remember": "2h", "missing": "skip"})
    engine = Engine(Policy.from_dict(values))
    engine.decide(event(1, 0.1))
    engine.decide(event(2, 4.5))
    for name in ("n1", "nobody"):
        engine.learn({"event_id": name, "value": True})
    engine.decide(event(3, 9.5))
    assert learned(engine).learner.counts("fraud").sum() == 0.0
    assert engine.describe()["decision"]["network"]["events"] == 1


def test_a_new_policy_of_the_same_nodes_goes_on_with_what_was_learned():
    engine = Engine(made_forever())
    engine.decide(event(1, 0.1))
    engine.learn({"event_id": "n1", "value": True})
    engine.decide(event(2, 1.5))
    version = learned(engine).version.network.version
    values = learning_policy({"every": "1h", "missing": "skip"}, ask=False)
    del values["decision"]["network"]["learn"]["half_life"]
    engine.replace_policy(Policy.from_dict(values))
    assert learned(engine).version.network.version == version
    values["decision"]["evidence"] = {
        **values["decision"]["evidence"],
        "model": {"value": "score", "bands": [0.2, 0.5]},
    }
    engine.replace_policy(Policy.from_dict(values))
    assert learned(engine).learner.counts("fraud").sum() == 0.0


def test_contributions_add_up_under_the_version_that_decided_and_after_it_is_gone():
    engine = Engine(Policy.from_dict(learning_policy()))
    explainer, kept = Explainer(engine), []
    for each in labelled_stream(3, 60):
        if each["id"] in {record.event_id for record, _ in kept}:
            continue
        decision, explanation = explainer.decide(each)
        kept.append((engine.record(decision), explanation))
    assert len({record.outcome.network for record, _ in kept}) > 3
    for record, explanation in kept:
        again = explainer.of_record(record)
        for found in (explanation, again):
            total = sum(each.log_odds for each in found.contributions)
            assert found.prior + total == pytest.approx(found.posterior, abs=1e-9)
        assert again.posterior == pytest.approx(explanation.posterior, abs=1e-12)


@pytest.mark.parametrize(
    ("learn", "message"),
    [
        ({"label": "theft"}, "no label of the policy"),
        ({"every": "0s"}, "longer than nothing"),
        ({"missing": "guess"}, "guess"),
        ({"evry": "1h"}, "evry"),
    ],
)
def test_what_cannot_be_learned_is_refused(learn, message):
    with pytest.raises(PolicyError, match=message):
        Engine(Policy.from_dict(learning_policy(learn)))


def test_a_network_with_hidden_nodes_or_a_policy_without_labels_is_refused():
    values = policy(network={**NETWORK, "learn": {}})
    with pytest.raises(PolicyError, match="the policy has none"):
        Engine(Policy.from_dict(values))
    values = learning_policy({"missing": "skip"})
    evidence = values["decision"]["evidence"]
    values["decision"]["evidence"] = {name: evidence[name] for name in ("model", "rules", "segment")}
    with pytest.raises(PolicyError, match="every case would be skipped"):
        Engine(Policy.from_dict(values))


@pytest.mark.parametrize("structure", ["policy", "tan"])
@pytest.mark.parametrize("beside", [False, True])
def test_the_command_fits_a_network_to_records_with_labels(tmp_path, structure, beside):
    values = learning_policy({"missing": "em"})
    values["decision"]["network"] = {**NETWORK}
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "policy.yaml").write_text(json.dumps(values), encoding="utf-8")
    events = [each for each in labelled_stream(2, 300) if each["segment"] not in ("odd", None)]
    pq.write_table(pa.Table.from_pylist(events), tmp_path / "events.parquet")
    engine = Engine(Policy.read(folder))
    replay(engine, [tmp_path / "events.parquet"], records=tmp_path / "records.parquet")
    arguments = ["network", str(folder), "--learn", str(tmp_path / "records.parquet")]
    arguments += ["--out", str(tmp_path / "network.bif"), "--structure", structure, "--json"]
    if beside:
        lines = [
            {"event_id": "e1", "value": True, "time": START},
            {"event_id": "e7", "value": False, "time": START},
        ]
        (tmp_path / "labels.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
        arguments += ["--labels", str(tmp_path / "labels.jsonl")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    found = read_bif(tmp_path / "network.bif")
    assert told["version"] == found.version
    truths = {each["id"]: each["fraud"] for each in events if each["fraud"] is not None}
    if beside:
        truths = {
            name: value for name, value in (("e1", True), ("e7", False)) if name in {e["id"] for e in events}
        }
    assert told["cases"] == len(truths)
    if structure == "tan":
        assert sum(len(node.parents) == 2 for node in found.nodes.values()) == 3
    elif not beside:
        # The definition: count the cases in which nothing is unknown.
        whole = [e for e in {e["id"]: e for e in events}.values() if e["fraud"] is not None]
        whole = [e for e in whole if e["score"] is not None and e["urgent"] is not None]
        frauds = sum(e["fraud"] for e in whole)
        expected = np.array([9.7 + len(whole) - frauds, 0.3 + frauds]) / (10 + len(whole))
        assert found["fraud"].table == pytest.approx(expected)


def test_the_table_of_decisions_tells_probability_and_what_actions_were_expected_to_bring():
    engine = Engine(Policy.from_dict(policy(costs={"amount": "amount", "insult": 5})))
    decisions = engine.decide_many([event(1, 0), event(2, 1, amount="900.00", card="c2")])
    table = decisions.to_arrow()
    assert table["probability"].to_pylist() == decisions.probability.tolist()
    assert table["expected_pass"].to_pylist() == decisions.utilities[0].tolist()
    assert table["expected_block"].to_pylist() == decisions.utilities[3].tolist()
    assert table["expected_mfa"].to_pylist() == [None, None]
    assert engine.nothing().to_arrow().schema == table.schema
    assert (
        "probability" not in Engine(Policy.from_dict(policy_by_maximum())).nothing().to_arrow().column_names
    )


def policy_by_maximum():
    return {name: part for name, part in policy().items() if name != "decision"}
