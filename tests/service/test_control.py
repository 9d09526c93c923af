"""What people do: search, explain, change lists and policies, look at entities, alerts, streams, pages."""

import io
import json
import re
import tarfile
import time
import zipfile

import pytest
import yaml

from riskweave.service.archive import PolicyArchive
from riskweave.service.problems import CODES, Problem
from tests.service.conftest import POLICY, payment, problem


def zipped(files: dict[str, str]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def tarred(members: list[tarfile.TarInfo]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    return stream.getvalue()


def stricter(limit: int) -> dict[str, str]:
    rules = [{"id": "much", "when": f"paid_1h > {limit}", "risk": 0.9}]
    return {"policy.yaml": yaml.safe_dump({**POLICY, "rules": rules}, allow_unicode=True)}


def upload(place, files, role="risk_manager", path="/api/risk/policies"):
    return place.call("POST", path, role, content=zipped(files), headers={"content-type": "application/zip"})


# ---- decisions


def test_decisions_are_searched_page_by_page(either):
    for number in range(30):
        either.evaluate(payment(number, amount="2000" if number % 3 == 0 else "1"))
    seen, cursor = [], None
    while True:
        query = "/api/risk/decisions?action=BLOCK&limit=4" + (f"&cursor={cursor}" if cursor else "")
        page = either.call("GET", query).json()
        seen += [each["event_id"] for each in page["decisions"]]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen))
    every = either.call("GET", "/api/risk/decisions?limit=500").json()["decisions"]
    assert seen == [each["event_id"] for each in every if each["action"] == "BLOCK"]
    by_field = either.call("GET", "/api/risk/decisions?where=customer:c2&since=2026-01-01T00:00:10Z").json()
    assert [each["event_id"] for each in by_field["decisions"]] == ["p23", "p16"]
    problem(either.call("GET", "/api/risk/decisions?since=yesterday"), 422, "invalid")
    problem(either.call("GET", "/api/risk/decisions?limit=0"), 422, "invalid")


def test_a_decision_is_shown_and_explained_in_both_languages(either):
    login = {"type": "login", "id": "l1", "at": "2026-01-01T00:00:00Z", "customer": "c1", "ok": False}
    either.evaluate(login)
    either.evaluate(payment(1, amount="2000"))
    full = either.call("GET", "/api/risk/decisions/p1").json()
    assert full["features"]["paid_1h"] == 2000
    assert [each["pattern"] for each in full["patterns"]] == ["try_then_pay"]
    why = {
        language: either.call("GET", f"/api/risk/decisions/p1/explanation?language={language}").json()
        for language in ("en", "zh")
    }
    assert [each["language"] for each in why.values()] == ["en", "zh"]
    for told in why.values():
        assert told["summary"]["en"].startswith("Blocked: Much in one hour")
        assert told["summary"]["zh"].startswith("拦截：一小时内金额过大")
    problem(either.call("GET", "/api/risk/decisions/p9"), 404, "not_found")


def test_the_dashboard_counts_every_decision_once(either):
    blocked = 0
    for number in range(20):
        event = payment(number, amount="2000" if number % 4 == 0 else "1")
        blocked += either.evaluate(event).json()["action"] == "BLOCK"
        either.evaluate(event)
    deadline = time.monotonic() + 20
    while True:
        board = either.call("GET", "/api/risk/dashboard?hours=1").json()
        if board["totals"]["decisions"] == 20:
            break
        assert time.monotonic() < deadline, board
        time.sleep(0.1)
    assert board["totals"]["actions"]["BLOCK"] == blocked
    assert board["scenarios"]["payment"]["BLOCK"] == blocked
    assert sum(point["BLOCK"] for point in board["series"]) == blocked
    assert board["before"]["decisions"] == 0


def test_an_entity_is_shown_with_what_is_under_way(either):
    either.evaluate(
        {"type": "login", "id": "l1", "at": "2026-01-01T00:00:00Z", "customer": "c1", "ok": False}
    )
    path = "/api/risk/entities/customer/c1"
    under_way = either.call("GET", f"{path}/partial-matches").json()["partial_matches"]
    assert [(each["pattern"], each["stages_seen"]) for each in under_way] == [("try_then_pay", 1)]
    either.evaluate(payment(1, amount="7"))
    either.evaluate(payment(8, amount="5"))
    assert either.call("GET", f"{path}/features").json()["features"]["paid_1h"] == 12
    before = either.call("GET", f"{path}/features?as_of=2026-01-01T00:00:05Z").json()
    assert before["features"]["paid_1h"] == 7
    problem(either.call("GET", "/api/risk/entities/customers/c1/features"), 404, "not_found")


# ---- lists


