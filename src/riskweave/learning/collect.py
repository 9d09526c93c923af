"""From a history of events to a training set: the replay makes the features, labels join when known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from riskweave.batch import Layout
from riskweave.engine.engine import Engine
from riskweave.errors import EventError, RiskweaveError, did_you_mean
from riskweave.events.compile import EventsCompiler
from riskweave.events.hashing import hash_texts_of
from riskweave.events.labels import read_label
from riskweave.events.plan import DecodePlan
from riskweave.events.rates import Rates
from riskweave.events.readers import Chunk, decode_chunk, read_events
from riskweave.expressions.strings import StringPool
from riskweave.expressions.types import Col, Type
from riskweave.learning.dataset import (
    Column,
    Dataset,
    Progress,
    file_hash,
    fingerprint,
    text_column,
)
from riskweave.policy.policy import Policy
from riskweave.replay.labels import read_labels

Floats = NDArray[np.float64]
NEVER_MS = np.iinfo(np.int64).max


def collect(
    policy: Policy,
    sources: Sequence[Any],
    label: str | None = None,
    labels: Path | None = None,
    from_ms: int | None = None,
    to_ms: int | None = None,
    delay_ms: int = 0,
    unlabelled: str = "unknown",
    progress: Progress | None = None,
) -> Dataset:
    """Carry `sources` through an engine and return the events in [from_ms, to_ms) with their features.

    `label` is a label field of the policy (its only one by default). Its truth comes from the events
    themselves or from the file `labels` (event_id, value, time), and counts as known `delay_ms` after
    its event at the earliest. `unlabelled="legitimate"` takes an event without a truth for
    legitimate, known after the delay: right where labels name frauds alone.

    Events before `from_ms` are replayed too, so that windows are full.
    """
    engine = Engine(policy)
    name = _label_name(engine, label)
    if unlabelled not in ("unknown", "legitimate"):
        raise RiskweaveError("unlabelled is `unknown` or `legitimate`")
    if labels is not None:
        read_labels(engine, labels)
    decoder = _Decoder(engine)
    parts: list[_Part] = []
    seen = 0
    for chunk in read_events(list(sources), engine.plan.decode.sources):
        events = chunk.table if chunk.table is not None else (chunk.records or ())
        decisions = engine.decide_many(events, chunk.place).without_repeats()
        part = decoder.part(chunk, name, decisions)
        parts.append(part.within(from_ms, to_ms))
        seen += chunk.size
        if progress is not None:
            progress(seen)
    truth = _Truth.read(labels, name, list(engine.plan.labels)) if labels is not None else None
    field_delay_ms = engine.plan.labels[name][1]
    facts = {
        "policy": policy.name,
        "policy_version": policy.version,
        "features": definitions(policy),
        "label": name,
        "from_ms": from_ms,
        "to_ms": to_ms,
        "delay_ms": delay_ms,
        "unlabelled": unlabelled,
        "inputs": [file_hash(Path(each)) for each in sources if isinstance(each, (str, Path))],
        "labels": file_hash(labels) if labels is not None else None,
    }
    return _joined(
        engine,
        decoder,
        parts,
        truth,
        delay_ms if truth is not None else max(delay_ms, field_delay_ms),
        unlabelled,
        facts | {"fingerprint": fingerprint(facts)},
    )


def definitions(policy: Policy) -> dict[str, str]:
    """Return each feature's definition as the policy writes it."""
    section = policy.document.section("features")
    return {name: node.text() for name, node in section.items()} if section is not None else {}


def _label_name(engine: Engine, label: str | None) -> str:
    known = list(engine.plan.labels)
    if not known:
        raise RiskweaveError("the policy declares no label: give an event a field `fraud: {type: label}`")
    if label is None:
        if len(known) > 1:
            raise RiskweaveError(f"the policy has several labels; name one of: {', '.join(known)}")
        return known[0]
    if label not in known:
        hint = did_you_mean(label, known) or f"there is: {', '.join(known)}"
        raise RiskweaveError(f"the policy has no label `{label}`; {hint}")
    return label


@dataclass(frozen=True)
class _Part:
    """One chunk's rows."""

    ids: Any
    time_ms: NDArray[np.int64]
    label: Floats
    fields: dict[str, Floats]
    features: Floats
    keys: dict[str, NDArray[np.uint64]]

    def within(self, from_ms: int | None, to_ms: int | None) -> _Part:
        if from_ms is None and to_ms is None:
            return self
        low = self.time_ms >= (from_ms if from_ms is not None else -NEVER_MS)
        rows = np.flatnonzero(low & (self.time_ms < (to_ms if to_ms is not None else NEVER_MS)))
        return _Part(
            None if self.ids is None else self.ids.take(pa.array(rows)),
            self.time_ms[rows],
            self.label[rows],
            {name: values[rows] for name, values in self.fields.items()},
            self.features[:, rows],
            {name: key[rows] for name, key in self.keys.items()},
        )


def _rates(policy: Policy) -> Rates | None:
    folder, name = policy.document.folder, policy.settings.rates
    return Rates.read(folder / name, policy.settings.currency) if folder and name else None


