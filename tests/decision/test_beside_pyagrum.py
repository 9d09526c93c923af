"""The value of a test and the best action are those of an influence diagram, solved by pyAgrum."""

import pytest

from riskweave.decision.money import Costs
from riskweave.decision.plan import Number, Test
from riskweave.decision.telling import information
from tests.decision.networks.public import pyagrum as gum
from tests.oracles import decision as oracle

ACTIONS = ["PASS", "MFA", "REVIEW", "BLOCK"]
COSTS = {
    "amount": 700.0, "recovery": 0.1, "margin": 7.0, "insult": 30.0,
    "mfa.fee": 0.5, "mfa.customer_passes": 0.9, "mfa.attacker_passes": 0.3, "mfa.drop_off": 0.05,
    "review.cost": 8.0, "review.detection": 0.85, "review.delay": 1.0,
}  # fmt: skip


def greatest_utility(p, results):
    """What a decision brings by pyAgrum, made after a test's result is known (None: without a test)."""
    diagram = gum.InfluenceDiagram()
    diagram.addChanceNode(gum.LabelizedVariable("fraud", "", ["no", "yes"]))
    diagram.addDecisionNode(gum.LabelizedVariable("action", "", ACTIONS))
    diagram.addUtilityNode(gum.LabelizedVariable("money", "", 1))
    diagram.addArc("fraud", "money")
    diagram.addArc("action", "money")
    diagram.cpt("fraud").fillWith([1 - p, p])
    n = oracle.numbers(COSTS)
    for a, action in enumerate(ACTIONS):
        for fraud in (0, 1):
            diagram.utility("money")[{"action": action, "fraud": fraud}] = oracle.brings(a, n, bool(fraud))
    if results is not None:
        diagram.addChanceNode(gum.LabelizedVariable("result", "", len(results)))
        diagram.addArc("fraud", "result")
        diagram.addArc("result", "action")
        for fraud in (0, 1):
            diagram.cpt("result")[{"fraud": fraud}] = [each[0 if fraud else 1] for each in results]
    solver = gum.ShaferShenoyLIMIDInference(diagram)
    if results is not None:
        solver.addNoForgettingAssumption(["action"])
    solver.makeInference()
    return solver.MEU()["mean"]


@pytest.mark.parametrize("p", [0.002, 0.02, 0.1, 0.4, 0.9])
@pytest.mark.parametrize(
    "results", [[(0.9, 0.05), (0.1, 0.95)], [(0.2, 0.7), (0.3, 0.25), (0.5, 0.05)], [(0.4, 0.4), (0.6, 0.6)]]
)
def test_the_value_of_a_test_is_what_an_influence_diagram_says(p, results):
    test = Test("t", -1, Number(-1, 0.0), tuple(("r", *each) for each in results), -1)
    value = information(Costs.of(COSTS), p, test, [0, 1, 2, 3])
    expected = greatest_utility(p, results) - greatest_utility(p, None)
    assert value == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("p", [0.002, 0.02, 0.1, 0.4, 0.9])
def test_the_best_action_is_the_diagram_s(p):
    n = oracle.numbers(COSTS)
    best = oracle.best([0, 1, 2, 3], n, p)
    assert sum(Costs.of(COSTS).parts(ACTIONS[best], p).values()) == pytest.approx(greatest_utility(p, None))
