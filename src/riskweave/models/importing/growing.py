"""Trees of any library, node by node, as the arrays of an artifact."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskweave.errors import ModelError

NODES_MAX = 50_000_000


@dataclass(frozen=True, slots=True)
class Fork:
    """An inner node: left if x <= threshold, or if the code is in `categories`."""

    input: int
    threshold: float
    missing_left: bool
    left: int
    right: int
    cover: float
    categories: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class Leaf:
    """An end."""

    value: float
    cover: float


@dataclass(slots=True)
class Grove:
    """Collects trees. `add(root, node)` asks `node(number)` for each node, from the root on."""

    start: list[int] = field(default_factory=lambda: [0])
    columns: dict[str, list[Any]] = field(
        default_factory=lambda: {
            name: []
            for name in (
                "feature", "threshold", "left", "right", "missing_left", "value", "cover", "category",
            )
        }
    )  # fmt: skip
    sets: dict[frozenset[int], int] = field(default_factory=dict)

    def add(self, root: int, node: Callable[[int], Fork | Leaf]) -> None:
        """Append a tree; numbers may mean what the caller likes."""
        waiting: list[tuple[int, int, str]] = [(root, -1, "")]
        columns = self.columns
        while waiting:
            number, parent, side = waiting.pop()
            at = len(columns["feature"])
            if at - self.start[-1] > NODES_MAX:
                raise ModelError("a tree does not end")
            if parent >= 0:
                columns[side][parent] = at
            each = node(number)
            if isinstance(each, Leaf):
                row: tuple[Any, ...] = (-1, 0.0, 0, 0, 0, each.value, each.cover, -1)
            else:
                category = -1
                if each.categories is not None:
                    category = self.sets.setdefault(each.categories, len(self.sets))
                threshold = 0.0 if each.categories is not None else each.threshold
                row = (each.input, threshold, 0, 0, int(each.missing_left), 0.0, each.cover, category)
                waiting.append((each.right, at, "right"))
                waiting.append((each.left, at, "left"))
            for name, value in zip(columns, row, strict=True):
                columns[name].append(value)
        self.start.append(len(columns["feature"]))

    def weights(self) -> dict[str, NDArray[Any]]:
        """Return the arrays of all trees."""
        words: list[int] = []
        first = [0]
        for codes in self.sets:
            line = [0] * (1 + max(codes, default=0) // 32)
            for code in codes:
                line[code // 32] |= 1 << code % 32
            words += line
            first.append(len(words))
        kinds = dict.fromkeys(("feature", "left", "right", "category"), "<i4") | {"missing_left": "|u1"}
        arrays: dict[str, NDArray[Any]] = {
            name: np.array(column, kinds.get(name, "<f8")) for name, column in self.columns.items()
        }
        return {
            **arrays,
            "tree_start": np.array(self.start, "<i4"),
            "category_start": np.array(first, "<i4"),
            "category_words": np.array(words, "<u4"),
        }


def below(threshold: float) -> float:
    """Return the greatest float32 under `threshold`: x < t is x <= below(t) when x is a float32."""
    return float(np.nextafter(np.float32(threshold), np.float32(-np.inf)))


def finite(text: str | float, what: str, bounded: bool = True) -> float:
    """Return a number, finite unless it is not `bounded`, or raise."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if math.isnan(number) or (bounded and math.isinf(number)):
        raise ModelError(f"{what} is {str(text)[:40]!r}, which is no number")
    return number


def numbers(texts: Sequence[str], what: str, bounded: bool = True) -> list[float]:
    """Return numbers, or raise; see `finite`."""
    return [finite(each, what, bounded) for each in texts]
