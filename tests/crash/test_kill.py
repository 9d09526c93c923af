"""Killed at any moment: no acknowledged decision is lost, given twice, or given differently."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.crash.harness import Client, Mortal, audit, lives

KILLS = int(os.environ.get("RISKWEAVE_KILLS", "20"))

PLANS = {
    "under load, snapshots all the while": (KILLS // 2, []),
    "during activation": (
        KILLS - KILLS // 2,
        [
            [{"op": "activate", "policy": 1}],
            [],
            [{"op": "activate", "policy": 2}],
            [{"op": "activate", "policy": 3}, {"op": "back"}],
        ],
    ),
}


@pytest.mark.parametrize("name", PLANS)
def test_nothing_acknowledged_is_lost(tmp_path: Path, name: str) -> None:
    kills, plan = PLANS[name]
    mortal = Mortal(tmp_path / "data")
    client = Client(len(name))
    try:
        for _ in lives(mortal, client, kills, plan):
            pass
        client.finish(mortal.live())
        mortal.kill()
    finally:
        mortal.end()
    told = audit(tmp_path / "data", client)
    print(name, told)
    assert told["acknowledged"] > 0
    assert told["events"] == len(client.events)
