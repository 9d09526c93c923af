"""Decisions and alerts as they happen: SSE for scripts, WebSocket for pages.

Every frame has a cursor, `sequence.alert`. Who comes back with it (Last-Event-ID, or `?cursor=`) goes on
right behind it, without gap or duplicate: frames are read from the journal, never from memory alone.
At most ten frames a second go to a client; a slow one lags and catches up.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request, WebSocket
from fastapi.responses import StreamingResponse
from starlette.websockets import WebSocketDisconnect

from riskweave.service.gate import SAFE_METHODS
from riskweave.service.problems import Problem, invalid
from riskweave.service.roles import Identity, Permission
from riskweave.service.routes.asking import ServiceOf, permit
from riskweave.service.service import Service
from riskweave.service.telling import language_of, short_json

router = APIRouter(prefix="/api/risk", tags=["stream"])

MayRead = Annotated[Identity, permit(Permission.DECISIONS)]
FRAME_S = 0.1
FRAME_ROWS = 200
LOOK_ROWS = 2_000
KEEP_ALIVE_S = 15.0

_encode = msgspec.json.Encoder(enc_hook=str).encode


@dataclass(slots=True)
class Cursor:
    """How far a client has come: the last decision and the last alert it has."""

    sequence: int
    alert: int

    def __str__(self) -> str:
        return f"{self.sequence}.{self.alert}"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which decisions a client wants."""

    actions: frozenset[str] = frozenset()
    scenario: str = ""
    score_min: float = 0.0


def read_cursor(text: str | None, service: Service) -> Cursor:
    """Return where a client goes on; now, when it comes for the first time."""
    if not text:
        return Cursor(service.backend.position(), service.alerts.latest)
    sequence, _, alert = text.partition(".")
    if not (sequence.isdigit() and alert.isdigit() and len(text) <= 32):
        raise invalid("cursor", "this is no cursor of a frame", "sequence.alert, as frames have it")
    return Cursor(int(sequence), int(alert))


class Reader:
    """What one client is sent, frame by frame."""

    def __init__(
        self, service: Service, identity: Identity, cursor: Cursor, wanted: Filter, language: str
    ) -> None:
        self.service = service
        self.identity = identity
        self.cursor = cursor
        self.wanted = wanted
        self.language = language

    async def frames(self) -> AsyncIterator[dict[str, Any] | None]:
        """Yield frames, and None when there was nothing for a while."""
        quiet_s = 0.0
        while not self.service.stopping:
            frame, more = await asyncio.to_thread(self._next)
            if frame is not None:
                quiet_s = 0.0
                yield frame
            if not more:
                quiet_s += FRAME_S
                if quiet_s >= KEEP_ALIVE_S:
                    quiet_s = 0.0
                    await self._still_allowed()
                    yield None
            await asyncio.sleep(FRAME_S)

    def _next(self) -> tuple[dict[str, Any] | None, bool]:
        """Return the next frame if there is one, and whether more is waiting."""
        service, cursor = self.service, self.cursor
        alerts = service.alerts.since(cursor.alert, FRAME_ROWS, self.identity.scenarios)
        decisions, more = [], False
        if service.backend.position() > cursor.sequence:
            for looked, each in enumerate(service.backend.stream(cursor.sequence + 1), 1):
                cursor.sequence = each.sequence
                if self._wanted(each.event, each.decision):
                    decisions.append(short_json(each, service.live, self.identity, self.language))
                if len(decisions) >= FRAME_ROWS or looked >= LOOK_ROWS:
                    more = True
                    break
        if alerts:
            cursor.alert = alerts[-1]["id"]
        if not decisions and not alerts:
            return None, more
        return {"cursor": str(cursor), "decisions": decisions, "alerts": alerts}, more

    def _wanted(self, event: Any, decision: Any) -> bool:
        wanted = self.wanted
        if wanted.actions and decision.action not in wanted.actions:
            return False
        if decision.score < wanted.score_min:
            return False
        if not wanted.scenario and not self.identity.scenarios:
            return True
        scenario = self.service.live.scenario(event)
        return self.identity.sees(scenario) and wanted.scenario in ("", scenario)

    async def _still_allowed(self) -> None:
        """End the stream of a key or session that has ended meanwhile."""
        accounts = self.service.accounts
        identity = self.identity
        if identity.kind == "user":
            now = await asyncio.to_thread(accounts.of_session, identity.session)
        else:
            now = await asyncio.to_thread(accounts.of_key_number, identity.id)
        if now is None or not now.may(Permission.DECISIONS):
            raise Problem("not_authenticated", "the session or key has ended")


