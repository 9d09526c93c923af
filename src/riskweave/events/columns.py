"""One Arrow column as floats, texts or times, as far as that is beyond doubt.

Each function gives the values and a mask of the rows it is sure of; None is "all". A row that is
not sure is decoded again by `record.py`, which defines what is right, so a function here may
doubt too much but never too little. Nulls are the caller's business: what stands in their rows
means nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from riskweave.events.hashing import hash_texts
from riskweave.events.money import FLOAT_MINOR_MAX, MINOR_MAX
from riskweave.events.times import EPOCH_SECONDS_MAX, TIME_MS_MAX, TIME_MS_MIN
from riskweave.events.values import INT_MAX, TEXT_BYTES_MAX, canonical_ip
from riskweave.kernels import text_values

Array = Any  # pyarrow has no types
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Sure = Mask | None


def both(first: Sure, second: Sure) -> Sure:
    """Return the rows that both masks are sure of."""
    if first is None:
        return second
    return first if second is None else first & second


def nothing(size: int) -> Mask:
    return np.zeros(size, np.bool_)


def is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


# ---- numbers


def raw(array: Array) -> NDArray[Any]:
    """Return an Arrow column of numbers as NumPy has it, with 0 for null."""
    if array.null_count:
        array = pc.fill_null(array, pa.scalar(0, array.type))
    numbers: NDArray[Any] = array.to_numpy(zero_copy_only=False)
    return numbers


def ints(array: Array) -> tuple[NDArray[np.int64], Sure]:
    """Return whole numbers of at most 2**53."""
    kind = array.type
    if pa.types.is_integer(kind):
        numbers = raw(array)
        return numbers.astype(np.int64, copy=False), _within(numbers, INT_MAX)
    if pa.types.is_floating(kind):
        floats = raw(array).astype(np.float64, copy=False)
        sure = (np.abs(floats) <= INT_MAX) & (np.floor(floats) == floats)
        return np.where(sure, floats, 0.0).astype(np.int64), sure
    if is_text(kind):
        offsets, data = text_buffers(array)
        parsed = np.empty(len(array), np.int64)
        sure = np.empty(len(array), np.bool_)
        text_values.parse_scaled(offsets, data, 0, parsed, sure)
        return parsed, both(sure, _within(parsed, INT_MAX))
    return np.zeros(len(array), np.int64), nothing(len(array))


def _within(numbers: NDArray[Any], limit: int) -> Sure:
    """Return a mask of |number| <= limit, None when that goes without saying."""
    if numbers.dtype.itemsize < 8 or not numbers.size:
        return None
    if -limit <= int(numbers.min()) and int(numbers.max()) <= limit:
        return None
    mask: Mask = (numbers <= limit) if numbers.dtype.kind == "u" else (numbers <= limit) & (numbers >= -limit)
    return mask


def floats(array: Array) -> tuple[Floats, Sure]:
    """Return finite numbers."""
    kind = array.type
    if pa.types.is_floating(kind):
        numbers = raw(array).astype(np.float64, copy=False)
        finite = np.isfinite(numbers)
        return numbers, None if finite.all() else finite
    if pa.types.is_integer(kind):
        return raw(array).astype(np.float64), None
    if is_text(kind) and _is_utf8(array):
        # Arrow reads a whole column or none: hand it only what it reads as Python does.
        simple = pc.fill_null(pc.match_substring_regex(array, r"^-?[0-9]{1,30}(\.[0-9]{1,30})?$"), False)
        numbers = raw(pc.cast(pc.if_else(simple, array, pa.scalar(None, array.type)), pa.float64()))
        return numbers, simple.to_numpy(zero_copy_only=False)
    return np.zeros(len(array)), nothing(len(array))


def bools(array: Array) -> tuple[Floats, Sure]:
    """Return 1 and 0 for true and false."""
    kind = array.type
    if pa.types.is_boolean(kind):
        return raw(pc.cast(array, pa.uint8())).astype(np.float64), None
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        numbers = raw(array).astype(np.float64)
        truth: Mask = numbers == 1.0
        return truth.astype(np.float64), truth | (numbers == 0.0)
    if is_text(kind) and _is_utf8(array):
        lower = pc.utf8_lower(array)
        true = pc.fill_null(pc.is_in(lower, pa.array(["true", "1"], lower.type)), False)
        false = pc.fill_null(pc.is_in(lower, pa.array(["false", "0"], lower.type)), False)
        truth = true.to_numpy(zero_copy_only=False)
        return truth.astype(np.float64), truth | false.to_numpy(zero_copy_only=False)
    return np.zeros(len(array)), nothing(len(array))


# ---- time

_PER_MS = {"ms": 1, "us": 1_000, "ns": 1_000_000}


def times(array: Array, unit: str, origin_ms: int) -> tuple[NDArray[np.int64], Sure]:
    """Return milliseconds UTC."""
    kind = array.type
    size = len(array)
    if pa.types.is_timestamp(kind):
        counted = raw(pc.cast(array, pa.int64()))
        if kind.unit == "s":
            small = np.abs(counted) <= TIME_MS_MAX
            return _in_years(np.where(small, counted, 0) * 1000, small)
        return _in_years(counted if kind.unit == "ms" else counted // _PER_MS[kind.unit], None)
    if pa.types.is_date32(kind):
        return _in_years(raw(pc.cast(array, pa.int32())).astype(np.int64) * 86_400_000, None)
    if pa.types.is_integer(kind):
        numbers = raw(array)
        small_enough = _within(numbers, TIME_MS_MAX * 2)
        counted = numbers.astype(np.int64, copy=False)
        if small_enough is not None:
            counted = np.where(small_enough, counted, 0)
        if unit == "s":
            counted = counted * 1000
        elif unit == "iso" and size:
            seconds = np.abs(counted) < EPOCH_SECONDS_MAX
            if seconds.any():
                counted = np.where(seconds, counted * 1000, counted)
        return _in_years(counted + origin_ms if origin_ms else counted, small_enough)
    if pa.types.is_floating(kind):
        numbers = raw(array).astype(np.float64, copy=False)
        finite = np.abs(numbers) <= TIME_MS_MAX * 2
        numbers = np.where(finite, numbers, 0.0)
        if unit == "s":
            numbers = numbers * 1000
        elif unit == "iso":
            numbers = np.where(np.abs(numbers) < EPOCH_SECONDS_MAX, numbers * 1000, numbers)
        return _in_years(np.rint(numbers).astype(np.int64) + origin_ms, finite)
    if is_text(kind):
        offsets, data = text_buffers(array)
        parsed = np.empty(size, np.int64)
        sure = np.empty(size, np.bool_)
        text_values.parse_iso(offsets, data, parsed, sure)
        if not sure.any():
            text_values.parse_scaled(offsets, data, 0, parsed, sure)
            counted, in_years = times(pa.array(parsed), unit, origin_ms)
            return counted, both(sure, in_years)
        return _in_years(parsed, sure)
    return np.zeros(size, np.int64), nothing(size)


def _in_years(times_ms: NDArray[np.int64], sure: Sure) -> tuple[NDArray[np.int64], Sure]:
    if not times_ms.size or (times_ms.min() >= TIME_MS_MIN and times_ms.max() <= TIME_MS_MAX):
        return times_ms, sure
    return times_ms, both(sure, (times_ms >= TIME_MS_MIN) & (times_ms <= TIME_MS_MAX))


# ---- money


def money(array: Array, digits: int, minor: bool) -> tuple[NDArray[np.int64], Sure]:
    """Return minor units, all below 2**53."""
    kind = array.type
    size = len(array)
    if minor:
        whole, sure = ints(array)
        return whole, both(sure, _within(whole, MINOR_MAX - 1))
    scale = 10**digits
    if pa.types.is_integer(kind):
        numbers = raw(array)
        small = _within(numbers, (MINOR_MAX - 1) // scale)
        counted = numbers.astype(np.int64, copy=False)
        if small is not None:
            counted = np.where(small, counted, 0)
        return counted * scale, small
    if pa.types.is_floating(kind):
        amounts = raw(array).astype(np.float64, copy=False)
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = amounts * float(scale)
            fits = np.abs(scaled) < FLOAT_MINOR_MAX
        counted_floats = np.rint(scaled if fits.all() else np.where(fits, scaled, 0.0))
        exact = fits & (counted_floats / scale == amounts)
        return counted_floats.astype(np.int64), None if exact.all() else exact
    if is_text(kind):
        offsets, data = text_buffers(array)
        parsed = np.empty(size, np.int64)
        exact = np.empty(size, np.bool_)
        text_values.parse_scaled(offsets, data, digits, parsed, exact)
        return parsed, both(exact, _within(parsed, MINOR_MAX - 1))
    if pa.types.is_decimal128(kind):
        try:
            scaled_decimals = pc.cast(array, pa.decimal128(38, digits))
        except pa.ArrowInvalid:
            return np.zeros(size, np.int64), nothing(size)
        return _low_words(scaled_decimals)
    return np.zeros(size, np.int64), nothing(size)


def _low_words(decimals: Array) -> tuple[NDArray[np.int64], Sure]:
    """Return the unscaled integers of decimals, sure where 64 bits hold them."""
    words = np.frombuffer(decimals.buffers()[1], np.int64).reshape(-1, 2)
    words = words[decimals.offset : decimals.offset + len(decimals)]
    low, high = words[:, 0].copy(), words[:, 1]
    return low, both(high == (low >> 63), _within(low, MINOR_MAX - 1))


# ---- text


@dataclass(slots=True)
class Texts:
    """A column of text by its distinct ones: text i is `distinct[indices[i]]`."""

    distinct: list[str]
    array: Array
    indices: NDArray[np.int64]


# Read-only like Arrow's buffers: a kernel is compiled anew for every kind of array it meets.
_NO_BYTES = np.frombuffer(b"", np.uint8)


def text_buffers(array: Array) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Return the offsets and bytes of a text column, without copying them."""
    wide = pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type)
    _, offsets, data = array.buffers()
    kind: Any = np.int64 if wide else np.int32
    if offsets is None or len(array) == 0:
        return np.frombuffer(bytes((len(array) + 1) * np.dtype(kind).itemsize), kind), _NO_BYTES
    all_offsets = np.frombuffer(offsets, kind)
    texts = _NO_BYTES if data is None else np.frombuffer(data, np.uint8)
    return all_offsets[array.offset : array.offset + len(array) + 1], texts


