"""What a score costs, beside the libraries that train the models: CPU seconds, medians, one core.

    taskset -c 1 python benchmarks/scoring.py [--json]

Every figure is measured in this one run on the same inputs. A call of a batch of one includes
everything from the batch's columns to the calibrated score.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import lightgbm as lgb
import numpy as np

from riskweave.batch import Batch, Layout, empty_batch
from riskweave.expressions.types import Type
from riskweave.models import tree_shap
from riskweave.models.artifact import About, Artifact, Feature, Linear, Lstm, Mlp
from riskweave.models.curves import make_curves
from riskweave.models.exporting import to_onnx
from riskweave.models.importing import from_lightgbm
from riskweave.models.inputs import make_inputs
from riskweave.models.plan import ModelPlan, ModelsPlan, ModelsState, Scoring, step
from riskweave.models.runners import make_runner

INPUTS = 30
NAMES = tuple(Feature(name=f"f{k}") for k in range(INPUTS))
ROWS = 20_000


def cpu_seconds(run: Callable[[int], object], calls: int, repeats: int = 7) -> float:
    """Return the median CPU seconds of a call; `run` gets the number of the call."""
    run(0)
    found = []
    for _ in range(repeats):
        started = time.process_time()
        for call in range(calls):
            run(call)
        found.append((time.process_time() - started) / calls)
    return float(np.median(found))


def booster() -> tuple[Any, np.ndarray[Any, Any]]:
    """Return 200 trees of 31 leaves over 30 columns, and rows to score."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(ROWS, INPUTS))
    y = (X[:, 0] * X[:, 1] + X[:, 2:8].sum(axis=1) + rng.normal(size=ROWS) > 1.0).astype(int)
    settings = {"objective": "binary", "num_leaves": 31, "num_threads": 1, "verbose": -1, "seed": 0}
    return lgb.train({**settings, "learning_rate": 0.05}, lgb.Dataset(X, y), 200), X


def networks() -> dict[str, Artifact]:
    """Return the other models, with drawn weights: what they say costs the same."""
    rng = np.random.default_rng(1)

    def dense(*sizes: int) -> dict[str, Any]:
        weights = {}
        for k, (wide, units) in enumerate(pairwise(sizes)):
            weights[f"weight_{k}"] = rng.normal(size=(units, wide)) / np.sqrt(wide)
            weights[f"bias_{k}"] = rng.normal(size=units)
        return weights

    scaled = {"input_mean": np.zeros(INPUTS), "input_scale": np.ones(INPUTS)}
    return {
        "lr": Artifact(
            About(model=Linear(), features=NAMES),
            {"coefficients": rng.normal(size=INPUTS), "intercept": np.zeros(1), **scaled},
        ),
        "mlp": Artifact(
            About(model=Mlp(activations=("relu", "relu", "identity")), features=NAMES),
            {**dense(INPUTS, 64, 32, 1), **scaled},
        ),
        "lstm": Artifact(
            About(model=Lstm(entity="card", steps=10), features=NAMES),
            {
                "weight_ih": rng.normal(size=(256, INPUTS)) / 8,
                "weight_hh": rng.normal(size=(256, 64)) / 8,
                "bias_ih": rng.normal(size=256),
                "bias_hh": rng.normal(size=256),
                **dense(64, 1),
            },
        ),
    }


def policy_of(artifacts: dict[str, Artifact]) -> tuple[ModelsPlan, ModelsState, Layout]:
    """Return a plan of these models over one layout."""
    layout = Layout()
    rows = [layout.add(each.name, Type.FLOAT, 0).index for each in NAMES]
    key = layout.add_key("card")
    plans, sequences = [], []
    for name, artifact in artifacts.items():
        scoring = Scoring(
            path=name,
            artifact=artifact,
            inputs=make_inputs(artifact.about, artifact.weights, rows),
            runner=make_runner(artifact),
            curves=make_curves(artifact.about.calibration),
            key_row=key,
        )
        raw, score = (layout.add(f"{name}.{each}", Type.FLOAT, 4).index for each in ("raw", "score"))
        plans.append(ModelPlan(name, "", False, False, raw, score, scoring=scoring))
        if artifact.kind == "lstm":
            sequences.append(scoring)
    plan = ModelsPlan(tuple(plans), tuple(sequences))
    return plan, ModelsState.create(plan), layout


