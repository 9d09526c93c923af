"""The ASGI application: the decision path first, FastAPI for all the rest, one shape of error for both."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from riskweave import __version__
from riskweave.errors import RiskweaveError
from riskweave.service import pages
from riskweave.service.body import Message, Receive, Scope, Send, header, too_large
from riskweave.service.deciding import DecisionPath, new_request_id
from riskweave.service.logs import log_request
from riskweave.service.openapi import describe
from riskweave.service.problems import Problem, validation_problem
from riskweave.service.routes import (
    alerts,
    audit,
    decisions,
    entities,
    lists,
    oidc,
    operations,
    people,
    policies,
    session,
    stream,
)
from riskweave.service.service import Service

ROUTERS = (
    operations,
    session,
    people,
    decisions,
    policies,
    lists,
    entities,
    alerts,
    audit,
    stream,
    oidc,
    pages,
)

# Nothing may be loaded from, sent to or framed by another host.
SECURITY_HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        b"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
]
_HSTS = (b"strict-transport-security", b"max-age=31536000")
_UPLOADS = ("/api/risk/policies", "/api/risk/policies/check")


class Application:
    """What the server calls."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.deciding = DecisionPath(service)
        self.control = control_plane(service)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if scope["path"] in self.deciding.routes:
                await self.deciding(scope, receive, send)
                return
            await self._control(scope, receive, send)
            return
        await self.control(scope, receive, send)

    async def _control(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Carry a request of a person through FastAPI: numbered, limited, with headers that protect."""
        service = self.service
        request_id = new_request_id()
        scope["request_id"] = request_id
        limits = service.settings.limits
        limit = limits.policy_bytes if scope["path"] in _UPLOADS else limits.control_bytes
        length = header(scope["headers"], b"content-length")
        status = 0
        started = time.perf_counter()

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                named = {name for name, _ in message["headers"]}
                mine = [(b"x-request-id", request_id.encode())]
                mine += [each for each in SECURITY_HEADERS if each[0] not in named]
                if scope.get("scheme") == "https":
                    mine.append(_HSTS)
                if b"cache-control" not in named:
                    mine.append((b"cache-control", b"no-store"))
                message["headers"] = [*message["headers"], *mine]
            await send(message)

        taken = 0

        async def limited() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > limit:
                raise too_large(limit)
            return message

        try:
            if length is not None and (not length.isdigit() or len(length) > 18 or int(length) > limit):
                raise too_large(limit)
            await self.control(scope, limited, answer)
        except Exception as error:
            if scope.get("told"):  # answered and logged; starlette raises it once more
                return
            if status:
                raise
            response = _problem(service, error, request_id, scope)
            await response(scope, receive, answer)
        finally:
            route = scope.get("route")
            path = getattr(route, "path", "other")
            service.meter.requests[path, f"{status // 100}xx"] += 1
            if service.settings.logging.requests:
                log_request(scope["method"], path, status, time.perf_counter() - started, request_id)


def control_plane(service: Service) -> FastAPI:
    """Return the FastAPI application of everything but the decision path."""

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        await service.start()
        yield
        await service.stop()

    app = FastAPI(
        title="riskweave",
        version=__version__,
        summary="Decides in real time what to do with financial events: PASS, MFA, REVIEW or BLOCK.",
        docs_url=None,
        redoc_url=None,
        lifespan=life,
        redirect_slashes=False,
    )
    app.state.service = service
    for module in ROUTERS:
        app.include_router(module.router)
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]

    async def told(request: Request, error: Exception) -> Response:
        request.scope["told"] = True
        return _problem(service, error, request.scope["request_id"], request.scope)

    for kind in (Problem, RiskweaveError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, told)
    return app


def _problem(service: Service, error: Exception, request_id: str, scope: Scope) -> Response:
    problem = service.tell(_known(error, scope), request_id, scope.get("identity"))
    service.meter.refused[problem.code] += 1
    route = getattr(scope.get("route"), "path", "other")
    service.note_denied(scope.get("identity"), scope["method"], route, problem)
    response = Response(problem.encoded(request_id), problem.status)
    response.raw_headers = [
        *((name, value) for name, value in response.raw_headers if name != b"content-type"),
        *problem.headers(),
    ]
    return response


def _known(error: Exception, scope: Scope) -> Exception:
    """Return what a framework raised as one of our problems."""
    if isinstance(error, RequestValidationError):
        found: Any = error.errors()
        if found and found[0].get("type") == "json_invalid":
            return Problem("not_json", f"the body is no JSON: {found[0]['ctx']['error']}", "body", "JSON")
        return validation_problem(found)
    if isinstance(error.__cause__, Problem):
        return error.__cause__
    if isinstance(error, HTTPException):
        path = scope["path"][:200]
        if error.status_code == 404:
            return Problem("not_found", f"there is nothing at {path}")
        if error.status_code == 405:
            return Problem("method_not_allowed", f"{path} does not know {scope['method']}")
        if error.status_code < 500:
            return Problem("bad_request", str(error.detail))
    return error


__all__ = ["ROUTERS", "SECURITY_HEADERS", "Application", "control_plane"]
