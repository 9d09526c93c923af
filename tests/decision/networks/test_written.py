"""Networks written in a policy: every way of writing a table gives the same one; mistakes are shown."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskweave.decision.networks.network import Network, Node, read_network
from riskweave.decision.networks.node import NODES_MAX
from riskweave.document import from_python, parse_yaml
from riskweave.errors import PolicyError
from riskweave.policy.folder import read_folder

HEAD = """
nodes:
  fraud: {states: [no, yes], table: [0.998, 0.002]}
  new_device: {states: [no, yes], table: [0.9, 0.1]}
  risk:
    states: [low, medium, high]
    parents: [fraud, new_device]
"""

TABLES = {
    "nested lists": """
    table: [[[0.9, 0.08, 0.02], [0.6, 0.3, 0.1]], [[0.3, 0.3, 0.4], [0.1, 0.2, 0.7]]]
""",
    "nested maps": """
    table:
      no: {no: [0.9, 0.08, 0.02], yes: [0.6, 0.3, 0.1]}
      yes: {no: [0.3, 0.3, 0.4], yes: [0.1, 0.2, 0.7]}
""",
    "rows by name": """
    table:
      no, no: [0.9, 0.08, 0.02]
      no,yes: [0.6, 0.3, 0.1]
      yes, no: [0.3, 0.3, 0.4]
      yes, yes: {high: 0.7, medium: 0.2, low: 0.1}
""",
    "a default": """
    table:
      default: [0.9, 0.08, 0.02]
      no, yes: [0.6, 0.3, 0.1]
      yes: [[0.3, 0.3, 0.4], [0.1, 0.2, 0.7]]
