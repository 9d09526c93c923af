"""`riskweave simulate`: a labelled stream, to a file, to standard output, or to a running service."""

from __future__ import annotations

import datetime
import http.client
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console

from riskweave.errors import LimitError, RiskweaveError

KEY = "RISKWEAVE_API_KEY"
# What an event cannot know of itself: left out of what a service is asked.
TRUTH = ("fraud", "label_at", "typology", "campaign", "stage", "loss", "attack")
RATE_MAX = 1_000_000.0
ROW_GROUP = 262_144

Record = dict[str, Any]

console = Console()


def run(
    scenario: str,
    events: int,
    seed: int,
    out: Path | None,
    days: int | None,
    fraud_share: float | None,
    leave_out: list[str],
    drift: float,
    season: float,
    label_delay: float | None,
    rate: float | None,
    to: str | None,
) -> None:
    """Write, print or send the stream of one scenario, or of all."""
    if rate is not None and not 0 < rate <= RATE_MAX:
        raise LimitError(
            f"rate: found {rate:g}, expected more than 0 and at most {RATE_MAX:,.0f} events a second"
        )
    live = rate is not None or to is not None
    if live and out is not None:
        raise RiskweaveError(
            "either --out, or --rate and --to: a live stream goes to standard output or to a service"
        )
    asked = (events, seed, days, fraud_share, leave_out, drift, label_delay, season)
    if live:
        stream_live(_records(scenario, asked), rate, to)
    elif scenario == "all":
        write_all(Path("world") if out is None else out, asked)
    else:
        path = out or Path("payments.parquet" if scenario == "starter" else f"{scenario}.parquet")
        written = write(_tables(scenario, asked), path)
        console.print(f"{written:,} events in {path}", highlight=False)


def _tables(scenario: str, asked: tuple[Any, ...]) -> Iterator[Any]:
    """Give the tables of a scenario, block by block."""
    from riskweave.simulation import world

    if scenario != "starter":
        return world.stream(scenario, *asked)
    from riskweave.simulation.payments import payments

    events, seed, days, fraud_share, leave_out = asked[:5]
    if leave_out:
        raise RiskweaveError("`starter` has no typologies to leave out; the other scenarios have")
    return iter([payments(events, seed, days=days, fraud_share=0.01 if fraud_share is None else fraud_share)])


def write_all(folder: Path, asked: tuple[Any, ...]) -> None:
    """Write a file for each scenario and for each kind of entity."""
    import pyarrow.parquet as pq

    from riskweave.simulation import world

    if folder.suffix or folder.is_file():
        raise RiskweaveError(f"`{folder}`: `all` needs a folder, one file for each scenario goes there")
    (folder / "entities").mkdir(parents=True, exist_ok=True)
    for scenario in world.SCENARIOS:
        path = folder / f"{scenario}.parquet"
        written = write(world.stream(scenario, *asked), path)
        console.print(f"{written:,} events in {path}", highlight=False)
    for name, table in world.entities(asked[1]).items():
        pq.write_table(table, folder / "entities" / f"{name}.parquet", compression="zstd")


def write(tables: Iterator[Any], path: Path) -> int:
    """Write tables one after the other to one file; return how many events there are."""
    first = next(tables)
    written: int = first.num_rows
    with _writer(path, first.schema) as put:
        put(first)
        for table in tables:
            put(table)
            written += table.num_rows
    return written


