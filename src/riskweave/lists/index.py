"""How an operand finds its candidates on a list: one index per kind, best candidate first.

An index answers for text (`of_text`) and, where the kind allows it, for numbers (`of_number`). For
numbers it also gives `cuts`: between two neighbouring cuts every number has the same candidates, so
a number is looked up once per stretch. Ties go to the entry added last.
"""

from __future__ import annotations

import re
import socket
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from riskweave.lists.names.compare import MATCH_MIN
from riskweave.lists.names.index import NamesIndex
from riskweave.lists.names.reading import read_name

WHOLE_MAX = 2**53

_WHOLE = re.compile(r"(?:0|-?[1-9][0-9]{0,15})\Z")
_NUMBER = re.compile(r"-?[0-9]{1,40}(?:\.[0-9]{1,40})?\Z")
_MAPPED = bytes(10) + b"\xff\xff"


class Index(Protocol):
    """Candidates of an operand, as entry numbers, best first."""

    def add(self, value: str, number: int) -> None:
        """Take in one more entry; its value was checked."""
        ...

    def same(self, value: str) -> Sequence[int]:
        """Return the entries whose value is this very one."""
        ...

    def of_text(self, operand: str) -> Sequence[int]: ...

    def of_number(self, operand: float, whole: bool) -> Sequence[int]: ...

    def cuts(self, whole: bool) -> NDArray[np.float64]:
        """Return where candidates change along the numbers, sorted."""
        ...


def expected_value(kind: str, of: str, value: str) -> str:
    """Return what a value of this kind of list should be when `value` is not; otherwise ""."""
    if kind == "cidr" and network(value) is None:
        return "an address or a network, as in 10.0.0.0/8 or 2001:db8::/32"
    if kind == "names" and not read_name(value).words:
        return "a name, in letters or digits"
    if kind == "range":
        ends = range_ends(of, value)
        if ends is None:
            what = {"number": "numbers", "ip": "addresses of one family", "text": "texts"}[of]
            return f"low..high with two {what}"
        if ends[0] > ends[1]:
            return "low..high with low <= high"
    return ""


