"""Key hashes: XXH64 by its specification, the same for one value and for a column, never 0."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from riskweave.events import hashing
from tests.oracles import hash64 as oracle
from tests.oracles.events import hash_of, hash_of_all

int64s = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.integers(-1000, 1000), st.integers(0, 18).map(lambda n: 10**n)
)
hashes = st.one_of(st.just(0), st.integers(1, 2**64 - 1))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.one_of(st.text(max_size=12), st.text("ab", min_size=25, max_size=80))))
def test_texts_hash_as_the_specification_says(texts: list[str]) -> None:
    expected = [oracle.key_hash(text.encode()) for text in texts]
    assert hashing.hash_texts_of(texts).tolist() == expected
    assert [hashing.hash_text(text) for text in texts] == expected


@settings(deadline=None, max_examples=60)
@given(st.lists(int64s))
def test_whole_numbers_hash_by_their_bytes_and_ids_by_their_digits(numbers: list[int]) -> None:
    column = np.array(numbers, np.int64)
    assert hashing.hash_ints(column).tolist() == [hash_of(number) for number in numbers]
    assert [hashing.hash_int(number) for number in numbers] == [hash_of(number) for number in numbers]
    assert hashing.hash_decimals(column).tolist() == [hash_of(str(number)) for number in numbers]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.one_of(st.floats(allow_nan=False), st.sampled_from([0.0, -0.0]))))
def test_other_numbers_hash_by_their_bytes_with_one_zero(numbers: list[float]) -> None:
    expected = [hash_of(number) for number in numbers]
    assert hashing.hash_floats(np.array(numbers, np.float64)).tolist() == expected
    assert [hashing.hash_float(number) for number in numbers] == expected


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(hashes, hashes), min_size=1))
def test_pairs_hash_alike_and_miss_when_a_part_is_missing(pairs: list[tuple[int, int]]) -> None:
    expected = [oracle.composite_hash(list(pair)) for pair in pairs]
    first, second = (np.array(part, np.uint64) for part in zip(*pairs, strict=True))
    assert hashing.hash_pairs(first, second).tolist() == expected
    assert [hashing.hash_pair(*pair) for pair in pairs] == expected


def test_known_hashes_stay() -> None:
    assert hashing.hash_text("") == 0xEF46DB3751D8E999
    assert hashing.hash_text("a") == 0xD24EC4F1A98C6E5B
    assert hash_of_all(["a", 7, None]) == 0


def test_kernels_give_the_same_without_the_jit() -> None:
    here = Path(__file__).parent
    chosen = [
        str(here / "test_hashing.py"),
        str(here / "test_text_values.py"),
        str(here / "test_same_either_way.py"),
    ]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *chosen, "-k", "not without_the_jit and not of_every_type"],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-3000:]
