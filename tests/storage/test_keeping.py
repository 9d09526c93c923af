"""What is kept, for how long, and copied: snapshots, ids, the archive, backups, policies."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskweave import Engine, Policy, PolicyError
from riskweave.cli.app import app
from riskweave.engine.durable import DurableEngine, DurableSettings
from riskweave.engine.durable_commands import ActivatePolicy
from riskweave.engine.durable_policies import pack_policy, unpack_policy
from riskweave.engine.durable_retention import retire
from riskweave.engine.durable_verify import verify
from riskweave.engine.ports import DecisionFilter
from riskweave.errors import StorageFailed
from riskweave.scenarios import folder as scenario_folder
from riskweave.storage.backup import backup
from riskweave.storage.decisions import Decisions
from riskweave.storage.ids import IdRuns
from riskweave.storage.open import open_stores
from tests.storage.world import WAIT_S, decided, durable, events, policy

DAY_MS = 86_400_000


def test_old_decisions_go_to_the_archive_and_are_still_found(tmp_path: Path) -> None:
    given_events = events(41, 400)
    now = [10 * DAY_MS]
    stores = open_stores(tmp_path)
    engine = DurableEngine.open(
        stores,
        Policy.from_dict(policy()),
        settings=DurableSettings(snapshots_kept=1),
        clock=lambda: now[0],
    )
    decided(engine, given_events[:100])
    engine.submit_many(given_events[100:200]).result(WAIT_S)
    engine.feedback({"event_id": "e3", "value": True}).result(WAIT_S)
    engine.snapshot()
    now[0] += 5 * DAY_MS
    later = decided(engine, given_events[200:300])
    assert later
    engine.snapshot()
    before = {each.sequence: each for each in Decisions(stores).stream()}
    assert retire(stores, DurableSettings(keep_days=2), now[0]) == 202
    assert stores.journal.first().position == 202
    assert retire(stores, DurableSettings(keep_days=2), now[0]) == 0
    store = Decisions(stores)
    after = {each.sequence: each for each in store.stream()}
    assert after == before
    assert store.get("e50") == before[52]
    found = store.search(DecisionFilter(actions=("BLOCK",)), limit=1000).decisions
    assert [each.sequence for each in found] == [
        number for number in sorted(before, reverse=True) if before[number].decision.action == "BLOCK"
    ]
    # A repeat is still a repeat; a new feature still begins with its whole history.
    assert decided(engine, given_events[:3])[0].duplicate
    changed = Policy.from_dict(policy(1))
    engine.command(ActivatePolicy(changed)).result(WAIT_S)
    own = Engine(changed)
    own.decide_many(given_events[:200])
    own.learn({"event_id": "e3", "value": True})
    own.decide_many(given_events[200:300])
    answers = decided(engine, given_events[300:])
    assert [a.decision for a in answers] == [own.decide(event) for event in given_events[300:]]
    table = pq.read_table(next((tmp_path / "archive").glob("decisions-*.parquet")))
    assert table.num_rows == 200
    assert json.loads(table.column("event")[0].as_py())["id"] == "e0"
    engine.close()
    stores.close()
    with durable(tmp_path) as engine:
        assert decided(engine, given_events[:3])[0].duplicate
    stores = open_stores(tmp_path, write=False)
    found_all = verify(stores)
    assert found_all.ok, found_all
    assert found_all.decisions < 400
    stores.close()


def test_only_the_last_snapshots_are_kept(tmp_path: Path) -> None:
    with durable(tmp_path, snapshots_kept=2, snapshot_every_events=20) as engine:
        for event in events(42, 100):
            decided(engine, [event])
        engine.snapshot()
        assert len(engine.stores.snapshots.positions()) == 2
        assert engine.health().last_snapshot == 101


def test_a_backup_while_running_is_whole(tmp_path: Path) -> None:
    given_events = events(43, 600)
    with durable(tmp_path / "data", snapshot_every_events=50) as engine:
        decided(engine, given_events[:100])
        sent: list[Any] = []
        thread = threading.Thread(
            target=lambda: sent.extend(engine.submit(event) for event in given_events[100:])
        )
        thread.start()
        made = backup(tmp_path / "data", tmp_path / "copy")
        thread.join()
        answers = [each.result(WAIT_S) for each in sent]
    assert made.position >= 101
    with pytest.raises(StorageFailed, match="not empty"):
        backup(tmp_path / "data", tmp_path / "copy")
    with durable(tmp_path / "copy") as engine:
        assert engine.health().damage == ()
        again = decided(engine, given_events)
        assert [a.duplicate for a in again] == [True] * (made.position - 1) + [False] * (601 - made.position)
        for copied, first in zip(again[100:], answers, strict=True):
            assert copied.decision.features == first.decision.features


def test_the_commands_on_a_folder(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    with durable(tmp_path / "data") as engine:
        decided(engine, events(44, 30))
    run = CliRunner().invoke
    told = run(app, ["verify", str(tmp_path / "data"), "--json"])
    assert told.exit_code == 0, told.output
    assert json.loads(told.output)["decisions"] == 30
    assert "come out the same" in run(app, ["verify", str(tmp_path / "data")]).output
    told = run(app, ["backup", str(tmp_path / "data"), str(tmp_path / "copy"), "--json"])
    assert json.loads(told.output)["position"] == 31
    told = run(app, ["status", str(tmp_path / "copy"), "--json"])
    assert json.loads(told.output)["position"] == 31
    assert "position" in run(app, ["status", str(tmp_path / "copy")]).output
    failed = run(app, ["status", str(tmp_path / "nothing")])
    assert isinstance(failed.exception, StorageFailed)


@settings(max_examples=25)
@given(st.lists(st.lists(st.integers(0, 300), max_size=40), max_size=30), st.integers(3, 50))
def test_ids_are_found_where_they_were_put(groups: list[list[int]], in_memory: int) -> None:
    """Equals a dict, whatever is in memory, sorted into runs, or merged; a later position wins."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        ids = IdRuns(Path(folder), in_memory=in_memory)
        expected: dict[int, int] = {}
        position = 1
        for group in groups:
            fresh = [each for each in dict.fromkeys(group) if each not in expected]
            hashes = np.array(fresh, np.uint64)
            ids.add(hashes, position)
            expected |= {each: position + k for k, each in enumerate(fresh) if each}
            position += len(fresh)
            asked = np.arange(1, 301, dtype=np.uint64)
            found = ids.find(asked)
            assert found.tolist() == [expected.get(each, -1) for each in range(1, 301)]
            few = ids.find(asked[:5])
            assert few.tolist() == found[:5].tolist()
        ids.close()