def cidr_hint(value: str) -> str:
    """Return the network that an address with host bits lies in, as a hint."""
    address, slash, length = value.partition("/")
    whole = _address(address)
    if not slash or whole is None or not length.isdecimal() or int(length) > _bits(whole[0]):
        return ""
    host = _bits(whole[0]) - int(length)
    packed = ((whole[1] >> host) << host).to_bytes(_bits(whole[0]) // 8, "big")
    family = socket.AF_INET if whole[0] == 4 else socket.AF_INET6
    return f"did you mean `{socket.inet_ntop(family, packed)}/{length}`?"


def bounds_kind(values: Iterable[str]) -> str:
    """Return what the bounds of ranges are: number or ip when all of them are, otherwise text."""
    kinds = ["number", "ip"]
    for value in values:
        kinds = [each for each in kinds if range_ends(each, value) is not None]
        if not kinds:
            return "text"
    return kinds[0]


def make_index(
    kind: str, of: str, ignore_case: bool, values: Sequence[str], threshold: float = MATCH_MIN
) -> Index:
    """Return the index of a list whose values were checked."""
    if kind == "names":
        return NamesIndex(values, of or "unknown", threshold)
    if kind == "exact":
        return ExactIndex(values, ignore_case)
    if kind == "cidr":
        return CidrIndex(values)
    if kind == "prefix":
        return PrefixIndex(values, ignore_case)
    return RangeIndex(values, of, ignore_case)


class ExactIndex:
    """The operand is the value. A whole-number column compares by its decimal text, others by value."""

    def __init__(self, values: Sequence[str], ignore_case: bool) -> None:
        self.ignore_case = ignore_case
        if ignore_case:
            values = [each.casefold() for each in values]
        self.newest: dict[str, int] = dict(zip(values, range(len(values)), strict=True))
        self.all: dict[str, list[int]] = {}
        self.by_value: dict[float, list[int]] | None = None
        if len(self.newest) < len(values):
            self.newest = {}
            for number, value in enumerate(values):
                self._put(value, number)

    def _put(self, value: str, number: int) -> None:
        before = self.newest.get(value)
        if before is not None:
            self.all.setdefault(value, [before]).insert(0, number)
        self.newest[value] = number

    def add(self, value: str, number: int) -> None:
        self._put(value.casefold() if self.ignore_case else value, number)
        self.by_value = None

    def same(self, value: str) -> Sequence[int]:
        return self.of_text(value)

    def of_text(self, operand: str) -> Sequence[int]:
        if self.ignore_case:
            operand = operand.casefold()
        number = self.newest.get(operand)
        if number is None:
            return ()
        return self.all.get(operand) or (number,)

    def of_number(self, operand: float, whole: bool) -> Sequence[int]:
        if whole:
            return self.of_text(str(int(operand)))
        return self._values().get(operand, ())

    def cuts(self, whole: bool) -> NDArray[np.float64]:
        if not whole:
            return np.array(sorted(self._values()), np.float64)
        found = [int(each) for each in self.newest if _WHOLE.match(each)]
        return np.array(sorted(each for each in found if abs(each) <= WHOLE_MAX), np.float64)

    def _values(self) -> dict[float, list[int]]:
        if self.by_value is None:
            self.by_value = {}
            for text, number in self.newest.items():
                if _NUMBER.match(text):
                    self.by_value.setdefault(float(text), []).extend(self.all.get(text) or (number,))
            for numbers in self.by_value.values():
                numbers.sort(reverse=True)
        return self.by_value


class CidrIndex:
    """The operand is an address; the longest network that holds it comes first.

    An IPv4 address written as IPv6 (`::ffff:10.0.0.1`) is that IPv4 address. Text that is no address
    matches nothing.
    """

    def __init__(self, values: Sequence[str]) -> None:
        self.numbers: dict[tuple[int, int, int], list[int]] = {}
        self.hosts: dict[int, list[int]] = {4: [], 6: []}
        for number, value in enumerate(values):
            self.add(value, number)

    def add(self, value: str, number: int) -> None:
        found = network(value)
        if found is None:
            raise ValueError(value)
        self.numbers.setdefault(found, []).insert(0, number)
        hosts = self.hosts[found[0]]
        if found[1] not in hosts:
            hosts.append(found[1])
            hosts.sort()

    def same(self, value: str) -> Sequence[int]:
        found = network(value)
        return () if found is None else tuple(self.numbers.get(found, ()))

    def of_text(self, operand: str) -> Sequence[int]:
        address = _address(operand)
        if address is None:
            return ()
        version, bits = address
        found: list[int] = []
        for host in self.hosts[version]:
            numbers = self.numbers.get((version, host, bits >> host))
            if numbers:
                found += numbers
        return found

    def of_number(self, operand: float, whole: bool) -> Sequence[int]:
        return ()

    def cuts(self, whole: bool) -> NDArray[np.float64]:
        return np.zeros(0)


class PrefixIndex:
    """The operand begins with the value; the longest comes first."""

    def __init__(self, values: Sequence[str], ignore_case: bool) -> None:
        self.ignore_case = ignore_case
        self.numbers: dict[str, list[int]] = {}
        self.lengths: list[int] = []
        for number, value in enumerate(values):
            self.add(value, number)

    def add(self, value: str, number: int) -> None:
        if self.ignore_case:
            value = value.casefold()
        self.numbers.setdefault(value, []).insert(0, number)
        if len(value) not in self.lengths:
            self.lengths.append(len(value))
            self.lengths.sort(reverse=True)

    def same(self, value: str) -> Sequence[int]:
        return tuple(self.numbers.get(value.casefold() if self.ignore_case else value, ()))

    def of_text(self, operand: str) -> Sequence[int]:
        if self.ignore_case:
            operand = operand.casefold()
        found: list[int] = []
        for length in self.lengths:
            if length <= len(operand):
                numbers = self.numbers.get(operand[:length])
                if numbers:
                    found += numbers
        return found

    def of_number(self, operand: float, whole: bool) -> Sequence[int]:
        return self.of_text(str(int(operand)))

    def cuts(self, whole: bool) -> NDArray[np.float64]:
        """Return the ends of [p, p + 1) 10^k for each prefix p: there decimal texts begin with p."""
        found = {0}
        for value in self.numbers:
            if not _WHOLE.match(value):
                continue
            low = abs(int(value))
            sign = -1 if value.startswith("-") else 1
            high = low + 1
            while low <= WHOLE_MAX:
                found.update((sign * low, sign * high))
                low, high = low * 10, high * 10
                if not low:
                    break
        return np.array(sorted(found), np.float64)


class RangeIndex:
    """The operand lies in low..high, both included; the narrowest comes first.

    Numbers and addresses: the least high - low. Texts: the one that begins last, then ends first.
    """

    def __init__(self, values: Sequence[str], of: str, ignore_case: bool) -> None:
        self.of = of
        self.ignore_case = ignore_case
        self.ends: list[tuple[Any, Any]] = []
        self.numbers: list[int] = []
        self.exact: _Intervals | None = None
        self.floats: _Intervals | None = None
        for number, value in enumerate(values):
            self.add(value, number)

    def add(self, value: str, number: int) -> None:
        ends = range_ends(self.of, value.casefold() if self.ignore_case else value)
        if ends is None:
            raise ValueError(value)
        self.ends.append(ends)
        self.numbers.append(number)
        self.exact = self.floats = None

    def same(self, value: str) -> Sequence[int]:
        ends = range_ends(self.of, value.casefold() if self.ignore_case else value)
        return [number for number, each in zip(self.numbers, self.ends, strict=True) if each == ends]

    def of_text(self, operand: str) -> Sequence[int]:
        if self.ignore_case:
            operand = operand.casefold()
        bound = _bound(self.of, operand)
        if bound is None:
            return ()
        if self.exact is None:
            self.exact = _Intervals(self.ends, self.numbers, self.of)
        return self.exact.holding(bound)

    def of_number(self, operand: float, whole: bool) -> Sequence[int]:
        return self._float_intervals().holding(operand)

    def cuts(self, whole: bool) -> NDArray[np.float64]:
        found = self._float_intervals()
        return np.array(sorted({*found.lows, *(high for high in found.highs)}), np.float64)

    def _float_intervals(self) -> _Intervals:
        """Return the bounds as a number column would hold them: 0.2 is the float nearest to it."""
        if self.floats is None:
            ends = [(float(low), float(high)) for low, high in self.ends] if self.of == "number" else []
            self.floats = _Intervals(ends, self.numbers[: len(ends)], self.of)
        return self.floats


class _Intervals:
    """Intervals sorted by their low end, each with the greatest high end up to it."""

    def __init__(self, ends: list[tuple[Any, Any]], numbers: list[int], of: str) -> None:
        order = sorted(range(len(ends)), key=lambda at: ends[at][0])
        self.of = of
        self.lows = [ends[at][0] for at in order]
        self.highs = [ends[at][1] for at in order]
        self.numbers = [numbers[at] for at in order]
        self.reach: list[Any] = []
        for high in self.highs:
            self.reach.append(max(self.reach[-1], high) if self.reach else high)

    def holding(self, bound: Any) -> list[int]:
        found = []
        at = bisect_right(self.lows, bound) - 1
        while at >= 0 and self.reach[at] >= bound:
            if self.highs[at] >= bound:
                found.append(at)
            at -= 1
        found.sort(key=lambda at: self.numbers[at], reverse=True)
        if self.of == "text":
            found.sort(key=lambda at: self.highs[at])
            found.sort(key=lambda at: self.lows[at], reverse=True)
        elif self.of == "ip":
            found.sort(key=lambda at: self.highs[at][1] - self.lows[at][1])
        else:
            found.sort(key=lambda at: self.highs[at] - self.lows[at])
        return [self.numbers[at] for at in found]


def range_ends(of: str, value: str) -> tuple[Any, Any] | None:
    """Return both ends of `low..high`; None when it is not that."""
    low, dots, high = value.partition("..")
    if not dots or ".." in high:
        return None
    first, last = _bound(of, low), _bound(of, high)
    if first is None or last is None or (of == "ip" and first[0] != last[0]):
        return None
    return first, last


def _bound(of: str, text: str) -> Any:
    """Return a bound, or an operand, as what it is compared by; None when it is not of that kind."""
    if of == "text":
        return text or None
    text = text.strip()
    if of == "ip":
        return _address(text)
    if not _NUMBER.match(text):
        return None
    return Fraction(text) if "." in text else int(text)


def network(value: str) -> tuple[int, int, int] | None:
    """Return a network as (version, host bits, its leading bits); None when it is none or has host bits."""
    text, slash, length = value.partition("/")
    address = _address(text)
    if address is None:
        return None
    version, bits = address
    width = _bits(version)
    if not slash:
        return version, 0, bits
    if not (length.isascii() and length.isdecimal() and len(length) <= 3):
        return None
    written = int(length) - (96 if version == 4 and ":" in text else 0)
    if not 0 <= written <= width:
        return None
    host = width - written
    if bits & ((1 << host) - 1):
        return None
    return version, host, bits >> host


def _address(text: str) -> tuple[int, int] | None:
    """Return an address as (version, bits); None when the text is none."""
    try:
        if ":" not in text:
            return 4, int.from_bytes(socket.inet_pton(socket.AF_INET, text), "big")
        packed = socket.inet_pton(socket.AF_INET6, text)
    except (OSError, ValueError):
        return None
    if packed.startswith(_MAPPED):
        return 4, int.from_bytes(packed[12:], "big")
    return 6, int.from_bytes(packed, "big")


def _bits(version: int) -> int:
    return 32 if version == 4 else 128
