"""Networks as BIF files (the Interchange Format for Bayesian Networks, Cozman 1998), read and written.

Files in the wild differ, and these are read alike: `//` and `/* */` comments, properties,
names in quotes, commas and `|` present or not, a row per combination of the parents' states,
`default` rows, and whole tables. A `table` with parents is in the order of the 0.15 text (the
node's own state changes slowest); where that gives rows that do not sum to 1 and the other order
does, the other one was meant. Rows are scaled to 1 when they are off by rounding, at most 1 %.
A file may be compressed (`.gz`).
"""

from __future__ import annotations

import gzip
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from riskweave.decision.networks.node import (
    NETWORK_CELLS_MAX,
    NODES_MAX,
    STATES_MAX,
    TABLE_CELLS_MAX,
    Network,
    Node,
    combinations,
    scaled_rows,
)
from riskweave.errors import PolicyError, Span, did_you_mean

FILE_BYTES_MAX = 64 * 1024 * 1024
TOLERANCE = 0.01

_TOKEN = re.compile(
    r"""(?P<space>[\s,|]+|//[^\n]*|/\*.*?\*/)
      | "(?P<quoted>[^"\n]*)"
      | (?P<mark>[{}()\[\];])
      | (?P<word>(?:(?!//|/\*)[^\s,|{}()\[\];"])+)""",
    re.VERBOSE | re.DOTALL,
)
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*")
_KEYWORDS = {"network", "variable", "probability", "property", "type", "discrete", "default", "table"}


def read_bif(path: Path, name: str | None = None) -> Network:
    """Read a file; `name` is how errors call it."""
    label = name or path.name
    try:
        with path.open("rb") as stream:
            data = stream.read(FILE_BYTES_MAX + 1)
        if path.suffix == ".gz":
            with gzip.open(path, "rb") as unpacked:
                data = unpacked.read(FILE_BYTES_MAX + 1)
        if len(data) > FILE_BYTES_MAX:
            raise PolicyError(f"the file has more than {FILE_BYTES_MAX} bytes", Span(label))
        return parse_bif(data.decode(), label)
    except UnicodeDecodeError as error:
        raise PolicyError(f"the file is not UTF-8 text ({error.reason})", Span(label)) from None
    except (OSError, EOFError, gzip.zlib.error) as error:  # type: ignore[attr-defined]
        reason = getattr(error, "strerror", None) or str(error)
        raise PolicyError(f"the file cannot be read ({reason})", Span(label)) from None


def parse_bif(text: str, name: str = "network.bif") -> Network:
    """Read a network from BIF text; raises PolicyError at the line and column of a mistake."""
    return _Parser(text, name).network()


def to_bif(network: Network, name: str = "network") -> str:
    """Return the network as BIF text, with every number in full: reading it gives the same version."""
    lines = [f"network {_quoted(name)} {{", "}"]
    for node in network.nodes.values():
        states = ", ".join(_quoted(state) for state in node.states)
        lines += [
            f"variable {_quoted(node.name)} {{",
            f"  type discrete [ {len(node.states)} ] {{ {states} }};",
            "}",
        ]
    for node in network.nodes.values():
        if not node.parents:
            lines += [f"probability ( {_quoted(node.name)} ) {{", f"  table {_numbers(node.table)};", "}"]
            continue
        parents = ", ".join(_quoted(parent) for parent in node.parents)
        lines.append(f"probability ( {_quoted(node.name)} | {parents} ) {{")
        rows = node.table.reshape(-1, len(node.states))
        known = combinations([network.nodes[parent].states for parent in node.parents])
        for states_of_row, row in zip(known, rows, strict=True):
            lines.append(f"  ({', '.join(map(_quoted, states_of_row))}) {_numbers(row)};")
        lines.append("}")
    return "\n".join(lines) + "\n"


