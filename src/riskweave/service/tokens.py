"""Tokens and passwords: made, hashed, compared.

A token is 256 random bits, so its SHA-256 is all the database needs; a password is not, so it gets argon2id.
"""

from __future__ import annotations

import hashlib
import secrets
import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from riskweave.service.problems import Problem

KEY_PREFIX = "rw_"
PASSWORD_LENGTH_MAX = 1_000

_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
# Each hash takes 19 MB and tens of milliseconds of a core: a flood of logins must not starve decisions.
_hashing = threading.Semaphore(2)
# Verified when the name is unknown, so that both take the same time.
_NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$iG4CMbvR1S2mDNrgpoUb+g$qF/ne0V+SdJRE4g9WTDEstzt5GEq/RSrJe32d8DF40A"


def new_token(prefix: str = "") -> str:
    """Return a token that nobody can guess."""
    return prefix + secrets.token_urlsafe(32)


def token_hash(token: str | bytes) -> str:
    """Return what the database holds of a token."""
    return hashlib.sha256(token.encode() if isinstance(token, str) else token).hexdigest()


def csrf_token(session: str) -> str:
    """Return the token that a page of this session sends back; it cannot be turned into the session's."""
    return hashlib.sha256(b"csrf:" + session.encode()).hexdigest()


def hash_password(password: str, length_min: int) -> str:
    """Return a password's argon2id hash; refuses short ones and the most common shape of bad ones."""
    if len(password) < length_min or len(password) > PASSWORD_LENGTH_MAX:
        raise Problem(
            "invalid",
            f"a password has at least {length_min} characters",
            "password",
            f"at least {length_min}",
        )
    if len(set(password)) < 5:
        raise Problem("invalid", "the password repeats too few characters", "password", "five different ones")
    with _hashing:
        return _hasher.hash(password)


def password_fits(password: str, hashed: str | None) -> bool:
    """Return whether a password is the one that was hashed; takes as long when there is none."""
    if len(password) > PASSWORD_LENGTH_MAX:
        return False
    with _hashing:
        try:
            _hasher.verify(hashed or _NOBODY, password)
        except (VerificationError, InvalidHashError):
            return False
    return hashed is not None
