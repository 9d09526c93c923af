"""A seeded world is sent to a served policy, and every answer is what the auditor's own model says.

Retries, duplicates, lost answers, late and bad events, batches, changes of lists and policies, clean stops
and kills. RISKWEAVE_AUDIT sets how many steps are taken (`make auditor` takes many).
"""

from __future__ import annotations

import json
import os
import random
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.auditor.model import FIRST, POLICIES, SECOND, Model
from tests.auditor.serving import Served

STEPS = int(os.environ.get("RISKWEAVE_AUDIT", "400"))
SEED = int(os.environ.get("RISKWEAVE_AUDIT_SEED", "7"))
START = 1_767_225_600
CUSTOMERS = 25

BAD = (
    ({"amount": "a lot"}, 422, "event_invalid"),
    ({"at": "yesterday"}, 422, "event_invalid"),
    ({"amount": None}, 422, "event_invalid"),
    (b"{not json", 400, "not_json"),
    (b"[1, 2]", 422, "event_invalid"),
)


class Auditor:
    """Takes steps in a world of its own, and compares."""

    def __init__(self, served: Served, seed: int) -> None:
        self.served = served
        self.draw = random.Random(seed)
        self.model = Model()
        self.now = START
        self.number = 0
        self.sent: list[dict[str, object]] = []
        self.request_ids: dict[str, str] = {}
        self.did: dict[str, int] = {}
        self.versions: list[str] = []

    # ---- the world

    def event(self) -> dict[str, object]:
        """Return an event that has not been before: mostly now, sometimes late, rarely far too late."""
        draw = self.draw
        self.now += draw.choice([0, 1, 5, 20, 20, 90])
        chance = draw.random()
        late = 0 if chance < 0.8 else draw.randrange(1, 3500) if chance < 0.96 else draw.randrange(3600, 9000)
        self.number += 1
        customer = None if draw.random() < 0.03 else f"c-{draw.randrange(CUSTOMERS)}"
        event: dict[str, object] = {
            "id": f"e{self.number}",
            "at": datetime.fromtimestamp(self.now - late, UTC).isoformat(),
            "amount": draw.choice([1, 20, 50, 200, 301, 450]),
        }
        if customer is not None:
            event["customer"] = customer
        self.sent.append(event)
        return event

    def expected(self, event: dict[str, object]) -> dict[str, object]:
        at = int(datetime.fromisoformat(str(event["at"])).timestamp())
        customer = event.get("customer")
        return self.model.decide(
            str(event["id"]), at, None if customer is None else str(customer), float(str(event["amount"]))
        )

    def compare(self, event: dict[str, object], told: dict[str, object]) -> None:
        """Check an answer: what the model says, under one request id for ever."""
        expected = self.expected(event)
        found = {name: told[name] for name in expected}
        assert found == expected, (event, found, expected, self.did)
        identity = str(event["id"])
        request = str(told["request_id"])
        assert self.request_ids.setdefault(identity, request) == request, event
        assert told["durable"] is True

    def evaluate(self, event: dict[str, object]) -> None:
        known = str(event["id"]) in self.request_ids
        status, body = self.served.ask("POST", "/api/risk/evaluate", event)
        assert status == 200, body
        told = json.loads(body)
        self.compare(event, told)
        assert told["duplicate"] or not known

    # ---- steps

    def one(self) -> None:
        self.evaluate(self.event())

    def again(self) -> None:
        if self.sent:
            self.evaluate(self.draw.choice(self.sent[-300:]))

    def other_content(self) -> None:
        if not self.request_ids:
            return
        event = next(each for each in reversed(self.sent) if str(each["id"]) in self.request_ids)
        status, body = self.served.ask("POST", "/api/risk/evaluate", {**event, "amount": 77})
        assert (status, json.loads(body)["code"]) == (409, "duplicate_differs")

    def lost_answer(self) -> None:
        """The connection breaks before the answer is read; the retry gets what it was, or would be."""
        event = self.event()
        self.served.send("POST", "/api/risk/evaluate", event)
        self.served.hang_up()
        self.evaluate(event)

    def bad(self) -> None:
        change, status, code = self.draw.choice(BAD)
        if isinstance(change, bytes):
            sent: object = change
        else:
            sent = {"id": "bad", "at": "2026-01-01T00:00:00Z", "customer": "c-1", "amount": 1} | change
        found, body = self.served.ask("POST", "/api/risk/evaluate", sent)
        assert (found, json.loads(body)["code"]) == (status, code), body

    def batch(self) -> None:
        """Several events at once, with a repeat and a bad line among them."""
        events: list[dict[str, object] | None] = [self.event() for _ in range(self.draw.randrange(2, 12))]
        if self.draw.random() < 0.5 and len(self.sent) > 50:
            events.insert(1, self.sent[-40])
        if self.draw.random() < 0.5:
            events.insert(0, None)
        lines = b"\n".join(b"{" if each is None else json.dumps(each).encode() for each in events)
        status, body = self.served.ask("POST", "/api/risk/evaluate/batch", lines, kind="application/x-ndjson")
        assert status == 200, body
        answers = [json.loads(line) for line in body.splitlines()]
        for event, told in zip(events, answers, strict=True):
            if event is None:
                assert told["code"] == "not_json"
            else:
                self.compare(event, told)

    def block(self) -> None:
        if self.model.latest is None:
            return
        customer = f"c-{self.draw.randrange(1, CUSTOMERS)}"
        status, body = self.served.ask(
            "POST", "/api/risk/lists/blocked/entries", {"value": customer, "why": "seen"}, "admin"
        )
        assert status == 201, body
        self.model.block(customer)

    def unblock(self) -> None:
        customers = [name for name, held in self.model.blocked.items() if name != "c-0" and held]
        if not customers:
            return
        customer = self.draw.choice(customers)
        status, body = self.served.ask("POST", "/api/risk/lists/blocked/expire", {"value": customer}, "admin")
        assert status == 200, body
        self.model.unblock(customer)

    def change_policy(self) -> None:
        after = SECOND if self.model.policy == FIRST else FIRST
        version = self.versions[after]
        status, body = self.served.ask("POST", f"/api/risk/policies/{version}/activate", None, "admin")
        assert status == 200, body
        self.model.policy = after

    def stop(self) -> None:
        self.served.stop(signal.SIGTERM)
        self.served.start()

    def kill(self) -> None:
        """A kill with a request under way, sent again afterwards as a payment system would."""
        event = self.event()
        self.served.send("POST", "/api/risk/evaluate", event)
        self.served.stop(signal.SIGKILL)
        self.served.start()
        self.evaluate(event)

    # ---- the audit

    def upload(self) -> None:
        for policy in POLICIES:
            body = {"files": {"policy.yaml": policy}}
            status, answer = self.served.ask("POST", "/api/risk/policies", body, "admin")
            assert status in (200, 201), answer
            self.versions.append(json.loads(answer)["version"])

    def run(self, steps: int) -> None:
        usual = [self.one] * 60 + [self.batch] * 12 + [self.again] * 8 + [self.bad] * 6
        usual += [self.lost_answer] * 4 + [self.other_content] * 3 + [self.block] * 3 + [self.unblock] * 2
        rare = [self.change_policy, self.stop, self.kill, self.change_policy, self.kill]
        every = max(steps // 5, 40)
        self.upload()
        for step in range(steps):
            work = self.draw.choice(usual)
            if step % every == every - 1:
                work = rare[(step // every) % len(rare)]
            self.did[work.__name__] = self.did.get(work.__name__, 0) + 1
            work()

    def finish(self) -> None:
        """Everything acknowledged is there once, under its request id, and the dashboard adds up."""
        found: dict[str, str] = {}
        cursor = None
        while True:
            more = "" if cursor is None else f"&cursor={cursor}"
            status, body = self.served.ask("GET", f"/api/risk/decisions?limit=500{more}", None, "admin")
            assert status == 200, body
            page = json.loads(body)
            for each in page["decisions"]:
                assert each["event_id"] not in found, each
                found[each["event_id"]] = each["request_id"]
                expected = self.model.answers[each["event_id"]]
                assert {name: each[name] for name in expected} == expected
            cursor = page["cursor"]
            if cursor is None:
                break
        assert found == self.request_ids
        assert sum(self.model.actions.values()) == len(found)


@pytest.mark.parametrize("seed", [SEED])
def test_every_answer_is_what_the_model_says(tmp_path: Path, seed: int) -> None:
    folder = tmp_path / "policy"
    folder.mkdir()
    (folder / "policy.yaml").write_text(POLICIES[FIRST])
    served = Served(folder, tmp_path / "data")
    served.start()
    auditor = Auditor(served, seed)
    try:
        auditor.run(STEPS)
        auditor.finish()
        served.stop(signal.SIGTERM)
    finally:
        if served.process is not None and served.process.poll() is None:
            served.process.kill()
            served.process.wait()
    print(auditor.did, auditor.model.actions)
    assert min(auditor.model.actions.values()) > 0
    assert json.loads(served.run("verify", served.data, "--json"))["ok"]
    assert json.loads(served.run("audit", "verify", served.data, "--json"))["ok"]
