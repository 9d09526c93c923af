"""OpenTelemetry: a span per request, sampled; off unless `tracing.endpoint` is set (extra `otel`)."""

from __future__ import annotations

from typing import Any

from riskweave import __version__
from riskweave.errors import RiskweaveError
from riskweave.service.body import Message, Receive, Scope, Send, header
from riskweave.service.settings import Tracing


class Traced:
    """Wraps an ASGI application. Spans hold route, method and status: nothing of a body or a query."""

    def __init__(self, app: Any, tracer: Any) -> None:
        self.app = app
        self.tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        from opentelemetry.propagate import extract

        parent = header(scope["headers"], b"traceparent")
        context = extract({"traceparent": parent.decode("latin-1")}) if parent else None
        with self.tracer.start_as_current_span(f"{scope['method']} {_route(scope)}", context=context) as span:

            async def told(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                await send(message)

            span.set_attribute("http.request.method", scope["method"])
            await self.app(scope, receive, told)
            span.update_name(f"{scope['method']} {_route(scope)}")


def _route(scope: Scope) -> str:
    """Return the route's pattern: paths hold ids."""
    route = scope.get("route")
    path: str = getattr(route, "path", "") or (
        scope["path"] if scope["path"].startswith("/api/risk/evaluate") else ""
    )
    return path


def traced(app: Any, settings: Tracing) -> Any:
    """Return the application with tracing, if it is on."""
    if not settings.endpoint:
        return app
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
    except ImportError:
        raise RiskweaveError(
            "tracing.endpoint is set, but its packages are not installed: pip install 'riskweave[otel]'"
        ) from None
    provider = TracerProvider(
        resource=Resource.create({"service.name": "riskweave", "service.version": __version__}),
        sampler=ParentBased(TraceIdRatioBased(settings.sample)),
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.endpoint)))
    return Traced(app, provider.get_tracer("riskweave"))
