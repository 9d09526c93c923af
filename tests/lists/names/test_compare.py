"""Names are told alike as a person would: other spellings, orders, scripts and forms; not other people."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskweave.lists.names.compare import MATCH_MIN, compare
from riskweave.lists.names.reading import read_name

SAME = [
    ("person", "Maria Keller", "KELLER, Maria"),
    ("person", "Dr. Maria Keller", "Maria Keller"),
    ("person", "Maria Kellar", "Maria Keller"),
    ("person", "MariaKeller", "Maria Keller"),
    ("person", "M. Keller", "Maria Keller"),
    ("person", "Maria Anna Keller", "Maria Keller"),
    ("person", "Hussein al-Tikriti", "Husayn Al Tikriti"),
    ("person", "Дмитрий Орлов", "Dmitri Orlov"),
    ("person", "محمد سالم", "Mohammad Salem"),
    ("person", "Νίκος Παππάς", "Nikos Pappas"),
    ("person", "王建国", "Wang Jianguo"),
    ("person", "Bill Hartley", "William Hartley"),
    ("person", "J.-P. Moreau", "Jean-Pierre Moreau"),
    ("organisation", "Northwind Shipping Ltd", "NORTHWIND SHIPPING LIMITED"),
    ("organisation", "ООО Ромашка", "Romashka LLC"),
    ("organisation", "Blue Water Trading", "Bluewater Trading Co."),
    ("organisation", "Brigade Twenty-One", "Brigade 21"),
    ("vessel", "MV Northern Star", "Northern Star"),
]
OTHERS = [
    ("person", "Maria Keller", "Peter Keller"),
    ("person", "Maria Keller", "Maria Schulz"),
    ("person", "Anna B. Keller", "Anna C. Keller"),
    ("person", "王建国", "Wang Jianmin Zhou"),
    ("organisation", "Northwind Shipping Ltd", "Southwind Trading Ltd"),
    ("organisation", "First Trading Company", "Second Trading Company"),
    ("organisation", "Bank of Ruritania", "Bank of Graustark"),
    ("vessel", "Northern Star", "Southern Cross"),
]


@pytest.mark.parametrize(("kind", "one", "other"), SAME)
def test_the_same_name_written_otherwise(kind, one, other):
    assert compare(one, other, kind).score >= MATCH_MIN


@pytest.mark.parametrize(("kind", "one", "other"), OTHERS)
def test_another_name(kind, one, other):
    assert compare(one, other, kind).score < MATCH_MIN


@settings(deadline=None, max_examples=200)
@given(
    st.text(max_size=60),
    st.text(max_size=60),
    st.sampled_from(["person", "organisation", "vessel", "unknown"]),
)
def test_anything_may_be_asked_and_the_answer_is_the_same_both_ways(one, other, kind):
    score = compare(one, other, kind).score
    assert 0.0 <= score <= 1.0
    assert compare(other, one, kind).score == pytest.approx(score, abs=0.05)
    if read_name(one, kind).words:
        assert compare(one, one, kind).score == 1.0


def test_the_comparison_says_which_words_met_and_what_was_left():
    found = compare("Maria Anna Keller", "Kellar, Maria", "person")
    assert {(met.one, met.other) for met in found.met} == {("maria", "maria"), ("keller", "kellar")}
    assert found.left_one == ("anna",)
    assert found.left_other == ()


def test_a_very_long_name_is_read_in_part():
    assert len(read_name("a b c d e f " * 500, "person").words) == 24
