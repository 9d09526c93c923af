"""Static checks of tables, scorecards and trees.

A table's inputs are dimensions, cut into the atoms that its cells tell apart; a row is a box of
atoms. Gaps, overlaps and rows that are never reached are exact box arithmetic, up to a limit.
That a missing value is not covered is told only where some cell of its input asks for `missing`.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from riskweave.expressions.strings import StringPool
from riskweave.expressions.types import Const, Typed
from riskweave.rules.conditions import Condition
from riskweave.rules.findings import Finding, possible, sample
from riskweave.rules.ranges import EVERYTHING, LOWEST, NOT_NULL, NOTHING, NULL, Ranges
from riskweave.rules.spec import AttributeSpec, BranchSpec, LeafSpec, ScorecardSpec, TableSpec, TreeSpec

GAPS_MAX = 3
OVERLAPS_MAX = 20
STEPS_MAX = 100_000


class _Dimension:
    """The atoms of one input, and for each row the atoms that it accepts (bits of an int)."""

    def __init__(self, operand: Typed, cells: list[Ranges]) -> None:
        self.operand = operand
        edges = sorted({edge for cell in cells for edge in cell.edges} | {LOWEST})
        pieces = [Ranges((low, high)) for low, high in pairwise(edges)]
        pieces.append(Ranges((edges[-1],)))
        pieces.append(NULL)
        reachable = [possible(operand, piece) for piece in pieces]
        # Atoms that every row treats alike are one.
        merged: dict[tuple[bool, ...], Ranges] = {}
        for piece, reached in zip(pieces, reachable, strict=True):
            if reached.is_empty:
                continue
            point = piece.edges[0] if piece.edges else float("nan")
            key = tuple(point in cell for cell in cells)
            merged.setdefault(key, reached)
        self.atoms = list(merged.values())
        self.rows = [0] * len(cells)
        # `accepting[atom]` are the rows that accept it, as bits.
        self.accepting = []
        for atom, key in enumerate(merged):
            bits = 0
            for row, accepted in enumerate(key):
                if accepted:
                    self.rows[row] |= 1 << atom
                    bits |= 1 << row
            self.accepting.append(bits)
        # Where no cell asks for `missing`, that it is not covered goes without saying.
        asked = any(cell.null and not cell.is_everything for cell in cells)
        self.expected = sum(1 << atom for atom, piece in enumerate(self.atoms) if piece.edges or asked)


class _TooLargeError(Exception):
    """The boxes are too many to be counted out."""


class _Cover:
    """Looks for atoms of every dimension that no row of a set accepts."""

    def __init__(self, dimensions: list[_Dimension]) -> None:
        self.dimensions = dimensions
        self.steps = 0
        self.known: dict[tuple[int, int], bool] = {}

    def gap(self, rows: int, box: list[int]) -> list[int] | None:
        """Return an atom per dimension, inside `box`, that none of `rows` (bits) covers."""
        self.steps = 0
        self.known = {}
        return self._search(0, rows, box)

    def _search(self, depth: int, rows: int, box: list[int]) -> list[int] | None:
        self.steps += 1
        if self.steps > STEPS_MAX:
            raise _TooLargeError
        if rows == 0:
            return [_lowest(box[each]) for each in range(depth, len(box))]
        if depth == len(box) or (depth, rows) in self.known:
            return None
        dimension = self.dimensions[depth]
        tried: set[int] = set()
        for atom, accepting in enumerate(dimension.accepting):
            if not box[depth] >> atom & 1:
                continue
            left = rows & accepting
            if left in tried:
                continue
            tried.add(left)
            found = self._search(depth + 1, left, box)
            if found is not None:
                return [atom, *found]
        self.known[depth, rows] = True
        return None


def _lowest(bits: int) -> int:
    return (bits & -bits).bit_length() - 1


def check_table(
    spec: TableSpec, inputs: list[Typed], grid: list[list[Ranges]], pool: StringPool
) -> list[Finding]:
    """Return overlaps (unique, any), gaps, and rows that can never match or are never reached."""
    findings: list[Finding] = []
    rows: list[int] = []
    for number, cells in enumerate(grid):
        empty = [place for place, cell in enumerate(cells) if possible(inputs[place], cell).is_empty]
        if empty:
            name = list(spec.inputs)[empty[0]]
            findings.append(
                Finding(
                    "error",
                    f"table `{spec.name}`: row {number + 1} can never match: `{name}` has no such value",
                    spec.rows[number].cells[empty[0]].span,
                )
            )
        else:
            rows.append(number)
    if any(isinstance(each, Const) for each in inputs) or not rows:
        return findings
    dimensions = [
        _Dimension(operand, [grid[row][place] for row in rows]) for place, operand in enumerate(inputs)
    ]
    if spec.hit in ("unique", "any"):
        findings += _overlaps(spec, rows, dimensions, pool)
    cover = _Cover(dimensions)
    expected = [dimension.expected for dimension in dimensions]
    try:
        if spec.hit == "first":
            for place, number in enumerate(rows):
                box = [dimension.rows[place] for dimension in dimensions]
                if place and cover.gap((1 << place) - 1, box) is None:
                    findings.append(
                        Finding(
                            "warning",
                            f"table `{spec.name}`: row {number + 1} is never reached:"
                            " earlier rows take all it accepts",
                            spec.rows[number].span,
                            "move it up, or take it away",
                        )
                    )
        if spec.hit != "collect":
            gap = cover.gap((1 << len(rows)) - 1, expected)
            if gap is not None:
                findings.append(
                    Finding(
                        "warning",
                        f"table `{spec.name}`: no row covers {_words(spec, dimensions, gap, pool)}",
                        spec.span,
                        "add a row, or a last one with `-` in every input",
                    )
                )
    except _TooLargeError:
        findings.append(
            Finding(
                "warning",
                f"table `{spec.name}` has too many combinations to look for missing rows",
                spec.span,
                "split it into smaller tables that read each other",
            )
        )
    return findings


def _words(spec: TableSpec, dimensions: list[_Dimension], atoms: list[int], pool: StringPool) -> str:
    return ", ".join(
        f"{name} = {sample(dimension.operand, dimension.atoms[atom], pool)}"
        for name, dimension, atom in zip(spec.inputs, dimensions, atoms, strict=True)
    )


def _overlaps(
    spec: TableSpec, rows: list[int], dimensions: list[_Dimension], pool: StringPool
) -> list[Finding]:
    """Report pairs of rows that accept the same input (with other outputs, when the policy is any)."""
    findings: list[Finding] = []
    low = np.array([[_lowest(each.rows[row]) for each in dimensions] for row in range(len(rows))])
    high = np.array(
        [[dimension.rows[row].bit_length() for dimension in dimensions] for row in range(len(rows))]
    )
    width = len(spec.inputs)
    for place, number in enumerate(rows):
        near = ((low[:place] < high[place]) & (high[:place] > low[place])).all(axis=1)
        for other in np.flatnonzero(near).tolist():
            both = [dimension.rows[place] & dimension.rows[other] for dimension in dimensions]
            if not all(both):
                continue
            first, second = spec.rows[rows[other]], spec.rows[number]
            if spec.hit == "any" and [cell.value for cell in first.cells[width:]] == [
                cell.value for cell in second.cells[width:]
            ]:
                continue
            shared = _words(spec, dimensions, [_lowest(bits) for bits in both], pool)
            what = "overlap" if spec.hit == "unique" else "overlap with different outputs"
            findings.append(
                Finding(
                    "error",
                    f"table `{spec.name}`: rows {rows[other] + 1} and {number + 1} {what}, as for {shared}",
                    second.span,
                    f"hit policy `{spec.hit}` then gives a violation and no output; make one narrower",
                )
            )
            if len(findings) == OVERLAPS_MAX:
                return findings
    return findings


def check_bands(
    card: ScorecardSpec, attribute: AttributeSpec, operand: Typed, bands: list[Ranges], pool: StringPool
) -> list[Finding]:
    """Return the gaps and overlaps of an attribute's bands."""
    findings: list[Finding] = []
    where = f"scorecard `{card.name}`, `{attribute.name}`"
    taken = NOTHING
    for number, band in enumerate(bands):
        shared = possible(operand, band & taken)
        if not shared.is_empty:
            findings.append(
                Finding(
                    "warning",
                    f"{where}: band {number + 1} overlaps earlier ones,"
                    f" as for {sample(operand, shared, pool)}",
                    attribute.bands[number].cell.span,
                    "the first band that accepts a value counts",
                )
            )
        taken = taken | band
    asked = EVERYTHING if any(band.null for band in bands) else NOT_NULL
    gap = possible(operand, asked - taken)
    if not gap.is_empty:
        findings.append(
            Finding(
                "warning",
                f"{where}: no band for {sample(operand, gap, pool)}",
                attribute.span,
                "such a value earns 0 points; a last band `-` takes the rest",
            )
        )
    return findings