def as_text(array: Array) -> tuple[Array, Sure] | None:
    """Return a column as Arrow text or dictionary of text; None when it holds neither text nor ints."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        if array.dictionary.null_count or len(array.dictionary) > 2 * len(array):
            return as_text(array.dictionary_decode())
        if not is_text(kind.value_type):
            return as_text(array.dictionary_decode())
        return array, _valid_text(array.dictionary, array)
    if pa.types.is_integer(kind):
        encoded = array.dictionary_encode()
        return pa.DictionaryArray.from_arrays(encoded.indices, pc.cast(encoded.dictionary, pa.string())), None
    if is_text(kind):
        return array, _valid_text(array, array)
    return None


def _is_utf8(texts: Array) -> bool:
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _valid_text(texts: Array, array: Array) -> Sure:
    """Refuse a column with one invalid or oversized text: its rows are then read one by one."""
    if not _is_utf8(texts):
        return nothing(len(array))
    offsets, _ = text_buffers(texts)
    if offsets.size > 1 and int(offsets[-1]) - int(offsets[0]) > TEXT_BYTES_MAX:
        sizes = np.diff(offsets)
        if int(sizes.max()) > TEXT_BYTES_MAX:
            if texts is array:
                return sizes <= TEXT_BYTES_MAX
            return nothing(len(array))
    return None


def distinct(array: Array) -> Texts:
    """Return the distinct texts of a column that `as_text` gave; nulls take index 0."""
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    indices = raw(array.indices).astype(np.int64, copy=False)
    return Texts(array.dictionary.to_pylist(), array.dictionary, indices)


def addresses(texts: Texts) -> tuple[Texts, Mask]:
    """Return IP addresses in their one spelling, and which distinct texts are addresses."""
    canonical = [canonical_ip(text) for text in texts.distinct]
    known = np.array([each is not None for each in canonical], np.bool_)
    spelled = [each or "" for each in canonical]
    return Texts(spelled, pa.array(spelled, pa.string()), texts.indices), known


def hashes_of_text(array: Array) -> NDArray[np.uint64]:
    """Return the hash of each text of a plain text column."""
    return hash_texts(*text_buffers(array))
