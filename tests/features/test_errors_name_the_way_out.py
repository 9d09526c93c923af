"""Every mistake in a feature call is refused with its place, what is wrong and a hint."""

from pathlib import Path

import pytest

from riskweave.errors import PolicyError
from tests.features.world import World

GOLDEN = Path(__file__).with_name("errors.golden.txt")

CALLS = [
    ("customr", "count", ("1h",), {}),
    ("account", "count", ("1h",), {}),
    ("payer.as_pay", "count", ("1h",), {}),
    ("payer.as_customer", "count", ("1h",), {}),
    ("customer", "cuont", ("1h",), {}),
    ("customer", "average", ("amount", "1h"), {}),
    ("customer", "sum", ("amount",), {}),
    ("customer", "sum", ("amount", "1 hour"), {}),
    ("customer", "sum", ("amount", "401d"), {}),
    ("customer", "count", ("10ms",), {}),
    ("customer", "sum", ("device", "1h"), {}),
    ("customer", "sum", ("fraud", "1h"), {}),
    ("customer", "sum", ("score", "1h"), {}),
    ("customer", "distinct", ("place", "1h"), {}),
    ("customer", "speed_kmh", ("amount",), {}),
    ("customer", "distinct_places", ("place", "1h", 0.001), {}),
    ("customer", "quantile", ("amount", 1.5, "1h"), {}),
    ("customer", "count", ("1h",), {"wher": ("flag",)}),
    ("customer", "count", ("1h",), {"where": ("amount",)}),
    ("customer", "count", ("1h",), {"before": "yes"}),
    ("customer", "count", ("1h",), {"delay": 3.0}),
    ("customer", "first_seen", (), {"where": ("fraud",)}),
]


def refusals():
    texts = []
    for path, aggregate, args, named in CALLS:
        world = World()
        with pytest.raises(PolicyError) as caught:
            world.call(world.compiler(), path, aggregate, *args, **named)
        error = caught.value
        written = ", ".join([*(repr(each) for each in args), *(f"{k}={v!r}" for k, v in named.items())])
        texts.append(f"{path}.{aggregate}({written})\n  {error.message}\n  {error.hint}".rstrip())
    return "\n".join(texts) + "\n"


def test_the_messages_are_the_golden_ones():
    assert refusals() == GOLDEN.read_text()


def test_equal_calls_share_a_column():
    world = World()
    compiler = world.compiler()
    first = world.call(compiler, "customer", "sum", "amount", "60m", where=("flag", "big"))
    assert world.call(compiler, "customer", "sum", "amount", "1h", where=("big", "flag")) is first
    assert world.call(compiler, "customer", "sum", "amount", "1h", where=("flag",)) is not first
