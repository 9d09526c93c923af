"""What a score and its explanation cost, beside the libraries that train the models: CPU time, one core.

    taskset -c 1 python benchmarks/scoring.py [--rounds 9]

Prints JSON. What stands in one table is measured in turns, round by round, on the same inputs; a
figure is the median over rounds, and so is a ratio to a peer (of the ratios within rounds): what else
the machine does meets all of them. A riskweave score includes everything from the batch's columns to
the calibrated score; a peer gets its row ready made. `differs` is the greatest difference from that
peer, of probabilities (of contributions: of log-odds).
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import lightgbm as lgb
import numpy as np
import onnxruntime
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from riskweave.batch import Batch, Layout, empty_batch
from riskweave.expressions.types import Type
from riskweave.models import tree_shap
from riskweave.models.artifact import About, Artifact, Blend, Feature, Lstm, Part
from riskweave.models.curves import make_curves
from riskweave.models.exporting import graph_of
from riskweave.models.importing import from_lightgbm, from_sklearn
from riskweave.models.inputs import make_inputs
from riskweave.models.plan import ModelPlan, ModelsPlan, ModelsState, Scoring, step
from riskweave.models.runners import make_runner
from riskweave.models.scorer import Scorer

Matrix = np.ndarray[Any, Any]
Run = tuple[Callable[[int], object], int]

INPUTS = 30
HIDDEN = 64
STEPS = 10
NAMES = tuple(Feature(name=f"f{k}") for k in range(INPUTS))
ROWS = 20_000
SINGLES = 500


class Models:
    """Models of one task: LR, 200 trees of 31 leaves, MLP 30-64-32-1, LSTM(64); and rows to score."""

    def __init__(self, rows: int = ROWS) -> None:
        rng = np.random.default_rng(0)
        self.X = X = rng.normal(size=(rows, INPUTS))
        noise = rng.normal(size=rows)
        y = (X[:, 0] * X[:, 1] + X[:, 2:8].sum(axis=1) + noise > 1.0).astype(int)
        settings = {"objective": "binary", "num_leaves": 31, "num_threads": 1, "verbose": -1, "seed": 0}
        self.gbdt = lgb.train({**settings, "learning_rate": 0.05}, lgb.Dataset(X, y), 200)
        self.lr = LogisticRegression().fit(X, y)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # three rounds do not converge, and cost what three hundred would
            net = MLPClassifier((64, 32), max_iter=3, random_state=0).fit(X, y)
        torch.set_num_threads(1)
        torch.manual_seed(0)
        self.mlp = _as_torch(net)
        self.lstm = torch.nn.LSTM(INPUTS, HIDDEN, batch_first=True).requires_grad_(False)
        self.head = torch.nn.Linear(HIDDEN, 1).requires_grad_(False)
        self.artifacts = {
            "lr": from_sklearn(self.lr, NAMES),
            "gbdt": from_lightgbm(self.gbdt, NAMES),
            "mlp": from_sklearn(net, NAMES),
            "lstm": self._lstm(),
        }

    def _lstm(self) -> Artifact:
        learned = {name: each.numpy().astype(float) for name, each in self.lstm.state_dict().items()}
        weights = {name.removesuffix("_l0"): each for name, each in learned.items()}
        weights["weight_0"] = self.head.weight.numpy().astype(float)
        weights["bias_0"] = self.head.bias.numpy().astype(float)
        return Artifact(About(model=Lstm(entity="card", steps=STEPS), features=NAMES), weights)

    def lstm_score(self, sequences: Any) -> Any:
        """Return torch's probabilities of sequences (rows, steps, inputs)."""
        return torch.sigmoid(self.head(self.lstm(sequences)[1][0][0]))

    def only(self, *names: str) -> dict[str, Artifact]:
        """Return some of the artifacts."""
        return {name: self.artifacts[name] for name in names}


def _as_torch(net: MLPClassifier) -> Any:
    layers: list[Any] = []
    for weight, bias in zip(net.coefs_, net.intercepts_, strict=True):
        layer = torch.nn.Linear(*weight.shape, dtype=torch.float64)
        layer.weight.data, layer.bias.data = torch.from_numpy(weight.T.copy()), torch.from_numpy(bias)
        layers += [layer, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1], torch.nn.Sigmoid()).requires_grad_(False)


