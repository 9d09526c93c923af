"""Chance that is a function: the same numbers always meet the same fate, in whatever order they are asked.

Who somebody's third payee is, which address a phone has at home: such things have no stream to be
drawn from, since every scenario and every block of days asks for them on its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def mix(*parts: Array | int) -> Array:
    """Return 62 well mixed bits of the numbers given, as int64 >= 0 (splitmix64)."""
    with np.errstate(over="ignore"):
        word: Array = np.zeros(1, np.uint64)
        for part in parts:
            word = word + np.asarray(part, np.int64).astype(np.uint64) + _GOLDEN
            word = (word ^ (word >> np.uint64(30))) * _FIRST
            word = (word ^ (word >> np.uint64(27))) * _SECOND
            word = word ^ (word >> np.uint64(31))
    mixed: Array = (word >> np.uint64(2)).astype(np.int64)
    return mixed


def share(*parts: Array | int) -> Array:
    """Return a number in [0, 1) for the numbers given."""
    return mix(*parts) / float(1 << 62)


def pick(size: int | Array, *parts: Array | int) -> Array:
    """Return a number in 0 .. size-1 for the numbers given."""
    return mix(*parts) % size
