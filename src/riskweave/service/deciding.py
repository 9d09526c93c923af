"""The decision path: raw ASGI, msgspec, and as little as possible between a request and the engine.

Routes: evaluate (one event), evaluate/batch (JSON Lines or an Arrow stream), feedback. The same
authentication and the same errors as everywhere else.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import msgspec

from riskweave.service.body import Disconnected, Receive, Scope, Send, media_type, read_body
from riskweave.service.errors import problem_of
from riskweave.service.port import Decided, Event
from riskweave.service.problems import Problem
from riskweave.service.roles import Identity, Permission
from riskweave.service.telling import answer_json, language_of

if TYPE_CHECKING:
    from riskweave.service.service import Service

JSON_TYPES = ("", "application/json")
LINES = ("application/x-ndjson", "application/jsonl", "application/json-lines", "application/ndjson")
ARROW = "application/vnd.apache.arrow.stream"
CHUNK_ROWS = 1_024
DEADLINE_MS_MAX = 60_000

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder(enc_hook=str).encode
_numbers = itertools.count(1)
_process = os.urandom(5).hex()

_ANSWER_HEADERS = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
_LABEL_FIELDS = {"event_id", "value", "label", "time"}


def new_request_id() -> str:
    """Return a name for this request, unlike any other's."""
    return f"{_process}-{next(_numbers):x}"


class Asked:
    """What the headers of a request say, read in one go."""

    __slots__ = ("accept", "authorization", "deadline", "kind", "language", "length")

    def __init__(self, scope: Scope) -> None:
        self.authorization = self.kind = b""
        self.length = self.deadline = self.language = self.accept = None
        for name, value in scope["headers"]:
            if name == b"authorization":
                self.authorization = value
            elif name == b"content-type":
                self.kind = value
            elif name == b"content-length":
                self.length = value
            elif name == b"x-deadline-ms":
                self.deadline = value
            elif name == b"accept-language":
                self.language = value
            elif name == b"accept":
                self.accept = value