class Scored:
    """Some models as a policy has them, and batches that go through."""

    def __init__(self, artifacts: Mapping[str, Artifact]) -> None:
        self.layout = Layout()
        rows = [self.layout.add(each.name, Type.FLOAT, 0).index for each in NAMES]
        key = self.layout.add_key("card")
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
            raw, score = (self.layout.add(f"{name}.{each}", Type.FLOAT, 4).index for each in ("raw", "score"))
            plans.append(ModelPlan(name, "", False, False, raw, score, scoring=scoring))
            if artifact.kind == "lstm":
                sequences.append(scoring)
        self.first_row = rows[0]
        self.plan = ModelsPlan(tuple(plans), tuple(sequences))
        self.state = ModelsState.create(self.plan)

    def batch(self, X: Matrix, first: int, size: int, keys: int = 100) -> Batch:
        """Return a decoded batch of some rows, in order of time; keys take turns."""
        batch = empty_batch(self.layout, size)
        batch.values[self.first_row : self.first_row + INPUTS] = X[first : first + size].T
        batch.keys[0] = 1 + (first + np.arange(size)).astype(np.uint64) % keys
        batch.time_ms[:] = 1_000 * (first + 1)
        batch.watermark_ms[:] = batch.time_ms
        return batch

    def singles(self, X: Matrix, keys: int = 100) -> Run:
        """Return a run of one event after the other."""
        batches = [self.batch(X, k, 1, keys) for k in range(min(SINGLES, len(X)))]
        now = itertools.count(batches[-1].time_ms[0] + 1)

        def run(call: int) -> None:
            # Later than all before it: a late event would find its sequence full, and be scored alone.
            batch = batches[call]
            batch.time_ms[0] = batch.watermark_ms[0] = next(now)
            step(self.plan, self.state, batch)

        return run, len(batches)


def in_turns(runs: Mapping[str, Run], rounds: int) -> dict[str, list[float]]:
    """Return the CPU seconds of a call by name, one figure a round; a run is a function and its calls."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for run, calls in runs.values():
        for call in range(min(calls, 100)):
            run(call)
    for _ in range(rounds):
        for name, (run, calls) in runs.items():
            started = time.process_time()
            for call in range(calls):
                run(call)
            found[name].append((time.process_time() - started) / calls)
    return found


def medians(found: Mapping[str, list[float]]) -> dict[str, float]:
    """Return median microseconds by name, and how many times as fast riskweave was as each peer."""
    told = {f"{name}_us": round(1e6 * float(np.median(each)), 2) for name, each in found.items()}
    for name, each in found.items():
        if name != "riskweave":
            told[f"times_{name}"] = round(float(np.median(np.divide(each, found["riskweave"]))), 2)
    return told


def session(artifact: Artifact) -> Any:
    """Return onnxruntime on the graph that riskweave writes, on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(graph_of(artifact), options, providers=["CPUExecutionProvider"])


def one_event(models: Models, rounds: int) -> dict[str, Any]:
    """LR, GBDT and MLP on one event; onnxruntime has all three in one graph."""
    three = models.only("lr", "gbdt", "mlp")
    parts = tuple(Part(name=name, weight=1.0 / 3.0) for name in three)
    blend = Artifact(About(model=Blend(parts=parts)), parts=three)
    graph, rows = session(blend), [models.X[k : k + 1].copy() for k in range(SINGLES)]
    tensors = [torch.from_numpy(row) for row in rows]

    def libraries(call: int) -> None:
        models.lr.predict_proba(rows[call])
        models.gbdt.predict(rows[call], num_threads=1)
        models.mlp(tensors[call])

    runs: dict[str, Run] = {
        "riskweave": Scored(three).singles(models.X),
        "onnxruntime": (lambda call: graph.run(None, {"X": rows[call]}), SINGLES),
        "libraries": (libraries, 100),
    }
    runs |= {name: Scored({name: each}).singles(models.X) for name, each in three.items()}
    found = in_turns(runs, rounds)
    X = models.X[:2000]
    ours = {name: Scorer(each).score(X) for name, each in three.items()}
    theirs = {
        "lr": models.lr.predict_proba(X)[:, 1],
        "gbdt": models.gbdt.predict(X),
        "mlp": models.mlp(torch.from_numpy(X)).numpy()[:, 0],
    }
    return {
        **medians({name: found[name] for name in ("riskweave", "onnxruntime", "libraries")}),
        "alone_us": {name: round(1e6 * float(np.median(found[name])), 2) for name in three},
        "differs_from_libraries": float(max(np.abs(ours[name] - theirs[name]).max() for name in three)),
        "differs_from_onnxruntime": float(
            np.abs(Scorer(blend).score(X) - graph.run(None, {"X": X})[0][:, 0]).max()
        ),
    }


