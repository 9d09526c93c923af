"""How alike two words are: 1 when equal, 0 when nothing speaks for it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from riskweave.kernels import spellings as kernel

# Letters that are heard, read or transcribed as one another, and what it costs to write one for the other.
_ALIKE = (
    (0.30, "ckq"), (0.30, "iyj"), (0.35, "sz"), (0.35, "ou"), (0.40, "ea"), (0.40, "ei"), (0.40, "ie"),
    (0.40, "vw"), (0.40, "dt"), (0.40, "gk"), (0.45, "bp"), (0.45, "fv"), (0.40, "gj"), (0.50, "sc"),
    (0.50, "xs"), (0.50, "xk"), (0.60, "mn"), (0.55, "ao"), (0.50, "bv"), (0.55, "gh"), (0.55, "kh"),
    (0.60, "au"), (0.60, "eo"), (0.60, "oi"), (0.60, "ui"), (0.60, "ai"), (0.60, "eu"), (0.30, "uw"),
    (0.25, "o0"), (0.25, "l1"), (0.25, "i1"), (0.30, "e3"), (0.30, "s5"), (0.30, "g9"), (0.30, "b8"),
)  # fmt: skip
_DROPS = {
    "h": 0.45,
    "e": 0.6,
    "a": 0.7,
    "i": 0.7,
    "o": 0.75,
    "u": 0.7,
    "y": 0.6,
    "j": 0.8,
    "s": 0.85,
    "t": 0.9,
}
# Of a word written without vowels, vowels and half-vowels may come and go.
_DROPS_ABJAD = {"a": 0.12, "e": 0.12, "i": 0.12, "o": 0.15, "u": 0.12, "y": 0.2, "w": 0.2, "h": 0.3}

# From this likeness on two words may be the same word.
ALIKE_MIN = 0.58
# What an edit of a word of one letter takes off; of longer words in proportion.
STEEPNESS = 1.45


def _costs() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    change = np.ones((kernel.LETTERS, kernel.LETTERS))
    np.fill_diagonal(change, 0.0)
    for cost, letters in _ALIKE:
        for one in letters:
            for other in letters:
                if one != other:
                    a, b = _code(one), _code(other)
                    change[a, b] = change[b, a] = min(change[a, b], cost)
    # A digit is not another digit: numbers tell things apart.
    change[26:, 26:] += 1.0
    np.fill_diagonal(change, 0.0)
    drop, abjad = np.ones(kernel.LETTERS), np.ones(kernel.LETTERS)
    for letter, cost in _DROPS.items():
        drop[_code(letter)] = cost
    for letter, cost in (_DROPS | _DROPS_ABJAD).items():
        abjad[_code(letter)] = cost
    return change, drop, abjad


def _code(letter: str) -> int:
    return ord(letter) - 97 if letter.isalpha() else 26 + int(letter)


CHANGE, DROP, DROP_ABJAD = _costs()
_ROWS = np.zeros((3, kernel.LETTERS_MAX + 1))


@lru_cache(maxsize=1 << 18)
def letters_of(word: str) -> NDArray[np.uint8]:
    """Return a word as letters 0..35."""
    codes = np.frombuffer(word[: kernel.LETTERS_MAX].encode("ascii"), np.uint8)
    return np.where(codes >= 97, codes - 97, codes - 48 + 26).astype(np.uint8)


def mask_of(word: str) -> int:
    """Return a number with a bit for each letter of the word."""
    mask = 0
    for letter in letters_of(word).tolist():
        mask |= 1 << letter
    return mask


@lru_cache(maxsize=1 << 18)
def alike(one: str, other: str, abjad: bool = False) -> float:
    """Return how alike two words are in [0, 1]; 0 below what could be the same word."""
    if one == other:
        return 1.0
    if one.isdigit() or other.isdigit():
        return 0.0
    return likeness(
        kernel.distance(letters_of(one), letters_of(other), CHANGE, DROP_ABJAD if abjad else DROP, _ROWS),
        len(one),
        len(other),
        abjad,
    )


def likeness(cost: float, one: int, other: int, abjad: bool = False) -> float:
    """Return the likeness of two words so long, `cost` apart."""
    longer, shorter = max(one, other), min(one, other)
    if shorter < 3 and cost > 0.5:
        # Of two letters, one says too little.
        return 0.0
    value = 1.0 - STEEPNESS * cost / longer - (0.04 if abjad else 0.0)
    return value if value >= ALIKE_MIN else 0.0
