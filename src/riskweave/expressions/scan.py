"""One linear look at the text before Python's parser sees it: limits, and the mistakes people make.

Nothing that could exhaust the parser (depth, length, huge literals) gets past this, and what other
languages write (`&&`, `=`, `!x`, typographic quotes) is answered with how it is written here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NoReturn

from riskweave.errors import PolicyError

LENGTH_MAX = 10_000
DEPTH_MAX = 64
CHAIN_MAX = 250

_TOKEN = re.compile(
    r"""
    (?P<space>[ \t\r\n]+|\#[^\r\n]*)
  | (?P<number>(?:\d|\.\d)(?:[eE][+-]|[\w.])*)
  | (?P<text>[^\W\d]?[^\W\d]?(?:'(?:[^'\\\r\n]|\\.)*'|"(?:[^"\\\r\n]|\\.)*"))
  | (?P<word>[^\W\d]\w*)
  | (?P<operator>\*\*|//|==|!=|<=|>=|<>|&&|\|\||[-+*/%<>=.,()\[\]{}])
    """,
    re.VERBOSE,
)
_NUMBER = re.compile(r"(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?")
_DURATION = re.compile(r"\d+(?:\.\d+)?(?:ms|s|m|h|d|w)")
_OPEN = {"(": ")", "[": "]", "{": "}"}
_RIGHT = {"not", "**", "if", "await", "lambda", "yield"}
_LEFT = {"+", "-", "*", "/", "//", "%", "<", ">", "<=", ">=", "==", "!=", "in", "is", "."}

_FOREIGN = {
    "&&": "write `and`",
    "&": "write `and`",
    "||": "write `or`",
    "|": "write `or`",
    "!": "write `not x`, or `!=` for different",
    "~": "write `not x`",
    "<>": "write `!=`",
    "^": "write `**` for a power",
    ":": "there are no dictionaries, slices or lambdas here",
    "`": 'a name needs no quotes; text needs straight quotes: "text"',
    "\\": "a line may simply go on in the next one",
    ";": "an expression is one value",
    "?": "write `a if condition else b`",
    "“": 'text needs straight quotes: "text"',
    "”": 'text needs straight quotes: "text"',
    "‘": 'text needs straight quotes: "text"',
    "’": 'text needs straight quotes: "text"',
    "（": "write `(`",
    "）": "write `)`",
    "，": "write `,`",
    "＝": "write `==`",
    "＞": "write `>`",
    "＜": "write `<`",
    "≥": "write `>=`",
    "≤": "write `<=`",
    "≠": "write `!=`",
    "×": "write `*`",
    "÷": "write `/`",
    "−": "write `-`",
    "'": "add `'`",
    '"': 'add `"`',
    "\0": "the text has a null byte",
}

Fail = Callable[[int, int, str, str], PolicyError]


def scan(text: str, fail: Fail) -> None:
    """Raise what `fail(offset, length, message, hint)` makes when the text cannot be an expression."""
    if len(text) > LENGTH_MAX:
        raise fail(0, 1, f"the expression has {len(text)} characters", f"at most {LENGTH_MAX} are allowed")
    if not text.strip():
        raise fail(0, 1, "the expression is empty", "write a value or a condition")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise fail(error.start, 1, "the expression is not valid text", "") from None
    _Scanner(text, fail).run()


class _Scanner:
    """Walks the tokens, with a stack of open brackets."""

    def __init__(self, text: str, fail: Fail) -> None:
        self.text = text
        self.fail = fail
        # Of each open level: bracket, its offset, right-nested and left-nested operators so far.
        self.levels: list[list[int]] = [[0, 0, 0]]
        self.brackets: list[str] = []
        self.right_depth = 0
        self.chain_depth = 0

    def run(self) -> None:
        position, before = 0, ""
        while position < len(self.text):
            match = _TOKEN.match(self.text, position)
            if match is None:
                self.foreign(position)
            kind, token = str(match.lastgroup), match.group()
            if kind != "space":
                self.look(kind, token, position, before)
                before = "text" if kind == "text" else token if kind == "operator" else "value"
                if kind == "word" and token in ("not", "and", "or", "if", "else", "in", "is"):
                    before = token
            position = match.end()
        if self.brackets:
            self.stop(self.levels[-1][0], 1, f"`{self.brackets[-1]}` is never closed", "")

    def look(self, kind: str, token: str, position: int, before: str) -> None:
        if kind == "text":
            self.look_at_text(token, position, before)
        elif kind == "number":
            if len(token) > 40:
                self.stop(position, len(token), "the number is too long", "at most 40 characters are allowed")
            if not _NUMBER.fullmatch(token):
                hint = (
                    f'write "{token}" in a feature; elsewhere a length of time is in seconds'
                    if _DURATION.fullmatch(token)
                    else ""
                )
                self.stop(position, len(token), f"`{token}` is not a number", hint)
        elif token in _FOREIGN:
            self.stop(position, len(token), f"`{token}` is not part of the language", _FOREIGN[token])
        elif token in _OPEN:
            self.brackets.append(token)
            self.levels.append([position, 0, 0])
            self.deeper(position, 1, 0)
        elif kind == "operator" and token in _OPEN.values():
            self.close(token, position)
        elif token == "=":
            if not self.brackets or self.brackets[-1] != "(":
                self.stop(position, 1, "`=` does not compare", "write `==`")
        elif token in (",", "and", "or", "else"):
            self.reset(token)
        elif token in _RIGHT or (
            token in "+-" and before in ("", *_LEFT, *_RIGHT, *_OPEN, ",", "=", "and", "or", "else")
        ):
            self.levels[-1][1] += 1
            self.deeper(position, 1, 0)
        elif token in _LEFT:
            self.levels[-1][2] += 1
            self.deeper(position, 0, 1)

    def look_at_text(self, token: str, position: int, before: str) -> None:
        prefix = re.split("['\"]", token, maxsplit=1)[0]
        if prefix.lower() not in ("", "r"):
            self.stop(position, len(prefix), f"text cannot start with `{prefix}`", 'write "text" or r"text"')
        quote = token[-1]
        if token.endswith(quote * 2) and self.text[position + len(token) :][:1] == quote:
            self.stop(position, 3, "triple quotes are not part of the language", 'write "text"')
        if before == "text":
            self.stop(
                position, len(token), "two texts side by side", "put a comma or an operator between them"
            )

    def close(self, token: str, position: int) -> None:
        if not self.brackets or _OPEN[self.brackets[-1]] != token:
            hint = f"`{self.brackets[-1]}` is open" if self.brackets else "no bracket is open"
            self.stop(position, 1, f"`{token}` closes nothing", hint)
        self.brackets.pop()
        _, right, left = self.levels.pop()
        self.right_depth -= right + 1
        self.chain_depth -= left

    def reset(self, token: str) -> None:
        """Operands of `and`, `or` and a comma lie side by side, not in each other."""
        level = self.levels[-1]
        self.chain_depth -= level[2]
        level[2] = 0
        if token == ",":
            self.right_depth -= level[1]
            level[1] = 0

    def deeper(self, position: int, right: int, left: int) -> None:
        self.right_depth += right
        self.chain_depth += left
        if self.right_depth > DEPTH_MAX:
            self.stop(
                position, 1, "the expression is nested too deeply", f"at most {DEPTH_MAX} levels are allowed"
            )
        if self.chain_depth > CHAIN_MAX:
            self.stop(
                position,
                1,
                "too many operators in one chain",
                f"at most {CHAIN_MAX} are allowed: name a part of it",
            )

    def foreign(self, position: int) -> NoReturn:
        for length in (2, 1):
            token = self.text[position : position + length]
            if token in _FOREIGN:
                shown = "a null byte" if token == "\0" else f"`{token}`"
                message = f"{shown} is not part of the language"
                if token in ("'", '"'):
                    message = "the text is not closed"
                self.stop(position, length, message, _FOREIGN[token])
        character = self.text[position]
        shown = character if character.isprintable() else f"U+{ord(character):04X}"
        self.stop(position, 1, f"`{shown}` is not part of the language", "")

    def stop(self, position: int, length: int, message: str, hint: str) -> NoReturn:
        raise self.fail(position, length, message, hint)
