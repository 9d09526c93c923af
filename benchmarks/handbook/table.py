"""The JSON of evaluate.py as a table in Markdown: each model's mean, and its folds.

python benchmarks/handbook/evaluate.py ... > found.json
python benchmarks/handbook/table.py found.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

FIGURES = ("auc", "ap", "cp100")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("found", type=Path, nargs="+")
    for path in parser.parse_args().found:
        print(table(json.loads(path.read_text())))


def table(found: dict[str, Any]) -> str:
    """Return one table of the models, and one of the delays where there is more than one."""
    protocol = found["protocol"]
    tests = [f"test {each}" for each in protocol["tests"]]
    alone = found.get("independent", {})
    heads = ["model", "AUC", "AP", "CP@100", *tests, *(["alone: AUC, AP, CP@100"] if alone else [])]
    lines = [
        f"Delay {protocol['delay_days']} days, {protocol['folds']} folds; a perfect oracle has CP@100 "
        f"{found['perfect']['cp100']:.3f}.",
        "",
        *_head(heads),
    ]
    for name, figures in found["models"].items():
        cells = [name, *(f"{figures[each]:.3f}" for each in FIGURES)]
        cells += [_three(fold) for fold in figures["folds"]]
        if alone:
            cells.append(_three(alone[name]) if name in alone else "-")
        lines.append(_row(cells))
    delays = found.get("delays", {})
    if len(delays) > 1:
        names = list(found["models"])
        lines += ["", *_head(["delay in days", *names])]
        for delay in sorted(delays, key=int):
            lines.append(_row([delay, *(_three(delays[delay][name]) for name in names)]))
    return "\n".join(lines)


def _three(figures: dict[str, float]) -> str:
    return ", ".join(f"{figures[each]:.3f}" for each in FIGURES)


def _head(cells: list[str]) -> list[str]:
    return [_row(cells), "|" + "---|" * len(cells)]


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