def filled(layout: Layout, X: np.ndarray[Any, Any], first: int, size: int) -> Batch:
    batch = empty_batch(layout, size)
    batch.values[2 : 2 + INPUTS] = X[first : first + size].T
    batch.keys[0] = 1 + np.arange(size, dtype=np.uint64) % 100
    batch.time_ms[:] = 1_000 * (first + 1)
    batch.watermark_ms[:] = batch.time_ms
    return batch


def measure() -> dict[str, float]:
    """Return figures by name; names end in their unit."""
    trained, X = booster()
    others = networks()
    gbdt = from_lightgbm(trained, NAMES)
    found: dict[str, float] = {}

    def one_event(artifacts: dict[str, Artifact]) -> float:
        plan, state, layout = policy_of(artifacts)
        batches = [filled(layout, X, k, 1) for k in range(500)]
        return 1e6 * cpu_seconds(lambda call: step(plan, state, batches[call]), len(batches))

    found["lr_gbdt_mlp_us"] = one_event({"lr": others["lr"], "gbdt": gbdt, "mlp": others["mlp"]})
    found["lr_us"] = one_event({"lr": others["lr"]})
    found["gbdt_us"] = one_event({"gbdt": gbdt})
    found["mlp_us"] = one_event({"mlp": others["mlp"]})
    plan, state, layout = policy_of({"lstm": others["lstm"]})
    batches = [filled(layout, X, k, 1) for k in range(500)]
    for k, each in enumerate(batches):
        each.keys[0] = 1 + k % 5
        step(plan, state, each)  # sequences are full from here on
    found["lstm_64_10_steps_us"] = 1e6 * cpu_seconds(lambda call: step(plan, state, batches[call]), 500, 5)

    plan, state, layout = policy_of({"gbdt": gbdt})
    batch = filled(layout, X, 0, ROWS)
    found["gbdt_rows_per_s"] = ROWS / cpu_seconds(lambda _: step(plan, state, batch), 1)
    found["lightgbm_rows_per_s"] = ROWS / cpu_seconds(lambda _: trained.predict(X, num_threads=1), 1, 3)
    single = [X[k : k + 1].copy() for k in range(200)]
    found["lightgbm_one_us"] = 1e6 * cpu_seconds(
        lambda call: trained.predict(single[call], num_threads=1), 200, 3
    )

    shap = tree_shap.prepare(gbdt.weights)
    found["tree_shap_us"] = 1e6 * cpu_seconds(lambda call: shap.contributions(single[call]), 200)
    rows = X[:200].copy()
    found["lightgbm_pred_contrib_us"] = (
        1e6 / 200 * cpu_seconds(lambda _: trained.predict(rows, pred_contrib=True, num_threads=1), 1, 3)
    )
    away = np.abs(shap.contributions(rows) - trained.predict(rows, pred_contrib=True)[:, :-1]).max()
    found["tree_shap_max_difference"] = float(away)

    for name, artifact in (("gbdt", gbdt), ("mlp", others["mlp"])):
        runner: Any = make_runner(to_onnx(artifact))
        found[f"onnxruntime_{name}_us"] = 1e6 * cpu_seconds(
            lambda call, r=runner: r.raw(single[call]), 200, 3
        )
        if name == "gbdt":
            found["onnxruntime_gbdt_rows_per_s"] = ROWS / cpu_seconds(lambda _, r=runner: r.raw(X), 1, 3)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    figures = measure()
    if parser.parse_args().json:
        print(json.dumps(figures, indent=1))
        return
    for name, figure in figures.items():
        print(f"{name:32} {figure:14,.4g}" if figure < 1e-6 else f"{name:32} {figure:14,.1f}")


if __name__ == "__main__":
    main()
