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
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import msgspec

from riskweave.errors import EventError
from riskweave.service.body import Disconnected, Receive, Scope, Send, media_type, read_body
from riskweave.service.errors import problem_of
from riskweave.service.logs import log_request
from riskweave.service.many import Answered, as_arrow, as_lines, tell_all
from riskweave.service.port import Decided, Event
from riskweave.service.problems import Problem
from riskweave.service.roles import Identity, Permission
from riskweave.service.telling import language_of, told_of

if TYPE_CHECKING:
    import pyarrow as pa

    from riskweave.service.service import Service

JSON_TYPES = ("", "application/json")
LINES = ("application/x-ndjson", "application/jsonl", "application/json-lines", "application/ndjson")
ARROW = "application/vnd.apache.arrow.stream"
CHUNK_ROWS = 8_192
DEADLINE_MS_MAX = 60_000

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_decode_lines = msgspec.json.Decoder(dict[str, Any]).decode_lines
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
        status = 200
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
            self.service.note_denied(scope.get("identity"), scope["method"], path, problem)
            status = problem.status
            await _answer(send, problem.status, problem.encoded(request_id), problem.headers(), request_id)
        took_s = time.perf_counter() - started
        meter.http.add(took_s)
        if self.service.settings.logging.requests:
            log_request(scope["method"], path, status, took_s, request_id)

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
        told = told_of(decided, scenario, language_of(scope["query_string"], asked.language))
        await _answer(send, 200, _encode(told), _ANSWER_HEADERS, request_id)

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
        if kind == ARROW:
            parts = await asyncio.to_thread(self._arrow, body, identity)
            told = [each async for part in self._answers(parts, language, identity) for each in part]
            content = await asyncio.to_thread(as_arrow, told)
            await _answer(send, 200, content, [(b"content-type", ARROW.encode())], request_id)
            return
        parts = await asyncio.to_thread(self._lines, body, identity)
        await _stream_lines(send, self._answers(parts, language, identity), request_id)

    def _lines(self, body: bytes, identity: Identity) -> list[Lot]:
        lines = [line for line in body.splitlines() if line and not line.isspace()]
        if len(lines) > self.limits.batch_events:
            raise _too_many(self.limits.batch_events)
        lots: list[Lot] = []
        for start in range(0, len(lines), CHUNK_ROWS):
            part = lines[start : start + CHUNK_ROWS]
            lot = Lot(start, len(part))
            lots.append(lot)
            events = self._decoded_at_once(part)
            if events is None:
                events = self._decoded_one_by_one(part, lot)
            self._take(lot, events, identity)
        return lots

    def _decoded_one_by_one(self, lines: list[bytes], lot: Lot) -> list[Event]:
        """Return the events of the lines that hold one; the others are refused."""
        events: list[Event] = []
        lot.rows = []
        for row, line in enumerate(lines):
            try:
                if len(line) > self.limits.event_bytes:
                    raise Problem("too_large", f"the line is larger than {self.limits.event_bytes} bytes")
                events.append(_object(line))
                lot.rows.append(row)
            except Problem as problem:
                lot.refused[row] = problem
        return events

    def _decoded_at_once(self, lines: list[bytes]) -> list[Event] | None:
        """Return the events of lines that are all in order, which is quicker than one by one."""
        if max(map(len, lines)) > self.limits.event_bytes:
            return None
        try:
            found = cast("list[Event]", _decode_lines(b"\n".join(lines)))
        except (ValueError, RecursionError):
            return None
        return found if len(found) == len(lines) else None

    def _arrow(self, body: bytes, identity: Identity) -> list[Lot]:
        import pyarrow as pa

        try:
            with pa.ipc.open_stream(body) as reader:
                count, batches = 0, []
                for batch in reader:
                    count += batch.num_rows
                    if count > self.limits.batch_events:
                        raise _too_many(self.limits.batch_events)
                    batch.validate(full=True)
                    batches.append(batch)
                table = pa.Table.from_batches(batches, reader.schema)
            lots = []
            for start in range(0, count, CHUNK_ROWS):
                lot = Lot(start, min(CHUNK_ROWS, count - start))
                part = table.slice(start, lot.size)
                self._take(lot, part, identity)
                lots.append(lot)
        except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
            raise Problem("not_json", "the body is no Arrow stream", expected=ARROW) from error
        return lots

    def _take(self, lot: Lot, events: list[Event] | pa.Table, identity: Identity) -> None:
        """Put events into a lot; those of scenarios that this identity must not decide are refused."""
        live = self.service.live
        lot.scenarios = live.scenarios_of(events)
        lot.events = events
        if not identity.scenarios:
            return
        rows = list(range(lot.size)) if lot.rows is None else lot.rows
        mine = [at for at, scenario in enumerate(lot.scenarios) if identity.sees(scenario)]
        for at in set(range(len(lot.scenarios))).difference(mine):
            lot.refused[rows[at]] = _other_scenario(lot.scenarios[at])
        lot.rows = [rows[at] for at in mine]
        lot.events = [events[at] for at in mine] if isinstance(events, list) else events.take(mine)
        lot.scenarios = [lot.scenarios[at] for at in mine]

    async def _answers(
        self, lots: list[Lot], language: str, identity: Identity
    ) -> AsyncIterator[list[Answered]]:
        """Yield the answers of one lot after another; the next is on its way while one is told."""
        waiting: list[asyncio.Future[list[Answered]]] = []
        for lot in lots:
            waiting.append(self._submit(lot, language, identity))
            if len(waiting) > 1:
                yield await waiting.pop(0)
        while waiting:
            yield await waiting.pop(0)

    def _submit(self, lot: Lot, language: str, identity: Identity) -> asyncio.Future[list[Answered]]:
        """Submit a lot; it is counted when it is decided, even if its sender is gone by then."""
        service = self.service
        future = service.backend.submit_many(lot.events)
        held = service.outcomes.hold()

        async def told() -> list[Answered]:
            try:
                many = await self._of_table(service.bridge.wait(future), lot)
                # Off the loop: requests of others go on meanwhile.
                answers = await asyncio.to_thread(self._told, many, lot, language, identity)
                service.count_many(answers)
                if service.profiles.on:
                    service.offer_many(await asyncio.to_thread(list, many), lot.records())
                return lot.whole(answers, lambda row, error: self._refusal(lot.start + row, error, identity))
            finally:
                service.outcomes.release(held)

        task = asyncio.ensure_future(told())
        _keep(task)
        # A client may go away before its answers are told: the task goes on and counts.
        return asyncio.shield(task)

    async def _of_table(
        self, answers: asyncio.Future[Iterable[Decided | Exception]], lot: Lot
    ) -> Iterable[Decided | Exception]:
        """Wait for answers. A table of types that no column can have is decided record by record."""
        try:
            return await answers
        except (TypeError, ValueError, NotImplementedError, EventError):
            if isinstance(lot.events, list):
                raise
            return await self.service.bridge.wait(self.service.backend.submit_many(lot.records()))

    def _told(
        self, many: Iterable[Decided | Exception], lot: Lot, language: str, identity: Identity
    ) -> list[Answered]:
        return tell_all(
            many,
            lot.scenarios,
            language,
            lambda at, error: self._refusal(lot.start + lot.row(at), error, identity),
        )

    def _refusal(self, index: int, error: Exception, identity: Identity) -> dict[str, Any]:
        problem = problem_of(error, self.service.live.masks, identity)
        self.service.meter.refused[problem.code] += 1
        return {"line": index + 1, **problem.body("")}


