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


def test_any_change_of_a_table_beside_the_policy_is_another_version(tmp_path):
    from riskweave import Policy

    (tmp_path / "policy.yaml").write_text("events: {e: {time: at, fields: {at: time}}}\n")
    versions = set()
    for content in (None, "value\na\n", "value\nb\n"):
        if content is not None:
            (tmp_path / "blocked.csv").write_text(content)
        versions.add(Policy.read(tmp_path).version)
    assert len(versions) == 3
