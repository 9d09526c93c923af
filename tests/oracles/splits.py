"""Which events a model may learn from and is judged by, event by event; plain Python."""

from __future__ import annotations


def split(events, train_from, train_to, gap, test_to):
    """Row numbers of training and test; an event is (time, known, label), label None when unknown."""
    begins = train_to + gap
    train = [
        row
        for row, (time, known, label) in enumerate(events)
        if label is not None and train_from <= time < train_to and known <= begins
    ]
    test = [
        row for row, (time, _, label) in enumerate(events) if label is not None and begins <= time < test_to
    ]
    return train, test


def kept_in_test(events, test, train_from_day, train_days, gap_days, delay):
    """The Handbook's rule; an event is (day, card, fraud) and `test` the days that are tested.

    Cards with a fraud in the training days are left out; on each test day d also those with a
    fraud on any day after training up to and including d - delay - 1.
    """
    first = train_from_day
    known = {card for day, card, fraud in events if fraud and first <= day < first + train_days}
    kept = []
    for step in range(test):
        today = first + train_days + gap_days + step
        known |= {
            card for day, card, fraud in events if fraud and first + train_days <= day <= today - delay - 1
        }
        kept += [row for row, (day, card, _) in enumerate(events) if day == today and card not in known]
    return kept
