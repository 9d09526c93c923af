"""In a world that changes all the time an engine holds no more later than sooner."""

from benchmarks.suite.soak import soak


def test_what_is_held_does_not_grow():
    samples = soak(
        240, 60, block=64, restore_every=37, replace_every=23, sample_every=1, texts_limit=800, span="3h"
    )
    assert samples[-1].told["events"] > 12_000
    for name in samples[0].held:
        held = [sample.held[name] for sample in samples]
        sooner, later = held[60:150], held[150:]
        # Tables double, so one that stands near its edge may still do so once.
        assert max(later) <= 2.1 * max(sooner), (name, max(sooner), max(later))
