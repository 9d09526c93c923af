"""What every trainer has in common: what it takes, what it gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from riskweave.errors import RiskweaveError, did_you_mean
from riskweave.learning.sample import Sample
from riskweave.models.artifact import Artifact

Floats = NDArray[np.float64]
Progress = Callable[[str], None]


def silent(_: str) -> None:
    """Show nothing."""


@dataclass(frozen=True)
class Fitted:
    """A trained model: its artifact, and the log-odds that the library which trained it gives.

    `notes` is what training found out: rounds, epochs, losses.
    """

    artifact: Artifact
    raw: Callable[[Sample], Floats]
    library: str
    notes: dict[str, Any] = field(default_factory=dict)


class Trainer(Protocol):
    """One kind of model.

    `options` maps each option to its default; `space` suggests values for a search. `fit` learns from
    `sample`; `held` (events that come after it, or None) is for early stopping alone.
    """

    name: str
    options: Mapping[str, Any]

    def fit(
        self, sample: Sample, held: Sample | None, options: Mapping[str, Any], seed: int, progress: Progress
    ) -> Fitted: ...

    def space(self, trial: Any) -> dict[str, Any]: ...


def with_defaults(trainer: Trainer, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a trainer's options; raises RiskweaveError for one it does not have."""
    for name in given:
        if name not in trainer.options:
            hint = did_you_mean(name, trainer.options) or f"options: {', '.join(trainer.options)}"
            raise RiskweaveError(f"`{trainer.name}` has no option `{name}`; {hint}")
    return {**trainer.options, **given}


def need(module: str, extra: str) -> Any:
    """Import a training library; raises RiskweaveError that says how to install it."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.split(".")[0]:
            raise
        raise RiskweaveError(f"training this needs {error.name}: pip install 'riskweave[{extra}]'") from None


def weights(target: Floats, class_weight: object) -> Floats:
    """Return a weight per event: 1 (`none`), both kinds alike in sum (`balanced`), or a number for frauds.

    An event that a teacher takes for a fraud by 30 % has 30 % of a fraud's weight.
    """
    if class_weight in (None, "none"):
        return np.ones(target.size)
    frauds = max(float(target.sum()), 1.0)
    if class_weight == "balanced":
        others = max(target.size - frauds, 1.0)
        return target * (target.size / (2 * frauds)) + (1.0 - target) * (target.size / (2 * others))
    if isinstance(class_weight, (int, float)) and class_weight > 0:
        return target * float(class_weight) + (1.0 - target)
    raise RiskweaveError(f"class_weight is none, balanced or a positive number, not {class_weight!r}")


def is_soft(target: Floats) -> bool:
    """Tell whether some targets are probabilities, not truths."""
    return bool(((target > 0) & (target < 1)).any())


def as_truths(inputs: Floats, target: Floats, weight: Floats) -> tuple[Floats, Floats, Floats]:
    """Return inputs, truths and weights for a library that knows truths alone.

    An event with target t stands there twice: as a fraud of weight t and as legitimate of weight 1 - t.
    """
    if not is_soft(target):
        return inputs, target, weight
    both = np.concatenate([inputs, inputs])
    truth = np.concatenate([np.ones(target.size), np.zeros(target.size)])
    shared = np.concatenate([target, 1.0 - target]) * np.concatenate([weight, weight])
    kept = shared > 0
    return both[kept], truth[kept], shared[kept]


def log_odds(probability: Floats) -> Floats:
    """Return log(p / (1 - p)), with p held within [1e-15, 1 - 1e-15] as artifacts have it."""
    p = np.clip(probability, 1e-15, 1 - 1e-15)
    found: Floats = np.log(p / (1 - p))
    return found


def both_kinds(truth: Floats, name: str) -> None:
    """Raise unless there is something of both kinds to learn from."""
    if not truth.size or truth.min() == truth.max():
        raise RiskweaveError(
            f"`{name}` cannot learn: all {truth.size} events have the same truth; take a longer period"
        )
