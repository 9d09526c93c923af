"""Remembered ids: found within the period, forgotten after it, whatever else is remembered."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from riskweave.engine.memory import EventMemory

arrivals = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 30)), min_size=1, max_size=200)


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
