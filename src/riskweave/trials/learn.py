"""The light model of a scenario, trained on simulated history."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from riskweave.errors import RiskweaveError
from riskweave.learning.collect import collect
from riskweave.learning.dataset import Dataset
from riskweave.learning.evaluate import evaluate as judge
from riskweave.learning.splits import shares_by_time
from riskweave.learning.train import train
from riskweave.models.artifact import Artifact, write
from riskweave.policy.definitions import definition
from riskweave.policy.policy import Policy
from riskweave.trials.network import NETWORK_FILE, learn_network
from riskweave.trials.setting import Scenario, Simulate, simulate
from riskweave.trials.variants import features_alone

TEST_SHARE = 0.3
LIGHT_BYTES_MAX = 200_000


@dataclass(frozen=True)
class Learned:
    """A model that was written: its hash, size, and how it ranked later events of the same city."""

    code: str
    name: str
    hash: str
    bytes: int
    rows: int
    frauds: int
    auc: float | None
    average_precision: float | None


def train_shipped(scenario: Scenario, folder: Path | None = None, source: Simulate = simulate) -> Learned:
    """Train the scenario's model in a city of its own and write it into the scenario (or `folder`)."""
    setting = scenario.setting
    table = source(scenario.code, setting.model_events, setting.model_seed, setting.days, setting.frauds)
    policy = features_alone(Policy.read(scenario.folder))
    found = collect(policy, [table])
    split = shares_by_time(found.time_ms, found.known_ms, found.label, TEST_SHARE)
    artifact, score = _trained(scenario, policy, found, split.train)
    judged = judge(found, split.test, score(split.test))
    ranking = judged["ranking"]
    artifact = artifact.with_about(metrics={**ranking, **judged["calibration"]})
    home = scenario.folder if folder is None else folder
    target = home / "models" / setting.model
    digest = write(target, artifact)
    if setting.network:
        with with_model(scenario, artifact) as copy:
            late = split.test
            bif = learn_network(copy, setting.network, table, late, found.label[late] == 1.0)
        (home / NETWORK_FILE).write_text(bif, encoding="utf-8")
    size = sum(file.stat().st_size for file in target.iterdir())
    if size > LIGHT_BYTES_MAX:
        raise RiskweaveError(
            f"`{scenario.code}`: the model has {size:,} bytes, a shipped one at most {LIGHT_BYTES_MAX:,}; "
            "take fewer trees or leaves"
        )
    return Learned(
        scenario.code,
        setting.model,
        digest,
        size,
        int(split.train.size),
        int(np.nansum(found.label[split.train])),
        ranking["auc"],
        ranking["ap"],
    )


def train_on(scenario: Scenario, table: Any) -> Artifact:
    """Return the scenario's model, learned from all of a table whose truth is known."""
    policy = features_alone(Policy.read(scenario.folder))
    found = collect(policy, [table])
    return _trained(scenario, policy, found, np.flatnonzero(~np.isnan(found.label)))[0]


@contextmanager
def with_model(scenario: Scenario, artifact: Artifact) -> Iterator[Path]:
    """Give a copy of the scenario's folder with another model in it."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / scenario.code
        shutil.copytree(scenario.folder, folder)
        target = folder / "models" / scenario.setting.model
        shutil.rmtree(target, ignore_errors=True)
        write(target, artifact)
        yield folder


def _trained(scenario: Scenario, policy: Policy, found: Dataset, rows: Any) -> tuple[Artifact, Any]:
    recipes = scenario.recipes()
    name = scenario.setting.model
    if name not in recipes:
        raise RiskweaveError(f"`{scenario.code}`: models/recipes.yaml has no recipe `{name}`")
    meanings = {column: definition(policy, column) for column in found.columns}
    made = train(recipes[name], found, rows, recipes, meanings)
    return made.artifact, made.score