def lstm(models: Models, rounds: int) -> dict[str, Any]:
    """LSTM(64) over the last 10 events of a key; riskweave keeps them itself, peers are handed them."""
    scored = Scored(models.only("lstm"))
    ours = scored.singles(models.X, keys=5)  # the first calls, which are not counted, fill the sequences
    graph, ten = session(models.artifacts["lstm"]), np.array([STEPS])
    some = models.X[: SINGLES * STEPS].reshape(-1, STEPS, INPUTS)
    rows = [some[k : k + 1].copy() for k in range(len(some))]
    tensors = [torch.from_numpy(row).float() for row in rows]
    found = in_turns(
        {
            "riskweave": ours,
            "onnxruntime": (lambda call: graph.run(None, {"X": rows[call], "lengths": ten}), len(rows)),
            "torch": (lambda call: models.lstm_score(tensors[call]), 200),
        },
        rounds,
    )
    score = Scorer(models.artifacts["lstm"]).score(some)
    lengths = np.full(len(some), STEPS)
    return {
        **medians(found),
        "differs_from_torch": float(
            np.abs(score - models.lstm_score(torch.from_numpy(some).float()).numpy()[:, 0]).max()
        ),
        "differs_from_onnxruntime": float(
            np.abs(score - graph.run(None, {"X": some, "lengths": lengths})[0][:, 0]).max()
        ),
    }


def gbdt_batch(models: Models, rounds: int) -> dict[str, Any]:
    """The 200 trees on all rows at once."""
    scored, X = Scored(models.only("gbdt")), models.X
    batch, graph = scored.batch(X, 0, len(X)), session(models.artifacts["gbdt"])
    found = in_turns(
        {
            "riskweave": (lambda _: step(scored.plan, scored.state, batch), 1),
            "lightgbm": (lambda _: models.gbdt.predict(X, num_threads=1), 1),
            "onnxruntime": (lambda _: graph.run(None, {"X": X}), 1),
        },
        rounds,
    )
    ours = batch.values[scored.plan.models[0].score_row]
    told = {name: each for name, each in medians(found).items() if name.startswith("times")}
    return {
        "rows": len(X),
        **{f"{name}_per_s": round(len(X) / float(np.median(each))) for name, each in found.items()},
        **told,
        "differs_from_lightgbm": float(np.abs(ours - models.gbdt.predict(X)).max()),
        "differs_from_onnxruntime": float(np.abs(ours - graph.run(None, {"X": X})[0][:, 0]).max()),
    }


def contributions(models: Models, rounds: int) -> dict[str, Any]:
    """TreeSHAP of the 200 trees for one event."""
    started = time.process_time()
    shap = tree_shap.prepare(models.artifacts["gbdt"].weights)
    shap.contributions(models.X[:1])
    prepared = time.process_time() - started
    rows = [models.X[k : k + 1].copy() for k in range(SINGLES)]
    found = in_turns(
        {
            "riskweave": (lambda call: shap.contributions(rows[call]), SINGLES),
            "lightgbm": (lambda call: models.gbdt.predict(rows[call], pred_contrib=True, num_threads=1), 20),
        },
        rounds,
    )
    X = models.X[:500]
    theirs = models.gbdt.predict(X, pred_contrib=True)[:, :-1]
    return {
        **medians(found),
        "prepare_s": round(prepared, 2),
        "table_bytes": shap.nbytes,
        "differs_from_lightgbm": float(np.abs(shap.contributions(X) - theirs).max()),
    }


def measure(rounds: int, rows: int = ROWS) -> dict[str, Any]:
    """Return all figures."""
    models = Models(rows)
    return {
        "rounds": rounds,
        "one_event": one_event(models, rounds),
        "lstm": lstm(models, rounds),
        "gbdt_batch": gbdt_batch(models, max(3, rounds // 3)),
        "contributions": contributions(models, rounds),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    print(json.dumps(measure(parser.parse_args().rounds), indent=1))


if __name__ == "__main__":
    main()
