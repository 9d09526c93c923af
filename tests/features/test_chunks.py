"""Chunks of the heap: sizes, giving back, taking again."""

import subprocess
import sys

import numpy as np

from riskweave.features.compile import chunk_words
from riskweave.features.state import aligned
from riskweave.kernels import chunks


def test_the_compiler_and_the_kernels_agree_on_sizes():
    for words in range(1, 5000):
        size = chunks.class_words(chunks.class_of(words))
        assert chunk_words(words) == size >= words
        assert size % 8 == 0
        assert size <= max(8, 2 * words)


def test_a_state_begins_on_a_cache_line():
    assert aligned(100).ctypes.data % 64 == 0


def test_the_room_imports_without_numba():
    code = "import sys, riskweave.features.compile; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_meta_has_room_for_every_class():
    assert chunks.class_of(2**40) < chunks.CLASSES
    assert np.int64(chunks.TABLES) == chunks.LISTS + chunks.CLASSES
