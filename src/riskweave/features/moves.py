"""Single keys of a state, word for word: set aside for a moment, or moved to another process.

A key that moved goes on bit for bit, which records made anew from their histories (`carry.py`) do up to
the last bits of a sum. Both states must be of the same plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from riskweave.batch import Batch
from riskweave.errors import StateError
from riskweave.features.plan import FeaturesPlan
from riskweave.features.state import FeaturesState
from riskweave.kernels import chunks
from riskweave.kernels import feature_layout as at
from riskweave.kernels import feature_moves as kernels

Words = NDArray[np.int64]
_NOTHING: Words = np.zeros(0, np.int64)


class SetAside:
    """A state with a few records of another one; `take` fetches more of them."""

    def __init__(self, plan: FeaturesPlan, source: FeaturesState) -> None:
        self.plan = plan
        self.source = source
        self.state = FeaturesState.create(plan, keys=16, words=1 << 11)
        self.state.meta[chunks.WATERMARK] = source.meta[chunks.WATERMARK]
        self.has: set[int] = set()
        self._kept: tuple[Words, Words, Words] = (_NOTHING, _NOTHING, _NOTHING)
        self.keep()

    def lacks(self, keys: Words) -> bool:
        """Tell whether any of the keys was not asked for yet."""
        return not self.has.issuperset(keys.tolist())

    def take(self, keys: Words) -> None:
        """Copy what the source holds of keys, as the index knows them."""
        self.has.update(keys.tolist())
        copy_keys(self.plan, self.source, self.state, keys)
        self.keep()

    def keep(self) -> None:
        """Note what is here, to come back to."""
        state = self.state
        self._kept = (state.meta.copy(), state.index.copy(), state.heap[: state.meta[chunks.TOP]].copy())

    def put_back(self) -> None:
        """Undo everything since."""
        state = self.state
        meta, index, heap = self._kept
        state.meta[:] = meta
        state.heap[: heap.size] = heap
        if state.index.size == index.size:
            state.index[:] = index
        else:
            state.index = index.copy()


class Touched:
    """Tells which records the events of a batch touch under a plan."""

    def __init__(self, plan: FeaturesPlan) -> None:
        rows: list[tuple[int, int]] = []
        for table in plan.tables:
            visits, count = (int(plan.words[table.block + word]) for word in (at.VISITS, at.VISIT_COUNT))
            asked = {int(plan.words[visits + at.VISIT_WORDS * number]) for number in range(count)}
            rows += [(row, table.salt) for row in sorted(asked | {int(plan.words[table.block + at.KEY_ROW])})]
        self.rows = np.array([row for row, _ in rows], np.intp)
        self.salts = np.array([salt for _, salt in rows], np.int64)[:, None]
        self.registry = np.int64(plan.words[at.REGISTRY_SALT])
        self.labels = plan.label_tables

    def keys(self, batch: Batch) -> Words:
        """Return the keys, as the index knows them, of records and of what labels call the events."""
        raw = batch.keys[self.rows].view(np.int64)
        keys = (raw ^ self.salts)[raw != 0]
        if self.labels:
            parts = [keys, batch.event_hash.view(np.int64) ^ self.registry]
            if batch.labels is not None:
                parts.append(batch.labels.event_hash.view(np.int64) ^ self.registry)
            keys = np.concatenate(parts)
        return np.where(keys == 0, 1, keys)


def copy_keys(plan: FeaturesPlan, source: FeaturesState, target: FeaturesState, keys: Words) -> None:
    """Copy what `source` knows of keys, as the index knows them, unless `target` has them already."""
    while True:
        code = kernels.copy_keys(
            plan.words, keys, source.meta, source.index, source.heap,
            target.meta, target.index, target.heap,
        )  # fmt: skip
        if code == kernels.DONE:
            return
        # Nothing may be dropped before all is in.
        target.grow(plan, code, at.NEVER // 2)


def export_keys(
    plan: FeaturesPlan, state: FeaturesState, keys: Mapping[str, Iterable[int]]
) -> dict[str, Words]:
    """Return all that is remembered of key hashes, by the name of their table, as arrays."""
    known = [
        _indexed(np.array([key % 2**64 for key in keys.get(table.name, ())], np.uint64), table.salt)
        for table in plan.tables
    ]
    wanted = np.concatenate([np.zeros(0, np.int64), *known])
    small = FeaturesState.create(plan, keys=8, words=1 << 10)
    copy_keys(plan, state, small, wanted)
    if plan.label_tables:
        events = np.zeros(0, np.int64)
        for _ in range(2):
            found = kernels.registered_events(plan.words, wanted, state.meta, state.index, state.heap, events)
            if found > events.size:
                events = np.zeros(found, np.int64)
        copy_keys(plan, state, small, events)
    small.meta[chunks.WATERMARK] = state.meta[chunks.WATERMARK]
    return small.snapshot()


def import_keys(plan: FeaturesPlan, state: FeaturesState, arrays: Mapping[str, Words]) -> None:
    """Remember what `export_keys` gave; raises StateError when one of the keys is here already."""
    small = FeaturesState.restore(plan, arrays)
    refuse_known(plan, state, small)
    keys = small.index[0::2]
    copy_keys(plan, small, state, keys[keys != 0])
    state.meta[chunks.WATERMARK] = max(int(state.meta[chunks.WATERMARK]), int(small.meta[chunks.WATERMARK]))


def refuse_known(plan: FeaturesPlan, state: FeaturesState, small: FeaturesState) -> None:
    """Raise StateError when a state remembers one of the keys of another; events may be known to both."""
    used = small.index[0::2] != 0
    keys, records = small.index[0::2][used], small.index[1::2][used]
    own = keys[small.heap[records + at.R_TABLE] != at.REGISTRY_TABLE]
    if np.isin(own, state.index[0::2]).any():
        raise StateError("one of the keys is remembered here already")


def recode_texts(plan: FeaturesPlan, state: FeaturesState, codes: Words) -> None:
    """Give texts in histories other codes: code c becomes codes[c]."""
    for number, table in enumerate(plan.tables):
        if table.texts:
            places = np.array(table.texts, np.int64)
            kernels.recode(plan.words, state.meta, state.index, state.heap, number, places, codes)


def _indexed(keys: NDArray[np.uint64], salt: int) -> Words:
    salted = keys.view(np.int64) ^ np.int64(salt)
    return np.where(salted == 0, np.int64(1), salted)
