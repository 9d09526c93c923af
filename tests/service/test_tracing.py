"""Spans: one per request, named by route, joined to the caller's trace, with nothing of anybody in them."""

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from riskweave.service.settings import Tracing
from riskweave.service.tracing import Traced, traced
from tests.service.conftest import payment

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def spans(place):
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    place.client.app = Traced(place.client.app, provider.get_tracer("test"))
    place.client._transport.app = place.client.app
    yield kept
    provider.shutdown()


def test_a_request_is_a_span_of_its_route_in_the_trace_of_its_caller(place, spans):
    place.evaluate(payment(1), headers={"traceparent": PARENT})
    place.call("GET", "/api/risk/decisions/p1?language=zh")
    place.call("GET", "/api/risk/decisions/p9")
    deciding, found, missing = spans.get_finished_spans()
    assert deciding.name == "POST /api/risk/evaluate"
    assert f"{deciding.context.trace_id:032x}" == PARENT.split("-")[1]
    assert f"{deciding.parent.span_id:016x}" == PARENT.split("-")[2]
    assert found.name == missing.name == "GET /api/risk/decisions/{name}"
    statuses = [each.attributes["http.response.status_code"] for each in (deciding, found, missing)]
    assert statuses == [200, 200, 404]
    for each in (deciding, found, missing):
        assert set(each.attributes) == {"http.request.method", "http.response.status_code"}


def test_without_an_endpoint_nothing_is_traced(place):
    assert traced(place.client.app, Tracing()) is place.client.app
