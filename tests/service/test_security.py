"""Sessions, keys, invitations, limits, headers, the audit log: what keeps others out."""

import dataclasses
import json
import logging
import re

import pytest
import structlog
from sqlalchemy import delete, text, update

from riskweave.service import gate, logs
from riskweave.service.audit import AuditLog
from riskweave.service.masking import is_personal_name
from riskweave.service.settings import Logging, Security
from riskweave.service.tables import audit, keys, sessions
from tests.service.conftest import Place, payment, problem


def test_a_session_is_a_cookie_that_scripts_cannot_read(place):
    place.user("ann", "analyst")
    response = place.sign_in("ann")
    cookie = response.headers["set-cookie"]
    assert all(word in cookie for word in ("HttpOnly", "SameSite=strict", "Secure", "Path=/"))
    assert place.client.get("/api/risk/session").json()["name"] == "ann"
    with place.database.read() as connection:
        stored = str(
            [row._asdict() for row in connection.execute(text("select * from sessions, users, api_keys"))]
        )
    assert place.client.cookies[gate.COOKIE] not in stored
    assert "a long enough one" not in stored
    assert place.keys["admin"] not in stored


def test_a_change_needs_the_csrf_token_of_the_session(place):
    place.user("ann", "admin")
    csrf = place.sign_in("ann").json()["csrf"]
    body = {"name": "new", "role": "analyst"}
    post = place.client.post
    problem(post("/api/risk/users", json=body), 403, "csrf")
    problem(post("/api/risk/users", json=body, headers={"x-csrf-token": "0" * 64}), 403, "csrf")
    headers = {"x-csrf-token": csrf}
    problem(
        post("/api/risk/users", json=body, headers=headers | {"sec-fetch-site": "cross-site"}), 403, "csrf"
    )
    problem(post("/api/risk/evaluate", json=payment(1)), 403, "csrf")
    assert post("/api/risk/evaluate", json=payment(1), headers=headers).status_code == 200
    assert post("/api/risk/users", json=body, headers=headers).status_code == 201


def test_signing_out_and_switching_off_end_a_session(place):
    user = place.user("ann", "analyst")
    csrf = place.sign_in("ann").json()["csrf"]
    assert place.client.delete("/api/risk/session", headers={"x-csrf-token": csrf}).status_code == 204
    problem(place.client.get("/api/risk/session"), 401, "not_authenticated")
    place.sign_in("ann")
    place.call("PATCH", f"/api/risk/users/{user['id']}", json={"active": False})
    problem(place.client.get("/api/risk/session"), 401, "not_authenticated")
    problem(place.sign_in("ann"), 401, "login_failed")


@pytest.mark.parametrize("column", ["expires_ms", "seen_ms"])
def test_a_session_ends_by_its_age_and_by_idleness(place, column):
    place.user("ann", "analyst")
    place.sign_in("ann")
    with place.database.change() as connection:
        connection.execute(update(sessions).values(**{column: 1}))
    problem(place.client.get("/api/risk/session"), 401, "not_authenticated")


def test_a_revoked_or_expired_key_is_refused_at_once(place):
    assert place.evaluate(payment(1)).status_code == 200
    number = next(
        each["id"] for each in place.call("GET", "/api/risk/keys").json() if each["name"] == "the sender"
    )
    assert place.call("DELETE", f"/api/risk/keys/{number}").status_code == 200
    problem(place.evaluate(payment(2)), 401, "not_authenticated")
    with place.database.change() as connection:
        connection.execute(update(keys).where(keys.c.name == "the analyst").values(expires_ms=1))
    problem(place.call("GET", "/api/risk/decisions", "analyst"), 401, "not_authenticated")


def test_guessing_passwords_is_slowed_down(place):
    place.user("ann", "analyst")
    for _ in range(5):
        problem(place.sign_in("ann", "wrong"), 401, "login_failed")
    refused = place.sign_in("ann")
    problem(refused, 429, "too_many_logins")
    assert int(refused.headers["retry-after"]) > 200


def test_a_wrong_name_and_a_wrong_password_are_told_alike(place):
    place.user("ann", "analyst")
    first, second = place.sign_in("ann", "wrong").json(), place.sign_in("eve", "wrong").json()
    assert {**first, "request_id": ""} == {**second, "request_id": ""}


def test_an_invitation_works_once_and_not_too_late(place):
    token = place.call("POST", "/api/risk/users", json={"name": "bob", "role": "analyst"}).json()["token"]
    accept = {"token": token, "password": "correct horse battery"}
    problem(place.client.post("/api/risk/invitation", json=accept | {"password": "short"}), 422, "invalid")
    assert place.client.post("/api/risk/invitation", json=accept).json()["name"] == "bob"
    problem(place.client.post("/api/risk/invitation", json=accept), 410, "gone")


