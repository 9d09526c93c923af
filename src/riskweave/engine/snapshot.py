"""A snapshot: every room's state as plain arrays in one checked container.

The container is a line that names the format, the SHA-256 of the rest, and a zip of .npy members
(a documented format) with a JSON description. Any changed byte is refused. Reading runs no code:
object arrays are refused too.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskweave.errors import StateError

HEAD = b"riskweave snapshot 2\n"
_DIGEST_BYTES = 32


@dataclass(frozen=True)
class Snapshot:
    """State at one position of the stream. `meta` is plain JSON values, `arrays` are by room/name."""

    meta: dict[str, object]
    arrays: dict[str, NDArray[Any]]

    def to_bytes(self) -> bytes:
        """Return the container."""
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            # The members have no date: the same state is the same bytes.
            archive.writestr(zipfile.ZipInfo("meta.json"), json.dumps(self.meta))
            for name in sorted(self.arrays):
                member = io.BytesIO()
                np.lib.format.write_array(member, np.ascontiguousarray(self.arrays[name]), allow_pickle=False)
                archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getbuffer())
        data = stream.getvalue()
        return HEAD + hashlib.sha256(data).digest() + data

    @classmethod
    def from_bytes(cls, data: bytes) -> Snapshot:
        """Read a container; raises StateError when it is damaged or of another format."""
        if not data.startswith(HEAD):
            raise StateError("this is no snapshot, or one of another version; use another one")
        start = len(HEAD) + _DIGEST_BYTES
        if hashlib.sha256(memoryview(data)[start:]).digest() != data[len(HEAD) : start]:
            raise StateError("the snapshot is damaged; use an older one")
        try:
            with zipfile.ZipFile(io.BytesIO(data[start:])) as archive:
                meta = json.loads(archive.read("meta.json"))
                arrays = {
                    name.removesuffix(".npy"): np.lib.format.read_array(
                        io.BytesIO(archive.read(name)), allow_pickle=False
                    )
                    for name in archive.namelist()
                    if name.endswith(".npy")
                }
        except (zipfile.BadZipFile, KeyError, ValueError, EOFError, OSError) as error:
            raise StateError(f"the snapshot is damaged ({error}); use an older one") from error
        return cls(meta, arrays)

    def write(self, path: Path) -> None:
        """Write the container to a file, whole or not at all."""
        beside = path.with_name(path.name + ".part")
        try:
            beside.write_bytes(self.to_bytes())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)

    @classmethod
    def read(cls, path: Path) -> Snapshot:
        """Read a container from a file."""
        return cls.from_bytes(path.read_bytes())

    def room(self, name: str) -> dict[str, NDArray[Any]]:
        """Return the arrays of one room."""
        start = f"{name}/"
        return {key.removeprefix(start): array for key, array in self.arrays.items() if key.startswith(start)}
