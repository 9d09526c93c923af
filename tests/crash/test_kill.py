"""Killed at any moment: no acknowledged decision is lost, given twice, or given differently."""

from __future__ import annotations

import os
import time
from pathlib import Path

from tests.crash.faults import POINTS
from tests.crash.harness import Client, Mortal, audit, die_at, lives

# Half of the kills fall at random, half at the points of `faults`: in a commit, a snapshot, an activation.
KILLS = int(os.environ.get("RISKWEAVE_KILLS", "20"))

ACTIVATIONS = [
    [{"op": "activate", "policy": 1}],
    [],
    [{"op": "activate", "policy": 2}],
    [{"op": "activate", "policy": 3}, {"op": "back"}],
]


def test_nothing_acknowledged_is_lost_at_a_random_moment(tmp_path: Path) -> None:
    mortal = Mortal(tmp_path / "data")
    client = Client(35)
    try:
        for _ in lives(mortal, client, KILLS - KILLS // 2, ACTIVATIONS):
            pass
        client.finish(mortal.live())
        mortal.kill()
    finally:
        mortal.end()
    told = audit(tmp_path / "data", client)
    print(told)
    assert told["acknowledged"] > 0
    assert told["activations"] >= told["told_activations"] > 0
    assert told["events"] == len(client.events)


def test_nothing_acknowledged_is_lost_at_the_worst_moments(tmp_path: Path) -> None:
    mortal = Mortal(tmp_path / "data")
    client = Client(17)
    fell = dict.fromkeys(POINTS, 0)
    order = list(POINTS)
    try:
        # A first life gives the ones after it a past.
        client.talk(mortal.live(), mortal, _soon(0.3), [])
        for number in range(max(KILLS // 2, len(order))):
            point = order[number % len(order)]
            changes = "activation" in point or "gone over" in point
            first = [{"op": "activate", "policy": 1 + number % 3}] if changes else []
            # The point is met for the first time or later; an activation is met once in a life.
            times = 1 if changes else client.draw.choice([1, 2, 3])
            fell[point] += die_at(mortal, client, point, times, first)
        # One life lasts until its activation is answered, and one until its snapshot is there.
        client.talk(mortal.live(), mortal, _soon(0.5), [{"op": "activate", "policy": 1}])
        caller = mortal.live()
        client.do(caller, {"op": "activate", "policy": 2})
        client.finish(caller)
        mortal.kill()
    finally:
        mortal.end()
    told = audit(tmp_path / "data", client)
    print(fell, told)
    assert all(fell.values()), fell
    assert told["told_activations"] >= 1
    # Those that were journaled count, answered or not; those that were only filled do not.
    assert told["activations"] >= told["told_activations"] + fell["activation journaled, not answered"]
    assert told["events"] == len(client.events)


def _soon(seconds: float) -> float:
    return time.monotonic() + seconds
