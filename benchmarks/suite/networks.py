"""Bayesian networks: public ones asked a thousand times beside pyAgrum and pgmpy; compiled posteriors.

Evidence is drawn at random, some of it soft. Marginals are compared with pyAgrum's on the tables
that pgmpy's reader found; times are processor time of one question, from evidence to posterior.
"""

from __future__ import annotations

import argparse
import time
import warnings
from statistics import median
from typing import Any

import numpy as np
from benchmarks.measure import median_seconds, write
from tests.decision.networks import public
from tests.decision.networks.public import pyagrum

from riskweave.decision.networks.bif import read_bif
from riskweave.decision.networks.circuit import Circuit
from riskweave.decision.networks.compiled import compile_posterior, posterior_many
from riskweave.decision.networks.elimination import posterior
from riskweave.decision.networks.learning import Learner
from riskweave.decision.networks.network import Network, Node
from riskweave.decision.networks.structure import naive_bayes

NETWORKS = ("asia", "cancer", "earthquake", "survey", "sachs", "child", "alarm", "insurance", "hailfinder",
            "win95pts", "hepar2", "water", "andes", "pigs", "pathfinder")  # fmt: skip
QUESTIONS = 1_000
PGMPY_QUESTIONS = 20
EVENTS = 200_000


def run(arguments: argparse.Namespace) -> None:
    generator = np.random.default_rng(arguments.seed)
    asked = {name: ask(name, QUESTIONS, generator) for name in NETWORKS}
    compiled = {name: batch(*question, arguments.runs) for name, question in questions(generator).items()}
    write("networks", {"asked": asked, "compiled": compiled, "feedback": feedback(generator)})


def ask(name: str, count: int, generator: np.random.Generator) -> dict[str, Any]:
    """Ask one network `count` questions; return differences and the median microseconds of each engine."""
    network = read_bif(public.folder() / f"{name}.bif.gz")
    model, tables = read_by_pgmpy(name)
    peer = public.twin([(n.name, n.states, n.parents) for n in network.nodes.values()], tables)
    difference = max(float(np.abs(n.table - tables[n.name]).max()) for n in network.nodes.values())
    names = list(network.nodes)
    ours, theirs, third = [], [], []
    worst = worst_third = 0.0
    impossible = compared = 0
    while compared < count:
        target, hard, soft = question(network, names, generator)
        started = time.process_time()
        found = posterior(network, target, hard, soft)
        spent = time.process_time() - started
        if np.isnan(found).any():
            impossible += 1
            continue
        compared += 1
        ours.append(spent)
        started = time.process_time()
        inference = pyagrum.LazyPropagation(peer)
        inference.setEvidence({**hard, **soft})
        inference.addTarget(target)
        inference.makeInference()
        other = inference.posterior(target)
        theirs.append(time.process_time() - started)
        worst = max(worst, float(np.abs(found - other.toarray()).max()))
        if len(third) < PGMPY_QUESTIONS and not soft:
            answer, spent = ask_pgmpy(model, target, hard)
            third.append(spent)
            states = network[target].states
            order = [answer.state_names[target].index(state) for state in states]
            worst_third = max(worst_third, float(np.abs(found - answer.values[order]).max()))
    return {
        "nodes": len(network),
        "numbers": sum(node.table.size for node in network.nodes.values()),
        "questions": count,
        "impossible": impossible,
        "tables_differ_by": difference,
        "differs_from_pyagrum_by": worst,
        "differs_from_pgmpy_by": worst_third,
        "riskweave_us": round(1e6 * median(ours), 1),
        "pyagrum_us": round(1e6 * median(theirs), 1),
        "pgmpy_us": round(1e6 * median(third), 1),
    }


def question(
    network: Network, names: list[str], generator: np.random.Generator
) -> tuple[str, dict[str, str], dict[str, list[float]]]:
    """Draw a target and evidence on up to five other nodes, a quarter of it soft in every other question."""
    size = int(generator.integers(0, min(6, len(names))))
    target, *observed = (str(each) for each in generator.choice(names, size + 1, replace=False))
    hard: dict[str, str] = {}
    soft: dict[str, list[float]] = {}
    may_be_soft = generator.random() < 0.5
    for each in observed:
        states = network[each].states
        if may_be_soft and generator.random() < 0.25:
            soft[each] = generator.random(len(states)).tolist()
        else:
            hard[each] = str(generator.choice(states))
    return target, hard, soft


