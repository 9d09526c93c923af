"""Every aggregate and option is in the documentation."""

from pathlib import Path

import pytest

from riskweave.features.spec import AGGREGATES, OPTIONS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "features.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", AGGREGATES)
def test_the_page_defines_the_aggregate(name):
    assert any(line.startswith("| `") and f"`{name}(" in line for line in PAGE.splitlines())


@pytest.mark.parametrize("name", OPTIONS)
def test_the_page_tells_the_option(name):
    assert f"| `{name}=" in PAGE
