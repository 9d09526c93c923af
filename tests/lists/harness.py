"""Lists without the rest of the house: columns of operands in, match columns out."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from riskweave.batch import Batch, Layout, empty_batch
from riskweave.document import from_python, parse_yaml
from riskweave.errors import Span
from riskweave.expressions.strings import StringPool
from riskweave.expressions.types import Col, Type, Typed
from riskweave.lists.compile import ListsCompiler
from riskweave.lists.plan import ListsPlan
from riskweave.lists.spec import read_lists


class PlainColumns:
    """A compiler that knows fields only."""

    def column(self, node: Typed) -> Col:
        assert isinstance(node, Col)
        return node


class House:
    """A layout with one field per name; `lists` is the section as Python values or YAML text."""

    def __init__(self, lists: object, fields: dict[str, Type], folder: Path | None = None) -> None:
        self.layout = Layout()
        self.pool = StringPool()
        self.fields = {name: self.layout.add(name, kind, 0) for name, kind in fields.items()}
        node = parse_yaml(lists, "lists.yaml") if isinstance(lists, str) else from_python(lists, "lists")
        self.compiler = ListsCompiler(read_lists(node, folder), self.layout, PlainColumns(), self.pool)

    def ask(self, list_name: str, field: str) -> Col:
        """Return the match column of `field in list_name`."""
        node = self.compiler.member(list_name, self.fields[field], Span())
        return node.args[0].args[0]

    def plan(self) -> ListsPlan:
        return self.compiler.finish()

    def batch(self, times_ms: list[int], **operands: list[object]) -> Batch:
        """Return a batch with these operands; text goes through the pool, None is null."""
        batch = empty_batch(self.layout, len(times_ms))
        batch.time_ms[:] = times_ms
        batch.values[0] = times_ms
        for name, values in operands.items():
            for at, value in enumerate(values):
                if value is not None:
                    cell = self.pool.code(value) if isinstance(value, str) else float(value)
                    batch.values[self.fields[name].index, at] = cell
        return batch


def matched(batch: Batch, column: Col) -> list[int | None]:
    """Return the entry numbers of a match column, None for no match."""
    return [None if np.isnan(each) else int(each) for each in batch.values[column.index]]
