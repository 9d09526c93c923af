"""`parse(text, span)`: the text of an expression as a tree with positions, or a PolicyError.

Python's `ast` reads the text, every node type is allowed by name, nothing is executed. `true`,
`false` and `null` (as YAML and JSON write them) mean True, False and None. Text from outside may
be hostile: `scan` bounds it before the parser, and the tree is counted after it.
"""

from __future__ import annotations

import ast
import math
import warnings

from riskweave.errors import PolicyError, Span
from riskweave.expressions.scan import LENGTH_MAX, scan
from riskweave.expressions.syntax import (
    Binary,
    Call,
    Choice,
    Compare,
    Dotted,
    Items,
    Literal,
    Logic,
    Method,
    Name,
    Unary,
)
from riskweave.expressions.types import Expr

NODES_MAX = 2_000
TREE_DEPTH_MAX = 128
WHOLE_MAX = 2**53

_SPELLINGS: dict[str, bool | None] = {"true": True, "false": False, "null": None}
_BINARY: dict[type[ast.AST], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
}
_UNARY: dict[type[ast.AST], str] = {ast.UAdd: "+", ast.USub: "-", ast.Not: "not"}
_COMPARE: dict[type[ast.AST], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.In: "in",
    ast.NotIn: "not in",
    ast.Is: "is",
    ast.IsNot: "is not",
}
_REFUSED: dict[type[ast.AST], tuple[str, str]] = {
    ast.Subscript: ("`x[...]` is not part of the language", "lists are only asked: `x in [a, b]`"),
    ast.ListComp: (
        "a comprehension is not part of the language",
        "aggregates read the past: `customer.count(...)`",
    ),
    ast.SetComp: (
        "a comprehension is not part of the language",
        "aggregates read the past: `customer.count(...)`",
    ),
    ast.GeneratorExp: (
        "a generator is not part of the language",
        "aggregates read the past: `customer.count(...)`",
    ),
    ast.Starred: ("`*x` is not part of the language", "write the arguments out"),
}
_WORDS = {
    "AND": "write `and`",
    "OR": "write `or`",
    "NOT": "write `not`",
    "IN": "write `in`",
    "IS": "write `is None`",
    "LIKE": 'write `matches(text, "regex")`, `startswith` or `contains`',
    "BETWEEN": "write `between(x, low, high)`",
    "then": "write `a if condition else b`",
    "THEN": "write `a if condition else b`",
    "xor": "write `a != b`",
    "contains": 'write `contains(text, "part")`',
    "lambda": "functions cannot be made here",
    "await": "`await` is not part of the language",
    "yield": "`yield` is not part of the language",
}


def parse(text: str, span: Span) -> Expr:
    """Return the tree of `text`, which stands at `span` of a policy file."""
    place = _Place(text, span)
    scan(text, place.error)
    try:
        with warnings.catch_warnings():
            # A regular expression may say "\d"; Python keeps the backslash, and so do we.
            warnings.simplefilter("ignore")
            # In brackets an expression may go on in the next line.
            tree = ast.parse(f"({text}\n)", mode="eval").body
    except SyntaxError as error:
        raise _syntax_error(error, place) from None
    except (RecursionError, MemoryError):
        raise PolicyError("the expression is nested too deeply", span, "name a part of it") from None
    except ValueError as error:
        raise PolicyError(f"the expression cannot be read: {error}", span) from None
    _count(tree, span)
    return _Converter(place).convert(tree)


def _count(tree: ast.AST, span: Span) -> None:
    """Bound the tree's size and depth without recursion."""
    level: list[ast.AST] = [tree]
    nodes, depth = 0, 0
    while level:
        nodes += len(level)
        depth += 1
        if nodes > NODES_MAX:
            raise PolicyError(f"the expression has more than {NODES_MAX} parts", span, "name a part of it")
        if depth > TREE_DEPTH_MAX:
            raise PolicyError("the expression is nested too deeply", span, "name a part of it")
        level = [
            child
            for node in level
            for child in ast.iter_child_nodes(node)
            if isinstance(child, (ast.expr, ast.keyword))
        ]


