"""A features plan: flat arrays for the kernels, and what a person or a new policy asks of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class TablePlan:
    """One entity in one role: what its records and histories are made of.

    Two tables with equal `signature` have records that are the same word for word. `values` and
    `conditions` name what an entry keeps, by the text of its expression, so that another policy's
    table can take over a history.
    """

    entity: str
    role: str
    fields: tuple[str, ...]
    block: int
    salt: int
    span_ms: int
    stride: int
    signature: str
    values: tuple[str, ...]
    conditions: tuple[tuple[str, int, int], ...]  # (expression, mask word offset, bit)
    labels: tuple[tuple[int, int, int], ...]  # (label, mask word offset, bit)
    mask_words: int
    hash_word: int
    record_words: int
    label_slot: int
    keeps: tuple[str, ...]  # the conditions that make an entry worth keeping; ("",): all are
    lasting: tuple[tuple[str, int], ...]  # what is remembered without a window, and its words
    windows: int
    features: int
    texts: tuple[int, ...] = ()  # the words of an entry that are codes of texts

    @property
    def name(self) -> str:
        """Return how people call it: `customer`, or `account as payer`."""
        return self.entity if self.entity == self.role else f"{self.entity} as {self.role}"


@dataclass(frozen=True, slots=True)
class FeaturesPlan:
    """All features of a policy; immutable."""

    words: NDArray[np.int64]
    tables: tuple[TablePlan, ...]
    forget_after_ms: int
    scratch_words: int
    widest: int
    label_tables: int
    columns: tuple[int, ...]
