"""A trial: one simulated city, decided three ways, and what each caught and saved.

- `policy`: as shipped.
- `rules`: its rules, tables and patterns by their greatest risk and the policy's bands.
- `model`: its model alone, weighed by the same costs.

The first part of the time is history (windows fill, labels arrive); the rest judges. Reviewers have
the policy's `capacity.per_hour`: reviews beyond a day's share of it are let pass, in every way alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from riskweave.decision.plan import UtilityPlan
from riskweave.engine.decisions import Decisions, Kept
from riskweave.engine.engine import Engine
from riskweave.errors import RiskweaveError, did_you_mean
from riskweave.learning.splits import DAY_MS
from riskweave.models.artifact import read
from riskweave.policy.policy import Policy
from riskweave.trials.learn import train_on, with_model
from riskweave.trials.money import Prices, worth_of
from riskweave.trials.setting import Scenario, Simulate, simulate, typologies
from riskweave.trials.variants import model_alone, rules_alone

PASS, MFA, REVIEW, BLOCK = range(4)
WAYS = ("policy", "rules", "model")

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def evaluate(
    scenario: Scenario,
    seed: int | None = None,
    events: int | None = None,
    unknown: Sequence[str] | None = None,
    retrain: bool = False,
    source: Simulate = simulate,
) -> dict[str, Any]:
    """Put a scenario on trial; the scenario's own setting says what is not given.

    `unknown` are typologies to leave out of training in turn (`()`: none), which needs LightGBM, as
    `retrain` does: the model then learns from this city's history instead of being the shipped one.
    """
    setting = scenario.setting
    seed = setting.seed if seed is None else seed
    wanted = setting.events if events is None else events
    table = source(scenario.code, wanted, seed, setting.days, setting.frauds)
    left_out = setting.unknown if unknown is None else tuple(unknown)
    truth = Truth.of(table, setting.history)
    for name in left_out:
        if name not in typologies(scenario.code):
            hint = did_you_mean(name, typologies(scenario.code))
            raise RiskweaveError(f"the world of `{scenario.code}` has no typology `{name}`; {hint}")
    policy = Policy.read(scenario.folder)
    if retrain:
        with with_model(scenario, train_on(scenario, table.slice(0, truth.first))) as folder:
            runs = _runs(scenario, Policy.read(folder), table, truth)
            model_hash = read(folder / "models" / setting.model).hash
    else:
        runs = _runs(scenario, policy, table, truth)
        model_hash = read(scenario.folder / "models" / setting.model).hash
    prices = Prices.of(runs["policy"].kept)
    judged = {way: _judged(run, truth, prices) for way, run in runs.items()}
    return {
        "scenario": scenario.code,
        "seed": seed,
        "events": table.num_rows,
        "days": setting.days,
        "currency": policy.settings.currency,
        "trained": {"name": setting.model, "hash": model_hash, "retrained": retrain},
        "test": {
            "events": int(truth.rows.size),
            "days": round(truth.test_days, 2),
            "frauds": int(truth.fraud.sum()),
            "loss": round(float(truth.loss.sum()), 2),
            "reviews_a_day": runs["policy"].reviews_a_day,
        },
        **{way: judged[way][0] for way in WAYS},
        "typologies": {
            name: {
                **truth.size_of(name),
                **{way: _caught(runs[way], truth, truth.typology == name) for way in WAYS},
            }
            for name in truth.typologies()
        },
        "signs": _signs(runs["policy"].decided, truth),
        "unknown": _unknown(left_out, scenario, table, truth),
    }


@dataclass(frozen=True)
class Truth:
    """What really was, of the events that judge (`rows` of the table, from `first` on)."""

    first: int
    rows: Ints
    time_ms: Ints
    fraud: Flags
    typology: NDArray[np.object_]
    campaign: NDArray[np.object_]
    loss: Floats

    @classmethod
    def of(cls, table: pa.Table, history: float) -> Truth:
        """Cut the table: a share `history` of its time comes before."""
        time_ms = table["at"].cast(pa.int64()).to_numpy()
        start, end = int(time_ms[0]), int(time_ms[-1]) + 1
        first = int(np.searchsorted(time_ms, start + round(history * (end - start))))
        test = table.slice(first)
        loss = pc.cast(test["loss"], pa.float64()).fill_null(0.0).to_numpy()
        return cls(
            first,
            np.arange(first, table.num_rows),
            time_ms[first:],
            test["fraud"].fill_null(False).to_numpy(),
            np.array(test["typology"].fill_null("").to_pylist(), object),
            np.array(test["campaign"].fill_null("").to_pylist(), object),
            loss,
        )

    @property
    def test_days(self) -> float:
        return float((self.time_ms[-1] - self.time_ms[0]) / DAY_MS)

    def typologies(self) -> list[str]:
        """Return the kinds of fraud that there are, by name."""
        return sorted(set(self.typology[self.fraud].tolist()))

    def size_of(self, typology: str) -> dict[str, object]:
        """Return how much of a typology there is."""
        which = self.fraud & (self.typology == typology)
        return {
            "events": int(which.sum()),
            "campaigns": len(set(self.campaign[which].tolist())),
            "loss": round(float(self.loss[which].sum()), 2),
        }


@dataclass(frozen=True)
class Run:
    """What one way of deciding did with the events that judge."""

    action: NDArray[np.int8]
    decided: Decisions
    reviews_a_day: int | None
    let_go: int

    @property
    def kept(self) -> Kept | None:
        return self.decided.kept


def _runs(scenario: Scenario, policy: Policy, table: pa.Table, truth: Truth) -> dict[str, Run]:
    model = scenario.setting.model
    ways = {"policy": policy, "rules": rules_alone(policy), "model": model_alone(policy, model)}
    found: dict[str, Run] = {}
    capacity: float | None = None
    for way, variant in ways.items():
        decided, engine = _decided(variant, table, truth)
        if way == "policy":
            plan = engine.plan.decision
            if isinstance(plan, UtilityPlan) and plan.per_hour is not None:
                capacity = plan.per_hour * 24 * table.num_rows / scenario.setting.events
        found[way] = _with_reviewers(decided, capacity, truth)
    return found


def _decided(policy: Policy, table: pa.Table, truth: Truth) -> tuple[Decisions, Engine]:
    engine = Engine(policy)
    parts = []
    for decisions in engine.decide_blocks(table):
        if decisions.rejected:
            raise RiskweaveError(
                f"the policy `{policy.name}` cannot read its world: {decisions.rejected[0].error}"
            )
        parts.append(decisions.take(np.flatnonzero(decisions.rows >= truth.first)))
    decided = Decisions.joined(parts)
    assert np.array_equal(decided.rows, truth.rows)
    return decided, engine


def _with_reviewers(decided: Decisions, a_day: float | None, truth: Truth) -> Run:
    """Let pass what reviewers have no time for: each day's first reviews are done."""
    action = decided.action.copy()
    if a_day is None:
        return Run(action, decided, None, 0)
    daily = max(round(a_day), 1)
    reviews = np.flatnonzero(action == REVIEW)
    day = (truth.time_ms[reviews] - truth.time_ms[0]) // DAY_MS
    begins = np.searchsorted(day, day)  # where each review's day begins: time ascends
    late = reviews[np.arange(reviews.size) - begins >= daily]
    action[late] = PASS
    return Run(action, decided, daily, int(late.size))


