"""Snapshots as files, each whole or not there, each checked when it is read."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec

from riskweave.engine.ports import SnapshotFile
from riskweave.errors import StateError

HEAD = b"riskweave stored snapshot 1\n"
_SUFFIX = ".snapshot"


class SnapshotFiles:
    """What `engine.ports.Snapshots` asks for, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, snapshot: SnapshotFile) -> int:
        """Write beside, wait for the disk, then give the file its name."""
        self.folder.mkdir(parents=True, exist_ok=True)
        data = msgspec.msgpack.encode(snapshot)
        path = self._path(snapshot.position)
        beside = path.with_suffix(".part")
        try:
            with beside.open("wb") as stream:
                stream.write(HEAD + hashlib.sha256(data).digest())
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return len(data)

    def positions(self) -> list[int]:
        """Return the positions of those stored, ascending."""
        names = [path.stem for path in self.folder.glob(f"*{_SUFFIX}")]
        return sorted(int(name) for name in names if name.isdigit())

    def read(self, position: int) -> SnapshotFile:
        """Return a snapshot; raises StateError when it is damaged."""
        data = self._path(position).read_bytes()
        start = len(HEAD) + 32
        whole = data.startswith(HEAD) and hashlib.sha256(data[start:]).digest() == data[len(HEAD) : start]
        if not whole:
            raise StateError("the file is damaged")
        try:
            return msgspec.msgpack.decode(memoryview(data)[start:], type=SnapshotFile)
        except msgspec.DecodeError as error:
            raise StateError(f"the file is of another version ({error})") from error

    def keep(self, newest: int) -> None:
        """Delete all but the newest few."""
        for position in self.positions()[: -max(newest, 1)]:
            self._path(position).unlink(missing_ok=True)

    def path(self, position: int) -> Path:
        """Return the file of a snapshot."""
        return self._path(position)

    def _path(self, position: int) -> Path:
        return self.folder / f"{position:020d}{_SUFFIX}"
