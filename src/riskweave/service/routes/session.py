"""Signing in and out, one-time links, and who one is."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from riskweave.service.accounts import Session
from riskweave.service.gate import COOKIE
from riskweave.service.roles import ROLES, Identity
from riskweave.service.routes.asking import Body, ServiceOf, who
from riskweave.service.service import Service
from riskweave.service.tokens import csrf_token

router = APIRouter(prefix="/api/risk", tags=["session"])


class Login(Body):
    name: str = Field(max_length=100)
    password: str = Field(max_length=1_000)


class Acceptance(Body):
    """A one-time link's token, and the password to have; the first administrator chooses a name too."""

    token: str = Field(max_length=200)
    password: str = Field(max_length=1_000)
    name: str | None = Field(None, max_length=100)


def address_of(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def put_cookie(response: Response, session: Session, service: Service) -> None:
    """Give the browser its session: out of reach of scripts, never sent by another site's pages."""
    response.set_cookie(
        COOKIE,
        session.token,
        max_age=session.lifetime_s,
        path="/",
        secure=service.settings.security.cookie_secure,
        httponly=True,
        samesite="strict",
    )


def _told(session: Session) -> dict[str, Any]:
    return {
        "kind": "user",
        "name": session.user["name"],
        "role": session.user["role"],
        "scenarios": session.user["scenarios"],
        "permissions": sorted(ROLES[session.user["role"]]),
        "csrf": csrf_token(session.token),
    }


@router.post("/session", summary="Sign in")
async def sign_in(login: Login, request: Request, response: Response, service: ServiceOf) -> dict[str, Any]:
    """Start a session: a cookie for the browser, and the CSRF token that its pages send back."""
    address = address_of(request)
    service.logins.begin(login.name, address)
    session = await asyncio.to_thread(service.accounts.sign_in, login.name, login.password)
    service.logins.passed(login.name, address)
    put_cookie(response, session, service)
    return _told(session)


@router.get("/session", summary="Who am I")
async def me(identity: Annotated[Identity, Depends(who)]) -> dict[str, Any]:
    return {
        "kind": identity.kind,
        "name": identity.name,
        "role": identity.role,
        "scenarios": sorted(identity.scenarios),
        "permissions": sorted(ROLES[identity.role]),
        "csrf": csrf_token(identity.session) if identity.session else None,
    }


@router.delete("/session", status_code=204, summary="Sign out")
async def sign_out(
    identity: Annotated[Identity, Depends(who)], service: ServiceOf, response: Response
) -> None:
    if identity.session:
        await asyncio.to_thread(service.accounts.close_session, identity)
        response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")


@router.post("/invitation", summary="Use a one-time link")
async def accept(
    acceptance: Acceptance, request: Request, response: Response, service: ServiceOf
) -> dict[str, Any]:
    """Choose a password; for the first administrator, a name too. Signs in at once."""
    service.logins.begin("invitation", address_of(request))
    user = await asyncio.to_thread(
        service.accounts.accept, acceptance.token, acceptance.name, acceptance.password
    )
    service.logins.passed("invitation", address_of(request))
    session = await asyncio.to_thread(service.accounts.open_session, user["id"], "session.open")
    put_cookie(response, session, service)
    return _told(session)
