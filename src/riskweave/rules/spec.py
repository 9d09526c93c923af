"""What the analyst wrote: rules, groups, tables, scorecards and trees, read from a policy document.

Texts of conditions and cells are kept as nodes, so that compilation can point at them.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from riskweave.batch import ACTIONS
from riskweave.document import Node
from riskweave.errors import LimitError, PolicyError, Span
from riskweave.expressions.types import Type

RULES_MAX = 100_000
TABLE_ROWS_MAX = 100_000
TABLE_FILE_BYTES_MAX = 64 * 1024 * 1024
TREE_NODES_MAX = 100_000

TAKES = ("all", "highest", "first")
HIT_POLICIES = ("unique", "any", "priority", "first", "collect", "rule_order", "output_order")
COLLECTS = ("list", "sum", "min", "max", "count")

OUTPUT_TYPES = {
    "float": Type.FLOAT,
    "int": Type.INT,
    "money": Type.MONEY,
    "bool": Type.BOOL,
    "string": Type.STRING,
}

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


@dataclass(frozen=True, slots=True)
class RuleSpec:
    """One rule. `risk` is an expression or absent; `start_ms` and `end_ms` bound the event time."""

    id: str
    span: Span
    when: Node
    on: tuple[Node, ...] = ()
    risk: Node | None = None
    action: str | None = None
    at_most: str | None = None
    priority: float = 0.0
    group: str | None = None
    enabled: bool = True
    start_ms: int | None = None
    end_ms: int | None = None
    reason: dict[str, str] = field(default_factory=dict)
    description: str = ""
    owner: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """A column that a table or tree fills; `ranking` lists its values, the most important first."""

    name: str
    type: Type
    span: Span
    ranking: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RowSpec:
    """A row of a table: a cell per input, then one per output."""

    cells: tuple[Node, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class TableSpec:
    """A decision table."""

    name: str
    span: Span
    inputs: dict[str, Node]
    outputs: tuple[OutputSpec, ...]
    rows: tuple[RowSpec, ...]
    hit: str
    collect: str
    risk: str | None


@dataclass(frozen=True, slots=True)
class BandSpec:
    """Points for the values that a cell accepts."""

    cell: Node
    points: float


@dataclass(frozen=True, slots=True)
class AttributeSpec:
    """What a scorecard looks at: a value, its bands, and the reason given when it costs points."""

    name: str
    value: Node
    bands: tuple[BandSpec, ...]
    reason: dict[str, str]
    span: Span


@dataclass(frozen=True, slots=True)
class ScorecardSpec:
    """A scorecard: base points plus the points of one band per attribute."""

    name: str
    span: Span
    base: float
    attributes: tuple[AttributeSpec, ...]
    risk: Node | None
    reasons: int


@dataclass(frozen=True, slots=True)
class BranchSpec:
    """A fork of a tree."""

    condition: Node
    then: BranchSpec | LeafSpec
    otherwise: BranchSpec | LeafSpec


@dataclass(frozen=True, slots=True)
class LeafSpec:
    """The end of a way through a tree: values of outputs, and a reason."""

    outputs: dict[str, Node]
    reason: dict[str, str]
    span: Span


@dataclass(frozen=True, slots=True)
class TreeSpec:
    """A decision tree and the outputs its leaves name."""

    name: str
    span: Span
    root: BranchSpec | LeafSpec
    outputs: tuple[OutputSpec, ...]


@dataclass(frozen=True, slots=True)
class RulesSpec:
    """Everything that experts wrote in one policy."""

    rules: tuple[RuleSpec, ...] = ()
    groups: dict[str, str] = field(default_factory=dict)
    tables: tuple[TableSpec, ...] = ()
    scorecards: tuple[ScorecardSpec, ...] = ()
    trees: tuple[TreeSpec, ...] = ()


def read_spec(document: Node, folder: Path | None = None) -> RulesSpec:
    """Read the sections `rules`, `rule_groups`, `tables`, `scorecards` and `trees`; others are left alone.

    `folder` is where a table's CSV file lies.
    """
    groups = _groups(document.get("rule_groups"))
    spec = RulesSpec(
        rules=_rules(document.get("rules"), groups),
        groups=groups,
        tables=tuple(_table(name, node, folder) for name, node in _named(document, "tables")),
        scorecards=tuple(_scorecard(name, node) for name, node in _named(document, "scorecards")),
        trees=tuple(_tree(name, node) for name, node in _named(document, "trees")),
    )
    seen: dict[str, Span] = {}
    every: list[TableSpec | ScorecardSpec | TreeSpec] = [*spec.tables, *spec.scorecards, *spec.trees]
    for each in every:
        if each.name in seen:
            first = seen[each.name].line
            raise PolicyError(
                f"`{each.name}` names two of tables, scorecards and trees",
                each.span,
                f"first at line {first}" if first else "",
            )
        seen[each.name] = each.span
    return spec


def _named(document: Node, section: str) -> list[tuple[str, Node]]:
    node = document.get(section)
    if node is None:
        return []
    found = list(node.items())
    for name, _ in found:
        if not _NAME.match(name):
            raise PolicyError(
                f"`{name}` cannot name one of the {section}", node.key_span(name), "use letters, digits and _"
            )
    return found


# ---- rules


def _groups(node: Node | None) -> dict[str, str]:
    groups: dict[str, str] = {}
    for name, each in node.items() if node is not None else ():
        each.only("take")
        groups[name] = each.need("take").choice(*TAKES)
    return groups


def _rules(node: Node | None, groups: dict[str, str]) -> tuple[RuleSpec, ...]:
    if node is None:
        return ()
    elements = node.elements()
    if len(elements) > RULES_MAX:
        raise node.error(f"{len(elements)} rules, at most {RULES_MAX} are read")
    rules: list[RuleSpec] = []
    seen: dict[str, Span] = {}
    for each in elements:
        rule = _rule(each, groups)
        if rule.id in seen:
            line = seen[rule.id].line
            raise PolicyError(
                f"rule `{rule.id}` is there twice", rule.span, f"first at line {line}" if line else ""
            )
        seen[rule.id] = rule.span
        rules.append(rule)
    return tuple(rules)


def _rule(node: Node, groups: dict[str, str]) -> RuleSpec:
    node.only(
        "id", "on", "when", "risk", "action", "at_most", "priority", "group", "enabled", "from", "until",
        "reason", "description", "owner", "tags",
    )  # fmt: skip
    name = node.need("id")
    action, at_most = node.get("action"), node.get("at_most")
    floor = action.choice(*ACTIONS) if action else None
    ceiling = at_most.choice(*ACTIONS) if at_most else None
    if floor and ceiling and at_most and ACTIONS.index(floor) > ACTIONS.index(ceiling):
        raise at_most.error(f"rule `{name.text()}` asks for at least {floor} and at most {ceiling}")
    start, end = _time_ms(node.get("from")), _time_ms(node.get("until"))
    if start is not None and end is not None and start >= end:
        raise node.need("until").error(f"rule `{name.text()}` ends before it starts")
    group = node.get("group")
    if group is not None and group.text() not in groups:
        group.choice(*groups) if groups else None
        raise group.error(f"unknown rule group `{group.text()}`", "declare it under `rule_groups`")
    reason, priority, enabled = node.get("reason"), node.get("priority"), node.get("enabled")
    return RuleSpec(
        id=name.text(),
        span=name.span,
        when=node.need("when"),
        on=_each(node.get("on")),
        risk=node.get("risk"),
        action=floor,
        at_most=ceiling,
        priority=priority.number(-1e9, 1e9) if priority else 0.0,
        group=group.text() if group else None,
        enabled=enabled.flag() if enabled else True,
        start_ms=start,
        end_ms=end,
        reason=reason.by_language() if reason else {},
        description=_text(node.get("description")),
        owner=_text(node.get("owner")),
        tags=tuple(tags.texts()) if (tags := node.get("tags")) else (),
    )


def _text(node: Node | None) -> str:
    return node.text() if node is not None else ""


def _each(node: Node | None) -> tuple[Node, ...]:
    if node is None:
        return ()
    return tuple(node.elements()) if node.is_list else (node,)


def _time_ms(node: Node | None) -> int | None:
    """Read ISO 8601; without an offset it is UTC."""
    if node is None:
        return None
    try:
        moment = datetime.fromisoformat(node.text())
    except ValueError:
        raise node.error(
            f"`{node.path}` must be a date or time, not `{node.text()}`",
            "write 2026-01-31 or 2026-01-31T12:00:00Z",
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


# ---- tables


def _table(name: str, node: Node, folder: Path | None) -> TableSpec:
    node.only("inputs", "hit", "collect", "outputs", "rows", "file", "risk", "description")
    inputs = dict(node.need("inputs").items())
    outputs = tuple(_output(each, value) for each, value in node.need("outputs").items())
    if not inputs or not outputs:
        raise node.error(f"table `{name}` needs at least one input and one output")
    hit_node, collect_node = node.get("hit"), node.get("collect")
    hit = hit_node.choice(*HIT_POLICIES) if hit_node else "unique"
    collect = collect_node.choice(*COLLECTS) if collect_node else "list"
    if collect_node and hit != "collect":
        raise collect_node.error(
            f"table `{name}` has `collect` but its hit policy is `{hit}`", "write `hit: collect`"
        )
    if hit in ("priority", "output_order") and not any(output.ranking for output in outputs):
        raise (hit_node or node).error(
            f"table `{name}`: hit policy `{hit}` needs an output with its values listed by priority",
            "as in `level: [high, middle, low]`",
        )
    if collect in ("sum", "min", "max"):
        for output in outputs:
            if not output.type.is_number:
                raise PolicyError(
                    f"table `{name}`: `{collect}` needs numbers, `{output.name}` is text", output.span
                )
    rows_node, file_node = node.get("rows"), node.get("file")
    if (rows_node is None) == (file_node is None):
        raise node.error(f"table `{name}` needs either `rows` or `file`")
    if file_node is not None:
        rows = _csv_rows(name, file_node, folder, [*inputs, *(output.name for output in outputs)])
    else:
        assert rows_node is not None
        rows = tuple(RowSpec(tuple(each.elements()), each.span) for each in rows_node.elements())
    if len(rows) > TABLE_ROWS_MAX:
        raise node.error(f"table `{name}` has {len(rows)} rows, at most {TABLE_ROWS_MAX} are read")
    width = len(inputs) + len(outputs)
    for row in rows:
        if len(row.cells) != width:
            raise PolicyError(
                f"table `{name}`: a row has {len(row.cells)} cells, expected {width}",
                row.span,
                f"in this order: {', '.join([*inputs, *(output.name for output in outputs)])}",
            )
    risk = node.get("risk")
    if risk is not None:
        chosen = risk.choice(*(output.name for output in outputs))
        if next(output for output in outputs if output.name == chosen).type is not Type.FLOAT:
            raise risk.error(f"table `{name}`: the output that counts as risk must be a float")
    return TableSpec(
        name, node.span, inputs, outputs, rows, hit, collect, risk.text() if risk is not None else None
    )


def _output(name: str, node: Node) -> OutputSpec:
    if not _NAME.match(name) or name == "violation":
        raise node.error(f"`{name}` cannot name an output", "use letters, digits and _; `violation` is taken")
    if node.is_list:
        ranking = tuple(node.texts())
        if len(set(ranking)) < len(ranking):
            raise node.error(f"output `{name}` lists a value twice")
        return OutputSpec(name, Type.STRING, node.span, ranking)
    return OutputSpec(name, OUTPUT_TYPES[node.choice(*OUTPUT_TYPES)], node.span)


def _csv_rows(table: str, node: Node, folder: Path | None, columns: list[str]) -> tuple[RowSpec, ...]:
    """Read rows from a CSV whose header names the inputs and outputs, in any order."""
    if folder is None:
        raise node.error(f"table `{table}`: a policy without a folder has no files")
    path = (folder / node.text()).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise node.error(f"`{node.text()}` lies outside the policy folder")
    if not path.is_file():
        raise node.error(f"there is no file `{node.text()}` in the policy folder")
    if path.stat().st_size > TABLE_FILE_BYTES_MAX:
        raise LimitError(
            f"{node.text()} has {path.stat().st_size} bytes, at most {TABLE_FILE_BYTES_MAX} are read"
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise node.error(f"`{node.text()}` is not UTF-8 text") from None
    lines = text.splitlines()
    reader = csv.reader(io.StringIO(text))
    header = [each.strip() for each in next(reader, [])]
    if sorted(header) != sorted(columns):
        raise PolicyError(
            f"table `{table}`: the header of {node.text()} must name just its inputs and outputs",
            Span(node.text(), 1, 1, max(len(lines[0]), 1) if lines else 1, lines[0] if lines else ""),
            f"expected: {','.join(columns)}",
        )
    order = [header.index(name) for name in columns]
    rows = []
    for cells in reader:
        line = reader.line_num
        shown = lines[line - 1] if line <= len(lines) else ""
        span = Span(node.text(), line, 1, max(len(shown), 1), shown)
        if not cells:
            continue
        if len(cells) != len(header):
            raise PolicyError(f"table `{table}`: a row has {len(cells)} cells, expected {len(header)}", span)
        nodes = tuple(
            Node(
                cells[at].strip(),
                _cell_span(span, cells[at].strip()),
                f"{node.text()}:{line}.{columns[index]}",
            )
            for index, at in enumerate(order)
        )
        rows.append(RowSpec(nodes, span))
    return tuple(rows)


def _cell_span(line: Span, cell: str) -> Span:
    """Return where a cell's text first stands in its line, the whole line when quotes changed it."""
    at = line.text.find(cell) if cell else -1
    return line if at < 0 else Span(line.file, line.line, at + 1, len(cell), line.text)