def _syntax_error(error: SyntaxError, place: _Place) -> PolicyError:
    line, column = error.lineno or 1, error.offset or 1
    offset = place.offset(line, max(column - 1, 0), in_bytes=False)
    if offset >= len(place.text.rstrip()):
        return place.error(
            max(len(place.text.rstrip()) - 1, 0), 1, "the expression ends too early", _word_hint(place.text)
        )
    hint = _word_hint(place.text)
    message = error.msg or "the expression cannot be read"
    if not hint and message.startswith("invalid syntax"):
        hint = "an operator or a comma is missing here, or is too many"
    if message.startswith(("invalid syntax", "Perhaps", "invalid syntax. Perhaps")) or "Perhaps" in message:
        message = "the expression cannot be read here"
    return place.error(offset, 1, message.split(" (", maxsplit=1)[0], hint)


def _word_hint(text: str) -> str:
    words = text.split()
    return next((hint for word, hint in _WORDS.items() if word in words), "")


class _Place:
    """Tells where an offset in the text stands in the policy file."""

    def __init__(self, text: str, span: Span) -> None:
        self.text = text
        self.origin = span
        self.starts = [0]
        for index, character in enumerate(text[: LENGTH_MAX + 1]):
            if character == "\n":
                self.starts.append(index + 1)

    def offset(self, line: int, column: int, in_bytes: bool = True) -> int:
        """Return the offset of `line` (from 1) and `column` (from 0) of the bracketed source."""
        if line == 1:
            column -= 1  # the bracket that `parse` puts in front
        if line > len(self.starts):
            return len(self.text)
        start = self.starts[line - 1]
        if in_bytes:
            end = self.starts[line] if line < len(self.starts) else len(self.text)
            column = len(self.text[start:end].encode("utf-8")[: max(column, 0)].decode("utf-8", "ignore"))
        return min(start + max(column, 0), len(self.text))

    def node(self, node: ast.expr | ast.keyword) -> Span:
        start = self.offset(node.lineno, node.col_offset)
        end = self.offset(node.end_lineno or node.lineno, node.end_col_offset or node.col_offset + 1)
        return self.span(start, end - start)

    def error(self, offset: int, length: int, message: str, hint: str) -> PolicyError:
        return PolicyError(message, self.span(offset, length), hint)

    def span(self, offset: int, length: int) -> Span:
        """Return the span of a stretch of the text; the whole expression when it cannot be told."""
        origin = self.origin
        line = self.text.count("\n", 0, offset)
        if "\n" not in self.text or not origin.line:
            return self._in_first_line(offset, length)
        first = self.text[: self.starts[1] - 1] if len(self.starts) > 1 else self.text
        if origin.text[max(origin.column, 1) - 1 :].rstrip() != first.rstrip():
            return origin
        # A literal block: its lines are the file's lines, all indented alike.
        start = self.starts[line]
        end = self.starts[line + 1] - 1 if line + 1 < len(self.starts) else len(self.text)
        text = " " * (origin.column - 1) + self.text[start:end]
        length = max(min(length, end - offset), 1)
        return Span(origin.file, origin.line + line, origin.column + offset - start, length, text)

    def _in_first_line(self, offset: int, length: int) -> Span:
        origin = self.origin
        raw = origin.text[max(origin.column, 1) - 1 :]
        if not origin.text:
            return Span(origin.file, origin.line, origin.column + offset, max(length, 1), "")
        begin = _align(self.text, raw, offset)
        end = _align(self.text, raw, offset + length)
        if begin is None:
            return origin
        return origin.within(begin, (end if end is not None else len(raw)) - begin)


def _align(text: str, raw: str, offset: int) -> int | None:
    """Return where `text[offset]` stands in `raw`, in which quotes may be doubled or escaped."""
    if raw.startswith(text[:offset]):
        return offset
    at = 0
    for character in text[:offset]:
        if raw[at : at + 2] in ("''", '\\"', "\\\\") and raw[at + 1] == character:
            at += 2
        elif raw[at : at + 1] == character:
            at += 1
        else:
            return None
    return at