def test_damaged_id_runs_are_built_anew(tmp_path: Path) -> None:
    given_events = events(45, 300)
    stores = open_stores(tmp_path)
    stores.ids.in_memory = 60  # type: ignore[attr-defined]
    engine = DurableEngine.open(stores, Policy.from_dict(policy()))
    for start in range(0, 300, 50):
        engine.submit_many(given_events[start : start + 50]).result(WAIT_S)
    engine.close()
    stores.close()
    runs = sorted((tmp_path / "ids").glob("*.ids"))
    assert runs
    data = bytearray(runs[0].read_bytes())
    data[len(data) // 2] ^= 1
    runs[0].write_bytes(data)
    with durable(tmp_path) as engine:
        assert all(answer.duplicate for answer in decided(engine, given_events))
        assert "an id run is built anew" in " ".join(engine.health().damage)


def test_a_policy_is_stored_whole_and_read_again(tmp_path: Path) -> None:
    starter = Policy.read(scenario_folder("starter"))
    again = unpack_policy(pack_policy(starter), tmp_path)
    assert (again.version, again.name) == (starter.version, starter.name)
    plain = Policy.from_dict(policy(1))
    assert unpack_policy(pack_policy(plain), tmp_path).version == plain.version
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "bad.csv").write_text("value\neve\n")
    (tmp_path / "one" / "other.csv").write_text("value\nx\n")
    (tmp_path / "one" / "policy.yaml").write_text(
        "events: {p: {time: at, fields: {at: time, who: string}}}\n"
        "lists: {bad: {file: bad.csv}}\nrules: [{id: b, when: who in bad, risk: 1}]\n"
    )
    single = Policy.read(tmp_path / "one" / "policy.yaml")
    read = unpack_policy(pack_policy(single), tmp_path)
    assert read.version == single.version
    assert Engine(read).decide({"at": "2026-01-01", "who": "eve"}).action == "BLOCK"
    assert read.document.folder is not None
    assert not (read.document.folder / "other.csv").exists()
    written = next(tmp_path.rglob("*/starter/rules.yaml"), None) or next(tmp_path.rglob("*/starter/*.yaml"))
    written.write_text(written.read_text() + "\n# changed by somebody\n")
    assert unpack_policy(pack_policy(starter), tmp_path).version == starter.version


def test_a_policy_that_cannot_be_right_is_refused_before_anything_changes(tmp_path: Path) -> None:
    with durable(tmp_path) as engine:
        wrong = Policy.from_dict({**policy(), "features": {"x": "customer.sum(nothing, '1h')"}})
        with pytest.raises(PolicyError):
            engine.command(ActivatePolicy(wrong)).result(WAIT_S)
        assert engine.health().activating is None
        assert len(engine.policies) == 1
        decided(engine, events(46, 5))