# ---- scorecards


def _scorecard(name: str, node: Node) -> ScorecardSpec:
    node.only("base", "attributes", "risk", "reasons", "description")
    attributes = tuple(_attribute(each, value) for each, value in node.need("attributes").items())
    base, reasons = node.get("base"), node.get("reasons")
    return ScorecardSpec(
        name,
        node.span,
        base.number() if base else 0.0,
        attributes,
        node.get("risk"),
        reasons.integer(0, 100) if reasons else 4,
    )


def _attribute(name: str, node: Node) -> AttributeSpec:
    node.only("value", "reason", "bands")
    bands = []
    for band in node.need("bands").elements():
        parts = band.elements()
        if len(parts) != 2:
            raise band.error(f"a band of `{name}` is a test and its points", 'as in ["< 25", -20]')
        bands.append(BandSpec(parts[0], parts[1].number()))
    if not bands:
        raise node.error(f"attribute `{name}` has no bands")
    reason = node.get("reason")
    return AttributeSpec(
        name, node.need("value"), tuple(bands), reason.by_language() if reason else {"en": name}, node.span
    )


# ---- trees


def _tree(name: str, node: Node) -> TreeSpec:
    found: dict[str, OutputSpec] = {}
    root = _branch(node, found, [0])
    return TreeSpec(name, node.span, root, tuple(found.values()))


