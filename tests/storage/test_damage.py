"""A byte changed anywhere on disk: told, or without effect; never a wrong answer, never passed over."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskweave import DuplicateError, Policy
from riskweave.engine.durable import DurableEngine
from riskweave.engine.durable_verify import verify
from riskweave.errors import RiskweaveError, StorageFailed
from riskweave.storage.open import open_stores
from tests.storage.world import WAIT_S, decided, durable, events, policy

GIVEN = events(21, 160)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    """A folder with two snapshots and entries behind them, left as a kill leaves it: with a log."""
    folder = tmp_path_factory.mktemp("sound") / "data"
    with durable(folder) as engine:
        answers = decided(engine, GIVEN[:50])
        engine.snapshot()
        answers += list(engine.submit_many(GIVEN[50:100]).result(WAIT_S))
        engine.snapshot()
        for event in GIVEN[100:140]:
            answers += decided(engine, [event])
        # Copied while open: the log of SQLite still holds entries.
        shutil.copytree(folder, folder.parent / "killed")
    return folder.parent / "killed", answers


def changed(source: Path, target: Path, name: str, at: float, flip: int) -> None:
    shutil.copytree(source, target)
    path = target / name
    data = bytearray(path.read_bytes())
    data[min(int(at * len(data)), len(data) - 1)] ^= flip
    path.write_bytes(data)


def check_told_or_harmless(folder: Path, answers: list[Any]) -> str:
    """Open what was damaged and look at every answer; return what happened."""
    before = "sound"
    try:
        stores = open_stores(folder, write=False)
        try:
            before = "told" if not verify(stores).ok else "sound"
        finally:
            stores.close()
    except RiskweaveError:
        before = "told"
    stores = None
    try:
        stores = open_stores(folder)
        engine = DurableEngine.open(stores, Policy.from_dict(policy()))
    except RiskweaveError:
        # It does not start; whoever looks finds out why.
        assert before == "told"
        if stores is not None:
            stores.close()
        return "refused"
    try:
        damage = engine.health().damage
        refused = 0
        for event, first in zip(GIVEN, answers, strict=False):
            try:
                again = engine.submit(event).result(WAIT_S)
            except DuplicateError:
                raise AssertionError("other content was found under the id") from None
            except StorageFailed:
                refused += 1
                assert before == "told"
                continue
            if again.duplicate:
                assert again.sequence == first.sequence
                assert again.decision.action == first.decision.action
                assert again.decision.features == first.decision.features
            else:
                assert damage, "an acknowledged decision was lost, and nobody said so"
        return "damaged" if damage else "refused some" if refused else before
    finally:
        engine.close()
        stores.close()


FILES = ("journal.sqlite", "journal.sqlite-wal", "tip", "newest", "oldest")


@settings(max_examples=int(os.environ.get("RISKWEAVE_BYTES", "30")))
@given(st.sampled_from(FILES), st.floats(0, 1, exclude_max=True), st.integers(1, 255))
def test_any_changed_byte(data: tuple[Path, list[Any]], name: str, at: float, flip: int) -> None:
    source, answers = data
    if name in ("newest", "oldest"):
        snapshots = sorted((source / "snapshots").iterdir())
        name = f"snapshots/{snapshots[-1 if name == 'newest' else 0].name}"
    with tempfile.TemporaryDirectory() as scratch:
        changed(source, Path(scratch) / "data", name, at, flip)
        check_told_or_harmless(Path(scratch) / "data", answers)


def test_a_damaged_snapshot_gives_way_to_an_older_one(data: tuple[Path, list[Any]], tmp_path: Path) -> None:
    source, answers = data
    newest = sorted((source / "snapshots").iterdir())[-1].name
    changed(source, tmp_path / "data", f"snapshots/{newest}", 0.5, 1)
    with durable(tmp_path / "data") as engine:
        # What is found at the newest snapshot is told; the answers are all there.
        assert [a.duplicate for a in decided(engine, GIVEN[:140])] == [True] * 140
        assert any("snapshot" in each for each in engine.health().damage)
        again = decided(engine, GIVEN[140:])
    assert len(again) == 20
    assert len(answers) == 140


def test_a_torn_log_is_told_by_position(data: tuple[Path, list[Any]], tmp_path: Path) -> None:
    source, _ = data
    shutil.copytree(source, tmp_path / "data")
    log = tmp_path / "data" / "journal.sqlite-wal"
    log.write_bytes(log.read_bytes()[: -2 * 8192])
    with durable(tmp_path / "data") as engine:
        damage = " ".join(engine.health().damage)
        assert "entries were lost: the journal reached position 141" in damage
        assert engine.health().state == "degraded"


def test_a_damaged_entry_at_the_end_is_put_aside(data: tuple[Path, list[Any]], tmp_path: Path) -> None:
    source, _ = data
    shutil.copytree(source, tmp_path / "data")
    database = sqlite3.connect(tmp_path / "data" / "journal.sqlite")
    database.execute("UPDATE journal SET body = zeroblob(length(body)) WHERE position = 130")
    database.commit()
    database.close()
    with durable(tmp_path / "data") as engine:
        damage = " ".join(engine.health().damage)
        assert "damaged from position 130 on (wrong checksum)" in damage
        assert engine.health().position == 129
        answers = decided(engine, GIVEN[:140])
        assert [a.duplicate for a in answers] == [True] * 128 + [False] * 12
    assert list((tmp_path / "data").glob("journal.damaged-130-*"))
    stores = open_stores(tmp_path / "data", write=False)
    assert verify(stores).ok
    stores.close()


def test_a_changed_decision_is_found_by_verify(data: tuple[Path, list[Any]], tmp_path: Path) -> None:
    """Even by one who makes all checksums right: the replay says something else."""
    source, _ = data
    shutil.copytree(source, tmp_path / "data")
    stores = open_stores(tmp_path / "data")
    entries = list(stores.journal.read())
    from dataclasses import replace

    chain = stores.journal.first().chain
    database = sqlite3.connect(tmp_path / "data" / "journal.sqlite")
    for entry in entries:
        record = entry.record
        if entry.position == 120:
            record = record.replace(b"\xa3e118"[1:], b"e118", 1)
            at = record.index(b"e118") + 4 + 5  # the time stands behind the id; then the action
            record = record[:at] + bytes([record[at] ^ 1]) + record[at + 1 :]
        entry = replace(entry, record=record)
        entry = replace(entry, crc=entry.checksum(), chain=entry.chain_after(chain))
        chain = entry.chain
        database.execute(
            "UPDATE journal SET record = ?, crc = ?, chain = ? WHERE position = ?",
            (entry.record, entry.crc, entry.chain, entry.position),
        )
    database.commit()
    database.close()
    found = verify(stores)
    stores.close()
    assert len(found.differences) == 1
    assert "position 120 (event `e118`)" in found.differences[0]
