"""The arena: kinds of models on the same events, same split, side by side."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskweave.learning.dataset import Dataset
from riskweave.learning.drawing import Line, bars, plot
from riskweave.learning.evaluate import calibration_figures, ranking_figures
from riskweave.learning.ranking import curves
from riskweave.learning.recipe import Recipe
from riskweave.learning.report import page, table
from riskweave.learning.sample import Sample
from riskweave.learning.scoring import has_sequences, sample_for, score_sample, size_of
from riskweave.learning.splits import Split
from riskweave.learning.train import train
from riskweave.learning.trainers.trainer import Progress, silent
from riskweave.models.artifact import Artifact, Lstm
from riskweave.models.scorer import Scorer

Floats = NDArray[np.float64]

SIX = ("logistic_regression", "rbf_svm", "random_forest", "gbdt", "mlp", "lstm")

HEADS = ("model", "auc", "ap", "brier", "ece", "train s", "one event us", "rows/s", "KiB")


def compare(
    dataset: Dataset,
    split: Split,
    recipes: Mapping[str, Recipe],
    names: Sequence[str] = SIX,
    progress: Progress = silent,
) -> list[dict[str, Any]]:
    """Train each recipe on the split's training events and measure it on its test; one line per model."""
    lines = []
    truth = dataset.label[split.test]
    for name in names:
        progress(f"{name}: training")
        model = train(recipes[name], dataset, split.train, recipes, progress=progress)
        score = model.score(split.test)
        lines.append(
            {
                "model": name,
                **ranking_figures(truth, score),
                **calibration_figures(truth, score),
                "curves": curves(truth, score, 200),
                "seconds_to_train": model.seconds,
                "bytes": size_of(model.artifact),
                **speed(model.artifact, dataset, split),
            }
        )
    return lines


def speed(artifact: Artifact, dataset: Dataset, split: Split, calls: int = 300) -> dict[str, float | None]:
    """Return the median time of one event, and rows a second of many, by the kernels from Python."""
    if has_sequences(artifact):
        return {"one_event_us": None, "rows_per_second": None}
    sample = sample_for(artifact, dataset, split.test[:20_000])
    if not len(sample):
        return {"one_event_us": None, "rows_per_second": None}
    score_sample(artifact, sample.at(sample.rows[:2]))  # the first call compiles or loads
    started = time.perf_counter()
    score_sample(artifact, sample)
    rows_per_second = len(sample) / (time.perf_counter() - started)
    return {"one_event_us": _one_event_us(artifact, sample, calls), "rows_per_second": rows_per_second}


def _one_event_us(artifact: Artifact, sample: Sample, calls: int) -> float:
    scorer = Scorer(artifact, sample.names)
    model = artifact.about.model
    took = []
    sequences = isinstance(model, Lstm)
    if isinstance(model, Lstm):
        places, lengths = sample.sequences(model.entity, model.steps, model.horizon_ms)
    for k in range(calls):
        one = sample.at(sample.rows[k % len(sample) : k % len(sample) + 1])
        if sequences:
            inputs = sample.x[places[k % len(sample)]][None]
            counts = lengths[k % len(sample)][None]
            started = time.perf_counter_ns()
            scorer.score(inputs, lengths=counts)
        else:
            inputs = one.inputs
            started = time.perf_counter_ns()
            scorer.score(inputs)
        took.append(time.perf_counter_ns() - started)
    return float(np.median(took)) / 1000


def row_of(line: Mapping[str, Any]) -> list[object]:
    """Return a line of the arena as the cells of its table."""
    one, many = line["one_event_us"], line["rows_per_second"]
    return [
        line["model"],
        *(round(line[name], 4) for name in ("auc", "ap", "brier", "ece")),
        round(line["seconds_to_train"], 1),
        None if one is None else round(one, 1),
        None if many is None else int(many),
        line["bytes"] // 1024,
    ]


def picture(lines: Sequence[Mapping[str, Any]], title: str) -> str:
    """Return the arena as one HTML page: the table, precision-recall and ROC curves, bars."""
    names = [line["model"] for line in lines]
    pr = [Line(line["model"], line["curves"]["recall"], line["curves"]["precision"]) for line in lines]
    roc = [
        Line(line["model"], [0, *line["curves"]["false_positive_rate"]], [0, *line["curves"]["recall"]])
        for line in lines
    ]
    body = f"<h1>{title}</h1>" + table(HEADS, [row_of(line) for line in lines])
    body += '<div class="plots">' + "".join(
        [
            bars("Average precision", names, [line["ap"] for line in lines], 1.0),
            bars(
                "One event, microseconds (median, from Python)",
                names,
                [line["one_event_us"] for line in lines],
            ),
            plot("Precision and recall", "recall", "precision", pr, 1, 1),
            plot(
                "ROC, up to 10 % false positives", "false-positive rate", "recall", _until(roc, 0.1), 0.1, 1
            ),
        ]
    )
    return page(title, body + "</div>")


def _until(lines: Sequence[Line], most: float) -> list[Line]:
    """Return the part of each line whose x is at most `most`."""
    found = []
    for line in lines:
        kept = [(x, y) for x, y in zip(line.x, line.y, strict=True) if x <= most]
        found.append(Line(line.name, [x for x, _ in kept], [y for _, y in kept]))
    return found
