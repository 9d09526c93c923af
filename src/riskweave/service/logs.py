"""Logs as JSON with ECS names, or as text for a terminal. No event, key or URL parameter is logged."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from riskweave import __version__
from riskweave.service.settings import Logging

_NAMES = {"event": "message", "level": "log.level", "logger": "log.logger", "timestamp": "@timestamp"}


def ecs(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Rename what structlog has to the Elastic Common Schema; what is ours goes under `riskweave.`."""
    out: dict[str, Any] = {}
    for key, value in event.items():
        if key == "exception":
            out["error.stack_trace"] = value
        elif key == "error":
            out["error.message"] = value
        else:
            out[_NAMES.get(key, key if "." in key else f"riskweave.{key}")] = value
    return out | {
        "ecs.version": "8.11.0",
        "service.name": "riskweave",
        "service.version": __version__,
    }


def set_up(settings: Logging) -> None:
    """Send every log of this process, the server's and the libraries' too, to stderr in one format."""
    shared: list[Any] = [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Any] = (
        [structlog.processors.format_exc_info, ecs, structlog.processors.JSONRenderer(ensure_ascii=False)]
        if settings.format == "json"
        else [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                exception_formatter=structlog.dev.plain_traceback,  # the other one shows local variables
            )
        ]
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "alembic"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
    logging.getLogger("uvicorn.access").setLevel("WARNING")
    logging.getLogger("alembic").setLevel("WARNING")


def log_request(method: str, route: str, status: int, took_s: float, request_id: str) -> None:
    """Log a request (`logging.requests`): the route's pattern, never its ids, parameters or body."""
    structlog.get_logger("riskweave.requests").info(
        "request",
        **{
            "http.request.method": method,
            "url.path": route,
            "http.response.status_code": status,
            "event.duration": round(took_s * 1e9),
            "http.request.id": request_id,
        },
    )
