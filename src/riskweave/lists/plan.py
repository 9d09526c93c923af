"""The lists of a policy once compiled, and which columns are looked up in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from riskweave.batch import Batch
from riskweave.expressions.strings import StringPool
from riskweave.kernels.listed import match_lists
from riskweave.lists.entries import Entries
from riskweave.lists.index import Index, make_index
from riskweave.lists.names.compare import MATCH_MIN
from riskweave.lists.state import ListsState


@dataclass(frozen=True, slots=True)
class CompiledList:
    """One list, its values checked. `of` tells what a range's bounds are, or whose names these are."""

    name: str
    kind: str
    of: str
    ignore_case: bool
    entries: Entries
    threshold: float = MATCH_MIN

    def index(self) -> Index:
        """Return a fresh index of the entries; a state adds its own to it."""
        return make_index(self.kind, self.of, self.ignore_case, self.entries.values, self.threshold)


@dataclass(frozen=True, slots=True)
class Matcher:
    """One column looked up in one list.

    `space` says what the source row holds: "text" codes of the pool, "whole" numbers, or "number"s.
    """

    list: int
    source: int
    target: int
    space: str
    operand: str


@dataclass(frozen=True, slots=True)
class ListsPlan:
    """All lists, in the order written, and the columns that are looked up in them."""

    lists: tuple[CompiledList, ...]
    matchers: tuple[Matcher, ...]
    pool: StringPool

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(each.name for each in self.lists)


def step(plan: ListsPlan, state: ListsState, batch: Batch) -> None:
    """Fill every match column: the number of the entry that holds at the event's time, NaN for none."""
    if not plan.matchers:
        return
    if state.stale:
        state.refresh()
    values = batch.values
    while match_lists(state.resolved, state.table, state.bounds, values):
        state.resolve([np.unique(values[each.target]) for each in plan.matchers])
