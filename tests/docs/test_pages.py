"""The pages are true: every room, section and file they name is there, and every one there is named."""

import re
import tomllib
from pathlib import Path

import pytest

import riskweave
from riskweave.policy.folder import SECTIONS

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "riskweave"
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    PACKAGE / "README.md",
]


def test_every_room_has_a_line_and_every_line_a_room():
    named = set(
        re.findall(r"^\| `([a-z_]+(?:/|\.py))` \|", (PACKAGE / "README.md").read_text(), re.MULTILINE)
    )
    rooms = {f"{path.name}/" for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    modules = {path.name for path in PACKAGE.glob("*.py")} - {"__init__.py", "__main__.py"}
    assert named == rooms | modules


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_between_pages_leads_somewhere(page):
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


def test_every_policy_section_is_on_the_policy_page():
    page = (ROOT / "docs" / "policy.md").read_text()
    assert [section for section in SECTIONS if not re.search(rf"^{section}:", page, re.MULTILINE)] == []


def test_every_dependency_has_its_reason():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    page = (ROOT / "docs" / "dependencies.md").read_text()
    extras = [each for group in project["optional-dependencies"].values() for each in group]
    names = {re.split(r"[<>=~\[ ]", each)[0] for each in [*project["dependencies"], *extras]}
    assert [name for name in sorted(names) if name not in page and not name.startswith("types-")] == []


def test_the_version_is_the_same_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == riskweave.__version__


def test_every_public_name_is_there_and_documented():
    assert sorted(riskweave.__all__) == list(riskweave.__all__)
    for name in riskweave.__all__:
        value = getattr(riskweave, name)
        assert name == "__version__" or value.__doc__


# Webhooks that alert rules name, the service that the caller of `simulate --to` names, and the demo's own.
_CALLERS = (
    PACKAGE / "service" / "delivery.py",
    PACKAGE / "cli" / "simulate.py",
    PACKAGE / "cli" / "demo.py",
)


def test_nothing_is_executed_unpickled_or_fetched():
    """No eval, exec, pickle, dynamic import of strings from outside, or network library anywhere."""
    modules = "pickle|marshal|shelve|urllib|requests|httpx?"
    forbidden = re.compile(
        rf"\b(eval|exec)\(|import ({modules})\b|from ({modules})\b"
        r"|yaml\.(unsafe_|full_)?load\(|allow_pickle=True"
    )
    for path in PACKAGE.rglob("*.py"):
        if path in _CALLERS:
            continue
        found = forbidden.search(path.read_text())
        assert found is None, f"{path}: {found[0] if found else ''}"
