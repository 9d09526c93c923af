"""The Handbook's protocol through this system: replay, train, score, AUC, AP and Card Precision@100 as JSON.

    python benchmarks/handbook/evaluate.py --train-start 2018-07-04 --folds 2 --delay 7 EVENTS.parquet...

Fold k trains on 7 days from the train start + 7 k days on, waits for the delay, and tests 7 days. Cards known
to be compromised are left out of the test as the book does. `book` models see the book's features
(policy/), `richer` ones those of richer/, both as the replay gives them, both with the labels' delay inside.
Richer models learn from the same 7 days; `--richer-days 7,28` adds `..._28d`, from 28 days to the same day.
`--independent` adds the same models by scikit-learn, LightGBM and XGBoost alone on features by DuckDB;
`--delays 1,3,7` shows, for the same test weeks, what earlier labels are worth.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
from oracle import RAW_DEFAULT, present

from riskweave.learning.bootstrap import intervals
from riskweave.learning.cards import best_card_precision, card_precision
from riskweave.learning.collect import collect
from riskweave.learning.dataset import Dataset
from riskweave.learning.ranking import auc_of, average_precision, average_precision_of, roc_auc
from riskweave.learning.recipe import Recipe, read_recipes
from riskweave.learning.reliability import brier, expected_calibration_error
from riskweave.learning.splits import DAY_MS, Split, prequential, without_known_compromised
from riskweave.learning.train import train
from riskweave.policy.policy import Policy

HERE = Path(__file__).parent
WEEK_MS = 7 * DAY_MS
K = 100
BOOK = ("decision_tree_2", "logistic_regression", "random_forest", "xgboost", "lightgbm")
RICHER = ("richer_gbdt", "richer_blend")
FIGURES = ("auc", "ap", "cp100")


def main() -> None:
    given = arguments()
    events = [present(path, "the file of raw transactions") for path in given.events]
    start_ms = moment(given.train_start)
    test_ms = start_ms + WEEK_MS + given.delay * DAY_MS
    wanted = given.models.split(",") if given.models else [*BOOK, *RICHER]
    richer_days = [int(each) for each in given.richer_days.split(",")]
    result: dict[str, Any] = {
        "protocol": {
            "train_start": given.train_start,
            "train_days": 7,
            "delay_days": given.delay,
            "test_days": 7,
            "folds": given.folds,
            "tests": [day(test_ms + k * WEEK_MS) for k in range(given.folds)],
            "richer_train_days": richer_days,
        },
        "models": {},
    }
    delays = [int(each) for each in given.delays.split(",")] if given.delays else []
    for delay in dict.fromkeys([given.delay, *delays]):
        found = evaluate(events, test_ms, given.folds, delay, wanted, richer_days, given.draws)
        if delay == given.delay:
            result |= found
        if delays:
            slim = {
                name: {each: figures[each] for each in FIGURES} for name, figures in found["models"].items()
            }
            result.setdefault("delays", {})[str(delay)] = slim
    if given.independent:
        import independent

        result["independent"] = independent.run(events, start_ms, given.folds, given.delay, wanted)
        result["greatest_difference"] = greatest_difference(result)
    print(json.dumps(result, indent=1))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("events", type=Path, nargs="*", default=[RAW_DEFAULT])
    parser.add_argument("--train-start", default="2018-07-04")
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--delay", type=int, default=7, help="days until a truth is known")
    parser.add_argument("--delays", default="", help="compare these delays on the same test weeks, as 1,3,7")
    parser.add_argument("--models", default="", help=f"of {', '.join(BOOK)}, or of richer.yaml")
    parser.add_argument("--richer-days", default="7", help="days that richer models learn from")
    parser.add_argument("--draws", type=int, default=0, help="bootstrap draws over customers for intervals")
    parser.add_argument("--independent", action="store_true", help="also run without this system")
    return parser.parse_args()


def evaluate(
    events: list[Path],
    test_ms: int,
    folds: int,
    delay: int,
    wanted: list[str],
    richer_days: list[int],
    draws: int,
) -> dict[str, Any]:
    """Return every model's figures at one delay; the test weeks start at `test_ms`."""
    recipes = read_recipes(HERE / "richer.yaml") | read_recipes(HERE / "book.yaml")
    absent = [name for name in wanted if name not in recipes]
    if absent:
        sys.exit(f"there is no recipe {', '.join(absent)}")
    models: dict[str, Any] = {}
    facts: dict[str, Any] = {"models": models}
    for folder, group in (
        ("policy", [n for n in wanted if "richer" not in n]),
        ("richer", [n for n in wanted if "richer" in n]),
    ):
        if not group:
            continue
        periods = [7] if folder == "policy" else richer_days
        first_ms = test_ms - delay * DAY_MS - max(periods) * DAY_MS
        started = time.perf_counter()
        dataset = collect(
            policy(HERE / folder, delay),
            events,
            from_ms=first_ms,
            to_ms=test_ms + folds * WEEK_MS,
            delay_ms=delay * DAY_MS,
        )
        seconds = time.perf_counter() - started
        splits = folds_of(dataset, test_ms - delay * DAY_MS - WEEK_MS, folds, delay)
        if any(not split.test.size for split in splits):
            sys.exit(
                f"the events end before the last test week ({day(test_ms + (folds - 1) * WEEK_MS)}) begins"
            )
        facts.setdefault("replay", {})[folder] = {
            "events": sum(count(path) for path in events),
            "seconds": round(seconds, 2),
            "fingerprint": dataset.fingerprint,
        }
        facts["perfect"] = {"cp100": mean([best(dataset, split) for split in splits])}
        for days in periods:
            for name in group:
                said = name if days == 7 else f"{name}_{days}d"
                models[said] = measure(dataset, splits, recipes, name, days, draws)
    return facts


