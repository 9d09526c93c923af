"""From numbers to Arrow: how each kind of column is written.

A whole block is written at once. Ids and codes are made of digits in a byte buffer, words are taken from a
vocabulary, money is a decimal that Arrow prints.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from riskweave.simulation.mix import Array
from riskweave.simulation.rows import NULL

# Odd and no multiple of five: a walk through all numbers of n digits, so that ids do not tell their order.
_STRIDE = 7_654_321


@dataclass(frozen=True)
class Id:
    """`prefix` and digits; scattered, so that neighbours in number are none in text."""

    prefix: str
    digits: int
    scattered: bool = False

    def write(self, values: Array) -> pa.Array:
        missing = values < 0
        numbers = np.where(missing, 0, values)
        modulus = 10**self.digits
        if self.scattered:
            numbers = (numbers * _STRIDE + 12_345) % modulus
        return digits(self.prefix, numbers, self.digits, missing)


@dataclass(frozen=True)
class Word:
    """One of a vocabulary."""

    words: tuple[str, ...]

    def write(self, values: Array) -> pa.Array:
        return taken(pa.array(self.words, pa.string()), values)


@dataclass(frozen=True)
class Text:
    """What the city calls number i: an e-mail address, a street. `of` is the city's word for it."""

    of: str


@dataclass(frozen=True)
class Money:
    """Decimal text with two digits."""

    def write(self, values: Array) -> pa.Array:
        missing = values == NULL
        words = np.empty((len(values), 2), np.int64)
        words[:, 0] = np.where(missing, 0, values)
        words[:, 1] = np.where(words[:, 0] < 0, -1, 0)
        numbers = pa.Array.from_buffers(
            pa.decimal128(19, 2), len(values), [_validity(missing), pa.py_buffer(words)]
        )
        return pc.cast(numbers, pa.string())


@dataclass(frozen=True)
class Number:
    """A float, rounded."""

    decimals: int = 2

    def write(self, values: Array) -> pa.Array:
        missing = np.isnan(values) if values.dtype.kind == "f" else values == NULL
        return pa.array(np.round(values.astype(np.float64), self.decimals), mask=missing)


@dataclass(frozen=True)
class Count:
    """A whole number."""

    def write(self, values: Array) -> pa.Array:
        return pa.array(values, mask=values == NULL)


@dataclass(frozen=True)
class Flag:
    """True or false."""

    def write(self, values: Array) -> pa.Array:
        return pa.array(values > 0, mask=values == NULL)


@dataclass(frozen=True)
class Moment:
    """Milliseconds since 1970, UTC."""

    def write(self, values: Array) -> pa.Array:
        return pa.array(values, pa.int64(), mask=values == NULL).cast(pa.timestamp("ms", "UTC"))


@dataclass(frozen=True)
class Address:
    """An IPv4 address, from its 32 bits."""

    def write(self, values: Array) -> pa.Array:
        missing = values < 0
        known = np.where(missing, 0, values)
        high = taken(_HALVES, np.where(missing, NULL, known >> 16))
        low = taken(_HALVES, known & 0xFFFF)
        return pc.binary_join_element_wise(high, low, ".")


Column = Id | Word | Text | Money | Number | Count | Flag | Moment | Address


def taken(texts: pa.Array, values: Array) -> pa.Array:
    """Return `texts[values]`, null where the value is."""
    index = pa.array(values.astype(np.int32), mask=values < 0)
    return texts.take(index)


def digits(prefix: str, numbers: Array, count: int, missing: Array | None = None) -> pa.Array:
    """Return `prefix` and `count` digits for each number."""
    head = prefix.encode()
    width = len(head) + count
    text = np.empty((len(numbers), width), np.uint8)
    text[:, : len(head)] = np.frombuffer(head, np.uint8)
    rest = numbers.astype(np.uint64)
    for place in range(width - 1, len(head) - 1, -1):
        quotient = rest // np.uint64(10)
        text[:, place] = (rest - quotient * np.uint64(10)).astype(np.uint8) + 48
        rest = quotient
    offsets = (np.arange(len(numbers) + 1, dtype=np.int64) * width).astype(np.int32)
    validity = None if missing is None else _validity(missing)
    return pa.Array.from_buffers(
        pa.string(), len(numbers), [validity, pa.py_buffer(offsets), pa.py_buffer(text)]
    )


def _validity(missing: Array) -> pa.Buffer | None:
    if not missing.any():
        return None
    return pa.py_buffer(np.packbits(~missing, bitorder="little"))


_HALVES = pa.array([f"{half >> 8}.{half & 255}" for half in range(1 << 16)])