""",
}


@pytest.mark.parametrize("name", TABLES)
def test_every_way_of_writing_gives_the_same_network(name):
    network = read_network(parse_yaml(HEAD + TABLES[name]), None)
    assert network["risk"].table.tolist() == [
        [[0.9, 0.08, 0.02], [0.6, 0.3, 0.1]],
        [[0.3, 0.3, 0.4], [0.1, 0.2, 0.7]],
    ]
    assert list(network.nodes) == ["fraud", "new_device", "risk"]
    assert network["fraud"].states == ("no", "yes")


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_a_noisy_or_fails_only_if_every_cause_does(leak, a, low, high):
    network = read_network(
        from_python(
            {
                "nodes": {
                    "a": {"states": ["no", "yes"], "table": [0.5, 0.5]},
                    "b": {"states": ["none", "low", "high"], "table": [0.5, 0.25, 0.25]},
                    "effect": {
                        "states": ["no", "yes"],
                        "parents": ["a", "b"],
                        "noisy_or": {"leak": leak, "a": a, "b": {"low": low, "high": high}},
                    },
                }
            }
        ),
        None,
    )
    table = network["effect"].table
    for i, one in enumerate([0.0, a]):
        for j, two in enumerate([0.0, low, high]):
            assert table[i, j, 0] == pytest.approx((1 - leak) * (1 - one) * (1 - two), abs=1e-12)


def test_a_file_beside_the_policy(tmp_path):
    (tmp_path / "x.bif").write_text(
        "variable a { type discrete [2] {n y}; } probability (a) { table .3 .7; }"
    )
    network = read_network(parse_yaml("file: x.bif"), tmp_path)
    assert network["a"].table.tolist() == [0.3, 0.7]
    for text, message in (
        ("file: ../x.bif", "outside"),
        ("file: y.bif", "no file"),
        ("file: x.bif.gz", "no BIF file"),
        ("{file: x.bif, nodes: {}}", "unknown key"),
    ):
        with pytest.raises(PolicyError, match=message):
            read_network(parse_yaml(text), tmp_path)


RISK = "\n  risk: {states: [low, high], parents: [fraud], "
FRAUD = "nodes:\n  fraud: {states: [no, yes], table: [0.9, 0.1]}"
MISTAKES = {
    "no nodes": "nodes: {}",
    "an unknown key": "nodes:\n  fraud: {state: [no, yes], table: [0.9, 0.1]}",
    "no states": "nodes:\n  fraud: {table: [0.9, 0.1]}",
    "a state twice": "nodes:\n  fraud: {states: [no, yes, no], table: [0.9, 0.1, 0]}",
    "a comma in a state": "nodes:\n  fraud: {states: ['a, b', c], table: [0.9, 0.1]}",
    "an unknown parent": FRAUD + RISK.replace("fraud", "farud") + "table: [[1, 0], [0, 1]]}",
    "its own parent": FRAUD + RISK.replace("fraud", "risk") + "table: [[1, 0], [0, 1]]}",
    "neither table nor noisy-OR": FRAUD + RISK + "}",
    "both": FRAUD + RISK + "table: [[1, 0], [0, 1]], noisy_or: {}}",
    "a row that does not sum to 1": FRAUD + RISK + "table: {no: [0.9, 0.1], yes: [0.5, 0.4]}}",
    "a row too long": FRAUD + RISK + "table: {no: [0.9, 0.1], yes: [0.5, 0.4, 0.1]}}",
    "a row missing": FRAUD + RISK + "table: {no: [0.9, 0.1]}}",
    "a row twice": FRAUD + RISK + "table: {yes: [0.9, 0.1], ' yes': [0.9, 0.1], no: [1, 0]}}",
    "an unknown state": FRAUD + RISK + "table: {no: [0.9, 0.1], yse: [0.5, 0.5]}}",
    "too many states": FRAUD + RISK + "table: {'no, no': [0.9, 0.1], yes: [0.5, 0.5]}}",
    "too few parts": FRAUD + RISK + "table: [[0.9, 0.1]]}",
    "not deep enough": FRAUD + RISK + "table: [0.9, 0.1]}",
    "no number": FRAUD + RISK + "table: [[0.9, 0.1], [a lot, 0]]}",
    "no probability": FRAUD + RISK + "table: [[0.9, 0.1], [1.5, -0.5]]}",
    "a state of the row missing": FRAUD + RISK + "table: [{low: 1}, {low: 0, high: 1}]}",
    "noisy-OR of three states": FRAUD + RISK.replace("low,", "low, mid,") + "noisy_or: {fraud: 0.3}}",
    "noisy-OR without a cause": FRAUD + RISK + "noisy_or: {leak: 0.3}}",
    "noisy-OR of a stranger": FRAUD + RISK + "noisy_or: {leak: 0.3, frod: 0.3}}",
    "a list of nodes": "nodes: [fraud]",
    "a cycle": """nodes:
  a: {states: [n, y], parents: [b], table: [[1, 0], [0, 1]]}
  b: {states: [n, y], parents: [c], table: [[1, 0], [0, 1]]}
  c: {states: [n, y], parents: [a], table: [[1, 0], [0, 1]]}""",
}


def test_mistakes_are_shown_where_they_stand(golden):
    said = []
    for name, text in MISTAKES.items():
        with pytest.raises(PolicyError) as found:
            read_network(parse_yaml(text, "policy.yaml"), None)
        said.append(f"# {name}\n{found.value}\n")
    golden("written_mistakes.txt", "\n".join(said))


def test_what_is_too_large_is_refused():
    wide = {f"n{k}": {"states": [f"s{i}" for i in range(100)], "table": [0.01] * 100} for k in range(5)}
    wide["sum"] = {"states": ["a", "b"], "parents": list(wide), "table": {"default": [0.5, 0.5]}}
    with pytest.raises(PolicyError, match="would have 20000000000 numbers"):
        read_network(from_python({"nodes": wide}), None)
    many = {f"n{k}": {"states": ["a"], "table": [1]} for k in range(NODES_MAX + 1)}
    with pytest.raises(PolicyError, match="more than 5000 nodes"):
        read_network(from_python({"nodes": many}), None)
    with pytest.raises(PolicyError, match="1 to 1024"):
        read_network(from_python({"nodes": {"a": {"states": [str(k) for k in range(2_000)]}}}), None)


def test_a_network_made_in_python_is_checked_too():
    for nodes, message in (
        ([], "at least one node"),
        ([Node("a", ("x",), (), np.ones(1))] * 2, "there twice"),
        ([Node("a", ("x", "y"), (), np.array([0.5, 0.6]))], "sum to 1.1"),
        ([Node("a", ("x", "y"), (), np.array([-0.5, 1.5]))], "no probability"),
        ([Node("a", ("x", "y"), (), np.array([np.nan, 1.0]))], "no probability"),
        ([Node("a", ("x", "y"), (), np.ones((1, 2)))], "shape"),
        ([Node("a", ("x",), ("b",), np.ones((1, 1)))], "unknown parent `b`"),
        ([Node("a", (), (), np.ones(0))], "0 states"),
    ):
        with pytest.raises(PolicyError, match=message):
            Network(nodes)


def test_the_version_is_the_contents():
    one = read_network(parse_yaml(HEAD + TABLES["nested lists"]), None)
    same = read_network(parse_yaml(HEAD + TABLES["a default"], "elsewhere.yaml"), None)
    other = read_network(
        parse_yaml((HEAD + TABLES["nested lists"]).replace("0.998, 0.002", "0.997, 0.003")), None
    )
    assert one.version == same.version != other.version


def test_another_file_is_another_policy(tmp_path):
    (tmp_path / "policy.yaml").write_text("policy: {name: mine}")
    (tmp_path / "x.bif").write_text("one")
    before = read_folder(tmp_path).version
    (tmp_path / "x.bif").write_text("two")
    assert read_folder(tmp_path).version != before