def test_a_list_is_changed_and_searched(either):
    add, blocked = "/api/risk/lists/blocked/entries", "/api/risk/lists/blocked"
    assert either.call("POST", add, "analyst", json={"value": "c1", "why": "seen twice"}).status_code == 201
    assert either.evaluate(payment(1)).json()["rules"] == ["listed"]
    found = either.call("GET", f"{blocked}?contains=C1").json()["entries"]
    assert [(each["value"], each["by"], each["why"]) for each in found] == [
        ("c1", "key:the analyst", "seen twice")
    ]
    assert either.call("POST", f"{blocked}/expire", json={"value": "c1"}).json() == {"ended": 1}
    assert either.evaluate(payment(8)).json()["rules"] == []
    assert [each["value"] for each in either.call("GET", blocked).json()["entries"]] == ["c-bad"]
    changes = {
        "add": [{"value": f"x{n}"} for n in range(5)] + [{"value": "y" * 1000}],
        "remove": [{"value": "c-bad"}],
    }
    done = either.call("POST", f"{blocked}/bulk", json=changes).json()
    assert (done["added"] + len([e for e in done["errors"] if e["list"] == "add"]), done["ended"]) == (6, 1)
    pages, cursor = [], 0
    while cursor is not None:
        page = either.call("GET", f"{blocked}?limit=2&cursor={cursor}").json()
        pages += [each["value"] for each in page["entries"]]
        cursor = page["cursor"]
    assert pages[:5] == [f"x{n}" for n in range(5)]
    assert [each["name"] for each in either.call("GET", "/api/risk/lists").json()] == ["blocked"]


# ---- policies


def test_a_policy_goes_live_and_back(either):
    either.evaluate(payment(1, amount="500"))
    first = either.service.live.version
    made = upload(either, stricter(100)).json()
    assert made["ok"]
    version = made["version"]
    assert either.call("POST", f"/api/risk/policies/{version}/activate").json() == {
        "active": version,
        "before": first,
    }
    assert either.evaluate(payment(8, amount="1")).json()["action"] == "BLOCK"
    assert either.evaluate(payment(8, amount="1")).json()["policy_version"] == version
    other = upload(either, stricter(200)).json()["version"]
    changed = either.call("GET", f"/api/risk/policies/diff?before={version}&after={other}").json()["files"]
    assert [line for line in changed[0]["diff"] if line[0] in "+-"][2:] == [
        "-  when: paid_1h > 100",
        "+  when: paid_1h > 200",
    ]
    assert either.call("POST", "/api/risk/policies/roll-back").json()["active"] == first
    history = either.call("GET", "/api/risk/policies/history").json()
    assert [(each["kind"], each["by"]) for each in history] == [
        ("rollback", "key:the admin"),
        ("activation", "key:the admin"),
    ]
    assert "policy.yaml" in either.call("GET", f"/api/risk/policies/{version}").json()["files"]


def test_a_wrong_policy_is_refused_with_its_place(either):
    wrong = {
        "policy.yaml": yaml.safe_dump({**POLICY, "rules": [{"id": "a", "when": "paid_1hh > 1", "risk": 1}]})
    }
    told = problem(upload(either, wrong), 422, "policy_invalid")
    assert told["findings"][0]["hint"] == "did you mean `paid_1h`?"
    assert told["findings"][0]["line"] > 0
    checked = upload(either, wrong, "read_only", "/api/risk/policies/check").json()
    assert (checked["ok"], checked["findings"]) == (False, told["findings"])
    as_json = either.call("POST", "/api/risk/policies/check", json={"files": stricter(3)}).json()
    assert as_json["ok"]


@pytest.mark.parametrize(
    "name", ["../x.yaml", "/x.yaml", "a/../../x.yaml", ".git/x.yaml", "a\\b.yaml", "C:x.yaml", "run.sh"]
)
def test_an_archive_that_leads_out_is_refused(either, name):
    problem(upload(either, {"policy.yaml": "x: 1", name: "y: 1"}), 422, "invalid")
    assert not (either.folder.parent / "x.yaml").exists()


def test_links_devices_and_bombs_are_refused(place):
    def member(name, kind=tarfile.REGTYPE, size=0, link=""):
        info = tarfile.TarInfo(name)
        info.type, info.size, info.linkname = kind, size, link
        return info

    headers = {"content-type": "application/gzip"}
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
        body = tarred([member("policy.yaml", kind, link="/etc/passwd")])
        problem(place.call("POST", "/api/risk/policies/check", content=body, headers=headers), 422, "invalid")
    bomb = tarred([member(f"{n}.yaml", size=30_000_000) for n in range(5)])
    assert len(bomb) < 1_000_000
    problem(place.call("POST", "/api/risk/policies/check", content=bomb, headers=headers), 413, "too_large")
    many = zipped({f"{n}.yaml": "" for n in range(600)})
    body = {"content": many, "headers": {"content-type": "application/zip"}}
    problem(place.call("POST", "/api/risk/policies/check", **body), 413, "too_large")
    for kind in ("application/zip", "application/gzip", "application/x-tar", "application/json"):
        body = {"content": b"nonsense", "headers": {"content-type": kind}}
        problem(place.call("POST", "/api/risk/policies/check", **body), 400, "not_json")


