"""What a trainer sees: a matrix of features, the truth, and which events came before on the same key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from riskweave.errors import RiskweaveError, did_you_mean
from riskweave.learning.dataset import TEXT, Dataset
from riskweave.models.artifact import Feature

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

CATEGORIES_MAX = 64


@dataclass(frozen=True)
class Sample:
    """Events to learn from or to score.

    `x` has a column per feature: numbers, or the place of a text among the feature's categories (NaN
    for null, -1 for a text that is not among them). `rows` are the events' places in `x`, so that
    `earlier` events, which are not learned from, can still be looked back at. `taught` are a teacher's
    scores to learn instead of the truth.
    """

    features: tuple[Feature, ...]
    x: Floats
    label: Floats
    time_ms: Rows
    keys: Mapping[str, NDArray[np.uint64]]
    rows: Rows
    taught: Floats | None = None

    def __len__(self) -> int:
        return int(self.rows.size)

    @property
    def inputs(self) -> Floats:
        """Return the features of the events themselves."""
        return self.x if self.rows.size == self.x.shape[0] else self.x[self.rows]

    @property
    def truth(self) -> Floats:
        return self.label[self.rows]

    @property
    def target(self) -> Floats:
        """Return what is to be learned: a probability where a teacher says one, the truth otherwise."""
        return self.truth if self.taught is None else self.taught[self.rows]

    @property
    def names(self) -> list[str]:
        return [feature.name for feature in self.features]

    def at(self, rows: Rows) -> Sample:
        """Return other events of the same history: `rows` are places in `x`."""
        return replace(self, rows=np.asarray(rows, np.int64))

    def parts_by_time(self, share: float) -> tuple[Sample, Sample]:
        """Return the earlier events, and the last `share` of them; no moment is in both."""
        times = self.time_ms[self.rows]
        cut = np.quantile(times, 1.0 - share, method="lower") if times.size else 0
        return self.at(self.rows[times < cut]), self.at(self.rows[times >= cut])

    def sequences(self, entity: str, steps: int, horizon_ms: int) -> tuple[Rows, Rows]:
        """Return for each event the places of the last `steps` events of its key, and how many there are.

        The event itself is the last; places stand at the left, oldest first, the rest is filled with 0.
        An event without a key has only itself.
        """
        key = self.keys.get(entity)
        if key is None:
            hint = did_you_mean(entity, self.keys) or f"there are: {', '.join(self.keys)}"
            raise RiskweaveError(f"the training set has no role `{entity}`; {hint}")
        order = np.lexsort((np.arange(key.size), self.time_ms, key))
        position = np.empty(key.size, np.int64)
        position[order] = np.arange(key.size)
        ranked = key[order]
        first = np.maximum.accumulate(
            np.where(np.append(True, ranked[1:] != ranked[:-1]), np.arange(key.size), 0)
        )
        places = np.zeros((self.rows.size, steps), np.int64)
        counts = np.zeros(self.rows.size, np.int64)
        here = position[self.rows]
        for back in range(steps - 1, -1, -1):
            there = here - back
            source = order[np.maximum(there, 0)]
            fits = there >= first[here]
            fits &= self.time_ms[source] > self.time_ms[self.rows] - horizon_ms
            fits &= (key[self.rows] != 0) | (back == 0)
            which = np.flatnonzero(fits)
            places[which, counts[which]] = source[which]
            counts[which] += 1
        return places, counts


def sample_of(
    dataset: Dataset,
    names: Sequence[str],
    rows: Rows | None = None,
    learn_from: Rows | None = None,
    definitions: Mapping[str, str] | None = None,
) -> Sample:
    """Return a sample of `dataset` with these features.

    The categories of a text are its most frequent values among the events `learn_from` (all by
    default), at most 64; the others count as unknown text.
    """
    if not names:
        raise RiskweaveError("a model needs at least one feature")
    seen = np.arange(len(dataset)) if learn_from is None else learn_from
    features, columns = [], []
    for name in names:
        column = dataset.column(name)
        definition = (definitions or {}).get(name, "")
        if column.kind != TEXT:
            features.append(Feature(name=name, definition=definition))
            columns.append(column.values)
            continue
        known = column.values[seen]
        counts = np.bincount(known[~np.isnan(known)].astype(np.int64), minlength=len(column.texts))
        kept = sorted(np.argsort(-counts, kind="stable")[:CATEGORIES_MAX].tolist())
        kept = [code for code in kept if counts[code]]
        features.append(
            Feature(
                name=name,
                type="category",
                definition=definition,
                categories=tuple(column.texts[code] for code in kept),
                encoding="code",
            )
        )
        columns.append(_recoded(column.values, kept, len(column.texts)))
    return Sample(
        tuple(features),
        np.column_stack(columns),
        dataset.label,
        dataset.time_ms,
        dataset.keys,
        np.arange(len(dataset)) if rows is None else rows,
    )


def _recoded(codes: Floats, kept: list[int], size: int) -> Floats:
    """Return places in `kept` instead of codes; -1 for others, NaN stays."""
    place = np.full(size + 1, -1.0)
    place[kept] = np.arange(len(kept))
    place[size] = np.nan
    found: Floats = place[np.where(np.isnan(codes), size, codes).astype(np.int64)]
    return found
