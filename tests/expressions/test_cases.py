"""The language by example: `cases.csv` holds text; input; output, in the zone of Paris."""

import csv
from datetime import datetime
from pathlib import Path

import pytest

from riskweave.expressions.types import Type
from tests.expressions.world import FIELDS, run_one

CASES = Path(__file__).with_name("cases.csv")


def _value(name, text):
    kind = FIELDS.get(name, Type.INT)
    if not text:
        return None
    if kind is Type.TIME:
        return datetime.fromisoformat(text)
    return text if kind.is_text else float(text)


def _cases():
    with CASES.open(encoding="utf-8", newline="") as file:
        for row in list(csv.reader(file, delimiter=";", quoting=csv.QUOTE_NONE))[1:]:
            yield pytest.param(*(cell.strip() for cell in row), id=f"{row[0].strip()} | {row[1].strip()}")


@pytest.mark.parametrize(("text", "given", "expected"), list(_cases()))
def test_example(text, given, expected):
    event = {name: _value(name, value) for name, value in (each.split("=", 1) for each in given.split())}
    assert str(run_one(text, event, "Europe/Paris")) == expected