@dataclass(slots=True)
class Lot:
    """Some events of a batch, from `start` on: those to decide, and what is refused, by row.

    `rows` are the rows of `events`; None when they are all there.
    """

    start: int
    size: int
    events: list[Event] | pa.Table = field(default_factory=list)
    scenarios: list[str] = field(default_factory=list)
    rows: list[int] | None = None
    refused: dict[int, Problem] = field(default_factory=dict)

    def records(self) -> list[Event]:
        """Return the events as records."""
        if isinstance(self.events, list):
            return self.events
        found: list[Event] = self.events.to_pylist()
        return found

    def row(self, at: int) -> int:
        return at if self.rows is None else self.rows[at]

    def whole(
        self, answers: list[Answered], refusal: Callable[[int, Exception], dict[str, Any]]
    ) -> list[Answered]:
        """Return the answers with the refusals in their places."""
        if self.rows is None:
            return answers
        found: dict[int, Answered] = dict(zip(self.rows, answers, strict=True))
        found |= {row: refusal(row, problem) for row, problem in self.refused.items()}
        return [found[row] for row in range(self.size)]


_tasks: set[asyncio.Task[Any]] = set()


def _keep(task: asyncio.Task[Any]) -> None:
    """Hold on to a task until it is done; what it raises is its caller's, if there still is one."""
    _tasks.add(task)

    def done(ended: asyncio.Task[Any]) -> None:
        _tasks.discard(ended)
        if not ended.cancelled():
            ended.exception()

    task.add_done_callback(done)


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
        raise _other_scenario(scenario)


def _other_scenario(scenario: str) -> Problem:
    return Problem("not_allowed", f"this identity is limited to other scenarios than `{scenario}`")


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


async def _stream_lines(send: Send, answers: AsyncIterator[list[Answered]], request_id: str) -> None:
    """Send answers as JSON Lines. The status waits for the first lot, so an overload is still a 429."""
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
            await send({"type": "http.response.body", "body": as_lines(part), "more_body": True})
    except Exception as error:
        if started:
            raise _Broken from error
        raise
    if not started:
        await _answer(send, 200, b"", [(b"content-type", LINES[0].encode())], request_id)
        return
    await send({"type": "http.response.body", "body": b""})