def read_by_pgmpy(name: str) -> tuple[Any, dict[str, np.ndarray]]:
    """Return pgmpy's model of a file, and its tables as ours are laid out, rows scaled to 1."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pgmpy.readwrite import BIFReader

        model = BIFReader(string=public.text(name)).get_model()
    network = read_bif(public.folder() / f"{name}.bif.gz")
    tables = {}
    for node in network.nodes.values():
        table = model.get_cpds(node.name)
        table.normalize()
        values = table.values
        for axis, each in enumerate(table.variables):
            order = [table.state_names[each].index(state) for state in network[each].states]
            values = np.take(values, order, axis=axis)
        values = values.transpose([table.variables.index(each) for each in node.family])
        tables[node.name] = values
    return model, tables


def ask_pgmpy(model: Any, target: str, hard: dict[str, str]) -> tuple[Any, float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pgmpy.inference import VariableElimination

        started = time.process_time()
        found = VariableElimination(model).query([target], evidence=hard, show_progress=False)
        return found, time.process_time() - started


# ---- compiled


def questions(generator: np.random.Generator) -> dict[str, tuple[Network, str, list[str]]]:
    """Return what a policy may compile: few signals, many, tied to one another, and a public network."""

    def signals(count: int, states: int, tied: bool) -> tuple[Network, str, list[str]]:
        nodes = [Node("fraud", ("no", "yes"), (), np.array([0.998, 0.002]))]
        labels = tuple(f"s{number}" for number in range(states))
        for number in range(count):
            parents = ("fraud", f"e{number - 1}") if tied and number else ("fraud",)
            shape = [2, states][: len(parents)]
            nodes.append(
                Node(f"e{number}", labels, parents, generator.dirichlet(np.ones(states), size=shape))
            )
        return Network(nodes), "fraud", [node.name for node in nodes[1:]]

    alarm = read_bif(public.folder() / "alarm.bif.gz")
    leaves = [name for name in alarm.nodes if not alarm.children[name]]
    return {
        "7 signals of 4 states": signals(7, 4, False),
        "7 signals of 4 states, each tied to another": signals(7, 4, True),
        "20 signals of 5 states": signals(20, 5, False),
        "12 signals of 4 states, each tied to another": signals(12, 4, True),
        f"alarm: LVFAILURE from its {len(leaves)} leaves": (alarm, "LVFAILURE", leaves),
    }


def batch(network: Network, target: str, evidence: list[str], runs: int) -> dict[str, Any]:
    """Compile, ask for many events at once, and compare some with the answers of elimination."""
    made = median_seconds(lambda: compile_posterior(network, target, evidence), runs)
    compiled = compile_posterior(network, target, evidence)
    generator = np.random.default_rng(1)
    lengths = [len(network[name].states) + 1 for name in evidence]
    indices = np.array([generator.integers(0, length, EVENTS) for length in lengths])
    out = np.empty((len(network[target].states), EVENTS))
    posterior_many(compiled, indices, out)
    seconds = median_seconds(lambda: posterior_many(compiled, indices, out), max(runs, 5))
    worst = 0.0
    for event in range(50):
        hard = {
            name: network[name].states[number]
            for name, number in zip(evidence, indices[:, event], strict=True)
            if number < len(network[name].states)
        }
        found = posterior(network, target, hard)
        if not np.isnan(found).any():
            worst = max(worst, float(np.abs(found - out[:, event]).max()))
    circuit = isinstance(compiled, Circuit)
    return {
        "kind": "circuit" if circuit else "table",
        "size": len(compiled.steps) if circuit else int(compiled.table.size),  # type: ignore[union-attr]
        "us_per_posterior": round(1e6 * seconds / EVENTS, 4),
        "compile_ms": round(1e3 * made, 2),
        "differs_by": worst,
    }


def feedback(generator: np.random.Generator) -> dict[str, float]:
    """Return what one labelled case costs, and a new table after it."""
    states = {"fraud": ("no", "yes"), **{f"e{number}": ("a", "b", "c", "d") for number in range(7)}}
    learner = Learner(naive_bayes(states, "fraud"))
    cases = [{name: str(generator.choice(each)) for name, each in states.items()} for _ in range(200)]
    started = time.process_time()
    for case in cases:
        learner.add(case)
    add = (time.process_time() - started) / len(cases)
    evidence = [name for name in states if name != "fraud"]

    def again() -> None:
        learner.add(cases[0])
        compile_posterior(learner.network, "fraud", evidence)

    return {"case_us": round(1e6 * add, 1), "case_and_table_ms": round(1e3 * median_seconds(again, 5), 2)}
