"""The page for analysts names every function and every example on it is right."""

import re
from pathlib import Path

import pytest

from riskweave.expressions.functions import FUNCTIONS, TEXT_METHODS
from tests.expressions.world import World

PAGE = (Path(__file__).parents[2] / "docs" / "expressions.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `([^`]+)` \|[^|]*\| `([^`]+)` \|", PAGE, re.MULTILINE)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_is_on_the_page(name):
    assert any(usage.startswith(f"{name}(") for usage, _ in ROWS)


@pytest.mark.parametrize("name", sorted(TEXT_METHODS))
def test_every_method_of_text_is_on_the_page(name):
    assert f"`{name}`" in PAGE.split("method style")[1]


@pytest.mark.parametrize("example", [example for _, example in ROWS])
def test_every_example_is_right(example):
    World().check(example)
