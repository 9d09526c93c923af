"""A network that learns while it decides: labelled events are cases, a new version comes at declared times.

The evidence states of every event are kept; a label makes a case of them. Cases wait until event time
enters the next period of `every`: then all of them are counted, the network is compiled anew, and its
version is in force from that event on. So where a batch is cut, or an engine restarted, makes no
difference, and a decision can name the version that it was made with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from riskweave.batch import LabelArrivals
from riskweave.decision.networks.circuit import Circuit
from riskweave.decision.networks.compiled import PosteriorTable, compile_posterior
from riskweave.decision.networks.elimination import posterior
from riskweave.decision.networks.learning import Learner, LearningSpec, read_learning
from riskweave.decision.networks.network import Network
from riskweave.document import Node
from riskweave.errors import StateError

if TYPE_CHECKING:
    from riskweave.decision.belief import NetworkBelief

Arrays = Mapping[str, NDArray[np.generic]]

EVERY_MS = 3_600_000
REMEMBER_MS = 90 * 86_400_000
EVENTS = 1_000_000
EVENTS_MAX = 1 << 27
# A version told as a number: so many hexadecimal digits are exact in a column.
VERSION_DIGITS = 12
_NOT_COUNTED = -1


@dataclass(frozen=True, slots=True)
class LearnSpec:
    """What a policy says under `learn:`; `label` is the label field (None: the only one)."""

    tables: LearningSpec
    label: Node | None
    every_ms: int
    remember_ms: int
    events: int


def read_learn(node: Node) -> LearnSpec:
    """Read `learn: {every: 1h, remember: 90d, half_life: 180d, ...}`."""
    every, remember, events = node.get("every"), node.get("remember"), node.get("events")
    for each in (every, remember):
        if each is not None and each.duration_ms() < 1:
            raise each.error(f"`{each.path}` must be longer than nothing")
    return LearnSpec(
        read_learning(node, "label", "every", "remember", "events"),
        node.get("label"),
        every.duration_ms() if every else EVERY_MS,
        remember.duration_ms() if remember else REMEMBER_MS,
        events.integer(1, EVENTS_MAX) if events else EVENTS,
    )


@dataclass(frozen=True, slots=True)
class LearnPlan:
    """How a network learns: `label` is the number of the label field; `row` the first row told.

    The rows are the version's number, the prior, and what each piece of evidence moved.
    """

    tables: LearningSpec
    label: int
    every_ms: int
    remember_ms: int
    events: int
    row: int


@dataclass(frozen=True, eq=False)
class Version:
    """A network in force."""

    network: Network
    compiled: PosteriorTable | Circuit
    prior: float

    @property
    def number(self) -> float:
        return float(version_number(self.network))

    @classmethod
    def of(cls, network: Network, belief: NetworkBelief) -> Version:
        prior = posterior(network, belief.target, {}, {})
        compiled = compile_posterior(network, belief.target, belief.names)
        return cls(network, compiled, float(prior[belief.fraud].sum()))


def version_number(network: Network) -> int:
    """Return the first digits of a network's version as a whole number."""
    return int(network.version[:VERSION_DIGITS], 16)


def version_text(number: float) -> str:
    """Return the first digits of a network's version.

    >>> version_text(255.0)
    '0000000000ff'
    """
    return f"{int(number):0{VERSION_DIGITS}x}"


