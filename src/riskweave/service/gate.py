"""The gate: from a request's headers to who asks, or the 401.

One answer for the decision path and for everything else. What the database said of a key is believed for
`security.key_cache_s`; a revocation made in this process counts at once.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterable

from riskweave.service.accounts import Accounts
from riskweave.service.problems import Problem
from riskweave.service.roles import Identity
from riskweave.service.tokens import KEY_PREFIX, csrf_token

COOKIE = "riskweave_session"
CSRF_HEADER = b"x-csrf-token"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
CACHED_MAX = 10_000
TOKEN_BYTES_MAX = 512

Headers = Iterable[tuple[bytes, bytes]]


class Gate:
    """Recognises keys and sessions."""

    def __init__(self, accounts: Accounts) -> None:
        self.accounts = accounts
        self._seen: OrderedDict[bytes, tuple[float, Identity]] = OrderedDict()
        self._changes = 0

    def forget(self) -> None:
        """Believe nothing that was known: a key, a user or a session has changed."""
        self._changes += 1
        self._seen.clear()

    def known(self, authorization: bytes) -> Identity | None:
        """Return a key's identity when it was seen a moment ago: what the decision path asks first."""
        found = self._seen.get(authorization)
        if found is None or found[0] < time.monotonic():
            return None
        return found[1]

    async def identify(self, method: str, headers: Headers) -> Identity:
        """Return who asks; raises the 401, or the 403 of a request forged in a browser."""
        authorization = cookie = csrf = site = b""
        for name, value in headers:
            if name == b"authorization":
                authorization = value
            elif name == b"cookie":
                cookie = cookie + b"; " + value if cookie else value
            elif name == CSRF_HEADER:
                csrf = value
            elif name == b"sec-fetch-site":
                site = value
        if authorization:
            known = self.known(authorization)
            return known if known is not None else await asyncio.to_thread(self._of_key, authorization)
        token = _session_token(cookie)
        if not token:
            raise Problem(
                "not_authenticated", "send an API key as `Authorization: Bearer rw_...`, or sign in"
            )
        identity = await asyncio.to_thread(self.accounts.of_session, token)
        if identity is None:
            raise Problem("not_authenticated", "the session has ended; sign in again")
        if method not in SAFE_METHODS:
            _own_page(csrf, site, token)
        return identity

    def _of_key(self, authorization: bytes) -> Identity:
        changes = self._changes
        scheme, _, token = authorization.partition(b" ")
        text = token.decode("latin-1").strip()
        identity = None
        if scheme.lower() == b"bearer" and text.startswith(KEY_PREFIX) and len(token) <= TOKEN_BYTES_MAX:
            identity = self.accounts.of_key(text)
        if identity is None:
            raise Problem("not_authenticated", "the API key is unknown, expired or revoked")
        if changes != self._changes:  # revoked, perhaps, while the database was asked
            return identity
        self._seen[authorization] = (time.monotonic() + self.accounts.security.key_cache_s, identity)
        self._seen.move_to_end(authorization)
        while len(self._seen) > CACHED_MAX:
            self._seen.popitem(last=False)
        return identity


def _session_token(cookie: bytes) -> str:
    if not cookie or len(cookie) > 16_384:
        return ""
    for part in cookie.decode("latin-1").split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value if len(value) <= TOKEN_BYTES_MAX else ""
    return ""


def _own_page(csrf: bytes, site: bytes, token: str) -> None:
    """Refuse a change that another site's page made this browser send."""
    import hmac

    if site not in (b"", b"same-origin", b"none"):
        raise Problem("csrf", "the request came from a page of another site")
    if not hmac.compare_digest(csrf, csrf_token(token).encode()):
        raise Problem("csrf", "the header X-CSRF-Token is missing or not this session's", "X-CSRF-Token")


class LoginLimit:
    """How often somebody may try to sign in: a name from an address, and ten times as often each alone."""

    def __init__(self, attempts: int, window_s: float) -> None:
        self.attempts = attempts
        self.window_s = window_s
        self._tried: OrderedDict[str, list[float]] = OrderedDict()

    def begin(self, name: str, address: str) -> None:
        """Count an attempt, or raise the 429; counted before the password is looked at, so a flood is too."""
        pair, one, many = f"{name.casefold()} {address}", f"name {name.casefold()}", f"address {address}"
        for key, most in ((pair, self.attempts), (one, 10 * self.attempts), (many, 10 * self.attempts)):
            recent = self._recent(key)
            if len(recent) >= most:
                wait = self.window_s - (time.monotonic() - recent[0])
                raise Problem("too_many_logins", "too many attempts; wait and try again", retry_after_s=wait)
        for key in (pair, one, many):
            self._tried[key] = [*self._recent(key), time.monotonic()]
            self._tried.move_to_end(key)
        while len(self._tried) > CACHED_MAX:
            self._tried.popitem(last=False)

    def passed(self, name: str, address: str) -> None:
        """Forget the attempts that led to a right one."""
        self._tried.pop(f"{name.casefold()} {address}", None)

    def _recent(self, key: str) -> list[float]:
        since = time.monotonic() - self.window_s
        return [at for at in self._tried.get(key, ()) if at > since]
