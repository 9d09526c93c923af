"""Reading a request's body: as large as allowed, as long as allowed, of a known type."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from riskweave.service.problems import Problem

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Disconnected(Exception):  # noqa: N818
    """The client went away before its request was complete."""


async def read_body(receive: Receive, length: bytes | None, limit: int, seconds: float) -> bytes:
    """Return the body, or raise the 413 or 408."""
    if length is not None and (not length.isdigit() or len(length) > 18 or int(length) > limit):
        raise too_large(limit)
    message = await _next(receive, seconds)
    body: bytes = message.get("body", b"")
    if len(body) > limit:
        raise too_large(limit)
    if not message.get("more_body", False):
        return body
    parts, size = [body], len(body)
    try:
        async with asyncio.timeout(seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Disconnected
                part = message.get("body", b"")
                size += len(part)
                if size > limit:
                    raise too_large(limit)
                parts.append(part)
                if not message.get("more_body", False):
                    return b"".join(parts)
    except TimeoutError:
        raise _slow(seconds) from None


async def _next(receive: Receive, seconds: float) -> Message:
    try:
        async with asyncio.timeout(seconds):
            message = await receive()
    except TimeoutError:
        raise _slow(seconds) from None
    if message["type"] == "http.disconnect":
        raise Disconnected
    return message


def _slow(seconds: float) -> Problem:
    return Problem("request_timeout", f"the body did not arrive within {seconds:g} s")


def too_large(limit: int) -> Problem:
    return Problem("too_large", f"the body is larger than {limit} bytes", expected=f"at most {limit} bytes")


def media_type(value: bytes) -> str:
    """Return a content type without its parameters."""
    return value.partition(b";")[0].strip().lower().decode("latin-1")


def header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    """Return the first value of a header."""
    for key, value in headers:
        if key == name:
            return value
    return None
