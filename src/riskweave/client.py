"""The service's client: `Client`, and `AsyncClient` with the same methods to await (extra `client`).

    with Client("http://127.0.0.1:8080", key="rw_...") as client:
        answer = client.evaluate({"payment_id": "p1", "at": "2026-01-01T10:00:00Z", "amount": "12.50"})
        answer.action, answer.reasons

What can pass by itself (a broken connection, 429, 502, 503, 504) is tried again with the same content. Give
every event an id: the service decides an id once, however often it comes.

Each call is written once, as a plan: a generator that says what to send and when to wait, and is told what
came. The two clients only carry plans out.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import msgspec

from riskweave.errors import RiskweaveError

if TYPE_CHECKING:
    import httpx2

P = ParamSpec("P")
T = TypeVar("T")
Event = Mapping[str, object]

PASSING = (429, 502, 503, 504)
WAIT_S_MAX = 30.0
LINES = "application/x-ndjson"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A decision, as the service answers it."""

    request_id: str
    event_id: str | None
    action: str
    score: float
    reasons: list[str]
    rules: list[str]
    scenario: str
    policy_version: str
    sequence: int
    durable: bool
    rung: str
    duplicate: bool
    processing_time_us: float


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """What a stream sends: go on behind it with its `cursor`."""

    cursor: str
    decisions: list[dict[str, Any]]
    alerts: list[dict[str, Any]]


class ApiError(RiskweaveError):
    """The service refused: `code` says why, `more` holds all that it told."""

    def __init__(self, status: int, told: Mapping[str, Any]) -> None:
        self.status = status
        self.code = str(told.get("code", "unknown"))
        self.message = str(told.get("message", f"the service answered {status}"))
        self.field = told.get("field")
        self.expected = told.get("expected")
        self.request_id = str(told.get("request_id", ""))
        self.more = dict(told)
        super().__init__(f"{self.code}: {self.message}")


class ConnectionFailed(RiskweaveError):  # noqa: N818
    """The service could not be reached, or did not answer in time, however often it was tried."""


