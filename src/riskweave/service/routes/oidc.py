"""Sign-in at an identity provider (OpenID Connect, authorization code with PKCE); extra `oidc`.

Off while `oidc.issuer` is empty. The provider's tokens are used once, to know who it is, and not kept.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from base64 import urlsafe_b64encode
from collections import OrderedDict
from typing import Annotated, Any, cast

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from riskweave.service.identity_provider import Provider
from riskweave.service.problems import Problem
from riskweave.service.routes.asking import ServiceOf
from riskweave.service.routes.session import address_of, put_cookie
from riskweave.service.service import Service

router = APIRouter(prefix="/api/risk/oidc", tags=["session"])

STATE_COOKIE = "riskweave_oidc"
STATE_S = 600
WAITING_MAX = 1_000


def _provider(request: Request, service: Service) -> Provider:
    if not service.settings.oidc.issuer:
        raise Problem("not_found", "sign-in at an identity provider is not set up")
    state = request.app.state
    if not hasattr(state, "provider"):
        state.provider = Provider(service.settings.oidc)
    return cast(Provider, state.provider)


def _callback_url(service: Service) -> str:
    server = service.settings.server
    return f"{server.public_url or f'http://{server.host}:{server.port}'}/api/risk/oidc/callback"


def _waiting(request: Request) -> OrderedDict[str, tuple[float, str, str]]:
    """Return the sign-ins under way: state to (until, nonce, verifier)."""
    state: Any = request.app.state
    if not hasattr(state, "oidc_waiting"):
        state.oidc_waiting = OrderedDict()
    return cast("OrderedDict[str, tuple[float, str, str]]", state.oidc_waiting)


@router.get("/login", summary="Sign in at the identity provider", response_class=RedirectResponse)
async def login(request: Request, service: ServiceOf) -> Response:
    """Send the browser to the provider."""
    provider = _provider(request, service)
    service.logins.begin("oidc", address_of(request))
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    waiting = _waiting(request)
    waiting[state] = (time.monotonic() + STATE_S, nonce, verifier)
    while len(waiting) > WAITING_MAX:
        waiting.popitem(last=False)
    challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    url = await asyncio.to_thread(provider.authorization_url, _callback_url(service), state, nonce, challenge)
    response = RedirectResponse(url, 302)
    response.set_cookie(
        STATE_COOKIE,
        state,
        max_age=STATE_S,
        path="/api/risk/oidc",
        httponly=True,
        samesite="lax",
        secure=service.settings.security.cookie_secure,
    )
    return response


@router.get("/callback", summary="Come back from the identity provider", response_class=RedirectResponse)
async def callback(
    request: Request,
    service: ServiceOf,
    code: Annotated[str, Query(max_length=4_000)] = "",
    state: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """Check what the provider says and start a session."""
    provider = _provider(request, service)
    found = _waiting(request).pop(state, None)
    if found is None or found[0] < time.monotonic() or request.cookies.get(STATE_COOKIE) != state or not code:
        raise Problem("login_failed", "this sign-in was not begun here, or too long ago")
    _, nonce, verifier = found
    claims = await asyncio.to_thread(provider.claims, code, _callback_url(service), nonce, verifier)
    oidc = service.settings.oidc
    subject = f"{oidc.issuer}|{claims['sub']}"
    name = str(claims.get("preferred_username") or claims["sub"])
    role = str(claims.get(oidc.role_claim) or oidc.default_role) or None
    user = await asyncio.to_thread(service.accounts.of_subject, subject, name, role)
    session = await asyncio.to_thread(service.accounts.open_session, user, "session.open_oidc")
    service.logins.passed("oidc", address_of(request))
    response = RedirectResponse("/", 303)
    put_cookie(response, session, service)
    response.delete_cookie(STATE_COOKIE, path="/api/risk/oidc")
    return response
