"""History through the engine: files of events (and labels) in, decisions out, in arrival order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from riskweave.engine.decisions import Decisions
from riskweave.engine.engine import Engine
from riskweave.events.readers import Chunk, read_events
from riskweave.events.rejected import RejectedWriter
from riskweave.replay.labels import read_labels

if TYPE_CHECKING:
    pass

Progress = Callable[["Report"], None]


@dataclass(slots=True)
class Report:
    """What a replay did. `seconds` is the time from the first byte read to the last byte written."""

    events: int = 0
    rejected: int = 0
    duplicates: int = 0
    labels: int = 0
    seconds: float = 0.0
    compile_seconds: float = 0.0
    actions: dict[str, int] = field(default_factory=dict)
    rules: dict[str, int] = field(default_factory=dict)

    @property
    def events_per_second(self) -> float:
        return self.events / self.seconds if self.seconds > 0 else 0.0

    def to_json(self) -> dict[str, object]:
        """Return the report as JSON values."""
        return {
            "events": self.events,
            "rejected": self.rejected,
            "duplicates": self.duplicates,
            "labels": self.labels,
            "seconds": round(self.seconds, 6),
            "events_per_second": round(self.events_per_second, 1),
            "compile_seconds": round(self.compile_seconds, 6),
            "actions": self.actions,
            "rules": self.rules,
        }


def replay(
    engine: Engine,
    sources: Iterable[Path],
    labels: Path | None = None,
    out: Path | None = None,
    rejected: Path | None = None,
    progress: Progress | None = None,
) -> Report:
    """Carry the events of `sources` through `engine`, in the order given.

    Decisions go to `out` (Parquet), records that cannot be read to `rejected` (JSON Lines); each is
    written beside its name and moved there at the end, so a broken run leaves no half file.
    A label column in the events counts as arriving its field's `delay` after the event; `labels` is a
    file of event_id, label, value and time of arrival.
    """
    report = Report(actions=dict.fromkeys(engine.actions, 0), rules=dict.fromkeys(engine.rule_ids, 0))
    started = time.perf_counter()
    hits = np.zeros(len(engine.rule_ids), np.int64)
    if labels is not None:
        report.labels = read_labels(engine, labels)
    with _DecisionFile(out) as decisions_file, RejectedWriter(rejected) as rejected_file:
        for chunk in read_events(list(sources)):
            for decisions in _decide(engine, chunk):
                _count(report, hits, decisions)
                decisions_file.write(decisions)
                rejected_file.write(decisions.rejected)
            report.seconds = time.perf_counter() - started
            if progress is not None:
                progress(report)
    report.rules = dict(zip(engine.rule_ids, hits.tolist(), strict=True))
    report.seconds = time.perf_counter() - started
    return report


def _decide(engine: Engine, chunk: Chunk) -> Iterable[Decisions]:
    yield engine.decide_chunk(chunk)


def _count(report: Report, hits: np.ndarray, decisions: Decisions) -> None:
    fresh = ~decisions.duplicate
    report.events += int(fresh.sum())
    report.duplicates += int(decisions.duplicate.sum())
    report.rejected += len(decisions.rejected)
    for action, count in decisions.actions().items():
        report.actions[action] += count
    hits += np.bincount(decisions.hit_rule, minlength=hits.size)
