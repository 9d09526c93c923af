"""`riskweave scenario list`, `evaluate` and `train`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
from rich.table import Table

from riskweave.cli.commands import console, errors, preparing
from riskweave.errors import RiskweaveError


def list_all(as_json: bool) -> None:
    """Print the ready policies: what each is for and what it holds."""
    from riskweave.policy.policy import Policy
    from riskweave.trials import setting

    lines = []
    for code in setting.codes():
        scenario = setting.scenario(code)
        root = Policy.read(scenario.folder).document.root
        sizes = {}
        for section in ("events", "features", "patterns", "rules"):
            node = root.get(section)
            sizes[section] = (
                0 if node is None else len(node.elements() if node.is_list else list(node.items()))
            )
        lines.append({"code": code, "title": scenario.title, **sizes})
    if as_json:
        print(json.dumps(lines, ensure_ascii=False))
        return
    table = Table(box=None, pad_edge=False)
    for head in ("code", "title", "events", "features", "patterns", "rules"):
        table.add_column(head, justify="left" if head in ("code", "title") else "right")
    for line in lines:
        table.add_row(*(str(value) for value in line.values()))
    console.print(table)


def evaluate(
    code: str, seed: int | None, events: int | None, unknown: str | None, retrain: bool, as_json: bool
) -> None:
    """Put a scenario on trial and print what came out."""
    from riskweave.trials.evaluate import evaluate as judge
    from riskweave.trials.setting import scenario

    left_out = None if unknown is None else tuple(name for name in unknown.split(",") if name)
    with preparing(quiet=as_json):
        found = judge(scenario(code), seed, events, left_out, retrain)
    if as_json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
        return
    _print(found)


def train(names: list[str], out: Path | None, as_json: bool) -> None:
    """Train the light models that scenarios ship with."""
    from riskweave.trials.learn import train_shipped
    from riskweave.trials.setting import codes, scenario

    if out is not None and len(names) != 1:
        raise RiskweaveError("--out is for one scenario")
    learned = []
    for code in names or codes():
        if not as_json:
            errors.print(f"training {code}", highlight=False)
        learned.append(train_shipped(scenario(code), out))
    if as_json:
        print(json.dumps([msgspec.to_builtins(each) for each in learned]))
        return
    for each in learned:
        console.print(
            f"{each.code}: {each.rows:,} events, {each.frauds:,} frauds, {each.bytes:,} bytes, hash "
            f"{each.hash[:12]}; later events: AUC {each.auc or 0:.4f}, average precision "
            f"{each.average_precision or 0:.4f}",
            highlight=False,
        )


def record(names: list[str]) -> None:
    """Write expected.json and the README's numbers of scenarios, each by its own trial."""
    from riskweave.trials.evaluate import evaluate as judge
    from riskweave.trials.numbers import write_numbers
    from riskweave.trials.setting import codes, scenario

    for code in names or codes():
        found = judge(scenario(code))
        write_numbers(scenario(code), found)
        console.print(
            f"{code}: net {found['policy']['net']:,.0f} {found['currency']}; rules alone "
            f"{found['rules']['net']:,.0f}, model alone {found['model']['net']:,.0f}",
            highlight=False,
        )


def _print(found: dict[str, Any]) -> None:
    test = found["test"]
    console.print(
        f"[bold]{found['scenario']}[/bold], seed {found['seed']}: {test['events']:,} events of "
        f"{test['days']:g} days judge, after {found['events'] - test['events']:,} of history; "
        f"{test['frauds']:,} frauds with {test['loss']:,.0f} {found['currency']} at stake; "
        + (f"{test['reviews_a_day']} reviews a day" if test["reviews_a_day"] else "reviews without limit"),
        highlight=False,
        soft_wrap=True,
    )
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for way in ("policy", "rules", "model"):
        table.add_column(f"{way} alone" if way != "policy" else "policy", justify="right")
    for title, key in (
        ("frauds caught", "recall"),
        ("campaigns caught", "campaign_recall"),
        ("of the money", "loss_recall"),
        ("precision", "precision"),
        ("good events bothered", "false_positive_rate"),
        (f"loss prevented, {found['currency']}", "prevented"),
        ("cost to good customers", "cost_of_good"),
        ("net", "net"),
    ):
        table.add_row(title, *(_shown(found[way][key], key) for way in ("policy", "rules", "model")))
    console.print(table)
    kinds = Table(title="Caught, by typology", box=None, pad_edge=False, title_justify="left")
    for head in ("typology", "events", "campaigns", "loss", "policy", "rules alone", "model alone"):
        kinds.add_column(head, justify="left" if head == "typology" else "right")
    for name, each in found["typologies"].items():
        kinds.add_row(
            name,
            f"{each['events']:,}",
            f"{each['campaigns']:,}",
            f"{each['loss']:,.0f}",
            *(_shown(each[way]["recall"], "recall") for way in ("policy", "rules", "model")),
        )
    console.print(kinds)
    signs = Table(title="Fired, of which on fraud", box=None, pad_edge=False, title_justify="left")
    for head in ("rule or pattern", "fired", "on fraud", "share"):
        signs.add_column(head, justify="left" if head == "rule or pattern" else "right")
    for name, (fired, frauds) in (found["signs"]["rules"] | found["signs"].get("patterns", {})).items():
        signs.add_row(name, f"{fired:,}", f"{frauds:,}", f"{frauds / fired:.1%}" if fired else "-")
    console.print(signs)
    if found["unknown"]:
        blind = Table(title="Left out of training", box=None, pad_edge=False, title_justify="left")
        for head in (
            "typology",
            "policy, seen",
            "policy, unseen",
            "model, seen",
            "model, unseen",
            "rules alone",
        ):
            blind.add_column(head, justify="left" if head == "typology" else "right")
        for name, each in found["unknown"].items():
            blind.add_row(
                name,
                *(
                    _shown(each[what][way]["recall"], "recall")
                    for way in ("policy", "model")
                    for what in ("seen", "unseen")
                ),
                _shown(each["rules"]["recall"], "recall"),
            )
        console.print(blind)


def _shown(value: float | None, key: str) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if key in ("prevented", "cost_of_good", "net") else f"{value:.1%}"
