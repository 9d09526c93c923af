"""An OpenID Connect provider: what it publishes, and what its answer to a code proves.

Uses Authlib's joserfc for signatures and httpx2 for the two calls (extra `oidc`).
"""

from __future__ import annotations

import time
from typing import Any

from riskweave.errors import RiskweaveError
from riskweave.service.problems import Problem
from riskweave.service.settings import Oidc

ALGORITHMS = ["RS256", "ES256", "PS256", "EdDSA"]
LEEWAY_S = 60
PUBLISHED_S = 3_600
ANSWER_BYTES_MAX = 1_000_000


class Provider:
    """One provider. `http` may be given by a test: a client with `get` and `post`."""

    def __init__(self, settings: Oidc, http: Any = None) -> None:
        self.settings = settings
        self._http = http or _client()
        self._published: tuple[float, dict[str, Any], dict[str, Any]] | None = None

    def authorization_url(self, callback: str, state: str, nonce: str, challenge: str) -> str:
        """Return where the browser is sent."""
        endpoint = str(self._metadata()[0]["authorization_endpoint"])
        query = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": callback,
            "scope": "openid profile",
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{_query(query)}"

    def claims(self, code: str, callback: str, nonce: str, verifier: str) -> dict[str, Any]:
        """Exchange a code for an identity token and return its claims; raises when anything does not fit."""
        metadata, keys = self._metadata()
        answer = self._http.post(
            metadata["token_endpoint"],
            data={
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": callback,
                "client_id": self.settings.client_id,
                "client_secret": self.settings.client_secret,
                "code_verifier": verifier,
            },
        )
        token = _json(answer).get("id_token")
        if not isinstance(token, str):
            raise Problem("login_failed", "the identity provider refused the code")
        claims = self._verified(token, keys)
        now = time.time()
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        fits = (
            claims.get("iss") == self.settings.issuer
            and self.settings.client_id in audiences
            and (len(audiences) == 1 or claims.get("azp") == self.settings.client_id)
            and claims.get("nonce") == nonce
            and isinstance(claims.get("exp"), (int, float))
            and claims["exp"] > now - LEEWAY_S
            and isinstance(claims.get("iat", 0), (int, float))
            and claims.get("iat", 0) <= now + LEEWAY_S
            and isinstance(claims.get("sub"), str)
            and claims["sub"]
        )
        if not fits:
            raise Problem("login_failed", "the identity token is not for this sign-in")
        return claims

    def _verified(self, token: str, keys: dict[str, Any]) -> dict[str, Any]:
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        try:
            return dict(jwt.decode(token, KeySet.import_key_set(keys), algorithms=ALGORITHMS).claims)
        except (JoseError, ValueError) as error:
            raise Problem("login_failed", "the identity token's signature does not fit") from error

    def _metadata(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what the provider publishes, and its keys; asked for once an hour."""
        now = time.monotonic()
        if self._published is None or self._published[0] < now:
            issuer = self.settings.issuer
            metadata = _json(self._http.get(f"{issuer.rstrip('/')}/.well-known/openid-configuration"))
            if metadata.get("issuer") != issuer:
                raise Problem("login_failed", "the identity provider names another issuer than oidc.issuer")
            keys = _json(self._http.get(metadata["jwks_uri"]))
            self._published = (now + PUBLISHED_S, metadata, keys)
        return self._published[1:]


def _json(answer: Any) -> dict[str, Any]:
    if answer.status_code != 200 or len(answer.content) > ANSWER_BYTES_MAX:
        raise Problem("login_failed", f"the identity provider answered {answer.status_code}")
    try:
        found = answer.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Problem("login_failed", "the identity provider did not answer with a JSON object")
    return found


def _query(values: dict[str, str]) -> str:
    import httpx2

    return str(httpx2.QueryParams(values))


def _client() -> Any:
    try:
        import httpx2
        import joserfc  # noqa: F401
    except ImportError:
        raise RiskweaveError(
            "oidc.issuer is set, but its packages are not installed: pip install 'riskweave[oidc]'"
        ) from None
    return httpx2.Client(timeout=10.0, follow_redirects=False)
