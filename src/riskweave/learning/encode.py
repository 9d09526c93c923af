"""From features to the numbers that linear models and networks like, in the artifact's own terms.

Missing numbers become the median of those seen (with an indicator), skewed ones their logarithm,
all get mean 0 and deviation 1; a category becomes one input per value. What is learned here travels in
the artifact, so that scoring does the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from riskweave.models.artifact import Artifact, Feature

Floats = NDArray[np.float64]

SKEW_MIN = 3.0


@dataclass(frozen=True)
class Encoding:
    """Features as a model wants them, and what happens to each input."""

    features: tuple[Feature, ...]
    impute: Floats
    log: NDArray[np.uint8]
    mean: Floats
    scale: Floats

    @classmethod
    def fit(cls, features: tuple[Feature, ...], x: Floats, log: bool = True, scale: bool = True) -> Encoding:
        """Learn medians, skew, means and deviations from the rows of `x`."""
        wanted = tuple(_encoded(feature, x[:, k]) for k, feature in enumerate(features))
        raw = expand(wanted, x)
        numbers = np.concatenate([_is_number(feature) for feature in wanted])
        impute = np.full(raw.shape[1], np.nan)
        with np.errstate(all="ignore"):
            for k in np.flatnonzero(numbers).tolist():
                seen = raw[~np.isnan(raw[:, k]), k]
                impute[k] = np.median(seen) if seen.size else 0.0
        filled = np.where(np.isnan(raw), impute, raw)
        skewed = np.array([bool(log and numbers[k] and _skewed(filled[:, k])) for k in range(raw.shape[1])])
        logged = np.where(skewed, np.sign(filled) * np.log1p(np.abs(filled)), filled)
        mean, spread = np.zeros(raw.shape[1]), np.ones(raw.shape[1])
        if scale and raw.shape[0]:
            mean, spread = logged.mean(axis=0), logged.std(axis=0)
            spread[~(spread > 1e-12)] = 1.0
        return cls(wanted, impute, skewed.astype(np.uint8), mean, spread)

    @classmethod
    def plain(cls, features: tuple[Feature, ...]) -> Encoding:
        """Return what leaves everything as it is: for trees."""
        size = len(features)
        return cls(features, np.full(size, np.nan), np.zeros(size, np.uint8), np.zeros(size), np.ones(size))

    def inputs(self, x: Floats) -> Floats:
        """Return the inputs that a model sees; what is still missing is 0."""
        raw = expand(self.features, x)
        filled = np.where(np.isnan(raw), self.impute, raw)
        logged = np.where(self.log.astype(bool), np.sign(filled) * np.log1p(np.abs(filled)), filled)
        found: Floats = np.nan_to_num((logged - self.mean) / self.scale, nan=0.0, posinf=None, neginf=None)
        return found

    def input_features(self) -> list[Feature]:
        """Return a stand-in for each input, for libraries that know inputs alone."""
        return [Feature(name=f"input_{k}") for k in range(self.mean.size)]

    def attached(self, artifact: Artifact) -> Artifact:
        """Return a model over inputs as one over the features that make them."""
        about = msgspec.structs.replace(artifact.about, features=self.features)
        return Artifact(about, {**artifact.weights, "input_impute": self.impute})

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the artifact's arrays."""
        return {
            "input_impute": self.impute,
            "input_log": self.log,
            "input_mean": self.mean,
            "input_scale": self.scale,
        }


def expand(features: tuple[Feature, ...], x: Floats) -> Floats:
    """Return one column per input: indicators and one-hot categories written out."""
    columns: list[Floats] = []
    for k, feature in enumerate(features):
        values = x[:, k]
        if feature.encoding == "one_hot":
            columns += [(values == place).astype(np.float64) for place in range(len(feature.categories))]
        else:
            columns.append(values)
        if feature.indicator:
            columns.append(np.isnan(values).astype(np.float64))
    return np.column_stack(columns) if columns else np.zeros((x.shape[0], 0))


def _encoded(feature: Feature, values: Floats) -> Feature:
    if feature.type == "category":
        return msgspec.structs.replace(feature, encoding="one_hot")
    return msgspec.structs.replace(feature, indicator=bool(np.isnan(values).any()))


def _is_number(feature: Feature) -> NDArray[np.bool_]:
    flags = np.zeros(feature.inputs, np.bool_)
    flags[0 : 0 if feature.encoding == "one_hot" else 1] = True
    return flags


def _skewed(values: Floats) -> bool:
    spread = values.std()
    return bool(spread > 1e-12 and np.mean(((values - values.mean()) / spread) ** 3) > SKEW_MIN)