class _writer:  # noqa: N801 - used as a function: with _writer(path, schema) as put
    """A file that takes tables: Parquet (a row group each), CSV or JSON Lines."""

    def __init__(self, path: Path, schema: Any) -> None:
        import pyarrow.csv as csv
        import pyarrow.parquet as pq

        self.text: TextIO | None = None
        self.binary: Any = None
        if path.suffix == ".parquet":
            self.binary = pq.ParquetWriter(path, schema, compression="zstd")
        elif path.suffix == ".csv":
            self.binary = csv.CSVWriter(path, schema)
        elif path.suffix == ".jsonl":
            self.text = path.open("w", encoding="utf-8")
        else:
            raise LimitError(f"`{path}`: write a .parquet, .csv or .jsonl file")

    def __enter__(self) -> Callable[[Any], None]:
        return self._put

    def _put(self, table: Any) -> None:
        if self.text is None:
            self.binary.write_table(table, ROW_GROUP)
            return
        for part in table.to_batches(max_chunksize=10_000):
            self.text.writelines(line(record) + "\n" for record in part.to_pylist())

    def __exit__(self, *_: object) -> None:
        (self.text or self.binary).close()


def line(record: Record) -> str:
    """Return a record as JSON; times are ISO 8601, what is missing stays null."""
    return json.dumps(record, ensure_ascii=False, default=_iso)


def _iso(value: object) -> str:
    assert isinstance(value, datetime.datetime)
    return value.isoformat()


def _records(scenario: str, asked: tuple[Any, ...]) -> Iterator[Record]:
    """Give the records of a scenario; of all of them, in the order of their times."""
    import heapq

    from riskweave.simulation import world

    def of(name: str) -> Iterator[Record]:
        for table in _tables(name, asked):
            for part in table.to_batches(max_chunksize=5_000):
                yield from part.to_pylist()

    if scenario != "all":
        return of(scenario)

    def named(name: str) -> Iterator[Record]:
        for record in of(name):
            yield {"scenario": name, **record}

    return heapq.merge(*(named(name) for name in world.SCENARIOS), key=lambda record: record["at"])


def stream_live(records: Iterator[Record], rate: float | None, to: str | None) -> None:
    """Send records at so many a second (as fast as may be without a rate), until they end or Ctrl-C."""
    service = None if to is None else Service(to)
    send = _printed if service is None else service.send
    started, sent = time.monotonic(), 0
    try:
        for record in records:
            send(record)
            sent += 1
            if rate is not None:
                ahead = started + sent / rate - time.monotonic()
                if ahead > 0.0:
                    time.sleep(ahead)
    finally:
        if service is not None:
            service.connection.close()
    if to is not None:
        console.print(f"{sent:,} events sent to {to}", highlight=False)


def _printed(record: Record) -> None:
    print(line(record), file=sys.stdout, flush=True)


class Service:
    """A running service that is asked about one event after the other."""

    def __init__(self, address: str) -> None:
        found = re.fullmatch(r"(https?)://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(?::(\d{1,5}))?(/\S*)?", address)
        if found is None:
            raise RiskweaveError(f"--to `{address}`: expected http://HOST:PORT/api/risk/evaluate")
        scheme, host, port, path = found.groups()
        kind = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
        self.connection = kind(host.strip("[]"), int(port) if port else None, timeout=30)
        self.path = path or "/api/risk/evaluate"
        self.headers = {"content-type": "application/json"}
        if key := os.environ.get(KEY):
            self.headers["authorization"] = f"Bearer {key}"

    def send(self, record: Record) -> None:
        """Ask about one event, without its truth; what the service refuses for good ends the stream."""
        event = {name: value for name, value in record.items() if value is not None and name not in TRUTH}
        body = line(event).encode()
        for attempt in range(6):
            try:
                self.connection.request("POST", self.path, body, self.headers)
                answer = self.connection.getresponse()
                said = answer.read()
            except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
                self.connection.close()
                if attempt == 5:
                    raise RiskweaveError(
                        f"{self.path}: no answer: {error or type(error).__name__}"
                    ) from error
            else:
                if answer.status < 400:
                    return
                if answer.status not in (429, 503) or attempt == 5:
                    hint = f"; set {KEY}" if answer.status in (401, 403) else ""
                    reason = said[:300].decode("utf-8", "replace").replace("\n", " ")
                    raise RiskweaveError(f"{self.path}: {answer.status} {answer.reason}: {reason}{hint}")
            # The service is busy or starting: the same event again, a little later.
            time.sleep(0.1 * 2**attempt)
