"""Spelling distance equals its definition; the search passes over no word that is near."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskweave.kernels import spellings as kernel
from riskweave.lists.names.spelling import CHANGE, DROP, DROP_ABJAD, alike, letters_of, mask_of
from tests.oracles.names import spelling_distance

words = st.text("abceghiknorstuvy01", min_size=1, max_size=9)


def code(letter):
    return int(letters_of(letter)[0])


def defined(one, other, drop=DROP):
    return spelling_distance(
        one, other, lambda a, b: float(CHANGE[code(a), code(b)]), lambda a: float(drop[code(a)])
    )


def kernels(one, other, drop=DROP):
    rows = np.zeros((3, kernel.LETTERS_MAX + 1))
    return kernel.distance(letters_of(one), letters_of(other), CHANGE, drop, rows)


@settings(deadline=None, max_examples=300)
@given(words, words)
def test_the_distance_is_the_defined_one(one, other):
    assert kernels(one, other) == pytest.approx(defined(one, other))
    assert kernels(one, other, DROP_ABJAD) == pytest.approx(defined(one, other, DROP_ABJAD))


@settings(deadline=None, max_examples=100)
@given(words, words)
def test_distance_and_likeness_are_the_same_both_ways(one, other):
    assert kernels(one, other) == pytest.approx(kernels(other, one))
    assert alike(one, other) == pytest.approx(alike(other, one))
    assert alike(one, one) == 1.0


@settings(deadline=None, max_examples=60)
@given(words, st.lists(words, min_size=1, max_size=30, unique=True), st.floats(0.05, 0.3))
def test_the_search_finds_what_comparing_with_every_word_finds(word, terms, limit):
    lengths = [len(term) for term in terms]
    start = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    letters = np.concatenate([letters_of(term) for term in terms])
    masks = np.array([mask_of(term) for term in terms], np.uint64)
    found, costs = np.zeros(64, np.int64), np.zeros(64)
    rows = np.zeros((3, kernel.LETTERS_MAX + 1))
    count = kernel.near_words(
        letters_of(word), limit, letters, start, masks, CHANGE, DROP, np.zeros((3, 4096)), rows, found, costs
    )
    expected = {}
    for number, term in enumerate(terms):
        cost = defined(word, term)
        # Words so different in length that only doubled letters could explain it are not looked for.
        if cost <= limit * max(len(word), len(term)) and not many_doubles(word, term, limit):
            expected[number] = cost
    assert dict(zip(found[:count].tolist(), costs[:count].tolist(), strict=True)).keys() >= expected.keys()
    for number, cost in expected.items():
        assert costs[:count][found[:count] == number][0] == pytest.approx(cost)


def many_doubles(word, term, limit):
    return abs(len(word) - len(term)) * 0.4 > limit * max(len(word), len(term))


def test_the_kernels_run_as_plain_python():
    code = (
        "from tests.lists.names.test_spelling import kernels, defined\n"
        "for one, other in (('sergei', 'serghey'), ('abba', 'aba'), ('ab', 'ba')):\n"
        "    assert abs(kernels(one, other) - defined(one, other)) < 1e-12\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "NUMBA_DISABLE_JIT": "1"})
