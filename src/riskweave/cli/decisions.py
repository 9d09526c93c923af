"""What the commands about single decisions do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from riskweave.cli.commands import console

if TYPE_CHECKING:
    from riskweave.engine.redecide import Redecided

DIFFERENCES_SHOWN = 10


def redecide(event_id: str, records: Path, policy: Path, other: Path | None, as_json: bool) -> int:
    """Decide a recorded event again; 0 when its own policy says the same bit for bit, 1 otherwise."""
    from riskweave.engine.redecide import redecide as again
    from riskweave.policy.policy import Policy
    from riskweave.replay.records import find_record

    record = find_record(records, event_id)
    found = again(Policy.read(policy), record)
    with_other = None if other is None else again(Policy.read(other), record)
    if as_json:
        answer = found.to_json()
        if with_other is not None:
            answer["with"] = with_other.to_json()
        print(json.dumps(answer))
    else:
        _tell(found)
        if with_other is not None:
            console.print()
            _tell_other(with_other)
    return 0 if found.same else 1


def _tell(found: Redecided) -> None:
    said = f"{found.recorded_action}, score {found.recorded_score:.6g}"
    if not found.same_policy:
        console.print("[yellow]This is not the policy that decided: its version is another one.[/yellow]")
    if found.same:
        console.print(f"[green]The same, bit for bit[/green]: {said}", highlight=False)
        return
    console.print(
        f"[red]Not the same[/red]: it was {said}; now {found.action}, score {found.score:.6g}",
        highlight=False,
    )
    if found.first is not None:
        console.print("The first step that differs:")
    _list(found)


def _tell_other(found: Redecided) -> None:
    console.print(
        f"With the other policy: {found.action}, score {found.score:.6g} "
        f"(recorded: {found.recorded_action}, score {found.recorded_score:.6g})",
        highlight=False,
    )
    for what, rules in (
        ("hit now", [rule for rule in found.rules if rule not in found.recorded_rules]),
        ("hit no more", [rule for rule in found.recorded_rules if rule not in found.rules]),
    ):
        if rules:
            console.print(f"  {what}: {', '.join(rules)}", highlight=False)
    _list(found)


def _list(found: Redecided) -> None:
    for each in found.differences[:DIFFERENCES_SHOWN]:
        console.print(f"  {each}", markup=False, highlight=False, soft_wrap=True)
    more = len(found.differences) - DIFFERENCES_SHOWN
    if more > 0:
        console.print(f"  and {more} more")
    for name in found.missing:
        console.print(f"  not in the record: {name}", markup=False, highlight=False, soft_wrap=True)
    for name in found.looked_up:
        console.print(f"  looked up anew: {name}", markup=False, highlight=False, soft_wrap=True)
