"""Every promise has a guard, and every guard notices when the promise is broken on purpose."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from riskweave import Policy, StateError
from riskweave.engine import durable_check
from riskweave.engine.durable import DurableEngine
from riskweave.engine.durable_activation import Activation
from riskweave.engine.durable_commands import Activated, ActivatePolicy, decode_command
from riskweave.engine.durable_verify import verify
from riskweave.engine.ports import Entry, Kind
from riskweave.errors import StorageFailed
from riskweave.storage import snapshots as snapshot_files
from riskweave.storage.decisions import Decisions
from riskweave.storage.ids import IdRuns
from riskweave.storage.open import open_stores
from tests.storage.world import WAIT_S, decided, durable, events, policy


def answers_come_after_their_commit(folder: Path, patch: pytest.MonkeyPatch) -> None:
    early: list[int] = []
    with durable(folder) as engine:
        reader = sqlite3.connect(folder / "journal.sqlite", check_same_thread=False)

        def told(future: Any) -> None:
            sequence = future.result().sequence
            (last,) = reader.execute("SELECT max(position + count - 1) FROM journal").fetchone()
            if last < sequence:
                early.append(sequence)

        futures = [engine.submit(event) for event in events(71, 40)]
        for each in futures:
            each.add_done_callback(told)
        for event in events(71, 40, 100):
            future = engine.submit(event)
            future.add_done_callback(told)
            future.result(WAIT_S)
        engine.flush()
        reader.close()
    assert not early


def _answer_first(patch: pytest.MonkeyPatch) -> None:
    def finish(self: DurableEngine, tell: Callable[[], None]) -> None:
        tell()
        self._commit()

    patch.setattr(DurableEngine, "_finish", finish)


def a_changed_entry_is_never_an_answer(folder: Path, patch: pytest.MonkeyPatch) -> None:
    with durable(folder) as engine:
        for event in events(72, 20):
            decided(engine, [event])
        engine.snapshot()
    database = sqlite3.connect(folder / "journal.sqlite")
    database.execute("UPDATE journal SET score_max = score_max + 0.125 WHERE position = 9")
    database.commit()
    database.close()
    stores = open_stores(folder, write=False)
    try:
        with pytest.raises(StorageFailed, match="wrong checksum"):
            Decisions(stores).at(9)
    except pytest.fail.Exception as error:
        raise AssertionError(error) from None
    finally:
        stores.close()


def _no_crc(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Entry, "checksum", lambda self: self.crc)


def a_changed_snapshot_is_not_used(folder: Path, patch: pytest.MonkeyPatch) -> None:
    with durable(folder) as engine:
        decided(engine, events(73, 60))
        position = engine.snapshot()
    path = engine.stores.snapshots.path(position)  # type: ignore[attr-defined]
    data = bytearray(path.read_bytes())
    data[-40] ^= 1
    path.write_bytes(data)
    stores = open_stores(folder, write=False)
    try:
        stores.snapshots.read(position)
    except StateError:
        return
    finally:
        stores.close()
    raise AssertionError("a changed snapshot was read")


def _no_snapshot_checksum(patch: pytest.MonkeyPatch) -> None:
    class Always:
        def __init__(self, *_: Any) -> None: ...
        def update(self, *_: Any) -> None: ...
        def digest(self) -> bytes:
            return bytes(32)

    class Hashes:
        sha256 = Always

    patch.setattr(snapshot_files, "hashlib", Hashes)


def a_repeat_is_a_repeat_for_ever(folder: Path, patch: pytest.MonkeyPatch) -> None:
    given = events(74, 30)
    with durable(folder) as engine:
        first = decided(engine, given)
    with durable(folder) as engine:
        again = decided(engine, given)
        assert all(answer.duplicate for answer in again)
        assert [a.sequence for a in again] == [a.sequence for a in first]


def _ids_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(IdRuns, "find", lambda self, hashes: np.full(hashes.size, -1, np.int64))


def nothing_is_decided_by_a_policy_before_its_entry(folder: Path, patch: pytest.MonkeyPatch) -> None:
    given = events(75, 60)
    with durable(folder) as engine:
        decided(engine, given[:30])
        finish, waiting = Activation.finish, []

        def with_others_waiting(self: Activation, *arguments: Any) -> Any:
            waiting.extend(engine.submit(event) for event in given[30:])
            return finish(self, *arguments)

        patch.setattr(Activation, "finish", with_others_waiting)
        engine.command(ActivatePolicy(Policy.from_dict(policy(1)))).result(WAIT_S)
        for each in waiting:
            each.result(WAIT_S)
    stores = open_stores(folder, write=False)
    try:
        current = 0
        for entry in stores.journal.read():
            if entry.kind is Kind.COMMAND:
                command = decode_command(entry.body)
                assert isinstance(command, Activated)
                current = command.policy
            assert entry.policy == current
        assert current == 2
        assert verify(stores).ok
    finally:
        stores.close()


def _swapped_early(patch: pytest.MonkeyPatch) -> None:
    def go_over(self: DurableEngine, activation: Activation) -> str:
        from dataclasses import replace

        self._commit()
        host, body, row = activation.finish(self._host, self._draft.committed.position)
        self._host = host
        self._serve(self._gather())
        position = self._draft.change(Kind.COMMAND, row.number, body)
        self._draft.policies.append(replace(row, position=position))
        self._commit()
        return row.version

    patch.setattr(DurableEngine, "_go_over", go_over)


GUARDS: dict[str, tuple[Callable[..., None], Callable[[pytest.MonkeyPatch], None]]] = {
    "answered before the commit": (answers_come_after_their_commit, _answer_first),
    "the checksum of entries is off": (a_changed_entry_is_never_an_answer, _no_crc),
    "the checksum of snapshots is off": (a_changed_snapshot_is_not_used, _no_snapshot_checksum),
    "ids are not looked up": (a_repeat_is_a_repeat_for_ever, _ids_forgotten),
    "a policy decides before its entry": (nothing_is_decided_by_a_policy_before_its_entry, _swapped_early),
}


@pytest.mark.parametrize("name", GUARDS)
def test_a_promise_holds_and_its_guard_notices_when_it_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    guard, broken = GUARDS[name]
    with monkeypatch.context() as patch:
        guard(tmp_path / "sound", patch)
    with monkeypatch.context() as patch:
        broken(patch)
        with pytest.raises((AssertionError, StorageFailed)):
            guard(tmp_path / "broken", patch)


def test_old_entries_are_looked_at_while_it_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable_check, "_REST", 0.0)
    with durable(tmp_path) as engine:
        for event in events(76, 40):
            decided(engine, [event])
        engine.snapshot()
    with durable(tmp_path) as engine:
        engine._checker.wait(WAIT_S)
        assert (engine.health().unchecked, engine.health().state) == (0, "ok")
    database = sqlite3.connect(tmp_path / "journal.sqlite")
    database.execute("UPDATE journal SET score_max = score_max + 0.125 WHERE position = 9")
    database.commit()
    database.close()
    with durable(tmp_path) as engine:
        engine._checker.wait(WAIT_S)
        health = engine.health()
        assert health.state == "degraded"
        assert health.damage == ("the journal at position 9: wrong checksum",)


def test_verify_looks_at_the_ids_of_tables_and_at_the_runs(tmp_path: Path) -> None:
    import pyarrow as pa

    given = events(77, 300)
    stores = open_stores(tmp_path)
    stores.ids.in_memory = 60  # type: ignore[attr-defined]
    engine = DurableEngine.open(stores, Policy.from_dict(policy()))
    for start in range(0, 300, 50):
        engine.submit_many(pa.Table.from_pylist(given[start : start + 50])).result(WAIT_S)
    engine.close()
    stores.close()

    def told() -> str:
        looked = open_stores(tmp_path, write=False)
        try:
            return " ".join(verify(looked).damage)
        finally:
            looked.close()

    assert told() == ""
    run = sorted((tmp_path / "ids").glob("*.ids"))[0]
    sound = run.read_bytes()
    run.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    assert "an id run" in told()
    run.write_bytes(sound)
    stores = open_stores(tmp_path)
    (entry, *_) = (each for each in stores.journal.read() if each.kind is Kind.TABLE)
    ids = bytearray(entry.ids)
    ids[8] ^= 1
    from dataclasses import replace

    chain = stores.journal.first().chain
    database = sqlite3.connect(tmp_path / "journal.sqlite")
    for each in list(stores.journal.read()):
        changed = replace(each, ids=bytes(ids)) if each.position == entry.position else each
        changed = replace(changed, crc=changed.checksum(), chain=changed.chain_after(chain))
        chain = changed.chain
        database.execute(
            "UPDATE journal SET ids = ?, crc = ?, chain = ? WHERE position = ?",
            (changed.ids, changed.crc, changed.chain, changed.position),
        )
    database.commit()
    database.close()
    stores.close()
    assert f"the id hash at position {entry.position + 1} is not that of its event" in told()
