"""What deciding costs: the money lost by ways to decide, on events whose truth is known.

    python benchmarks/decision/money.py TRAIN.parquet TEST.parquet --set card_fdh --json
    python benchmarks/decision/money.py TRAIN.parquet TEST.parquet --mapping mine.json --json

A mapping is a JSON object with the fields of `Mapping` below. TRAIN comes before TEST in time. The
first 60 % of TRAIN fit a model (LightGBM, one thread), the next 15 % calibrate it, the last 25 % (the
"training weeks") choose thresholds and count the network's tables. All ways to decide get the same
score, and pay by the same table of costs; only `utility` sees the amount beside it.

Loss is what an action brought less than the best action would have, had the truth been known; results
of step-ups and reviews are counted at their chances. Intervals: 2.5 % and 97.5 % of 2,000 bootstrap
samples of days (of 200 stretches of rows where the events have no time).
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from riskweave import Engine, Policy
from riskweave.batch import ACTIONS
from riskweave.decision.envelope import ends_of
from riskweave.decision.learned_bands import learn_bands
from riskweave.decision.money import NESTED, Costs
from riskweave.decision.networks.learning import Learner, LearningSpec
from riskweave.decision.networks.network import read_network
from riskweave.document import from_python

ROOT = Path(__file__).parents[2]
DRAWS = 2_000
SCORE_BANDS, AMOUNT_BANDS = 10, 4


@dataclass(frozen=True)
class Mapping:
    """What a file's columns mean, and what actions cost there (numbers as under `costs:` of a policy).

    With `policy` its named features (and its rules' risk) are what the model sees, over the whole
    history; without, all columns but `without`. `amount_per` divides the amount (100: cents).
    """

    label: str
    amount: str
    costs: dict[str, Any]
    positive: tuple[Any, ...] = (1, True)
    time: str = ""
    time_unit_s: float = 1.0
    amount_per: float = 1.0
    without: tuple[str, ...] = ()
    policy: str = ""
    warm_up_days: float = 0.0
    rename: dict[str, str] = field(default_factory=dict)
    large: float = 0.99


CARD = {
    "margin": "0.015 * amount",
    "insult": 15,
    "recovery": 0.1,
    "fine": 5,
    "mfa": {"fee": 0.05, "customer_passes": 0.96, "attacker_passes": 0.15, "drop_off": 0.03},
    "review": {"cost": 4, "detection": 0.9, "delay": 1},
}
SETS = {
    "card_fdh": Mapping(
        "TX_FRAUD", "AMOUNT_CENTS", CARD, time="TX_TIME_SECONDS", amount_per=100.0,
        policy="benchmarks/handbook/policy", warm_up_days=30,
    ),
    "card_sparkov": Mapping(
        "is_fraud", "amt", CARD, time="unix_time", policy="benchmarks/public/policies/sparkov.yaml",
        warm_up_days=30, rename={"is_fraud": "fraud"},
    ),
    "credit_uci_default": Mapping(
        "default.payment.next.month", "LIMIT_BAL",
        {
            "margin": "0.08 * amount", "insult": 200, "recovery": 0.55, "lost_margin": 0,
            "review": {"cost": 900, "detection": 0.5, "cleared": 0.95},
        },
        without=("ID",),
    ),
    "credit_lendingclub": Mapping(
        "loan_status", "funded_amnt_inv",
        {
            "margin": "0.1 * amount", "insult": 20, "recovery": 0.5, "lost_margin": 0,
            "review": {"cost": 60, "detection": 0.5, "cleared": 0.95},
        },
        time="issue_d", without=("id", "grade.1"),
    ),
    "card_evalml": Mapping(
        "fraud", "amount", CARD, time="datetime", amount_per=100.0, without=("id", "card_id"),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Events:
    """What is known of events: what the model sees, the truth, the amount, rules' risk, and the day."""

    features: np.ndarray
    fraud: np.ndarray
    amount: np.ndarray
    risk: np.ndarray
    day: np.ndarray

    def take(self, which: slice | np.ndarray) -> Events:
        return Events(
            *(each[which] for each in (self.features, self.fraud, self.amount, self.risk, self.day))
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--set", choices=sorted(SETS), help="the mapping of a known set")
    parser.add_argument("--mapping", type=Path, help="a mapping of your own (JSON)")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    arguments = parser.parse_args()
    if (arguments.set is None) == (arguments.mapping is None):
        sys.exit("say what the columns mean: --set NAME or --mapping FILE")
    mapping = SETS[arguments.set] if arguments.set else Mapping(**json.loads(arguments.mapping.read_text()))
    result = compare(mapping, pq.read_table(arguments.train), pq.read_table(arguments.test))
    print(json.dumps(result, indent=1) if arguments.json else text_of(result))


def compare(mapping: Mapping, train: pa.Table, test: pa.Table) -> dict[str, Any]:
    """Return the loss of every way to decide on the events of `test`."""
    before, after = load(mapping, train, test)
    fit_end, calibrate_end = int(0.6 * before.fraud.size), int(0.75 * before.fraud.size)
    fit, calibrate = before.take(slice(fit_end)), before.take(slice(fit_end, calibrate_end))
    weeks = before.take(slice(calibrate_end, None))
    model = learned(fit, calibrate)
    score_weeks, score = model(weeks.features), model(after.features)
    money_weeks, money = outcomes(mapping, weeks), outcomes(mapping, after)
    priced = [a for a in range(4) if not np.isnan(money[a]).all()]
    steps = [a for a in (1, 2) if a in priced]

    ways: dict[str, np.ndarray] = {"always pass": np.zeros(after.fraud.size, np.int64)}
    single = [[0, a] for a in priced if a > 0]
    double = [[0, a, 3] for a in steps]
    more = [[0, 1, 2, 3]] if len(steps) == 2 else []
    ways["best single threshold, in hindsight"] = best_thresholds(score, money, single)(score)
    ways["best two thresholds, in hindsight"] = best_thresholds(score, money, double or single)(score)
    chosen = best_thresholds(score_weeks, money_weeks, single + double + more)
    ways["best thresholds of the training weeks"] = chosen(score)
    ways["weighted"] = weighted(mapping, before, after, score)
    ways["utility"] = by_utility(mapping, weeks, score_weeks, after, score, network=True)
    ways["utility, the score believed"] = by_utility(mapping, weeks, score_weeks, after, score, network=False)
    best = np.nanmax(np.where(np.isnan(money), -np.inf, money), axis=0)
    rows = np.arange(after.fraud.size)
    losses = {name: best - money[actions, rows] for name, actions in ways.items()}
    return {
        "events": int(after.fraud.size),
        "frauds": int(after.fraud.sum()),
        "amount": float(after.amount.sum()),
        "average_precision": round(average_precision(after.fraud, score), 4),
        "loss_per_1000": table(losses, after.day),
        "saved_per_1000_beside_training_thresholds": {
            name: interval(losses["best thresholds of the training weeks"] - losses[name], after.day)
            for name in ("utility", "utility, the score believed")
        },
        "actions": {
            name: {ACTIONS[a]: int((actions == a).sum()) for a in range(4) if (actions == a).any()}
            for name, actions in ways.items()
        },
    }


# ---- data


def load(mapping: Mapping, train: pa.Table, test: pa.Table) -> tuple[Events, Events]:
    """Return the events of both files; features of a policy are computed over both, in order."""
    if mapping.time:
        train, test = train.sort_by(mapping.time), test.sort_by(mapping.time)
    table = pa.concat_tables([train, test])
    size = table.num_rows
    fraud = np.isin(table[mapping.label].to_numpy(zero_copy_only=False), list(mapping.positive))
    amount = table[mapping.amount].cast(pa.float64()).to_numpy() / mapping.amount_per
    day = np.arange(size) * 200 // size
    if mapping.time:
        times = table[mapping.time]
        if pa.types.is_timestamp(times.type):
            seconds = times.cast(pa.timestamp("us")).cast(pa.int64()).to_numpy() / 1e6
        else:
            seconds = times.to_numpy() * mapping.time_unit_s
        days = ((seconds - seconds[0]) // 86_400).astype(np.int64)
        if np.unique(days[train.num_rows :]).size >= 10:
            day = days
    if mapping.policy:
        features, risk = of_policy(mapping, table)
    else:
        features, risk = of_columns(mapping, table), np.zeros(size)
    # Rules of a policy, or the one that everybody has: very large amounts.
    large = np.quantile(amount[: train.num_rows], mapping.large)
    risk = np.where(amount > large, np.maximum(risk, 0.8), risk)
    events = Events(features, fraud, amount, risk, day)
    first = int(np.searchsorted(seconds, seconds[0] + mapping.warm_up_days * 86_400)) if mapping.time else 0
    return events.take(slice(first, train.num_rows)), events.take(slice(train.num_rows, None))


def of_policy(mapping: Mapping, table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    names = [mapping.rename.get(name, name) for name in table.column_names]
    columns = [
        each.cast(pa.string()) if pa.types.is_large_string(each.type) else each for each in table.columns
    ]
    table = pa.table(dict(zip(names, columns, strict=True)))
    if "id" not in names:
        table = table.append_column("id", pa.array(np.arange(table.num_rows)))
    decisions = Engine(Policy.read(ROOT / mapping.policy)).decide_many(table)
    if len(decisions) != table.num_rows:
        sys.exit(f"{len(decisions.rejected)} events cannot be read: {decisions.rejected[0].error}")
    return decisions.features.T.copy(), decisions.score


def of_columns(mapping: Mapping, table: pa.Table) -> np.ndarray:
    columns = []
    for name in table.column_names:
        column = table[name].combine_chunks()
        if name in (mapping.label, mapping.time, *mapping.without):
            continue
        if pa.types.is_large_string(column.type) or pa.types.is_string(column.type):
            codes = column.dictionary_encode()
            if len(codes.dictionary) > 500:
                continue
            column = codes.indices
        columns.append(column.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False))
    return np.column_stack(columns)


# ---- the model


def learned(fit: Events, calibrate: Events) -> Any:
    """Return a function from features to calibrated probabilities."""
    import lightgbm
    from sklearn.isotonic import IsotonicRegression

    options = {
        "objective": "binary", "num_threads": 1, "verbosity": -1, "seed": 0, "deterministic": True,
        "num_leaves": 31, "learning_rate": 0.05, "min_data_in_leaf": 50,
    }  # fmt: skip
    booster = lightgbm.train(options, lightgbm.Dataset(fit.features, fit.fraud.astype(float)), 150)
    curve = IsotonicRegression(y_min=1e-5, y_max=1 - 1e-5, out_of_bounds="clip")
    curve.fit(booster.predict(calibrate.features), calibrate.fraud)
    # A trace of the raw score keeps the order of events that one step of the curve would tie.
    return lambda features: curve.predict(raw := booster.predict(features)) + 1e-9 * raw


# ---- money


def outcomes(mapping: Mapping, events: Events) -> np.ndarray:
    """Return money[action, event], what each action brings now that the truth is known."""
    priced = [
        "PASS",
        "BLOCK",
        *(name.upper() for name in NESTED if name in mapping.costs and name != "block"),
    ]
    money = np.full((4, events.fraud.size), np.nan)
    per_amount: dict[float, dict[str, tuple[float, float]]] = {}
    for amount in np.unique(events.amount).tolist():
        per_amount[amount] = ends_of(Costs.of(flat_costs(mapping.costs, amount)), priced)
    for action in priced:
        ends = np.array([per_amount[amount][action] for amount in events.amount.tolist()])
        money[ACTIONS.index(action)] = np.where(events.fraud, ends[:, 0], ends[:, 1])
    return money


def flat_costs(costs: dict[str, Any], amount: float) -> dict[str, float]:
    """Return costs by name; a text such as `0.015 * amount` is a share of the amount."""
    flat = {"amount": amount}
    for name, each in costs.items():
        inner = (
            {f"{name}.{key}": value for key, value in each.items()}
            if isinstance(each, dict)
            else {name: each}
        )
        for key, value in inner.items():
            flat[key] = float(value.split("*")[0]) * amount if isinstance(value, str) else float(value)
    return flat


def best_thresholds(score: np.ndarray, money: np.ndarray, chains: list[list[int]]) -> Any:
    """Return the way to decide with the thresholds that would have brought most, over all of `chains`.

    Exact: events in order of score, the best cut between each action and the next by running maxima.
    Only between different scores can be cut.
    """
    order = np.argsort(score, kind="stable")
    ranked = score[order]
    cuttable = np.concatenate([[True], ranked[1:] > ranked[:-1], [True]])
    best: tuple[float, list[int], list[float]] = (-np.inf, [0], [])
    for chain in chains:
        sums = [np.concatenate([[0.0], np.cumsum(money[a][order])]) for a in chain]
        # worth[i]: the most that the first i events bring if the last of them get action k of the chain.
        worth, choices = sums[0], []
        for after in sums[1:]:
            ahead = np.where(cuttable, worth - after, -np.inf)
            running = np.maximum.accumulate(ahead)
            at = np.maximum.accumulate(np.where(ahead == running, np.arange(ahead.size), 0))
            choices.append(at)
            worth = running + after
        if worth[-1] > best[0]:
            cuts, end = [], score.size
            for at in reversed(choices):
                end = int(at[end])
                cuts.append(np.inf if end == score.size else float(ranked[end]))
            best = (float(worth[-1]), chain, cuts[::-1])
    _, chain, cuts = best
    actions = np.array(chain)
    return lambda new: actions[np.searchsorted(np.array(cuts), new, side="right")]


# ---- ways to decide


FIELDS = {
    "id": "int",
    "at": {"type": "time", "unit": "ms"},
    "amount": "float",
    "score": "float",
    "risk": "float",
}


def decide(decision: dict[str, Any], events: Events, score: np.ndarray) -> np.ndarray:
    """Return what riskweave does with the events under a section `decision:`."""
    policy = Policy.from_dict(
        {
            "policy": {"dedupe": "0s"},
            "events": {"event": {"id": "id", "time": "at", "fields": FIELDS}},
            "rules": [{"id": "known", "when": "risk > 0", "risk": "risk"}],
            "decision": decision,
        }
    )
    size = events.fraud.size
    table = pa.table(
        {
            "id": np.arange(size),
            "at": np.arange(size) + 1_600_000_000_000,
            "amount": events.amount,
            "score": score,
            "risk": events.risk,
        }
    )
    return Engine(policy).decide_many(table).action.astype(np.int64)


def weighted(mapping: Mapping, before: Events, after: Events, score: np.ndarray) -> np.ndarray:
    thresholds = {"review": 0.3, "block": 0.7}
    actions = decide({"integrator": "weighted", "model": "score", "thresholds": thresholds}, after, score)
    return actions if "review" in mapping.costs else np.where(actions == 2, 3, actions)


def by_utility(
    mapping: Mapping, weeks: Events, score_weeks: np.ndarray, after: Events, score: np.ndarray, network: bool
) -> np.ndarray:
    from sklearn.isotonic import IsotonicRegression

    section: dict[str, Any] = {"costs": {"amount": "amount", **mapping.costs}}
    if not network:
        # What is believed is calibrated on the training weeks: thresholds have seen them too.
        curve = IsotonicRegression(y_min=1e-5, y_max=1 - 1e-5, out_of_bounds="clip")
        curve.fit(score_weeks, weeks.fraud)
        return decide({**section, "belief": "score"}, after, curve.predict(score))
    cuts = {
        "score": learn_bands(
            score_weeks, weeks.fraud, bands_max=SCORE_BANDS, events_min=50, rising=True
        ).cuts,
        "amount": np.unique(np.quantile(weeks.amount, np.arange(1, AMOUNT_BANDS) / AMOUNT_BANDS)).tolist(),
    }
    nodes: dict[str, Any] = {"fraud": {"states": ["no", "yes"], "table": [0.5, 0.5]}}
    parents = ["fraud"]
    for name, each in cuts.items():
        states = [f"{name}{k}" for k in range(len(each) + 1)]
        flat = [1.0 / len(states)] * len(states)
        # Tree-augmented: the amount hangs on the score beside the truth, so nothing is counted twice.
        nodes[name] = {"states": states, "parents": list(parents), "table": {"default": flat}}
        parents.append(name)
    learner = Learner(
        read_network(from_python({"nodes": nodes}), None), LearningSpec(equivalent_sample_size=1.0)
    )
    codes = {
        "fraud": weeks.fraud.astype(np.int64),
        "score": np.searchsorted(cuts["score"], score_weeks, side="right"),
        "amount": np.searchsorted(cuts["amount"], weeks.amount, side="right"),
    }
    learner.add_many(codes)
    written = {name: {**each, "table": learner.network[name].table.tolist()} for name, each in nodes.items()}
    evidence = {name: {"value": name, "bands": each} for name, each in cuts.items() if each}
    return decide({**section, "network": {"nodes": written}, "evidence": evidence}, after, score)


# ---- figures


def table(losses: dict[str, np.ndarray], day: np.ndarray) -> dict[str, dict[str, float]]:
    return {name: interval(loss, day) for name, loss in losses.items()}


def interval(loss: np.ndarray, day: np.ndarray) -> dict[str, float]:
    """Return the mean per 1,000 events, and the interval over samples of days."""
    days, place = np.unique(day, return_inverse=True)
    sums, counts = np.bincount(place, weights=loss), np.bincount(place)
    picks = np.random.default_rng(0).integers(0, days.size, (DRAWS, days.size))
    means = 1000 * sums[picks].sum(axis=1) / counts[picks].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return {
        "mean": round(1000 * float(loss.mean()), 2),
        "low": round(float(low), 2),
        "high": round(float(high), 2),
    }


def average_precision(fraud: np.ndarray, score: np.ndarray) -> float:
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(fraud[order])
    return float((hits / np.arange(1, hits.size + 1))[fraud[order]].mean()) if fraud.any() else float("nan")


def text_of(result: dict[str, Any]) -> str:
    lines = [
        f"{result['events']:,} events, {result['frauds']:,} frauds",
        "",
        "| way to decide | loss per 1,000 events | 95 % |",
        "|---|---|---|",
    ]
    for name, each in result["loss_per_1000"].items():
        lines.append(f"| {name} | {each['mean']:,.0f} | {each['low']:,.0f} .. {each['high']:,.0f} |")
    lines.append("")
    for name, each in result["saved_per_1000_beside_training_thresholds"].items():
        lines.append(
            f"{name}: loses {each['mean']:,.0f} ({each['low']:,.0f} .. {each['high']:,.0f}) less than the "
            "best thresholds of the training weeks"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
