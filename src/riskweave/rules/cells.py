"""The cells of tables and scorecards: a short text that says which values of a column it accepts.

-              anything, missing too        missing        no value
5   gold       just this value              "a, b" -> a, b  any of these
> 5  <= 2  != 3                             [1..5)  (0..1]  an interval
not(gold, 5)   any value but these          "quoted"       text that would mean something else
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from riskweave.document import Node
from riskweave.errors import PolicyError
from riskweave.expressions.strings import StringPool
from riskweave.expressions.types import Type
from riskweave.rules.ranges import EVERYTHING, NOT_NULL, NOTHING, NULL, Ranges, codes, compare, points

CELL_LENGTH_MAX = 10_000

_COMPARISON = re.compile(r"(<=|>=|==|!=|<|>|=)\s*(.*)\Z", re.DOTALL)
_INTERVAL = re.compile(r"([\[\](])\s*(.+?)\s*\.\.\s*(.+?)\s*([\[\])])\Z", re.DOTALL)
_NOT = re.compile(r"not\s*\((.*)\)\Z", re.DOTALL)


def read_cell(node: Node, kind: Type, pool: StringPool) -> Ranges:
    """Return the values of a column of type `kind` that the cell accepts."""
    if node.value is None:
        return EVERYTHING
    text = node.text().strip()
    if len(text) > CELL_LENGTH_MAX:
        raise node.error(f"a cell has {len(text)} characters, at most {CELL_LENGTH_MAX} are read")
    if text in ("", "-"):
        return EVERYTHING
    return _Cell(node, kind, pool).tests(text)


class _Cell:
    def __init__(self, node: Node, kind: Type, pool: StringPool) -> None:
        self.node = node
        self.kind = kind
        self.pool = pool

    def error(self, message: str, hint: str = "") -> PolicyError:
        return self.node.error(message, hint)

    def tests(self, text: str) -> Ranges:
        negated = _NOT.match(text)
        if negated:
            inner = self.tests(negated[1].strip())
            return NOT_NULL - inner
        accepted = NOTHING
        for part in self.parts(text):
            accepted = accepted | self.test(part)
        return accepted

    def parts(self, text: str) -> list[str]:
        """Split at commas outside of quotes."""
        found, begin, quote = [], 0, ""
        for at, letter in enumerate(text):
            if quote:
                quote = "" if letter == quote else quote
            elif letter in "\"'" and not text[begin:at].strip():
                quote = letter
            elif letter == ",":
                found.append(text[begin:at].strip())
                begin = at + 1
        if quote:
            raise self.error("a quote is not closed")
        found.append(text[begin:].strip())
        if not all(found):
            raise self.error("a list has an empty place", "write `a, b`, and `-` for anything")
        return found

    def test(self, text: str) -> Ranges:
        if text == "missing":
            return NULL
        if re.match(r"not\s*\(", text):
            raise self.error("`not(...)` stands alone in its cell", "write `not(a, b)`")
        interval = _INTERVAL.match(text)
        if interval and (self.kind.is_number or self.kind is Type.TIME):
            return self.interval(*interval.groups())
        comparison = _COMPARISON.match(text)
        if comparison:
            op, value = comparison.groups()
            op = "==" if op == "=" else op
            if self.kind.is_text or self.kind is Type.BOOL:
                if op not in ("==", "!="):
                    word = "text" if self.kind.is_text else "true or false"
                    raise self.error(
                        f"`{op}` needs a number, this column is {word}", "list the values: `a, b`"
                    )
                equal = codes([self.code(value)])
                return equal if op == "==" else NOT_NULL - equal
            return compare(op, self.number(value))
        if self.kind.is_text or self.kind is Type.BOOL:
            return codes([self.code(text)])
        return points([self.number(text)])

    def interval(self, opening: str, low_text: str, high_text: str, closing: str) -> Ranges:
        low, high = self.number(low_text), self.number(high_text)
        if low > high:
            raise self.error(f"the interval ends ({high_text}) before it starts ({low_text})")
        return compare(">=" if opening == "[" else ">", low) & compare("<=" if closing == "]" else "<", high)

    def number(self, text: str) -> float:
        text = text.strip()
        if self.kind is Type.TIME:
            try:
                moment = datetime.fromisoformat(text.strip("\"'"))
            except ValueError:
                raise self.error(
                    f"`{text}` is not a time", "write 2026-01-31 or 2026-01-31T12:00:00Z"
                ) from None
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return float(round(moment.timestamp() * 1000))
        try:
            number = float(text)
        except ValueError:
            raise self.error(
                f"`{text}` is not a number",
                "a cell is -, a value, `> 5`, `[1..5)`, `1, 2`, `not(1)` or missing",
            ) from None
        if number != number or number in (float("inf"), float("-inf")):
            raise self.error(f"`{text}` is not a finite number")
        return number

    def code(self, text: str) -> int:
        text = text.strip()
        if self.kind is Type.BOOL:
            if text.lower() not in ("true", "false"):
                raise self.error(f"`{text}` is neither true nor false")
            return int(text.lower() == "true")
        if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
            text = text[1:-1]
        return self.pool.code(text)
