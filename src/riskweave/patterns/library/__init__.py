"""Named patterns to begin with: each file is the section `patterns:` of a policy, with a paragraph before it.

`text("card_testing")` is the file to copy into a policy folder and change; `names()` lists them.
"""

from __future__ import annotations

from importlib import resources


def names() -> list[str]:
    """Return the names of the patterns in the library."""
    files = resources.files(__name__).iterdir()
    return sorted(each.name.removesuffix(".yaml") for each in files if each.name.endswith(".yaml"))


def text(name: str) -> str:
    """Return the YAML of a named pattern."""
    if name not in names():
        raise KeyError(name)
    return (resources.files(__name__) / f"{name}.yaml").read_text(encoding="utf-8")
