"""Bands from costs: the action in each band is the best there, and what can never win is refused."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskweave import Policy, PolicyError
from riskweave.decision.drawing import action_map
from riskweave.decision.envelope import losers, solve_bands
from riskweave.decision.money import Costs
from riskweave.expressions.strings import StringPool
from riskweave.policy.check import check_policy, judge_of
from riskweave.policy.compile import compile_all
from tests.decision.world import policy
from tests.oracles import decision as oracle

ACTIONS = ["PASS", "MFA", "REVIEW", "BLOCK"]
share = st.floats(0, 1)
cost = st.floats(0, 100)
numbers = st.fixed_dictionaries(
    {
        "amount": st.floats(1, 5000), "recovery": share, "margin": st.floats(-20, 100), "insult": cost,
        "mfa.fee": cost, "mfa.customer_passes": share, "mfa.attacker_passes": share,
        "review.cost": cost, "review.detection": share, "review.delay": cost,
    }
)  # fmt: skip
priced = st.sets(st.sampled_from(ACTIONS), min_size=1).map(lambda some: sorted(some, key=ACTIONS.index))


@settings(max_examples=150, deadline=None)
@given(numbers, priced, st.lists(share, min_size=5, max_size=5))
def test_the_band_that_holds_a_probability_names_the_best_action(given_costs, actions, probabilities):
    bands = solve_bands(Costs.of(given_costs), actions)
    n = oracle.numbers(given_costs)
    assert (bands[0].low, bands[-1].high) == (0.0, 1.0)
    assert all(a.high == b.low and a.action != b.action for a, b in pairwise(bands))
    scale = 1e-9 * (1 + sum(abs(number) for number in n.values()))
    for p in probabilities:
        band = next(band for band in bands if band.low <= p <= band.high)
        best = max(oracle.expected(ACTIONS.index(action), n, p) for action in actions)
        assert oracle.expected(ACTIONS.index(band.action), n, p) >= best - scale


@settings(max_examples=25, deadline=None)
@given(numbers, priced)
def test_an_action_is_a_loser_exactly_when_no_probability_and_amount_makes_it_best(given_costs, actions):
    def costs_at(amount):
        return Costs.of({**given_costs, "amount": amount})

    lost = {each.action: each for each in losers(costs_at, actions, 1.0, 5000.0)}
    for action, each in lost.items():
        assert each.shortfall >= -1e-12
        for k in range(30):
            n = oracle.numbers({**given_costs, "amount": 5000.0 ** (k / 29)})
            scale = 1e-9 * (1 + sum(abs(number) for number in n.values()))
            for p in [j / 20 for j in range(21)]:
                mine = oracle.expected(ACTIONS.index(action), n, p)
                assert (
                    mine
                    <= max(
                        oracle.expected(ACTIONS.index(other), n, p) for other in actions if other != action
                    )
                    + scale
                )
                if each.dominator:
                    assert mine <= oracle.expected(ACTIONS.index(each.dominator), n, p) + scale
    assert len(lost) < len(actions)


def test_what_the_books_say_of_two_actions():
    # Bahnsen et al.: flag from p = C / amount on, where looking costs C whatever comes out.
    costs = Costs.of({"amount": 400, "block.cost": 10})
    assert [(band.action, band.low) for band in solve_bands(costs, ["PASS", "BLOCK"])] == [
        ("PASS", 0.0),
        ("BLOCK", pytest.approx(10 / 400)),
    ]


def simple(**costs):
    flat = dict.fromkeys(
        [
            "network",
            "evidence",
            "adjustments",
            "floors",
            "ceilings",
            "capacity",
            "tests",
            "ask",
            "assume",
            "hysteresis",
        ]
    )
    return {**policy(**flat, belief="score", costs={"amount": "amount", "insult": 20, **costs}), "rules": []}


def findings(values):
    return [each for each in check_policy(Policy.from_dict(values)) if "costs" in each.message]


def test_check_refuses_an_action_that_can_never_win_and_names_what_beats_it():
    [found] = findings(
        simple(
            review={"cost": 3, "detection": 0.5},
            mfa={"fee": 0.1, "customer_passes": 1, "attacker_passes": 0.2},
        )
    )
    assert found.severity == "error"
    assert "REVIEW can never win" in found.message
    assert "MFA is at least as good" in found.hint
    [found] = findings(simple(review={"cost": 19, "detection": 0.9}))
    assert "BLOCK brings" in found.hint or "PASS brings" in found.hint
    assert findings(simple(review={"cost": 3, "detection": 0.9})) == []


def test_costs_that_depend_on_more_than_the_amount_are_judged_by_what_is_assumed():
    values = simple(margin="margin", review={"cost": 900, "detection": 0.9})
    [found] = findings(values)
    assert found.severity == "note"
    assert "`margin`" in found.hint
    values["decision"]["assume"] = {"margin": 2}
    assert [each.severity for each in findings(values)] == ["error"]
    values["decision"]["assume"] = {"margins": 2}
    with pytest.raises(PolicyError, match="margins"):
        findings(values)


def test_the_map_shows_every_action_that_wins():
    compilation = compile_all(Policy.from_dict(policy()), StringPool())
    judge = judge_of(compilation)
    drawing = action_map(
        lambda amount: judge.costs_at(1, amount), judge.priced(1), (1.0, 10_000.0), "a <b>", "EUR"
    )
    assert drawing.startswith("<svg")
    assert "a &lt;b&gt;" in drawing
    assert "(never)" not in drawing
    assert judge.costs_at(1, 100.0)["margin"] == 1.0
