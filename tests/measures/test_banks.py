"""Banks: the published seven, networks solved by hand, definitions written out."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from riskweave.errors import RiskweaveError
from riskweave.measures.contagion import clear, debtrank, leverage, propagate, propagate_once
from riskweave.measures.interbank import maximum_entropy
from riskweave.measures.liquidity import liquidity_coverage, maturity_gaps
from tests.oracles import measures as oracle

amounts = st.integers(0, 20).map(float)
CLAIMS, DEBTS = [7, 5, 3, 1, 3, 0, 1], [4, 5, 5, 0, 0, 2, 4]


@st.composite
def systems(draw):
    size = draw(st.integers(2, 5))
    lent = [[draw(amounts) if i != j else 0.0 for j in range(size)] for i in range(size)]
    return lent, [draw(st.integers(1, 30).map(float)) for _ in range(size)]


def test_the_seven_banks_of_anand_craig_and_von_peter():
    """Anand, Craig and von Peter (2015), p. 628; the matrix as R's NetworkRiskMeasures prints it."""
    assert maximum_entropy(CLAIMS, DEBTS).round(2).tolist() == [
        [0.00, 2.53, 2.18, 0, 0, 0.74, 1.55],
        [1.72, 0.00, 1.60, 0, 0, 0.54, 1.14],
        [0.98, 1.06, 0.00, 0, 0, 0.31, 0.65],
        [0.25, 0.27, 0.23, 0, 0, 0.08, 0.17],
        [0.75, 0.81, 0.70, 0, 0, 0.24, 0.50],
        [0.00, 0.00, 0.00, 0, 0, 0.00, 0.00],
        [0.30, 0.32, 0.28, 0, 0, 0.09, 0.00],
    ]


@settings(deadline=None, max_examples=40)
@given(systems())
def test_a_matrix_keeps_its_sums_and_is_the_one_of_proportional_fitting(system):
    lent = np.array(system[0])
    rows, columns = lent.sum(axis=1), lent.sum(axis=0)
    # Where zeros force the fit to the border, it comes near only slowly.
    assume((rows + columns < 0.95 * lent.sum()).all())
    found = maximum_entropy(rows, columns)
    assert found.sum(axis=1) == pytest.approx(rows, abs=1e-6)
    assert found.sum(axis=0) == pytest.approx(columns, abs=1e-6)
    assert not np.diagonal(found).any()
    assert found == pytest.approx(np.array(oracle.spread(rows, columns)), abs=1e-5)


@settings(deadline=None, max_examples=60)
@given(systems(), st.integers(0, 4), st.sampled_from([0.1, 0.5, 1.0]))
def test_distress_is_the_papers_equations(system, bank, size):
    lent, buffer = system
    shock = [size if k == bank % len(buffer) else 0.0 for k in range(len(buffer))]
    impacts = leverage(lent, buffer)
    assert propagate_once(impacts, shock) == pytest.approx(oracle.debtrank_2012(lent, buffer, shock))
    ours, theirs = propagate(impacts, shock, 1e-14), oracle.debtrank_2015(lent, buffer, shock)
    assert ours == pytest.approx(theirs, abs=1e-6)
    assert (ours >= propagate_once(impacts, shock) - 1e-9).all()


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_a_ring_of_two_is_a_geometric_series(part):
    """Each has lent the other `part` of its own capital: a shock s to one ends as s / (1 - part^2)."""
    lent = [[0.0, part], [part, 0.0]]
    after = propagate(leverage(lent, [1.0, 1.0]), [0.05, 0.0], 1e-15)
    assert after == pytest.approx([0.05 / (1 - part**2), 0.05 * part / (1 - part**2)])
    once = propagate_once(leverage(lent, [1.0, 1.0]), [0.05, 0.0])
    assert once == pytest.approx([0.05 * (1 + part**2), 0.05 * part])


