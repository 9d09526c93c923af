"""When an edge of the automaton is open: a formula over what is known of the event and of the match.

A leaf is a typed BOOL expression: an `Atom` when it depends on the event alone, an `Iterative` one
when it reads events accepted before (an operation `accepted` somewhere inside).
"""

from __future__ import annotations

from dataclasses import dataclass

from riskweave.expressions.types import Const, Op, Type, Typed

ACCEPTED = "accepted"


@dataclass(frozen=True, slots=True)
class Always:
    """Holds for every event."""


@dataclass(frozen=True, slots=True)
class Atom:
    """A condition on the event alone."""

    node: Typed


@dataclass(frozen=True, slots=True)
class Iterative:
    """A condition that also reads the events accepted before."""

    node: Typed


@dataclass(frozen=True, slots=True)
class Not:
    part: Formula


@dataclass(frozen=True, slots=True)
class All:
    parts: tuple[Formula, ...]


@dataclass(frozen=True, slots=True)
class Some:
    parts: tuple[Formula, ...]


Formula = Always | Atom | Iterative | Not | All | Some

ALWAYS = Always()
NEVER = Not(ALWAYS)


def both(*parts: Formula) -> Formula:
    """Return the conjunction, flat and without what always holds."""
    kept: list[Formula] = []
    for part in parts:
        for each in part.parts if isinstance(part, All) else (part,):
            if each == NEVER:
                return NEVER
            if each != ALWAYS and each not in kept:
                kept.append(each)
    if not kept:
        return ALWAYS
    return kept[0] if len(kept) == 1 else All(tuple(kept))


def either(*parts: Formula) -> Formula:
    """Return the disjunction, flat and without what never holds."""
    kept: list[Formula] = []
    for part in parts:
        for each in part.parts if isinstance(part, Some) else (part,):
            if each == ALWAYS:
                return ALWAYS
            if each != NEVER and each not in kept:
                kept.append(each)
    if not kept:
        return NEVER
    return kept[0] if len(kept) == 1 else Some(tuple(kept))


def negated(part: Formula) -> Formula:
    """Return the negation."""
    return part.part if isinstance(part, Not) else Not(part)


def reads_accepted(node: Typed) -> bool:
    """Tell whether a typed expression reads events accepted before."""
    if not isinstance(node, Op):
        return False
    return node.op == ACCEPTED or any(reads_accepted(each) for each in node.args)


def formula_of(node: Typed) -> Formula:
    """Take a typed condition apart, so that what depends on the event alone is computed once per event."""
    if isinstance(node, Const):
        return ALWAYS if node.value is not None and bool(node.value) else NEVER
    if not reads_accepted(node):
        return Atom(node)
    assert isinstance(node, Op)
    if node.op in ("and", "or"):
        plain = tuple(each for each in node.args if not reads_accepted(each))
        rest = tuple(formula_of(each) for each in node.args if reads_accepted(each))
        leaf: tuple[Formula, ...] = ()
        if plain:
            together = plain[0] if len(plain) == 1 else Op(node.op, plain, Type.BOOL)
            leaf = (formula_of(together),)
        return (both if node.op == "and" else either)(*leaf, *rest)
    if node.op == "not":
        return negated(formula_of(node.args[0]))
    if node.op == "truth":
        return formula_of(node.args[0])
    return Iterative(node)


def needs(formula: Formula) -> list[Typed]:
    """Return conditions on the event alone without which the formula cannot hold."""
    if isinstance(formula, Atom):
        return [formula.node]
    if isinstance(formula, All):
        return [node for part in formula.parts for node in needs(part)]
    return []