class LearningState:
    """What was learned, what waits to be learned, and the evidence states of events without a label yet.

    Events are numbered as they are decided; `first` is the number of the first one kept.
    """

    def __init__(self, belief: NetworkBelief, plan: LearnPlan) -> None:
        self.belief = belief
        self.plan = plan
        self.learner = Learner(belief.network, plan.tables)
        self.period: int | None = None
        self.version = Version(belief.network, belief.compiled, belief.prior)
        # Number of an event: what its label says now (-1: taken back). Counted when the period ends.
        self.waiting: dict[int, int] = {}
        self.places: dict[int, int] = {}
        self.first = 0
        self.size = 0
        self._hash = np.zeros(16, np.uint64)
        self._clock_ms = np.zeros(16, np.int64)
        self._time_ms = np.zeros(16, np.int64)
        self._counted = np.zeros(16, np.int8)
        self._codes = np.zeros((16, len(belief.names)), np.int16)

    @property
    def nbytes(self) -> int:
        kept = (self._hash, self._clock_ms, self._time_ms, self._counted, self._codes)
        return sum(each.nbytes for each in kept) + 100 * len(self.places)

    def describe(self) -> dict[str, object]:
        return {
            "version": self.version.network.version,
            "events": self.size,
            "waiting": len(self.waiting),
            "skipped": dict(self.learner.skipped),
            "bytes": self.nbytes,
        }

    # ---- deciding

    def pass_by(
        self,
        indices: NDArray[np.int64],
        hashes: NDArray[np.uint64],
        times_ms: NDArray[np.int64],
        watermarks_ms: NDArray[np.int64],
        labels: LabelArrivals | None,
    ) -> list[tuple[int, int, Version]]:
        """Let a batch pass; return which version is in force for which rows (start, end, version)."""
        size = hashes.size
        if size == 0:
            return []
        heard = _Heard.of(labels, self.plan.label)
        periods = watermarks_ms // self.plan.every_ms
        edges = (np.flatnonzero(np.diff(periods)) + 1).tolist()
        seen = 0
        found = []

        def see(end: int) -> None:
            nonlocal seen
            if end > seen:
                part = slice(seen, end)
                self._keep(indices[:, part], hashes[part], times_ms[part], watermarks_ms[part])
                seen = end

        for start, end in zip([0, *edges], [*edges, size], strict=True):
            period = int(periods[start])
            if period != self.period:
                for before, event, value in heard.until(start):
                    see(before)
                    self._hear(event, value)
                see(start)
                if self.period is not None:
                    self._turn(int(watermarks_ms[start]))
                self.period = period
            found.append((start, end, self.version))
        for before, event, value in heard.until(size):
            see(before)
            self._hear(event, value)
        see(size)
        return found

    def as_of(self, watermark_ms: int, labels: LabelArrivals | None) -> Version:
        """Return which version would be in force for an event that came now; nothing changes."""
        if self.period is None or watermark_ms // self.plan.every_ms == self.period:
            return self.version
        waiting = dict(self.waiting)
        for _, event, value in _Heard.of(labels, self.plan.label).until(1):
            number = self.places.get(event)
            if number is not None:
                waiting[number] = value
        other = Learner(self.belief.network, self.plan.tables)
        other.restore(self.learner.snapshot())
        changed = self._count(other, waiting)
        return Version.of(other.network, self.belief) if changed else self.version

    # ---- events and labels

    def _keep(
        self,
        indices: NDArray[np.int64],
        hashes: NDArray[np.uint64],
        times_ms: NDArray[np.int64],
        watermarks_ms: NDArray[np.int64],
    ) -> None:
        count = hashes.size
        end = self.size + count
        if end > self._hash.size:
            room = max(2 * self._hash.size, end)
            for name in ("_hash", "_clock_ms", "_time_ms", "_counted", "_codes"):
                old = getattr(self, name)
                new = np.zeros((room, *old.shape[1:]), old.dtype)
                new[: self.size] = old[: self.size]
                setattr(self, name, new)
        here = slice(self.size, end)
        self._hash[here], self._clock_ms[here], self._time_ms[here] = hashes, watermarks_ms, times_ms
        self._counted[here], self._codes[here] = _NOT_COUNTED, indices.T
        begin = self.first + self.size
        self.places.update(zip(hashes.tolist(), range(begin, begin + count), strict=True))
        self.size = end

    def _hear(self, event: int, value: int) -> None:
        """Note what a label says; of an event that is not kept any more it changes nothing."""
        number = self.places.get(event)
        if number is not None:
            self.waiting[number] = value

    def _turn(self, watermark_ms: int) -> None:
        """Count what waits, put the new version in force, forget what is too old."""
        changed = self._count(self.learner, self.waiting)
        for number, value in self.waiting.items():
            self._counted[number - self.first] = value
        self.waiting = {}
        if changed:
            self.version = Version.of(self.learner.network, self.belief)
        old = int(np.searchsorted(self._clock_ms[: self.size], watermark_ms - self.plan.remember_ms))
        self._drop(max(old, self.size - self.plan.events))

    def _count(self, learner: Learner, waiting: Mapping[int, int]) -> bool:
        """Count cases in the order of their events, and take back what they counted for before."""
        numbers = np.array(sorted(waiting), np.int64)
        now = np.array([waiting[each] for each in numbers.tolist()], np.int64)
        rows = numbers - self.first
        before = self._counted[rows].astype(np.int64) if numbers.size else now
        changed = False
        for values, count in ((before, learner.take_back), (now, learner.add_many)):
            which = (now != before) & (values != _NOT_COUNTED)
            if which.any():
                count(self._cases(rows[which], values[which]), self._time_ms[rows[which]])
                changed = True
        return changed

    def _cases(self, rows: NDArray[np.int64], values: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
        belief = self.belief
        target = len(belief.network[belief.target].states)
        fraud = int(belief.fraud[0])
        codes: dict[str, NDArray[np.int64]] = {
            belief.target: np.where(values == 1, fraud, target - 1 - fraud)
        }
        for k, name in enumerate(belief.names):
            states = self._codes[rows, k].astype(np.int64)
            codes[name] = np.where(states == len(belief.network[name].states), -1, states)
        return codes

    def _drop(self, count: int) -> None:
        if count <= 0:
            return
        for event, number in zip(
            self._hash[:count].tolist(), range(self.first, self.first + count), strict=True
        ):
            if self.places.get(event) == number:
                del self.places[event]
        for name in ("_hash", "_clock_ms", "_time_ms", "_counted", "_codes"):
            setattr(self, name, getattr(self, name)[count:].copy())
        self.first += count
        self.size -= count

    # ---- keeping

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """Return everything as arrays."""
        waiting = sorted(self.waiting.items())
        arrays: dict[str, NDArray[np.generic]] = {
            "period": np.array([self.period is not None, self.period or 0], np.int64),
            "first": np.array([self.first], np.int64),
            "hash": self._hash[: self.size].copy(),
            "clock_ms": self._clock_ms[: self.size].copy(),
            "time_ms": self._time_ms[: self.size].copy(),
            "counted": self._counted[: self.size].copy(),
            "codes": self._codes[: self.size].copy(),
            "waiting": np.array(waiting, np.int64).reshape(-1, 2),
        }
        return arrays | {f"learner.{name}": array for name, array in self.learner.snapshot().items()}

    @classmethod
    def restore(cls, belief: NetworkBelief, plan: LearnPlan, arrays: Arrays) -> LearningState:
        """Return the state that `snapshot` saw; raises StateError when it does not fit."""
        state = cls(belief, plan)
        prefix = "learner."
        state.learner.restore(
            {
                name.removeprefix(prefix): array  # type: ignore[misc]
                for name, array in arrays.items()
                if name.startswith(prefix)
            }
        )
        if bool(arrays["period"][0]):
            state.period = int(arrays["period"][1])
        if state.learner.has_learned:
            # Before the first case the policy's own tables are in force, to the last bit.
            state.version = Version.of(state.learner.network, belief)
        codes = arrays["codes"].astype(np.int16)
        size = len(codes)
        names = ("hash", "clock_ms", "time_ms", "counted")
        lengths = {arrays[name].size for name in names}
        sizes = np.array([len(belief.network[name].states) for name in belief.names])
        if lengths != {size} or codes.shape[1:] != sizes.shape or (codes < 0).any() or (codes > sizes).any():
            raise StateError("what the network is to learn from does not fit; use an older snapshot")
        state.first = int(arrays["first"][0])
        state._keep(
            codes.T.astype(np.int64),
            arrays["hash"].astype(np.uint64),
            arrays["time_ms"].astype(np.int64),
            arrays["clock_ms"].astype(np.int64),
        )
        state._counted[:size] = arrays["counted"].astype(np.int8)
        state.waiting = {int(number): int(value) for number, value in arrays["waiting"].tolist()}
        if any(not 0 <= number - state.first < size for number in state.waiting):
            raise StateError("what the network is to learn from does not fit; use an older snapshot")
        return state

    def moved_to(self, belief: NetworkBelief, plan: LearnPlan) -> LearningState | None:
        """Return the same under another network of the same nodes and bands; None if there is none."""
        old = self.belief
        same = (
            old.names == belief.names
            and old.target == belief.target
            and np.array_equal(old.fraud, belief.fraud)
            and np.array_equal(old.nodes[:, 1:], belief.nodes[:, 1:])
            and np.array_equal(old.cuts, belief.cuts)
            and self.plan.tables.half_life_ms == plan.tables.half_life_ms
        )
        if not same:
            return None
        try:
            found = LearningState.restore(belief, plan, self.snapshot())
        except StateError:
            return None
        if self.plan.every_ms != plan.every_ms and found.period is not None:
            found.period = found.period * self.plan.every_ms // plan.every_ms
        return found


@dataclass(frozen=True, slots=True)
class Frozen:
    """A version that stays in force: what a variation of an event is decided with."""

    version: Version

    def pass_by(
        self,
        indices: NDArray[np.int64],
        hashes: NDArray[np.uint64],
        times_ms: NDArray[np.int64],
        watermarks_ms: NDArray[np.int64],
        labels: LabelArrivals | None,
    ) -> list[tuple[int, int, Version]]:
        """Return the one version for all rows; nothing is kept."""
        return [(0, hashes.size, self.version)]


class _Heard:
    """Labels of one field on their way through a batch."""

    def __init__(self, before: list[int], events: list[int], values: list[int]) -> None:
        self.entries = list(zip(before, events, values, strict=True))
        self.next = 0

    @classmethod
    def of(cls, labels: LabelArrivals | None, label: int) -> _Heard:
        if labels is None:
            return cls([], [], [])
        mine = labels.label == label
        said = labels.value[mine]
        values = np.where(np.isnan(said), _NOT_COUNTED, said == 1.0).astype(np.int64)
        return cls(labels.before_row[mine].tolist(), labels.event_hash[mine].tolist(), values.tolist())

    def until(self, row: int) -> list[tuple[int, int, int]]:
        """Return those that arrive before a row or one before it, and were not returned yet."""
        start = self.next
        while self.next < len(self.entries) and self.entries[self.next][0] <= row:
            self.next += 1
        return self.entries[start : self.next]
