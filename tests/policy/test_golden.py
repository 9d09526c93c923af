"""What an analyst reads after a mistake: kept word for word, so that a change of it is seen."""

from pathlib import Path

import pytest

from riskweave import Policy, PolicyError
from riskweave.policy.check import check_policy

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(path.stem for path in GOLDEN.glob("*.yaml"))


def message(name: str) -> str:
    """The error that a policy file gives."""
    with pytest.raises(PolicyError) as caught:
        check_policy(Policy.read(GOLDEN / f"{name}.yaml"))
    return str(caught.value) + "\n"


@pytest.mark.parametrize("name", CASES)
def test_the_error_says_where_what_and_the_way_out(name):
    assert message(name) == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", CASES)
def test_the_first_line_names_file_line_and_column(name):
    file, line, column, _ = message(name).split(":", 3)
    assert (file, int(line) > 0, int(column) > 0) == (f"{name}.yaml", True, True)
