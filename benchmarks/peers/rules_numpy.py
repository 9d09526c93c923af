"""NumPy on the rules workload: every comparison as one vector, every rule's hits as a list of events."""

from __future__ import annotations

import json
from pathlib import Path
from time import process_time

import numpy as np
import pyarrow.parquet as parquet
from numpy.typing import NDArray

BLOCK = 131_072  # events at a time: the fastest of the sizes tried

Hits = tuple[NDArray[np.int64], NDArray[np.int32]]


def measure(folder: Path, rules: int = 1000) -> tuple[Hits, float]:
    """Return the hits as (offsets, ids) and the seconds that evaluating took on one thread.

    The rules that event i hits are `ids[offsets[i] : offsets[i + 1]]`, ascending, numbered as written.
    """
    written = json.loads((folder / f"rules_{rules}.json").read_text())
    names = {column for _, comparisons in written for column, _, _ in comparisons}
    columns, codes = read(folder, names)
    conditions = [[_coded(each, codes) for each in comparisons] for _, comparisons in written]
    events = len(next(iter(columns.values())))
    counts, ids = np.zeros(events, np.int64), []
    started = process_time()
    for first in range(0, events, BLOCK):
        block = {name: column[first : first + BLOCK] for name, column in columns.items()}
        known: dict[object, NDArray[np.bool_]] = {}
        event_parts, rule_parts = [], []
        for rule, comparisons in enumerate(conditions):
            hit = _compare(block, known, comparisons[0])
            for each in comparisons[1:]:
                hit = hit & _compare(block, known, each)
            found = np.flatnonzero(hit)
            if found.size:
                event_parts.append(found)
                rule_parts.append(np.full(found.size, rule, np.int32))
        if event_parts:
            at = np.concatenate(event_parts)
            ids.append(np.concatenate(rule_parts)[np.argsort(at, kind="stable")])
            counts[first : first + BLOCK] = np.bincount(at, minlength=min(BLOCK, events - first))
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    every = np.concatenate(ids) if ids else np.zeros(0, np.int32)
    return (offsets, every), process_time() - started


def read(folder: Path, names: set[str]) -> tuple[dict[str, NDArray[np.generic]], dict[str, dict[str, int]]]:
    """Return the columns that rules read, text as codes, and the codes of each text column."""
    table = parquet.read_table(folder / "tx.parquet", columns=sorted(n for n in names if not _is_feature(n)))
    features = np.load(folder / "features.npy", mmap_mode="r")
    columns: dict[str, NDArray[np.generic]] = {}
    codes: dict[str, dict[str, int]] = {}
    for name in sorted(names):
        if _is_feature(name):
            columns[name] = np.ascontiguousarray(features[:, int(name[1:])])
            continue
        values = table.column(name).to_numpy()
        if values.dtype == object:
            texts, columns[name] = np.unique(values.astype(str), return_inverse=True)
            codes[name] = {text: code for code, text in enumerate(texts.tolist())}
        else:
            columns[name] = values
    return columns, codes


def _is_feature(name: str) -> bool:
    return name[0] == "f" and name[1:].isdecimal()


def _coded(comparison: list[object], codes: dict[str, dict[str, int]]) -> tuple[str, str, object]:
    """Return (column, operator, value) with text as its code, -1 for a text that no event has."""
    column, operator, value = comparison
    assert isinstance(column, str)
    assert isinstance(operator, str)
    if isinstance(value, list):
        return column, operator, tuple(value)
    return column, operator, codes[column].get(value, -1) if isinstance(value, str) else value


def _compare(
    block: dict[str, NDArray[np.generic]],
    known: dict[object, NDArray[np.bool_]],
    comparison: tuple[str, str, object],
) -> NDArray[np.bool_]:
    """Return where a comparison holds; equal comparisons of different rules are made once a block."""
    found = known.get(comparison)
    if found is not None:
        return found
    name, operator, value = comparison
    column = block[name]
    if operator == "gt":
        found = column > value
    elif operator == "lt":
        found = column < value
    elif operator == "eq":
        found = column == value
    elif operator == "in":
        found = np.isin(column, value)
    else:
        raise SystemExit(f"the rules workload has an operator `{operator}` that this peer does not know")
    known[comparison] = found
    return found
