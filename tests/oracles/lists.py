"""Lists, by definition: every entry is asked in turn, the best of those that hold is the match."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from decimal import Decimal


@dataclass
class Entry:
    """One entry of a list; it holds in [begins, ends)."""

    value: str
    begins: float = float("-inf")
    ends: float = float("inf")


def address(text: str):
    """Return an address, an IPv4 one when it is mapped; None when the text is none."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def fit(kind: str, of: str, ignore_case: bool, value: str, operand: str):
    """Return how well an operand fits a value (less is better), None when it does not."""
    if ignore_case:
        value, operand = value.casefold(), operand.casefold()
    if kind == "exact":
        return 0 if operand == value else None
    if kind == "prefix":
        return -len(value) if operand.startswith(value) else None
    if kind == "cidr":
        network, found = ipaddress.ip_network(value), address(operand)
        inside = found is not None and found.version == network.version and found in network
        return -network.prefixlen if inside else None
    low, high = value.split("..")
    if of == "text":
        # The last to begin, then the first to end: compared through what `Last` reverses.
        return (Last(low), high) if low <= operand <= high else None
    if of == "ip":
        low, high, operand = address(low), address(high), address(operand)
        if operand is None or operand.version != low.version or not low <= operand <= high:
            return None
        return int(high) - int(low)
    try:
        operand = Decimal(operand)
    except ArithmeticError:
        return None
    return Decimal(high) - Decimal(low) if Decimal(low) <= operand <= Decimal(high) else None


class Last:
    """Text that compares the other way round."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __lt__(self, other: Last) -> bool:
        return other.text < self.text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Last) and other.text == self.text


class OracleList:
    """A list as its entries; changes are made in arrival order."""

    def __init__(self, kind: str, of: str, ignore_case: bool, entries: list[Entry]) -> None:
        self.kind, self.of, self.ignore_case = kind, of, ignore_case
        self.entries = entries

    def add(self, value: str, time_ms: int, expires_ms: int | None) -> None:
        self.entries.append(Entry(value, time_ms, float("inf") if expires_ms is None else expires_ms))

    def remove(self, value: str, time_ms: int) -> None:
        for entry in self.entries:
            same = entry.value.casefold() == value.casefold() if self.ignore_case else entry.value == value
            if same:
                entry.ends = min(entry.ends, time_ms)

    def match(self, operand: str | None, time_ms: int) -> int | None:
        """Return the number of the entry that an event's operand matches; the later wins a tie."""
        best = None
        for number, entry in enumerate(self.entries):
            if operand is None or not entry.begins <= time_ms < entry.ends:
                continue
            score = fit(self.kind, self.of, self.ignore_case, entry.value, operand)
            if score is None:
                continue
            if best is None or score < best[0] or score == best[0]:
                best = (score, number)
        return None if best is None else best[1]
