"""Pictures of how cost grows, one message each: python -m benchmarks.plots (from the results kept)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import RESULTS

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"

# Okabe and Ito's blue and orange: told apart by everyone, and in print.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#5F6670"


@dataclass(frozen=True)
class Curve:
    """One plot: the series in growth.json, its axis, what it is about, and what is held fixed."""

    series: str
    axis: str
    about: str
    fixed: str
    log: bool = True


CURVES = (
    Curve("rules", "rules in the policy", "Rules: {} times as many",
          "two or three comparisons each over 20 fields, every rule evaluated, every hit returned"),
    Curve("features", "features on one entity", "Features: {} times as many",
          "count, sum, mean, max, min and std over up to 42 window lengths; features share one history"),
    Curve("entities", "entities in the policy", "Entities: {} times as many",
          "two windows each, 20,000 keys each: an event is remembered once per entity", log=False),
    Curve("window_length_s", "window length", "Windows: {} times as long",
          "count, sum, max and std over one window; 100 keys, 480 events a day"),
    Curve("keys", "keys remembered", "State: {} times as many keys",
          "four windows on one entity; each event meets a key at random"),
)  # fmt: skip

_LENGTHS = {
    1: "1 s",
    60: "1 min",
    600: "10 min",
    3_600: "1 h",
    86_400: "1 d",
    604_800: "7 d",
    8_640_000: "100 d",
}


def growth(result: Mapping[str, Any]) -> list[Path]:
    """Draw every curve; return the files."""
    import matplotlib as mpl

    mpl.use("Agg")
    PICTURES.mkdir(parents=True, exist_ok=True)
    return [_draw(curve, result[curve.series]) for curve in CURVES if curve.series in result]


def message(curve: Curve, points: list[list[float]]) -> str:
    """Return what the picture says, from its first and its last point."""
    times, cost = points[-1][0] / points[0][0], points[0][1] / points[-1][1]
    about = curve.about.format(f"{times:,.0f}" if times < 1e6 else short(times))
    if 0.8 < cost < 1.25:
        return f"{about}, an event costs about the same"
    return f"{about}, an event costs {cost:.1f} times as much"


def _draw(curve: Curve, points: list[list[float]]) -> Path:
    import matplotlib.pyplot as plt
    from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

    x, y = [each[0] for each in points], [each[1] for each in points]
    figure, axes = plt.subplots(figsize=(7.2, 4.2), dpi=120)
    axes.plot(x, y, color=BLUE, marker="o", markersize=5, linewidth=2)
    axes.set_yscale("log")
    if curve.log:
        axes.set_xscale("log")
    low, high = min(y), max(y)
    axes.set_ylim(min(low / 1.9, high / 8), high * 1.9)
    for at, offset in ((0, 10), (len(x) - 1, -19)):
        axes.annotate(
            short(y[at]),
            (x[at], y[at]),
            textcoords="offset points",
            xytext=(0, offset),
            ha="center",
            color=GREY,
        )
    if curve.series == "window_length_s":
        axes.set_xticks(list(_LENGTHS), list(_LENGTHS.values()))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel(f"{curve.axis} (log scale)")
    else:
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(f"{curve.axis} (log scale)" if curve.log else curve.axis)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    axes.yaxis.set_minor_formatter(
        FuncFormatter(lambda value, _: short(value) if _first(value) in (2, 5) else "")
    )
    axes.tick_params(axis="both", which="both", labelsize=9, colors=GREY)
    axes.set_ylabel("events per second on one core (log scale)")
    axes.grid(True, which="major", color="#DDE1E6", linewidth=0.8)
    axes.grid(True, which="minor", axis="y", color="#EEF0F3", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#AAB0B8")
    figure.text(0.02, 0.945, message(curve, points), ha="left", fontsize=13, fontweight="bold")
    figure.text(0.02, 0.895, curve.fixed, ha="left", fontsize=8.5, color=GREY)
    figure.tight_layout(rect=(0, 0, 1, 0.89))
    path = PICTURES / f"growth_{curve.series.removesuffix('_s')}.png"
    figure.savefig(path, metadata={"Software": None})
    plt.close(figure)
    return path


def short(number: float) -> str:
    """Return a number as people say it.

    >>> short(1_250_000), short(37_400), short(850), short(1_000_000)
    ('1.25 M', '37.4 k', '850', '1 M')
    """
    for size, name in ((1e6, " M"), (1e3, " k")):
        if number >= size:
            return f"{number / size:.3g}{name}"
    return f"{number:g}"


def _first(value: float) -> int:
    return int(f"{value:e}"[0])


if __name__ == "__main__":
    for drawn in growth(json.loads((RESULTS / "growth.json").read_text())):
        print(drawn)
