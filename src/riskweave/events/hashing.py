"""64-bit hashes of keys: one value at a time, or a column at a time, with equal results.

A text is hashed as XXH64 (seed 0) of its UTF-8 bytes; a number as that of its 8 bytes (an int, a
bool and a time as int64, a float and money as float64 with one zero), so an int field and a string
field with the same digits have different hashes. A composite key folds its parts' hashes from the
left: each step hashes the 16 bytes of the hash so far and the next. 0 means missing.

With n different keys the odds that any two of them share a hash are about n**2 / 2**65: for a
million keys one in 37 million, for a billion one in 37.
"""

from __future__ import annotations

from struct import Struct

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh64_intdigest

from riskweave.kernels import hash64

_INT = Struct("<q")
_FLOAT = Struct("<d")
_PAIR = Struct("<QQ")


def hash_text(text: str) -> int:
    """Return the hash of a text.

    >>> hash_text("alice") == int(hash_texts_of(["alice"])[0])
    True
    """
    return xxh64_intdigest(text.encode()) or 1


def hash_int(number: int) -> int:
    """Return the hash of a whole number."""
    return xxh64_intdigest(_INT.pack(number)) or 1


def hash_float(number: float) -> int:
    """Return the hash of a number that need not be whole."""
    return xxh64_intdigest(_FLOAT.pack(number + 0.0)) or 1


def hash_pair(first: int, second: int) -> int:
    """Return the hash of two hashes, 0 when either is missing."""
    return (xxh64_intdigest(_PAIR.pack(first, second)) or 1) if first and second else 0


def hash_texts_of(texts: list[str]) -> NDArray[np.uint64]:
    """Return the hashes of a list of texts."""
    encoded = [text.encode() for text in texts]
    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum([len(each) for each in encoded], out=offsets[1:])
    return hash_texts(np.frombuffer(offsets.tobytes(), np.int64), np.frombuffer(b"".join(encoded), np.uint8))


def hash_texts(offsets: NDArray[np.integer], data: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return the hash of each text that lies between two offsets into `data`."""
    out = np.empty(len(offsets) - 1, np.uint64)
    with np.errstate(over="ignore"):  # without the JIT, wrapping around warns
        hash64.hash_texts(offsets, data, out)
    return out


def hash_ints(numbers: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return the hash of each whole number."""
    out = np.empty(numbers.size, np.uint64)
    with np.errstate(over="ignore"):
        hash64.hash_words(np.ascontiguousarray(numbers).view(np.uint64), out)
    return out


def hash_floats(numbers: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Return the hash of each number that need not be whole."""
    out = np.empty(numbers.size, np.uint64)
    with np.errstate(over="ignore"):
        hash64.hash_words((numbers + 0.0).view(np.uint64), out)
    return out


def hash_decimals(numbers: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return the hash of each whole number's decimal text."""
    out = np.empty(numbers.size, np.uint64)
    with np.errstate(over="ignore"):
        hash64.hash_digits(np.ascontiguousarray(numbers, np.int64), out)
    return out


def hash_pairs(first: NDArray[np.uint64], second: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the hash of each two hashes, 0 where either is missing."""
    out = np.empty(first.size, np.uint64)
    with np.errstate(over="ignore"):
        hash64.hash_pairs(first, second, out)
    return out
