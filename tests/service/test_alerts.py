"""Alerts: a rule that is true alerts once, is delivered with retries, and never to neighbours."""

import http.server
import json
import threading

import pytest

from riskweave.service import delivery
from riskweave.service.alerts import Alerts, Share, Silence, Spike
from riskweave.service.audit import AuditLog
from riskweave.service.database import Database
from riskweave.service.delivery import (
    Deliveries,
    is_public,
    public_address,
    read_hook,
    read_mail_address,
    signature,
)
from riskweave.service.meter import Meter
from riskweave.service.outcomes import Outcome, Outcomes, roll_up, rolled_up_to
from riskweave.service.problems import Problem
from riskweave.service.settings import Alerts as AlertSettings
from tests.service.conftest import payment, problem


@pytest.fixture
def database(tmp_path):
    opened = Database.open(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def alerts(database, tmp_path):
    return Alerts(database, AuditLog(tmp_path))


def outcomes(
    actions: str, start: int = 1, at_ms: int = 1_000_000, step_ms: int = 10, scenario: str = "payment"
):
    """Decisions: P is a PASS, B a BLOCK."""
    names = {"P": "PASS", "B": "BLOCK"}
    return [
        Outcome(start + n, at_ms + n * step_ms, scenario, names[letter], 0.9 if letter == "B" else 0.1, 10.0)
        for n, letter in enumerate(actions)
    ]


def test_more_than_a_fifth_of_the_last_hundred_alerts(alerts):
    alerts.put_rule("t", None, "high risk", Share(), [], True)
    assert not alerts.watch(outcomes("P" * 80 + "B" * 20), 0)
    assert alerts.search(None, None, 10, frozenset()) == []
    assert alerts.watch(outcomes("B", 101, 2_000_000), 0)
    (alert,) = alerts.search("open", None, 10, frozenset())
    assert (alert["rule"], alert["value"], alert["threshold"]) == ("high risk", 0.21, 0.2)
    assert "21%" in alert["message_en"]
    assert "21%" in alert["message_zh"]


def test_fewer_than_a_hundred_do_not_alert(alerts):
    alerts.put_rule("t", None, "high risk", Share(), [], True)
    assert not alerts.watch(outcomes("B" * 99), 0)


def test_a_rule_that_stays_true_counts_on_and_alerts_again_after_its_cooldown(alerts):
    alerts.put_rule("t", None, "high risk", Share(last=10, cooldown_s=60), [], True)
    assert alerts.watch(outcomes("B" * 12), 0)
    assert not alerts.watch(outcomes("B" * 5, 20, 1_030_000), 0)
    (alert,) = alerts.search(None, None, 10, frozenset())
    assert (alert["count"], alert["last_ms"]) == (2, 1_030_040)
    assert alerts.watch(outcomes("B" * 5, 30, 1_070_000), 0)
    assert len(alerts.search(None, None, 10, frozenset())) == 2


def test_a_rule_of_one_scenario_looks_at_no_other(alerts):
    alerts.put_rule("t", None, "logins", Share(last=10, scenario="login"), [], True)
    assert not alerts.watch(outcomes("B" * 50), 0)
    assert alerts.watch(outcomes("B" * 10, 51, scenario="login"), 0)
    assert alerts.search(None, None, 10, frozenset({"payment"})) == []


def test_a_spike_is_measured_against_the_windows_before(alerts):
    alerts.put_rule("t", None, "spike", Spike(window_s=1, windows=5, factor=3, least=10), [], True)
    for second in range(6):
        assert not alerts.watch(outcomes("P" * 5, 1 + 10 * second, 1_000_000 + 1_000 * second), 0)
    assert not alerts.watch(outcomes("P" * 15, 100, 1_006_000), 0)
    assert alerts.watch(outcomes("P" * 6, 200, 1_006_500), 0)


def test_silence_alerts_once_time_has_passed(alerts):
    alerts.put_rule("t", None, "silence", Silence(seconds=60), [], True)
    assert not alerts.watch(outcomes("P"), 1_000_000)
    assert not alerts.watch([], 1_059_000)
    assert alerts.watch([], 1_061_000)


def test_a_changed_rule_starts_anew_and_another_keeps_its_memory(alerts):
    first = alerts.put_rule("t", None, "one", Share(last=10), [], True)
    alerts.put_rule("t", None, "two", Share(last=12), [], True)
    alerts.watch(outcomes("B" * 9), 0)
    alerts.put_rule("t", first["id"], "one", Share(last=11), [], True)
    assert not alerts.watch(outcomes("B", 10), 0)
    assert alerts.watch(outcomes("BB", 11), 0)
    assert [each["rule"] for each in alerts.search(None, None, 10, frozenset())] == ["two"]


# ---- outcomes


def test_outcomes_behind_an_open_batch_wait_for_it(database):
    taken = Outcomes()
    for each in outcomes("PPP"):
        taken.add(each)
    held = taken.hold()
    later = outcomes("B", 10)[0]
    taken.add(later)
    assert [each.sequence for each in taken.take()] == [1, 2, 3]
    for each in outcomes("PP", 4):
        taken.add(each)
    taken.release(held)
    rest = taken.take()
    assert [each.sequence for each in rest] == [4, 5, 10]
    roll_up(database, rest)
    assert rolled_up_to(database) == 10


# ---- the way out


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "::1", "fe80::1", "fc00::1",
     "::ffff:127.0.0.1", "64:ff9b::7f00:1", "100.64.0.1", "224.0.0.1", "2002:7f00:1::", "240.0.0.1"],
)  # fmt: skip
def test_an_address_of_the_neighbourhood_is_not_public(address):
    assert not is_public(address)


