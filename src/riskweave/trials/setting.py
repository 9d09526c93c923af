"""What a scenario's trial is made of: how much of the city, which seeds, which model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from riskweave import scenarios
from riskweave.errors import RiskweaveError, did_you_mean
from riskweave.learning.recipe import Recipe, read_recipes

TRIAL_FILE = "trial.json"
EXPECTED_FILE = "expected.json"
RECIPES_FILE = "models/recipes.yaml"

# Makes a scenario's labelled table: (scenario, events, seed, days, share of fraud).
Simulate = Callable[[str, int, int, int, float | None], Any]


class Setting(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`trial.json` of a scenario.

    `events` over `days` are simulated from `seed`, a share of them `frauds` (None: the world's own); the
    first `history` of the time fills the policy's memory, the rest judges. The policy's reviewers are
    as many as that city needs: a larger one has more of them. The shipped model learns from another
    city, `model_events` from `model_seed`. `unknown` are the typologies left out of training in turn.
    `network`: the nodes of network.bif and their parents beside `fraud`.
    """

    events: int = 40_000
    days: int = 60
    seed: int = 7
    frauds: float | None = None
    history: float = 0.5
    model: str = "gbdt"
    model_events: int = 80_000
    model_seed: int = 101
    unknown: tuple[str, ...] = ()
    network: dict[str, tuple[str, ...]] = {}


@dataclass(frozen=True)
class Scenario:
    """A ready policy's folder and its trial."""

    code: str
    folder: Path
    setting: Setting

    def recipes(self) -> dict[str, Recipe]:
        """Return how the scenario's models are trained."""
        return read_recipes(self.folder / RECIPES_FILE)

    @property
    def title(self) -> str:
        """Return the first heading of its README."""
        readme = self.folder / "README.md"
        first = readme.read_text(encoding="utf-8").partition("\n")[0] if readme.exists() else ""
        return first.removeprefix("# ").strip()


def codes() -> list[str]:
    """Return the scenarios that have a trial."""
    return [name for name in scenarios.names() if (scenarios.folder(name) / TRIAL_FILE).exists()]


def scenario(code: str) -> Scenario:
    """Return a scenario by its code; raises RiskweaveError with the nearest name."""
    if code not in codes():
        hint = did_you_mean(code, codes()) or f"there are: {', '.join(codes())}"
        raise RiskweaveError(f"there is no scenario `{code}`; {hint}")
    folder = scenarios.folder(code)
    try:
        setting = msgspec.json.decode((folder / TRIAL_FILE).read_bytes(), type=Setting)
    except msgspec.DecodeError as error:
        raise RiskweaveError(f"{code}/{TRIAL_FILE}: {error}") from None
    return Scenario(code, folder, setting)


def simulate(code: str, events: int, seed: int, days: int, frauds: float | None) -> Any:
    """Return the world's table of a scenario."""
    from riskweave.simulation import world

    return world.simulate(code, events, seed, days=days, fraud_share=frauds)


def typologies(code: str) -> tuple[str, ...]:
    """Return the kinds of attack of a scenario's world."""
    from riskweave.simulation import world

    return world.typologies(code)
