"""An evaluation as one HTML page that needs nothing else, and a model card beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from html import escape
from typing import Any

import numpy as np

from riskweave.learning.drawing import Line, plot
from riskweave.models.artifact import About, Artifact

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1b1f24; max-width: 960px;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem; border-bottom: 1px solid #d7dbe0 }
table { border-collapse: collapse; margin: .5rem 0 }
td, th { padding: .2rem .8rem .2rem 0; text-align: right }
td:first-child, th:first-child { text-align: left } th { font-weight: 600; border-bottom: 1px solid #d7dbe0 }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(340px, 1fr)); gap: 1rem }
svg { width: 100%; height: auto; background: #fff; border: 1px solid #e6e9ed; border-radius: 6px }
"""


DISTILLATION_HEADS = ("", "kind", "AUC", "AP", "Brier", "log loss", "ECE", "KiB")


def distillation_rows(found: Mapping[str, Any]) -> list[list[str]]:
    """Return teacher, student and the student without a teacher, and what the student loses, as cells."""
    names = ("auc", "ap", "brier", "log_loss", "ece")
    rows = [
        [
            name.replace("_", " "),
            found[name]["kind"],
            *(f"{found[name][each]:.4f}" for each in names),
            f"{found[name]['bytes'] / 1024:.0f}",
        ]
        for name in ("teacher", "student", "without_teacher")
    ]
    loss = ["student less teacher", "", *(f"{found['loss'][each]:+.4f}" for each in names), ""]
    return [*rows, loss]


def _distilled(found: Mapping[str, Any]) -> list[str]:
    """Return the lines of a model card about its teacher."""
    agreed = found["agreement"]
    return [
        f"It learned {found['soft']:.0%} of the word of the teacher {found['hash'][:16]} "
        f"and the truth for the rest; of {found['unlabelled']:,} events the teacher's word alone.",
        "",
        "| " + " | ".join(DISTILLATION_HEADS) + " |",
        "|" + "---|" * len(DISTILLATION_HEADS),
        *("| " + " | ".join(row) + " |" for row in distillation_rows(found)),
        "",
        f"Scores differ by {agreed['mean_abs_difference']:.4f} on average over {agreed['events']:,} later "
        f"events; rank correlation {agreed['rank_correlation']:.3f}; {agreed['same_riskiest_percent']:.0%} "
        "of the riskiest 1 % are the same.",
    ]


def html_report(title: str, found: Mapping[str, Any], about: About | None = None) -> str:
    """Return the page of one evaluation."""
    parts = [f"<h1>{escape(title)}</h1>", _summary(found)]
    if about is not None:
        parts.append(_training(about))
    parts.append('<div class="plots">' + "".join(_plots(found)) + "</div>")
    for name, lines in found.get("segments", {}).items():
        parts.append(f"<h2>By {escape(name)}</h2>" + _short_table("value", lines))
    parts.append("<h2>Over time</h2>" + _short_table("from", found.get("periods", [])))
    return page(title, "".join(parts))


