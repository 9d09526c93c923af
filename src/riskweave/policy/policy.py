"""A policy: what a risk team wants to happen, from a folder of YAML or from Python values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from riskweave.policy.folder import Document, from_values, read_folder
from riskweave.policy.settings import Settings, read_settings


@dataclass(frozen=True)
class Policy:
    """An immutable policy document; `Engine(policy)` compiles it.

    >>> policy = Policy.from_dict({
    ...     "events": {"payment": {"time": "at", "fields": {"at": "time", "amount": "money"}}},
    ...     "rules": [{"id": "large", "when": "amount > 100", "risk": 0.8}],
    ... })
    >>> policy.settings.bands.block
    0.7
    """

    document: Document
    settings: Settings

    @classmethod
    def read(cls, path: str | Path) -> Policy:
        """Read a policy folder, or a single YAML file; raises PolicyError."""
        return cls._of(read_folder(Path(path)))

    @classmethod
    def from_dict(cls, values: dict[str, object], folder: str | Path | None = None) -> Policy:
        """Make a policy of plain values in the format of docs/policy.md; files are found in `folder`."""
        return cls._of(from_values(values, Path(folder) if folder is not None else None))

    @classmethod
    def _of(cls, document: Document) -> Policy:
        return cls(document, read_settings(document.section("policy"), document.name))

    @property
    def version(self) -> str:
        """Return the content hash (SHA-256, hex) of everything the policy consists of."""
        return self.document.version

    @property
    def name(self) -> str:
        return self.settings.name