def _judged(run: Run, truth: Truth, prices: Prices) -> tuple[dict[str, Any], Floats]:
    """Return what a way of deciding caught, whom it bothered, and what it was worth."""
    worth = worth_of(prices, run.action, truth.fraud, truth.loss, run.kept)
    fraud, good = truth.fraud, ~truth.fraud
    bothered = good & (run.action != PASS)
    stopped = fraud & (run.action != PASS)
    alarms = int(bothered.sum() + stopped.sum())
    told = {
        **_caught(run, truth, fraud),
        "precision": _share(int(stopped.sum()), alarms),
        "false_positives": int(bothered.sum()),
        "false_positive_rate": _share(int(bothered.sum()), int(good.sum())),
        "blocked_good": int((good & (run.action == BLOCK)).sum()),
        "actions": dict(
            zip(
                ("PASS", "MFA", "REVIEW", "BLOCK"), np.bincount(run.action, minlength=4).tolist(), strict=True
            )
        ),
        "reviews_let_go": run.let_go,
        "prevented": round(float(worth[fraud].sum()), 2),
        "cost_of_good": round(float(-worth[good].sum()), 2),
        "net": round(float(worth.sum()), 2),
    }
    return told, worth


def _signs(decided: Decisions, truth: Truth) -> dict[str, dict[str, list[int]]]:
    """Return for each rule and pattern how often it fired, and on how many frauds."""
    counts = np.diff(decided.hit_start)
    fired = {"rules": (decided.hit_rule, np.repeat(truth.fraud, counts), list(decided.rule_ids))}
    if decided.patterns is not None:
        names = [each.name for each in decided.patterns.plan.patterns]
        times = np.repeat(truth.fraud, np.diff(decided.patterns.start))
        fired["patterns"] = (decided.patterns.number, times, names)
    return {
        kind: {
            name: [int((which == k).sum()), int((of_fraud & (which == k)).sum())]
            for k, name in enumerate(names)
        }
        for kind, (which, of_fraud, names) in fired.items()
    }


def _caught(run: Run, truth: Truth, which: Flags) -> dict[str, Any]:
    """Return how much of the frauds in `which` was stopped or asked about: events, campaigns, money."""
    fraud = truth.fraud & which
    stopped = fraud & (run.action != PASS)
    campaigns = set(truth.campaign[fraud].tolist())
    loss = float(truth.loss[fraud].sum())
    return {
        "caught": int(stopped.sum()),
        "recall": _share(int(stopped.sum()), int(fraud.sum())),
        "campaign_recall": _share(len(set(truth.campaign[stopped].tolist())), len(campaigns)),
        "loss_recall": _share(float(truth.loss[stopped].sum()), loss),
    }


def _share(part: float, whole: float) -> float | None:
    return round(part / whole, 4) if whole else None


# ---- typologies that training never saw


def _unknown(
    names: Sequence[str], scenario: Scenario, table: pa.Table, truth: Truth
) -> dict[str, dict[str, Any]]:
    """Return what is caught of typologies with and without their examples in training, each in its turn."""
    history = table.slice(0, truth.first)
    found: dict[str, dict[str, Any]] = {}
    seen = _learned_from(history, scenario, table, truth) if names else {}
    for name in names:
        rest = history.filter(pc.not_equal(history["typology"].fill_null(""), name))
        unseen = _learned_from(rest, scenario, table, truth)
        which = truth.typology == name
        found[name] = {
            what: {way: _caught(runs[way], truth, which) for way in ("policy", "model")}
            for what, runs in (("seen", seen), ("unseen", unseen))
        }
        found[name]["rules"] = _caught(unseen["rules"], truth, which)
    return found


def _learned_from(history: pa.Table, scenario: Scenario, table: pa.Table, truth: Truth) -> dict[str, Run]:
    with with_model(scenario, train_on(scenario, history)) as folder:
        return _runs(scenario, Policy.read(folder), table, truth)


def with_setting(scenario: Scenario, **changes: Any) -> Scenario:
    """Return the same scenario with another setting."""
    import msgspec

    return replace(scenario, setting=msgspec.structs.replace(scenario.setting, **changes))
