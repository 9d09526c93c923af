"""On public networks the answers are those of pyAgrum, and the files are read as they are written."""

import itertools

import numpy as np
import pytest

from riskweave.decision.networks.bif import parse_bif, read_bif, to_bif
from riskweave.decision.networks.compiled import compile_posterior, posterior_many
from riskweave.decision.networks.diagram import Decision, Diagram, Utility
from riskweave.decision.networks.elimination import joint, log_probability, most_probable, posterior
from tests.decision.networks import public
from tests.decision.networks.public import pyagrum
from tests.oracles.networks import read_plain_bif

# A warning made an error inside its C++ half ends the process.
pytestmark = pytest.mark.filterwarnings("ignore")

NETWORKS = ("asia", "cancer", "earthquake", "survey", "sachs", "child", "alarm", "insurance", "hailfinder",
            "win95pts", "hepar2", "water")  # fmt: skip
QUESTIONS = 20


def known(name):
    """Return our network, and the oracle's tables normalized."""
    network = read_bif(public.folder() / f"{name}.bif.gz")
    tables = {}
    for node, (_, parents, rows) in read_plain_bif(public.text(name)).items():
        states = [network[parent].states for parent in parents]
        table = np.array([rows[key] for key in itertools.product(*states)])
        table /= table.sum(axis=-1, keepdims=True)
        tables[node] = table.reshape(network[node].table.shape)
    return network, tables


def twin_of(network, tables):
    return public.twin([(n.name, n.states, n.parents) for n in network.nodes.values()], tables)


def cannot_occur(peer, hard):
    """Tell whether pyAgrum gives each state, after those before it, a chance of 0 somewhere."""
    seen = {}
    for name, state in hard.items():
        inference = pyagrum.LazyPropagation(peer)
        inference.setEvidence(seen)
        inference.addTarget(name)
        inference.makeInference()
        if inference.posterior(name)[{name: state}] == 0:
            return True
        seen[name] = state
    return False


@pytest.mark.parametrize("name", NETWORKS)
def test_marginals_are_pyagrums(name):
    network, tables = known(name)
    for node in network.nodes.values():
        assert node.table == pytest.approx(tables[node.name], abs=1e-15)
    peer = twin_of(network, tables)
    generator = np.random.default_rng(11)
    names = list(network.nodes)
    for _ in range(QUESTIONS):
        size = generator.integers(0, min(6, len(names)))
        target, *observed = (str(each) for each in generator.choice(names, size + 1, replace=False))
        hard, soft = {}, {}
        for each in observed:
            if generator.random() < 0.25:
                soft[each] = generator.random(len(network[each].states)).tolist()
            else:
                hard[each] = str(generator.choice(network[each].states))
        inference = pyagrum.LazyPropagation(peer)
        inference.setEvidence({**hard, **soft})
        inference.addTarget(target)
        found = posterior(network, target, hard, soft)
        if np.isnan(found).any():
            assert log_probability(network, hard, soft) == -np.inf
            assert cannot_occur(peer, hard)
            continue
        inference.makeInference()
        assert found == pytest.approx(inference.posterior(target).toarray(), abs=1e-9)


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_written_is_read_again(name):
    network, _ = known(name)
    again = parse_bif(to_bif(network))
    assert again.version == network.version
    assert list(again.nodes) == list(network.nodes)


