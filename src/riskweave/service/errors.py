"""Every error that the rooms below raise, as the problem that the caller is told."""

from __future__ import annotations

from typing import Any

from riskweave.errors import (
    DeadlineExceeded,
    DuplicateError,
    EventError,
    LimitError,
    Overloaded,
    PolicyError,
    PolicyErrors,
    RiskweaveError,
    StorageFailed,
)
from riskweave.service.masking import Masks
from riskweave.service.problems import Problem
from riskweave.service.roles import Identity


def problem_of(error: BaseException, masks: Masks | None = None, identity: Identity | None = None) -> Problem:
    """Return the problem of an error; one that nobody foresaw tells nothing of itself."""
    match error:
        case Problem():
            return error
        case DuplicateError():
            return _duplicate(error, masks, identity)
        case EventError():
            return Problem("event_invalid", str(error), error.field, error.expected, found=error.found)
        case Overloaded():
            wait = error.retry_after_s
            return Problem(
                "overloaded", "the queue is full; send it again, with the same id", retry_after_s=wait
            )
        case DeadlineExceeded():
            return Problem(
                "deadline_exceeded", "not decided before the deadline; send it again, with the same id"
            )
        case StorageFailed():
            return Problem(
                "storage_failed", "the journal cannot be written; /health says why", retry_after_s=5
            )
        case PolicyError():
            return policy_problem(error)
        case LimitError():
            return Problem("too_large", str(error))
        case RiskweaveError():
            return Problem("bad_request", str(error))
    return Problem("internal", "the service made a mistake; its log has more under this request id")


def _duplicate(error: DuplicateError, masks: Masks | None, identity: Identity | None) -> Problem:
    difference: dict[str, Any] = {}
    for name, (first, now) in error.difference.items():
        if masks is not None and identity is not None:
            first = masks.value(name, first, identity)
        difference[name] = {"first": first, "now": now}
    names = ", ".join(difference)
    return Problem(
        "duplicate_differs",
        f"event `{error.event_id}` had other content when it was decided, in: {names}; send a new id",
        error.field,
        "the content that was decided, or a new id",
        difference=difference,
    )


def findings_of(error: PolicyError) -> list[dict[str, Any]]:
    """Return each mistake of a policy with its place."""
    found = error.errors if isinstance(error, PolicyErrors) else [error]
    return [
        {
            "severity": "error",
            "message": each.message,
            "file": each.span.file,
            "line": each.span.line,
            "column": each.span.column,
            "text": each.span.text,
            "hint": each.hint,
        }
        for each in found
    ]


def policy_problem(error: PolicyError) -> Problem:
    """Return the problem of a wrong policy, with all its mistakes."""
    return Problem(
        "policy_invalid", error.message, error.span.place(), error.hint or None, findings=findings_of(error)
    )
