"""The OpenAPI of the whole service: FastAPI's own, the raw decision routes, and the errors of both."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from riskweave.service.problems import CODES

_REASONS = {"type": "array", "items": {"type": "string"}}

ANSWER: dict[str, Any] = {
    "type": "object",
    "required": ["request_id", "action", "score", "reasons", "processing_time_us"],
    "properties": {
        "request_id": {"type": "string", "description": "Names this decision; `/decisions/{id}` knows it."},
        "event_id": {"type": ["string", "null"]},
        "action": {"type": "string", "enum": ["PASS", "MFA", "REVIEW", "BLOCK"]},
        "score": {"type": "number", "minimum": 0, "maximum": 1},
        "reasons": {**_REASONS, "description": "In the language asked for, riskiest first."},
        "rules": _REASONS,
        "scenario": {"type": "string"},
        "policy_version": {"type": "string"},
        "sequence": {"type": "integer", "description": "The position in the journal."},
        "durable": {"type": "boolean", "description": "On disk before it was answered."},
        "rung": {
            "type": "string",
            "description": "How much of the policy had its say: `full` unless overloaded.",
        },
        "duplicate": {
            "type": "boolean",
            "description": "This event was decided before; this is its first answer.",
        },
        "processing_time_us": {"type": "number"},
    },
}

PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457. `code` never changes; `message` is for people.",
    "required": ["type", "title", "status", "code", "message", "field", "expected", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "enum": sorted(CODES)},
        "message": {"type": "string"},
        "field": {"type": ["string", "null"]},
        "expected": {"type": ["string", "null"]},
        "request_id": {"type": "string"},
    },
}

_EVENT = {"type": "object", "description": "The fields of one of the policy's event types."}
_LABEL = {
    "type": "object",
    "required": ["event_id", "value"],
    "additionalProperties": False,
    "properties": {
        "event_id": {"type": "string"},
        "value": {"type": ["boolean", "null"], "description": "true: fraud; null takes the label back."},
        "label": {"type": "string", "description": "Which label field; the policy's only one by default."},
        "time": {"type": "string", "description": "When it became known; now by default."},
    },
}
_LANGUAGE = {
    "name": "language",
    "in": "query",
    "required": False,
    "description": "Of the reasons; Accept-Language by default.",
    "schema": {"type": "string", "enum": ["en", "zh"]},
}
_DEADLINE = {
    "name": "X-Deadline-Ms",
    "in": "header",
    "required": False,
    "description": "After so many milliseconds nobody waits any more: 504, and nothing was decided.",
    "schema": {"type": "integer", "minimum": 1, "maximum": 60000},
}
_BINARY = {"type": "string", "format": "binary"}


def _ok(description: str, content: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": content}


def _json(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}


RAW: dict[str, dict[str, Any]] = {
    "/api/risk/evaluate": {
        "post": {
            "tags": ["deciding"],
            "operationId": "evaluate",
            "summary": "Decide one event",
            "description": "The same event id again gets the first answer, also after a restart. "
            "Retry any failure with the same id: the event is decided exactly once.",
            "parameters": [_LANGUAGE, _DEADLINE],
            "requestBody": {"required": True, "content": {"application/json": {"schema": _EVENT}}},
            "responses": {"200": _ok("The decision", _json("Answer"))},
        }
    },
    "/api/risk/evaluate/batch": {
        "post": {
            "tags": ["deciding"],
            "operationId": "evaluate_batch",
            "summary": "Decide many events",
            "description": "JSON Lines or an Arrow stream in, the same out, in the same order; "
            "a line that cannot be decided has the error shape and its line number in its place.",
            "parameters": [_LANGUAGE],
            "requestBody": {
                "required": True,
                "content": {
                    "application/x-ndjson": {"schema": _BINARY},
                    "application/vnd.apache.arrow.stream": {"schema": _BINARY},
                },
            },
            "responses": {
                "200": _ok(
                    "An answer or an error for each event",
                    {
                        "application/x-ndjson": {"schema": _BINARY},
                        "application/vnd.apache.arrow.stream": {"schema": _BINARY},
                    },
                )
            },
        }
    },
    "/api/risk/feedback": {
        "post": {
            "tags": ["deciding"],
            "operationId": "feedback",
            "summary": "Tell the truth about an earlier event",
            "requestBody": {"required": True, "content": {"application/json": {"schema": _LABEL}}},
            "responses": {
                "202": _ok("Taken in, durably", {"application/json": {"schema": {"type": "object"}}})
            },
        }
    },
}


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document."""
    if app.openapi_schema is not None:
        return app.openapi_schema
    api = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
    schemas = api.setdefault("components", {}).setdefault("schemas", {})
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    schemas |= {"Answer": ANSWER, "Problem": PROBLEM}
    api["components"]["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "An API key, `rw_...`."},
        "session": {"type": "apiKey", "in": "cookie", "name": "riskweave_session"},
    }
    api["security"] = [{"key": []}, {"session": []}]
    api["paths"] = {**RAW, **api["paths"]}
    problem = {
        "description": "Any error",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for item in api["paths"].values():
        for operation in item.values():
            responses = operation["responses"]
            responses.pop("422", None)
            responses["4XX"] = problem
            responses["5XX"] = problem
    app.openapi_schema = api
    return api