def _quoted(name: str) -> str:
    if '"' in name or "\n" in name:
        raise PolicyError(f"`{name}` cannot be written in BIF: it has a quote or a line's end in it")
    return name if _PLAIN.fullmatch(name) and name not in _KEYWORDS else f'"{name}"'


def _numbers(row: NDArray[np.float64]) -> str:
    return ", ".join(repr(float(number)) for number in row)


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    mark: bool
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Row:
    """`key` None is a whole table; an empty key is `default`."""

    key: tuple[_Token, ...] | None
    numbers: list[float]
    token: _Token


@dataclass(frozen=True, slots=True)
class _Block:
    names: list[_Token]
    rows: list[_Row]


class _Parser:
    """Reads blocks one after the other; each method leaves `token` behind what it read."""

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self.tokens = self._scan()
        self.token: _Token = next(self.tokens)

    def network(self) -> Network:
        states: dict[str, tuple[str, ...]] = {}
        places: dict[str, _Token] = {}
        blocks: dict[str, _Block] = {}
        while self.token.text or self.token.mark:
            keyword = self.token
            kind = self._word("`network`, `variable` or `probability`").text.lower()
            if kind == "network":
                self._skip_network()
            elif kind == "variable":
                name = self._word("a variable's name")
                if name.text in states:
                    raise self._error(f"variable `{name.text}` is there twice", name)
                if len(states) == NODES_MAX:
                    raise self._error(f"more than {NODES_MAX} variables", name)
                places[name.text] = name
                states[name.text] = self._variable(name)
            elif kind == "probability":
                block = self._probability()
                child = block.names[0]
                if child.text in blocks:
                    raise self._error(f"the probabilities of `{child.text}` are there twice", child)
                blocks[child.text] = block
            elif kind == "property":
                self._skip_property()
            else:
                known = ("network", "variable", "probability", "property")
                raise self._error(
                    f"`{keyword.text}` begins no block",
                    keyword,
                    did_you_mean(kind, known) or "a block is `network`, `variable` or `probability`",
                )
        if not states:
            raise self._error("there is no variable in this file", self.token)
        for block in blocks.values():
            for used in block.names:
                if used.text not in states:
                    hint = did_you_mean(used.text, states)
                    raise self._error(f"there is no variable `{used.text}`", used, hint)
        for each, place in places.items():
            if each not in blocks:
                raise self._error(
                    f"variable `{each}` has no probabilities", place, "add a `probability` block"
                )
        nodes, cells = [], 0
        for each, place in places.items():
            nodes.append(self._node(blocks[each], states))
            cells += nodes[-1].table.size
            if cells > NETWORK_CELLS_MAX:
                raise self._error(f"the tables hold more than {NETWORK_CELLS_MAX} numbers", place)
        return Network(nodes, {each: self._span(place) for each, place in places.items()})

    # ---- blocks

    def _skip_network(self) -> None:
        while not (self.token.mark and self.token.text == "{"):
            self._word("a name or `{`")
        self._mark("{")
        while not self._at("}"):
            self._statement()
        self._mark("}")

    def _variable(self, name: _Token) -> tuple[str, ...]:
        found: tuple[str, ...] | None = None
        self._mark("{")
        while not self._at("}"):
            keyword = self._word("`type` or `property`")
            if keyword.text.lower() == "property":
                self._skip_property()
            elif keyword.text.lower() == "type" and found is None:
                found = self._type()
            else:
                raise self._error(f"`{keyword.text}` has no place in a variable", keyword)
        self._mark("}")
        if found is None:
            raise self._error(f"variable `{name.text}` has no type", name, "type discrete [ 2 ] { no, yes };")
        return found

    def _type(self) -> tuple[str, ...]:
        kind = self._word("`discrete`")
        if kind.text.lower() != "discrete":
            raise self._error(f"a variable of type `{kind.text}` cannot be read", kind, "only `discrete` can")
        count: _Token | None = None
        if self._at("["):
            self._mark("[")
            count = self._word("the number of states")
            self._mark("]")
        self._mark("{")
        names: list[str] = []
        while not self._at("}"):
            token = self._word("a state's name")
            if token.text in names:
                raise self._error(f"the state `{token.text}` is there twice", token)
            names.append(token.text)
            if len(names) > STATES_MAX:
                raise self._error(f"more than {STATES_MAX} states", token)
        self._mark("}")
        if self._at(";"):
            self._mark(";")
        if count is not None and (not count.text.isdecimal() or int(count.text[:9]) != len(names)):
            raise self._error(f"[ {count.text} ] states are announced, and {len(names)} follow", count)
        return tuple(names)

    def _probability(self) -> _Block:
        opening = self.token
        self._mark("(")
        names: list[_Token] = []
        while not self._at(")"):
            token = self._word("a variable's name")
            if token.text in [each.text for each in names]:
                raise self._error(f"`{token.text}` is there twice", token)
            names.append(token)
        self._mark(")")
        if not names:
            raise self._error("`probability` needs a variable", opening)
        rows: list[_Row] = []
        self._mark("{")
        while not self._at("}"):
            token = self.token
            if self._at("("):
                self._mark("(")
                key = []
                while not self._at(")"):
                    key.append(self._word("a parent's state"))
                self._mark(")")
                rows.append(_Row(tuple(key), self._row_numbers(), token))
                continue
            keyword = self._word("`table`, `default`, or a row such as `(yes, no) 0.1, 0.9;`")
            if keyword.text.lower() == "property":
                self._skip_property()
            elif keyword.text.lower() == "table":
                rows.append(_Row(None, self._row_numbers(), token))
            elif keyword.text.lower() == "default":
                rows.append(_Row((), self._row_numbers(), token))
            else:
                raise self._error(
                    f"`{keyword.text}` has no place here", keyword, "write `table`, `default` or `(states)`"
                )
        self._mark("}")
        return _Block(names, rows)

    def _row_numbers(self) -> list[float]:
        numbers: list[float] = []
        while not self._at(";"):
            token = self._word("a number or `;`")
            try:
                number = float(token.text)
            except ValueError:
                raise self._error(f"`{token.text}` is no number", token) from None
            if not (math.isfinite(number) and number >= 0.0):
                raise self._error(f"`{token.text}` is no probability", token)
            numbers.append(number)
            if len(numbers) > TABLE_CELLS_MAX:
                raise self._error(f"more than {TABLE_CELLS_MAX} numbers in one table", token)
        self._mark(";")
        return numbers

    def _skip_property(self) -> None:
        """Skip free text up to a semicolon; a property may hold marks of any kind."""
        end = self.text.find(";", self.token.start)
        if end < 0:
            raise self._error("this property has no end", self.token, "end it with `;`")
        self.tokens = self._scan(end + 1)
        self.token = next(self.tokens)

    def _statement(self) -> None:
        keyword = self._word("`property` or `}`")
        if keyword.text.lower() != "property":
            raise self._error(f"`{keyword.text}` has no place in a network block", keyword)
        self._skip_property()

    # ---- tables

    def _node(self, block: _Block, states: dict[str, tuple[str, ...]]) -> Node:
        child, *parents = block.names
        own = states[child.text]
        known = [states[parent.text] for parent in parents]
        shape = [len(each) for each in known]
        if math.prod(shape) * len(own) > TABLE_CELLS_MAX:
            raise self._error(f"the table of `{child.text}` has more than {TABLE_CELLS_MAX} numbers", child)
        table = np.full([*shape, len(own)], np.nan)
        for row in sorted(block.rows, key=lambda each: each.key is not None and len(each.key) > 0):
            if row.key is None:
                table[:] = self._whole(row, table.shape)
            elif not row.key:
                table[:] = self._checked(row, len(own))
            else:
                table[self._place(row.key, parents, known)] = self._checked(row, len(own))
        missing = np.argwhere(np.isnan(table).any(axis=-1))
        if len(missing):
            row_states = [each[number] for each, number in zip(known, missing[0], strict=True)]
            raise self._error(
                f"`{child.text}` has no row for ({', '.join(row_states)})",
                child,
                f"rows missing: {len(missing)}; `default` stands for all that are not written",
            )
        return Node(child.text, own, tuple(each.text for each in parents), table)

    def _place(
        self, key: tuple[_Token, ...], parents: list[_Token], known: list[tuple[str, ...]]
    ) -> tuple[int, ...]:
        if len(key) != len(parents):
            raise self._error(
                f"this row names {len(key)} states for {len(parents)} parents",
                key[0],
                f"parents in order: {', '.join(parent.text for parent in parents) or 'none'}",
            )
        for token, states, parent in zip(key, known, parents, strict=True):
            if token.text not in states:
                hint = did_you_mean(token.text, states) or f"states: {', '.join(states)}"
                raise self._error(f"`{parent.text}` has no state `{token.text}`", token, hint)
        return tuple(states.index(token.text) for token, states in zip(key, known, strict=True))

    def _checked(self, row: _Row, count: int) -> NDArray[np.float64]:
        if len(row.numbers) != count:
            raise self._error(f"this row has {len(row.numbers)} numbers, and {count} are needed", row.token)
        total = math.fsum(row.numbers)
        if abs(total - 1.0) > TOLERANCE:
            raise self._error(f"this row sums to {total:.6g}, not to 1", row.token)
        return scaled_rows(np.array(row.numbers))

    def _whole(self, row: _Row, shape: tuple[int, ...]) -> NDArray[np.float64]:
        numbers = np.array(row.numbers)
        if numbers.size != math.prod(shape):
            raise self._error(
                f"this table has {numbers.size} numbers, and {math.prod(shape)} are needed", row.token
            )
        own_slowest = np.moveaxis(numbers.reshape([shape[-1], *shape[:-1]]), 0, -1)
        for table in (own_slowest, numbers.reshape(shape)):
            sums = table.sum(axis=-1)
            if (np.abs(sums - 1.0) <= TOLERANCE).all():
                return scaled_rows(table)
        raise self._error("this table has rows that do not sum to 1", row.token)

    # ---- tokens

    def _scan(self, start: int = 0) -> Iterator[_Token]:
        place = start
        while place < len(self.text):
            match = _TOKEN.match(self.text, place)
            if match is None:
                found = _Token(self.text[place], False, place, place + 1)
                what = "a comment" if self.text.startswith("/*", place) else "a quoted name"
                raise self._error(f"{what} that begins here has no end", found)
            place = match.end()
            kind = match.lastgroup
            if kind != "space":
                assert kind is not None
                yield _Token(match[kind], kind == "mark", match.start(), match.end())
        yield _Token("", False, len(self.text), len(self.text))

    def _at(self, mark: str) -> bool:
        return self.token.mark and self.token.text == mark

    def _mark(self, mark: str) -> None:
        if not self._at(mark):
            raise self._error(f"expected `{mark}`, found {self._found()}", self.token)
        self.token = next(self.tokens)

    def _word(self, expected: str) -> _Token:
        token = self.token
        if token.mark or token.start == token.end:
            raise self._error(f"expected {expected}, found {self._found()}", token)
        self.token = next(self.tokens)
        return token

    def _found(self) -> str:
        return "the end of the file" if self.token.start == self.token.end else f"`{self.token.text}`"

    def _span(self, token: _Token) -> Span:
        begin = self.text.rfind("\n", 0, token.start) + 1
        end = self.text.find("\n", token.start)
        line = self.text[begin : end if end >= 0 else len(self.text)].rstrip("\r")
        number = self.text.count("\n", 0, token.start) + 1
        length = min(token.end - token.start, max(len(line) - (token.start - begin), 1))
        return Span(self.file, number, token.start - begin + 1, max(length, 1), line)

    def _error(self, message: str, token: _Token, hint: str = "") -> PolicyError:
        return PolicyError(message, self._span(token), hint)
