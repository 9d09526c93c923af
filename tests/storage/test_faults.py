"""Disks that are full, fail or are slow; models that fail: refused, told, and nothing lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from riskweave import Policy
from riskweave.engine.durable_verify import verify
from riskweave.errors import StorageFailed
from riskweave.models.runners import LinearRunner
from riskweave.storage.open import open_stores
from tests.storage.world import WAIT_S, decided, durable, events, policy

ROOT = Path(__file__).parents[2]


def until(condition: Any, seconds: float = WAIT_S) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.01)


@pytest.mark.parametrize("after_commit", [False, True])
def test_a_failing_disk_is_refused_and_recovered_from(tmp_path: Path, after_commit: bool) -> None:
    """Also when the commit succeeds and only its success is not told."""
    given = events(31, 200)
    with durable(tmp_path, retry_s=0.02) as engine:
        first = decided(engine, given[:50])
        append, broken = engine.stores.journal.append, threading.Event()
        broken.set()

        def failing(*arguments: Any) -> None:
            if broken.is_set():
                if after_commit:
                    append(*arguments)
                raise StorageFailed("the disk is gone")
            append(*arguments)

        engine.stores.journal.append = failing  # type: ignore[method-assign]
        with pytest.raises(StorageFailed) as refused:
            engine.submit(given[50]).result(WAIT_S)
        assert refused.value.maybe_recorded
        until(lambda: engine.health().state == "failed")
        with pytest.raises(StorageFailed) as again:
            engine.submit(given[51]).result(WAIT_S)
        assert not again.value.maybe_recorded
        assert "the disk is gone" in engine.health().why[0]
        broken.clear()
        until(lambda: engine.health().state == "ok")
        retried = engine.submit(given[50]).result(WAIT_S)
        assert retried.duplicate
        assert retried.sequence == first[-1].sequence + 1
        decided(engine, given[51:])
        assert engine.health().position == 201
    stores = open_stores(tmp_path, write=False)
    assert verify(stores).ok
    stores.close()


@pytest.mark.parametrize("after_commit", [False, True])
def test_a_disk_that_fails_in_the_middle_of_a_bulk(tmp_path: Path, after_commit: bool) -> None:
    """One block is on its way while the next is decided: neither is lost, nor there twice."""
    given = events(36, 400)
    with durable(tmp_path, retry_s=0.02, block_rows=50) as engine:
        append, calls, broken = engine.stores.journal.append, [0], threading.Event()
        broken.set()

        def failing(*arguments: Any) -> None:
            calls[0] += 1
            if calls[0] >= 3 and broken.is_set():
                if after_commit and calls[0] == 3:
                    append(*arguments)
                    engine.stores.journal._tip_known = None  # type: ignore[attr-defined]
                raise StorageFailed("the disk is gone")
            append(*arguments)

        engine.stores.journal.append = failing  # type: ignore[method-assign]
        with pytest.raises(StorageFailed) as refused:
            engine.submit_many(given).result(WAIT_S)
        assert refused.value.maybe_recorded
        assert engine.health().state == "failed"
        broken.clear()
        until(lambda: engine.health().state == "ok")
        many = engine.submit_many(given).result(WAIT_S)
        sequences = [answer.sequence for answer in many]
        assert sequences == list(range(2, 402))
        assert 150 <= len(many.repeated) <= 200
    stores = open_stores(tmp_path, write=False)
    assert verify(stores).ok
    stores.close()


def test_a_full_disk(tmp_path: Path) -> None:
    """A process that may write no file beyond a size: SQLite says full, and room comes back later."""
    program = textwrap.dedent(
        """
        import json, resource, signal, sys, time
        from pathlib import Path
        from tests.storage.world import WAIT_S, decided, durable, events
        from riskweave.errors import StorageFailed

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        folder = Path(sys.argv[1])
        given = events(32, 4000)
        told = {"acknowledged": [], "refused": 0}
        with durable(folder, retry_s=0.02) as engine:
            size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
            _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            limit = max(p.stat().st_size for p in folder.glob("journal*")) + 300_000
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
            left = []
            for start in range(0, 2000, 50):
                futures = [(e, engine.submit(e)) for e in given[start:start + 50]]
                for event, future in futures:
                    try:
                        told["acknowledged"].append([event["id"], future.result(WAIT_S).sequence])
                    except StorageFailed:
                        told["refused"] += 1
                        left.append(event)
            told["state"] = engine.health().state
            told["why"] = engine.health().why
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
            end = time.monotonic() + 30
            while engine.health().state == "failed" and time.monotonic() < end:
                time.sleep(0.01)
            for answer in decided(engine, left):
                told["acknowledged"].append([answer.decision.event_id, answer.sequence])
            told["after"] = engine.health().state
        print(json.dumps(told))
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "data")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["refused"] > 0
    assert told["state"] == "failed"
    assert told["after"] in ("ok", "degraded")
    sequences = dict(told["acknowledged"])
    assert len(sequences) == 2000
    assert sorted(sequences.values()) == list(range(2, 2002))
    stores = open_stores(tmp_path / "data", write=False)
    assert verify(stores).ok
    stores.close()


