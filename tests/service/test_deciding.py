"""The decision path: one event, many events, labels; every mistake has the documented shape."""

import io
import json

import pyarrow as pa
import pytest

from riskweave.errors import DeadlineExceeded, Overloaded, StorageFailed
from tests.service.conftest import payment, problem


def test_an_event_gets_action_score_reasons_time_and_request_id(either):
    answer = either.evaluate(payment(1, amount="2000")).json()
    assert (answer["action"], answer["score"], answer["reasons"], answer["rules"]) == (
        "BLOCK",
        0.9,
        ["Much in one hour"],
        ["much"],
    )
    assert answer["scenario"] == "payment"
    assert answer["request_id"]
    assert answer["processing_time_us"] > 0
    assert answer["durable"] is True


def test_reasons_come_in_chinese(either):
    answer = either.call(
        "POST", "/api/risk/evaluate?language=zh", "sender", json=payment(1, amount="2000")
    ).json()
    assert answer["reasons"] == ["一小时内金额过大"]
    by_header = either.evaluate(
        payment(1, amount="2000"), headers={"accept-language": "zh-CN,zh;q=0.9"}
    ).json()
    assert by_header["reasons"] == answer["reasons"]


def test_the_same_event_again_gets_the_first_answer(either):
    first, again = either.evaluate(payment(1)).json(), either.evaluate(payment(1)).json()
    again["processing_time_us"] = first["processing_time_us"]
    assert again == first | {"duplicate": True}


def test_the_same_id_with_other_content_is_refused_with_the_difference(either):
    either.evaluate(payment(1))
    told = problem(
        either.evaluate(payment(1, amount="11.00", card_number="4222222222222222")), 409, "duplicate_differs"
    )
    assert told["difference"]["amount"] == {"first": "10.00", "now": "11.00"}
    # The first content may have been another sender's.
    assert told["difference"]["card_number"]["first"] == "***11"


def test_a_bad_field_is_named(either):
    told = problem(either.evaluate(payment(1, amount="a lot")), 422, "event_invalid")
    assert (told["field"], told["found"]) == ("amount", "'a lot'")
    assert told["expected"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "not_json"),
        (b"{", 400, "not_json"),
        (b"\xff\xfe", 400, "not_json"),
        (b"[" * 100_000, 413, "too_large"),
        (b'{"a":' + b"[" * 50_000, 400, "not_json"),
        (b"[]", 422, "event_invalid"),
        (b"null", 422, "event_invalid"),
        (b'{"a": 1e999}', 422, "event_invalid"),
        (b'{"a": "\\ud800"}', 400, "not_json"),
    ],
)
def test_a_body_that_is_no_event_is_refused(either, body, status, code):
    headers = {"content-type": "application/json"}
    problem(either.call("POST", "/api/risk/evaluate", "sender", content=body, headers=headers), status, code)


def test_another_content_type_or_method_is_refused(either):
    refused = either.call(
        "POST", "/api/risk/evaluate", "sender", content=b"a=1", headers={"content-type": "text/plain"}
    )
    problem(refused, 415, "unsupported_media_type")
    problem(either.call("GET", "/api/risk/evaluate", "sender"), 405, "method_not_allowed")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Overloaded(20_000, 1.5), 429, "overloaded"),
        (StorageFailed("disk full"), 503, "storage_failed"),
        (DeadlineExceeded("late"), 504, "deadline_exceeded"),
        (ZeroDivisionError("secret"), 500, "internal"),
    ],
)
def test_what_the_engine_cannot_do_is_told_by_status(place, error, status, code):
    place.backend.refuse = error
    response = place.evaluate(payment(1))
    told = problem(response, status, code)
    assert "secret" not in response.text
    if status == 429:
        assert response.headers["retry-after"] == "2"
    assert told["request_id"] == response.headers["x-request-id"]


def test_a_deadline_must_be_readable(either):
    problem(either.evaluate(payment(1), headers={"x-deadline-ms": "soon"}), 422, "invalid")
    assert either.evaluate(payment(1), headers={"x-deadline-ms": "500"}).status_code == 200


def test_lines_are_answered_one_by_one_in_order(either):
    lines = [
        json.dumps(payment(1)),
        "{not json",
        json.dumps(payment(2, amount=None)),
        json.dumps(payment(3)),
        json.dumps(payment(1)),
        json.dumps(payment(1, amount="12")),
    ]
    response = either.call(
        "POST",
        "/api/risk/evaluate/batch",
        "sender",
        content="\n".join(lines).encode(),
        headers={"content-type": "application/x-ndjson"},
    )
    told = [json.loads(line) for line in response.text.splitlines()]
    assert [each.get("code") or each["action"] for each in told] == [
        "PASS",
        "not_json",
        "event_invalid",
        "PASS",
        "PASS",
        "duplicate_differs",
    ]
    assert [each["line"] for each in told if "code" in each] == [2, 3, 6]
    assert told[4]["duplicate"] is True


def test_an_arrow_stream_comes_back_as_one(either):
    table = pa.Table.from_pylist([payment(1), payment(2, amount="x"), payment(3)])
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    response = either.call(
        "POST",
        "/api/risk/evaluate/batch",
        "sender",
        content=sink.getvalue(),
        headers={"content-type": "application/vnd.apache.arrow.stream"},
    )
    answers = pa.ipc.open_stream(response.content).read_all().to_pylist()
    assert [each["action"] for each in answers] == ["PASS", None, "PASS"]
    assert json.loads(answers[1]["error"])["code"] == "event_invalid"


def test_a_batch_that_is_no_stream_is_refused(either):
    for kind, content, code in (
        ("application/vnd.apache.arrow.stream", b"nonsense", "not_json"),
        ("application/json", b"{}", "unsupported_media_type"),
    ):
        response = either.call(
            "POST", "/api/risk/evaluate/batch", "sender", content=content, headers={"content-type": kind}
        )
        problem(response, 400 if code == "not_json" else 415, code)


def test_feedback_is_taken_and_a_label_of_other_shape_refused(either):
    either.evaluate(payment(1))
    label = {"event_id": "p1", "value": True}
    assert either.call("POST", "/api/risk/feedback", "sender", json=label).status_code == 202
    problem(either.call("POST", "/api/risk/feedback", "sender", json=label | {"x": 1}), 422, "invalid")
    problem(either.call("POST", "/api/risk/feedback", "sender", json={"value": True}), 422, "event_invalid")


def test_a_key_of_one_scenario_decides_no_other(either):
    _, token = either.service.accounts.add_key("test", "logins", "sender", ["login"])
    headers = {"authorization": f"Bearer {token}"}
    refused = either.client.post("/api/risk/evaluate", json=payment(1), headers=headers)
    problem(refused, 403, "not_allowed")
    login = {"type": "login", "id": "l1", "at": "2026-01-01T00:00:00Z", "customer": "c1", "ok": True}
    assert either.client.post("/api/risk/evaluate", json=login, headers=headers).status_code == 200
