"""Bayesian networks by their definition: the joint distribution, cell by cell, in plain Python.

A network here is a list of nodes (name, states, parents, rows), parents first; `rows` maps a tuple of
the parents' states to a dict of state: probability.
"""

from __future__ import annotations

import itertools
import math
import re


def worlds(nodes):
    """Yield every assignment of states with its probability."""
    for states in itertools.product(*(node[1] for node in nodes)):
        world = dict(zip((node[0] for node in nodes), states, strict=True))
        chance = 1.0
        for name, _, parents, rows in nodes:
            chance *= rows[tuple(world[parent] for parent in parents)][world[name]]
        yield world, chance


def weighted(nodes, evidence, likelihood):
    """Yield the assignments that agree with the evidence, times the likelihoods.

    `likelihood` is {node: {state: weight}}.
    """
    for world, chance in worlds(nodes):
        if all(world[name] == state for name, state in evidence.items()):
            for name, weights in likelihood.items():
                chance *= weights[world[name]]
            yield world, chance


def joint(nodes, targets, evidence, likelihood):
    """Return {states of targets: probability}; None when the evidence cannot occur."""
    sums: dict[tuple[str, ...], list[float]] = {}
    for world, chance in weighted(nodes, evidence, likelihood):
        sums.setdefault(tuple(world[name] for name in targets), []).append(chance)
    total = math.fsum(math.fsum(each) for each in sums.values())
    return {key: math.fsum(each) / total for key, each in sums.items()} if total > 0 else None


def probability(nodes, evidence, likelihood):
    return math.fsum(chance for _, chance in weighted(nodes, evidence, likelihood))


def greatest(nodes, evidence, likelihood):
    """Return the probability of the most probable assignment that agrees with the evidence."""
    return max(chance for _, chance in weighted(nodes, evidence, likelihood))


def weight(nodes, world, likelihood):
    """Return the probability of one assignment, weighted."""
    return next(chance for each, chance in weighted(nodes, world, likelihood) if each == world)


def independent(nodes, first, second, given):
    """Tell whether first and second are independent for every state of `given`, to rounding."""
    for states in itertools.product(*({n[0]: n[1] for n in nodes}[name] for name in given)):
        known = dict(zip(given, states, strict=True))
        both = joint(nodes, [first, second], known, {})
        if both is None:
            continue
        one, two = joint(nodes, [first], known, {}), joint(nodes, [second], known, {})
        if any(abs(both.get((a, b), 0) - one[(a,)] * two[(b,)]) > 1e-9 for (a,) in one for (b,) in two):
            return False
    return True


def mutual_information(rows, first, second, given):
    """Return I(first; second | given) in nats of a list of dicts, by its definition with counts."""
    count = len(rows)

    def share(names):
        found: dict[tuple[str, ...], float] = {}
        for row in rows:
            key = tuple(row[name] for name in names)
            found[key] = found.get(key, 0) + 1 / count
        return found

    all_three, one, two = share([first, second, given]), share([first, given]), share([second, given])
    class_only = share([given])
    return math.fsum(
        p * math.log(p * class_only[(z,)] / (one[(x, z)] * two[(y, z)])) for (x, y, z), p in all_three.items()
    )


def best_tree_weight(names, weight_of):
    """Return the greatest total weight of a spanning tree, trying every set of edges."""
    edges = list(itertools.combinations(names, 2))
    best = -math.inf
    for chosen in itertools.combinations(edges, len(names) - 1):
        parts = [{name} for name in names]
        for a, b in chosen:
            one = next(part for part in parts if a in part)
            two = next(part for part in parts if b in part)
            if one is not two:
                parts.remove(two)
                one |= two
        if len(parts) == 1:
            best = max(best, math.fsum(weight_of[edge] for edge in chosen))
    return best


def decide_once(nodes, actions, utility, target, evidence, tests=()):
    """Return the greatest expected utility when `tests` are seen before acting.

    `utility[action][state of target]`. With no tests it is what acting at once brings.
    """
    total = 0.0
    seen = joint(nodes, list(tests), evidence, {}) if tests else {(): 1.0}
    for states, chance in seen.items():
        if chance == 0:
            continue
        known = {**evidence, **dict(zip(tests, states, strict=True))}
        belief = joint(nodes, [target], known, {})
        total += chance * max(
            math.fsum(belief[key] * utility[action][key[0]] for key in belief) for action in actions
        )
    return total


def greatest_utility(order, chance, utilities, informed):
    """Return the greatest expected utility of a decision diagram, by trying every strategy.

    `order` lists the decisions as (name, states); `informed[decision]` the names known then, by
    no-forgetting including earlier decisions; `chance` are nodes as above (parents may be decisions);
    `utilities` are (parents, {states: value}).
    """
    states_of = dict(order) | {node[0]: node[1] for node in chance}
    tables = []
    for name, states in order:
        rows = list(itertools.product(*(states_of[each] for each in informed[name])))
        tables.append(
            [dict(zip(rows, picks, strict=True)) for picks in itertools.product(states, repeat=len(rows))]
        )
    best = -math.inf
    everything = list(itertools.product(*(node[1] for node in chance)))
    for strategy in itertools.product(*tables):
        total = 0.0
        for states in everything:
            world = dict(zip((node[0] for node in chance), states, strict=True))
            waiting = list(zip(order, strategy, strict=True))
            # A decision may only be informed by what does not depend on it: in order is enough.
            for (name, _), table in waiting:
                world[name] = table[tuple(world[each] for each in informed[name])]
            p = 1.0
            for name, _, parents, rows in chance:
                p *= rows[tuple(world[parent] for parent in parents)][world[name]]
            if p:
                total += p * sum(
                    values[tuple(world[each] for each in parents)] for parents, values in utilities
                )
        best = max(best, total)
    return best


def read_plain_bif(text):
    """Return {node: (states, parents, {parents' states: numbers})} of a BIF file as bnlearn writes it."""
    found = {}
    for name, states in re.findall(r"variable (\S+) \{\s*type discrete \[ \d+ \] \{ (.*?) \};", text):
        found[name] = (tuple(states.split(", ")), (), {})
    for head, body in re.findall(r"probability \( (.*?) \) \{(.*?)\n\}", text, re.DOTALL):
        name, _, parents = head.partition(" | ")
        states, _, rows = found[name]
        for key, numbers in re.findall(r"(?:\((.*?)\)|table) ([^;()]*);", body):
            rows[tuple(key.split(", ")) if key else ()] = [float(number) for number in numbers.split(", ")]
        found[name] = (states, tuple(parents.split(", ")) if parents else (), rows)
    return found
