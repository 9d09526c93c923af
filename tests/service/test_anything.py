"""Anything may be sent: no server error, and every refusal has the documented shape."""

import json
import os
import random
import warnings

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from riskweave.service.problems import CODES
from tests.service.conftest import payment
from tests.service.fuzzing import answers, bodies

# How many examples each operation of the API gets; `make fuzz` gives more.
EXAMPLES = int(os.environ.get("RISKWEAVE_FUZZ", "6"))


def checked(status: int, body: bytes) -> None:
    """Check that an answer is a decision or a documented refusal."""
    if status == 200:
        return
    assert 400 <= status < 500, body
    told = json.loads(body)
    assert CODES[told["code"]][0] == status
    assert set(told) >= {"message", "field", "expected", "request_id"}


def ask(place, path: str, kind: str, sent: list[bytes]) -> None:
    application, key = place.client.app, place.keys["sender"]
    for status, body in place.client.portal.call(answers, application, key, path, kind, sent):
        checked(status, body)


def test_five_thousand_malformed_bodies_are_refused(place):
    sent = list(bodies(random.Random(11), payment(1), 5_000))
    ask(place, "/api/risk/evaluate", "application/json", sent)
    assert place.evaluate(payment(123_456)).status_code == 200


def test_malformed_batches_are_refused_or_answered_line_by_line(place):
    chance = random.Random(12)
    for kind in ("application/x-ndjson", "application/vnd.apache.arrow.stream"):
        ask(place, "/api/risk/evaluate/batch", kind, list(bodies(chance, payment(1), 300)))


def test_the_whole_api_has_no_server_error(place):
    """Schemathesis: values made from the OpenAPI, for every operation."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        schema = schemathesis.openapi.from_dict(place.client.get("/openapi.json").json())
        headers = {"authorization": f"Bearer {place.keys['admin']}"}
        tried = 0
        for result in schema.get_all_operations():
            operation = result.ok()
            if operation.path in ("/api/risk/stream", "/api/risk/session"):
                continue
            if operation.path == "/api/risk/evaluate/batch":
                # JSON Lines and Arrow streams cannot be made from a schema; the test above makes them.
                continue

            @given(case=operation.as_strategy())
            @settings(
                max_examples=EXAMPLES,
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            def attempt(case):
                sent = case.as_transport_kwargs(base_url="https://risk.test")
                more = {
                    key: sent[key]
                    for key in ("json", "data", "content", "params")
                    if sent.get(key) is not None
                }
                if isinstance(more.get("data"), bytes):
                    more["content"] = more.pop("data")
                own = {
                    key: value for key, value in dict(sent.get("headers") or {}).items() if _sendable(value)
                }
                response = place.client.request(sent["method"], sent["url"], headers=own | headers, **more)
                assert response.status_code < 500, (sent["method"], sent["url"], response.text)

            attempt()
            tried += 1
    assert tried > 40


def _sendable(value: str) -> bool:
    return value.isascii() and value.isprintable()


@given(st.binary(max_size=200), st.text(max_size=50))
@settings(max_examples=50, suppress_health_check=list(HealthCheck))
def test_any_authorization_header_is_refused(body, token):
    from riskweave.service.gate import _session_token

    assert isinstance(_session_token(body), str)
    assert isinstance(_session_token(b"riskweave_session=" + token.encode()), str)
