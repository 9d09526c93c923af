"""Policies as they were uploaded: read safely, checked, kept, unpacked for the engine."""

from __future__ import annotations

import gzip
import io
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from sqlalchemy import select, update

from riskweave.policy.check import check_policy
from riskweave.policy.policy import Policy
from riskweave.service.audit import AuditLog
from riskweave.service.database import Database, now_ms
from riskweave.service.problems import Problem, invalid
from riskweave.service.settings import Limits
from riskweave.service.tables import activations, policies

ZIP, TAR, FILES = "application/zip", "application/x-tar", "application/json"
TYPES = (ZIP, TAR, "application/gzip", "application/x-gzip", FILES)
SUFFIXES = (".yaml", ".yml", ".csv", ".parquet", ".npz", ".onnx", ".json", ".md", ".bif", ".txt")
NAME_CHARACTERS_MAX = 200
MEMBERS_MAX = 10_000

Files = dict[str, bytes]


class PolicyArchive:
    """Policies by their version; a version's content never changes."""

    def __init__(self, database: Database, log: AuditLog, data: Path, limits: Limits) -> None:
        self.database = database
        self.log = log
        self.folder = data / "uploaded"
        self.limits = limits

    # ---- reading what came

    def files_of(self, content_type: str, body: bytes) -> Files:
        """Return the files of an archive or of a JSON map; raises the problem of whatever is unsafe."""
        try:
            if content_type == ZIP:
                files = self._collect(_zipped(body, self.limits.policy_bytes))
            elif content_type == FILES:
                files = self._collect(_written(body))
            elif content_type in TYPES:
                files = self._collect(_tarred(body, self.limits.policy_bytes))
            else:
                raise Problem(
                    "unsupported_media_type", f"`{content_type}` is not known", expected=", ".join(TYPES)
                )
        except (
            zipfile.BadZipFile,
            tarfile.TarError,
            EOFError,
            OSError,
            NotImplementedError,
            ValueError,
            zlib.error,
        ) as error:
            raise Problem("not_json", f"the archive cannot be read: {error}", "body", content_type) from None
        except RuntimeError as error:  # an encrypted zip
            raise Problem("not_json", f"the archive cannot be read: {error}", "body", content_type) from None
        return _without_top(files)

    def _collect(self, entries: Iterator[tuple[str, bytes]]) -> Files:
        files: Files = {}
        total = 0
        for name, content in entries:
            safe = _safe(name)
            total += len(content)
            if len(files) >= self.limits.policy_files or total > self.limits.policy_bytes:
                raise Problem(
                    "too_large",
                    "the policy is larger than allowed",
                    expected=f"at most {self.limits.policy_files} files and {self.limits.policy_bytes} bytes",
                )
            if safe in files:
                raise invalid("body", f"`{safe}` is in the archive twice", "each file once")
            files[safe] = content
        if not files:
            raise invalid("body", "the archive has no file", "a policy folder")
        return files

    @contextmanager
    def unpacked(self, files: Files) -> Iterator[Path]:
        """Lend a temporary folder with these files."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=self.folder, prefix="checking-") as place:
            _write(Path(place), files)
            yield Path(place)

    def check(self, files: Files) -> dict[str, Any]:
        """Return what is right and wrong with a policy; raises PolicyError when it cannot be read."""
        with self.unpacked(files) as place:
            policy = Policy.read(place)
            findings = check_policy(policy)
        return {
            "ok": not any(each.severity == "error" for each in findings),
            "name": policy.name,
            "version": policy.version,
            "findings": [
                {
                    "severity": each.severity,
                    "message": each.message,
                    "file": each.span.file,
                    "line": each.span.line,
                    "column": each.span.column,
                    "text": each.span.text,
                    "hint": each.hint,
                }
                for each in findings
            ],
        }

    # ---- keeping

    def keep(self, actor: str, files: Files, note: str) -> dict[str, Any]:
        """Check a policy and keep it; the same content again is the same version."""
        verdict = self.check(files)
        if not verdict["ok"]:
            wrong = [each for each in verdict["findings"] if each["severity"] == "error"]
            raise Problem(
                "policy_invalid", wrong[0]["message"], wrong[0]["file"], wrong[0]["hint"], findings=wrong
            )
        with self.database.change() as connection:
            known = select(policies.c.version).where(policies.c.version == verdict["version"])
            if connection.execute(known).first() is None:
                connection.execute(
                    policies.insert().values(
                        version=verdict["version"],
                        name=verdict["name"],
                        archive=_packed(files),
                        uploaded_by=actor,
                        uploaded_ms=now_ms(),
                        note=note,
                    )
                )
                self.log.write(connection, actor, "policy.upload", verdict["version"], {"note": note})
        return verdict

    def keep_folder(self, actor: str, folder: Path) -> None:
        """Keep the policy that the service was started with, when it is small enough to be shown."""
        files: Files = {}
        if folder.is_file():
            files[folder.name] = folder.read_bytes()
        else:
            for path in sorted(folder.rglob("*")):
                if path.is_file() and path.suffix in SUFFIXES:
                    files[path.relative_to(folder).as_posix()] = path.read_bytes()
        if files and sum(map(len, files.values())) <= self.limits.policy_bytes:
            self.keep(actor, files, "started with")

    def uploaded(self) -> list[dict[str, Any]]:
        columns = (
            policies.c.version,
            policies.c.name,
            policies.c.uploaded_by,
            policies.c.uploaded_ms,
            policies.c.note,
        )
        with self.database.read() as connection:
            rows = connection.execute(select(*columns).order_by(policies.c.uploaded_ms.desc()))
            return [dict(row._mapping) for row in rows]

    def files(self, version: str) -> Files:
        """Return the files of a kept version."""
        with self.database.read() as connection:
            query = select(policies.c.archive).where(policies.c.version == version)
            content = connection.execute(query).scalar()
        if content is None:
            raise Problem("not_found", f"there is no policy of version `{version[:80]}`", "version")
        return dict(_zipped(content, self.limits.policy_bytes))

    def read(self, version: str) -> Policy:
        """Return a kept policy, unpacked where it stays (the engine reads lists and models beside it)."""
        files = self.files(version)
        place = self.folder / version
        if not place.exists():
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            waiting = Path(tempfile.mkdtemp(dir=self.folder, prefix="unpacking-"))
            _write(waiting, files)
            try:
                waiting.rename(place)
            except OSError:  # another request was faster
                shutil.rmtree(waiting, ignore_errors=True)
        policy = Policy.read(place)
        if policy.version != version:
            raise Problem("storage_failed", f"the unpacked policy `{version[:12]}` was changed on disk")
        return policy

    # ---- history

    def activated(self, version: str, kind: str, by: str) -> None:
        with self.database.change() as connection:
            values = {"version": version, "kind": kind, "by": by, "at_ms": now_ms()}
            connection.execute(activations.insert().values(**values))

    def history(self) -> list[dict[str, Any]]:
        with self.database.read() as connection:
            rows = connection.execute(select(activations).order_by(activations.c.id.desc()).limit(1_000))
            return [dict(row._mapping) for row in rows]

    def annotate(self, actor: str, version: str, note: str) -> None:
        with self.database.change() as connection:
            done = connection.execute(update(policies).where(policies.c.version == version).values(note=note))
            if not done.rowcount:
                raise Problem("not_found", "there is no policy of this version", "version")
            self.log.write(connection, actor, "policy.note", version, {"note": note})


def _safe(name: str) -> str:
    """Return a file's path inside the policy, or refuse one that could lead out of it."""
    path = PurePosixPath(name)
    parts = path.parts
    if (
        not parts
        or len(name) > NAME_CHARACTERS_MAX
        or path.is_absolute()
        or "\\" in name
        or ":" in name
        or not name.isprintable()
        or any(part in ("..", ".") or part.startswith(".") for part in parts)
        or len(parts) > 6
    ):
        raise invalid("body", f"`{name[:80]}` is no safe file name", "a path inside the policy folder")
    if path.suffix.lower() not in SUFFIXES:
        raise invalid("body", f"`{name[:80]}` is no file of a policy", f"one of {', '.join(SUFFIXES)}")
    return path.as_posix()


