"""Remembered ids: found within the period, forgotten after it, whatever else is remembered."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from riskweave.engine.memory import EventMemory

arrivals = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 30)), min_size=1, max_size=200)


def untold(*_):
    raise AssertionError("no outcome was kept as numbers")


def first_seen(events, period):
    """By definition: the number of the same id's last fresh arrival, if it is not older than the period."""
    remembered = {}
    found = []
    for number, (identity, watermark) in enumerate(events):
        earlier = remembered.get(identity)
        if earlier is not None and watermark - earlier[1] <= period:
            found.append(earlier[0])
        else:
            remembered[identity] = (number, watermark)
            found.append(-1)
    return found


@given(arrivals, st.integers(0, 100), st.integers(1, 60))
def test_an_id_is_known_for_the_period_and_no_longer(gaps, period, block):
    watermarks = np.cumsum([gap for _, gap in gaps])
    hashes = np.array([identity + 1 for identity, _ in gaps], np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    memory = EventMemory(period)
    found = []
    for start in range(0, len(gaps), block):
        part = slice(start, start + block)
        begin, first = memory.first_numbers(hashes[part], watermarks[part])
        assert begin == start
        found += first.tolist()
    ids = [identity for identity, _ in gaps]
    assert found == first_seen(list(zip(ids, watermarks.tolist(), strict=True)), period)


def test_a_hundred_thousand_ids_are_told_apart_and_old_ones_make_room():
    memory = EventMemory(1_000)
    hashes = np.arange(1, 100_001, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    for start in range(0, 100_000, 1_000):
        watermarks = np.arange(start, start + 1_000)
        _, first = memory.first_numbers(hashes[start : start + 1_000], watermarks)
        assert (first == -1).all()
    assert len(memory.table) < 20_000


def test_making_room_for_a_batch_forgets_nothing_that_its_first_event_may_see():
    """A batch may span more time than the period: what its last event may not see, its first still may."""
    for gap in (0, 7, 10):
        memory = EventMemory(10)
        seen = np.arange(1, 2_001, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        memory.first_numbers(seen, np.zeros(2_000, np.int64))
        other = np.arange(5_001, 10_001, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        hashes = np.concatenate([seen, other])
        _, first = memory.first_numbers(hashes, np.concatenate([np.full(2_000, gap), np.full(5_000, 99)]))
        assert first.tolist() == [*range(2_000), *[-1] * 5_000]


def test_a_restored_memory_counts_what_it_holds():
    memory = EventMemory(10)
    hashes = np.arange(1, 1_001, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    memory.first_numbers(hashes, np.zeros(1_000, np.int64))
    again = EventMemory.restore(10, memory.snapshot("", ()), untold)
    assert (again.taken, again.next_number) == (1_000, 1_000)
    later = EventMemory.restore(10, memory.snapshot("", ()), untold)
    later.first_numbers(hashes[:5] + np.uint64(1), np.full(5, 11))
    assert EventMemory.restore(10, later.snapshot("", ()), untold).taken == 5
    assert again.first_numbers(hashes, np.full(1_000, 10))[1].tolist() == list(range(1_000))
