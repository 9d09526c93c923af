"""What the tests and functions on text mean, for one text and one constant.

Each is asked once per distinct text, not once per event. `matches` searches (it is not anchored)
with RE2, whose time grows linearly with the text whatever the expression.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import re2

PATTERN_LENGTH_MAX = 1_000
_PATTERN_BYTES_MAX = 8 << 20

Answer = float | bool | str | None
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _options() -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _PATTERN_BYTES_MAX
    return options


@lru_cache(maxsize=4096)
def pattern(expression: str) -> Any:
    """Return the compiled regular expression; ValueError says what is wrong with it."""
    if len(expression) > PATTERN_LENGTH_MAX:
        raise ValueError(f"longer than {PATTERN_LENGTH_MAX} characters")
    try:
        return re2.compile(expression, _options())
    except re2.error as error:
        reason = error.args[0] if error.args else "unreadable"
        raise ValueError(
            reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        ) from None


@lru_cache(maxsize=4096)
def network(text: str) -> Network:
    """Return the network that `10.0.0.0/8` or a single address means; ValueError when it is none."""
    return ipaddress.ip_network(text, strict=False)


def in_network(text: str, constant: object) -> bool:
    """Tell whether the address lies in the network; text that is no address does not."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address) in network(str(constant)) or address in network(str(constant))


TEXT_FUNCTIONS: dict[str, Callable[[str, Any], Answer]] = {
    "lower": lambda text, _: text.lower(),
    "upper": lambda text, _: text.upper(),
    "strip": lambda text, _: text.strip(),
    "len": lambda text, _: float(len(text)),
    "prefix": lambda text, count: text[: int(count)],
    "startswith": lambda text, part: text.startswith(part),
    "endswith": lambda text, part: text.endswith(part),
    "contains": lambda text, part: part in text,
    "matches": lambda text, expression: pattern(expression).search(text) is not None,
    "in_network": in_network,
}
