"""What is remembered: an index of keys and a heap of records and histories, both flat arrays.

Keys are 64-bit hashes; among n keys the odds that any two collide are n*n / 2**65 (for ten million
keys, three in a million), and a collision would join two histories.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from riskweave.batch import Batch
from riskweave.errors import StateError
from riskweave.features.plan import FeaturesPlan
from riskweave.kernels import chunks
from riskweave.kernels import feature_layout as at
from riskweave.kernels import features as kernels

_NO_LABELS = np.empty((0, 4), np.int64)


def aligned(words: int) -> NDArray[np.int64]:
    """Return words of 0 that begin on a cache line.

    Chunks have words that nothing writes; as they lie in snapshots, the same state is the same bytes only
    if they are 0. The system gives such memory as it is touched.
    """
    raw = np.zeros(words + 8, np.int64)
    skip = (-raw.ctypes.data // 8) % 8
    return raw[skip : skip + words]


class FeaturesState:
    """All histories of a policy's entities; `step` moves it forward."""

    __slots__ = ("heap", "index", "meta")

    def __init__(self, meta: NDArray[np.int64], index: NDArray[np.int64], heap: NDArray[np.int64]) -> None:
        self.meta = meta
        self.index = index
        self.heap = heap

    @classmethod
    def create(cls, plan: FeaturesPlan, keys: int = 1024, words: int = 1 << 16) -> FeaturesState:
        """Return an empty state with room for about so many keys and words; it grows by itself."""
        meta = np.zeros(chunks.TABLES + chunks.TABLE_WORDS * max(len(plan.tables), 1), np.int64)
        meta[chunks.ENTRY] = 8
        meta[chunks.TEMPORARY] = 8 + plan.scratch_words - 3 * plan.widest
        meta[chunks.TOP] = 8 + plan.scratch_words
        meta[chunks.WATERMARK] = at.NEVER
        meta[chunks.AT_TABLE] = -1
        size = 16
        while size < 2 * keys:
            size *= 2
        state = cls(meta, np.zeros(2 * size, np.int64), aligned(8 + plan.scratch_words + words))
        state.activate(plan, None)
        return state

    def activate(self, plan: FeaturesPlan, only: NDArray[np.bool_] | None) -> None:
        """Let every table take part in steps, or only those of the mask."""
        for number in range(len(plan.tables)):
            active = only is None or bool(only[number])
            self.meta[chunks.TABLES + chunks.TABLE_WORDS * number + at.T_ACTIVE] = int(active)

    # ---- growing

    def grow_heap(self) -> None:
        """Make room for what the kernel that stopped needs."""
        top = int(self.meta[chunks.TOP])
        words = max(2 * self.heap.size, top + 2 * int(self.meta[chunks.NEED]))
        heap = aligned(words)
        heap[: self.heap.size] = self.heap
        self.heap = heap

    def sweep(self, plan: FeaturesPlan, watermark_ms: int | None = None) -> None:
        """Drop every key that no later event can see, and free what windows have left behind."""
        if watermark_ms is None:
            watermark_ms = int(self.meta[chunks.WATERMARK])
        index = np.zeros(self.index.size, np.int64)
        kernels.sweep(plan.words, self.meta, self.index, self.heap, index, watermark_ms)
        self.index = index

    def grow(self, plan: FeaturesPlan, code: int, watermark_ms: int | None = None) -> None:
        """Make room for a kernel that stopped."""
        if code == kernels.HEAP_FULL:
            self.grow_heap()
        else:
            self.grow_index(plan, watermark_ms)

    def grow_index(self, plan: FeaturesPlan, watermark_ms: int | None = None) -> None:
        """Sweep, and double the index when that was not enough."""
        self.sweep(plan, watermark_ms)
        if 8 * int(self.meta[chunks.KEYS]) > self.index.size:
            index = np.zeros(2 * self.index.size, np.int64)
            kernels.rehash(self.meta, self.index, index)
            self.index = index

    def mark_texts(self, plan: FeaturesPlan, used: NDArray[np.bool_]) -> None:
        """Mark the codes of all texts that histories hold."""
        for number, table in enumerate(plan.tables):
            if table.texts:
                places = np.array(table.texts, np.int64)
                kernels.mark_codes(plan.words, self.meta, self.index, self.heap, number, places, used)

    # ---- leaving and coming back

    def snapshot(self) -> dict[str, NDArray[np.int64]]:
        """Return everything as arrays that `restore` takes."""
        used = int(self.meta[chunks.TOP])
        return {
            "meta": self.meta.copy(),
            "index": self.index.copy(),
            "heap": self.heap[:used].copy(),
            "heap_words": np.array([self.heap.size], np.int64),
        }

    @classmethod
    def restore(cls, plan: FeaturesPlan, arrays: Mapping[str, NDArray[np.int64]]) -> FeaturesState:
        """Return the state that `snapshot` saw, under the same plan."""
        try:
            meta, index, saved = arrays["meta"], arrays["index"], arrays["heap"]
            words = int(arrays["heap_words"][0])
        except (KeyError, IndexError) as error:
            raise StateError(f"the features snapshot is incomplete: {error}") from None
        expected = chunks.TABLES + chunks.TABLE_WORDS * max(len(plan.tables), 1)
        if meta.size != expected or index.size & (index.size - 1) or not saved.size <= words <= 1 << 40:
            raise StateError("the features snapshot was made under another policy or is damaged")
        heap = aligned(words)
        heap[: saved.size] = saved
        return cls(meta.astype(np.int64), index.astype(np.int64), heap)

    # ---- telling

    def describe(self, plan: FeaturesPlan) -> dict[str, object]:
        """Return bytes, keys, events kept and events too late, in all and per entity."""
        entities: dict[str, dict[str, int]] = {}
        for number, table in enumerate(plan.tables):
            base = chunks.TABLES + chunks.TABLE_WORDS * number
            keys, events = int(self.meta[base + at.T_KEYS]), int(self.meta[base + at.T_EVENTS])
            entities[table.name] = {
                "keys": keys,
                "events": events,
                "too_late": int(self.meta[base + at.T_LATE]),
                "bytes": 8 * (keys * (table.record_words + 2) + events * table.stride),
            }
        return {
            "bytes": self.heap.nbytes + self.index.nbytes + self.meta.nbytes,
            "free_bytes": 8 * int(self.heap.size - self.meta[chunks.TOP] + self.meta[chunks.FREE_WORDS]),
            "keys": int(self.meta[chunks.KEYS]),
            "entities": entities,
        }


def step(
    plan: FeaturesPlan, state: FeaturesState, batch: Batch, only: NDArray[np.bool_] | None = None
) -> None:
    """Fill the feature columns of a batch and remember its events; `only` chooses tables.

    The arrays of the batch must be contiguous: kernels read them as they lie in memory.
    """
    if not plan.tables:
        return
    labels = _NO_LABELS
    if batch.labels is not None and plan.label_tables:
        arrivals = batch.labels
        labels = np.empty((arrivals.before_row.size, 4), np.int64)
        labels[:, 0] = arrivals.before_row
        labels[:, 1] = arrivals.event_hash.view(np.int64)
        labels[:, 2] = arrivals.label
        labels[:, 3] = arrivals.value == 1.0
    if only is not None:
        state.activate(plan, only)
    while True:
        code = kernels.step(
            plan.words, state.meta, state.index, state.heap, batch.values, batch.keys,
            batch.time_ms, batch.watermark_ms, batch.event_hash, labels,
        )  # fmt: skip
        if code == kernels.DONE:
            break
        # While history is replayed, the state's own watermark is ahead of what its keys may still see.
        state.grow(plan, code, int(batch.watermark_ms[0]) if batch.size else None)
    if only is not None:
        state.activate(plan, None)