@pytest.mark.parametrize("name", ["asia", "child", "alarm"])
def test_compiled_posteriors_of_real_networks(name):
    network, _ = known(name)
    generator = np.random.default_rng(5)
    names = list(network.nodes)
    for limit in (0, 1 << 21):
        target, *evidence = (str(each) for each in generator.choice(names, 8, replace=False))
        compiled = compile_posterior(network, target, evidence, limit)
        lengths = [len(network[each].states) + 1 for each in evidence]
        indices = np.array([generator.integers(0, length, 40) for length in lengths])
        out = np.empty((len(network[target].states), 40))
        posterior_many(compiled, indices, out)
        for event in range(40):
            hard = {
                each: network[each].states[number]
                for each, number in zip(evidence, indices[:, event], strict=True)
                if number < len(network[each].states)
            }
            assert out[:, event] == pytest.approx(posterior(network, target, hard), abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("name", ["asia", "sachs", "survey", "earthquake"])
def test_the_most_probable_explanation_is_pyagrums(name):
    network, tables = known(name)
    peer = twin_of(network, tables)
    leaf = list(network.nodes)[-1]
    for state in network[leaf].states:
        found = most_probable(network, {leaf: state})
        inference = pyagrum.LazyPropagation(peer)
        inference.setEvidence({leaf: state})
        theirs = inference.mpe().todict(True)
        ours = log_probability(network, found)
        assert ours >= log_probability(network, theirs) - 1e-9
        for other in network.nodes:
            for label in network[other].states:
                if other != leaf:
                    assert ours >= log_probability(network, {**found, other: label}) - 1e-9


def test_families_are_pyagrums():
    network, tables = known("alarm")
    inference = pyagrum.LazyPropagation(twin_of(network, tables))
    inference.setEvidence({"HRBP": "HIGH"})
    pair = ("LVFAILURE", "HYPOVOLEMIA")
    inference.addJointTarget(set(pair))
    inference.makeInference()
    theirs = inference.jointPosterior(set(pair))
    order = [theirs.names[::-1].index(each) for each in pair]
    assert joint(network, pair, {"HRBP": "HIGH"}) == pytest.approx(
        theirs.toarray().transpose(order), abs=1e-9
    )


@pytest.mark.parametrize("seed", range(12))
def test_influence_diagrams_are_pyagrums(seed):
    """A test or a second decision, informed or not: the same greatest expected utility."""
    network, _ = known("asia")
    generator = np.random.default_rng(seed)
    chance = list(network.nodes.values())
    first = Decision("treat", ("no", "yes"), ("xray",) if seed % 2 else ("dysp", "smoke"))
    second = Decision("operate", ("no", "later", "now"), ("bronc",) if seed % 3 else ())
    scopes = [("treat", "lung"), ("treat", "operate", "tub"), ("operate", "either")][: 2 + seed % 2]
    decisions = [first, second]
    sizes = {each.name: len(each.options) for each in decisions}
    sizes |= {each.name: len(each.states) for each in chance}
    utilities = [
        Utility(f"u{number}", scope, generator.normal(size=[sizes[each] for each in scope]) * 10)
        for number, scope in enumerate(scopes)
    ]
    peer = pyagrum.InfluenceDiagram()
    for node in chance:
        peer.addChanceNode(pyagrum.LabelizedVariable(node.name, node.name, list(node.states)))
    for each in decisions:
        peer.addDecisionNode(pyagrum.LabelizedVariable(each.name, each.name, list(each.options)))
    for utility in utilities:
        peer.addUtilityNode(pyagrum.LabelizedVariable(utility.name, utility.name, 1))
    for node in chance:
        for parent in node.parents:
            peer.addArc(parent, node.name)
    for each in decisions:
        for name in each.observed:
            peer.addArc(name, each.name)
    peer.addArc("treat", "operate")
    for utility in utilities:
        for parent in utility.parents:
            peer.addArc(parent, utility.name)
    for node in chance:
        table = peer.cpt(node.name)
        order = [node.family.index(each) for each in table.names[::-1]]
        table.fillWith(node.table.transpose(order).ravel().tolist())
    for utility in utilities:
        table = peer.utility(utility.name)
        order = [utility.parents.index(each) for each in table.names[::-1] if each in utility.parents]
        table.fillWith(utility.table.transpose(order).ravel().tolist())
    inference = pyagrum.ShaferShenoyLIMIDInference(peer)
    inference.addNoForgettingAssumption(["treat", "operate"])
    inference.makeInference()
    found = Diagram(chance, decisions, utilities).solve()
    assert found.expected_utility == pytest.approx(inference.MEU()["mean"], abs=1e-9)
