"""Doing less in declared steps: each saves its work, is stamped and replayed, and leaves state as it is."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from riskweave import Engine, Policy
from riskweave.decision.plan import UtilityPlan
from riskweave.engine.durable import DurableEngine, DurableSettings
from riskweave.engine.durable_verify import verify
from riskweave.engine.ports import Rung
from riskweave.errors import EventError
from riskweave.models import runners
from riskweave.models.artifact import About, Artifact, Feature, Lstm, write
from riskweave.storage.decisions import Decisions
from riskweave.storage.open import open_stores
from tests.decision.world import policy as utility_policy
from tests.decision.world import stream
from tests.storage.world import WAIT_S, decided, events, policy

RUNGS = ["light", "rules", "safe"]


def sequence_policy(folder: Path) -> Policy:
    """A policy with a sequence model whose score counts."""
    draw = np.random.default_rng(5)
    about = About(
        model=Lstm(entity="customer", steps=4, horizon_ms=36_000_000), features=(Feature(name="paid_1h"),)
    )
    wide, hidden = about.inputs, 5
    weights = {
        "weight_ih": draw.normal(size=(4 * hidden, wide)),
        "weight_hh": draw.normal(size=(4 * hidden, hidden)),
        "bias_ih": draw.normal(size=4 * hidden),
        "bias_hh": draw.normal(size=4 * hidden),
        "weight_0": draw.normal(size=(1, hidden)),
        "bias_0": draw.normal(size=1),
        "input_impute": np.zeros(wide),
        "input_scale": np.full(wide, 100.0),
    }
    write(folder / "steps", Artifact(about, weights))
    models = {"steps": {"artifact": "steps", "risk": True}}
    return Policy.from_dict({**policy(), "models": models}, folder)


def opened(folder: Path, made: Policy, **settings: Any) -> DurableEngine:
    return DurableEngine.open(open_stores(folder), made, settings=DurableSettings(**settings))


def ended(engine: DurableEngine) -> None:
    engine.close(WAIT_S)
    engine.stores.close()


def assert_verified(folder: Path) -> None:
    stores = open_stores(folder, write=False)
    found = verify(stores)
    assert found.ok, found
    stores.close()


@pytest.mark.parametrize("name", RUNGS)
def test_a_sequence_model_that_is_left_out_still_remembers(tmp_path: Path, name: str) -> None:
    made = sequence_policy(tmp_path)
    given = events(61, 240)
    engine = opened(tmp_path / "data", made, ladder=(Rung(name, 0.0),))
    less = decided(engine, given[:100])
    assert {(answer.rung, answer.skipped) for answer in less} == {(name, ("steps",))}
    assert {answer.decision.features["steps.score"] for answer in less} == {None}
    ended(engine)
    engine = opened(tmp_path / "data", made)
    # A model that rests is left out of blocks too.
    engine._rests.until["steps"] = float("inf")
    resting = engine.submit_many(given[100:160]).result(WAIT_S)
    assert [part.skipped for part in resting.parts] == [("steps",)]
    engine._rests.until.clear()
    full = decided(engine, given[160:])
    ended(engine)
    bare = Engine(made)
    expected = [bare.decide(event) for event in given]
    assert [answer.decision for answer in full] == expected[160:]
    assert any(decision.features["steps.score"] is not None for decision in expected[160:])
    assert_verified(tmp_path / "data")


def test_what_is_left_out_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network of a sequence model, and the one of the decision."""
    made = sequence_policy(tmp_path)
    scored: list[int] = []
    real = runners.LstmRunner.__init__
    monkeypatch.setattr(runners.LstmRunner, "__init__", lambda *a: (scored.append(1), real(*a))[1])
    engine = opened(tmp_path / "data", made, ladder=(Rung("light", 0.0),))
    try:
        decided(engine, events(62, 1))
        remembering = engine._host._use(engine._how(0.0, 0)).remembering
        (small,) = remembering.plan.sequences
        (whole,) = engine._host.full.models.sequences
        assert small.runner.bias.size == 4  # type: ignore[union-attr]
        assert whole.runner.bias.size == 20  # type: ignore[union-attr]
        assert scored
    finally:
        ended(engine)


