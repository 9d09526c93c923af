"""Learned tables are what counting says, in any order of time, after a restart, and with holes."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskweave.decision.networks.compiled import compile_posterior
from riskweave.decision.networks.elimination import log_probability
from riskweave.decision.networks.learning import Learner, LearningSpec, codes_of, read_learning
from riskweave.decision.networks.network import Network, Node
from riskweave.decision.networks.structure import (
    information,
    learn_tree_augmented,
    naive_bayes,
    tree_augmented,
)
from riskweave.document import parse_yaml
from riskweave.errors import PolicyError, StateError
from tests.decision.networks.world import networks, plain
from tests.oracles import networks as oracle


@st.composite
def worlds(draw, holes=False):
    """A network, and cases of it with times and weights."""
    network = draw(networks(most=4, zeros=False))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    cases, times = [], []
    for _ in range(draw(st.integers(1, 12))):
        case = {name: str(generator.choice(node.states)) for name, node in network.nodes.items()}
        if holes:
            case = {name: state for name, state in case.items() if generator.random() < 0.7}
        cases.append(case)
        times.append(int(generator.integers(0, 100_000)))
    return network, cases, times


def counted(network, cases, weights):
    """Return {node: {(parents' states, state): weight}} by counting."""
    found = {}
    for name, node in network.nodes.items():
        cells = found.setdefault(name, {})
        for case, weight in zip(cases, weights, strict=True):
            if all(each in case for each in node.family):
                key = tuple(case[each] for each in node.family)
                cells[key] = cells.get(key, 0.0) + weight
    return found


def assert_tables(network, prior, counts, size):
    for name, node in prior.nodes.items():
        states = [prior[each].states for each in node.family]
        for key, place in zip(itertools.product(*states), np.ndindex(node.table.shape), strict=True):
            seen = [counts[name].get((*key[:-1], state), 0.0) for state in node.states]
            expected = (size * node.table[place] + seen[place[-1]]) / (size + math.fsum(seen))
            assert network[name].table[place] == pytest.approx(expected, rel=1e-9)


@given(worlds(), st.sampled_from([0.5, 10.0]))
def test_a_row_is_the_prior_and_the_counts(world, size):
    prior, cases, times = world
    learner = Learner(prior, LearningSpec(size))
    for case, time in zip(cases, times, strict=True):
        assert learner.add(case, time) == ""
    assert_tables(learner.network, prior, counted(prior, cases, [1.0] * len(cases)), size)


@given(worlds(), st.sampled_from([1, 700, 1_000_000]), st.randoms(use_true_random=False))
def test_cases_fade_alike_in_any_order(world, half_life, random):
    prior, cases, times = world
    weights = [0.5 ** ((max(times) - time) / half_life) for time in times]
    order = list(range(len(cases)))
    random.shuffle(order)
    learner = Learner(prior, LearningSpec(10.0, half_life_ms=half_life))
    for each in order:
        learner.add(cases[each], times[each])
    assert_tables(learner.network, prior, counted(prior, cases, weights), 10.0)


@given(worlds(holes=True), st.sampled_from(["skip", "available", "em"]))
def test_one_by_one_after_a_restart_is_the_same(world, missing):
    prior, cases, times = world
    spec = LearningSpec(3.0, half_life_ms=5_000, missing=missing)
    whole, first, second = Learner(prior, spec), Learner(prior, spec), Learner(prior, spec)
    for number, (case, time) in enumerate(zip(cases, times, strict=True)):
        whole.add(case, time)
        (first if number < len(cases) // 2 else second).add(case, time)
        if number == len(cases) // 2 - 1:
            second.restore(first.snapshot())
    assert second.network.version == whole.network.version


@given(worlds(holes=True))
def test_incomplete_cases_are_left_out_with_the_reason(world):
    prior, cases, times = world
    learner = Learner(prior, LearningSpec(2.0))
    complete = [case for case in cases if len(case) == len(prior.nodes)]
    for case, time in zip(cases, times, strict=True):
        reason = learner.add(case, time)
        first = next((name for name in prior.nodes if name not in case), None)
        assert reason == ("" if first is None else f"`{first}` is not known")
    assert sum(learner.skipped.values()) == len(cases) - len(complete)
    assert_tables(learner.network, prior, counted(prior, complete, [1.0] * len(complete)), 2.0)


@given(worlds(holes=True))
def test_available_families_count(world):
    prior, cases, _ = world
    learner = Learner(prior, LearningSpec(2.0, missing="available"))
    learner.add_many(codes_of(prior, cases))
    assert_tables(learner.network, prior, counted(prior, cases, [1.0] * len(cases)), 2.0)


@given(worlds(holes=True))
def test_a_pass_of_em_spreads_cases_as_the_network_believes(world):
    prior, cases, _ = world
    learner = Learner(prior, LearningSpec(2.0, missing="em"))
    learner.add_many(codes_of(prior, cases))
    expected = {name: {} for name in prior.nodes}
    for case in cases:
        if not case:
            continue
        for name, node in prior.nodes.items():
            for key, share in oracle.joint(plain(prior), node.family, case, {}).items():
                expected[name][key] = expected[name].get(key, 0.0) + share
    assert_tables(learner.network, prior, expected, 2.0)


@settings(max_examples=20)
@given(worlds(holes=True))
def test_no_pass_of_em_makes_the_cases_less_likely(world):
    prior, cases, _ = world
    codes = codes_of(prior, cases)
    score = []
    for passes in range(1, 5):
        learner = Learner(prior, LearningSpec(1e-6, missing="em"))
        learner.fit(codes, iterations=passes, tolerance=0.0)
        score.append(sum(log_probability(learner.network, case) for case in cases))
    assert all(after >= before - 1e-4 for before, after in itertools.pairwise(score))


def test_the_size_of_the_whole_network_leaves_rare_rows_few_cases():
    nodes = [
        Node("fraud", ("no", "yes"), (), np.array([0.99, 0.01])),
        Node("night", ("no", "yes"), ("fraud",), np.array([[0.9, 0.1], [0.4, 0.6]])),
    ]
    learner = Learner(Network(nodes), LearningSpec(100.0, per="network"))
    learner.add({"fraud": "yes", "night": "no"})
    # One case of fraud in a hundred is what the prior counts for: 0.6 and 0.4, and the new one.
    assert learner.network["night"].table[1] == pytest.approx([1.4 / 2, 0.6 / 2])
    assert learner.network["fraud"].table == pytest.approx([99 / 101, 2 / 101])
    assert learner.counts("night").tolist() == [[0, 0], [1, 0]]


def test_long_pauses_fade_all_to_the_prior():
    learner = Learner(naive_bayes({"t": ("a", "b")}, "t"), LearningSpec(2.0, half_life_ms=1))
    learner.add({"t": "a"}, 0)
    learner.add({"t": "b"}, 10_000_000_000)
    assert learner.network["t"].table == pytest.approx([1 / 3, 2 / 3])
    learner.add({"t": "a"}, 5)
    assert learner.network["t"].table == pytest.approx([1 / 3, 2 / 3])


def test_feedback_changes_the_compiled_posterior():
    states = {"fraud": ("no", "yes"), "night": ("no", "yes")}
    learner = Learner(naive_bayes(states, "fraud"))
    before = compile_posterior(learner.network, "fraud", ["night"]).table
    for _ in range(20):
        learner.add({"fraud": "yes", "night": "yes"})
    after = compile_posterior(learner.network, "fraud", ["night"]).table
    assert after[1, 1] > before[1, 1] + 0.1


def test_what_cannot_be_is_left_out():
    sure = Network([Node("t", ("a", "b"), (), np.array([1.0, 0.0])), Node("u", ("x",), (), np.ones(1))])
    learner = Learner(sure, LearningSpec(missing="em"))
    assert learner.add({"t": "b"}) == "the network says that such a case cannot be"
    assert learner.add({}) == "nothing is known"
    with pytest.raises(PolicyError, match="no state `c`"):
        learner.add({"t": "c"})
    with pytest.raises(PolicyError, match="no node `T1`"):
        learner.add({"T1": "c"})


def test_a_snapshot_of_another_network_is_refused():
    one = Learner(naive_bayes({"t": ("a", "b"), "e": ("x", "y")}, "t"))
    two = Learner(naive_bayes({"t": ("a", "b"), "e": ("y", "x")}, "t"))
    with pytest.raises(StateError, match="does not fit"):
        two.restore(one.snapshot())
    damaged = one.snapshot()
    damaged["counts"] = np.full_like(damaged["counts"], np.nan)
    with pytest.raises(StateError, match="damaged"):
        one.restore(damaged)
    with pytest.raises(StateError, match="does not fit"):
        one.restore({})


def test_the_way_of_learning_is_written_in_the_policy():
    node = parse_yaml("learn: {equivalent_sample_size: 50, per: network, half_life: 90d, missing: em}")
    assert read_learning(node.get("learn")) == LearningSpec(50.0, "network", 90 * 86_400_000, "em")
    assert read_learning(None) == LearningSpec()
    with pytest.raises(PolicyError, match="half_lief"):
        read_learning(parse_yaml("learn: {half_lief: 90d}").get("learn"))


# ---- structure

rows = st.lists(
    st.fixed_dictionaries({name: st.sampled_from("ab") for name in ("t", "e0", "e1", "e2", "e3")}),
    min_size=4,
    max_size=30,
)
STATES = dict.fromkeys(("t", "e0", "e1", "e2", "e3"), ("a", "b"))


@settings(max_examples=40)
@given(rows)
def test_the_learned_tree_is_a_heaviest_one(cases):
    codes = {name: np.array(["ab".index(case[name]) for case in cases]) for name in STATES}
    names = [name for name in STATES if name != "t"]
    weights = {
        (a, b): oracle.mutual_information(cases, a, b, "t") for a, b in itertools.combinations(names, 2)
    }
    for (a, b), weight in weights.items():
        assert information(STATES, "t", a, b, codes) == pytest.approx(weight, abs=1e-12)
    network = tree_augmented(STATES, "t", codes)
    edges = [
        tuple(sorted((name, parent))) for name in names for parent in network[name].parents if parent != "t"
    ]
    assert len(edges) == len(names) - 1
    assert sum(weights[edge] for edge in edges) == pytest.approx(
        oracle.best_tree_weight(names, weights), abs=1e-9
    )
    assert all("t" in network[name].parents for name in names)


def test_a_learned_tree_knows_that_two_signals_are_one():
    generator = np.random.default_rng(4)
    t = (generator.random(4_000) < 0.3).astype(np.int64)
    e0 = np.where(generator.random(4_000) < 0.9, t, 1 - t)
    codes = {"t": t, "e0": e0, "e1": e0.copy(), "e2": np.where(generator.random(4_000) < 0.6, t, 1 - t)}
    states = dict.fromkeys(codes, ("a", "b"))
    tree = learn_tree_augmented(states, "t", codes)
    assert "e1" in tree["e0"].parents or "e0" in tree["e1"].parents
    naive = Learner(naive_bayes(states, "t"), LearningSpec(1.0))
    naive.fit(codes)
    both = [compile_posterior(each, "t", ["e0", "e1"]).table for each in (tree, naive.network)]
    truth = t[e0 == 1].mean()
    assert abs(both[0][4, 1] - truth) < 0.01 < abs(both[1][4, 1] - truth)
