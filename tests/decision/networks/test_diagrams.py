"""Influence diagrams and the value of information: the best strategy found by trying every one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskweave.decision.networks.diagram import Decision, Diagram, Utility, value_of_answers, value_of_test
from riskweave.decision.networks.network import Network, Node
from riskweave.errors import PolicyError
from tests.decision.networks.world import networks, plain
from tests.oracles import networks as oracle


def rows_of(node, states):
    keys = [tuple(states[parent][k] for parent, k in zip(node.parents, place, strict=True))
            for place in np.ndindex(node.table.shape[:-1])]  # fmt: skip
    return {
        key: dict(zip(node.states, map(float, row), strict=True))
        for key, row in zip(keys, node.table.reshape(-1, len(node.states)), strict=True)
    }


@st.composite
def diagrams(draw):
    """Two decisions at most, a test before each, a state of the world, utilities of all that matters."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))

    def table(*shape):
        found = generator.dirichlet(np.ones(shape[-1]), size=shape[:-1])
        if draw(st.booleans()):
            found = np.where(found < 0.2, 0.0, found)
            found /= found.sum(axis=-1, keepdims=True)
        return found

    two = draw(st.booleans())
    decisions = [Decision("d0", ("go", "stop"), ("seen0",))]
    chance = [
        Node("world", ("a", "b"), (), table(2)),
        Node("seen0", ("x", "y"), ("world",), table(2, 2)),
    ]
    parents = draw(st.sampled_from([("world", "d0"), ("d0",), ("world",)]))
    chance.append(Node("effect", ("low", "high"), parents, table(*[2] * len(parents), 2)))
    names = ["world", "d0", "effect"]
    if two:
        decisions.append(Decision("d1", ("go", "stop"), draw(st.sampled_from([(), ("effect",)]))))
        names.append("d1")
    utilities = [
        Utility(f"u{number}", tuple(scope), np.round(generator.normal(size=[2] * len(scope)) * 10, 1))
        for number, scope in enumerate(
            draw(st.lists(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True), min_size=1,
                          max_size=3))
        )
    ]  # fmt: skip
    return chance, decisions, utilities


def best_of(chance, decisions, utilities):
    """The oracle's answer."""
    states = {node.name: node.states for node in chance} | {each.name: each.options for each in decisions}
    informed, known = {}, []
    for each in decisions:
        known += each.observed
        informed[each.name] = tuple(known)
        known.append(each.name)
    values = []
    for utility in utilities:
        keys = [tuple(states[parent][k] for parent, k in zip(utility.parents, place, strict=True))
                for place in np.ndindex(utility.table.shape)]  # fmt: skip
        values.append((utility.parents, dict(zip(keys, utility.table.ravel(), strict=True))))
    return oracle.greatest_utility(
        [(each.name, each.options) for each in decisions],
        [(node.name, node.states, node.parents, rows_of(node, states)) for node in chance],
        values,
        informed,
    )


@settings(max_examples=60)
@given(diagrams())
def test_no_strategy_brings_more(parts):
    chance, decisions, utilities = parts
    found = Diagram(chance, decisions, utilities).solve()
    assert found.expected_utility == pytest.approx(best_of(*parts), abs=1e-9)
    assert list(found.policies) == [each.name for each in decisions]


@settings(max_examples=40)
@given(diagrams())
def test_information_never_harms(parts):
    chance, decisions, utilities = parts
    diagram = Diagram(chance, decisions, utilities)
    blind = Diagram(chance, [Decision("d0", ("go", "stop")), *decisions[1:]], utilities)
    value = blind.value_of_information("d0", "seen0")
    assert value >= 0
    expected = diagram.solve().expected_utility - blind.solve().expected_utility
    assert value == pytest.approx(expected, abs=1e-9)
    assert diagram.value_of_information("d0", "seen0") == 0.0


actions = st.lists(st.lists(st.integers(-20, 20).map(float), min_size=3, max_size=3), min_size=1, max_size=4)


@settings(max_examples=60)
@given(networks(most=4), actions, st.data())
def test_the_value_of_a_test_is_its_definition(network, gains, data):
    names = list(network.nodes)
    if len(names) < 2:
        return
    target, test = data.draw(st.permutations(names))[:2]
    known = data.draw(st.sampled_from([None, *(each for each in names if each not in (target, test))]))
    evidence = {known: network[known].states[0]} if known else {}
    utilities = np.array(gains)[:, : len(network[target].states)]
    found = value_of_test(network, target, test, utilities, evidence)
    nodes = plain(network)
    if oracle.joint(nodes, [target], evidence, {}) is None:
        assert np.isnan(found)
        return
    table = {a: dict(zip(network[target].states, row, strict=True)) for a, row in enumerate(utilities)}
    at_once = oracle.decide_once(nodes, list(table), table, target, evidence)
    after = oracle.decide_once(nodes, list(table), table, target, evidence, (test,))
    assert found == pytest.approx(after - at_once, abs=1e-9)
    assert found >= 0.0


@given(st.integers(0, 2**32))
def test_an_answer_that_changes_nothing_is_worth_exactly_nothing(seed):
    generator = np.random.default_rng(seed)
    both = generator.dirichlet(np.ones(6)).reshape(2, 3)
    better = generator.normal(size=2)
    assert value_of_answers(both, np.array([better, better - 1.0])) == 0.0


def test_the_oil_wildcatter():
    """Raiffa 1968: drill after a seismic test; the test is worth what the textbook says."""
    oil = Node("oil", ("dry", "wet", "soak"), (), np.array([0.5, 0.3, 0.2]))
    seismic = Node(
        "seismic", ("closed", "open", "diffuse"), ("oil",),
        np.array([[0.1, 0.3, 0.6], [0.3, 0.4, 0.3], [0.5, 0.4, 0.1]]),
    )  # fmt: skip
    drill = Decision("drill", ("no", "yes"))
    gain = Utility("gain", ("drill", "oil"), np.array([[0.0, 0.0, 0.0], [-70.0, 50.0, 200.0]]))
    diagram = Diagram([oil, seismic], [drill], [gain])
    assert diagram.solve().expected_utility == pytest.approx(20.0)
    assert diagram.value_of_information("drill", "seismic") == pytest.approx(12.5)
    informed = diagram.informed("drill", "seismic").solve()
    assert informed.policies["drill"].known == ("seismic",)
    assert informed.policies["drill"].best.tolist() == [1, 1, 0]
    assert diagram.value_of_information("drill", "oil") == pytest.approx(35.0)
    assert diagram.solve({"seismic": "diffuse"}).expected_utility == 0.0
    network = Network([oil, seismic])
    assert value_of_test(network, "oil", "seismic", gain.table, {}) == pytest.approx(12.5)


def test_what_follows_cannot_be_known_before():
    world = Node("world", ("a", "b"), ("act",), np.array([[0.5, 0.5], [0.2, 0.8]]))
    act = Decision("act", ("go", "stop"), ("world",))
    with pytest.raises(PolicyError, match="cannot know `world`"):
        Diagram([world], [act], [])
    fine = Diagram([world], [Decision("act", ("go", "stop"))], [])
    with pytest.raises(PolicyError, match="follows from a decision"):
        fine.solve({"world": "a"})
    with pytest.raises(PolicyError, match="no node"):
        Diagram([world], [Decision("act", ("go", "stop"))], [Utility("u", ("wrold",), np.zeros(2))])
    with pytest.raises(PolicyError, match="shape"):
        Diagram([world], [Decision("act", ("go", "stop"))], [Utility("u", ("world",), np.zeros(3))])