@contextlib.contextmanager
def _counted(service: Service) -> Any:
    if service.meter.streams >= service.settings.limits.streams:
        raise Problem("overloaded", "there are as many streams as allowed", retry_after_s=10)
    service.meter.streams += 1
    try:
        yield
    finally:
        service.meter.streams -= 1


@router.get("/stream", summary="Decisions and alerts as server-sent events", response_class=StreamingResponse)
async def stream(
    request: Request,
    service: ServiceOf,
    identity: MayRead,
    cursor: Annotated[str | None, Query(max_length=40)] = None,
    action: Annotated[list[str] | None, Query(max_length=4)] = None,
    scenario: Annotated[str, Query(max_length=100)] = "",
    score_min: Annotated[float, Query(ge=0, le=1)] = 0.0,
    once: Annotated[bool, Query(description="End when all that is there now was sent.")] = False,
) -> StreamingResponse:
    """Send frames `{cursor, decisions, alerts}`; `Last-Event-ID` or `cursor` goes on behind a frame."""
    start = await asyncio.to_thread(read_cursor, request.headers.get("last-event-id") or cursor, service)
    words = language_of(request.scope["query_string"], request.headers.get("accept-language", "").encode())
    reader = Reader(service, identity, start, Filter(frozenset(action or ()), scenario, score_min), words)
    if service.meter.streams >= service.settings.limits.streams:
        raise Problem("overloaded", "there are as many streams as allowed", retry_after_s=10)

    async def events() -> AsyncIterator[bytes]:
        with _counted(service):
            yield b"retry: 2000\n\n"
            if once:
                more = True
                while more:
                    frame, more = await asyncio.to_thread(reader._next)
                    if frame is not None:
                        yield _event(frame)
                return
            with contextlib.suppress(Problem):
                async for frame in reader.frames():
                    yield b": nothing new\n\n" if frame is None else _event(frame)

    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(events(), media_type="text/event-stream", headers=headers)


def _event(frame: dict[str, Any]) -> bytes:
    cursor: str = frame["cursor"]
    return b"id: " + cursor.encode() + b"\nevent: frame\ndata: " + _encode(frame) + b"\n\n"


@router.websocket("/live")
async def live(websocket: WebSocket) -> None:
    """Send the frames of the stream over a WebSocket; parameters as there.

    A browser's own cookie signs in, and only from a page of this site.
    """
    service: Service = websocket.app.state.service
    query = websocket.query_params
    try:
        identity = await service.gate.identify(SAFE_METHODS[0], websocket.scope["headers"])
        identity.need(Permission.DECISIONS)
        if identity.kind == "user":
            _same_site(websocket)
        start = await asyncio.to_thread(read_cursor, query.get("cursor"), service)
        score_min = float(query.get("score_min", "0") or 0)
        with _counted(service):
            await websocket.accept()
            wanted = Filter(frozenset(query.getlist("action")), query.get("scenario", ""), score_min)
            words = language_of(websocket.scope["query_string"], None)
            await _send_frames(websocket, Reader(service, identity, start, wanted, words))
    except (Problem, ValueError):
        with contextlib.suppress(RuntimeError):
            await websocket.close(1008)


def _same_site(websocket: WebSocket) -> None:
    """Refuse a page of another site: cookies come along with its WebSockets too."""
    origin = websocket.headers.get("origin", "")
    host = websocket.headers.get("host", "")
    if origin.partition("://")[2] != host:
        raise Problem("csrf", "the WebSocket was opened by a page of another site")


async def _send_frames(websocket: WebSocket, reader: Reader) -> None:
    async def listen() -> None:
        with contextlib.suppress(WebSocketDisconnect):
            while True:
                await websocket.receive_text()  # nothing is expected; a close ends it

    listening = asyncio.create_task(listen())
    try:
        async for frame in reader.frames():
            if listening.done():
                return
            await websocket.send_text(_encode(frame).decode() if frame is not None else '{"alive":true}')
    except WebSocketDisconnect:
        return
    finally:
        listening.cancel()