def test_a_name_that_leads_to_one_private_address_is_refused():
    hook = read_hook("https://hooks.example/x", AlertSettings())
    for addresses in (["10.0.0.1"], ["93.184.216.34", "127.0.0.1"]):
        with pytest.raises(PermissionError):
            public_address(hook, AlertSettings(), lambda *_, found=addresses: found)
    assert public_address(hook, AlertSettings(), lambda *_: ["93.184.216.34"]) == "93.184.216.34"


@pytest.mark.parametrize(
    "url",
    ["http://hooks.example/", "ftp://x/", "https://user@host/", "https://host:0/", "https://host:99999/",
     "https://host/ x", "https://host/#f\n", "file:///etc/passwd", "https://" + "x" * 3000, "https://例.cn/"],
)  # fmt: skip
def test_a_webhook_that_is_no_plain_https_address_is_refused(url):
    with pytest.raises(Problem):
        read_hook(url, AlertSettings())


def test_only_named_hosts_when_the_settings_name_some():
    settings = AlertSettings(webhook_hosts="hooks.example")
    assert read_hook("https://HOOKS.example/x", settings).host == "hooks.example"
    with pytest.raises(Problem):
        read_hook("https://other.example/x", settings)


def test_an_address_without_a_host_is_no_mail_address():
    assert read_mail_address("risk@bank.example") == "risk@bank.example"
    for wrong in ("risk", "a@b\nBcc: c@d", "a b@c", "@x"):
        with pytest.raises(Problem):
            read_mail_address(wrong)


class Receiver(http.server.BaseHTTPRequestHandler):
    got: list = []  # noqa: RUF012
    answers: list = []  # noqa: RUF012

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.got.append((dict(self.headers), body))
        self.send_response(self.answers.pop(0) if self.answers else 200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def test_a_webhook_is_tried_again_and_signed(alerts, database):
    server = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Receiver.got, Receiver.answers = [], [500, 302]
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}/hook"
        targets = [{"kind": "webhook", "to": url}, {"kind": "email", "to": "a@b.example"}]
        alerts.put_rule("t", None, "high risk", Share(last=10), targets, True)
        alerts.watch(outcomes("B" * 10), 0)
        settings = AlertSettings(
            webhook_private=True, webhook_secret="s", delivery_first_wait_s=0.0, delivery_attempts=3
        )
        mails = []
        queue = Deliveries(database, settings, Meter(dict))
        queue.senders["email"] = lambda address, content, _: mails.append((address, content["message_zh"]))
        for _ in range(3):
            queue.deliver_due()
        assert queue.deliver_due() == 0
        assert len(Receiver.got) == 3
        headers, body = Receiver.got[-1]
        named = {name.lower(): value for name, value in headers.items()}
        assert named["x-riskweave-signature"] == signature("s", named["x-riskweave-timestamp"], body)
        assert json.loads(body)["rule"] == "high risk"
        assert [address for address, _ in mails] == ["a@b.example"]
        assert {each["state"] for each in alerts.deliveries(1)} == {"delivered"}
    finally:
        server.shutdown()
        server.server_close()