def test_the_last_administrator_stays(place):
    admin = place.user("ann", "admin")
    change = place.call("PATCH", f"/api/risk/users/{admin['id']}", json={"role": "analyst"})
    problem(change, 409, "conflict")


def test_every_answer_of_a_page_carries_headers_that_protect_it(place):
    for path in ("/", "/docs", "/setup", "/openapi.json", "/nothing"):
        headers = place.client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["strict-transport-security"]


def test_too_large_is_too_large_everywhere(place):
    big = b'{"name": "' + b"x" * 2_000_000 + b'"}'
    headers = {"content-type": "application/json"}
    problem(place.call("POST", "/api/risk/users", content=big, headers=headers), 413, "too_large")
    problem(place.call("POST", "/api/risk/evaluate", content=big, headers=headers), 413, "too_large")

    def pieces():
        for _ in range(40):
            yield b"x" * 50_000

    problem(place.call("POST", "/api/risk/users", content=pieces(), headers=headers), 413, "too_large")
    problem(place.call("POST", "/api/risk/evaluate", content=pieces(), headers=headers), 413, "too_large")


# ---- personal data


def test_personal_fields_are_masked_by_role(place):
    place.evaluate(payment(1))
    shown = {
        role: place.call("GET", "/api/risk/decisions/p1", role).json()["event"]
        for role in ("analyst", "auditor")
    }
    assert shown["analyst"]["card_number"] == "4111111111111111"
    assert (shown["auditor"]["card_number"], shown["auditor"]["nickname"]) == ("***11", "***")
    # What the policy says goes before what the name says.
    assert shown["auditor"]["device_name"] == "kitchen phone"
    assert shown["auditor"]["customer"] == "c1"
    for path in (
        "/api/risk/decisions",
        "/api/risk/entities/customer/c1/features",
        "/api/risk/stream?cursor=0.0&once=1",
    ):
        assert "4111111111111111" in place.call("GET", path, "analyst").text
        for role in ("auditor", "read_only"):
            assert "4111111111111111" not in place.call("GET", path, role).text
            assert "Annie" not in place.call("GET", path, role).text


def test_who_may_not_see_a_field_may_not_ask_for_its_value(place):
    place.evaluate(payment(1))
    query = "/api/risk/decisions?where=card_number:4111111111111111"
    problem(place.call("GET", query, "auditor"), 403, "not_allowed")
    assert len(place.call("GET", query, "analyst").json()["decisions"]) == 1


def test_names_that_tell_of_a_person_are_known():
    personal = [
        "name",
        "first_name",
        "email",
        "e_mail",
        "phone",
        "card_number",
        "iban",
        "ip",
        "billing_address",
        "dob",
    ]
    plain = [
        "customer_id",
        "merchant_id",
        "amount",
        "country",
        "filename",
        "shipping_method",
        "recipient_count",
        "zip_code",
    ]
    assert [each for each in personal if not is_personal_name(each)] == []
    assert [each for each in plain if is_personal_name(each)] == []


@pytest.fixture(params=["json", "text"])
def logging_as_served(request, capsys):
    """Log as `riskweave serve` does; put back afterwards what was there."""
    root = logging.getLogger()
    before = root.handlers, root.level
    logs.set_up(Logging(format=request.param))
    yield
    root.handlers, _ = before
    root.setLevel(before[1])
    structlog.reset_defaults()


def test_personal_data_is_not_logged(logging_as_served, place, capsys):
    place.evaluate(payment(1, amount="x"))
    place.backend.refuse = ZeroDivisionError("boom")
    place.evaluate(payment(2))
    told = capsys.readouterr()
    assert "boom" in told.err
    assert "4111111111111111" not in told.out + told.err


# ---- audit


def test_every_change_leaves_an_entry(place):
    place.call("POST", "/api/risk/keys", json={"name": "shop"})
    place.call("POST", "/api/risk/lists/blocked/entries", "analyst", json={"value": "c9"})
    entries = place.call("GET", "/api/risk/audit").json()
    assert [(each["actor"], each["action"], each["target"]) for each in entries[:2]] == [
        ("key:the analyst", "list.add", "blocked"),
        ("key:the admin", "key.add", "shop"),
    ]
    assert place.call("GET", "/api/risk/audit/verify").json()["ok"]
    assert place.backend.commands == [("add", "key:the analyst")]


def test_a_refused_change_leaves_an_entry_too(place):
    problem(place.call("POST", "/api/risk/lists/none/entries", json={"value": "c9"}), 422, "event_invalid")
    actions = [each["action"] for each in place.call("GET", "/api/risk/audit").json()]
    assert actions[:2] == ["list.add.refused", "list.add"]


