"""Named arrays in one file that anyone may hand us: plain numbers, checked before they are believed.

The file is a .npz as NumPy reads it, narrowed: members are stored, not compressed (so nothing
unfolds), their names are plain, their headers say no more than the file holds, and the numbers are
of a few kinds. Nothing in it can run: object arrays are refused before NumPy sees them.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskweave.errors import ModelError

BYTES_MAX = 1 << 30
MEMBERS_MAX = 256
KINDS = ("<f8", "<f4", "<i8", "<i4", "<u4", "|u1")

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_HEADER_BYTES_MAX = 10_000
_MOMENT = (1980, 1, 1, 0, 0, 0)

Arrays = dict[str, NDArray[Any]]


def digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return the SHA-256 (hex) of names, kinds, shapes and values, however they are stored."""
    found = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        found.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        found.update(array.tobytes())
    return found.hexdigest()


def to_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return the arrays as a file; the same arrays give the same bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            array = np.ascontiguousarray(arrays[name])
            if not _NAME.fullmatch(name) or array.dtype.str not in KINDS:
                raise ModelError(f"an array `{name}` of {array.dtype} cannot be written")
            member = io.BytesIO()
            np.lib.format.write_array(member, array, version=(1, 0), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _MOMENT), member.getvalue())
    return stream.getvalue()


def read(path: Path) -> Arrays:
    """Read a file of arrays; raises ModelError for anything but what `to_bytes` writes."""
    try:
        size = path.stat().st_size
        if size > BYTES_MAX:
            raise ModelError(f"{path.name} has {size} bytes; at most {BYTES_MAX} are read")
        return from_bytes(path.read_bytes(), path.name)
    except OSError as error:
        raise ModelError(f"{path.name} cannot be read: {error.strerror}") from None


def from_bytes(data: bytes, name: str = "weights.npz") -> Arrays:
    """Return the arrays of a file's bytes; raises ModelError."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if len(members) > MEMBERS_MAX:
                raise ModelError(f"{name} has {len(members)} arrays; at most {MEMBERS_MAX} are read")
            if sum(member.file_size for member in members) > len(data):
                raise ModelError(f"{name} claims more than it holds")
            found: Arrays = {}
            for member in members:
                label = member.filename.removesuffix(".npy")
                if not _NAME.fullmatch(label) or label in found or not member.filename.endswith(".npy"):
                    raise ModelError(
                        f"{name} has a member {member.filename[:80]!r}, which is no array's name"
                    )
                if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
                    raise ModelError(f"{name}: `{label}` is compressed or encrypted; write it plain")
                found[label] = _array(archive.read(member), f"{name}: `{label}`")
            return found
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, OSError, RuntimeError) as error:
        raise ModelError(f"{name} is damaged or no file of arrays ({error})") from None


def _array(data: bytes, label: str) -> NDArray[Any]:
    """Return one member, believed only when its header fits its bytes."""
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    if version != (1, 0):
        raise ModelError(f"{label} has format version {version}; 1.0 is read")
    shape, fortran, kind = np.lib.format.read_array_header_1_0(stream, max_header_size=_HEADER_BYTES_MAX)
    if kind.str not in KINDS:
        raise ModelError(f"{label} is of kind {kind}; only plain numbers are read")
    count = 1
    for length in shape:
        count *= length
    body = memoryview(data)[stream.tell() :]
    if len(shape) > 3 or min(shape, default=0) < 0 or count * kind.itemsize != len(body):
        raise ModelError(f"{label} has {len(body)} bytes, which is not a {shape} of {kind}")
    array: NDArray[Any] = np.frombuffer(body, kind).reshape(shape, order="F" if fortran else "C")
    return np.ascontiguousarray(array)
