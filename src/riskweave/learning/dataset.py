"""A training set: each event's features exactly as they were when it happened, and its label.

Events are carried through the engine itself, so nothing in a row can know what came after it. The
truth stands beside the features with the moment from which it was known; a split decides by that.

On disk it is a Parquet file: `@id`, `@time`, `@label`, `@known_at`, `@key.ROLE` (64-bit hashes), and
a column per field and feature under its own name. What it was made of stands in the file's metadata.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from riskweave.errors import RiskweaveError, did_you_mean

META_KEY = b"riskweave.dataset"
TEXT = "text"
NUMBER_KINDS = ("float", "int", "money", "bool", "time")

Floats = NDArray[np.float64]
Times = NDArray[np.int64]
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Column:
    """Values of one field or feature, NaN when unknown; of a text, places in `texts`."""

    name: str
    kind: str
    values: Floats
    texts: tuple[str, ...] = ()
    is_feature: bool = True


@dataclass(frozen=True)
class Dataset:
    """Events as rows. `label` is 1, 0 or NaN (never known); `known_ms` is when it became known."""

    event_id: Any
    time_ms: Times
    label: Floats
    known_ms: Times
    columns: Mapping[str, Column]
    keys: Mapping[str, NDArray[np.uint64]]
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.time_ms.size)

    @property
    def fingerprint(self) -> str:
        """Return the hash of the policy, the features' definitions, the inputs and the period."""
        return str(self.meta.get("fingerprint", ""))

    def column(self, name: str) -> Column:
        """Return a column; raises RiskweaveError with the nearest name when there is none."""
        found = self.columns.get(name)
        if found is None:
            hint = did_you_mean(name, self.columns)
            raise RiskweaveError(f"the training set has no column `{name}`{'; ' + hint if hint else ''}")
        return found

    def features(self) -> list[str]:
        """Return the names of the policy's features, in its order."""
        return [name for name, each in self.columns.items() if each.is_feature]

    def matrix(self, names: Sequence[str]) -> Floats:
        """Return the values of some columns, a row per event."""
        return np.column_stack([self.column(name).values for name in names]) if names else self._empty()

    def _empty(self) -> Floats:
        return np.zeros((len(self), 0))

    def take(self, rows: NDArray[np.integer[Any]]) -> Dataset:
        """Return some of the rows, in this order."""
        columns = {
            name: Column(each.name, each.kind, each.values[rows], each.texts, each.is_feature)
            for name, each in self.columns.items()
        }
        ids = None if self.event_id is None else self.event_id.take(pa.array(rows))
        return Dataset(
            ids,
            self.time_ms[rows],
            self.label[rows],
            self.known_ms[rows],
            columns,
            {name: key[rows] for name, key in self.keys.items()},
            self.meta,
        )

    # ---- on disk

    def to_arrow(self) -> pa.Table:
        """Return the table that `write` writes."""
        table: dict[str, pa.Array] = {
            "@id": self.event_id if self.event_id is not None else pa.nulls(len(self), pa.string()),
            "@time": pa.array(self.time_ms, pa.int64()).cast(pa.timestamp("ms", "UTC")),
            "@label": pa.array(self.label, mask=np.isnan(self.label)),
            "@known_at": pa.array(self.known_ms, mask=np.isnan(self.label)).cast(pa.timestamp("ms", "UTC")),
        }
        for name, key in self.keys.items():
            table[f"@key.{name}"] = pa.array(key)
        for name, each in self.columns.items():
            table[name] = _arrow(each)
        meta = dict(self.meta) | {
            "columns": [[name, each.kind, each.is_feature] for name, each in self.columns.items()]
        }
        return pa.table(table).replace_schema_metadata({META_KEY: json.dumps(meta, sort_keys=True)})

    def write(self, path: Path) -> None:
        """Write Parquet, whole or not at all."""
        beside = path.with_name(path.name + ".part")
        pq.write_table(self.to_arrow(), beside, compression="zstd", compression_level=3)
        beside.replace(path)

    @classmethod
    def read(cls, path: Path) -> Dataset:
        """Read what `write` wrote."""
        if not path.exists():
            raise RiskweaveError(f"there is no file `{path}`; `riskweave dataset` makes one")
        table = pq.read_table(path)
        found = (table.schema.metadata or {}).get(META_KEY)
        if found is None:
            raise RiskweaveError(f"`{path}` is no training set of `riskweave dataset`")
        meta = json.loads(found)
        kinds = meta.pop("columns")
        columns = {
            name: _column(name, kind, is_feature, table[name].combine_chunks())
            for name, kind, is_feature in kinds
        }
        keys = {
            name.removeprefix("@key."): table[name].to_numpy()
            for name in table.column_names
            if name.startswith("@key.")
        }
        return cls(
            table["@id"].combine_chunks(),
            table["@time"].cast(pa.int64()).to_numpy(),
            _floats(table["@label"].combine_chunks()),
            table["@known_at"].cast(pa.int64()).fill_null(0).to_numpy(),
            columns,
            keys,
            meta,
        )


def _arrow(column: Column) -> pa.Array:
    unknown = np.isnan(column.values)
    mask = unknown if unknown.any() else None
    if column.kind != TEXT:
        return pa.array(column.values, mask=mask)
    codes = pa.array(np.where(unknown, 0, column.values).astype(np.int32), mask=mask)
    return pa.DictionaryArray.from_arrays(codes, pa.array(list(column.texts), pa.string()))


def _column(name: str, kind: str, is_feature: bool, array: pa.Array) -> Column:
    if kind != TEXT:
        return Column(name, kind, _floats(array), (), is_feature)
    return text_column(name, array.cast(pa.string()), is_feature)


def text_column(name: str, array: pa.Array, is_feature: bool = True) -> Column:
    """Return a column of texts; its codes are places in the sorted texts, whatever the rows' order."""
    coded = array.dictionary_encode()
    texts = [str(text) for text in coded.dictionary.to_pylist()]
    order = sorted(range(len(texts)), key=texts.__getitem__)
    place = np.empty(len(texts) + 1)
    place[order] = np.arange(len(texts))
    place[-1] = np.nan
    indices = coded.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False)
    return Column(name, TEXT, place[indices], tuple(texts[k] for k in order), is_feature)


def _floats(array: pa.Array) -> Floats:
    values: Floats = array.cast(pa.float64()).fill_null(float("nan")).to_numpy(zero_copy_only=False)
    return values


# ---- what it was made of


def fingerprint(facts: Mapping[str, Any]) -> str:
    """Return the SHA-256 (hex) of JSON values."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def file_hash(path: Path) -> str:
    """Return the SHA-256 (hex) of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
