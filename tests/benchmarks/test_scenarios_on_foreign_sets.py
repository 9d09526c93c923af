"""Foreign sets through scenarios: a mapping file makes events, and accounts are judged by their transfers."""

import numpy as np
import pytest
import yaml
from benchmarks.public import scenarios as foreign

from riskweave import scenarios


def mapping(name):
    return yaml.safe_load((foreign.MAPPINGS / f"{name}.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", sorted(foreign.MAPPINGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_mapping_names_a_ready_scenario(path):
    assert mapping(path.stem)["scenario"] in scenarios.names()


def test_accounts_that_pass_money_on_are_told_from_others():
    rows = [{"sourceNodeId": k, "targetNodeId": 100 + k, "value": 20.0, "time": k} for k in range(30)]
    rows += [
        {"sourceNodeId": 50, "targetNodeId": 51, "value": 5_000.0, "time": 40},
        {"sourceNodeId": 51, "targetNodeId": 52, "value": 4_900.0, "time": 40.1},
        {"sourceNodeId": 52, "targetNodeId": 50, "value": 4_800.0, "time": 40.2},
    ]
    accounts = [{"nodeid": k, "isFraud": int(k in (50, 51, 52))} for k in range(200)]
    found = foreign.evaluate(mapping("amlsim"), rows, accounts)
    assert found["by_account"]["auc"] > 0.9
    assert found["accounts_by_rule"]["money_comes_home"] == {"accounts": 2, "planted": 2}


def test_a_server_log_becomes_logins():
    lines = [f"Failed password for root from 198.51.100.{k % 3} port 5{k} ssh2" for k in range(20)]
    lines += ["Accepted password for ann from 10.0.0.1 port 51 ssh2", "Connection closed by 10.0.0.1"]
    rows = [{"Content": line, "Time": f"06:{k:02d}:00", "Component": "host"} for k, line in enumerate(lines)]
    events, truth = foreign.mapped(mapping("ssh"), rows)
    assert truth is None
    assert len(events) == 21
    assert events[-1]["user_id"] == "ann"
    assert events[-1]["success"] is True
    assert events[0]["at"] == "2026-12-10T06:00:00+00:00"


def test_judging_counts_what_was_not_passed():
    truth = np.array([True, True, False, False])
    found = foreign.judged(truth, np.array([0.9, 0.2, 0.5, 0.1]), np.array([True, False, True, False]))
    assert (found["recall"], found["precision"], found["precision_at_as_many"]) == (0.5, 0.5, 0.5)
    assert found["auc"] == 0.75
