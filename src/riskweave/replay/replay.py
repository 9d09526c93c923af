"""History through the engine: files of events (and labels) in, decisions out, in arrival order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from riskweave.engine.decisions import Decisions, PatternHits
from riskweave.engine.engine import Engine
from riskweave.events.readers import Chunk, read_events, rejected_line
from riskweave.replay.files import DecisionFile, LinesFile, match_line
from riskweave.replay.labels import read_labels
from riskweave.replay.records import RecordsFile

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
    patterns: dict[str, int] = field(default_factory=dict)

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
            "patterns": self.patterns,
        }


def replay(
    engine: Engine,
    sources: Iterable[Path],
    labels: Path | None = None,
    out: Path | None = None,
    rejected: Path | None = None,
    matches: Path | None = None,
    records: Path | None = None,
    progress: Progress | None = None,
) -> Report:
    """Carry the events of `sources` through `engine`, in the order given.

    Decisions go to `out` (Parquet), records that cannot be read to `rejected` and matches of patterns,
    those that the passing of time made among them, to `matches` (JSON Lines), whole decision records to
    `records` (Parquet; docs/records.md); each is written beside
    its name and moved there at the end, so a broken run leaves no half file.
    A label column in the events counts as arriving its field's `delay` after the event; `labels` is a
    file of event_id, label, value and time of arrival.
    """
    report = Report(actions=dict.fromkeys(engine.actions, 0), rules=dict.fromkeys(engine.rule_ids, 0))
    started = time.perf_counter()
    hits = np.zeros(len(engine.rule_ids), np.int64)
    if labels is not None:
        report.labels = read_labels(engine, labels)
    with (
        DecisionFile(out, engine.nothing()) as decided,
        LinesFile(rejected) as refused,
        LinesFile(matches) as matched,
        RecordsFile(records) as recorded,
        _recording(engine, recorded if records is not None else None),
    ):
        for chunk in read_events(list(sources), engine.plan.decode.sources):
            report.rejected += len(chunk.rejected)
            refused.write(map(rejected_line, chunk.rejected))
            for decisions in engine.decide_blocks(_events(chunk), chunk.place):
                _count(report, hits, decisions)
                decided.write(decisions)
                refused.write(map(rejected_line, decisions.rejected))
                if decisions.patterns is not None:
                    _count_matches(report, decisions.patterns)
                    matched.write(map(match_line, decisions.patterns))
            report.seconds = time.perf_counter() - started
            if progress is not None:
                progress(report)
    report.rules = dict(zip(engine.rule_ids, hits.tolist(), strict=True))
    report.compile_seconds = engine.compile_seconds
    report.seconds = time.perf_counter() - started
    return report


@contextmanager
def _recording(engine: Engine, file: RecordsFile | None) -> Iterator[None]:
    """Let the engine's records go to a file meanwhile."""
    before = engine.keep_records
    if file is not None:
        engine.keep_records = file.write
    try:
        yield
    finally:
        engine.keep_records = before


def count_events(paths: Iterable[Path]) -> int | None:
    """Return how many events Parquet files hold; None when a file does not say so beforehand."""
    total = 0
    for path in paths:
        if path.suffix != ".parquet":
            return None
        total += int(pq.read_metadata(path).num_rows)
    return total


def _events(chunk: Chunk) -> Any:
    return chunk.table if chunk.table is not None else (chunk.records or ())


def _count_matches(report: Report, hits: PatternHits) -> None:
    counts = np.bincount(hits.matches.pattern, minlength=len(hits.plan.patterns)).tolist()
    for info, count in zip(hits.plan.patterns, counts, strict=True):
        report.patterns[info.name] = report.patterns.get(info.name, 0) + count


def _count(report: Report, hits: NDArray[np.int64], decisions: Decisions) -> None:
    report.rejected += len(decisions.rejected)
    fresh = decisions.without_repeats()
    report.duplicates += len(decisions) - len(fresh)
    report.events += len(fresh)
    for action, count in fresh.actions().items():
        report.actions[action] += count
    hits += np.bincount(fresh.hit_rule, minlength=hits.size)