def check_tree(spec: TreeSpec, holds: dict[int, Condition], fails: dict[int, Condition]) -> list[Finding]:
    """Return the branches that no event can take."""
    findings: list[Finding] = []

    def report(branch: BranchSpec, side: str) -> None:
        never = "holds here" if side == "then" else "fails here"
        findings.append(
            Finding(
                "warning",
                f"tree `{spec.name}`: this condition never {never}: its `{side}` is never taken",
                branch.condition.span,
                "what was asked above it decides it already",
            )
        )

    def walk(each: BranchSpec | LeafSpec, way: Condition) -> None:
        if isinstance(each, LeafSpec):
            return
        then = _joined(way, holds[id(each)])
        otherwise = _joined(way, fails[id(each)])
        implied = all(
            possible(operand, way.get(operand, EVERYTHING)) <= allowed
            for operand, allowed in holds[id(each)].items()
        )
        if then is None:
            report(each, "then")
        else:
            walk(each.then, then)
        if otherwise is None or implied:
            report(each, "else")
        else:
            walk(each.otherwise, otherwise)

    walk(spec.root, {})
    return findings


def _joined(way: Condition, more: Condition) -> Condition | None:
    """Return both conditions as one, None when they contradict each other."""
    joined = dict(way)
    for operand, allowed in more.items():
        joined[operand] = possible(operand, joined.get(operand, EVERYTHING) & allowed)
        if joined[operand].is_empty:
            return None
    return joined
