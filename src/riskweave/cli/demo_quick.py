"""`riskweave demo --quick`: a simulated city, the starter policy, every payment decided, in one screen."""

from __future__ import annotations

import tempfile
from pathlib import Path

from rich.panel import Panel
from rich.table import Table

from riskweave.cli.commands import ACTION_STYLE, build, console, print_report, run_replay


def run(events: int, seed: int) -> None:
    """Simulate, decide, and show what was caught and what it cost in false alarms."""
    import pyarrow.parquet as pq

    from riskweave import scenarios
    from riskweave.policy.policy import Policy
    from riskweave.simulation.payments import payments

    policy = Policy.read(scenarios.folder("starter"))
    console.print(
        f"[bold]riskweave[/bold]: the policy `{policy.name}` decides {events:,} simulated payments\n"
    )
    with console.status("Simulating a city of card holders"):
        stream = payments(events, seed)
    engine = build(policy)
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "payments.parquet", Path(folder) / "decisions.parquet"
        pq.write_table(stream, source)
        report = run_replay(engine, [source], out=out, total=events)
        decisions = pq.read_table(out)
    print_report(report)
    console.print()
    console.print(_caught(stream.column("attack").to_pylist(), decisions.column("action").to_pylist()))
    console.print()
    console.print(_example(decisions.to_pylist(), policy))


def _caught(attacks: list[str], actions: list[str]) -> Table:
    """Count, by kind of attack, what was done with its payments."""
    table = Table(title="What became of each kind of payment", box=None, pad_edge=False, title_justify="left")
    table.add_column("kind (ground truth)")
    table.add_column("payments", justify="right")
    for action, style in ACTION_STYLE.items():
        table.add_column(f"[{style}]{action}[/]", justify="right")
    counts: dict[str, dict[str, int]] = {}
    for attack, action in zip(attacks, actions, strict=True):
        counts.setdefault(attack or "legitimate", dict.fromkeys(ACTION_STYLE, 0))[action] += 1
    for kind, by_action in sorted(counts.items(), key=lambda each: each[0] != "legitimate"):
        total = sum(by_action.values())
        shares = [f"{count / total:.1%}" for count in by_action.values()]
        table.add_row(kind, f"{total:,}", *shares)
    return table


def _example(decisions: list[dict[str, object]], policy: object) -> Panel:
    """Show the riskiest decision with its reasons in both languages."""
    from riskweave.policy.policy import Policy

    assert isinstance(policy, Policy)
    section = policy.document.section("rules")
    reasons = {node.need("id").text(): node.get("reason") for node in section.elements()} if section else {}
    riskiest = max(decisions, key=lambda each: (each["score"], len(each["rules"])))  # type: ignore[arg-type]
    lines = [f"{riskiest['action']}  score {riskiest['score']:.2f}"]
    for rule in riskiest["rules"]:  # type: ignore[attr-defined]
        reason = reasons.get(rule)
        text = reason.by_language() if reason else {}
        lines.append(f"  {rule}: {text.get('en', '')}  {text.get('zh', '')}")
    return Panel("\n".join(lines), title=f"payment {riskiest['event_id']}", title_align="left", expand=False)
