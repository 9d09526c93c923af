"""What the analyst wrote under `lists:`: a file or values written out, and how they compare."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from riskweave.document import Node
from riskweave.errors import PolicyError, Span
from riskweave.lists.names.compare import MATCH_MIN

KINDS = ("exact", "cidr", "prefix", "range", "names")
BOUNDS = ("number", "ip", "text")
NAMES = ("person", "organisation", "vessel", "unknown")

_NAMES = ("value", "from", "expires", "until", "by", "why")


@dataclass(frozen=True, slots=True)
class Written:
    """One entry written out in the policy; text as written, "" where it is absent."""

    value: str
    span: Span
    begins: str = ""
    expires: str = ""
    by: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class ListSpec:
    """One list: `file` (with the value in `column`) or `values`, and how an operand is compared.

    `of` tells what the bounds of a range are ("" leaves it to the bounds themselves), or whose names
    these are; `threshold` from which likeness on a name matches.
    """

    name: str
    span: Span
    kind: str = "exact"
    ignore_case: bool = False
    of: str = ""
    threshold: float = MATCH_MIN
    file: str = ""
    file_span: Span | None = None
    column: str = ""
    values: tuple[Written, ...] = ()
    folder: Path | None = None


def read_lists(node: Node, folder: Path | None = None) -> list[ListSpec]:
    """Read the section `lists:`; files are looked for in `folder`."""
    return [_read_list(name, each, node.key_span(name), folder) for name, each in node.items()]


def _read_list(name: str, node: Node, span: Span, folder: Path | None) -> ListSpec:
    if not name.isidentifier():
        raise PolicyError(f"`{name}` cannot be a list's name", span, "use letters, digits and _")
    if node.is_list:
        return ListSpec(name, span, values=_written(node), folder=folder)
    if not node.is_map:
        raise node.error(
            f"`{node.path}` must be a list of values, or a map with `file` or `values`",
            "as in {file: blocked.csv, kind: cidr}",
        )
    node.only("file", "values", "kind", "ignore_case", "of", "column", "threshold")
    kind_node, case, of = node.get("kind"), node.get("ignore_case"), node.get("of")
    file, values, column = node.get("file"), node.get("values"), node.get("column")
    if (file is None) == (values is None):
        raise PolicyError(f"list `{name}` needs either `file` or `values`", span)
    kind = kind_node.choice(*KINDS) if kind_node else "exact"
    if of is not None and kind not in ("range", "names"):
        raise of.error(
            f"`of` says what a range's bounds are, or whose names; list `{name}` is {kind}", "remove `of`"
        )
    threshold = node.get("threshold")
    if threshold is not None and kind != "names":
        raise threshold.error(f"names have a threshold; list `{name}` is {kind}", "remove `threshold`")
    ignore_case = case.flag() if case else False
    if case is not None and ignore_case and kind in ("cidr", "names"):
        what = "addresses have no case" if kind == "cidr" else "names are compared without regard to case"
        raise case.error(what, "remove `ignore_case`")
    return ListSpec(
        name=name,
        span=span,
        kind=kind,
        ignore_case=ignore_case,
        of=of.choice(*(NAMES if kind == "names" else BOUNDS)) if of else "",
        threshold=threshold.number(0.5, 1) if threshold else MATCH_MIN,
        file=file.text() if file else "",
        file_span=file.span if file else None,
        column=column.text() if column else "",
        values=_written(values) if values else (),
        folder=folder,
    )


def _written(node: Node) -> tuple[Written, ...]:
    return tuple(_written_entry(each) for each in node.elements())


def _written_entry(node: Node) -> Written:
    if not node.is_map:
        return Written(node.text(), node.span)
    node.only(*_NAMES)
    value = node.need("value")
    text = {key: each.text() for key, each in node.items() if not each.is_null}
    if "expires" in text and "until" in text:
        raise node.error("`expires` and `until` mean the same; an entry has one of them")
    return Written(
        value.text(),
        value.span,
        text.get("from", ""),
        text.get("expires", text.get("until", "")),
        text.get("by", ""),
        text.get("why", ""),
    )