def page(title: str, body: str) -> str:
    """Return a whole HTML page."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>{body}</body></html>\n"
    )


def table(heads: Sequence[str], lines: Sequence[Sequence[object]]) -> str:
    """Return a table; every value is escaped."""
    top = "".join(f"<th>{escape(head)}</th>" for head in heads)
    rows = "".join("<tr>" + "".join(f"<td>{_cell(each)}</td>" for each in line) + "</tr>" for line in lines)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{rows}</tbody></table>"


def _summary(found: Mapping[str, Any]) -> str:
    ranking, calibration = found["ranking"], found["calibration"]
    between = found.get("interval_95", {})
    lines: list[list[object]] = [
        ["AUC ROC", ranking["auc"], _between(between.get("auc"))],
        ["Average precision", ranking["ap"], _between(between.get("ap"))],
        [f"Precision at {ranking['k']}", ranking["precision_at_k"], ""],
        [f"Recall at {ranking['k']}", ranking["recall_at_k"], ""],
        *(
            [f"Recall at {float(rate):.1%} false positives", value, ""]
            for rate, value in ranking["recall_at_fpr"].items()
        ),
        ["Brier score", calibration["brier"], ""],
        ["Calibration error", calibration["ece"], ""],
        ["Log loss", calibration["log_loss"], ""],
    ]
    cards = found.get("cards")
    if cards:
        perfect = cards["perfect"]
        lines.append(
            [
                f"Card precision at {cards['k']} a day ({cards['entity']})",
                cards["precision"],
                f"perfect: {_cell(perfect)}",
            ]
        )
    share = found["frauds"] / max(found["events"], 1)
    return (
        f"<p>{found['events']:,} events from {found['from']} to {found['to']}, "
        f"{found['frauds']:,} with {escape(str(found['label']))} ({share:.2%}).</p>"
        + table(["", "", "95 % interval"], lines)
    )


def _training(about: About) -> str:
    training = about.training
    facts: list[list[object]] = [
        ["Kind", about.model.__struct_config__.tag],
        ["Features", len(about.features)],
        [
            "Trained on",
            f"{training.rows:,} events, {training.positives:,} frauds, "
            + _period(training.from_ms, training.until_ms),
        ],
        ["Training set", training.dataset[:16]],
        ["Policy version", training.policy[:16]],
        ["Calibration", about.calibration.curve.kind],
    ]
    return "<h2>The model</h2>" + table(["", ""], facts)


def _plots(found: Mapping[str, Any]) -> list[str]:
    curve, plots = found.get("curves") or {}, []
    if curve:
        even = Line("", [0, 1], [0, 1], dashed=True)
        roc = Line("", [0, *curve["false_positive_rate"], 1], [0, *curve["recall"], 1])
        plots.append(plot("ROC curve", "false-positive rate", "recall", [roc, even], 1, 1))
        plots.append(
            plot(
                "Precision and recall",
                "recall",
                "precision",
                [Line("", curve["recall"], curve["precision"])],
                1,
                1,
            )
        )
    diagram = found["calibration"]["diagram"]
    if diagram:
        plots.append(reliability_plot({"": diagram}))
    money = found.get("money")
    if money:
        reviewed = [each[0] for each in money["curve"]]
        lines = [Line("prevented", reviewed, [each[1] for each in money["curve"]])]
        if money["review_cost"]:
            lines.append(Line("less reviews", reviewed, [each[2] for each in money["curve"]]))
        # Beyond the place where nearly all is prevented there is nothing to see.
        most = max(lines[0].y)
        enough = next((x for x, y in zip(lines[0].x, lines[0].y, strict=True) if y >= 0.99 * most), 1)
        high = float(min(max(2 * enough, 10), reviewed[-1]))
        plots.append(
            plot(
                "Loss prevented",
                "events looked at",
                money["amount"],
                [up_to(each, high) for each in lines],
                high,
            )
        )
    periods = found.get("periods", [])
    if len(periods) > 1:
        names = [each["from"][5:] for each in periods]
        places = list(range(len(periods)))
        lines = [
            Line(title, places, [each[name] or 0.0 for each in periods], marks=True)
            for name, title in (("auc", "AUC"), ("ap", "average precision"))
        ]
        plots.append(plot("Over time", "", "", lines, max(len(periods) - 1, 1), 1, names))
    return plots


def reliability_plot(diagrams: Mapping[str, Sequence[Sequence[float]]]) -> str:
    """Return what was said against what came true, in powers of ten: most probabilities are small.

    Bins of fewer than 20 events are left out: chance would speak.
    """
    kept = {name: [each for each in bins if each[2] >= 20] for name, bins in diagrams.items()}
    lines = [
        Line(name, [each[3] for each in bins], [each[4] for each in bins], True)
        for name, bins in kept.items()
    ]
    least = min((value for line in lines for value in (*line.x, *line.y) if value > 0), default=0.01)
    even = Line("", [least, 1.0], [least, 1.0], dashed=True)
    title = "Reliability"
    return plot(title, "said", "came true", [*lines, even], 1, 1, key="top left", by_powers=True)


def up_to(line: Line, high: float) -> Line:
    """Return the part of a line up to x = `high`."""
    kept = [(x, y) for x, y in zip(line.x, line.y, strict=True) if x < high]
    kept.append((high, float(np.interp(high, line.x, line.y))))
    return replace(line, x=[x for x, _ in kept], y=[y for _, y in kept])


def _short_table(first: str, lines: Sequence[Mapping[str, Any]]) -> str:
    names = [first, "events", "frauds", "auc", "ap", "brier", "mean_score"]
    return table(names, [[each[name] for name in names] for each in lines])


def _between(pair: Sequence[float] | None) -> str:
    return "" if pair is None else f"{_cell(pair[0])} to {_cell(pair[1])}"


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) < 100 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else escape(str(value))


def _period(from_ms: int | None, until_ms: int | None) -> str:
    if from_ms is None or until_ms is None:
        return "unknown period"
    days = [datetime.fromtimestamp(each / 1000, UTC).date().isoformat() for each in (from_ms, until_ms - 1)]
    return f"{days[0]} to {days[1]}"


def model_card(name: str, artifact: Artifact, found: Mapping[str, Any] | None = None) -> str:
    """Return a model card (Markdown): what it is, from what, how good, and what it is not for."""
    about = artifact.about
    training = about.training
    lines = [
        f"# Model card: {name}",
        "",
        f"A `{artifact.kind}` model over {len(artifact.feature_names())} features; "
        f"artifact {artifact.hash[:16]}.",
        "",
        "| | |",
        "|---|---|",
        f"| trained on | {training.rows:,} events, {training.positives:,} frauds |",
        f"| period | {_period(training.from_ms, training.until_ms)} |",
        f"| training set | {training.dataset or 'unknown'} |",
        f"| policy version | {training.policy or 'unknown'} |",
        f"| calibration | {about.calibration.curve.kind} |",
        f"| seeds | {', '.join(f'{key} {value}' for key, value in about.seeds.items()) or 'none'} |",
        f"| made with | {', '.join(f'{key} {value}' for key, value in about.libraries.items())} |",
    ]
    if about.parity is not None:
        away, rows = about.parity.max_abs_difference, about.parity.rows
        lines.append(f"| parity with {about.parity.library} | {away:.2g} over {rows:,} rows |")
    lines += ["", "## Features", "", ", ".join(f"`{each}`" for each in artifact.feature_names())]
    if found is not None:
        ranking, calibration = found["ranking"], found["calibration"]
        lines += [
            "",
            "## Quality",
            "",
            f"Measured on {found['events']:,} later events ({found['from']} to {found['to']}, "
            f"{found['frauds']:,} frauds):",
            f"AUC {_cell(ranking['auc'])}, average precision {_cell(ranking['ap'])}, "
            f"Brier {_cell(calibration['brier'])}, calibration error {_cell(calibration['ece'])}.",
        ]
    taught = about.notes.get("distillation")
    if isinstance(taught, dict):
        lines += ["", "## Distilled", "", *_distilled(taught)]
    lines += [
        "",
        "## Limits",
        "",
        "It knows what its training period and labels showed: new kinds of fraud, other customers and",
        "late or wrong labels are outside of it. Compare its score with what comes true, by segment and over",
        "time, before and while it decides. Whom it treats otherwise, these figures do not tell alone.",
        "",
    ]
    return "\n".join(lines)