def measure(
    dataset: Dataset, splits: list[Split], recipes: dict[str, Recipe], name: str, days: int, draws: int
) -> dict[str, Any]:
    """Train and test one model on every fold."""
    recipe = recipes[name]
    if recipe.features is None:
        recipe = replace(recipe, features=("TX_AMOUNT", *dataset.features()))
        recipes = {**recipes} | {
            part: replace(recipes[part], features=recipe.features) for part in recipe.parts
        }
    found, started = [], time.perf_counter()
    for split in splits:
        rows = split.train
        if days != 7:
            # Another period up to the same last day: every truth in it is known when the test begins.
            within = (dataset.time_ms >= split.train_to_ms - days * DAY_MS) & (
                dataset.time_ms < split.train_to_ms
            )
            rows = np.flatnonzero(within)
        model = train(recipe, dataset, rows, recipes)
        found.append(figures(dataset, split, model.score(split.test), draws))
    print(f"{name}: {found}", file=sys.stderr)
    return {
        **{each: mean([fold[each] for fold in found]) for each in FIGURES},
        "folds": found,
        "seconds": round(time.perf_counter() - started, 2),
    }


def figures(dataset: Dataset, split: Split, score: np.ndarray, draws: int) -> dict[str, Any]:
    """Return the figures of one test week."""
    truth, card = dataset.label[split.test], dataset.column("CUSTOMER_ID").values[split.test]
    days = dataset.time_ms[split.test] // DAY_MS
    found: dict[str, Any] = {
        "test": day(split.test_from_ms),
        "auc": roc_auc(truth, score),
        "ap": average_precision(truth, score),
        "cp100": card_precision(days, card, truth, score, K)[0],
        "brier": brier(truth, score),
        "ece": expected_calibration_error(truth, score),
        "events": int(truth.size),
        "frauds": int(truth.sum()),
    }
    if draws:
        wanted = {"auc": auc_of, "ap": average_precision_of}
        found["interval_95"] = intervals(truth, score, card, wanted, draws)
    return found


def folds_of(dataset: Dataset, start_ms: int, folds: int, delay: int) -> list[Split]:
    """Return the folds, cards known to be compromised left out of their tests."""
    splits = prequential(
        dataset.time_ms, dataset.known_ms, dataset.label, start_ms, WEEK_MS, delay * DAY_MS, WEEK_MS, folds
    )
    card = dataset.keys["customer"]
    return [without_known_compromised(split, dataset.time_ms, card, dataset.label, delay) for split in splits]


def best(dataset: Dataset, split: Split) -> float:
    rows = split.test
    card, days = dataset.column("CUSTOMER_ID").values[rows], dataset.time_ms[rows] // DAY_MS
    return best_card_precision(days, card, dataset.label[rows], K)


def policy(folder: Path, delay: int) -> Policy:
    """Return a policy of this benchmark with another delay of the labels."""
    with tempfile.TemporaryDirectory() as place:
        for file in ("policy.yaml", "features.yaml"):
            text = (folder / file).read_text()
            text = text.replace('delay="7d"', f'delay="{delay}d"').replace("delay: 7d", f"delay: {delay}d")
            (Path(place) / file).write_text(text)
        return Policy.read(place)


def greatest_difference(result: dict[str, Any]) -> dict[str, float]:
    """Return how far each figure of this system is from the independent run's, at most."""
    both = [name for name in result["independent"] if name in result["models"]]
    return {
        each: max(abs(result["models"][name][each] - result["independent"][name][each]) for name in both)
        for each in FIGURES
    }


def mean(values: list[float]) -> float:
    return float(np.mean(values))


def count(path: Path) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)


def moment(text: str) -> int:
    return int(datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC).timestamp() * 1000)


def day(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).date().isoformat()


if __name__ == "__main__":
    main()