class DecisionPath:
    """The raw routes. `routes` maps a path to what answers its POST."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.limits = service.settings.limits
        self.routes: dict[str, Callable[[Scope, Receive, Send, str], Awaitable[None]]] = {
            "/api/risk/evaluate": self.evaluate,
            "/api/risk/evaluate/batch": self.batch,
            "/api/risk/feedback": self.feedback,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request of one of the routes; every error has the documented shape."""
        started = time.perf_counter()
        request_id = new_request_id()
        meter = self.service.meter
        path = scope["path"]
        try:
            if scope["method"] != "POST":
                raise Problem("method_not_allowed", f"{path} knows POST alone", expected="POST")
            await self.routes[path](scope, receive, send, request_id)
            meter.requests[path, "2xx"] += 1
        except Disconnected:
            meter.requests[path, "gone"] += 1
            return
        except _Broken:
            meter.requests[path, "broken"] += 1
            raise
        except Exception as error:
            problem = self.service.tell(error, request_id, scope.get("identity"))
            meter.requests[path, f"{problem.status // 100}xx"] += 1
            meter.refused[problem.code] += 1
            await _answer(send, problem.status, problem.encoded(request_id), problem.headers(), request_id)
        meter.http.add(time.perf_counter() - started)

    async def identify(self, scope: Scope, asked: Asked, permission: Permission) -> Identity:
        """Return who asks, if they may."""
        identity = self.service.gate.known(asked.authorization) if asked.authorization else None
        if identity is None:
            identity = await self.service.gate.identify("POST", scope["headers"])
        scope["identity"] = identity
        identity.need(permission)
        return identity

    # ---- one event

    async def evaluate(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        """Decide one event."""
        asked = Asked(scope)
        identity = await self.identify(scope, asked, Permission.DECIDE)
        event = _object(await self._json_body(asked, receive))
        service = self.service
        scenario = service.live.scenario(event)
        _need_scenario(identity, scenario)
        future = service.backend.submit(event, self._deadline_s(asked.deadline))
        decided = await service.bridge.wait(future, lambda done: service.count(done, event, scenario))
        answer = answer_json(decided, scenario, language_of(scope["query_string"], asked.language))
        await _answer(send, 200, _encode(answer), _ANSWER_HEADERS, request_id)

    async def _json_body(self, asked: Asked, receive: Receive) -> bytes:
        if media_type(asked.kind) not in JSON_TYPES:
            raise Problem(
                "unsupported_media_type",
                f"`{media_type(asked.kind)}` is not known here",
                "content-type",
                "application/json",
            )
        return await read_body(receive, asked.length, self.limits.event_bytes, self.limits.body_s)

    def _deadline_s(self, said: bytes | None) -> float:
        if said is None:
            return self.limits.deadline_ms / 1000
        if not said.isdigit() or len(said) > 6 or not 0 < int(said) <= DEADLINE_MS_MAX:
            expected = f"1 to {DEADLINE_MS_MAX} milliseconds"
            raise Problem("invalid", "the deadline cannot be read", "x-deadline-ms", expected)
        return int(said) / 1000

    # ---- labels

    async def feedback(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        """Take the truth about an earlier event, or several of them."""
        asked = Asked(scope)
        identity = await self.identify(scope, asked, Permission.FEEDBACK)
        label = _object(await self._json_body(asked, receive))
        for name in label:
            if name not in _LABEL_FIELDS:
                raise Problem("invalid", f"a label has no `{name}`", name, "event_id, value, label, time")
        if identity.scenarios:
            await self._need_scenario_of(str(label.get("event_id")), identity)
        service = self.service
        await service.bridge.wait(service.backend.feedback(label))
        await _answer(
            send, 202, _encode({"request_id": request_id, "accepted": True}), _ANSWER_HEADERS, request_id
        )

    async def _need_scenario_of(self, event_id: str, identity: Identity) -> None:
        found = await asyncio.to_thread(self.service.backend.find, event_id)
        if found is None:
            raise Problem(
                "not_found", "this identity is limited to some scenarios, and the event is not known"
            )
        _need_scenario(identity, self.service.live.scenario(found.event))

    # ---- many events

    async def batch(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        """Decide many events; each has its answer or its error, in the order sent."""
        asked = Asked(scope)
        identity = await self.identify(scope, asked, Permission.DECIDE)
        kind = media_type(asked.kind)
        if kind not in LINES and kind != ARROW:
            raise Problem(
                "unsupported_media_type",
                f"`{kind}` is not known here",
                "content-type",
                f"{LINES[0]} or {ARROW}",
            )
        body = await read_body(receive, asked.length, self.limits.batch_bytes, self.limits.body_s)
        language = language_of(scope["query_string"], asked.language)
        rows = await asyncio.to_thread(self._arrow if kind == ARROW else self._lines, body, identity)
        answers = self._answers(rows, language, identity)
        if kind == ARROW:
            content = await asyncio.to_thread(
                _arrow_answers, [each async for part in answers for each in part]
            )
            await _answer(send, 200, content, [(b"content-type", ARROW.encode())], request_id)
            return
        await _stream_lines(send, answers, request_id)

    def _lines(self, body: bytes, identity: Identity) -> list[Row]:
        rows: list[Row] = []
        for line in body.splitlines():
            if not line.strip():
                continue
            if len(rows) >= self.limits.batch_events:
                raise _too_many(self.limits.batch_events)
            try:
                if len(line) > self.limits.event_bytes:
                    raise Problem("too_large", f"the line is larger than {self.limits.event_bytes} bytes")
                rows.append(self._row(_object(line), identity))
            except Problem as problem:
                rows.append(problem)
        return rows

    def _arrow(self, body: bytes, identity: Identity) -> list[Row]:
        import pyarrow as pa

        rows: list[Row] = []
        try:
            with pa.ipc.open_stream(body) as reader:
                for batch in reader:
                    if len(rows) + batch.num_rows > self.limits.batch_events:
                        raise _too_many(self.limits.batch_events)
                    batch.validate(full=True)
                    rows.extend(batch.to_pylist())
        except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
            raise Problem("not_json", "the body is no Arrow stream", expected=ARROW) from error
        return [self._checked_row(each, identity) for each in rows if isinstance(each, dict)]

    def _checked_row(self, event: Event, identity: Identity) -> Row:
        try:
            return self._row(event, identity)
        except Problem as problem:
            return problem

    def _row(self, event: Event, identity: Identity) -> Row:
        if identity.scenarios:
            _need_scenario(identity, self.service.live.scenario(event))
        return event

    async def _answers(
        self, rows: list[Row], language: str, identity: Identity
    ) -> AsyncIterator[list[dict[str, Any]]]:
        """Yield the answers of one chunk after another; the next is on its way while one is told."""
        waiting: list[tuple[int, list[Row], asyncio.Future[list[Decided | Exception]]]] = []

        async def told() -> list[dict[str, Any]]:
            start, part, future = waiting.pop(0)
            results = iter(await future)
            return [
                self._told(
                    start + at, row, row if isinstance(row, Problem) else next(results), language, identity
                )
                for at, row in enumerate(part)
            ]

        for start in range(0, len(rows), CHUNK_ROWS):
            part = rows[start : start + CHUNK_ROWS]
            waiting.append((start, part, self._submit([row for row in part if not isinstance(row, Problem)])))
            if len(waiting) > 1:
                yield await told()
        while waiting:
            yield await told()

    def _submit(self, events: list[Event]) -> asyncio.Future[list[Decided | Exception]]:
        """Submit a chunk; it is counted when it is decided, even if its sender is gone by then."""
        service = self.service
        future = service.backend.submit_many(events)
        held = service.outcomes.hold()

        results: asyncio.Future[list[Decided | Exception]] = asyncio.get_running_loop().create_future()

        def after(done: Future[Iterable[Decided | Exception]]) -> None:
            service.outcomes.release(held)
            if done.cancelled() or done.exception() is not None:
                return
            found = list(done.result())
            for event, result in zip(events, found, strict=True):
                if not isinstance(result, Exception):
                    service.count_one(result, event, service.live.scenario(event))
            results.set_result(found)

        waiter = service.bridge.wait(future, after)

        async def told() -> list[Decided | Exception]:
            await waiter
            return results.result()

        return asyncio.ensure_future(told())

    def _told(
        self, index: int, row: Row, result: Decided | Exception, language: str, identity: Identity
    ) -> dict[str, Any]:
        if isinstance(result, Exception):
            problem = problem_of(result, self.service.live.masks, identity)
            self.service.meter.refused[problem.code] += 1
            return {"line": index + 1, **problem.body("")}
        assert not isinstance(row, Problem)
        return answer_json(result, self.service.live.scenario(row), language)


Row = Event | Problem


class _Broken(Exception):  # noqa: N818
    """A stream of answers broke after its status was sent: the connection must end."""


def _object(body: bytes) -> dict[str, Any]:
    """Return a JSON object, or raise the 400 or 422."""
    try:
        return _decode(body)
    except msgspec.ValidationError as error:
        raise Problem(
            "event_invalid", f"the body cannot be an event: {error}", "body", "a JSON object"
        ) from None
    except (ValueError, RecursionError) as error:
        reason = str(error).partition("(")[0].strip()
        raise Problem("not_json", f"the body is no JSON: {reason}", "body", "a JSON object") from None


def _need_scenario(identity: Identity, scenario: str) -> None:
    if not identity.sees(scenario):
        raise Problem("not_allowed", f"this identity is limited to other scenarios than `{scenario}`")


def _too_many(limit: int) -> Problem:
    return Problem("too_large", f"the batch has more than {limit} events", expected=f"at most {limit} events")


async def _answer(
    send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]], request_id: str
) -> None:
    all_headers = [
        *headers,
        (b"content-length", str(len(body)).encode()),
        (b"x-request-id", request_id.encode()),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": all_headers})
    await send({"type": "http.response.body", "body": body})


async def _stream_lines(send: Send, answers: AsyncIterator[list[dict[str, Any]]], request_id: str) -> None:
    """Send answers as JSON Lines. The status waits for the first chunk, so an overload is still a 429."""
    started = False
    try:
        async for part in answers:
            if not started:
                headers = [
                    (b"content-type", LINES[0].encode()),
                    (b"cache-control", b"no-store"),
                    (b"x-request-id", request_id.encode()),
                ]
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                started = True
            body = b"".join(_encode(each) + b"\n" for each in part)
            await send({"type": "http.response.body", "body": body, "more_body": True})
    except Exception as error:
        if started:
            raise _Broken from error
        raise
    if not started:
        await _answer(send, 200, b"", [(b"content-type", LINES[0].encode())], request_id)
        return
    await send({"type": "http.response.body", "body": b""})


def _arrow_answers(answers: list[dict[str, Any]]) -> bytes:
    """Return answers as an Arrow stream; `error` holds the problem, as JSON, of what was not decided."""
    import pyarrow as pa

    schema = pa.schema(
        [
            ("request_id", pa.string()),
            ("event_id", pa.string()),
            ("action", pa.string()),
            ("score", pa.float64()),
            ("reasons", pa.list_(pa.string())),
            ("rules", pa.list_(pa.string())),
            ("scenario", pa.string()),
            ("policy_version", pa.string()),
            ("sequence", pa.int64()),
            ("durable", pa.bool_()),
            ("rung", pa.string()),
            ("duplicate", pa.bool_()),
            ("processing_time_us", pa.int64()),
            ("error", pa.string()),
        ]
    )
    rows = [
        {"error": _encode(each).decode()} if "code" in each and "action" not in each else each
        for each in answers
    ]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_table(pa.Table.from_pylist(rows, schema=schema))
    return bytes(sink.getvalue())
