"""Labels on their way arrive at the event they should, however the events are split."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from riskweave.engine.labels import LabelQueue

# Each event: how much time passes before it, and the delay of its label (None: it has none).
streams = st.lists(st.tuples(st.integers(0, 5), st.none() | st.integers(0, 12)), min_size=1, max_size=30)


def arrivals(events, cuts):
    """The events before which each label arrives, by running the queue over the parts."""
    times = np.cumsum([gap for gap, _ in events])
    queue, found = LabelQueue(), []
    edges = sorted({0, len(events), *(cut for cut in cuts if cut < len(events))})
    for first, last in pairwise(edges):
        delays = [(row, delay) for row, (_, delay) in enumerate(events[first:last]) if delay is not None]
        rows = np.array([row for row, _ in delays], np.int64)
        due = times[first:last][rows] + np.array([delay for _, delay in delays], np.int64)
        queue.add(due, (rows + first).astype(np.uint64), 0, np.ones(rows.size), rows)
        taken = queue.arrivals(times[first:last])
        if taken is not None:
            found += list(zip((taken.before_row + first).tolist(), taken.event_hash.tolist(), strict=True))
    return found, len(queue)


def defined(events):
    """By definition: before the first later event whose time has reached the label's due time."""
    times = np.cumsum([gap for gap, _ in events]).tolist()
    found = []
    for number, (_, delay) in enumerate(events):
        if delay is None:
            continue
        due = times[number] + delay
        later = [at for at in range(number + 1, len(events)) if times[at] >= due]
        if later:
            found.append((later[0], due, number))
    return [(at, number) for at, _, number in sorted(found)]


@given(streams, st.lists(st.integers(0, 30), max_size=4))
def test_a_label_arrives_before_the_first_event_at_or_after_its_due_time(events, cuts):
    found, waiting = arrivals(events, cuts)
    assert found == defined(events)
    assert waiting == sum(delay is not None for _, delay in events) - len(found)


@given(streams)
def test_a_restored_queue_goes_on_alike(events):
    times = np.cumsum([gap for gap, _ in events])
    queue = LabelQueue()
    for number, (_, delay) in enumerate(events):
        if delay is not None:
            queue.add(np.array([times[number] + delay]), np.array([number], np.uint64), 0, np.ones(1))
    again = LabelQueue.restore(queue.snapshot())
    first, second = queue.arrivals(times[-1:]), again.arrivals(times[-1:])
    assert (first is None) == (second is None)
    if first is not None and second is not None:
        assert first.event_hash.tolist() == second.event_hash.tolist()
    assert len(queue) == len(again)


def test_of_labels_due_together_the_one_given_first_comes_first_after_a_restart_too():
    queue = LabelQueue()
    for value in (1.0, 0.0, 1.0):
        queue.add(np.array([5]), np.array([1], np.uint64), 0, np.array([value]))
    queue = LabelQueue.restore(queue.snapshot())
    for value in (0.0, 0.25):
        queue.add(np.array([5]), np.array([1], np.uint64), 0, np.array([value]))
    taken = queue.arrivals(np.array([5]))
    assert taken is not None
    assert taken.value.tolist() == [1.0, 0.0, 1.0, 0.0, 0.25]


def test_however_many_labels_wait_a_batch_looks_at_few_runs():
    queue = LabelQueue()
    for number in range(5_000):
        queue.add(np.array([1_000_000 - number]), np.array([number], np.uint64), 0, np.ones(1), np.zeros(1))
        queue.arrivals(np.array([number]))
    assert len(queue) == 5_000
    assert len(queue.runs) < 15
    taken = queue.arrivals(np.array([2_000_000]))
    assert taken is not None
    assert taken.event_hash.tolist() == list(range(4_999, -1, -1))
    assert len(queue) == queue.nbytes == 0
