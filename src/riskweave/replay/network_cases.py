"""Recorded decisions as cases: the states that the evidence of each event had, and its label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from riskweave.decision.belief import NetworkBelief
from riskweave.decision.learned import LearnPlan
from riskweave.decision.networks.learning import Learner, LearningSpec
from riskweave.decision.networks.network import Network
from riskweave.decision.networks.structure import tree_augmented
from riskweave.engine.engine import Engine
from riskweave.engine.record_table import HEAD
from riskweave.errors import RiskweaveError, StateError
from riskweave.events.record import event_labels
from riskweave.kernels import decide as kernel
from riskweave.replay.labels import label_values

STRUCTURES = ("policy", "tan")


@dataclass(frozen=True)
class Fitted:
    """A network fitted to recorded decisions, from how many labelled ones of how many."""

    network: Network
    cases: int
    records: int
    passes: int


def fit_network(engine: Engine, records: Path, labels: Path | None, structure: str) -> Fitted:
    """Return the policy's network with tables (and with `tan` a structure) fitted to labelled records."""
    belief = getattr(engine.plan.decision, "belief", None)
    if not isinstance(belief, NetworkBelief):
        raise RiskweaveError("this policy does not decide by a network: there is nothing to fit")
    if structure not in STRUCTURES:
        raise RiskweaveError(f"`{structure}` is no structure; one of: {', '.join(STRUCTURES)}")
    if len(belief.network[belief.target].states) != 2:
        raise RiskweaveError(f"`{belief.target}` must have two states to learn from a label")
    codes, times, total = _cases(engine, belief, records, labels)
    if not times.size:
        raise RiskweaveError(f"`{records}` has no record with a label")
    spec = belief.learn.tables if belief.learn is not None else LearningSpec()
    network = belief.network
    if structure == "tan":
        states = {name: network[name].states for name in (belief.target, *belief.names)}
        network = tree_augmented(states, belief.target, codes)
    learner = Learner(network, spec)
    passes = learner.fit(codes, times)
    return Fitted(learner.network, int(times.size), total, passes)


def _cases(
    engine: Engine, belief: NetworkBelief, path: Path, labels: Path | None
) -> tuple[dict[str, NDArray[np.int64]], NDArray[np.int64], int]:
    """Return states by node (-1: unknown) and times of labelled records, and the number of all records."""
    name = _label(engine, belief.learn)
    said = label_values(engine, labels, name) if labels is not None else None
    parts: list[NDArray[np.int64]] = []
    times: list[NDArray[np.int64]] = []
    truth: list[NDArray[np.int64]] = []
    total = 0
    try:
        file = pq.ParquetFile(path)
        if HEAD not in (file.schema_arrow.metadata or {}):
            raise StateError(f"`{path}` is no file of decision records")
        for group in file.iter_batches(1 << 14, columns=["event_id", "time", "event", "columns"]):
            values = [_truth(engine, row, said, name) for row in group.select([0, 2]).to_pylist()]
            total += len(values)
            which = np.array([k for k, value in enumerate(values) if value is not None], np.int64)
            parts.append(_states(engine, belief, group.column("columns"))[:, which])
            times.append(np.asarray(group.column("time").cast(pa.int64()))[which])
            truth.append(np.array([values[k] for k in which.tolist()], np.int64))
    except (pa.ArrowException, OSError) as error:
        raise StateError(f"`{path}` cannot be read: {error}") from None
    if not parts:
        return {}, np.zeros(0, np.int64), 0
    states, fraud = np.concatenate(parts, axis=1), int(belief.fraud[0])
    codes = {belief.target: np.where(np.concatenate(truth) == 1, fraud, 1 - fraud)}
    for k, node in enumerate(belief.names):
        codes[node] = np.where(states[k] == len(belief.network[node].states), -1, states[k])
    return codes, np.concatenate(times).astype(np.int64), total


def _label(engine: Engine, learn: LearnPlan | None) -> str:
    names = list(engine.plan.labels)
    if learn is not None:
        return names[learn.label]
    if len(names) != 1:
        raise RiskweaveError("the policy must have one label, or say which under `network: learn: label:`")
    return names[0]


def _truth(engine: Engine, row: Mapping[str, Any], said: Mapping[str, float] | None, name: str) -> int | None:
    """Return 1 or 0, None without a label."""
    if said is not None:
        value = said.get(row["event_id"], np.nan)
    else:
        value = event_labels(engine.plan.decode, msgspec.json.decode(row["event"])).get(name, np.nan)
    return None if value != value else int(value == 1.0)


def _states(engine: Engine, belief: NetworkBelief, columns: pa.StructArray) -> NDArray[np.int64]:
    """Return the state that each piece of evidence had, as the decision put it."""
    recorder = engine.recorder
    known = {field.name for field in columns.type}
    values = np.full((len(belief.names), len(columns)), np.nan)
    nodes = belief.nodes.copy()
    for k, row in enumerate(belief.nodes[:, 0].tolist()):
        name = recorder.names[row]
        if name not in known:
            raise StateError(f"the records have no column `{name}`, from which `{belief.names[k]}` is taken")
        column = columns.field(name)
        if recorder.types[row].is_text:
            texts = [None if text is None else engine.plan.pool.code(text) for text in column.to_pylist()]
            values[k] = np.array(texts, np.float64)
        else:
            values[k] = np.asarray(column.cast(pa.float64()).fill_null(np.nan))
        nodes[k, 0] = k
    indices = np.empty((len(belief.names), len(columns)), np.int64)
    kernel.put_states(values, nodes, belief.cuts, indices)
    return indices
