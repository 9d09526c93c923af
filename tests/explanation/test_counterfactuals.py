"""Counterfactuals: decided, minimal, found within their budget."""

from hypothesis import given
from hypothesis import strategies as st

from riskweave.batch import ACTIONS
from riskweave.explanation.counterfactuals import DECISIONS_MAX, Changeable, Search

amounts = st.integers(0, 10**6).map(lambda cents: cents / 100)


def world(limits, device_counts, true_amount, device):
    """A policy in which the action grows with the amount, and falls on a known device."""

    def decide(changes):
        amount = changes.get("amount", true_amount)
        action = sum(amount >= limit for limit in limits)
        if device_counts and changes.get("device", device) == "known":
            action = 0
        return ACTIONS[action]

    return decide


def fields(amount, hints=()):
    return [
        Changeable("amount", "number", amount, step=0.01, hints=hints),
        Changeable("device", "category", "new", choices=("known", "other")),
    ]


@given(st.lists(amounts, min_size=3, max_size=3), amounts, st.booleans())
def test_what_is_found_moves_the_action_and_its_neighbour_does_not(limits, amount, counts):
    decide = world(sorted(limits), counts, amount, "new")
    search = Search(decide({}), decide)
    found = search.run(fields(amount))
    assert search.asked <= DECISIONS_MAX
    for each in found:
        changes = {change.field: change.to for change in each.changes}
        assert decide(changes) == each.action != search.action
        if list(changes) == ["amount"]:
            steps = round(changes["amount"] * 100)
            nearer = (steps + (1 if changes["amount"] < amount else -1)) / 100
            worse = ACTIONS.index(each.action) < ACTIONS.index(search.action)
            back = ACTIONS.index(decide({"amount": nearer})) - ACTIONS.index(search.action)
            assert back >= 0 if worse else back <= 0
    if sorted(limits)[0] > 0 and search.action != "PASS":
        assert any(ACTIONS.index(each.action) < ACTIONS.index(search.action) for each in found)


def test_gentler_comes_first_and_two_are_changed_only_where_one_is_not_enough():
    def decide(changes):
        return "PASS" if changes.get("amount", 900) < 100 and changes.get("device") == "known" else "REVIEW"

    (found,) = Search("REVIEW", decide).run(fields(900.0, hints=(99.0,)))
    assert [change.field for change in found.changes] == ["amount", "device"]
    assert found.action == "PASS"


def test_times_are_only_moved_for_a_gentler_action():
    at = Changeable("at", "time", 0, choices=(3_600_000, -3_600_000))
    harsher = Search("PASS", lambda changes: "BLOCK" if changes else "PASS")
    assert harsher.run([at]) == []
    gentler = Search("BLOCK", lambda changes: "PASS" if changes.get("at", 0) < 0 else "BLOCK")
    (found,) = gentler.run([at])
    assert found.changes[0].to == -3_600_000


def test_the_budget_holds_for_a_policy_that_never_moves():
    search = Search("REVIEW", lambda changes: "REVIEW")
    assert search.run(fields(500.0, hints=tuple(range(0, 1000, 50)))) == []
    assert search.asked < DECISIONS_MAX
