"""The audit log, read and verified."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy import select

from riskweave.service.roles import Identity, Permission
from riskweave.service.routes.asking import Limit, ServiceOf, permit
from riskweave.service.tables import audit

router = APIRouter(prefix="/api/risk/audit", tags=["audit"])

MayRead = Annotated[Identity, permit(Permission.AUDIT)]


@router.get("", summary="The audit log")
def entries(
    service: ServiceOf,
    identity: MayRead,
    action: Annotated[str | None, Query(max_length=60)] = None,
    actor: Annotated[str | None, Query(max_length=120)] = None,
    before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    limit: Limit = 100,
) -> list[dict[str, Any]]:
    """Return who changed what, the latest first."""
    query = select(audit).order_by(audit.c.sequence.desc()).limit(limit)
    for column, value in ((audit.c.action, action), (audit.c.actor, actor)):
        if value is not None:
            query = query.where(column == value)
    if before is not None:
        query = query.where(audit.c.sequence < before)
    with service.database.read() as connection:
        rows = [dict(row._mapping) for row in connection.execute(query)]
    return [row | {"detail": json.loads(row["detail"])} for row in rows]


@router.get("/verify", summary="Verify the audit log")
def verify(service: ServiceOf, identity: MayRead) -> dict[str, Any]:
    """Walk the hash chain from the first entry to the head."""
    verdict = service.log.verify(service.database)
    return {"ok": not verdict.wrong, **asdict(verdict)}
