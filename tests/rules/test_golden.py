"""Every mistake and every finding says where, what and the way out, as kept in golden/*.txt.

`python -m tests.rules.test_golden` writes the files anew; read the difference before committing.
"""

from pathlib import Path

import pytest

from riskweave.document import parse_yaml, read_yaml
from riskweave.rules.check import check
from tests.rules.fake import Room, check_error

GOLDEN = Path(__file__).parent / "golden"


def cases(name):
    return {key: node.text() for key, node in read_yaml(GOLDEN / f"{name}.yaml").items()}


def shown(name, text):
    document = parse_yaml(text, "rules.yaml")
    if name == "errors":
        return check_error(document, folder=GOLDEN)
    return "\n".join(str(finding) for finding in check(Room(document).compiler)) or "nothing found"


def written(name):
    return "\n\n".join(f"# {key}\n{shown(name, text)}" for key, text in cases(name).items()) + "\n"


@pytest.mark.parametrize("name", ["errors", "findings"])
def test_messages_are_as_kept(name):
    assert written(name) == (GOLDEN / f"{name}.txt").read_text()


if __name__ == "__main__":
    for each in ("errors", "findings"):
        (GOLDEN / f"{each}.txt").write_text(written(each))
