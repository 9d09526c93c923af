"""For machines and those who run them: health, metrics."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request, Response

from riskweave.service.meter import CONTENT_TYPE
from riskweave.service.roles import Permission
from riskweave.service.routes.asking import ServiceOf, permit, service_of, who

router = APIRouter(tags=["operations"])


@router.get("/health/live", summary="Is the process alive")
async def live() -> dict[str, str]:
    return {"state": "alive"}


@router.get("/health/ready", summary="May requests be sent here")
async def ready(service: ServiceOf, response: Response) -> dict[str, str]:
    """Answer 200 when events are decided, else 503."""
    state = service.state()["state"]
    if state not in ("ok", "degraded"):
        response.status_code = 503
    return {"state": state}


@router.get("/health", summary="How everything is", dependencies=[permit(Permission.OPERATIONS)])
def health(service: ServiceOf) -> dict[str, Any]:
    """Say how the engine, its journal and its snapshots are, and why if they are not well."""
    return service.state()


@router.get("/metrics", summary="Prometheus metrics", response_class=Response)
async def metrics(request: Request) -> Response:
    """Return all metrics; open to all if `security.metrics_public`."""
    service = service_of(request)
    if not service.settings.security.metrics_public:
        (await who(request)).need(Permission.OPERATIONS)
    return Response(await asyncio.to_thread(service.meter.exposition), media_type=CONTENT_TYPE)
