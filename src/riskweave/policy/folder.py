"""A policy folder as one document: every YAML file joined, every byte that counts hashed.

Maps and lists of the same key in several files are joined; the same name twice is refused with
both places. The version is a hash of the content, so the same folder has the same version on any
machine, and any change of a rule or a list gives another.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from riskweave.document import Node, from_python, read_yaml
from riskweave.errors import PolicyError, Span, did_you_mean
from riskweave.models.artifact import MODEL_FILE

TESTS_FILE = "tests.yaml"
FILES_MAX = 1_000
FOLDER_BYTES_MAX = 1024 * 1024 * 1024

SECTIONS = (
    "policy",
    "events",
    "entities",
    "constants",
    "lists",
    "features",
    "patterns",
    "models",
    "rule_groups",
    "rules",
    "tables",
    "scorecards",
    "trees",
    "decision",
    "explanation",
)


@dataclass(frozen=True)
class Document:
    """A policy as written: its sections, where files beside it are found, and its version."""

    root: Node
    folder: Path | None
    version: str
    name: str

    def section(self, name: str) -> Node | None:
        """Return a section's node; None when the policy has none."""
        return self.root.get(name)

    def tests(self) -> Node | None:
        """Return the content of tests.yaml, or None."""
        if self.folder is None or not (self.folder / TESTS_FILE).exists():
            return None
        return read_yaml(self.folder / TESTS_FILE, TESTS_FILE)


def read_folder(path: Path) -> Document:
    """Read a policy folder (or a single YAML file)."""
    if not path.exists():
        raise PolicyError(
            f"there is no policy at `{path}`", Span(str(path)), "make one with `riskweave new DIR`"
        )
    folder = path if path.is_dir() else path.parent
    files = sorted(path.glob("*.yaml")) + sorted(path.glob("*.yml")) if path.is_dir() else [path]
    files = [file for file in files if file.name != TESTS_FILE]
    if not files:
        raise PolicyError(
            "the folder has no *.yaml file", Span(str(path)), "a policy starts with policy.yaml"
        )
    if len(files) > FILES_MAX:
        raise PolicyError(f"the folder has {len(files)} YAML files", Span(str(path)), f"at most {FILES_MAX}")
    entries: dict[str, Node] = {}
    keys: dict[str, Span] = {}
    for file in files:
        _join(entries, keys, read_yaml(file, file.name))
    root = Node(entries, Span(files[0].name, 1, 1, 1, ""), "policy", keys)
    return Document(root, folder, _folder_version(path, folder), folder.resolve().name)


def from_values(values: dict[str, object], folder: Path | None = None) -> Document:
    """Make a document of plain Python values; files are looked up in `folder`."""
    entries: dict[str, Node] = {}
    keys: dict[str, Span] = {}
    _join(entries, keys, from_python(values))
    canonical = json.dumps(_by_text(values), sort_keys=True, default=str, ensure_ascii=False)
    version = hashlib.sha256(canonical.encode()).hexdigest()
    return Document(Node(entries, Span("policy"), "policy", keys), folder, version, "policy")


def _by_text(value: object) -> object:
    """Return plain values with every name as text, as nodes have them."""
    if isinstance(value, Mapping):
        return {str(key): _by_text(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_by_text(each) for each in value]
    return value


def _join(entries: dict[str, Node], keys: dict[str, Span], document: Node) -> None:
    for key, node in document.items():
        if key not in SECTIONS:
            raise PolicyError(
                f"unknown section `{key}`",
                document.key_span(key),
                did_you_mean(key, SECTIONS) or f"sections: {', '.join(SECTIONS)}",
            )
        if node.is_null:
            continue
        keys.setdefault(key, document.key_span(key))
        entries[key] = _joined(entries[key], node) if key in entries else node


def _joined(first: Node, second: Node) -> Node:
    """Join two sections of the same name from two files."""
    if first.is_list and second.is_list:
        return Node(first.elements() + second.elements(), first.span, first.path)
    if not (first.is_map and second.is_map):
        raise second.error(f"`{second.path}` is a list in one file and a map in another")
    entries = dict(first.items())
    keys = dict(first.keys)
    for key, node in second.items():
        if key in entries:
            there = keys[key]
            raise PolicyError(
                f"`{second.path}.{key}` is written twice", second.key_span(key), f"first in {there.place()}"
            )
        entries[key] = node
        keys[key] = second.key_span(key)
    return Node(entries, first.span, first.path, keys)


def _folder_version(path: Path, folder: Path) -> str:
    """Hash names and bytes of all that a policy may read: YAML files and the files beside them."""
    digest = hashlib.sha256()
    if path.is_file():
        files = [path]
    else:
        suffixes = {".yaml", ".yml", ".csv", ".parquet", ".npz", ".onnx", ".bif"}
        files = sorted(
            file
            for file in path.rglob("*")
            if (file.suffix in suffixes or file.name == MODEL_FILE) and file.is_file()
        )
    total = 0
    for file in files:
        if file.name == TESTS_FILE:
            continue
        total += file.stat().st_size
        if total > FOLDER_BYTES_MAX:
            raise PolicyError(
                "the policy's files are too large", Span(str(file)), f"at most {FOLDER_BYTES_MAX} bytes"
            )
        with file.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").digest()
        digest.update(file.relative_to(folder).as_posix().encode() + b"\0" + content)
    return digest.hexdigest()
