"""A copy of all storage while it is written to, checked before it is called one."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from riskweave.engine.durable_recovery import fault
from riskweave.errors import RiskweaveError, StorageFailed
from riskweave.storage.open import open_stores

_FOLDERS = ("archive", "ids")


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup holds: the last position, the entries checked, the snapshots, the bytes."""

    position: int
    entries: int
    snapshots: int
    nbytes: int


def backup(source: Path, target: Path) -> Backup:
    """Copy the storage in `source` to the new folder `target`; raises StorageFailed when it is damaged.

    Snapshots are copied before the journal: none can be ahead of it.
    """
    if target.exists() and any(target.iterdir()):
        raise StorageFailed(f"`{target}` is not empty; choose a new folder")
    beside = target.with_name(target.name + ".part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True, mode=0o700)
    try:
        stores = open_stores(source, write=False)
        try:
            _copy_snapshots(source / "snapshots", beside / "snapshots")
            for name in _FOLDERS:
                _copy_folder(source / name, beside / name)
            stores.journal.backup(beside / "journal.sqlite")
        finally:
            stores.close()
        made = _checked(beside)
        if target.exists():
            target.rmdir()
        os.replace(beside, target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return made


def _copy_snapshots(source: Path, target: Path) -> None:
    target.mkdir()
    for path in sorted(source.glob("*.snapshot")) if source.exists() else []:
        try:
            shutil.copy2(path, target / path.name)
        except FileNotFoundError:  # an old one that made room for a new one
            (target / path.name).unlink(missing_ok=True)


def _copy_folder(source: Path, target: Path) -> None:
    target.mkdir()
    for path in sorted(source.iterdir()) if source.exists() else []:
        if path.suffix == ".part":
            continue
        try:
            shutil.copy2(path, target / path.name)
        except FileNotFoundError:  # merged into another meanwhile
            (target / path.name).unlink(missing_ok=True)


def _checked(folder: Path) -> Backup:
    stores = open_stores(folder, write=False)
    try:
        tip = stores.journal.first()
        position, chain, count = tip.position, tip.chain, 0
        for entry in stores.journal.read(position + 1):
            why = fault(entry, position, chain)
            if why is not None:
                raise StorageFailed(f"the backup is damaged at position {position + 1}: {why}")
            position, chain, count = entry.last, entry.chain, count + 1
        if position != stores.journal.tip().position:
            raise StorageFailed(f"the backup ends at {position}, not at {stores.journal.tip().position}")
        snapshots = 0
        for at in stores.snapshots.positions():
            try:
                stores.snapshots.read(at)
            except RiskweaveError as error:
                raise StorageFailed(f"the snapshot at {at} cannot be backed up: {error}") from error
            snapshots += 1
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        return Backup(position, count, snapshots, size)
    finally:
        stores.close()
