"""A durable engine: the same decisions as a bare one, each told once and for ever."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from riskweave import DuplicateError, Engine, EventError, Policy, PolicyError, StateError
from riskweave.engine.durable import DurableEngine
from riskweave.engine.durable_commands import (
    ActivatePolicy,
    AddShadow,
    Advance,
    ListAdd,
    ListBulk,
    ListExpire,
    ListRemove,
    RemoveShadow,
    RollBack,
)
from riskweave.engine.durable_verify import verify
from riskweave.engine.ports import DecisionFilter, Rung
from riskweave.errors import DeadlineExceeded, Overloaded, StorageFailed
from riskweave.storage.decisions import Decisions
from riskweave.storage.open import open_stores
from tests.storage.world import START_MS, WAIT_S, decided, durable, events, policy


def bare(given: list[dict[str, Any]], number: int = 0) -> list[Any]:
    engine = Engine(Policy.from_dict(policy(number)))
    return [engine.decide(event) for event in given]


def test_decides_as_a_bare_engine_does_one_by_one_and_in_bulk(tmp_path: Path) -> None:
    given = events(1, 600)
    with durable(tmp_path, block_rows=100) as engine:
        first = decided(engine, given[:200])
        many = engine.submit_many(given[200:400]).result(WAIT_S)
        table = engine.submit_many(pa.Table.from_pylist(given[400:])).result(WAIT_S)
        assert [answer.sequence for answer in first] == list(range(2, 202))
        assert many.sequences.tolist() == list(range(202, 402))
        bulk = [answer.decision for answer in [*many, *table]]
    expected = bare(given)
    assert [answer.decision for answer in first] == expected[:200]
    for one, other in zip(bulk, expected[200:], strict=True):
        assert (one.action, one.score, one.features, one.hits) == (
            other.action,
            other.score,
            other.features,
            other.hits,
        )
        assert one.patterns == other.patterns
    stores = open_stores(tmp_path, write=False)
    assert verify(stores).ok
    stores.close()


@pytest.mark.parametrize("as_table", [False, True])
def test_a_repeat_gets_the_first_answer_also_after_a_restart(tmp_path: Path, as_table: bool) -> None:
    given = events(2, 120)
    bulk: Any = pa.Table.from_pylist(given[60:]) if as_table else given[60:]
    with durable(tmp_path) as engine:
        first = decided(engine, given[:60])
        many = list(engine.submit_many(bulk).result(WAIT_S))
        again = decided(engine, given[:60])
        assert all(answer.duplicate for answer in again)
    with durable(tmp_path) as engine:
        later = decided(engine, given[:60])
        repeated = list(engine.submit_many(bulk).result(WAIT_S))
        assert engine.health().position == 121
    for before, now, at_last in zip(first, again, later, strict=True):
        for answer in (now, at_last):
            assert answer.decision == before.decision.as_duplicate()
            assert (answer.sequence, answer.request_id) == (before.sequence, before.request_id)
    for before, now in zip(many, repeated, strict=True):
        assert now.duplicate
        assert (now.sequence, now.decision.features) == (before.sequence, before.decision.features)
        assert (now.decision.hits, now.decision.patterns) == (before.decision.hits, before.decision.patterns)


def test_the_same_id_with_other_content_is_refused_with_the_difference(tmp_path: Path) -> None:
    event = events(3, 1)[0]
    with durable(tmp_path) as engine:
        engine.submit(event).result(WAIT_S)
        changed = {**event, "amount": "9999.00"}
        with pytest.raises(DuplicateError) as refused:
            engine.submit(changed).result(WAIT_S)
        assert refused.value.difference == {"amount": (event["amount"], "9999.00")}
        many = engine.submit_many([changed, event]).result(WAIT_S)
        assert isinstance(next(iter(many)), DuplicateError)
        assert many.repeated[1].duplicate
        assert engine.health().position == 2


def test_repeats_within_one_bulk_and_among_waiting_singles(tmp_path: Path) -> None:
    given = events(4, 40)
    with durable(tmp_path) as engine:
        futures = [engine.submit(event) for event in [*given[:10], *given[:10]]]
        answers = [each.result(WAIT_S) for each in futures]
        assert [each.sequence for each in answers[:10]] == [each.sequence for each in answers[10:]]
        many = engine.submit_many([*given[5:], *given[5:]]).result(WAIT_S)
        assert len(many.repeated) == 40
        assert engine.health().position == 41


def test_what_cannot_be_read_is_refused_one_by_one(tmp_path: Path) -> None:
    good = events(5, 3)
    bad: list[Any] = [{"id": "x"}, {**good[0], "amount": "much"}, "text", {"at": object()}, None]
    with durable(tmp_path) as engine:
        for each in bad:
            with pytest.raises(EventError):
                engine.submit(each).result(WAIT_S)
        many = engine.submit_many([good[0], *bad, good[1]]).result(WAIT_S)
        kinds = [isinstance(each, EventError) for each in many]
        assert kinds == [False, True, True, True, True, True, False]
        assert engine.health().position == 3
        with pytest.raises(EventError):
            engine.feedback({"event_id": "e1", "label": "nothing"}).result(WAIT_S)
        big = {**good[2], "device": "x" * 2_000_000}
        with pytest.raises(EventError):
            engine.submit(big).result(WAIT_S)


def test_labels_and_commands_are_journaled_and_replayed(tmp_path: Path) -> None:
    given = events(6, 300)
    with durable(tmp_path, snapshot_every_events=100) as engine:
        decided(engine, given[:100])
        engine.feedback({"event_id": "e5", "value": True}).result(WAIT_S)
        number = engine.command(ListAdd(list="bad", value="ann", by="me", why="seen")).result(WAIT_S)
        assert number >= 0
        assert engine.command(ListRemove(list="bad", value="ann")).result(WAIT_S) == 1
        engine.command(ListAdd(list="bad", value="bob")).result(WAIT_S)
        assert engine.command(ListExpire(list="bad", value="bob", at_ms=START_MS + 10**9)).result(WAIT_S) == 1
        results = engine.command(
            ListBulk(changes=[ListAdd(list="bad", value="cem"), ListAdd(list="nowhere", value="x")], by="me")
        ).result(WAIT_S)
        assert isinstance(results[1], EventError)
        with pytest.raises(EventError):
            engine.command(ListAdd(list="nowhere", value="x")).result(WAIT_S)
        engine.command(Advance(to_ms=START_MS + 100 * 20_000)).result(WAIT_S)
        before = decided(engine, given[100:200])
        assert any("known" in answer.decision.rules for answer in before)
        state = engine.read(lambda inner: inner.describe()["events"]).result(WAIT_S)
        assert state == 200
    with durable(tmp_path) as engine:
        after = decided(engine, given[200:])
        assert [answer.decision for answer in decided(engine, given[100:200])] == [
            answer.decision.as_duplicate() for answer in before
        ]
    assert any(answer.decision.rules for answer in after)
    stores = open_stores(tmp_path, write=False)
    assert verify(stores).ok
    stores.close()


def test_an_activation_keeps_state_and_starts_new_features_with_their_history(tmp_path: Path) -> None:
    given = events(7, 900)
    changed = Policy.from_dict(policy(1))
    with durable(tmp_path) as engine:
        decided(engine, given[:300])
        engine.submit_many(given[300:500]).result(WAIT_S)
        engine.feedback({"event_id": "e9", "value": True}).result(WAIT_S)
        future = engine.command(ActivatePolicy(changed, by="me"))
        meanwhile = decided(engine, given[500:600])
        assert future.result(WAIT_S) == changed.version
        assert engine.policy_version == changed.version
        after = decided(engine, given[600:700])
        with pytest.raises(PolicyError):
            engine.command(
                ActivatePolicy(
                    Policy.from_dict({**policy(1), "rules": [{"id": "x", "when": "y > 1", "risk": 1}]})
                )
            ).result(WAIT_S)
        back = engine.command(RollBack(by="me")).result(WAIT_S)
        assert back == Policy.from_dict(policy(0)).version
        last = decided(engine, given[700:800])
        assert [row.number for row in engine.policies] == [1, 2, 3]
    everything = Engine(Policy.from_dict(policy(1)))
    everything.decide_many(given[:300])
    everything.decide_many(given[300:500])
    everything.learn({"event_id": "e9", "value": True})
    everything.decide_many(given[500:600])
    assert [a.decision for a in after] == [everything.decide(event) for event in given[600:700]]
    assert {a.policy_version for a in meanwhile} <= {changed.version, back}
    assert all("paid_1d" not in a.decision.features for a in last)
    with durable(tmp_path) as engine:
        assert engine.policy_version == back
        decided(engine, given[800:])
    stores = open_stores(tmp_path, write=False)
    found = verify(stores)
    assert found.ok, found
    stores.close()


def test_an_activation_drops_no_request(tmp_path: Path) -> None:
    given = events(8, 3_000)
    answers: list[Any] = []
    with durable(tmp_path) as engine:
        engine.submit_many(given[:1_000]).result(WAIT_S)
        going = threading.Event()

        def send() -> None:
            for event in given[1_000:]:
                answers.append(engine.submit(event))
                if len(answers) == 100:
                    going.set()

        thread = threading.Thread(target=send)
        thread.start()
        going.wait(WAIT_S)
        engine.command(ActivatePolicy(Policy.from_dict(policy(1)))).result(WAIT_S)
        thread.join()
        found = [each.result(WAIT_S) for each in answers]
    versions = [each.policy_version for each in found]
    assert len(set(versions)) <= 2
    assert versions == sorted(versions, key=versions.index)
    stores = open_stores(tmp_path, write=False)
    assert verify(stores).ok
    stores.close()


def test_a_shadow_looks_on_and_its_failure_touches_nobody(tmp_path: Path) -> None:
    given = events(9, 400)
    with durable(tmp_path) as engine:
        decided(engine, given[:100])
        engine.command(AddShadow("next", Policy.from_dict(policy(1)), by="me")).result(WAIT_S)
        answers = decided(engine, given[100:200])
        position = engine.flush()
        engine._shadows.wait(position)
        notes = engine.stores.shadows.read("next")
        assert engine.health().shadows == {"next": "ok"}
        assert [note.position for note in notes] == [answer.sequence for answer in answers]
        own = Engine(Policy.from_dict(policy(1)))
        own.decide_many(given[:100])
        assert [(note.action, list(note.rules)) for note in notes] == [
            (decision.action, decision.rules) for decision in (own.decide(event) for event in given[100:200])
        ]
        engine.stores.shadows.add = lambda *_: 1 / 0  # type: ignore[method-assign,assignment]
        decided(engine, given[200:250])
        engine._shadows.wait(engine.flush())
        assert engine.health().shadows["next"].startswith("failed: ZeroDivisionError")
        assert engine.health().state == "degraded"
    with durable(tmp_path) as engine:
        decided(engine, given[250:300])
        engine._shadows.wait(engine.flush())
        assert len(engine.stores.shadows.read("next")) == 200
        engine.command(RemoveShadow(name="next")).result(WAIT_S)
        assert engine.health().shadows == {}


def test_deadlines_and_full_queues_are_told_at_once(tmp_path: Path) -> None:
    given = events(10, 30)
    with durable(tmp_path, queue_events=5) as engine:
        held, free = threading.Event(), threading.Event()
        engine.read(lambda _: (held.set(), free.wait(WAIT_S)))
        held.wait(WAIT_S)
        late = engine.submit(given[0], deadline=time.monotonic() - 1)
        futures = [engine.submit(event) for event in given[1:]]
        with pytest.raises(Overloaded) as refused:
            futures[-1].result(0)
        assert refused.value.retry_after_s > 0
        free.set()
        with pytest.raises(DeadlineExceeded):
            late.result(WAIT_S)
        assert [each.result(WAIT_S).sequence for each in futures[:4]] == [2, 3, 4, 5]
        assert engine.health().dropped == 1


@pytest.mark.parametrize(("name", "rung"), [("light", 1), ("rules", 2), ("safe", 3)])
def test_a_rung_is_stamped_and_replayed(tmp_path: Path, name: str, rung: int) -> None:
    given = events(11, 200)
    with durable(tmp_path, ladder=(Rung(name, 0.0),), safe_action="MFA") as engine:
        answers = decided(engine, given[:100])
        assert {answer.rung for answer in answers} == {name}
        assert engine.health().state == "degraded"
        if name == "safe":
            assert {answer.decision.action for answer in answers} == {"MFA"}
    with durable(tmp_path) as engine:
        after = decided(engine, given[100:])
        assert {answer.rung for answer in after} == {"full"}
        assert [a.decision for a in after] == bare(given)[100:]
        stored = Decisions(engine.stores).get("e7")
        assert stored is not None
        assert stored.rung == name
    stores = open_stores(tmp_path, write=False)
    assert verify(stores).ok
    stores.close()


def test_relaxed_says_so_and_a_close_leaves_nothing_behind(tmp_path: Path) -> None:
    given = events(12, 300)
    with durable(tmp_path, relaxed=True) as engine:
        answers = decided(engine, given)
        assert not any(answer.durable for answer in answers)
        assert engine.submit(given[299]).result(WAIT_S).duplicate
        assert not engine.submit_many(given[:3]).result(WAIT_S).durable
    with durable(tmp_path) as engine:
        assert engine.health().position == 301
        assert decided(engine, given[:5])[0].duplicate


def test_decisions_are_found(tmp_path: Path) -> None:
    given = events(13, 500)
    with durable(tmp_path) as engine:
        answers = decided(engine, given[:250]) + list(engine.submit_many(given[250:]).result(WAIT_S))
        store = Decisions(engine.stores)
        one = store.get("e3")
        assert one is not None
        assert one == store.get(answers[3].request_id)
        assert one.event == given[3]
        assert store.get("nothing") is None
        for name in ("e3", "e300"):
            record = store.record(name)
            assert record is not None
            assert record.intact
            assert (record.event, record.features) == (
                given[int(name[1:])],
                store.get(name).decision.features,
            )  # type: ignore[union-attr]
        found, cursor = [], None
        while True:
            page = store.search(DecisionFilter(actions=("BLOCK",), rule="much"), cursor, limit=7)
            found += page.decisions
            cursor = page.cursor
            if cursor is None:
                break
        expected = [a for a in answers if a.decision.action == "BLOCK" and "much" in a.decision.rules]
        assert [each.sequence for each in found] == [a.sequence for a in reversed(expected)]
        ann = store.search(DecisionFilter(fields={"who": "ann"}), limit=1000).decisions
        assert len(ann) == sum(event["who"] == "ann" for event in given)
        assert [each.sequence for each in store.stream(490)] == list(range(490, 502))
        assert store.search(DecisionFilter(score_min=2.0)).decisions == []


def test_looks_back(tmp_path: Path) -> None:
    given = events(14, 300)
    with durable(tmp_path, snapshot_every_events=50) as engine:
        decided(engine, given[:150])
        engine.submit_many(given[150:]).result(WAIT_S)

        def seen(inner: Engine) -> int:
            return inner.state.events

        assert engine.as_of(101, seen) == 100
        assert engine.as_of(201, seen) == 200
        assert engine.as_of(301, seen) == 300
        moment = datetime.fromtimestamp((START_MS + 20_000 * 50) / 1000, UTC)
        assert 0 < engine.as_of(moment, seen) <= 52


def test_the_clock_is_for_telling_only(tmp_path: Path) -> None:
    given = events(15, 100)
    stores = open_stores(tmp_path)
    ticks = iter(range(10**12, 0, -(10**7)))
    engine = DurableEngine.open(stores, Policy.from_dict(policy()), clock=lambda: next(ticks))
    answers = [*decided(engine, given[:50]), *decided(engine, given[50:])]
    assert [a.decision for a in answers] == bare(given)
    assert "clock went back" in " ".join(engine.health().why)
    engine.close()
    stores.close()


def test_one_writer_at_a_time_and_a_policy_to_begin_with(tmp_path: Path) -> None:
    stores = open_stores(tmp_path)
    with pytest.raises(StorageFailed, match="another process"):
        open_stores(tmp_path)
    with pytest.raises(StateError, match="a policy is needed"):
        DurableEngine.open(stores)
    stores.close()


def test_after_close_nothing_is_taken(tmp_path: Path) -> None:
    with durable(tmp_path) as engine:
        engine.close()
        with pytest.raises(StorageFailed):
            engine.submit(events(1, 1)[0]).result(WAIT_S)


def test_an_unforeseen_error_leaves_the_journal_as_the_truth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = events(16, 200)
    with durable(tmp_path) as engine:
        decided(engine, given[:100])
        with monkeypatch.context() as patch:
            patch.setattr(engine._host, "one", lambda *_: 1 / 0)
            with pytest.raises(StorageFailed) as failed:
                engine.submit(given[100]).result(WAIT_S)
            assert failed.value.maybe_recorded
        until = time.monotonic() + WAIT_S
        while engine.health().state == "failed" and time.monotonic() < until:
            time.sleep(0.01)
        assert [a.decision for a in decided(engine, given[100:])] == bare(given)[100:]


def test_every_position_is_taken_once(tmp_path: Path) -> None:
    given = events(17, 400)
    with durable(tmp_path) as engine:
        many = engine.submit_many(given[:200])
        singles = [engine.submit(event) for event in given[200:]]
        taken = many.result(WAIT_S).sequences.tolist() + [each.result(WAIT_S).sequence for each in singles]
    assert sorted(taken) == np.arange(2, 402).tolist()
