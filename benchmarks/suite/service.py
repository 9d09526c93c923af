"""The service over HTTP beside the same server echoing JSON; client and server on this machine.

The client is raw sockets with keep-alive. Closed loop: each connection sends its next request when the
answer is there. Steady: requests are due at fixed times, and latency counts from when one was due, so a
stall counts for all that had to wait. The fuzz sends 100,000 malformed bodies in-process.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import uvloop
from benchmarks.measure import percentiles_us, write

from riskweave import scenarios
from riskweave.simulation.payments import payments

CONNECTIONS = (1, 16, 64)
LINES, ARROW = "lines", "arrow"
KINDS = {LINES: "application/x-ndjson", ARROW: "application/vnd.apache.arrow.stream"}
SECONDS = 3.0
RATE = 2_000
STEADY_SECONDS = 5.0
BATCH = 60_000
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


def run(arguments: argparse.Namespace) -> None:
    cores = sorted(os.sched_getaffinity(0))
    events = [_plain(each) for each in payments(100_000, arguments.seed).to_pylist()]
    results: dict[str, Any] = {"cores": os.cpu_count(), "client_core": cores[-1]}
    for name in ("echo", "durable", "relaxed"):
        supply = _requests(events, name)
        with _server(name) as (port, key, process):
            requests = (_request(port, key, each) for each in supply)
            figures: dict[str, Any] = {}
            _closed(port, requests, 16, 2.0)
            for connections in CONNECTIONS:
                before = _cpu_us(process)
                found = _closed(port, requests, connections, SECONDS)
                found["server_cpu_us"] = round((_cpu_us(process) - before) / (found["per_s"] * SECONDS), 1)
                figures[str(connections)] = found
            figures["steady"] = uvloop.run(_steady(port, requests))
            if name != "echo":
                for kind in (LINES, ARROW):
                    figures[f"batch_{kind}"] = _batch(port, key, events, kind, process)
            results[name] = figures
    results["ratio_to_echo"] = {
        str(n): round(results["durable"][str(n)]["per_s"] / results["echo"][str(n)]["per_s"], 3)
        for n in CONNECTIONS
    }
    results["cpu_ratio_to_echo"] = {
        mode: {
            str(n): round(
                results["echo"][str(n)]["server_cpu_us"] / results[mode][str(n)]["server_cpu_us"], 3
            )
            for n in CONNECTIONS
        }
        for mode in ("durable", "relaxed")
    }
    results["load"] = os.getloadavg()
    results["fuzz"] = _fuzz()
    write("service", results)


def _plain(record: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value for name, value in record.items() if value is not None and name not in ("fraud", "attack")
    }


def _requests(events: list[dict[str, Any]], name: str) -> Iterator[dict[str, Any]]:
    """Yield events for ever, each with an id of its own."""
    number = 0
    while True:
        for each in events:
            number += 1
            yield each | {"payment_id": f"{name}-{number}"}


def _request(port: int, key: str, event: dict[str, Any]) -> bytes:
    body = msgspec.json.encode(event, enc_hook=str)
    head = (
        f"POST /api/risk/evaluate HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@contextlib.contextmanager
def _server(name: str) -> Iterator[tuple[int, str, int]]:
    """Run a server on the cores that the client does not have."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    everything = range(os.cpu_count() or 1)
    others = {core for core in everything if core not in os.sched_getaffinity(0)} or set(everything)
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    with tempfile.TemporaryDirectory() as data:
        key = "none"
        if name == "echo":
            command = [sys.executable, "-m", "benchmarks.peers.echo", str(port)]
        else:
            riskweave = [sys.executable, "-m", "riskweave"]
            made = subprocess.run(
                [*riskweave, "users", "key", "bench", "--data", data],
                capture_output=True,
                text=True,
                check=True,
            )
            key = made.stdout.strip()
            policy = str(scenarios.folder("starter"))
            command = [*riskweave, "serve", policy, "--data", data, "--port", str(port)]
            environment |= {"RISKWEAVE_STORAGE_RELAXED": "true" if name == "relaxed" else "false"}
        process = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=lambda: os.sched_setaffinity(0, others),
        )
        try:
            _wait(port)
            yield port, key, process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _wait(port: int) -> None:
    for _ in range(1_200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise TimeoutError("the server did not start")


class _Connection(asyncio.Protocol):
    """One keep-alive connection: a request at a time."""

    def __init__(self) -> None:
        self.buffer = b""
        self.done: Any = None
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def send(self, request: bytes, done: Any) -> None:
        self.done = done
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        found = LENGTH.search(self.buffer, 0, end)
        assert found is not None
        if len(self.buffer) < end + 4 + int(found[1]):
            return
        status = self.buffer[9:12]
        self.buffer = b""
        self.done(self, status)


def _closed(port: int, requests: Iterator[bytes], connections: int, seconds: float) -> dict[str, float]:
    return uvloop.run(_closed_loop(port, requests, connections, seconds))


async def _closed_loop(
    port: int, requests: Iterator[bytes], connections: int, seconds: float
) -> dict[str, float]:
    loop = asyncio.get_running_loop()
    taken: list[float] = []
    refused = 0
    until = time.perf_counter() + seconds
    begun: dict[_Connection, float] = {}
    ended = loop.create_future()
    left = connections

    def next_one(connection: _Connection) -> None:
        nonlocal left
        if time.perf_counter() >= until:
            connection.transport.close()
            left -= 1
            if not left:
                ended.set_result(None)
            return
        request = next(requests)
        begun[connection] = time.perf_counter()
        connection.send(request, done)

    def done(connection: _Connection, status: bytes) -> None:
        nonlocal refused
        taken.append(time.perf_counter() - begun[connection])
        refused += status != b"200"
        next_one(connection)

    started = time.perf_counter()
    for _ in range(connections):
        _, connection = await loop.create_connection(_Connection, "127.0.0.1", port)
        next_one(connection)
    await ended
    return _figures(taken, refused, time.perf_counter() - started)


async def _steady(port: int, requests: Iterator[bytes]) -> dict[str, float]:
    """Send at a fixed rate over 64 connections; a request that finds none free waits, and its clock runs."""
    loop = asyncio.get_running_loop()
    free: deque[_Connection] = deque()
    waiting: deque[tuple[float, bytes]] = deque()
    taken: list[float] = []
    refused = 0
    due_of: dict[_Connection, float] = {}
    for _ in range(64):
        _, connection = await loop.create_connection(_Connection, "127.0.0.1", port)
        free.append(connection)

    def begin(connection: _Connection, due: float, request: bytes) -> None:
        due_of[connection] = due
        connection.send(request, done)

    def done(connection: _Connection, status: bytes) -> None:
        nonlocal refused
        taken.append(time.perf_counter() - due_of[connection])
        refused += status != b"200"
        if waiting:
            begin(connection, *waiting.popleft())
        else:
            free.append(connection)

    ready = [next(requests) for _ in range(int(RATE * STEADY_SECONDS))]
    started = time.perf_counter()
    for number, request in enumerate(ready):
        due = started + number / RATE
        delay = due - time.perf_counter()
        if delay > 0:
            await asyncio.sleep(delay)
        if free:
            begin(free.popleft(), due, request)
        else:
            waiting.append((due, request))
    while len(taken) < len(ready):
        await asyncio.sleep(0.01)
    return _figures(taken, refused, time.perf_counter() - started)


def _figures(taken: list[float], refused: int, seconds: float) -> dict[str, float]:
    found = percentiles_us(taken)
    return {"per_s": round(len(taken) / seconds), "refused": refused, **found}


def _cpu_us(process: int) -> float:
    """Return the CPU time that a process has taken."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1e6 / os.sysconf("SC_CLK_TCK")


def _batch(port: int, key: str, events: list[dict[str, Any]], kind: str, process: int) -> dict[str, float]:
    """Send batches; the best of three, and the server's CPU time of it."""
    best = {"per_s": 0.0, "server_cpu_us": 0.0}
    for turn in range(3):
        body = _body(events[:BATCH], kind, f"{kind}-{turn}")
        head = (
            f"POST /api/risk/evaluate/batch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
            f"Content-Type: {KINDS[kind]}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        before, started = _cpu_us(process), time.perf_counter()
        parts: list[bytes] = []
        with socket.create_connection(("127.0.0.1", port)) as door:
            door.sendall(head.encode() + body)
            while part := door.recv(1 << 20):
                parts.append(part)
        seconds = time.perf_counter() - started
        answer = b"".join(parts)
        size = min(BATCH, len(events))
        assert answer.startswith(b"HTTP/1.1 200"), answer[:200]
        if kind == LINES:
            assert answer.count(b'"request_id"') == size
        if size / seconds > best["per_s"]:
            cpu_us = (_cpu_us(process) - before) / size
            best = {"per_s": round(size / seconds), "server_cpu_us": round(cpu_us, 1)}
    return best


def _body(events: list[dict[str, Any]], kind: str, name: str) -> bytes:
    renamed = [each | {"payment_id": f"{name}-{number}"} for number, each in enumerate(events)]
    if kind == LINES:
        return b"\n".join(msgspec.json.encode(each, enc_hook=str) for each in renamed)
    table = pa.Table.from_pylist(renamed)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _fuzz() -> dict[str, int]:
    from tests.service.conftest import Place, payment
    from tests.service.fuzzing import answers, bodies

    from riskweave.service.settings import Settings

    with tempfile.TemporaryDirectory() as folder, Place(Path(folder), Settings()) as place:
        sent = list(bodies(random.Random(99), payment(1), 100_000))
        key = place.keys["sender"]
        portal = place.client.portal
        got = portal.call(answers, place.client.app, key, "/api/risk/evaluate", "application/json", sent)
    counts: dict[str, int] = {}
    for status, _ in got:
        counts[str(status)] = counts.get(str(status), 0) + 1
    assert all(int(status) < 500 for status in counts), counts
    return counts
