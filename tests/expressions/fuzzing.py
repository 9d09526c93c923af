"""Hostile and broken texts for the parser: random bytes, damaged expressions, grammar gone wild."""

from __future__ import annotations

import random
import time

from riskweave.errors import PolicyError
from riskweave.expressions.check import check
from riskweave.expressions.compile import Compiler
from riskweave.expressions.parse import parse
from riskweave.expressions.strings import StringPool
from riskweave.expressions.text import render
from riskweave.expressions.types import Type
from tests.expressions.world import World, span_of

VALID = (
    "amount > 5 * x and new and name not in countries",
    "customer.sum(amount, '24h', before=True, where=name == 'bob') > limit",
    "1 < x <= y < 10 or not (known and count is not None)",
    "coalesce(x, y, 0) if at - seen > 3600 else -abs(amount) ** 2",
    'matches(name, r"^\\d+[a-z]*$") or name.lower().startswith("é北")',
    "distance_km(home, point(48.85, 2.35)) / max(1, hour(at) % 24) // 2",
    "between(at, '2024-01-01', '2024-12-31T23:59:59Z') and in_network(ip, '10.0.0.0/8')",
    "name in ['a', 'b', 'c'] and x in (1, 2, 3.5e3) and city in watched",
    "round(amount, 2) == 1_000.50 and prefix(city, 2) != 'FR'",
)
_SIGNS = "( ) [ ] { } , . : ; = == != < > <= >= + - * / // % ** & && | || ! ~ ^ @ # $ ? ` \\ ' \""
_WORDS = "and or not in is if else lambda await yield for None True false null x amount name customer"
_NUMBERS = "abs( min( customer.sum( matches( 'text' r'\\d' f'{x}' b'x' ''' 1 1.5 1e400 0x1f 1j 24h"
PIECES = (
    *f"{_SIGNS} {_WORDS} {_NUMBERS} {'9' * 19}".split(),
    *("\n", "\t", "\r", "\0", "\x0c", "\ud800", "\u202e", "（", "“", "é", "北京"),
    *("not " * 40, "-" * 40, "(" * 40, "x**" * 30, "x if x else " * 20, "[" * 70, "1+" * 90, "a." * 50),
    *("1<" * 50, "x<(x<" * 20, "9" * 5000, "*" * 3000, ":=", "...", "*x", "**x", "x[0]", "{1: 2}"),
    *("[y for y in x]", "__import__('os')", "().__class__", "print(x)"),
)


def bytes_text(source: random.Random) -> str:
    data = source.randbytes(source.choice((1, 5, 20, 80, 400)))
    return data.decode(source.choice(("utf-8", "latin-1", "utf-16-le")), "replace")


def damaged_text(source: random.Random) -> str:
    text = list(source.choice(VALID))
    for _ in range(source.randint(1, 4)):
        at = source.randrange(len(text) + 1)
        kind = source.randrange(4)
        if kind == 0:
            text[at:at] = source.choice(PIECES)
        elif kind == 1:
            del text[at : at + source.randint(1, 6)]
        elif kind == 2:
            text[at:at] = text[source.randrange(len(text) + 1) :][: source.randint(1, 30)]
        else:
            text[at : at + 1] = chr(source.randrange(0x3000))
    return "".join(text)


def grammar_text(source: random.Random) -> str:
    joint = source.choice(("", " "))
    return joint.join(source.choice(PIECES) for _ in range(source.choice((1, 3, 8, 30, 150))))


def deep_text(source: random.Random) -> str:
    """A pattern that grows inwards, up to and beyond the limits."""
    depth = source.choice((3, 20, 60, 70, 120, 1000, 4000))
    before, core, after = source.choice(
        (
            ("(", "x", ")"),
            ("[", "x", "]"),
            ("not ", "new", ""),
            ("-", "x", ""),
            ("x + ", "1", ""),
            ("(x < (1 if ", "new", " else 2) < y)"),
            ("between(1 if ", "new", " else 2, x, y)"),
            ("abs(", "x", ")"),
            ("x ** ", "x", ""),
            ("x if new else ", "x", ""),
            ("", "name", ".lower()"),
            ("", "x", " and new"),
            ("customer.sum(", "x", ")"),
            ("(((x", "", ""),
            ("lambda: ", "x", ""),
            ("x == ", "x", ""),
            ("new and (x > 1 or ", "new", ")"),
        )
    )
    return before * depth + core + after * depth


MAKERS = (bytes_text, damaged_text, damaged_text, grammar_text, deep_text)


def fuzz(count: int, seed: int) -> dict[str, object]:
    """Try `count` texts; anything but a result or a PolicyError goes through to the caller."""
    source = random.Random(seed)
    world = World()
    accepted, refused, slowest, slowest_text = 0, 0, 0.0, ""
    for _ in range(count):
        text = source.choice(MAKERS)(source)
        begin = time.perf_counter()
        try:
            node = check(parse(text, span_of(text)), world)
        except PolicyError as error:
            refused += len(str(error)) > 0
        except Exception as error:
            error.add_note(f"text: {text!r}")
            raise
        else:
            accepted += 1
            render(node)
            if node.type not in (Type.LABEL, Type.LOCATION):
                own = World()
                compiler = Compiler(own.layout, StringPool(), "UTC")
                compiler.column(node)
                compiler.finish()
        seconds = time.perf_counter() - begin
        if seconds > slowest:
            slowest, slowest_text = seconds, text
    return {
        "inputs": count,
        "accepted": accepted,
        "refused": refused,
        "slowest_s": slowest,
        "slowest": slowest_text[:100],
    }
