"""`riskweave explain`: why an event got its action, from its record or by deciding its history again."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from riskweave.errors import LimitError, RiskweaveError

if TYPE_CHECKING:
    from riskweave.engine.engine import Engine
    from riskweave.engine.record import Record
    from riskweave.events.readers import Chunk
    from riskweave.explanation.explanation import Explanation

Event = Mapping[str, object]

LINE_BYTES_MAX = 16 * 1024 * 1024


def explain(
    targets: list[str],
    records: Path | None,
    policy: Path | None,
    event: str | None,
    language: str,
    form: str,
) -> int:
    """Print the explanation; 0 when there is one."""
    if records is not None:
        if len(targets) != 1 or policy is None:
            raise RiskweaveError("write `riskweave explain ID --records FILE --policy POLICY`")
        explanation = _of_record(targets[0], records, policy)
    else:
        if len(targets) < 2:
            raise RiskweaveError(
                "write `riskweave explain POLICY EVENTS --event ID`, "
                "or `riskweave explain ID --records FILE --policy POLICY`"
            )
        explanation = _of_history(Path(targets[0]), [Path(each) for each in targets[1:]], event)
    _print(explanation, language, form)
    return 0


def codes(path: Path, as_json: bool) -> int:
    """Print every reason code that the policy's explanations can give, with what it stands for."""
    from rich.table import Table

    from riskweave.cli.commands import console
    from riskweave.engine.engine import Engine
    from riskweave.engine.explain import Explainer
    from riskweave.policy.policy import Policy

    listed = Explainer(Engine(Policy.read(path))).codes()
    if as_json:
        print(json.dumps([each.to_json() for each in listed], ensure_ascii=False))
        return 0
    table = Table(box=None, pad_edge=False)
    for name in ("code", "kind", "en", "zh"):
        table.add_column(name, overflow="fold")
    for each in listed:
        table.add_row(each.code, each.kind, each.texts["en"], each.texts["zh"])
    console.print(table)
    return 0


# ---- from a record


def _of_record(identity: str, file: Path, path: Path) -> Explanation:
    from riskweave.engine.engine import Engine
    from riskweave.engine.explain import Explainer
    from riskweave.policy.policy import Policy

    record = _record(file, identity)
    if not record.intact:
        raise RiskweaveError(f"the record of event `{identity}` was changed since it was made")
    return Explainer(Engine(Policy.read(path))).of_record(record)


def _record(file: Path, identity: str) -> Record:
    """Return an event's record, of a file of `replay --records` or of JSON Lines."""
    from riskweave.replay.records import find_record

    if file.suffix not in (".json", ".jsonl"):
        return find_record(file, identity)
    found = next((each for each in _records(file) if each.event_id == identity), None)
    if found is None:
        raise RiskweaveError(f"`{file}` has no record of event `{identity}`")
    return found


def _records(file: Path) -> Iterator[Record]:
    """Yield the records of a file: JSON, one on a line."""
    from riskweave.engine.record import Record

    with file.open("rb") as stream:
        while line := stream.readline(LINE_BYTES_MAX + 1):
            if len(line) > LINE_BYTES_MAX:
                raise LimitError(f"`{file}` has a line of more than {LINE_BYTES_MAX} bytes")
            if line.strip():
                yield Record.from_json(line)


# ---- from a history


def _of_history(path: Path, files: list[Path], identity: str | None) -> Explanation:
    """Decide the events before the one asked for (by default the last), then explain it."""
    from riskweave.cli.commands import build
    from riskweave.engine.explain import Explainer
    from riskweave.engine.explain_known import known_values
    from riskweave.policy.policy import Policy

    for file in files:
        if not file.exists():
            raise RiskweaveError(f"there is no file `{file}`")
    engine = build(Policy.read(path), quiet=True)
    explainer = Explainer(engine)
    place, wanted = _find(engine, files, identity)
    before = _decided_before(engine, files, place, wanted)
    return explainer.decide(wanted, known_values(engine, before))[1]


def _find(engine: Engine, files: list[Path], identity: str | None) -> tuple[int, Event]:
    """Return the wanted event, and how many come before it."""
    names = [name for each in engine.plan.decode.types if each.id is not None for name in each.id.names]
    found: tuple[int, Event] | None = None
    count = 0
    for chunk in _chunks(engine, files):
        for event in _rows(chunk):
            if identity is None:
                found = count, event
            elif any(str(event.get(name)) == identity for name in names):
                return count, event
            count += 1
    if found is None:
        what = "any event" if identity is None else f"an event `{identity}`"
        raise RiskweaveError(f"the files do not hold {what}")
    return found


def _decided_before(engine: Engine, files: list[Path], place: int, wanted: Event) -> list[Event]:
    """Decide the events before the wanted one; return those of its first entity, the latest first."""
    from riskweave.engine.explain_known import field_value

    plan = engine.plan
    keys = [name for entity in plan.events.entities[:1] for name in entity.roles[0].key]
    own = [field_value(engine, wanted, key) for key in keys]
    related: list[Event] = []
    for chunk in _chunks(engine, files):
        size = chunk.table.num_rows if chunk.table is not None else len(chunk.records or ())
        rows = list(_rows(chunk))[:place]
        if rows:
            engine.decide_many(chunk.table.slice(0, len(rows)) if chunk.table is not None else rows)
        related += [event for event in rows if [field_value(engine, event, key) for key in keys] == own]
        place -= size
        if place <= 0:
            break
    return related[::-1]


def _chunks(engine: Engine, files: list[Path]) -> Iterator[Chunk]:
    from riskweave.events.readers import read_events

    return read_events(list(files), engine.plan.decode.sources)


def _rows(chunk: Chunk) -> Iterable[Event]:
    return chunk.table.to_pylist() if chunk.table is not None else (chunk.records or ())


# ---- printing


def _print(explanation: Explanation, language: str, form: str) -> None:
    from riskweave.cli.commands import console
    from riskweave.explanation.as_html import as_html
    from riskweave.explanation.as_json import as_json
    from riskweave.explanation.as_text import as_text, plain_text

    if form == "json":
        json.dump(as_json(explanation), sys.stdout, ensure_ascii=False)
        print()
    elif form == "html":
        sys.stdout.write(as_html(explanation, language))
    elif console.is_terminal:
        console.print(as_text(explanation, language))
    else:
        sys.stdout.write(plain_text(explanation, language))
