"""What each command does, once its arguments are read."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from riskweave.errors import PolicyError, PolicyErrors, RiskweaveError

if TYPE_CHECKING:
    from riskweave.engine.engine import Engine
    from riskweave.policy.policy import Policy
    from riskweave.replay.replay import Report

console = Console()
errors = Console(stderr=True)

ACTION_STYLE = {"PASS": "green", "MFA": "cyan", "REVIEW": "yellow", "BLOCK": "red"}


def new(folder: Path, scenario: str) -> None:
    """Copy a ready policy to a folder that does not exist yet."""
    from riskweave import scenarios

    if folder.exists() and any(folder.iterdir() if folder.is_dir() else [folder]):
        raise RiskweaveError(f"`{folder}` exists already; choose a new folder")
    if scenario not in scenarios.names():
        raise RiskweaveError(f"there is no scenario `{scenario}`; there are: {', '.join(scenarios.names())}")
    shutil.copytree(
        scenarios.folder(scenario),
        folder,
        dirs_exist_ok=True,
        ignore=shutil.ignore_patterns("__pycache__", "*.py"),
    )
    console.print(f"Made [bold]{folder}[/bold] from the scenario `{scenario}`. Next:")
    console.print(f"  riskweave check {folder}\n  riskweave test {folder}")
    console.print(f"  riskweave simulate {scenario} --out payments.parquet")
    console.print(f"  riskweave replay {folder} payments.parquet --out decisions.parquet", highlight=False)


def check(path: Path, as_json: bool) -> int:
    """Print what is wrong with a policy; 0 when it can go live, 1 otherwise."""
    from riskweave.policy.check import check_policy
    from riskweave.policy.policy import Policy

    started = time.perf_counter()
    try:
        policy = Policy.read(path)
        findings = check_policy(policy)
    except PolicyErrors as found:
        return _print_policy_errors(found.errors, as_json)
    except PolicyError as found:
        return _print_policy_errors([found], as_json)
    wrong = [finding for finding in findings if finding.severity == "error"]
    if as_json:
        print(
            json.dumps(
                {
                    "ok": not wrong,
                    "version": policy.version,
                    "findings": [
                        {
                            "severity": finding.severity,
                            "message": finding.message,
                            "file": finding.span.file,
                            "line": finding.span.line,
                            "column": finding.span.column,
                            "hint": finding.hint,
                        }
                        for finding in findings
                    ],
                }
            )
        )
        return 1 if wrong else 0
    for finding in findings:
        colour = "red" if finding.severity == "error" else "yellow"
        console.print(f"[{colour}]{finding.severity}[/{colour}]", end=" ")
        console.print(
            str(PolicyError(finding.message, finding.span, finding.hint)),
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    seconds = time.perf_counter() - started
    verdict = "[red]not ready[/red]" if wrong else "[green]can go live[/green]"
    console.print(
        f"{verdict}: {policy.name}, version {policy.version[:12]}, "
        f"{len(findings)} finding{'s' if len(findings) != 1 else ''}, {seconds:.2f} s"
    )
    return 1 if wrong else 0


def _print_policy_errors(found: list[PolicyError], as_json: bool) -> int:
    if as_json:
        print(
            json.dumps(
                {
                    "ok": False,
                    "findings": [
                        {
                            "severity": "error",
                            "message": error.message,
                            "file": error.span.file,
                            "line": error.span.line,
                            "column": error.span.column,
                            "hint": error.hint,
                        }
                        for error in found
                    ],
                }
            )
        )
        return 1
    for error in found:
        console.print("[red]error[/red]", end=" ")
        console.print(str(error), markup=False, highlight=False, soft_wrap=True)
    console.print(f"[red]not ready[/red]: {len(found)} error{'s' if len(found) != 1 else ''}")
    return 1


def test(path: Path, as_json: bool) -> int:
    """Run tests.yaml; 0 when all pass."""
    from riskweave.policy.policy import Policy
    from riskweave.replay.tests import run_tests

    with preparing(quiet=as_json):
        outcomes = run_tests(Policy.read(path))
    failed = [outcome for outcome in outcomes if outcome.failures]
    if as_json:
        print(
            json.dumps(
                {
                    "passed": len(outcomes) - len(failed),
                    "failed": len(failed),
                    "tests": [{"name": each.name, "failures": list(each.failures)} for each in outcomes],
                }
            )
        )
        return 1 if failed else 0
    for outcome in outcomes:
        mark = "[red]✗[/red]" if outcome.failures else "[green]✓[/green]"
        console.print(f"{mark} {outcome.name}", highlight=False)
        for failure in outcome.failures:
            console.print(f"    {outcome.place}: {failure}", markup=False, highlight=False, soft_wrap=True)
    if not outcomes:
        console.print("no tests: the policy has no tests.yaml")
    console.print(f"{len(outcomes) - len(failed)} passed, {len(failed)} failed", highlight=False)
    return 1 if failed else 0


def replay(
    path: Path,
    events: list[Path],
    labels: Path | None,
    out: Path | None,
    rejected: Path | None,
    matches: Path | None,
    records: Path | None,
    as_json: bool,
) -> int:
    """Replay files; prints a summary or one JSON object."""
    from riskweave.policy.policy import Policy

    for file in [*events, *([labels] if labels else [])]:
        if not file.exists():
            raise RiskweaveError(f"there is no file `{file}`")
    engine = build(Policy.read(path), quiet=as_json)
    report = run_replay(engine, events, labels, out, rejected, matches, records, quiet=as_json)
    if as_json:
        print(json.dumps(report.to_json()))
        return 0
    print_report(report)
    for what, written in (
        ("decisions", out),
        ("rejected records", rejected),
        ("matches", matches),
        ("records", records),
    ):
        if written is not None:
            console.print(f"{what}: {written}", highlight=False)
    return 0


def build(policy: Policy, quiet: bool = False) -> Engine:
    """Build and warm an engine, saying what takes the time."""
    from riskweave.engine.engine import Engine

    with preparing(quiet):
        engine = Engine(policy)
        engine.warm_up()
    return engine


@contextmanager
def preparing(quiet: bool) -> Iterator[None]:
    """Say what is being waited for, once it takes more than three seconds."""
    text = "Compiling the kernels for this machine: once, about 20 s; later starts take a second"
    if quiet:
        yield
        return
    if errors.is_terminal:
        status = errors.status(text)
        timer = threading.Timer(3.0, status.start)
    else:
        timer = threading.Timer(3.0, lambda: errors.print(text, soft_wrap=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        if errors.is_terminal:
            status.stop()


def run_replay(
    engine: Engine,
    events: list[Path],
    labels: Path | None = None,
    out: Path | None = None,
    rejected: Path | None = None,
    matches: Path | None = None,
    records: Path | None = None,
    quiet: bool = False,
    total: int | None = None,
) -> Report:
    """Replay with a progress bar on a terminal."""
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from riskweave.replay.replay import count_events, replay

    if quiet or not errors.is_terminal:
        return replay(engine, events, labels, out, rejected, matches, records)
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} events"),
        TextColumn("{task.fields[rate]:,.0f} events/s"),
        TimeElapsedColumn(),
        console=errors,
        transient=True,
    ) as bar:
        task = bar.add_task("deciding", total=total or count_events(events), rate=0.0)

        def show(report: Report) -> None:
            bar.update(task, completed=report.events + report.rejected, rate=report.events_per_second)

        return replay(engine, events, labels, out, rejected, matches, progress=show)


def print_report(report: Report) -> None:
    """Print actions and the busiest rules as tables."""
    console.print(
        f"[bold]{report.events:,}[/bold] events in {report.seconds:.2f} s: "
        f"[bold]{report.events_per_second:,.0f}[/bold] events/s"
        f"   (engine ready in {report.compile_seconds:.2f} s)",
        highlight=False,
    )
    if report.rejected or report.duplicates or report.labels:
        console.print(
            f"{report.rejected:,} rejected, {report.duplicates:,} duplicates, {report.labels:,} labels read",
            highlight=False,
        )
    actions = Table(box=None, pad_edge=False)
    actions.add_column("action")
    actions.add_column("decisions", justify="right")
    actions.add_column("share", justify="right")
    for action, count in report.actions.items():
        share = count / report.events if report.events else 0.0
        actions.add_row(f"[{ACTION_STYLE[action]}]{action}[/]", f"{count:,}", f"{share:.2%}")
    console.print(actions)
    for what, counted in (("rule", report.rules), ("pattern", report.patterns)):
        ranked = sorted(counted.items(), key=lambda each: -each[1])[:15]
        if ranked:
            table = Table(box=None, pad_edge=False)
            table.add_column(what)
            table.add_column("hits" if what == "rule" else "matches", justify="right")
            for name, hits in ranked:
                table.add_row(name, f"{hits:,}")
            console.print(table)
