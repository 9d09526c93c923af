"""The arena: kinds of models on the same events, same split, side by side."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskweave.learning.dataset import Dataset
from riskweave.learning.drawing import Line, bars, plot, sheet
from riskweave.learning.evaluate import calibration_figures, ranking_figures
from riskweave.learning.ranking import curves
from riskweave.learning.recipe import Recipe
from riskweave.learning.report import page, reliability_plot, table, up_to
from riskweave.learning.sample import Sample
from riskweave.learning.scoring import has_sequences, sample_for, score_sample, size_of
from riskweave.learning.splits import Split
from riskweave.learning.train import train
from riskweave.learning.trainers.trainer import Progress, silent
from riskweave.models.artifact import Artifact, Lstm
from riskweave.models.scorer import Scorer

Floats = NDArray[np.float64]

SIX = ("logistic_regression", "rbf_svm", "random_forest", "gbdt", "mlp", "lstm")

HEADS = ("model", "auc", "ap", "brier", "ece", "train s", "one event µs", "rows/s", "KiB")


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
    sample = sample_for(artifact, dataset, split.test[:20_000])
    if not len(sample):
        return {"one_event_us": None, "rows_per_second": None}
    score_sample(artifact, sample.at(sample.rows[:2]))  # the first call compiles or loads
    started = time.perf_counter()
    score_sample(artifact, sample)
    rows_per_second = len(sample) / (time.perf_counter() - started)
    one = None if has_sequences(artifact) else _one_event_us(artifact, sample, calls)
    return {"one_event_us": one, "rows_per_second": rows_per_second}


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


def row_of(line: Mapping[str, Any]) -> list[str]:
    """Return a line of the arena as the cells of its table."""
    one, many = line["one_event_us"], line["rows_per_second"]
    return [
        line["model"],
        *(f"{line[name]:.4f}" for name in ("auc", "ap", "brier", "ece")),
        f"{line['seconds_to_train']:.1f}",
        "-" if one is None else f"{one:.1f}",
        "-" if many is None else f"{many:,.0f}",
        f"{line['bytes'] / 1024:,.0f}",
    ]


def picture(lines: Sequence[Mapping[str, Any]], title: str) -> str:
    """Return the arena as one HTML page: the table and the plots."""
    body = f"<h1>{escape(title)}</h1>" + table(HEADS, [row_of(line) for line in lines])
    return page(title, body + '<div class="plots">' + "".join(plots(lines)) + "</div>")


def drawing(lines: Sequence[Mapping[str, Any]], title: str) -> str:
    """Return the arena as one SVG picture."""
    return sheet(title, HEADS, [row_of(line) for line in lines], plots(lines))


def plots(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the plots: how well the models rank, whether their probabilities come true, what they cost."""
    names = [line["model"] for line in lines]

    def curve(across: str, up: str, start: Sequence[float]) -> list[Line]:
        return [
            Line(line["model"], [*start[:1], *line["curves"][across]], [*start[1:], *line["curves"][up]])
            for line in lines
        ]

    roc = [up_to(line, 0.1) for line in curve("false_positive_rate", "recall", (0.0, 0.0))]

    def cost(head: str, name: str, scale: float = 1.0) -> str:
        values = [None if line[name] is None else line[name] * scale for line in lines]
        return bars(head, names, values, by_powers=True)

    return [
        bars("Average precision", names, [line["ap"] for line in lines], 1.0),
        plot(
            "Precision and recall",
            "recall",
            "precision",
            curve("recall", "precision", ()),
            1,
            1,
            key="bottom left",
        ),
        plot(
            "ROC, up to 10 % false positives",
            "false-positive rate",
            "recall",
            roc,
            0.1,
            1,
            key="bottom right",
        ),
        bars("Brier score (less is better)", names, [line["brier"] for line in lines]),
        bars("Calibration error (less is better)", names, [line["ece"] for line in lines]),
        reliability_plot({line["model"]: line["diagram"] for line in lines}),
        cost("Seconds to train (each step tenfold)", "seconds_to_train"),
        cost("One event, microseconds (median, from Python; tenfold)", "one_event_us"),
        cost("Rows a second in a batch (tenfold)", "rows_per_second"),
    ]