@pytest.mark.parametrize(
    ("tampering", "told"),
    [
        (update(audit).where(audit.c.sequence == 2).values(actor="user:eve"), "entry 2 was changed"),
        (update(audit).where(audit.c.sequence == 3).values(detail="{}"), "entry 3 was changed"),
        (delete(audit).where(audit.c.sequence == 4), "entry 4 is missing"),
        (delete(audit).where(audit.c.sequence >= 6), "cut off"),
        (delete(audit), "cut off"),
    ],
)
def test_tampering_with_the_audit_log_is_found(place, tampering, told):
    assert place.service.log.verify(place.database).wrong == ""
    with place.database.change() as connection:
        connection.execute(tampering)
    assert told in place.service.log.verify(place.database).wrong


def test_a_chain_made_anew_fits_only_with_the_key(tmp_path, settings):
    secured = dataclasses.replace(settings, security=Security(audit_key="a secret"))
    with Place(tmp_path, secured) as place:
        assert place.service.log.verify(place.database).wrong == ""
        forged = AuditLog(tmp_path, "")
        with place.database.change() as connection:
            connection.execute(delete(audit))
            for number in range(7):
                forged.write(connection, "user:eve", "key.add", str(number))
        assert "entry 1 was changed" in place.service.log.verify(place.database).wrong


def test_an_uncommitted_entry_does_not_break_the_chain(place):
    def refused():
        with place.database.change() as connection:
            place.service.log.write(connection, "x", "y", "z")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        refused()
    assert place.service.log.verify(place.database).wrong == ""
    with place.database.change() as connection:
        place.service.log.write(connection, "x", "y", "z")
    assert place.service.log.verify(place.database).wrong == ""


def test_an_attempt_that_is_denied_leaves_one_entry(place):
    for _ in range(3):
        problem(place.call("POST", "/api/risk/policies/roll-back", "analyst"), 403, "not_allowed")
    problem(place.call("POST", "/api/risk/evaluate", "auditor", json=payment(1)), 403, "not_allowed")
    place.client.portal.call(place.service.denials.finish)
    entries = place.call("GET", "/api/risk/audit").json()
    denied = [(each["actor"], each["target"]) for each in entries if each["action"] == "denied"]
    assert sorted(denied) == [
        ("key:the analyst", "POST /api/risk/policies/roll-back"),
        ("key:the auditor", "POST /api/risk/evaluate"),
    ]


def test_a_session_that_somebody_else_chose_is_not_taken_over(place):
    place.user("ann", "admin")
    place.client.cookies.set("riskweave_session", "chosen-by-somebody-else", domain="risk.test")
    before = place.client.cookies.get("riskweave_session", domain="risk.test")
    assert place.sign_in("ann").status_code == 200
    values = {each.value for each in place.client.cookies.jar if each.name == "riskweave_session"}
    assert values != {before}
    place.client.cookies.clear()
    place.client.cookies.set("riskweave_session", before, domain="risk.test")
    assert place.client.get("/api/risk/session").status_code == 401


def test_no_change_by_cookie_goes_without_the_csrf_token(place):
    """Every route that changes anything, tried with a signed-in browser's cookie alone."""
    place.user("ann", "admin")
    place.sign_in("ann")
    open_to_all = {"/api/risk/session", "/api/risk/invitation", "/api/risk/evaluate/batch"}
    tried = 0
    for path, methods in place.client.get("/openapi.json").json()["paths"].items():
        for method in methods:
            if method in ("get", "head") or (path in open_to_all and method == "post"):
                continue
            url = re.sub(r"{[^}]*}", "1", path)
            answer = place.client.request(method.upper(), url, json={})
            problem(answer, 403, "csrf")
            tried += 1
    assert tried > 15
    batch = place.client.post("/api/risk/evaluate/batch", content=b"{}")
    problem(batch, 403, "csrf")


def test_requests_are_logged_by_route_when_asked_for(tmp_path, settings, capsys):
    from riskweave.service.logs import set_up

    asked = dataclasses.replace(settings, logging=dataclasses.replace(settings.logging, requests=True))
    handlers, level = logging.getLogger().handlers, logging.getLogger().level
    try:
        with Place(tmp_path, asked) as place:
            set_up(asked.logging)
            place.evaluate(payment(1))
            place.call("GET", "/api/risk/decisions/p1?language=zh")
    finally:
        logging.getLogger().handlers, logging.getLogger().level = handlers, level
        structlog.reset_defaults()
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    told = [(each["url.path"], each["http.response.status_code"]) for each in lines if "url.path" in each]
    assert told == [("/api/risk/evaluate", 200), ("/api/risk/decisions/{name}", 200)]
    assert "p1" not in "".join(str(each) for each in lines if "url.path" in each)
