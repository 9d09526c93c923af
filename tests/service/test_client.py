"""The client, sync and async, against the real application; failures are tried again with the same body."""

import asyncio
import inspect

import httpx2
import pytest

from riskweave.client import ApiError, AsyncClient, Client, ConnectionFailed, Retries
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


class FlakyAsync(httpx2.AsyncBaseTransport):
    """The same for the other client."""

    def __init__(self, place, failures=()):
        self.inner = Flaky(place, failures)

    async def handle_async_request(self, request):
        await request.aread()
        return await asyncio.to_thread(self.inner.handle_request, request)


class Waited:
    """An AsyncClient that is waited for, so that one contract does for both."""

    def __init__(self, inner):
        self.inner = inner
        self.runner = asyncio.Runner()

    def __enter__(self):
        self.runner.run(self.inner.__aenter__())
        return self

    def __exit__(self, *_):
        self.runner.run(self.inner.__aexit__(None, None, None))
        self.runner.close()

    def __getattr__(self, name):
        def call(*arguments, **named):
            async def done():
                found = getattr(self.inner, name)(*arguments, **named)
                return await found if inspect.isawaitable(found) else [each async for each in found]

            return self.runner.run(done())

        return call


@pytest.fixture(params=["sync", "async"])
def connect(request):
    """Return what makes a client of either kind."""

    def made(place, role="admin", failures=()):
        if request.param == "sync":
            transport = Flaky(place, failures)
            found = Client("https://risk.test", key=place.keys[role], transport=transport)
            found.retries, found.sent = Retries(5, 0.001), transport.sent
            return found
        outside = FlakyAsync(place, failures)
        inner = AsyncClient("https://risk.test", key=place.keys[role], transport=outside)
        inner.retries, inner.sent = Retries(5, 0.001), outside.inner.sent
        waited = Waited(inner)
        waited.sent = outside.inner.sent
        return waited

    return made


def test_an_event_is_decided_and_found_again(either, connect):
    with connect(either) as risk:
        answer = risk.evaluate(payment(1, amount="2000"), language="zh")
        assert (answer.action, answer.reasons) == ("BLOCK", ["一小时内金额过大"])
        assert risk.decision("p1")["request_id"] == answer.request_id
        assert risk.explanation("p1")["summary"]["en"].startswith("Blocked")
        assert [each["event_id"] for each in risk.decisions(action="BLOCK")["decisions"]] == ["p1"]
        assert risk.feedback("p1", True) is None
        assert risk.health()["state"] == "ok"
        assert risk.dashboard(hours=1)["totals"]


def test_what_passes_is_tried_again_with_the_same_content(either, connect):
    with connect(either, failures=[httpx2.ConnectError("no"), 503, httpx2.ReadTimeout("slow"), 429]) as risk:
        assert risk.evaluate(payment(1)).action == "PASS"
        sent = risk.sent
    assert len(sent) == 5
    assert len(set(sent)) == 1


def test_what_does_not_pass_is_told(either, connect):
    with connect(either, failures=[httpx2.ConnectError("no")] * 5) as risk, pytest.raises(ConnectionFailed):
        risk.evaluate(payment(1))
    with connect(either) as risk, pytest.raises(ApiError) as told:
        risk.evaluate(payment(1, amount="x"))
    assert (told.value.status, told.value.code, told.value.field) == (422, "event_invalid", "amount")
    assert told.value.request_id


def test_many_events_have_one_answer_each(either, connect):
    events = [payment(n) for n in range(25)]
    events[3] = payment(3, amount="x")
    with connect(either) as risk:
        answers = risk.evaluate_many(events, at_once=10)
    assert len(answers) == 25
    assert isinstance(answers[3], ApiError)
    assert [each.event_id for each in answers if not isinstance(each, ApiError)] == [
        f"p{n}" for n in range(25) if n != 3
    ]


def test_lists_change_through_the_client(either, connect):
    with connect(either) as risk:
        risk.add_to_list("blocked", "c1", why="test")
        assert risk.evaluate(payment(1)).rules == ["listed"]
        risk.remove_from_list("blocked", "c1")
        assert risk.evaluate(payment(8)).rules == []


def test_a_stream_goes_on_behind_its_cursor(either, connect):
    with connect(either) as risk:
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
