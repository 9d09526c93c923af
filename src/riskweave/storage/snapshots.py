"""Snapshots as files, each whole or not there, each checked when it is read."""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec

from riskweave.engine.ports import SnapshotFile
from riskweave.errors import StateError

HEAD = b"riskweave stored snapshot 2\n"
_SUFFIX = ".snapshot"
_SIZE = struct.Struct("<Q")
# Written piece by piece, so that a large state holds up nobody.
_PIECE_BYTES = 1 << 20


class SnapshotFiles:
    """What `engine.ports.Snapshots` asks for, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, snapshot: SnapshotFile) -> int:
        """Write beside, wait for the disk, then give the file its name."""
        self.folder.mkdir(parents=True, exist_ok=True)
        about = msgspec.msgpack.encode(replace(snapshot, state=b""))
        parts = (_SIZE.pack(len(about)), about, snapshot.state)
        digest = hashlib.sha256()
        for part in parts:
            digest.update(part)
        path = self._path(snapshot.position)
        beside = path.with_suffix(".part")
        try:
            with beside.open("wb") as stream:
                stream.write(HEAD + digest.digest())
                for part in parts:
                    for piece in _pieces(part):
                        stream.write(piece)
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
        return sum(len(part) for part in parts)

    def positions(self) -> list[int]:
        """Return the positions of those stored, ascending."""
        names = [path.stem for path in self.folder.glob(f"*{_SUFFIX}")]
        return sorted(int(name) for name in names if name.isdigit())

    def read(self, position: int) -> SnapshotFile:
        """Return a snapshot; raises StateError when it is damaged."""
        data = memoryview(self._path(position).read_bytes())
        start = len(HEAD) + 32
        body = data[start:]
        if data[: len(HEAD)] != HEAD or hashlib.sha256(body).digest() != data[len(HEAD) : start]:
            raise StateError("the file is damaged")
        try:
            (size,) = _SIZE.unpack_from(body)
            end = _SIZE.size + size
            about = msgspec.msgpack.decode(body[_SIZE.size : end], type=SnapshotFile)
        except (msgspec.DecodeError, struct.error) as error:
            raise StateError(f"the file is of another version ({error})") from error
        return replace(about, state=bytes(body[end:]))

    def keep(self, newest: int) -> None:
        """Delete all but the newest few."""
        for position in self.positions()[: -max(newest, 1)]:
            self._path(position).unlink(missing_ok=True)

    def path(self, position: int) -> Path:
        """Return the file of a snapshot."""
        return self._path(position)

    def _path(self, position: int) -> Path:
        return self.folder / f"{position:020d}{_SUFFIX}"


def _pieces(data: bytes) -> Iterator[memoryview]:
    view = memoryview(data)
    for at in range(0, len(view), _PIECE_BYTES):
        yield view[at : at + _PIECE_BYTES]
