"""Golden files of this room: `GOLDEN=write pytest tests/decision/networks` writes them anew."""

import os
from pathlib import Path

import pytest


@pytest.fixture
def golden():
    def compare(name, text):
        path = Path(__file__).parent / name
        if os.environ.get("GOLDEN") == "write":
            path.write_text(text)
        assert path.read_text() == text

    return compare