# ---- plans


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request."""

    method: str
    path: str
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str | int | float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Reply:
    """What came: status 0 when nothing did, and `content` then says why."""

    status: int
    content: bytes
    headers: Mapping[str, str]


Plan = Generator[Send | Wait, Reply, T]

_encode = msgspec.json.Encoder(enc_hook=str).encode


@dataclass(frozen=True, slots=True)
class Retries:
    """How often to try, and how long to wait between: twice as long each time, and a little by chance."""

    attempts: int = 5
    first_wait_s: float = 0.1

    def wait_s(self, tried: int, said: str | None) -> float:
        own = self.first_wait_s * 2.0 ** (tried - 1) * random.uniform(0.5, 1.5)
        asked = float(said) if said is not None and said.isdigit() else 0.0
        return min(max(own, asked), WAIT_S_MAX)


def ask(send: Send, retries: Retries) -> Plan[bytes]:
    """Send until there is an answer; return its body, or raise what it says."""
    for tried in range(1, retries.attempts + 1):
        reply = yield send
        if 200 <= reply.status < 300:
            return reply.content
        if tried < retries.attempts and (not reply.status or reply.status in PASSING):
            yield Wait(retries.wait_s(tried, reply.headers.get("retry-after")))
            continue
        if not reply.status:
            raise ConnectionFailed(reply.content.decode())
        raise ApiError(reply.status, _told(reply.content))
    raise ConnectionFailed("no attempt was allowed")


def _told(content: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(content, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}


def _json(method: str, path: str, body: object = None, **query: str | int | float | None) -> Send:
    content = None if body is None else _encode(body)
    headers = {} if body is None else {"content-type": "application/json"}
    return Send(
        method, path, content, headers, {key: each for key, each in query.items() if each is not None}
    )


class _Plans:
    """Every call, once."""

    @staticmethod
    def evaluate(
        retries: Retries, event: Event, *, deadline_ms: int | None = None, language: str | None = None
    ) -> Plan[Answer]:
        """Decide one event."""
        headers = {"content-type": "application/json"}
        if deadline_ms is not None:
            headers["x-deadline-ms"] = str(deadline_ms)
        query = {} if language is None else {"language": language}
        content = yield from ask(Send("POST", "/api/risk/evaluate", _encode(event), headers, query), retries)
        return msgspec.json.decode(content, type=Answer)

    @staticmethod
    def evaluate_many(
        retries: Retries, events: Iterable[Event], *, language: str | None = None, at_once: int = 5_000
    ) -> Plan[list[Answer | ApiError]]:
        """Decide many events; one answer or error for each, in order."""
        answers: list[Answer | ApiError] = []
        query = {} if language is None else {"language": language}
        part: list[bytes] = []
        for event in [*events, None]:
            if event is not None:
                part.append(_encode(event))
            if part and (event is None or len(part) >= at_once):
                send = Send(
                    "POST", "/api/risk/evaluate/batch", b"\n".join(part), {"content-type": LINES}, query
                )
                content = yield from ask(send, retries)
                answers.extend(_line(line) for line in content.splitlines())
                part = []
        return answers

    @staticmethod
    def feedback(
        retries: Retries,
        event_id: str,
        value: bool | None,
        *,
        label: str | None = None,
        time: str | None = None,
    ) -> Plan[None]:
        """Tell the truth about an earlier event; None takes it back."""
        body: dict[str, object] = {"event_id": event_id, "value": value}
        body |= {key: each for key, each in (("label", label), ("time", time)) if each is not None}
        yield from ask(_json("POST", "/api/risk/feedback", body), retries)

    @staticmethod
    def decision(retries: Retries, name: str) -> Plan[dict[str, Any]]:
        """Return a decision in full, by event id or request id."""
        return _told((yield from ask(_json("GET", f"/api/risk/decisions/{_quoted(name)}"), retries)))

    @staticmethod
    def explanation(retries: Retries, name: str, *, language: str = "en") -> Plan[dict[str, Any]]:
        """Return why, in English (`en`) or Chinese (`zh`)."""
        send = _json("GET", f"/api/risk/decisions/{_quoted(name)}/explanation", language=language)
        return _told((yield from ask(send, retries)))

    @staticmethod
    def decisions(
        retries: Retries,
        *,
        action: str | None = None,
        scenario: str | None = None,
        since: str | None = None,
        until: str | None = None,
        rule: str | None = None,
        where: str | None = None,
        cursor: int | None = None,
        limit: int = 50,
    ) -> Plan[dict[str, Any]]:
        """Return a page of decisions, the latest first; `where` is `field:value`."""
        send = _json(
            "GET",
            "/api/risk/decisions",
            action=action,
            scenario=scenario,
            since=since,
            until=until,
            rule=rule,
            where=where,
            cursor=cursor,
            limit=limit,
        )
        return _told((yield from ask(send, retries)))

    @staticmethod
    def dashboard(retries: Retries, *, hours: float = 24.0) -> Plan[dict[str, Any]]:
        """Return the last hours in figures."""
        return _told((yield from ask(_json("GET", "/api/risk/dashboard", hours=hours), retries)))

    @staticmethod
    def add_to_list(
        retries: Retries, name: str, value: str, *, expires_ms: int | None = None, why: str = ""
    ) -> Plan[None]:
        """Put a value on a list."""
        body = {"value": value, "expires_ms": expires_ms, "why": why}
        once = Retries(1)
        yield from ask(_json("POST", f"/api/risk/lists/{_quoted(name)}/entries", body), once)

    @staticmethod
    def remove_from_list(retries: Retries, name: str, value: str, *, why: str = "") -> Plan[None]:
        """Take a value off a list."""
        body = {"value": value, "why": why}
        yield from ask(_json("POST", f"/api/risk/lists/{_quoted(name)}/expire", body), retries)

    @staticmethod
    def health(retries: Retries) -> Plan[dict[str, Any]]:
        """Return how the service is."""
        return _told((yield from ask(_json("GET", "/health"), retries)))


def _line(line: bytes) -> Answer | ApiError:
    told = _told(line)
    if "action" in told:
        return msgspec.convert(told, Answer)
    return ApiError(int(told.get("status", 0)), told)


def _quoted(text: str) -> str:
    """Return text as one part of a path."""
    plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_~"
    return "".join(chr(each) if chr(each) in plain else f"%{each:02X}" for each in text.encode())


# ---- carrying plans out


def _sync(plan: Callable[Concatenate[Retries, P], Plan[T]]) -> Callable[Concatenate[Client, P], T]:
    @wraps(plan)
    def call(self: Client, /, *arguments: P.args, **named: P.kwargs) -> T:
        return self._carry_out(plan(self.retries, *arguments, **named))

    return call


def _async(
    plan: Callable[Concatenate[Retries, P], Plan[T]],
) -> Callable[Concatenate[AsyncClient, P], Awaitable[T]]:
    @wraps(plan)
    async def call(self: AsyncClient, /, *arguments: P.args, **named: P.kwargs) -> T:
        return await self._carry_out(plan(self.retries, *arguments, **named))

    return call


class _Frames:
    """Lines of server-sent events into frames, and where to go on."""

    def __init__(self, cursor: str | None) -> None:
        self.cursor = cursor
        self._data = b""

    def headers(self) -> dict[str, str]:
        return {"last-event-id": self.cursor} if self.cursor else {}

    def take(self, line: str) -> Frame | None:
        """Take a line; return the frame that it completes."""
        if line.startswith("data: "):
            self._data = line[6:].encode()
        elif not line and self._data:
            frame = msgspec.json.decode(self._data, type=Frame)
            self.cursor, self._data = frame.cursor, b""
            return frame
        return None


def _library() -> Any:
    try:
        import httpx2
    except ImportError:
        raise RiskweaveError("the client needs httpx2: pip install 'riskweave[client]'") from None
    return httpx2


def _failure(error: Exception) -> Reply:
    return Reply(0, f"{type(error).__name__}: {error}".encode(), {})


class Client:
    """Calls the service; for several threads."""

    def __init__(
        self,
        url: str,
        *,
        key: str,
        timeout_s: float = 10.0,
        attempts: int = 5,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self.retries = Retries(attempts)
        self._http = _library().Client(
            base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=timeout_s, transport=transport
        )

    evaluate = _sync(_Plans.evaluate)
    evaluate_many = _sync(_Plans.evaluate_many)
    feedback = _sync(_Plans.feedback)
    decision = _sync(_Plans.decision)
    explanation = _sync(_Plans.explanation)
    decisions = _sync(_Plans.decisions)
    dashboard = _sync(_Plans.dashboard)
    add_to_list = _sync(_Plans.add_to_list)
    remove_from_list = _sync(_Plans.remove_from_list)
    health = _sync(_Plans.health)

    def stream(self, *, cursor: str | None = None, **query: str | float | bool) -> Iterator[Frame]:
        """Yield frames of decisions and alerts for ever, without gap; parameters as the route has."""
        frames = _Frames(cursor)
        while True:
            try:
                with self._http.stream(
                    "GET", "/api/risk/stream", params=query, headers=frames.headers()
                ) as got:
                    if got.status_code != 200:
                        raise ApiError(got.status_code, _told(got.read()))
                    for line in got.iter_lines():
                        frame = frames.take(line)
                        if frame is not None:
                            yield frame
            except _library().TransportError:
                time.sleep(1.0)
            if query.get("once"):
                return

    def _carry_out(self, plan: Plan[T]) -> T:
        library, step = _library(), next(plan)
        try:
            while True:
                if isinstance(step, Wait):
                    time.sleep(step.seconds)
                    step = next(plan)
                    continue
                try:
                    got = self._http.request(
                        step.method, step.path, content=step.content, headers=step.headers, params=step.query
                    )
                    reply = Reply(got.status_code, got.content, got.headers)
                except library.TransportError as error:
                    reply = _failure(error)
                step = plan.send(reply)
        except StopIteration as end:
            result: T = end.value
            return result

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClient:
    """Calls the service from asyncio; the same methods, to await."""

    def __init__(
        self,
        url: str,
        *,
        key: str,
        timeout_s: float = 10.0,
        attempts: int = 5,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self.retries = Retries(attempts)
        self._http = _library().AsyncClient(
            base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=timeout_s, transport=transport
        )

    evaluate = _async(_Plans.evaluate)
    evaluate_many = _async(_Plans.evaluate_many)
    feedback = _async(_Plans.feedback)
    decision = _async(_Plans.decision)
    explanation = _async(_Plans.explanation)
    decisions = _async(_Plans.decisions)
    dashboard = _async(_Plans.dashboard)
    add_to_list = _async(_Plans.add_to_list)
    remove_from_list = _async(_Plans.remove_from_list)
    health = _async(_Plans.health)

    async def stream(self, *, cursor: str | None = None, **query: str | float | bool) -> AsyncIterator[Frame]:
        """Yield frames of decisions and alerts for ever, without gap; parameters as the route has."""
        frames = _Frames(cursor)
        while True:
            try:
                async with self._http.stream(
                    "GET", "/api/risk/stream", params=query, headers=frames.headers()
                ) as got:
                    if got.status_code != 200:
                        raise ApiError(got.status_code, _told(await got.aread()))
                    async for line in got.aiter_lines():
                        frame = frames.take(line)
                        if frame is not None:
                            yield frame
            except _library().TransportError:
                await asyncio.sleep(1.0)
            if query.get("once"):
                return

    async def _carry_out(self, plan: Plan[T]) -> T:
        library, step = _library(), next(plan)
        try:
            while True:
                if isinstance(step, Wait):
                    await asyncio.sleep(step.seconds)
                    step = next(plan)
                    continue
                try:
                    got = await self._http.request(
                        step.method, step.path, content=step.content, headers=step.headers, params=step.query
                    )
                    reply = Reply(got.status_code, got.content, got.headers)
                except library.TransportError as error:
                    reply = _failure(error)
                step = plan.send(reply)
        except StopIteration as end:
            result: T = end.value
            return result

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
