"""One public set through this system, beside plain LightGBM: AUC, AP, Brier and ECE as JSON.

    python benchmarks/public/evaluate.py NAME --train A.parquet --test B.parquet
    python benchmarks/public/evaluate.py NAME DATA.parquet      # split by time, or by chance without

A stream (cards) is replayed, so that the test's features know the training's history; a table's rows stand
alone. `plain_lightgbm` is LightGBM with its defaults on the columns as they are (of a stream: with hour and
weekday).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
import pyarrow as pa
from sets import POLICIES, SETS, PublicSet, plain, read, split

from riskweave.learning.choose import choose
from riskweave.learning.collect import collect
from riskweave.learning.ranking import average_precision, roc_auc
from riskweave.learning.recipe import Recipe, default_features
from riskweave.learning.reliability import brier, expected_calibration_error
from riskweave.learning.train import train
from riskweave.policy.policy import Policy

START_S = 1_577_836_800
SHARES = {"feature_share": 0.5, "row_share": 0.8}
# Sizes of trees: which one is taken, cross-validation within the training rows decides.
PLAIN = {"trees": 100, "rate": 0.1, "leaves": 31, "l2": 0.0, "feature_share": 1.0, "row_share": 1.0}
SMALL = {"trees": 300, "rate": 0.03, "leaves": 15, "l2": 5.0, **SHARES}
LARGE = {"trees": 500, "rate": 0.06, "leaves": 31, "l2": 1.0, **SHARES}
SIZES = {"plain": PLAIN, "small": SMALL, "large": LARGE}
RECIPES = {
    **{name: Recipe(name, "gbdt", options=options, hold=0) for name, options in SIZES.items()},
    "all_sizes": Recipe("all_sizes", "blend", parts=dict.fromkeys(SIZES, 1.0)),
    "random_forest": Recipe(
        "random_forest", "random_forest", options={"trees": 150, "max_depth": 14}, hold=0
    ),
    "logistic_regression": Recipe("logistic_regression", "logistic_regression", options={"C": 0.1}, hold=0),
}
OTHERS = {"random_forest": 0.25, "logistic_regression": 0.15}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=sorted(SETS))
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--train", type=Path)
    parser.add_argument("--test", type=Path)
    given = parser.parse_args()
    which = SETS[given.name]
    if given.train and given.test:
        before, after = read(given.train, which), read(given.test, which)
        how = "as given"
    elif given.data:
        before, after = split(read(given.data, which), which)
        how = (
            f"last {which.test_share:.0%} by {which.time}"
            if which.time
            else f"{which.test_share:.0%} by chance"
        )
    else:
        sys.exit("give --train and --test, or one file to split")
    print(json.dumps({"set": given.name, "split": how} | evaluate(which, before, after), indent=1))


def evaluate(which: PublicSet, before: pa.Table, after: pa.Table) -> dict[str, Any]:
    """Return the figures of this system's models and of plain LightGBM on the same test rows."""
    before, after = alike(before, after)
    policy, table = (stream if which.policy else rows_alone)(which, before, after)
    started = time.perf_counter()
    dataset = collect(policy, [table])
    seconds = time.perf_counter() - started
    known = ~np.isnan(dataset.label)
    place = np.arange(len(dataset))
    learn = np.flatnonzero(known & (place < before.num_rows))
    test = np.flatnonzero(known & (place >= before.num_rows))
    truth = dataset.label[test]
    names = dataset.features() if which.policy else default_columns(dataset)
    found: dict[str, Any] = {
        "train": {"rows": int(learn.size), "positives": int(dataset.label[learn].sum())},
        "test": {"rows": int(test.size), "positives": int(truth.sum())},
        "replay_seconds": round(seconds, 2),
        "models": {},
    }
    recipes = {name: replace(each, features=tuple(names)) for name, each in RECIPES.items()}
    large = learn.size > 100_000
    candidates = [*SIZES] if large else [*SIZES, "all_sizes"]
    best, found["cross_validation"] = choose(
        candidates, recipes, dataset, learn, folds=2 if large else 4, by_time=bool(which.time)
    )
    found["chosen"] = best
    wanted = {"gbdt": recipes[best]}
    if not large:
        trees = recipes[best].parts or {best: 1.0}
        parts = {name: 0.6 / len(trees) for name in trees} | OTHERS
        wanted["blend"] = Recipe("blend", "blend", parts=parts, hold=0)
    for name, recipe in wanted.items():
        model = train(recipe, dataset, learn, recipes)
        found["models"][name] = figures(truth, model.score(test)) | {"seconds": round(model.seconds, 1)}
    found["models"]["plain_lightgbm"] = figures(
        truth, plain_lightgbm(table, which, learn, test, dataset.label)
    )
    return found