def _branch(node: Node, outputs: dict[str, OutputSpec], count: list[int]) -> BranchSpec | LeafSpec:
    count[0] += 1
    if count[0] > TREE_NODES_MAX:
        raise node.error(f"a tree has more than {TREE_NODES_MAX} branches and leaves")
    if "if" in node:
        node.only("if", "then", "else")
        condition = node.need("if")
        then = _branch(node.need("then"), outputs, count)
        return BranchSpec(condition, then, _branch(node.need("else"), outputs, count))
    reason = node.get("reason")
    values: dict[str, Node] = {}
    for name, value in node.items():
        if name == "reason":
            continue
        if not _NAME.match(name):
            raise PolicyError(
                f"`{name}` cannot name an output", node.key_span(name), "use letters, digits and _"
            )
        if value.is_null:
            continue
        values[name] = value
        kind = _leaf_type(value)
        known = outputs.setdefault(name, OutputSpec(name, kind, value.span))
        if known.type is not kind:
            raise value.error(
                f"output `{name}` is {kind.value} here and {known.type.value} elsewhere in the tree"
            )
    return LeafSpec(values, reason.by_language() if reason else {}, node.span)


def _leaf_type(node: Node) -> Type:
    text = node.text()
    try:
        float(text)
    except ValueError:
        return Type.BOOL if node.plain and text.lower() in ("true", "false") else Type.STRING
    return Type.FLOAT