def _zipped(body: bytes, limit: int) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        if len(archive.infolist()) > MEMBERS_MAX:
            raise Problem("too_large", "the archive has too many members", expected=f"at most {MEMBERS_MAX}")
        for info in archive.infolist():
            if info.is_dir():
                continue
            if (info.external_attr >> 16) & 0o170000 == 0o120000:
                raise invalid("body", f"`{info.filename[:80]}` is a link", "plain files")
            with archive.open(info) as stream:
                yield info.filename, stream.read(limit + 1)


def _tarred(body: bytes, limit: int) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(_plain(body, 2 * limit)), mode="r:") as archive:
        for number, member in enumerate(archive):
            if number > MEMBERS_MAX:
                raise Problem(
                    "too_large", "the archive has too many members", expected=f"at most {MEMBERS_MAX}"
                )
            if member.isdir():
                continue
            if not member.isreg():
                raise invalid("body", f"`{member.name[:80]}` is no plain file", "plain files")
            stream = archive.extractfile(member)
            assert stream is not None
            yield member.name.removeprefix("./"), stream.read(limit + 1)


def _plain(body: bytes, limit: int) -> bytes:
    """Return a tar without its gzip, as far as the limit: a header inside may claim any length."""
    if not body.startswith(b"\x1f\x8b"):
        return body
    with gzip.GzipFile(fileobj=io.BytesIO(body)) as stream:
        plain = stream.read(limit + 1)
    if len(plain) > limit:
        raise Problem(
            "too_large", "the archive unpacks to more than is allowed", expected=f"at most {limit} bytes"
        )
    return plain


def _written(body: bytes) -> Iterator[tuple[str, bytes]]:
    import msgspec

    class Written(msgspec.Struct):
        files: dict[str, str]

    try:
        written = msgspec.json.decode(body, type=Written)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Problem("not_json", str(error), "body", '{"files": {"rules.yaml": "..."}}') from None
    for name, text in written.files.items():
        yield name, text.encode()


def _without_top(files: Files) -> Files:
    """Drop the folder that all files lie in, as archives made of a folder have one."""
    if any("/" not in name for name in files):
        return files
    tops = {name.split("/", 1)[0] for name in files}
    return {name.split("/", 1)[1]: content for name, content in files.items()} if len(tops) == 1 else files


def _packed(files: Files) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def _write(folder: Path, files: Files) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def difference(before: Files, after: Files) -> list[dict[str, Any]]:
    """Return how each file of a policy changed, as a unified diff where it is text."""
    import difflib

    changes = []
    for name in sorted(before.keys() | after.keys()):
        first, second = before.get(name), after.get(name)
        if first == second:
            continue
        kind = "added" if first is None else "removed" if second is None else "changed"
        lines: list[str] = []
        if not name.endswith((".parquet", ".npz", ".onnx")):
            lines = list(
                difflib.unified_diff(
                    (first or b"").decode(errors="replace").splitlines(),
                    (second or b"").decode(errors="replace").splitlines(),
                    "before",
                    "after",
                    lineterm="",
                )
            )
        changes.append({"file": name, "kind": kind, "diff": lines[:5_000]})
    return changes
