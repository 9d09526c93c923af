"""What every route needs: the service, who asks, and that they may."""

from __future__ import annotations

from typing import Annotated, Any, cast

from fastapi import Depends, Query, Request
from pydantic import BaseModel, ConfigDict

from riskweave.service.body import read_body
from riskweave.service.problems import Problem
from riskweave.service.roles import Identity, Permission
from riskweave.service.service import Service
from riskweave.service.telling import language_of

WAIT_S = 30.0


class Body(BaseModel):
    """A JSON body: unknown members are mistakes."""

    model_config = ConfigDict(extra="forbid", str_max_length=10_000)


def service_of(request: Request) -> Service:
    return cast(Service, request.app.state.service)


async def who(request: Request) -> Identity:
    """Return who asks, or raise the 401."""
    identity = await service_of(request).gate.identify(request.method, request.scope["headers"])
    request.scope["identity"] = identity
    return identity


def permit(permission: Permission) -> Any:
    """Return the dependency that a route with this permission has."""

    async def allowed(identity: Annotated[Identity, Depends(who)]) -> Identity:
        identity.need(permission)
        return identity

    return Depends(allowed)


async def language(request: Request) -> str:
    return language_of(request.scope["query_string"], request.headers.get("accept-language", "").encode())


async def policy_body(request: Request) -> bytes:
    """Return the body of an upload."""
    length = request.headers.get("content-length")
    limits = service_of(request).settings.limits
    return await read_body(
        request.receive, length.encode() if length else None, limits.policy_bytes, limits.body_s
    )


ServiceOf = Annotated[Service, Depends(service_of)]
Language = Annotated[str, Depends(language)]
Limit = Annotated[int, Query(ge=1, le=500, description="How many at most.")]


def time_ms(text: str, field: str) -> int:
    """Return a moment given as ISO 8601 or milliseconds."""
    from riskweave.events.times import TIME_MS_MAX, TIME_MS_MIN, iso_ms

    moment = int(text) if text.lstrip("-").isdigit() and len(text) < 16 else iso_ms(text)
    if moment is None or not TIME_MS_MIN <= moment <= TIME_MS_MAX:
        raise Problem("invalid", f"`{text[:60]}` is no moment", field, "ISO 8601, or milliseconds UTC")
    return moment
