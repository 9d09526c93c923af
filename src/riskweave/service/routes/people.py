"""Users and API keys."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import Field

from riskweave.service.roles import Identity, Permission
from riskweave.service.routes.asking import Body, ServiceOf, permit

router = APIRouter(prefix="/api/risk", tags=["people"])

Number = Annotated[int, Path(ge=1, le=2**53)]
Scenarios = Annotated[list[Annotated[str, Field(max_length=100)]], Field(max_length=100)]
MayRead = Annotated[Identity, permit(Permission.USERS)]
MayWrite = Annotated[Identity, permit(Permission.USERS_WRITE)]


class NewUser(Body):
    name: str = Field(min_length=1, max_length=100)
    role: str = Field(max_length=30)
    scenarios: Scenarios = Field(default_factory=list)


class UserChange(Body):
    role: str | None = Field(None, max_length=30)
    active: bool | None = None
    scenarios: Scenarios | None = None


class NewKey(Body):
    name: str = Field(min_length=1, max_length=100)
    role: str = Field("sender", max_length=30)
    scenarios: Scenarios = Field(default_factory=list)
    expires_ms: int | None = Field(None, ge=0, le=2**53)


@router.get("/users", summary="All users")
def users(service: ServiceOf, identity: MayRead) -> list[dict[str, Any]]:
    return service.accounts.list_users()


@router.post("/users", status_code=201, summary="Invite a user")
def add_user(user: NewUser, service: ServiceOf, identity: MayWrite) -> dict[str, Any]:
    """Add a user; the answer's `token` is for a one-time link `/setup#TOKEN`, told this once."""
    added, token = service.accounts.add_user(identity.actor, user.name, user.role, user.scenarios)
    return added | {"token": token}


@router.patch("/users/{number}", summary="Change a user")
def change_user(number: Number, change: UserChange, service: ServiceOf, identity: MayWrite) -> dict[str, Any]:
    """Change role, scenarios, or whether the user may sign in; open sessions end."""
    changed = service.accounts.change_user(
        identity.actor, number, change.role, change.active, change.scenarios
    )
    service.gate.forget()
    return changed


@router.post("/users/{number}/reset", summary="Reset a password")
def reset_user(number: Number, service: ServiceOf, identity: MayWrite) -> dict[str, Any]:
    """End a user's password and sessions; the answer's `token` is for a new one-time link."""
    return {"token": service.accounts.reset_user(identity.actor, number)}


@router.get("/keys", summary="All API keys")
def keys(service: ServiceOf, identity: MayRead) -> list[dict[str, Any]]:
    return service.accounts.list_keys()


@router.post("/keys", status_code=201, summary="Make an API key")
def add_key(key: NewKey, service: ServiceOf, identity: MayWrite) -> dict[str, Any]:
    """Make a key; its `token` is told this once."""
    added, token = service.accounts.add_key(identity.actor, key.name, key.role, key.scenarios, key.expires_ms)
    return added | {"token": token}


@router.delete("/keys/{number}", summary="Revoke an API key")
def revoke_key(number: Number, service: ServiceOf, identity: MayWrite) -> dict[str, Any]:
    """End a key, at once."""
    revoked = service.accounts.revoke_key(identity.actor, number)
    service.gate.forget()
    return revoked
