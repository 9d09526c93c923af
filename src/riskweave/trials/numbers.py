"""A scenario's numbers as they are shipped: expected.json, and the tables at the end of its README."""

from __future__ import annotations

import json
from typing import Any

from riskweave.trials.evaluate import WAYS
from riskweave.trials.setting import EXPECTED_FILE, Scenario

MARK = "<!-- numbers -->"
HEADS = {"policy": "policy", "rules": "rules alone", "model": "model alone"}


def write_numbers(scenario: Scenario, found: dict[str, Any]) -> None:
    """Write what a trial said into the scenario's folder."""
    text = json.dumps(found, indent=1, ensure_ascii=False)
    (scenario.folder / EXPECTED_FILE).write_text(text + "\n", encoding="utf-8")
    readme = scenario.folder / "README.md"
    before = readme.read_text(encoding="utf-8").partition(MARK)[0].rstrip()
    readme.write_text(f"{before}\n\n{MARK}\n\n{as_markdown(found)}", encoding="utf-8")


def as_markdown(found: dict[str, Any]) -> str:
    """Return a trial's figures as tables."""
    test, currency = found["test"], found["currency"]
    lines = [
        "## Numbers",
        "",
        f"`riskweave scenario evaluate {found['scenario']} --seed {found['seed']}`: {test['events']:,} "
        f"simulated events of {test['days']:.0f} days judge, {test['frauds']:,} of them fraud "
        f"with {test['loss']:,.0f} {currency} at stake"
        + (f"; {test['reviews_a_day']} reviews a day." if test["reviews_a_day"] else "."),
        "",
        "| | " + " | ".join(HEADS[way] for way in WAYS) + " |",
        "|---|" + "---:|" * len(WAYS),
    ]
    for title, key, money in (
        ("frauds caught", "recall", False),
        ("campaigns caught", "campaign_recall", False),
        ("of the money", "loss_recall", False),
        ("precision", "precision", False),
        ("good events bothered", "false_positive_rate", False),
        (f"loss prevented, {currency}", "prevented", True),
        (f"cost to good customers, {currency}", "cost_of_good", True),
        (f"net, {currency}", "net", True),
    ):
        lines.append(f"| {title} | " + " | ".join(_shown(found[way][key], money) for way in WAYS) + " |")
    lines += ["", "| caught of | events | policy | rules alone | model alone |", "|---|---:|---:|---:|---:|"]
    for name, each in found["typologies"].items():
        shown = " | ".join(_shown(each[way]["recall"]) for way in WAYS)
        lines.append(f"| {name} | {each['events']:,} | {shown} |")
    if found["unknown"]:
        lines += [
            "",
            "Left out of training in turn (the model learns from this city's history, with and without):",
            "",
            "| caught of | policy, seen | policy, unseen | model, seen | model, unseen | rules alone |",
            "|---|---:|---:|---:|---:|---:|",
        ]
        for name, each in found["unknown"].items():
            cells = [each[what][way]["recall"] for way in ("policy", "model") for what in ("seen", "unseen")]
            shown = " | ".join(_shown(cell) for cell in (*cells, each["rules"]["recall"]))
            lines.append(f"| {name} | {shown} |")
    return "\n".join(lines) + "\n"


def _shown(value: float | None, money: bool = False) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if money else f"{value:.1%}"
