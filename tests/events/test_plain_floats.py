"""Float fields that are read all at once: the same values and the same errors as one by one."""

import math

import numpy as np
import pytest

from riskweave import Engine, EventError, Policy

POLICY = Policy.from_dict(
    {
        "events": {
            "tx": {
                "time": "at",
                "fields": {"at": "time", "who": "string", "a": "float", "b": "float", "n": "int"},
            }
        },
        "entities": {"customer": "who"},
        "features": {"sum_a": 'customer.sum(a, "1h")', "sum_b": 'customer.sum(b, "1h")', "twice": "a * 2"},
    }
)
USUAL = {"at": "2026-01-01T10:00:00Z", "who": "ann", "a": 1.5, "b": -0.25, "n": 3}


@pytest.mark.parametrize(
    ("changed", "a", "b"),
    [
        ({}, 1.5, -0.25),
        ({"a": 2}, 2.0, -0.25),
        ({"b": "0.5"}, 1.5, 0.5),
        ({"a": np.float64(4.0)}, 4.0, -0.25),
        ({"a": None}, None, -0.25),
        ({"a": 0.8e308, "b": 1.7e308}, 0.8e308, 1.7e308),
    ],
)
def test_values_are_those_that_came(changed, a, b):
    found = Engine(POLICY).decide(USUAL | changed).features
    assert (found["twice"], found["sum_b"]) == (None if a is None else a * 2, b)


def test_absent_fields_are_null():
    record = {name: value for name, value in USUAL.items() if name != "a"}
    assert Engine(POLICY).decide(record).features["twice"] is None


@pytest.mark.parametrize("wrong", [math.nan, math.inf, "much", True, []])
@pytest.mark.parametrize("name", ["a", "b"])
def test_what_is_no_number_is_refused_by_name(name, wrong):
    with pytest.raises(EventError) as caught:
        Engine(POLICY).decide(USUAL | {name: wrong})
    assert caught.value.field == name