def default_columns(dataset: Any) -> list[str]:
    """Return what a table's rows offer: all that `default_features` takes, and whole numbers too."""
    taken = set(default_features(dataset))
    return [
        name
        for name, each in dataset.columns.items()
        if name in taken or (each.kind == "int" and name != "id")
    ]


def alike(before: pa.Table, after: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Return both with the columns that both have, of the same types."""
    names = [name for name in before.column_names if name in after.column_names]
    before, after = before.select(names), after.select(names)
    return before, after.cast(before.schema)


def rows_alone(which: PublicSet, before: pa.Table, after: pa.Table) -> tuple[Policy, pa.Table]:
    """Return a policy that reads every column as it is, and the rows with an id and a time."""
    if which.time:
        before, after = before.sort_by(plain(which.time)), after.sort_by(plain(which.time))
    table = pa.concat_tables([before, after])
    table = pa.table({name: as_plain(table[name]) for name in table.column_names})
    table = table.append_column("id", pa.array(np.arange(table.num_rows)))
    table = table.append_column("at", pa.array(np.arange(table.num_rows) + START_S))
    fields: dict[str, Any] = {"id": "int", "at": {"type": "time", "unit": "s"}, "fraud": "label"}
    for name in table.column_names:
        fields.setdefault(name, kind_of(table[name].type))
    events = {"row": {"id": "id", "time": "at", "fields": fields}}
    return Policy.from_dict({"policy": {"dedupe": "0s"}, "events": events}), table


def as_plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type) or pa.types.is_large_string(column.type):
        return column.cast(pa.string())
    return column.cast(pa.float64()) if pa.types.is_floating(column.type) else column


def kind_of(kind: pa.DataType) -> str:
    if pa.types.is_boolean(kind):
        return "bool"
    if pa.types.is_integer(kind):
        return "int"
    if pa.types.is_timestamp(kind):
        return "time"
    return "float" if pa.types.is_floating(kind) else "string"


def stream(which: PublicSet, before: pa.Table, after: pa.Table) -> tuple[Policy, pa.Table]:
    """Return the set's policy, and its events in order of time."""
    name = plain(which.time)
    table = pa.concat_tables([before.sort_by(name), after.sort_by(name)])
    table = pa.table({each: as_plain(table[each]) for each in table.column_names})
    if which.policy == "s_ffsd":
        table = table.append_column("at", pa.array(table["Time"].to_numpy() + START_S))
    if "id" in table.column_names:
        table = table.drop_columns(["id"])
    table = table.append_column("id", pa.array(np.arange(table.num_rows)))
    return Policy.read(POLICIES / f"{which.policy}.yaml"), table


def plain_lightgbm(
    table: pa.Table, which: PublicSet, learn: np.ndarray, test: np.ndarray, label: np.ndarray
) -> np.ndarray:
    """Return what LightGBM with its defaults makes of the raw columns; texts are its categories."""
    import lightgbm

    columns, categories = [], []
    for name in table.column_names:
        if name in ("fraud", "id", "at", plain(which.time)):
            continue
        column = table[name].combine_chunks()
        if pa.types.is_string(column.type):
            codes = column.dictionary_encode()
            if len(codes.dictionary) > 100:
                continue
            categories.append(len(columns))
            columns.append(codes.indices.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False))
        elif not pa.types.is_timestamp(column.type):
            columns.append(column.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False))
    if which.policy:
        seconds = seconds_of(table[plain(which.time)])
        columns += [seconds // 3600 % 24, seconds // 86_400 % 7]
    x = np.column_stack(columns)
    data = lightgbm.Dataset(
        x[learn], label[learn], categorical_feature=categories or "auto", params={"verbosity": -1}
    )
    options = {"objective": "binary", "num_threads": 1, "verbosity": -1, "seed": 0, "deterministic": True}
    return lightgbm.train(options, data, 100).predict(x[test])


def seconds_of(column: pa.ChunkedArray) -> np.ndarray:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("s"), safe=False).cast(pa.int64())
    return column.to_numpy()


def figures(truth: np.ndarray, score: np.ndarray) -> dict[str, float]:
    return {
        "auc": round(roc_auc(truth, score), 4),
        "ap": round(average_precision(truth, score), 4),
        "brier": round(brier(truth, score), 5),
        "ece": round(expected_calibration_error(truth, score), 4),
    }


if __name__ == "__main__":
    main()
