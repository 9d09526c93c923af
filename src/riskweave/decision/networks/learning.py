"""Tables learned from cases: Dirichlet priors, counts that fade, cases with holes, one case at a time.

A node's table is the mean of a Dirichlet distribution per row: what the prior network says counts as
`equivalent_sample_size` cases, and every case adds to the row it is in (Heckerman, "A tutorial on
learning with Bayesian networks", 1995). With a half-life a case counts half as much that much later;
the prior does not fade, so a network that hears nothing returns to what its policy says. Cases may
come in any order of time and end in the same counts.

A case with unknown nodes is left out (`skip`), counted for the families of nodes that are known
(`available`), or spread over what the unknown may have been, as the network so far believes (`em`;
over a whole set `fit` repeats that until nothing changes).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskweave import document
from riskweave.decision.networks.elimination import joint
from riskweave.decision.networks.node import Network
from riskweave.errors import PolicyError, StateError

Codes = Mapping[str, NDArray[np.int64]]

MISSING = ("skip", "available", "em")
SAMPLE_SIZE_MAX = 1e9
# How many half-lives cases may lie behind the reference moment before counts are brought up to it.
_LIVES_MAX = 256


@dataclass(frozen=True)
class LearningSpec:
    """How tables are learned.

    `per` says what the equivalent sample size is the size of: every `row` of every table (steady, the
    default), or the whole `network`, which gives rows that the prior holds for rare few cases and lets
    them learn at once. `half_life_ms` None: nothing is forgotten.
    """

    equivalent_sample_size: float = 10.0
    per: str = "row"
    half_life_ms: int | None = None
    missing: str = "skip"


def read_learning(node: document.Node | None) -> LearningSpec:
    """Read `{equivalent_sample_size: 50, per: row, half_life: 90d, missing: em}`."""
    if node is None:
        return LearningSpec()
    node.only("equivalent_sample_size", "per", "half_life", "missing")
    size, per = node.get("equivalent_sample_size"), node.get("per")
    half_life, missing = node.get("half_life"), node.get("missing")
    if half_life is not None and half_life.duration_ms() < 1:
        raise half_life.error(f"`{half_life.path}` must be longer than nothing")
    return LearningSpec(
        equivalent_sample_size=size.number(1e-6, SAMPLE_SIZE_MAX) if size else 10.0,
        per=per.choice("row", "network") if per else "row",
        half_life_ms=half_life.duration_ms() if half_life else None,
        missing=missing.choice(*MISSING) if missing else "skip",
    )


class Learner:
    """Counts beside a prior network; `network` is what both say together.

    `skipped` tells how many cases were left out, by reason.
    """

    def __init__(self, prior: Network, spec: LearningSpec | None = None) -> None:
        self.prior = prior
        self.spec = spec or LearningSpec()
        if self.spec.missing not in MISSING:
            raise ValueError(f"`missing` is one of {', '.join(MISSING)}")
        self.skipped: Counter[str] = Counter()
        self._alphas = _pseudo_counts(prior, self.spec)
        self._counts = {name: np.zeros(node.table.shape) for name, node in prior.nodes.items()}
        # Counts are as of the reference moment: a later case weighs more than 1 in them.
        self._reference_ms: int | None = None
        self._latest_ms = 0
        self._network: Network | None = None

    # ---- what was learned

    @property
    def network(self) -> Network:
        """The network as learned until the latest case."""
        if self._network is None:
            fade = self._fade()
            tables = {}
            for name, alpha in self._alphas.items():
                weights = alpha + self._counts[name] * fade
                totals = weights.sum(axis=-1, keepdims=True)
                tables[name] = np.divide(
                    weights, totals, out=self.prior.nodes[name].table.copy(), where=totals > 0
                )
            self._network = self.prior.with_tables(tables)
        return self._network

    def counts(self, name: str) -> NDArray[np.float64]:
        """Return how many cases each cell of a node's table has seen, faded to the latest case's time."""
        found: NDArray[np.float64] = self._counts[self.prior[name].name] * self._fade()
        return found

    # ---- learning

    def add(self, case: Mapping[str, str | None], time_ms: int = 0, weight: float = 1.0) -> str:
        """Count one case, {node: state}; return why it was left out, or nothing when it counted.

        A node that is absent or None is unknown. Raises PolicyError for a node or state that is not
        the network's.
        """
        codes = {name: np.array([-1]) for name in self.prior.nodes}
        for name, state in case.items():
            node = self.prior[name]
            if state is not None:
                codes[name][0] = self.prior.state(node.name, state)
        before = self.skipped.copy()
        self.add_many(codes, np.array([time_ms]), np.array([weight]))
        return next(iter(self.skipped - before), "")

    def add_many(
        self,
        codes: Codes,
        times_ms: NDArray[np.int64] | None = None,
        weights: NDArray[np.float64] | None = None,
    ) -> int:
        """Count cases given as columns of states' numbers, -1 being unknown; return how many counted.

        With `em` all of them are judged by the network as it was before.
        """
        columns, size = self._columns(codes)
        if size == 0:
            return 0
        times = np.zeros(size, np.int64) if times_ms is None else np.asarray(times_ms, np.int64)
        weight = np.ones(size) if weights is None else np.asarray(weights, np.float64)
        if not (np.isfinite(weight).all() and (weight >= 0).all()):
            raise ValueError("a case's weight is a finite number >= 0")
        # What is incomplete is judged by the network before any of these cases.
        before = self.network if self.spec.missing == "em" else None
        scaled = weight * self._arrive(times)
        unknown = np.array([columns[name] < 0 for name in self.prior.nodes])
        complete: NDArray[np.bool_] = ~np.any(unknown, axis=0)
        self._count(columns, scaled, complete)
        counted = int(complete.sum())
        rest = np.flatnonzero(~complete)
        if rest.size and self.spec.missing == "skip":
            names = list(self.prior.nodes)
            for row in rest:
                first = names[int(np.argmax(unknown[:, row]))]
                self.skipped[f"`{first}` is not known"] += 1
        elif rest.size and self.spec.missing == "available":
            counted += self._count_available(columns, scaled, rest)
        elif rest.size:
            assert before is not None
            counted += self._count_expected(columns, scaled, rest, before)
        self._network = None
        return counted

    def fit(
        self,
        codes: Codes,
        times_ms: NDArray[np.int64] | None = None,
        weights: NDArray[np.float64] | None = None,
        iterations: int = 100,
        tolerance: float = 1e-6,
    ) -> int:
        """Forget all and learn from a set; return how many passes it took.

        Without unknown nodes, or without `em`, one pass is all; with them passes go on until no
        probability changes by more than `tolerance` (Dempster, Laird and Rubin 1977).
        """
        columns, _ = self._columns(codes)
        holes = self.spec.missing == "em" and any((column < 0).any() for column in columns.values())
        self._reset()
        for step in range(1, iterations + 1):
            before = self.network
            self._reset()
            self._network = before
            self.add_many(columns, times_ms, weights)
            if not holes:
                return step
            change = max(
                float(np.abs(node.table - before.nodes[name].table).max())
                for name, node in self.network.nodes.items()
            )
            if change <= tolerance:
                return step
        return iterations

    # ---- keeping

    def snapshot(self) -> dict[str, NDArray[np.float64] | NDArray[np.int64]]:
        """Return all that was learned, as plain arrays; the prior is the policy's."""
        known = self._reference_ms is not None
        clock = np.array([int(known), self._reference_ms or 0, self._latest_ms], np.int64)
        counts = [self._counts[name].ravel() for name in self.prior.nodes]
        return {"clock": clock, "counts": np.concatenate(counts), "shape": self._shape()}

    def restore(self, kept: Mapping[str, NDArray[np.float64] | NDArray[np.int64]]) -> None:
        """Go on from a snapshot; raises StateError when it is of another structure."""
        if set(kept) != {"clock", "counts", "shape"} or not np.array_equal(kept["shape"], self._shape()):
            raise StateError("what a network learned does not fit this network: its nodes or states changed")
        counts = np.asarray(kept["counts"], np.float64)
        if counts.size != sum(each.size for each in self._counts.values()) or kept["clock"].size != 3:
            raise StateError("what a network learned is damaged")
        if not (np.isfinite(counts).all() and (counts >= 0).all()):
            raise StateError("what a network learned is damaged: a count is no number >= 0")
        place = 0
        for name, table in self._counts.items():
            self._counts[name] = counts[place : place + table.size].reshape(table.shape).copy()
            place += table.size
        known, reference, latest = (int(each) for each in kept["clock"])
        self._reference_ms, self._latest_ms = (reference if known else None), latest
        self._network = None

    # ---- inside

    def _shape(self) -> NDArray[np.int64]:
        """Return numbers that differ when names, states or parents do."""
        text = repr([(node.name, node.states, node.parents) for node in self.prior.nodes.values()])
        return np.frombuffer(hashlib.sha256(text.encode()).digest(), np.int64).copy()

    def _reset(self) -> None:
        for table in self._counts.values():
            table[:] = 0.0
        self._reference_ms, self._latest_ms, self._network = None, 0, None
        self.skipped.clear()

    def _columns(self, codes: Codes) -> tuple[dict[str, NDArray[np.int64]], int]:
        for name in codes:
            self.prior[name]
        sizes = {len(column) for column in codes.values()}
        if len(sizes) > 1:
            raise ValueError("the columns of cases are of different lengths")
        size = sizes.pop() if sizes else 0
        columns = {}
        for name, node in self.prior.nodes.items():
            column = np.asarray(codes[name], np.int64) if name in codes else np.full(size, -1, np.int64)
            if size and not -1 <= column.min() <= column.max() < len(node.states):
                raise PolicyError(f"a case has a state of `{name}` that it does not have")
            columns[name] = column
        return columns, size

    def _arrive(self, times: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return each case's weight as of the reference moment, which may move."""
        latest = int(times.max())
        if self._reference_ms is None:
            self._reference_ms = self._latest_ms = latest
        self._latest_ms = max(self._latest_ms, latest)
        half_life = self.spec.half_life_ms
        if half_life is None:
            return np.ones(times.size)
        lives = (self._latest_ms - self._reference_ms) // half_life
        if lives > _LIVES_MAX:
            for table in self._counts.values():
                table *= 2.0 ** -float(min(lives, 2_000))
            self._reference_ms += lives * half_life
        found: NDArray[np.float64] = np.exp2((times - self._reference_ms) / half_life)
        return found

    def _fade(self) -> float:
        if self._reference_ms is None or self.spec.half_life_ms is None:
            return 1.0
        return float(2.0 ** -((self._latest_ms - self._reference_ms) / self.spec.half_life_ms))

    def _count(self, columns: Codes, weights: NDArray[np.float64], rows: NDArray[np.bool_]) -> None:
        for name in self.prior.nodes:
            self._count_family(name, columns, weights, rows)

    def _count_family(
        self, name: str, columns: Codes, weights: NDArray[np.float64], rows: NDArray[np.bool_]
    ) -> None:
        node, table = self.prior.nodes[name], self._counts[name]
        places = np.ravel_multi_index([columns[each][rows] for each in node.family], table.shape)
        table += np.bincount(places, weights[rows], table.size).reshape(table.shape)

    def _count_available(self, columns: Codes, weights: NDArray[np.float64], rest: NDArray[np.int64]) -> int:
        """Count each incomplete case where all of a family is known; return how many counted anywhere."""
        incomplete = np.zeros(weights.size, bool)
        incomplete[rest] = True
        anywhere = np.zeros(weights.size, bool)
        for name, node in self.prior.nodes.items():
            known = incomplete & np.all([columns[each] >= 0 for each in node.family], axis=0)
            self._count_family(name, columns, weights, known)
            anywhere |= known
        nowhere = int((incomplete & ~anywhere).sum())
        if nowhere:
            self.skipped["no node is known together with its parents"] += nowhere
        return int(anywhere.sum())

    def _count_expected(
        self, columns: Codes, weights: NDArray[np.float64], rest: NDArray[np.int64], before: Network
    ) -> int:
        """Spread incomplete cases over what the unknown may have been; alike cases are asked once."""
        names = list(self.prior.nodes)
        cases = np.array([columns[name][rest] for name in names]).T
        kinds, which = np.unique(cases, axis=0, return_inverse=True)
        amounts = np.bincount(which.ravel(), weights[rest], len(kinds))
        times = np.bincount(which.ravel(), minlength=len(kinds))
        counted = 0
        for kind, amount, many in zip(kinds, amounts, times, strict=True):
            known = {
                name: before.nodes[name].states[code]
                for name, code in zip(names, kind, strict=True)
                if code >= 0
            }
            if not known:
                self.skipped["nothing is known"] += int(many)
                continue
            spread = {name: joint(before, before.nodes[name].family, known) for name in names}
            if any(np.isnan(table).any() for table in spread.values()):
                self.skipped["the network says that such a case cannot be"] += int(many)
                continue
            for name, table in spread.items():
                self._counts[name] += amount * table
            counted += int(many)
        return counted


def codes_of(network: Network, cases: Sequence[Mapping[str, str | None]]) -> dict[str, NDArray[np.int64]]:
    """Return cases as columns of states' numbers, -1 for what is unknown."""
    found = {name: np.full(len(cases), -1, np.int64) for name in network.nodes}
    for row, case in enumerate(cases):
        for name, state in case.items():
            network[name]
            if state is not None:
                found[name][row] = network.state(name, state)
    return found


def _pseudo_counts(prior: Network, spec: LearningSpec) -> dict[str, NDArray[np.float64]]:
    """Return what the prior counts for in every cell."""
    size = spec.equivalent_sample_size
    found = {}
    for name, node in prior.nodes.items():
        if spec.per == "row":
            found[name] = size * node.table
        else:
            found[name] = size * joint(prior, node.family, {})
    return found
