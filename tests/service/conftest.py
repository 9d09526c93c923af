"""A service over a small engine, and clients of every role."""

import dataclasses
import json

import pytest
from starlette.testclient import TestClient

from riskweave import Policy
from riskweave.service.application import Application
from riskweave.service.database import Database
from riskweave.service.durable import DurableBackend
from riskweave.service.roles import ROLES
from riskweave.service.service import Service
from riskweave.service.settings import Security, Settings
from tests.service.fake import FakeBackend

POLICY = {
    "policy": {"name": "small"},
    "events": {
        "payment": {
            "id": "id",
            "time": "at",
            "match": {"type": "payment"},
            "fields": {
                "id": {"type": "string", "required": True},
                "at": "time",
                "customer": "string",
                "amount": {"type": "money", "required": True},
                "card_number": "string",
                "nickname": {"type": "string", "personal": True},
                "device_name": {"type": "string", "personal": False},
                "fraud": {"type": "label", "delay": "1h"},
            },
        },
        "login": {
            "id": "id",
            "time": "at",
            "match": {"type": "login"},
            "fields": {"id": "string", "at": "time", "customer": "string", "ok": "bool"},
        },
    },
    "entities": {"customer": "customer"},
    "lists": {"blocked": ["c-bad"]},
    "features": {
        "paid_1h": 'customer.sum(amount, "1h")',
        "paid_before": 'customer.sum(amount, "1h", before=True)',
    },
    "patterns": {
        "try_then_pay": {
            "key": "customer",
            "within": "1h",
            "stages": [
                {"begin": "attempt", "on": "login", "where": "ok == False"},
                {"followed_by": "paid", "on": "payment"},
            ],
        }
    },
    "rules": [
        {
            "id": "much",
            "when": "paid_1h > 1000",
            "risk": 0.9,
            "reason": {"en": "Much in one hour", "zh": "一小时内金额过大"},
        },
        {"id": "listed", "when": "customer in blocked", "risk": 0.8},
    ],
}


def payment(number: int, **more: object) -> dict:
    """An event of the policy."""
    minute, second = divmod(number, 60)
    hour, minute = divmod(minute, 60)
    return {
        "type": "payment",
        "id": f"p{number}",
        "at": f"2026-01-01T{hour % 24:02}:{minute:02}:{second:02}Z",
        "customer": f"c{number % 7}",
        "amount": "10.00",
        "card_number": "4111111111111111",
        "nickname": "Annie",
        "device_name": "kitchen phone",
    } | more


class Place:
    """A running service and its clients."""

    def __init__(self, folder, settings: Settings, journal: bool = False, policy=POLICY) -> None:
        self.folder = folder
        self.database = Database.open(folder)
        self.policy = Policy.from_dict(policy)
        self.backend = (
            DurableBackend.open(folder, self.policy, settings.storage)
            if journal
            else FakeBackend(self.policy)
        )
        self.service = Service(self.backend, self.backend.policy(), folder, settings, self.database)
        self.client = TestClient(Application(self.service), base_url="https://risk.test")
        self.keys = {}
        for role in ROLES:
            _, self.keys[role] = self.service.accounts.add_key("test", f"the {role}", role)

    def __enter__(self) -> "Place":
        self.client.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.client.__exit__(None, None, None)

    def call(self, method: str, path: str, role: str | None = "admin", **more):
        """Send a request with the key of a role."""
        headers = dict(more.pop("headers", {}))
        if role is not None:
            headers["authorization"] = f"Bearer {self.keys[role]}"
        return self.client.request(method, path, headers=headers, **more)

    def evaluate(self, event: object, role: str | None = "sender", **more):
        return self.call("POST", "/api/risk/evaluate", role, json=event, **more)

    def user(self, name: str, role: str, scenarios=(), password: str = "a long enough one") -> dict:
        """Add a user with a password."""
        user, token = self.service.accounts.add_user("test", name, role, scenarios)
        self.service.accounts.accept(token, None, password)
        return user

    def sign_in(self, name: str, password: str = "a long enough one"):
        return self.client.post("/api/risk/session", json={"name": name, "password": password})


def problem(response, status: int, code: str) -> dict:
    """Check that an answer is an error of the documented shape, and return it."""
    assert (response.status_code, response.headers["content-type"]) == (
        status,
        "application/problem+json",
    ), response.text
    told = json.loads(response.content)
    assert set(told) >= {"type", "title", "status", "code", "message", "field", "expected", "request_id"}
    assert (told["code"], told["status"], told["type"]) == (code, status, f"urn:riskweave:error:{code}")
    return told


@pytest.fixture
def settings() -> Settings:
    return dataclasses.replace(Settings(), security=Security())


@pytest.fixture
def place(tmp_path, settings):
    with Place(tmp_path, settings) as made:
        yield made


@pytest.fixture
def journaled(tmp_path, settings):
    """The service over the real engine and its journal."""
    with Place(tmp_path, settings, journal=True) as made:
        yield made


@pytest.fixture(params=["small", "journal"])
def either(request, tmp_path, settings):
    """The service over the small engine, and over the real one: one contract for both."""
    with Place(tmp_path, settings, journal=request.param == "journal") as made:
        yield made
