"""A copy of the operational tables beside the journal's: users, keys, policies, alerts, audit log."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path

FILE = "operations.db"


def copy_operations(source: Path, target: Path) -> bool:
    """Copy the operational tables while they are in use; return whether there are any in the folder."""
    if not (source / FILE).exists():
        return False
    with (
        contextlib.closing(sqlite3.connect(f"file:{source / FILE}?mode=ro", uri=True, timeout=60)) as from_,
        contextlib.closing(sqlite3.connect(target / FILE)) as to,
    ):
        from_.backup(to)
    (target / FILE).chmod(0o600)
    for name in ("audit.head",):
        if (source / name).exists():
            shutil.copy2(source / name, target / name)
    if (source / "uploaded").is_dir():
        shutil.copytree(source / "uploaded", target / "uploaded", dirs_exist_ok=True)
    return True
