"""The one shape of an error, everywhere: RFC 9457 `application/problem+json`.

    {"type": "urn:riskweave:error:event_invalid", "title": "The event cannot be read", "status": 422,
     "code": "event_invalid", "message": "...", "field": "amount", "expected": "...", "request_id": "..."}

`code` is what a program reads and never changes; `CODES` holds all, docs/service.md has a row for each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

CONTENT_TYPE = b"application/problem+json"

# code: (status, title)
CODES: dict[str, tuple[int, str]] = {
    "not_json": (400, "The body is not what its content type says"),
    "bad_request": (400, "The request cannot be understood"),
    "not_authenticated": (401, "Nobody is signed in"),
    "login_failed": (401, "Name or password is wrong"),
    "not_allowed": (403, "The role does not allow this"),
    "csrf": (403, "The request did not come from this site's pages"),
    "not_found": (404, "There is no such thing"),
    "method_not_allowed": (405, "The address does not know this method"),
    "request_timeout": (408, "The body did not arrive in time"),
    "duplicate_differs": (409, "The event id was decided before with other content"),
    "conflict": (409, "It exists already, or has changed"),
    "gone": (410, "The link was used or is too old"),
    "too_large": (413, "The body is larger than allowed"),
    "unsupported_media_type": (415, "The content type is not known here"),
    "event_invalid": (422, "The event cannot be read"),
    "policy_invalid": (422, "The policy is wrong"),
    "invalid": (422, "A value is not what is expected"),
    "too_many_logins": (429, "Too many attempts to sign in"),
    "overloaded": (429, "More than can be decided right now"),
    "internal": (500, "The service made a mistake"),
    "storage_failed": (503, "Nothing can be stored, so nothing is decided"),
    "not_ready": (503, "The service is starting or stopping"),
    "deadline_exceeded": (504, "Not decided before the deadline"),
}


class Problem(Exception):  # noqa: N818
    """An answer that is an error; `extra` are members beside the documented ones."""

    def __init__(
        self,
        code: str,
        message: str,
        field: str | None = None,
        expected: str | None = None,
        retry_after_s: float | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status, self.title = CODES[code]
        self.message = message
        self.field = field
        self.expected = expected
        self.retry_after_s = retry_after_s
        self.extra = extra

    def body(self, request_id: str) -> dict[str, Any]:
        """Return the error as it is sent."""
        return {
            "type": f"urn:riskweave:error:{self.code}",
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "message": self.message,
            "field": self.field,
            "expected": self.expected,
            "request_id": request_id,
            **self.extra,
        }

    def encoded(self, request_id: str) -> bytes:
        return msgspec.json.encode(self.body(request_id), enc_hook=str)

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return what goes beside the body."""
        headers = [(b"content-type", CONTENT_TYPE)]
        if self.retry_after_s is not None:
            headers.append((b"retry-after", str(max(1, math.ceil(self.retry_after_s))).encode()))
        if self.status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        return headers


def invalid(field: str, message: str, expected: str) -> Problem:
    """Return the problem of one value in a request."""
    return Problem("invalid", message, field, expected)


def validation_problem(errors: Sequence[Mapping[str, Any]]) -> Problem:
    """Return what pydantic found as one problem: the first in full, all in `errors`."""
    listed = [
        {
            "field": ".".join(str(part) for part in each["loc"][1:]) or str(each["loc"][0]),
            "message": each["msg"],
        }
        for each in errors
    ]
    first = listed[0]
    return Problem(
        "invalid", f"`{first['field']}`: {first['message']}", first["field"], first["message"], errors=listed
    )
