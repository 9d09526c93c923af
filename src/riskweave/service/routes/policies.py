"""Policies: uploaded, checked, compared, made live, taken back."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import Field

from riskweave.errors import PolicyError
from riskweave.service.archive import TYPES, difference
from riskweave.service.body import media_type
from riskweave.service.errors import findings_of
from riskweave.service.roles import Identity, Permission
from riskweave.service.routes.asking import Body, Limit, ServiceOf, permit, policy_body

router = APIRouter(prefix="/api/risk/policies", tags=["policies"])

MayRead = Annotated[Identity, permit(Permission.POLICIES)]
MayWrite = Annotated[Identity, permit(Permission.POLICIES_WRITE)]
Version = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]
Upload = Annotated[bytes, Depends(policy_body)]
_UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "A zip or (gzipped) tar of a policy folder, or its files as JSON.",
        "content": {each: {"schema": {"type": "string", "format": "binary"}} for each in TYPES[:-1]}
        | {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {"files": {"type": "object", "additionalProperties": {"type": "string"}}},
                }
            }
        },
    }
}


class Shadow(Body):
    version: str = Field(pattern="^[0-9a-f]{64}$")


def _kind(request: Request) -> str:
    return media_type(request.headers.get("content-type", "").encode())


@router.get("", summary="All policies that were uploaded")
def policies(service: ServiceOf, identity: MayRead) -> dict[str, Any]:
    return {"active": service.live.version, "policies": service.policies.uploaded()}


@router.post("", status_code=201, summary="Upload a policy", openapi_extra=_UPLOAD)
def upload(
    request: Request,
    body: Upload,
    service: ServiceOf,
    identity: MayWrite,
    note: Annotated[str, Query(max_length=1_000)] = "",
) -> dict[str, Any]:
    """Check a policy and keep it under its version; it is not live yet."""
    return service.policies.keep(identity.actor, service.policies.files_of(_kind(request), body), note)


@router.post("/check", summary="Check a policy", openapi_extra=_UPLOAD)
def check(request: Request, body: Upload, service: ServiceOf, identity: MayRead) -> dict[str, Any]:
    """Say what is wrong with a policy, with file, line and column; nothing is kept."""
    files = service.policies.files_of(_kind(request), body)
    try:
        return service.policies.check(files)
    except PolicyError as error:
        return {"ok": False, "name": None, "version": None, "findings": findings_of(error)}


@router.get("/history", summary="What was live when")
def history(service: ServiceOf, identity: MayRead) -> list[dict[str, Any]]:
    return service.policies.history()


@router.post("/roll-back", summary="Go back to the policy before")
def roll_back(service: ServiceOf, identity: MayWrite) -> dict[str, Any]:
    identity.need_every_scenario()
    before = service.live.version
    service.command(
        identity.actor,
        "policy.roll_back",
        before,
        {},
        lambda: service.backend.roll_back(identity.actor),
    )
    service.refresh_policy()
    service.policies.activated(service.live.version, "rollback", identity.actor)
    return {"active": service.live.version, "before": before}


@router.get("/diff", summary="Compare two policies")
def diff(
    service: ServiceOf,
    identity: MayRead,
    before: Annotated[str, Query(pattern="^[0-9a-f]{64}$")],
    after: Annotated[str, Query(pattern="^[0-9a-f]{64}$")],
) -> dict[str, Any]:
    """Return what changed, file by file, as unified diffs."""
    archive = service.policies
    return {
        "before": before,
        "after": after,
        "files": difference(archive.files(before), archive.files(after)),
    }


@router.get("/{version}", summary="A policy's files")
def policy(version: Version, service: ServiceOf, identity: MayRead) -> dict[str, Any]:
    """Return the files as text; those that are not text are named with their size alone."""
    texts: dict[str, str | None] = {}
    sizes: dict[str, int] = {}
    for name, content in service.policies.files(version).items():
        sizes[name] = len(content)
        try:
            texts[name] = content.decode()
        except UnicodeDecodeError:
            texts[name] = None
    return {"version": version, "active": version == service.live.version, "files": texts, "bytes": sizes}


@router.post("/{version}/activate", summary="Make a policy live")
def activate(version: Version, service: ServiceOf, identity: MayWrite) -> dict[str, Any]:
    """Go over to a policy at one position of the journal; its new features start with their history."""
    identity.need_every_scenario()
    policy = service.policies.read(version)
    before = service.live.version
    service.command(
        identity.actor,
        "policy.activate",
        version,
        {"before": before},
        lambda: service.backend.activate(policy, identity.actor),
    )
    service.refresh_policy()
    service.policies.activated(version, "activation", identity.actor)
    return {"active": version, "before": before}


@router.put("/shadows/{name}", summary="Let a policy look on")
def add_shadow(
    name: Annotated[str, Path(pattern="^[A-Za-z0-9_-]{1,60}$")],
    shadow: Shadow,
    service: ServiceOf,
    identity: MayWrite,
) -> dict[str, Any]:
    """Have a policy decide everything too, recorded and without a say."""
    identity.need_every_scenario()
    policy = service.policies.read(shadow.version)
    service.command(
        identity.actor,
        "shadow.add",
        name,
        {"version": shadow.version},
        lambda: service.backend.add_shadow(name, policy, identity.actor),
    )
    return {"name": name, "version": shadow.version}


@router.get("/shadows/{name}", summary="What a shadow said")
def shadow_records(
    name: Annotated[str, Path(pattern="^[A-Za-z0-9_-]{1,60}$")],
    service: ServiceOf,
    identity: MayRead,
    first: Annotated[int, Query(ge=1, le=2**53)] = 1,
    limit: Limit = 100,
) -> dict[str, Any]:
    """Return what a shadow would have answered, by the sequence of the decisions it looked on at."""
    identity.need_every_scenario()
    records = service.backend.shadow_records(name, first, limit)
    return {
        "name": name,
        "records": [
            {"sequence": each.position, "action": each.action, "score": each.score, "rules": each.rules}
            for each in records
        ],
        "next": records[-1].position + 1 if len(records) == limit else None,
    }


@router.delete("/shadows/{name}", status_code=204, summary="End a shadow")
def remove_shadow(
    name: Annotated[str, Path(pattern="^[A-Za-z0-9_-]{1,60}$")], service: ServiceOf, identity: MayWrite
) -> None:
    identity.need_every_scenario()
    service.command(
        identity.actor,
        "shadow.remove",
        name,
        {},
        lambda: service.backend.remove_shadow(name, identity.actor),
    )
