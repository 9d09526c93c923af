"""The client, sync and async, against the real application; failures are tried again with the same body."""

import asyncio
import inspect

import httpx2
import pytest

from riskweave.client import ApiError, AsyncClient, Client, ConnectionFailed, Retries
from riskweave.service.application import Application
from tests.service.conftest import payment


class Flaky(httpx2.BaseTransport):
    """Fails as told before it lets a request through; keeps what was sent."""

    def __init__(self, place, failures=()):
        self.place = place
        self.failures = list(failures)
        self.sent = []

    def handle_request(self, request):
        self.sent.append(request.read())
        if self.failures:
            failure = self.failures.pop(0)
            if isinstance(failure, Exception):
                raise failure
            return httpx2.Response(failure, headers={"retry-after": "0"}, content=b"{}")
        answer = self.place.client.request(
            request.method, str(request.url), content=request.content, headers=dict(request.headers)
        )
        return httpx2.Response(answer.status_code, headers=answer.headers, content=answer.content)


def client(place, role="admin", failures=()):
    made = Client("https://risk.test", key=place.keys[role], transport=Flaky(place, failures))
    made.retries = Retries(5, 0.001)
    return made


def test_an_event_is_decided_and_found_again(either):
    with client(either) as risk:
        answer = risk.evaluate(payment(1, amount="2000"), language="zh")
        assert (answer.action, answer.reasons) == ("BLOCK", ["一小时内金额过大"])
        assert risk.decision("p1")["request_id"] == answer.request_id
        assert risk.explanation("p1")["summary"]["en"].startswith("Blocked")
        assert [each["event_id"] for each in risk.decisions(action="BLOCK")["decisions"]] == ["p1"]
        assert risk.feedback("p1", True) is None
        assert risk.health()["state"] == "ok"
        assert risk.dashboard(hours=1)["totals"]


def test_what_passes_is_tried_again_with_the_same_content(either):
    with client(either, failures=[httpx2.ConnectError("no"), 503, httpx2.ReadTimeout("slow"), 429]) as risk:
        assert risk.evaluate(payment(1)).action == "PASS"
        sent = risk._http._transport.sent
    assert len(sent) == 5
    assert len(set(sent)) == 1


def test_what_does_not_pass_is_told(either):
    with client(either, failures=[httpx2.ConnectError("no")] * 5) as risk, pytest.raises(ConnectionFailed):
        risk.evaluate(payment(1))
    with client(either) as risk, pytest.raises(ApiError) as told:
        risk.evaluate(payment(1, amount="x"))
    assert (told.value.status, told.value.code, told.value.field) == (422, "event_invalid", "amount")
    assert told.value.request_id


def test_many_events_have_one_answer_each(either):
    events = [payment(n) for n in range(25)]
    events[3] = payment(3, amount="x")
    with client(either) as risk:
        answers = risk.evaluate_many(events, at_once=10)
    assert len(answers) == 25
    assert isinstance(answers[3], ApiError)
    assert [each.event_id for each in answers if not isinstance(each, ApiError)] == [
        f"p{n}" for n in range(25) if n != 3
    ]


def test_lists_change_through_the_client(either):
    with client(either) as risk:
        risk.add_to_list("blocked", "c1", why="test")
        assert risk.evaluate(payment(1)).rules == ["listed"]
        risk.remove_from_list("blocked", "c1")
        assert risk.evaluate(payment(8)).rules == []


def test_a_stream_goes_on_behind_its_cursor(either):
    with client(either) as risk:
        risk.evaluate_many([payment(n) for n in range(300)])
        frames = list(risk.stream(cursor="0.0", once=True))
        numbers = [each["sequence"] for frame in frames for each in frame.decisions]
        assert numbers == sorted(set(numbers))
        assert len(numbers) == 300
        assert len(frames) > 1
        rest = [
            each["sequence"]
            for frame in risk.stream(cursor=frames[0].cursor, once=True)
            for each in frame.decisions
        ]
        assert rest == numbers[len(frames[0].decisions) :]


def test_both_clients_have_the_same_calls_with_the_same_parameters():
    def calls(kind):
        return {
            name: str(inspect.signature(each))
            for name, each in vars(kind).items()
            if callable(each) and not name.startswith("_") and name not in ("close", "stream")
        }

    assert calls(Client) == calls(AsyncClient)
    assert len(calls(Client)) > 8


def test_the_async_client_does_the_same(either):
    async def work():
        transport = httpx2.ASGITransport(app=Application(either.service))
        async with AsyncClient("https://risk.test", key=either.keys["admin"], transport=transport) as risk:
            return await risk.health(), await risk.dashboard(hours=1)

    health, board = asyncio.run(work())
    assert health["state"] == "ok"
    assert board["totals"]["decisions"] == 0
