"""XXH64 (seed 0): 64-bit hashes of texts, of whole numbers and of pairs of hashes.

Equal to the reference implementation by Yann Collet (https://github.com/Cyan4973/xxHash). A hash of
0 becomes 1, because 0 says that a key is missing.
"""

import numpy as np

from riskweave.kernels.compile import inline_kernel, kernel

P1 = np.uint64(11400714785074694791)
P2 = np.uint64(14029467366897019727)
P3 = np.uint64(1609587929392839161)
P4 = np.uint64(9650029242287828579)
P5 = np.uint64(2870177450012600261)

_0 = np.uint64(0)
_1 = np.uint64(1)
_7 = np.uint64(7)
_8 = np.uint64(8)
_10 = np.uint64(10)
_11 = np.uint64(11)
_12 = np.uint64(12)
_16 = np.uint64(16)
_18 = np.uint64(18)
_23 = np.uint64(23)
_24 = np.uint64(24)
_27 = np.uint64(27)
_29 = np.uint64(29)
_31 = np.uint64(31)
_32 = np.uint64(32)
_33 = np.uint64(33)
_40 = np.uint64(40)
_48 = np.uint64(48)
_56 = np.uint64(56)
_64 = np.uint64(64)


@inline_kernel
def rotate(value, bits):
    """Rotate left."""
    return (value << bits) | (value >> (_64 - bits))


@inline_kernel
def read_64(data, at):
    """Read 8 bytes, little end first."""
    return (
        np.uint64(data[at])
        | (np.uint64(data[at + 1]) << _8)
        | (np.uint64(data[at + 2]) << _16)
        | (np.uint64(data[at + 3]) << _24)
        | (np.uint64(data[at + 4]) << _32)
        | (np.uint64(data[at + 5]) << _40)
        | (np.uint64(data[at + 6]) << _48)
        | (np.uint64(data[at + 7]) << _56)
    )


@inline_kernel
def read_32(data, at):
    """Read 4 bytes, little end first."""
    return (
        np.uint64(data[at])
        | (np.uint64(data[at + 1]) << _8)
        | (np.uint64(data[at + 2]) << _16)
        | (np.uint64(data[at + 3]) << _24)
    )


@inline_kernel
def round_64(accumulator, word):
    return rotate(accumulator + word * P2, _31) * P1


@inline_kernel
def merge_64(accumulator, lane):
    return (accumulator ^ round_64(_0, lane)) * P1 + P4


@inline_kernel
def absorb_64(accumulator, word):
    return rotate(accumulator ^ round_64(_0, word), _27) * P1 + P4


@inline_kernel
def avalanche(accumulator):
    accumulator = (accumulator ^ (accumulator >> _33)) * P2
    accumulator = (accumulator ^ (accumulator >> _29)) * P3
    accumulator = accumulator ^ (accumulator >> _32)
    return accumulator if accumulator != _0 else _1


@inline_kernel
def hash_bytes(data, start, stop):
    """Return the hash of data[start:stop]."""
    at = start
    length = np.uint64(stop - start)
    if stop - start >= 32:
        a = P1 + P2
        b = P2
        c = _0
        d = _0 - P1
        while at + 32 <= stop:
            a = round_64(a, read_64(data, at))
            b = round_64(b, read_64(data, at + 8))
            c = round_64(c, read_64(data, at + 16))
            d = round_64(d, read_64(data, at + 24))
            at += 32
        total = rotate(a, _1) + rotate(b, _7) + rotate(c, _12) + rotate(d, _18)
        total = merge_64(merge_64(merge_64(merge_64(total, a), b), c), d)
    else:
        total = P5
    total = total + length
    while at + 8 <= stop:
        total = absorb_64(total, read_64(data, at))
        at += 8
    if at + 4 <= stop:
        total = rotate(total ^ (read_32(data, at) * P1), _23) * P2 + P3
        at += 4
    while at < stop:
        total = rotate(total ^ (np.uint64(data[at]) * P5), _11) * P1
        at += 1
    return avalanche(total)


@inline_kernel
def hash_word(word):
    """Return the hash of the 8 bytes of one word."""
    return avalanche(absorb_64(P5 + _8, word))


@kernel
def hash_texts(offsets, data, out):
    """Fill `out` with the hash of each text data[offsets[i]:offsets[i + 1]]."""
    for i in range(out.size):
        out[i] = hash_bytes(data, offsets[i], offsets[i + 1])


@kernel
def hash_words(words, out):
    """Fill `out` with the hash of each uint64's 8 bytes."""
    for i in range(out.size):
        out[i] = hash_word(words[i])


@kernel
def hash_digits(numbers, out):
    """Fill `out` with the hash of each int64 written as decimal text, as `str` writes it."""
    text = np.empty(20, np.uint8)
    for i in range(out.size):
        number = numbers[i]
        rest = np.uint64(number)
        if number < 0:
            rest = _0 - rest
        at = 20
        while True:
            at -= 1
            text[at] = np.uint8(_48 + rest % _10)
            rest = rest // _10
            if rest == _0:
                break
        if number < 0:
            at -= 1
            text[at] = np.uint8(45)
        out[i] = hash_bytes(text, at, 20)


@kernel
def hash_pairs(first, second, out):
    """Fill `out` with the hash of two hashes' 16 bytes; 0 where either is missing."""
    for i in range(out.size):
        if first[i] == _0 or second[i] == _0:
            out[i] = _0
        else:
            out[i] = avalanche(absorb_64(absorb_64(P5 + _16, first[i]), second[i]))