def test_a_folder_inside_an_archive_is_the_policy(either):
    inside = {f"mine/{name}": content for name, content in stricter(5).items()}
    assert upload(either, inside).json()["version"] == upload(either, stricter(5)).json()["version"]


def test_a_policy_changed_on_disk_is_not_activated(either):
    version = upload(either, stricter(5)).json()["version"]
    archive: PolicyArchive = either.service.policies
    archive.read(version)
    (archive.folder / version / "policy.yaml").write_text(stricter(6)["policy.yaml"])
    problem(either.call("POST", f"/api/risk/policies/{version}/activate"), 503, "storage_failed")


# ---- streams


def frames(text: str) -> list[dict]:
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]


def test_a_stream_has_every_decision_once_however_often_it_breaks(either):
    for number in range(520):
        either.evaluate(payment(number))
    seen, cursor = [], "0.0"
    for _ in range(10):
        text = either.call("GET", "/api/risk/stream?once=true", headers={"last-event-id": cursor}).text
        got = frames(text)
        if not got:
            break
        # The connection breaks behind the first frame.
        seen += [each["sequence"] for each in got[0]["decisions"]]
        cursor = got[0]["cursor"]
    assert seen == list(range(seen[0], seen[0] + 520))


def test_a_stream_is_filtered(either):
    for number in range(40):
        either.evaluate(payment(number, amount="2000" if number % 2 else "1"))
    text = either.call("GET", "/api/risk/stream?once=true&cursor=0.0&action=BLOCK").text
    assert {each["action"] for frame in frames(text) for each in frame["decisions"]} == {"BLOCK"}
    assert frames(either.call("GET", "/api/risk/stream?once=true&cursor=0.0&scenario=login").text) == []
    problem(either.call("GET", "/api/risk/stream?once=true&cursor=x"), 422, "invalid")


def test_a_page_of_another_site_cannot_open_the_web_socket(either):
    from starlette.websockets import WebSocketDisconnect

    either.user("ann", "analyst")
    either.sign_in("ann")
    with (
        pytest.raises(WebSocketDisconnect),
        either.client.websocket_connect("/api/risk/live", headers={"origin": "https://evil.test"}),
    ):
        pass
    address = "wss://risk.test/api/risk/live?cursor=0.0"
    cookie = "; ".join(f"{name}={value}" for name, value in either.client.cookies.items())
    with either.client.websocket_connect(
        address, headers={"origin": "https://risk.test", "cookie": cookie}
    ) as socket:
        either.evaluate(payment(1))
        assert json.loads(socket.receive_text())["decisions"][0]["event_id"] == "p1"


# ---- operations and pages


def test_health_and_metrics_tell_how_it_is(either):
    either.evaluate(payment(1, amount="2000"))
    either.evaluate(payment(2, amount="x"))
    assert either.client.get("/health/live").json() == {"state": "alive"}
    assert either.client.get("/health/ready").json() == {"state": "ok"}
    told = either.call("GET", "/health", "monitor").json()
    assert told["policy"]["name"] == "small"
    text = either.call("GET", "/metrics", "monitor").text
    assert 'riskweave_decisions_total{action="BLOCK",scenario="payment"} 1.0' in text
    assert 'riskweave_refused_total{code="event_invalid"} 1.0' in text
    assert "riskweave_decision_seconds_bucket" in text
    assert "riskweave_engine_lag 0.0" in text


def test_a_stopping_service_is_not_ready(either):
    either.service.stopping = True
    assert either.client.get("/health/ready").status_code == 503
    either.service.stopping = False


def test_no_page_names_another_host(place):
    for path in (
        "/",
        "/docs",
        "/setup",
        "/openapi.json",
        "/static/docs.js",
        "/static/setup.js",
        "/static/style.css",
    ):
        text = place.client.get(path).text
        assert re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}", text) == [], path


def test_the_openapi_has_the_raw_routes_and_the_error(either):
    api = either.client.get("/openapi.json").json()
    assert {"/api/risk/evaluate", "/api/risk/evaluate/batch", "/api/risk/feedback"} <= set(api["paths"])
    assert sorted(api["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]) == sorted(CODES)
    for path, item in api["paths"].items():
        for operation in item.values():
            assert operation["summary"], path
            assert "4XX" in operation["responses"], path


def test_every_problem_has_a_code_that_is_known():
    for code, (status, title) in CODES.items():
        made = Problem(code, "message").body("r")
        assert (made["status"], made["title"]) == (status, title)