def test_what_is_never_taken_is_given_up(alerts, database):
    alerts.put_rule("t", None, "high risk", Share(last=10), [{"kind": "email", "to": "a@b.example"}], True)
    alerts.watch(outcomes("B" * 10), 0)
    queue = Deliveries(database, AlertSettings(delivery_first_wait_s=0.0, delivery_attempts=3), Meter(dict))
    for _ in range(5):
        queue.deliver_due()
    (delivery,) = alerts.deliveries(1)
    assert (delivery["state"], delivery["attempts"]) == ("given up", 3)
    assert "smtp_host" in delivery["error"]


# ---- through the API


def test_an_alert_comes_by_the_stream_and_is_handled(place):
    rule = {"name": "high risk", "settings": {"kind": "share", "last": 10, "share": 0.2}}
    assert place.call("POST", "/api/risk/alert-rules", "risk_manager", json=rule).status_code == 201
    problem(place.call("POST", "/api/risk/alert-rules", "risk_manager", json=rule), 409, "conflict")
    with place.client.websocket_connect(
        "/api/risk/live?cursor=0.0", headers={"authorization": f"Bearer {place.keys['analyst']}"}
    ) as socket:
        for number in range(12):
            place.evaluate(payment(number, amount="5000"))
        found: list = []
        while not found:
            found = json.loads(socket.receive_text()).get("alerts", [])
    number = found[0]["id"]
    handled = place.call(
        "POST", f"/api/risk/alerts/{number}", "analyst", json={"state": "resolved", "note": "ok"}
    )
    assert (handled.json()["state"], handled.json()["handled_by"]) == ("resolved", "key:the analyst")
    assert place.call("GET", "/api/risk/alerts?state=open").json() == []
    assert place.call("GET", "/api/risk/audit").json()[0]["action"] == "alert.resolved"


def test_a_rule_with_a_bad_target_or_setting_is_refused(place):
    settings = {"kind": "share", "last": 10}
    for target in ({"kind": "webhook", "to": "http://169.254.169.254/"}, {"kind": "email", "to": "nobody"}):
        rule = {"name": "x", "settings": settings, "targets": [target]}
        problem(place.call("POST", "/api/risk/alert-rules", json=rule), 422, "invalid")
    for wrong in ({"kind": "share", "share": 2}, {"kind": "none"}, {"kind": "spike", "x": 1}):
        told = problem(
            place.call("POST", "/api/risk/alert-rules", json={"name": "x", "settings": wrong}), 422, "invalid"
        )
        assert told["errors"]


def test_a_redirect_is_not_followed_and_a_name_that_changes_is_not_asked_twice(monkeypatch):
    """The address that was judged is the one connected to, whatever the name says a moment later."""
    seen: list[str] = []

    class Away(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            seen.append(self.path)
            self.send_response(302)
            self.send_header("location", f"http://127.0.0.1:{self.server.server_port}/inner")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Away)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    asked: list[str] = []

    def resolve(host, port):
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    monkeypatch.setattr(delivery, "_resolve", resolve)
    settings = AlertSettings(webhook_private=True)
    try:
        with pytest.raises(OSError, match="302"):
            delivery.call_webhook(f"http://hook.test:{server.server_port}/outer", {"id": 1}, settings)
        assert (seen, asked) == (["/outer"], ["hook.test"])
        with pytest.raises(PermissionError):
            delivery.call_webhook("https://hook.test/outer", {"id": 1}, AlertSettings())
        assert seen == ["/outer"]
    finally:
        server.shutdown()
        server.server_close()