class _Converter:
    """Turns the nodes of `ast` that are allowed into ours."""

    def __init__(self, place: _Place) -> None:
        self.place = place

    def convert(self, node: ast.expr) -> Expr:
        span = self.place.node(node)
        if isinstance(node, ast.Constant):
            return self.constant(node, span)
        if isinstance(node, ast.Name):
            if node.id in _SPELLINGS:
                return Literal(_SPELLINGS[node.id], span)
            return Name(node.id, span)
        if isinstance(node, ast.Attribute):
            return self.dotted(node, span)
        if isinstance(node, ast.BinOp):
            op = _BINARY.get(type(node.op))
            if op is None:
                raise PolicyError("this operator is not part of the language", span, "use + - * / // % **")
            return Binary(op, self.convert(node.left), self.convert(node.right), span)
        if isinstance(node, ast.UnaryOp):
            op = _UNARY.get(type(node.op))
            if op is None:
                raise PolicyError("this operator is not part of the language", span, "write `not x`")
            return Unary(op, self.convert(node.operand), span)
        if isinstance(node, ast.BoolOp):
            op = "and" if isinstance(node.op, ast.And) else "or"
            return Logic(op, tuple(self.convert(each) for each in node.values), span)
        if isinstance(node, ast.Compare):
            ops = tuple(_COMPARE[type(each)] for each in node.ops)
            operands = tuple(self.convert(each) for each in (node.left, *node.comparators))
            return Compare(ops, operands, span)
        if isinstance(node, ast.IfExp):
            then, condition = self.convert(node.body), self.convert(node.test)
            return Choice(condition, then, self.convert(node.orelse), span)
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            return Items(tuple(self.convert(each) for each in node.elts), span)
        if isinstance(node, ast.Call):
            return self.call(node, span)
        message, hint = _REFUSED.get(type(node), (f"`{type(node).__name__}` is not part of the language", ""))
        raise PolicyError(message, span, hint)

    def constant(self, node: ast.Constant, span: Span) -> Expr:
        value = node.value
        if isinstance(value, str):
            try:
                value.encode("utf-8")
            except UnicodeEncodeError:
                raise PolicyError("the text is not valid Unicode", span) from None
            return Literal(value, span)
        if value is None or isinstance(value, bool):
            return Literal(value, span)
        if isinstance(value, int):
            if abs(value) > WHOLE_MAX:
                raise PolicyError(
                    "the number is too large to be exact", span, f"at most {WHOLE_MAX}, or write 1e20"
                )
            return Literal(value, span)
        if isinstance(value, float):
            if not math.isfinite(value):
                raise PolicyError("the number is too large", span, "at most 1.7e308")
            return Literal(value, span)
        raise PolicyError(f"a {type(value).__name__} is not part of the language", span)

    def dotted(self, node: ast.Attribute, span: Span) -> Expr:
        path = [node.attr]
        below: ast.expr = node.value
        while isinstance(below, ast.Attribute):
            path.append(below.attr)
            below = below.value
        if not isinstance(below, ast.Name):
            raise PolicyError(
                "only a name has parts: `a.b`", span, "text functions need brackets: `x.lower()`"
            )
        return Dotted((below.id, *reversed(path)), span)

    def call(self, node: ast.Call, span: Span) -> Expr:
        args = tuple(self.convert(each) for each in node.args)
        named: list[tuple[str, Expr]] = []
        for keyword in node.keywords:
            if keyword.arg is None:
                raise PolicyError(
                    "`**x` is not part of the language", self.place.node(keyword), "write the arguments out"
                )
            if any(keyword.arg == name for name, _ in named):
                raise PolicyError(f"`{keyword.arg}` is given twice", self.place.node(keyword))
            named.append((keyword.arg, self.convert(keyword.value)))
        function = node.func
        if isinstance(function, ast.Name):
            return Call(function.id, args, tuple(named), span, self.place.node(function))
        if isinstance(function, ast.Attribute):
            end = self.place.offset(function.end_lineno or 1, function.end_col_offset or 0)
            method_span = self.place.span(end - len(function.attr), len(function.attr))
            return Method(self.convert(function.value), function.attr, args, tuple(named), span, method_span)
        raise PolicyError("only a named function can be called", span)