@pytest.mark.parametrize("name", ["rules", "safe"])
def test_the_decision_network_is_left_out_below(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    made = Policy.from_dict(utility_policy())
    given = unique(63, 150)
    asked: list[int] = []
    step = UtilityPlan.step
    monkeypatch.setattr(UtilityPlan, "step", lambda *a: (asked.append(1), step(*a))[1])
    engine = opened(tmp_path, made, ladder=(Rung(name, 0.0),), safe_action="MFA")
    asked.clear()
    answers = decided(engine, given[:80])
    assert not asked
    outcomes = {answer.decision.outcome and answer.decision.outcome.integrator for answer in answers}
    assert outcomes == ({"maximum"} if name == "rules" else {None})
    again = engine.submit(given[3]).result(WAIT_S)
    assert again.duplicate
    assert again.decision == answers[3].decision.as_duplicate()
    record = Decisions(engine.stores).record(str(given[3]["id"]))
    assert (record is None) == (name == "safe")
    ended(engine)
    engine = opened(tmp_path, made)
    assert {answer.rung for answer in decided(engine, given[80:])} == {"full"}
    assert asked
    ended(engine)
    assert_verified(tmp_path)


def test_a_long_queue_is_a_reason_too(tmp_path: Path) -> None:
    made = Policy.from_dict(policy())
    given = events(64, 40)
    engine = opened(tmp_path, made, ladder=(Rung("rules", 1e9, queued=20),), group_events=8)
    held, free = threading.Event(), threading.Event()
    engine.read(lambda _: (held.set(), free.wait(WAIT_S)))
    held.wait(WAIT_S)
    futures = [engine.submit(event) for event in given]
    free.set()
    rungs = [each.result(WAIT_S).rung for each in futures]
    ended(engine)
    assert rungs == ["rules"] * 24 + ["full"] * 16
    assert_verified(tmp_path)


@pytest.mark.parametrize("as_table", [False, True])
def test_a_bulk_event_repeated_later_gets_its_whole_first_answer(tmp_path: Path, as_table: bool) -> None:
    made = Policy.from_dict(utility_policy())
    given = unique(65, 120)
    bulk: Any = pa.Table.from_pylist(given) if as_table else given
    engine = opened(tmp_path, made)
    first = list(engine.submit_many(bulk).result(WAIT_S))
    again = list(engine.submit_many(bulk).result(WAIT_S))
    ended(engine)
    engine = opened(tmp_path, made)
    later = [engine.submit(event).result(WAIT_S) for event in given] if not as_table else []
    stored = [Decisions(engine.stores).get(str(event["id"])) for event in given[:20]]
    ended(engine)
    told = [answer for answer in first if not isinstance(answer, EventError)]
    assert any(answer.decision.outcome.evidence for answer in told)  # type: ignore[union-attr]
    for answers in (again, later):
        for one, other in zip(first, answers, strict=False):
            if isinstance(one, EventError):
                assert isinstance(other, EventError)
                continue
            assert other.duplicate
            assert other.decision.outcome == one.decision.outcome
            assert str(other.decision.outcome) == str(one.decision.outcome)
            assert other.decision == one.decision.as_duplicate()
    for one, found in zip(first, stored, strict=False):
        if not isinstance(one, EventError):
            assert found is not None
            assert found.decision.outcome == one.decision.outcome


def unique(seed: int, count: int) -> list[dict[str, Any]]:
    """Events that can be read, each id once."""
    reader = Engine(Policy.from_dict(utility_policy()))
    found: dict[str, dict[str, Any]] = {}
    for event in stream(seed, count):
        try:
            reader.decide(event)
        except EventError:
            continue
        found.setdefault(str(event["id"]), event)
    return list(found.values())
