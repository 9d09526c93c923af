"""The last events of each key, kept for one LSTM: flat arrays that grow by doubling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskweave.errors import StateError
from riskweave.kernels import sequences as kernel
from riskweave.models.runners import LstmRunner

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

SLOTS_MIN = 16
_WORD = 2**64 - 1


class Sequences:
    """Slots of up to `steps` events of `width` inputs, found by key.

    Keys are 64-bit hashes; see features/state.py for how likely two of them meet.
    """

    __slots__ = ("counts", "events", "horizon_ms", "index", "order", "picks", "slot_keys", "times", "used")

    def __init__(self, steps: int, width: int, horizon_ms: int, slots: int = SLOTS_MIN) -> None:
        self.horizon_ms = horizon_ms
        self.used = np.zeros(1, np.int64)
        self.slot_keys = np.zeros(slots, np.int64)
        self.counts = np.zeros(slots, np.int64)
        self.times = np.zeros((slots, steps), np.int64)
        self.order = np.zeros((slots, steps), np.int64)
        self.events = np.zeros((slots * steps + 1, width), np.float32)
        self.picks = np.zeros(steps, np.int64)
        self.index = np.zeros(4 * slots, np.int64)

    @property
    def steps(self) -> int:
        return self.times.shape[1]

    @property
    def width(self) -> int:
        return self.events.shape[1]

    def __len__(self) -> int:
        return int(self.used[0])

    @property
    def nbytes(self) -> int:
        return sum(
            each.nbytes
            for each in (self.slot_keys, self.counts, self.times, self.order, self.events, self.index)
        )

    def step(
        self,
        runner: LstmRunner,
        keys: NDArray[np.uint64],
        active: NDArray[np.uint8],
        time_ms: Ints,
        watermark_ms: Ints,
        inputs: Floats,
    ) -> Floats:
        """Remember a batch's events and return the log-odds of the sequence that each one ends."""
        out = np.empty(len(inputs))
        begin = 0
        while True:
            begin = kernel.step(
                begin, keys, active, time_ms, watermark_ms, inputs, self.horizon_ms,
                self.index, self.used, self.slot_keys, self.counts, self.times, self.order, self.events,
                self.picks, runner.from_inputs, runner.recurrent, runner.bias, runner.scratch, runner.sums,
                runner.dense.layers, runner.dense.weights, runner.dense.scratch, out,
            )  # fmt: skip
            if begin == kernel.DONE:
                return out
            self._grow(int(watermark_ms[begin]))

    def sequence(self, key: int, time_ms: int) -> Floats:
        """Return the inputs of the events that a sequence ending at `time_ms` has, oldest first."""
        found = kernel.latest(
            self.index, key, time_ms, self.horizon_ms, self.counts, self.times, self.order, self.picks
        )
        return self.events[self.picks[:found]].astype(np.float64)

    def _grow(self, watermark_ms: int) -> None:
        """Free the keys that no later event can see; double when that was not enough."""
        size = len(self)
        newest = np.where(
            self.counts[:size] > 0,
            self.times[np.arange(size), np.maximum(self.counts[:size] - 1, 0)],
            -(2**62),
        )
        # An event that is remembered is later than watermark - horizon, and sees one horizon back.
        keep = np.flatnonzero(newest > watermark_ms - 2 * self.horizon_ms)
        slots = len(self.slot_keys)
        self._take(keep, slots if 2 * keep.size <= slots else 2 * slots)

    def _take(self, keep: Ints, slots: int) -> None:
        """Move the slots to keep to the front of arrays for `slots`."""
        fresh = Sequences(self.steps, self.width, self.horizon_ms, slots)
        size, steps = keep.size, self.steps
        fresh.used[0] = size
        for name in ("slot_keys", "counts", "times"):
            getattr(fresh, name)[:size] = getattr(self, name)[keep]
        # Lines are counted from the slot's own first one.
        fresh.order[:size] = self.order[keep] + steps * (np.arange(size) - keep)[:, None]
        lines = self.events[:-1].reshape(-1, steps, self.width)
        fresh.events[: size * steps] = lines[keep].reshape(-1, self.width)
        kernel.fill_index(fresh.index, fresh.slot_keys[:size].copy())
        for name in self.__slots__:
            setattr(self, name, getattr(fresh, name))

    def copy(self) -> Sequences:
        """Return the same sequences in arrays of their own."""
        other = Sequences(self.steps, self.width, self.horizon_ms)
        for name in self.__slots__:
            value = getattr(self, name)
            setattr(other, name, value.copy() if isinstance(value, np.ndarray) else value)
        return other

    # ---- leaving and coming back

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return everything as arrays that `restore` takes."""
        size = len(self)
        return {
            "keys": self.slot_keys[:size].copy(),
            "counts": self.counts[:size].copy(),
            "times": self.times[:size].copy(),
            "order": self.order[:size].copy(),
            "events": self.events[: size * self.steps].copy(),
            "slots": np.array([len(self.slot_keys)], np.int64),
        }

    @classmethod
    def restore(
        cls, steps: int, width: int, horizon_ms: int, arrays: Mapping[str, NDArray[Any]]
    ) -> Sequences:
        """Return the sequences that `snapshot` saw, for a model of the same shape."""
        try:
            keys, slots = arrays["keys"], int(arrays["slots"][0])
            size = keys.size
            if not size <= slots <= 1 << 40 or slots & (slots - 1):
                raise ValueError(slots)
            state = cls(steps, width, horizon_ms, slots)
            state.used[0] = size
            state.slot_keys[:size] = keys
            state.counts[:size] = arrays["counts"]
            state.times[:size] = arrays["times"]
            state.order[:size] = arrays["order"]
            state.events[: size * steps] = arrays["events"]
        except (KeyError, ValueError, IndexError) as error:
            raise StateError(f"the snapshot of a model's sequences does not fit ({error})") from None
        lines = state.order[:size]
        own = lines // steps == np.arange(size)[:, None]
        used = np.arange(steps) < state.counts[:size, None]
        if not (own | ~used).all() or (state.counts < 0).any() or (state.counts > steps).any():
            raise StateError("the snapshot of a model's sequences is damaged; use an older one")
        kernel.fill_index(state.index, state.slot_keys[:size].copy())
        return state

    # ---- one key on its own

    def _slot(self, key: int) -> int:
        """Return the slot of a key, -1 when it has none."""
        at = kernel.find_slot(self.index, key)
        return int(self.index[2 * at + 1]) if self.index[2 * at] != 0 else -1

    def export_key(self, key: int) -> dict[str, NDArray[Any]] | None:
        """Return what is remembered of one key hash, or None."""
        slot = self._slot(int(np.array(key & _WORD, np.uint64).view(np.int64)))
        if slot < 0:
            return None
        count = int(self.counts[slot])
        lines = self.order[slot, :count]
        return {
            "key": self.slot_keys[slot : slot + 1].copy(),
            "times": self.times[slot, :count].copy(),
            "events": self.events[lines].copy(),
        }

    def import_key(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Remember a key that `export_key` took from a state of the same model and that is not here."""
        try:
            key, times, events = int(arrays["key"][0]), arrays["times"], arrays["events"]
        except (KeyError, IndexError) as error:
            raise StateError(f"an exported key lacks {error}") from None
        count = times.size
        if count > self.steps or events.shape != (count, self.width) or key == 0:
            raise StateError("an exported key does not fit this model's sequences")
        if self._slot(key) >= 0:
            raise StateError("this key is remembered already")
        if len(self) == len(self.slot_keys):
            self._take(np.arange(len(self)), 2 * len(self.slot_keys))
        slot = len(self)
        self.used[0] += 1
        self.slot_keys[slot], self.counts[slot] = key, count
        self.times[slot, :count] = times
        self.order[slot, :count] = slot * self.steps + np.arange(count)
        self.events[slot * self.steps : slot * self.steps + count] = events
        at = kernel.find_slot(self.index, key)
        self.index[2 * at], self.index[2 * at + 1] = key, slot
