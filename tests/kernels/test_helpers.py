"""Helpers of kernels have no way in from Python: calling one says so, before and after it was compiled."""

import os

import numpy as np
import pytest

from riskweave.kernels.compile import inline_kernel, kernel


@inline_kernel
def doubled(number):
    return 2 * number


@kernel
def all_doubled(numbers):
    for at in range(numbers.size):
        numbers[at] = doubled(numbers[at])


@pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="plain Python may be called")
def test_only_kernels_call_a_helper():
    for _ in range(2):
        with pytest.raises(TypeError, match="doubled is called by kernels only"):
            doubled(2)
        numbers = np.arange(3)
        all_doubled(numbers)
        assert numbers.tolist() == [0, 2, 4]