def test_a_chain_and_a_star_by_hand():
    chain = [[0, 0, 0], [4, 0, 0], [0, 5, 0]]  # the second has lent the first 4, the third the second 5
    found = debtrank(chain, [10, 8, 20], weights=[1, 1, 2])
    # 4 / 8 of the second's capital, then 5 / 20 of that of the third's; weights 1, 1, 2 of 4.
    assert found.debtrank == pytest.approx([0.5 * 0.25 + 0.125 * 0.5, 0.25 * 0.5, 0.0])
    assert found.places.tolist() == [1, 2, 3]
    star = np.zeros((4, 4))
    star[1:, 0] = 3.0  # three creditors of one
    found = debtrank(star, [1, 2, 3, 6])
    assert found.debtrank[0] == pytest.approx((1 + 1 + 0.5) / 3)
    assert found.failures.tolist() == [2, 0, 0, 0]
    assert found.places.tolist() == [1, 2, 2, 2]


@settings(deadline=None, max_examples=60)
@given(systems(), st.data())
def test_clearing_is_the_greatest_fixed_point(system, data):
    lent, outside = system
    beside = [data.draw(st.integers(1, 10).map(float)) for _ in outside]
    outside = [data.draw(amounts) for _ in outside]
    found = clear(lent, outside, beside)
    assert found.paid == pytest.approx(oracle.payments(lent, outside, beside), abs=1e-6)
    due = np.array(lent).sum(axis=0) + beside
    assert ((found.failed_in > 0) == (found.paid < due * (1 - 1e-9))).all()


def test_clearing_by_hand():
    """A has 1 and owes B 2; B has 1 and owes C 3; C owes nobody: A pays 1, B pays 2, C has 2."""
    lent = [[0, 0, 0], [2, 0, 0], [0, 3, 0]]
    found = clear(lent, [1, 1, 0])
    assert found.paid.tolist() == [1, 2, 0]
    assert found.equity.tolist() == [0, 0, 2]
    assert found.failed_in.tolist() == [1, 2, 0]  # B would have lived had A paid
    assert clear(lent, [2, 1, 0]).failed_in.tolist() == [0, 0, 0]
    assert clear(lent, [1, 0, 0]).failed_in.tolist() == [1, 1, 0]


positive = st.floats(0, 100)


@settings(deadline=None)
@given(st.floats(0.1, 100), positive, positive, positive)
def test_the_stock_keeps_both_caps_and_is_the_largest_that_does(level_1, a, b, mortgages):
    found = liquidity_coverage(level_1, 50, 0, a, b, mortgages)
    after_a, after_b = 0.85 * a, 0.5 * b + 0.75 * mortgages
    assert found.stock == pytest.approx(oracle.stock(level_1, after_a, after_b), rel=1e-6)
    assert found.stock <= level_1 / 0.6 + 1e-9


def test_inflows_count_up_to_three_quarters():
    assert liquidity_coverage(100, 100, 50).ratio == pytest.approx(2.0)
    assert liquidity_coverage(100, 100, 500).ratio == pytest.approx(4.0)
    assert liquidity_coverage(1, 0).ratio == float("inf")
    # 60 of level 1 carry 25 of 2A and 15 of 2B: the caps met exactly, nothing is cut.
    exact = liquidity_coverage(60, 100, 0, 25 / 0.85, 30)
    assert (exact.stock, exact.cut_at_15, exact.cut_at_40) == pytest.approx((100, 0, 0), abs=1e-9)


def test_gaps_run_up_and_end_the_reserve():
    found = maturity_gaps([5, 5, 20], [10, 12, 1], reserve=8)
    assert found.gap.tolist() == [-5, -7, 19]
    assert found.cumulative.tolist() == [-5, -12, 7]
    assert found.survives == 1
    assert maturity_gaps([5, 5, 20], [10, 12, 1], reserve=12).survives == 3


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (lambda: maximum_entropy([1, 2], [1, 1]), "all claims are debts"),
        (lambda: maximum_entropy([5, 1], [5, 1]), "lend to itself"),
        (lambda: maximum_entropy([1, -1], [0, 0]), "no negative amounts"),
        (lambda: leverage([[0, 1], [1, 0]], [0, 1]), "has no capital"),
        (lambda: leverage([[1, 1], [1, 0]], [1, 1]), "exposure to itself"),
        (lambda: propagate(np.zeros((2, 2)), [2, 0]), "1 at most"),
        (lambda: liquidity_coverage(-1, 1), "level 1"),
        (lambda: maturity_gaps([1], [1, 2]), "buckets"),
    ],
)
def test_what_is_no_system_is_refused(what, said):
    with pytest.raises(RiskweaveError, match=said):
        what()
