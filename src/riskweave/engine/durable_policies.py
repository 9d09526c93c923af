"""A policy as bytes: every file it may read, to be stored by content and read again years later."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path, PurePosixPath

import msgspec

from riskweave.errors import PolicyError, Span, StorageFailed
from riskweave.policy.folder import content_files
from riskweave.policy.policy import Policy

PACK_BYTES_MAX = 1024 * 1024 * 1024


class _Pack(msgspec.Struct):
    """`values` as JSON (a policy made in Python), or the file or folder `name`; files by relative path."""

    version: str
    name: str
    entry: str
    values: str | None
    files: dict[str, bytes]


def pack_policy(policy: Policy) -> bytes:
    """Return all that a policy consists of."""
    document = policy.document
    source, values = document.source, document.values
    if source is not None and source.is_dir():
        files = {file.relative_to(source).as_posix(): file.read_bytes() for file in content_files(source)}
        pack = _Pack(document.version, document.name, "", None, files)
    else:
        text = _canonical(values) if values is not None else ""
        files = {}
        if source is not None:
            text = source.read_text(encoding="utf-8")
            files[source.name] = source.read_bytes()
        files |= _mentioned(document.folder, text)
        entry = source.name if source is not None else ""
        pack = _Pack(document.version, document.name, entry, text if source is None else None, files)
    if sum(map(len, pack.files.values())) > PACK_BYTES_MAX:
        raise PolicyError(
            "the policy's files are too large", Span(document.name), f"at most {PACK_BYTES_MAX}"
        )
    pack.files = dict(sorted(pack.files.items()))
    return msgspec.msgpack.encode(pack)


def unpack_policy(data: bytes, folder: Path) -> Policy:
    """Write a packed policy below `folder`, unless it is there, and read it; the version must be the same."""
    try:
        pack = msgspec.msgpack.decode(data, type=_Pack)
    except msgspec.DecodeError as error:
        raise StorageFailed(f"a stored policy cannot be read ({error})") from error
    home = folder / hashlib.sha256(data).hexdigest()[:32] / _safe(pack.name)
    if not home.exists():
        _write(pack, home)
    policy = _read(pack, home)
    if policy.version != pack.version:
        # Somebody wrote there: what the journal holds is what counts.
        shutil.rmtree(home.parent)
        _write(pack, home)
        policy = _read(pack, home)
    if policy.version != pack.version:
        raise PolicyError(
            "the policy's files changed while they were read", Span(pack.name), "activate it once more"
        )
    return policy


def _read(pack: _Pack, home: Path) -> Policy:
    if pack.values is not None:
        return Policy.from_dict(json.loads(pack.values), home)
    return Policy.read(home / pack.entry if pack.entry else home)


def _write(pack: _Pack, home: Path) -> None:
    home.parent.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent.parent, prefix=".policy-") as scratch:
        made = Path(scratch) / "made" / home.name
        made.mkdir(parents=True)
        for name, content in pack.files.items():
            relative = PurePosixPath(name)
            if relative.is_absolute() or ".." in relative.parts:
                raise StorageFailed(f"a stored policy names a file outside its folder: {name}")
            place = made.joinpath(*relative.parts)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        try:
            os.replace(made.parent, home.parent)
        except OSError:
            if not home.exists():  # another thread may have been first
                raise


def _mentioned(folder: Path | None, text: str) -> dict[str, bytes]:
    """Return the files beside a single-file policy that its text names, by path or by folder."""
    if folder is None or not text or not folder.is_dir():
        return {}
    found = {}
    for file in content_files(folder):
        relative = file.relative_to(folder)
        places = [relative.as_posix(), *(parent.as_posix() for parent in relative.parents if parent.name)]
        if any(place in text for place in places) or any(part in text for part in relative.parts[:-1]):
            found[relative.as_posix()] = file.read_bytes()
    return found


def _canonical(values: dict[str, object]) -> str:
    return json.dumps(values, sort_keys=True, default=str, ensure_ascii=False)


def _safe(name: str) -> str:
    kept = "".join(letter if letter.isalnum() or letter in "-_. " else "_" for letter in name).strip(". ")
    return kept[:80] or "policy"
