"""From `x in blocked` to a column: which operand is looked up in which list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from riskweave.batch import STAGE_DECODED, STAGE_LISTS, Layout
from riskweave.errors import PolicyError, Span, did_you_mean
from riskweave.events.values import canonical_ip
from riskweave.expressions.strings import StringPool
from riskweave.expressions.types import Col, Const, Op, Type, Typed, stage_of
from riskweave.lists.entries import ENTRIES_MAX, Source, read_entries
from riskweave.lists.index import bounds_kind, cidr_hint, expected_value
from riskweave.lists.plan import CompiledList, ListsPlan, Matcher
from riskweave.lists.spec import ListSpec


class Columns(Protocol):
    """What the compiler of expressions is asked for."""

    def column(self, node: Typed) -> Col:
        """Return the column that holds `node`, computing it in its own stage when it is no column yet."""
        ...


class ListsCompiler:
    """Reads the lists of a policy and gives out match columns.

    Raises a PolicyError at the line of the first entry that cannot be right.
    """

    def __init__(
        self, specs: Sequence[ListSpec], layout: Layout, compiler: Columns, pool: StringPool
    ) -> None:
        self.layout = layout
        self.compiler = compiler
        self.pool = pool
        self.specs = list(specs)
        self.lists = [_compile_list(each) for each in specs]
        self.at = {each.name: at for at, each in enumerate(specs)}
        self.matchers: dict[tuple[int, int], Matcher] = {}
        self.columns: dict[tuple[int, int], Col] = {}

    def is_list(self, name: str) -> bool:
        """Tell whether `x in name` asks a named list."""
        return name in self.at

    def member(self, list_name: str, operand: Typed, span: Span) -> Typed:
        """Return a BOOL node: is `operand` on that list at the event's time. Null is on no list."""
        at = self.at.get(list_name)
        if at is None:
            raise PolicyError(f"unknown list `{list_name}`", span, did_you_mean(list_name, self.at))
        space = _space(self.lists[at], operand, span)
        if operand.type is Type.IP and self.lists[at].kind == "exact":
            _refuse_other_spellings(self.lists[at], span)
        source = self.compiler.column(operand)
        match = self.columns.get((at, source.index))
        if match is None:
            match = self.layout.add(f"{source.name} in {list_name}", Type.INT, STAGE_LISTS)
            self.columns[at, source.index] = match
            self.matchers[at, source.index] = Matcher(at, source.index, match.index, space, source.name)
        return Op("not", (Op("is_null", (match,), Type.BOOL),), Type.BOOL)

    def unused(self) -> list[ListSpec]:
        """Return the lists that no expression asks, in the order written."""
        asked = {at for at, _ in self.matchers}
        return [each for at, each in enumerate(self.specs) if at not in asked]

    def finish(self) -> ListsPlan:
        """Return the frozen plan."""
        return ListsPlan(tuple(self.lists), tuple(self.matchers.values()), self.pool)


def _compile_list(spec: ListSpec) -> CompiledList:
    source = read_entries(spec)
    values = source.entries.values
    if len(values) > ENTRIES_MAX:
        raise PolicyError(
            f"list `{spec.name}` has {len(values)} entries", spec.span, f"at most {ENTRIES_MAX}"
        )
    of = spec.of or (bounds_kind(values) if spec.kind == "range" else "")
    if spec.kind in ("cidr", "range", "names"):
        _check(source, spec.kind, of)
    return CompiledList(spec.name, spec.kind, of, spec.ignore_case, source.entries, spec.threshold)


def _check(source: Source, kind: str, of: str) -> None:
    for number, value in enumerate(source.entries.values):
        expected = expected_value(kind, of, value)
        if expected:
            raise source.error(number, expected, cidr_hint(value) if kind == "cidr" else "")


def _refuse_other_spellings(compiled: CompiledList, span: Span) -> None:
    """Raise when an address is written in a way that an ip field, which has one spelling, never has."""
    for value in compiled.entries.values:
        canonical = canonical_ip(value) if ":" in value else None
        if canonical is not None and canonical != value:
            raise PolicyError(
                f"list `{compiled.name}` has `{value}`, which an ip field holds as `{canonical}`",
                span,
                "write it so, or give the list `kind: cidr`, which knows every spelling",
            )


def _space(compiled: CompiledList, operand: Typed, span: Span) -> str:
    """Return what the operand's column holds, or raise when this list cannot look it up."""
    name, kind = compiled.name, operand.type
    if isinstance(operand, Const):
        raise PolicyError(
            f"a constant is on list `{name}` or it is not", span, "ask for a field of the event"
        )
    if stage_of(operand) > STAGE_DECODED:
        raise PolicyError(
            f"list `{name}` is asked before features are known",
            span,
            "ask for a field, an attribute or a value made of these; test a feature in the rule itself",
        )
    if kind.is_text:
        return "text"
    if not kind.is_number:
        raise PolicyError(
            f"list `{name}` holds text; a {kind.value} is on no list",
            span,
            "ask for a text, an ip or a number",
        )
    if compiled.kind in ("cidr", "names") or compiled.of in ("ip", "text"):
        what = {"cidr": "networks", "names": "names"}.get(compiled.kind, f"ranges of {compiled.of}")
        raise PolicyError(f"list `{name}` holds {what}; a number is in none", span, "ask for a text or an ip")
    if kind is Type.INT:
        return "whole"
    if compiled.kind == "prefix":
        raise PolicyError(
            f"list `{name}` holds prefixes; a {kind.value} has no one way to be written",
            span,
            "ask for a text or a whole number",
        )
    return "number"
