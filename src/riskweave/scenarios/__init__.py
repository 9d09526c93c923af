"""Ready policies, one folder each: nothing but policy files, lists and tests."""

from pathlib import Path

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Return the names of the ready policies."""
    return sorted(path.name for path in FOLDER.iterdir() if (path / "policy.yaml").exists())


def folder(name: str) -> Path:
    """Return the folder of a ready policy; raises KeyError for an unknown name."""
    if name not in names():
        raise KeyError(name)
    return FOLDER / name
