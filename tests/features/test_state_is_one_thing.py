"""Parity: however events are batched, saved, restored, swept or moved, answers are the same bytes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskweave.errors import StateError
from riskweave.features.carry import adopt, export_key, import_key
from riskweave.features.moves import export_keys, import_keys
from riskweave.features.state import FeaturesState, step
from riskweave.kernels.chunks import WATERMARK
from tests.features.test_equal_their_definition import (
    BASIC,
    NUMBER,
    WORD,
    S,
    carry,
    everything,
    long_stream,
    make_event,
    run,
    streams,
)
from tests.features.world import World
from tests.oracles.features import Asked, answers


def same(found, expected):
    assert found.tobytes() == expected.tobytes()


@settings(max_examples=30, deadline=None)
@given(streams(), st.sets(st.integers(0, 40)))
def test_any_split_into_batches_gives_identical_bytes(stream, cuts):
    events, labels = stream
    world = World()
    plan, columns = world.plan(everything(), 25 * S)
    at_once = run(world, plan, columns, events, labels)
    same(run(world, plan, columns, events, labels, [cut for cut in cuts if cut < len(events)]), at_once)
    one_by_one = run(world, plan, columns, events, labels, range(1, len(events)), keys=1000, words=100_000)
    same(one_by_one, at_once)


@pytest.mark.parametrize("cut", [1, 60, 119])
def test_a_restored_state_goes_on_as_if_nothing_had_happened(cut):
    events, labels = long_stream(7, 120, keys=2, labels=60)
    world = World()
    plan, columns = world.plan(everything(), 25 * S)
    expected = run(world, plan, columns, events, labels, [cut])
    early = [each for each in labels if each[0] <= cut]
    state = FeaturesState.create(plan, keys=1, words=64)
    first = carry(world, plan, state, columns, events[:cut], early)
    restored = FeaturesState.restore(plan, state.snapshot())
    second = later(world, plan, restored, columns, events, labels[len(early) :], cut)
    same(np.hstack([first, second]), expected)


def later(world, plan, state, columns, events, labels, first):
    batch = world.batch(events[first:], labels, first)
    step(plan, state, batch)
    return batch.values[[column.index for column in columns]]


def test_a_damaged_snapshot_is_refused():
    world = World()
    plan, _ = world.plan(BASIC)
    arrays = FeaturesState.create(plan).snapshot()
    del arrays["heap"]
    with pytest.raises(StateError, match="incomplete"):
        FeaturesState.restore(plan, arrays)
    other, _ = World().plan(everything())
    with pytest.raises(StateError, match="another policy"):
        FeaturesState.restore(plan, FeaturesState.create(other).snapshot())


@settings(max_examples=30, deadline=None)
@given(streams())
def test_sweeping_after_every_event_changes_nothing(stream):
    events, labels = stream
    world = World()
    plan, columns = world.plan(everything(), 5 * S)
    expected = run(world, plan, columns, events, labels)
    state = FeaturesState.create(plan)
    found = np.empty_like(expected)
    waiting = list(labels)
    for i in range(len(events)):
        last = i + 1 == len(events)
        mine = [each for each in waiting if each[0] <= i or last]
        waiting = waiting[len(mine) :]
        batch = world.batch(events[i : i + 1], mine, i)
        step(plan, state, batch)
        state.sweep(plan)
        found[:, i] = batch.values[[column.index for column in columns], 0]
    same(found, expected)


def test_idle_keys_are_dropped_and_their_memory_used_again():
    world = World()
    plan, _columns = world.plan(BASIC)
    state = FeaturesState.create(plan, keys=64)
    for number in range(3000):
        time = 1_700_000_000_000 + number * 10 * S
        event = make_event(time, time, number + 1, None, None, 100, 1.0, 0, 1, None, 0, 0)
        step(plan, state, world.batch([event], (), number))
    told = state.describe(plan)
    assert told["entities"]["customer"]["keys"] < 200
    assert state.heap.nbytes < 3_000_000
    state.sweep(plan)
    assert state.describe(plan)["entities"]["customer"]["keys"] <= 7


def test_describe_counts_keys_events_and_late_ones():
    world = World()
    plan, columns = world.plan(BASIC)
    events, labels = long_stream(3, 100, keys=2, late=0.3)
    events.append({**events[-1], "time": events[-1]["watermark"] - 10_000 * S})
    state = FeaturesState.create(plan)
    carry(world, plan, state, columns, events, labels)
    told = state.describe(plan)["entities"]["customer"]
    assert told["keys"] == 2
    assert told["too_late"] == 1
    assert 0 < told["events"] <= 100


CHANGED = [
    Asked("count", "customer", "customer", window=30 * S),
    Asked("sum", "customer", "customer", NUMBER, window=20 * S, where=("flag",)),
    Asked("mean", "customer", "customer", NUMBER, window=30 * S),
    Asked("rate", "customer", "customer", window=20 * S, condition_labels=("fraud",)),
    Asked("first_seen", "customer", "customer"),
    Asked("decayed_sum", "customer", "customer", NUMBER, half_life=9 * S),
]
FORMER = [*CHANGED, Asked("max", "customer", "customer", NUMBER, window=30 * S, where=("flag",))]
PAYEE = [
    Asked("count", "payee", "payee", window=30 * S),
    Asked("distinct", "payee", "payee", WORD, window=30 * S),
]


@pytest.mark.parametrize("cut", [40, 150])
def test_a_new_policy_goes_on_with_what_the_old_one_knew(cut):
    events, labels = long_stream(11, 200, keys=3, labels=120)
    world = World()
    old_plan, old_columns = world.plan(FORMER + PAYEE, 60 * S)
    new_plan, columns = world.plan(CHANGED + PAYEE, 60 * S)
    early = [each for each in labels if each[0] <= cut]
    state = FeaturesState.create(old_plan, keys=1, words=64)
    carry(world, old_plan, state, old_columns, events[:cut], early)
    before = {name: array.tobytes() for name, array in state.snapshot().items()}
    adopted, needs = adopt(old_plan, state, new_plan)
    assert {name: array.tobytes() for name, array in state.snapshot().items()} == before
    assert not needs.any()
    found = later(world, new_plan, adopted, columns, events, labels[len(early) :], cut)
    whole = run(world, new_plan, columns, events, labels)
    np.testing.assert_allclose(found, whole[:, cut:], rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("start", [0, 30])
def test_new_features_begin_with_their_history(start):
    """Old history where there is none to replay, replayed history from `start` on."""
    cut = 150
    events, labels = long_stream(12, 220, keys=3, late=0.0)
    world = World()
    old_plan, old_columns = world.plan(
        [*PAYEE, Asked("count", "customer", "customer", window=10 * S)], 60 * S
    )
    asked = [*PAYEE, *CHANGED]
    new_plan, columns = world.plan(asked, 60 * S)
    state = FeaturesState.create(old_plan)
    carry(world, old_plan, state, old_columns, events[:cut], ())
    adopted, needs = adopt(old_plan, state, new_plan, events[start]["time"])
    assert [table.name for table, need in zip(new_plan.tables, needs, strict=True) if need] == ["customer"]
    start = next(i for i, event in enumerate(events) if event["time"] >= events[start]["time"])
    step(new_plan, adopted, world.batch(events[start:cut], (), start), only=needs)
    found = later(world, new_plan, adopted, columns, events, labels, cut)
    whole = run(world, new_plan, columns, events, labels)
    if start == 0:
        np.testing.assert_allclose(found, whole[:, cut:], rtol=1e-12, atol=1e-9)
    np.testing.assert_array_equal(found[:2], whole[:2, cut:])


def test_a_key_moves_to_another_process():
    cut = 120
    events, labels = long_stream(13, 200, keys=2, labels=100)
    early = [each for each in labels if each[0] <= cut]
    world = World()
    plan, columns = world.plan(everything(), 60 * S)
    state = FeaturesState.create(plan)
    carry(world, plan, state, columns, events[:cut], early)
    moved = FeaturesState.create(plan)
    for table in plan.tables:
        for key in (1, 2):
            arrays = export_key(plan, state, table.name, key)
            assert arrays is not None
            import_key(plan, moved, table.name, arrays)
        assert export_key(plan, state, table.name, 99) is None
    with pytest.raises(StateError, match="already"):
        import_key(plan, moved, table.name, arrays)
    moved.meta[WATERMARK] = state.meta[WATERMARK]
    found = later(world, plan, moved, columns, events, labels[len(early) :], cut)
    whole = run(world, plan, columns, events, labels)
    np.testing.assert_allclose(found, whole[:, cut:], rtol=1e-11, atol=1e-9)


@pytest.mark.parametrize("seed", [13, 14, 15])
def test_a_key_that_moves_word_for_word_goes_on_bit_for_bit(seed):
    cut = 60
    events, labels = long_stream(seed, 100, keys=2, labels=60)
    early = [each for each in labels if each[0] <= cut]
    world = World()
    plan, columns = world.plan(everything(), 60 * S)
    state = FeaturesState.create(plan)
    carry(world, plan, state, columns, events[:cut], early)
    moved = FeaturesState.create(plan, keys=1, words=64)
    for key in (1, 2):
        import_keys(plan, moved, export_keys(plan, state, {table.name: [key] for table in plan.tables}))
    found = later(world, plan, moved, columns, events, labels[len(early) :], cut)
    same(found, run(world, plan, columns, events, labels)[:, cut:].copy())


def test_equal_streams_give_the_definition_after_restore_too():
    events, labels = long_stream(5, 80, keys=2, labels=30)
    world = World()
    plan, columns = world.plan(BASIC, 60 * S)
    expected = answers(events, BASIC, labels, {"customer": plan.tables[0].span_ms}, plan.forget_after_ms)
    found = run(world, plan, columns, events, labels, [40])
    counts = [row[0] for row in expected]
    np.testing.assert_array_equal(found[0], np.array([np.nan if each is None else each for each in counts]))


def test_a_label_may_come_in_a_batch_without_events():
    events, _ = long_stream(4, 60, keys=1, late=0.0)
    labels = [(30, number, "fraud", 1) for number in range(5, 30)]
    world = World()
    asked = [Asked("rate", "customer", "customer", window=60 * S, condition_labels=("fraud",))]
    plan, columns = world.plan(asked)
    expected = run(world, plan, columns, events, labels)
    state = FeaturesState.create(plan)
    carry(world, plan, state, columns, events[:30], ())
    step(plan, state, world.batch([], labels, 30))
    same(later(world, plan, state, columns, events, (), 30), expected[:, 30:])
    assert expected[0, 30] > 0