class _Decoder:
    """Reads every field and key of the events, also those that no feature or rule reads."""

    def __init__(self, engine: Engine) -> None:
        spec = engine.plan.events
        compiler = EventsCompiler(spec, Layout(), StringPool())
        self.columns: dict[str, Col] = {}
        for name in spec.fields():
            if spec.type_of(name) not in (Type.LABEL, Type.LOCATION):
                self.columns[name] = compiler.field(name)
        self.key_rows = {role.name: compiler.key(role.key) for each in spec.entities for role in each.roles}
        self.plan: DecodePlan = compiler.finish(_rates(engine.policy))

    def part(self, chunk: Chunk, label: str, decisions: Any) -> _Part:
        decoded = decode_chunk(self.plan, chunk)
        kept = np.flatnonzero(np.isin(decoded.rows, decisions.rows))
        assert kept.size == len(decisions)
        batch = decoded.batch
        truth = decoded.labels.get(label)
        return _Part(
            None if decoded.ids is None else decoded.ids.take(pa.array(kept)),
            batch.time_ms[kept],
            np.full(kept.size, np.nan) if truth is None else truth[kept],
            {name: batch.values[column.index][kept] for name, column in self.columns.items()},
            decisions.features,
            {name: batch.keys[row][kept] for name, row in self.key_rows.items()},
        )


@dataclass(frozen=True)
class _Truth:
    """A file of labels: sorted hashes of event ids, the latest value of each, and its time."""

    hashes: NDArray[np.uint64]
    values: Floats
    known_ms: NDArray[np.int64]

    @classmethod
    def read(cls, path: Path, name: str, known: list[str]) -> _Truth:
        ids, values, times = [], [], []
        for chunk in read_events(path):
            records = chunk.table.to_pylist() if chunk.table is not None else (chunk.records or ())
            for row, record in enumerate(records):
                found = read_label(record, known, chunk.place(row))
                if found.time_ms is None:
                    raise EventError("time", None, "when the label arrives", chunk.place(row))
                if found.name == name:
                    ids.append(found.event_id)
                    values.append(found.value)
                    times.append(found.time_ms)
        hashes, known_ms = hash_texts_of(ids), np.array(times, np.int64)
        order = np.lexsort((np.arange(hashes.size), known_ms, hashes))
        last = np.append(hashes[order][1:] != hashes[order][:-1], True)[: order.size]
        latest = order[last]
        return cls(hashes[latest], np.array(values)[latest], known_ms[latest])

    def of(self, ids: Any) -> tuple[Floats, NDArray[np.int64]]:
        """Return each event's value (NaN without one) and when it became known."""
        texts = [] if ids is None else ids.cast(pa.string()).to_pylist()
        wanted = hash_texts_of([text or "" for text in texts])
        if not self.hashes.size:
            return np.full(wanted.size, np.nan), np.zeros(wanted.size, np.int64)
        place = np.minimum(np.searchsorted(self.hashes, wanted), self.hashes.size - 1)
        found = self.hashes[place] == wanted
        return np.where(found, self.values[place], np.nan), np.where(found, self.known_ms[place], 0)


def _joined(
    engine: Engine,
    decoder: _Decoder,
    parts: list[_Part],
    truth: _Truth | None,
    delay_ms: int,
    unlabelled: str,
    meta: dict[str, Any],
) -> Dataset:
    if not parts:
        raise RiskweaveError("there are no events")
    ids = None if parts[0].ids is None else pa.chunked_array([part.ids for part in parts]).combine_chunks()
    time_ms = np.concatenate([part.time_ms for part in parts])
    label = np.concatenate([part.label for part in parts])
    known_ms = time_ms + delay_ms
    if truth is not None:
        said, arrived = truth.of(ids)
        label = said
        known_ms = np.where(np.isnan(said), known_ms, np.maximum(arrived, known_ms))
    if unlabelled == "legitimate":
        label = np.where(np.isnan(label), 0.0, label)
    columns: dict[str, Column] = {}
    for name, source in decoder.columns.items():
        values = np.concatenate([part.fields[name] for part in parts])
        columns[name] = _column(name, values, source.type, decoder.plan.pool.texts, False)
    features = np.concatenate([part.features for part in parts], axis=1)
    for output, values in zip(engine.outputs, features, strict=True):
        columns[output.name] = _column(output.name, values, output.type, engine.plan.pool.texts, True)
    keys = {name: np.concatenate([part.keys[name] for part in parts]) for name in decoder.key_rows}
    return Dataset(ids, time_ms, label, known_ms, columns, keys, meta)


def _column(name: str, values: Floats, kind: Type, texts: list[str], is_feature: bool) -> Column:
    if not kind.is_text:
        return Column(name, kind.value, values, (), is_feature)
    codes = pa.array(np.nan_to_num(values).astype(np.int32), mask=np.isnan(values))
    coded = pa.DictionaryArray.from_arrays(codes, pa.array(texts or [""], pa.string()))
    return text_column(name, coded.cast(pa.string()), is_feature)
