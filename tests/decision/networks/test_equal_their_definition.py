"""Every answer of a network equals its definition over the joint distribution."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskweave.decision.networks.circuit import Circuit
from riskweave.decision.networks.compiled import compile_posterior, posterior_many
from riskweave.decision.networks.elimination import joint, log_probability, most_probable, posterior
from riskweave.decision.networks.network import Network, Node
from riskweave.decision.networks.separation import d_separated
from riskweave.errors import PolicyError
from tests.decision.networks.world import evidence_for, networks, plain
from tests.oracles import networks as oracle

asked = networks().flatmap(lambda network: st.tuples(st.just(network), evidence_for(network)))


def by_state(network, soft):
    return {name: dict(zip(network[name].states, each, strict=True)) for name, each in soft.items()}


@given(asked, st.data())
def test_posteriors(question, data):
    network, (hard, soft) = question
    target = data.draw(st.sampled_from(list(network.nodes)))
    expected = oracle.joint(plain(network), [target], hard, by_state(network, soft))
    found = posterior(network, target, hard, soft)
    if expected is None:
        assert np.isnan(found).all()
    else:
        assert found == pytest.approx(
            [expected.get((state,), 0.0) for state in network[target].states], abs=1e-12
        )


@given(asked, st.data())
def test_joint_posteriors(question, data):
    network, (hard, soft) = question
    targets = data.draw(st.lists(st.sampled_from(list(network.nodes)), min_size=1, max_size=3, unique=True))
    expected = oracle.joint(plain(network), targets, hard, by_state(network, soft))
    found = joint(network, targets, hard, soft)
    states = list(itertools.product(*(network[target].states for target in targets)))
    if expected is None:
        assert np.isnan(found).all()
    else:
        assert found.ravel() == pytest.approx([expected.get(each, 0.0) for each in states], abs=1e-12)


@given(asked)
def test_probability_of_evidence(question):
    network, (hard, soft) = question
    expected = oracle.probability(plain(network), hard, by_state(network, soft))
    assert np.exp(log_probability(network, hard, soft)) == pytest.approx(expected, rel=1e-9)


@given(asked)
def test_the_most_probable_explanation_is_as_probable_as_any(question):
    network, (hard, soft) = question
    nodes, likelihood = plain(network), by_state(network, soft)
    if oracle.probability(nodes, hard, likelihood) == 0:
        with pytest.raises(PolicyError, match="cannot occur"):
            most_probable(network, hard, soft)
        return
    found = most_probable(network, hard, soft)
    assert {name: found[name] for name in hard} == hard
    best = oracle.greatest(nodes, hard, likelihood)
    assert oracle.weight(nodes, found, likelihood) == pytest.approx(best, rel=1e-9)


@given(networks(zeros=False), st.data())
def test_what_is_d_separated_is_independent(network, data):
    names = list(network.nodes)
    first, second = data.draw(st.sampled_from(names)), data.draw(st.sampled_from(names))
    known = data.draw(st.lists(st.sampled_from(names), max_size=2, unique=True))
    if d_separated(network, first, second, known) and not {first, second} & set(known):
        assert oracle.independent(plain(network), first, second, known)


@settings(max_examples=50)
@given(networks(most=4), st.data(), st.sampled_from([0, 8, 1 << 21]), st.sampled_from([1, 20, 1 << 13]))
def test_compiled_posteriors(network, data, table_cells, group_cells):
    """Tables and circuits, whatever the limits that choose between them."""
    names = list(network.nodes)
    target = data.draw(st.sampled_from(names))
    evidence = data.draw(st.lists(st.sampled_from(names), max_size=4, unique=True).map(
        lambda found: [each for each in found if each != target]
    ))  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("riskweave.decision.networks.circuit.GROUP_CELLS_MAX", group_cells)
        compiled = compile_posterior(network, target, evidence, table_cells)
    lengths = [len(network[name].states) + 1 for name in evidence]
    every = np.array(list(np.ndindex(*lengths)), np.int64).reshape(math.prod(lengths), len(evidence)).T.copy()
    out = np.empty((len(network[target].states), every.shape[1]))
    posterior_many(compiled, every, out)
    for event in range(every.shape[1]):
        hard = {
            name: network[name].states[number]
            for name, number in zip(evidence, every[:, event], strict=True)
            if number < len(network[name].states)
        }
        assert out[:, event] == pytest.approx(posterior(network, target, hard), abs=1e-12, nan_ok=True)


@settings(max_examples=20)
@given(networks(most=4, zeros=False), st.integers(0, 200), st.integers(1, 199))
def test_an_event_does_not_depend_on_its_neighbours(network, seed, cut):
    """However a batch is split, the same bits come out."""
    names = list(network.nodes)
    compiled = compile_posterior(network, names[0], names[1:], 0)
    assert isinstance(compiled, Circuit)
    generator = np.random.default_rng(seed)
    lengths = [len(network[name].states) + 1 for name in names[1:]]
    indices = np.array([generator.integers(0, each, 200) for each in lengths], np.int64).reshape(-1, 200)
    whole = np.empty((len(network[names[0]].states), 200))
    posterior_many(compiled, indices, whole)
    for part in (slice(0, cut), slice(cut, None)):
        some = indices[:, part].copy()
        out = np.empty((whole.shape[0], some.shape[1]))
        posterior_many(compiled, some, out)
        assert np.array_equal(out, whole[:, part])


@pytest.mark.parametrize("group_cells", [1, 30, 1 << 13])
@pytest.mark.parametrize("seed", range(8))
def test_circuits_of_dense_networks(seed, group_cells, monkeypatch):
    """Many nodes between target and evidence, so that much is summed inside the circuit."""
    monkeypatch.setattr("riskweave.decision.networks.circuit.GROUP_CELLS_MAX", group_cells)
    generator = np.random.default_rng(seed)
    nodes = []
    for number in range(8):
        before = generator.permutation(number)[: min(number, 3)]
        parents = [nodes[each] for each in before]
        count = int(generator.integers(2, 4))
        shape = [len(each.states) for each in parents]
        table = generator.dirichlet(np.ones(count), size=shape)
        nodes.append(Node(f"n{number}", ("a", "b", "c")[:count], tuple(p.name for p in parents), table))
    network = Network(nodes)
    target, *evidence = (f"n{each}" for each in generator.permutation(8)[:5])
    compiled = compile_posterior(network, target, evidence, 0)
    lengths = [len(network[name].states) + 1 for name in evidence]
    indices = np.array([generator.integers(0, each, 30) for each in lengths])
    out = np.empty((len(network[target].states), 30))
    posterior_many(compiled, indices, out)
    for event in range(30):
        hard = {
            name: network[name].states[number]
            for name, number in zip(evidence, indices[:, event], strict=True)
            if number < len(network[name].states)
        }
        assert out[:, event] == pytest.approx(posterior(network, target, hard), abs=1e-12)