def test_a_slow_disk_gathers_larger_groups(tmp_path: Path) -> None:
    given = events(33, 200)
    with durable(tmp_path) as engine:
        append = engine.stores.journal.append

        def slow(*arguments: Any) -> None:
            time.sleep(0.05)
            append(*arguments)

        engine.stores.journal.append = slow  # type: ignore[method-assign]
        started = time.monotonic()
        answers = decided(engine, given)
        assert time.monotonic() - started < 0.05 * 200 / 4
        assert len({answer.sequence for answer in answers}) == 200


def test_a_snapshot_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    given = events(34, 100)
    with durable(tmp_path, snapshot_every_events=10) as engine:

        def failing(*_: Any) -> int:
            raise OSError(28, "No space left on device")

        engine.stores.snapshots.write = failing  # type: ignore[method-assign]
        decided(engine, given)
        until(lambda: engine.health().state == "degraded")
        assert "snapshots fail" in " ".join(engine.health().why)
    with durable(tmp_path) as engine:
        assert engine.health().position == 101


def model_policy(folder: Path) -> dict[str, Any]:
    from riskweave.models.artifact import About, Artifact, Feature, Linear, write

    about = About(model=Linear(), features=(Feature(name="paid_1h"),))
    weights = {"coefficients": np.array([0.02]), "intercept": np.array([-3.0])}
    write(folder / "linear", Artifact(about, weights))
    return {**policy(), "models": {"linear": {"artifact": "linear", "risk": True}}}


def test_a_model_that_fails_is_left_out_and_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = events(35, 300)
    made = Policy.from_dict(model_policy(tmp_path), tmp_path)
    from riskweave.engine.durable import DurableEngine, DurableSettings

    stores = open_stores(tmp_path / "data")
    engine = DurableEngine.open(stores, made, settings=DurableSettings(model_failures=2, model_rest_s=0.05))
    raw = LinearRunner.raw

    def failing(self: Any, inputs: Any) -> Any:
        raise RuntimeError("the session is lost")

    try:
        sound = decided(engine, given[:50])
        assert {answer.skipped for answer in sound} == {()}
        with monkeypatch.context() as patch:
            patch.setattr(LinearRunner, "raw", failing)
            hurt = [decided(engine, [event])[0] for event in given[50:60]]
            many = engine.submit_many(given[60:100]).result(WAIT_S)
            assert {(answer.rung, answer.skipped) for answer in hurt} == {("light", ("linear",))}
            assert [part.skipped for part in many.parts] == [("linear",)]
            assert all(answer.decision.features["paid_1h"] is not None for answer in hurt)
            assert "the session is lost" in " ".join(engine.health().why)
        assert LinearRunner.raw is raw
        time.sleep(0.06)
        decided(engine, given[100:101])
        assert {answer.skipped for answer in decided(engine, given[101:150])} == {()}
        assert engine.health().state == "ok"
        engine.close()
        found = verify(stores)
        assert found.ok, found
    finally:
        engine.close()
        stores.close()
