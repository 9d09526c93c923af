"""Policy text with positions: YAML (or plain Python values) as nodes that know where they stand.

A `Node` is a scalar, a list or a map. Rooms read their `spec` from nodes with the typed getters
below; each getter raises a `PolicyError` at the exact place when the value is missing or of the
wrong kind, and `Node.only(...)` refuses unknown keys with the nearest known one.

Nothing is ever constructed from a YAML tag: scalars are text, read by the getter that wants them,
so `no`, `1e3` and `2024-01-01` mean what the field says they mean.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import yaml

from riskweave.errors import PolicyError, Span, did_you_mean

FILE_BYTES_MAX = 16 * 1024 * 1024
DEPTH_MAX = 32
NODES_MAX = 2_000_000
DURATION_MS_MAX = 400 * 86_400_000

_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)\s*$")
_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000}

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Node:
    """One value of a policy document and where it stands.

    `value` is a `str` or None (scalar), a `list[Node]` or a `dict[str, Node]`; `plain` tells an
    unquoted scalar from a quoted one. `path` reads like `rules[3].when`.
    """

    __slots__ = ("keys", "path", "plain", "span", "value")

    def __init__(
        self,
        value: str | list[Node] | dict[str, Node] | None,
        span: Span,
        path: str,
        keys: dict[str, Span] | None = None,
        plain: bool = True,
    ) -> None:
        self.value = value
        self.span = span
        self.path = path
        self.keys = keys or {}
        self.plain = plain

    # ---- what it is

    @property
    def is_map(self) -> bool:
        return isinstance(self.value, dict)

    @property
    def is_list(self) -> bool:
        return isinstance(self.value, list)

    @property
    def is_null(self) -> bool:
        return self.value is None or (self.plain and self.value in ("", "~", "null", "None"))

    def __contains__(self, key: str) -> bool:
        return isinstance(self.value, dict) and key in self.value

    def error(self, message: str, hint: str = "") -> PolicyError:
        """Return (not raise) an error that points at this node."""
        return PolicyError(message, self.span, hint)

    # ---- maps and lists

    def items(self) -> Iterator[tuple[str, Node]]:
        """Yield the entries of a map, in the order written."""
        if not isinstance(self.value, dict):
            raise self.error(f"`{self.path}` must be a map of names to values")
        yield from self.value.items()

    def elements(self) -> list[Node]:
        """Return the elements of a list."""
        if not isinstance(self.value, list):
            raise self.error(f"`{self.path}` must be a list")
        return self.value

    def get(self, key: str) -> Node | None:
        """Return the entry of that name; None when it is absent or null."""
        if not isinstance(self.value, dict):
            raise self.error(f"`{self.path}` must be a map of names to values")
        node = self.value.get(key)
        return None if node is None or node.is_null else node

    def need(self, key: str) -> Node:
        """Return the entry of that name, or raise."""
        node = self.get(key)
        if node is None:
            raise self.error(f"`{self.path}` needs `{key}`")
        return node

    def only(self, *known: str) -> None:
        """Raise when this map has a key that is not `known`."""
        for key, _ in self.items():
            if key not in known:
                raise PolicyError(
                    f"`{self.path}` has an unknown key `{key}`",
                    self.keys.get(key, self.span),
                    did_you_mean(key, known) or f"known keys: {', '.join(known)}",
                )

    def key_span(self, key: str) -> Span:
        """Return where the name of an entry stands."""
        return self.keys.get(key, self.span)

    # ---- scalars

    def text(self) -> str:
        """Return a scalar as text."""
        if not isinstance(self.value, str):
            raise self.error(f"`{self.path}` must be text")
        return self.value

    def number(self, low: float = -1.7e308, high: float = 1.7e308) -> float:
        """Return a finite number within [low, high]."""
        try:
            number = float(self.text())
        except ValueError:
            raise self.error(f"`{self.path}` must be a number, not `{self.text()}`") from None
        if not low <= number <= high:
            raise self.error(f"`{self.path}` must be between {low:g} and {high:g}, not {self.text()}")
        return number

    def integer(self, low: int = -(2**53), high: int = 2**53) -> int:
        """Return a whole number within [low, high]."""
        try:
            number = int(self.text().replace("_", ""))
        except ValueError:
            raise self.error(f"`{self.path}` must be a whole number, not `{self.text()}`") from None
        if not low <= number <= high:
            raise self.error(f"`{self.path}` must be between {low} and {high}, not {number}")
        return number

    def flag(self) -> bool:
        """Return true or false."""
        text = self.text().lower()
        if text in ("true", "yes", "on"):
            return True
        if text in ("false", "no", "off"):
            return False
        raise self.error(f"`{self.path}` must be true or false, not `{self.text()}`")

    def choice(self, *known: str) -> str:
        """Return text that is one of `known`."""
        text = self.text()
        if text not in known:
            raise self.error(
                f"`{self.path}` is `{text}`",
                did_you_mean(text, known) or f"expected one of: {', '.join(known)}",
            )
        return text

    def texts(self) -> list[str]:
        """Return a list of text; a single scalar counts as a list of one."""
        if isinstance(self.value, str):
            return [self.value]
        return [node.text() for node in self.elements()]

    def duration_ms(self, high_ms: int = DURATION_MS_MAX) -> int:
        """Return a length of time such as `90d`, `24h`, `10m`, `5s` or `250ms`, in milliseconds."""
        milliseconds = duration_ms(self.text())
        if milliseconds is None:
            raise self.error(
                f"`{self.path}` must be a length of time, not `{self.text()}`",
                "write a number and a unit: ms, s, m, h, d or w, as in 24h",
            )
        if milliseconds > high_ms:
            raise self.error(f"`{self.path}` is too long", f"at most {high_ms // _UNIT_MS['d']}d")
        return milliseconds

    def by_language(self) -> dict[str, str]:
        """Return text per language; plain text counts as English."""
        if isinstance(self.value, str):
            return {"en": self.value}
        self.only("en", "zh")
        return {language: node.text() for language, node in self.items()}


def duration_ms(text: str) -> int | None:
    """Return the milliseconds that `24h`, `90d`, `1.5s` mean; None when the text is no length of time.

    >>> duration_ms("24h"), duration_ms("1.5s"), duration_ms("soon")
    (86400000, 1500, None)
    """
    match = _DURATION.match(text)
    if match is None:
        return None
    # Far beyond what anything allows: an infinite number would not round.
    return round(min(float(match[1]), 1e15) * _UNIT_MS[match[2]])


def read_yaml(path: Path, name: str | None = None) -> Node:
    """Read one YAML file; `name` is how errors call it."""
    label = name or str(path)
    try:
        size = path.stat().st_size
        if size > FILE_BYTES_MAX:
            raise PolicyError(f"the file has {size} bytes", Span(label), f"at most {FILE_BYTES_MAX} are read")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise PolicyError(f"the file cannot be read ({error.strerror})", Span(label)) from None
    except UnicodeDecodeError as error:
        raise PolicyError(f"the file is not UTF-8 text ({error.reason})", Span(label)) from None
    return parse_yaml(text, label)


def parse_yaml(text: str, name: str = "policy.yaml") -> Node:
    """Parse YAML text into nodes. Aliases and tags are refused: they hide what a reader sees."""
    lines = text.splitlines()
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "the text is not YAML"
        span = Span(name)
        if mark is not None:
            line_text = lines[mark.line] if mark.line < len(lines) else ""
            span = Span(name, mark.line + 1, mark.column + 1, 1, line_text)
        raise PolicyError(f"{problem}", span, "check the indentation and the quotes here") from None
    except RecursionError:
        raise PolicyError("the document is nested too deeply", Span(name)) from None
    if root is None:
        return Node({}, Span(name, 1, 1, 1, ""), "policy")
    return _Converter(name, lines).convert(root, "policy", 0)


class _Converter:
    """Turns PyYAML's nodes into ours, within limits."""

    def __init__(self, name: str, lines: list[str]) -> None:
        self.name = name
        self.lines = lines
        self.seen: set[int] = set()

    def span(self, node: yaml.Node) -> Span:
        start, end = node.start_mark, node.end_mark
        line = self.lines[start.line] if start.line < len(self.lines) else ""
        same_line = end.line == start.line
        length = (end.column if same_line else len(line)) - start.column
        column = start.column
        if isinstance(node, yaml.ScalarNode) and node.style in ("'", '"'):
            column, length = column + 1, length - 2
        if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
            # A block's text begins on the next line: point at it there.
            below = start.line + 1
            line = self.lines[below] if below < len(self.lines) else ""
            indent = len(line) - len(line.lstrip())
            return Span(self.name, below + 1, indent + 1, max(len(line) - indent, 1), line)
        return Span(self.name, start.line + 1, column + 1, max(length, 1), line)

    def convert(self, node: yaml.Node, path: str, depth: int) -> Node:
        span = self.span(node)
        if depth > DEPTH_MAX:
            raise PolicyError(f"nested more than {DEPTH_MAX} deep", span)
        if id(node) in self.seen:
            raise PolicyError("an alias (`*name`) is not allowed in a policy", span, "write the value out")
        self.seen.add(id(node))
        if len(self.seen) > NODES_MAX:
            raise PolicyError(f"more than {NODES_MAX} values in one file", span)
        if isinstance(node, yaml.ScalarNode):
            plain = not node.style  # None or an empty text, as the scanner has it
            return Node(node.value, span, path, plain=plain)
        if isinstance(node, yaml.SequenceNode):
            return Node(
                [self.convert(each, f"{path}[{index}]", depth + 1) for index, each in enumerate(node.value)],
                span,
                path,
            )
        entries: dict[str, Node] = {}
        keys: dict[str, Span] = {}
        for key_node, value_node in node.value:
            key_span = self.span(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                raise PolicyError("a name must be plain text", key_span)
            key = key_node.value
            if key in entries:
                raise PolicyError(f"`{key}` is written twice", key_span, f"first at line {keys[key].line}")
            keys[key] = key_span
            below = key if path == "policy" else f"{path}.{key}"
            entries[key] = self.convert(value_node, below, depth + 1)
        return Node(entries, span, path, keys)


def from_python(value: object, path: str = "policy", depth: int = 0) -> Node:
    """Turn plain Python values (dict, list, text, numbers, bool, None) into nodes without a file."""
    span = Span(path)
    if depth > DEPTH_MAX:
        raise PolicyError(f"nested more than {DEPTH_MAX} deep", span)
    if value is None:
        return Node(None, span, path)
    if isinstance(value, bool):
        return Node("true" if value else "false", span, path)
    if isinstance(value, (int, float)):
        return Node(repr(value), span, path)
    if isinstance(value, str):
        return Node(value, Span(path, 0, 1, max(len(value), 1), value), path, plain=False)
    if isinstance(value, Mapping):
        entries = {
            str(key): from_python(each, str(key) if path == "policy" else f"{path}.{key}", depth + 1)
            for key, each in value.items()
        }
        return Node(entries, span, path, {key: node.span for key, node in entries.items()})
    if isinstance(value, Iterable):
        return Node(
            [from_python(each, f"{path}[{index}]", depth + 1) for index, each in enumerate(value)], span, path
        )
    raise PolicyError(f"`{path}` is a {type(value).__name__}", span, "write text, numbers, lists and maps")
