"""What only the real engine and its journal can show: the past, explained and asked, and shadows."""

import copy
import json
import time

import pyarrow as pa

from tests.decision import world
from tests.service.conftest import POLICY, Place, payment

ATTEMPT = {"type": "login", "id": "l1", "at": "2026-01-01T00:00:00Z", "customer": "c1", "ok": False}


def upload(place, policy) -> str:
    body = {"files": {"policy.yaml": json.dumps(policy)}}
    answer = place.call("POST", "/api/risk/policies", json=body)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()["version"]


def stricter() -> dict:
    policy = copy.deepcopy(POLICY)
    policy["rules"][0]["when"] = "paid_1h > 5"
    policy["features"]["payments_1d"] = 'customer.count("1d")'
    return policy


def test_a_decision_is_explained_with_what_would_have_changed_it(journaled):
    journaled.evaluate(payment(1, amount="2000"))
    # What came later does not matter.
    journaled.evaluate(payment(8, amount="9000"))
    path = "/api/risk/decisions/p1/explanation"
    why = journaled.call("GET", path).json()
    assert {each["name"] for each in why["contributions"]} == {"much"}
    assert {each["changes"][0]["field"] for each in why["counterfactuals"]} >= {"amount"}
    assert why["action"] == "BLOCK"
    page = journaled.call("GET", f"{path}?format=html&language=zh")
    assert page.headers["content-type"].startswith("text/html")
    assert "style-src 'unsafe-inline'" in page.headers["content-security-policy"]
    assert "一小时内金额过大" in page.text
    assert "<script" not in page.text
    text = journaled.call("GET", f"{path}?format=text", headers={"accept-language": "zh-CN"})
    assert text.text.startswith("拦截")
    assert journaled.call("GET", f"{path}?format=pdf").status_code == 422


def test_an_explanation_hides_what_its_reader_may_not_see(journaled):
    policy = copy.deepcopy(POLICY)
    policy["rules"].append(
        {
            "id": "named",
            "when": 'nickname == "Annie"',
            "risk": 0.95,
            "reason": {"en": "By name", "zh": "按名"},
        }
    )
    version = upload(journaled, policy)
    assert journaled.call("POST", f"/api/risk/policies/{version}/activate").status_code == 200
    journaled.evaluate(payment(1))
    for form in ("json", "html", "text"):
        path = f"/api/risk/decisions/p1/explanation?format={form}"
        assert "Annie" in journaled.call("GET", path, "analyst").text
        seen = journaled.call("GET", path, "auditor")
        assert seen.status_code == 200
        assert "Annie" not in seen.text


def test_features_are_those_of_the_moment(journaled):
    path = "/api/risk/entities/customer/c1"
    journaled.evaluate(payment(1, amount="7"))
    journaled.evaluate(payment(8, amount="5"))
    now = journaled.call("GET", f"{path}/features").json()
    assert (now["features"]["paid_1h"], now["decision"]["event_id"]) == (12, "p8")
    # Another customer's event moves the clock on, and the hour passes for this one.
    journaled.evaluate(payment(3602 + 4, customer="c2"))
    assert journaled.call("GET", f"{path}/features").json()["features"]["paid_1h"] == 5
    then = journaled.call("GET", f"{path}/features?as_of=2026-01-01T00:00:05Z").json()
    assert (then["features"]["paid_1h"], then["decision"]["event_id"]) == (7, "p1")
    # Looking has changed nothing.
    assert journaled.evaluate(payment(15, amount="1")).json()["duplicate"] is False
    assert journaled.call("GET", "/api/risk/decisions/p15").json()["features"]["paid_1h"] == 13


def test_what_was_under_way_is_known_as_of_a_moment(journaled):
    path = "/api/risk/entities/customer/c1/partial-matches"
    journaled.evaluate(ATTEMPT)
    journaled.evaluate(payment(1))
    during = journaled.call("GET", f"{path}?as_of=2026-01-01T00:00:00Z").json()["partial_matches"]
    assert [(each["pattern"], each["stages_seen"]) for each in during] == [("try_then_pay", 1)]
    assert journaled.call("GET", path).json()["partial_matches"] == []


def test_a_new_feature_starts_with_its_history_and_a_roll_back_returns(journaled):
    before = journaled.service.live.version
    for number in range(1, 30, 7):
        journaled.evaluate(payment(number, amount="1"))
    version = upload(journaled, stricter())
    assert journaled.call("POST", f"/api/risk/policies/{version}/activate").json()["before"] == before
    answer = journaled.evaluate(payment(36, amount="1")).json()
    assert (answer["policy_version"], answer["rules"]) == (version, ["much"])
    assert journaled.call("GET", "/api/risk/decisions/p36").json()["features"]["payments_1d"] == 6
    assert journaled.call("POST", "/api/risk/policies/roll-back").json()["active"] == before
    answer = journaled.evaluate(payment(43, amount="1")).json()
    assert (answer["policy_version"], answer["rules"]) == (before, [])
    assert journaled.evaluate(payment(36, amount="1")).json()["policy_version"] == version


def test_a_shadow_says_what_it_would_have_answered(journaled):
    version = upload(journaled, stricter())
    put = journaled.call("PUT", "/api/risk/policies/shadows/stricter", json={"version": version})
    assert put.status_code == 200, put.text
    answers = [journaled.evaluate(payment(number, amount="3")).json() for number in (1, 8, 15)]
    assert {each["action"] for each in answers} == {"PASS"}
    deadline = time.monotonic() + 60
    while True:
        said = journaled.call("GET", "/api/risk/policies/shadows/stricter").json()["records"]
        if len(said) == 3:
            break
        assert time.monotonic() < deadline, said
        time.sleep(0.05)
    assert [each["sequence"] for each in said] == [each["sequence"] for each in answers]
    assert [each["rules"] for each in said] == [[], ["much"], ["much"]]
    assert journaled.call("DELETE", "/api/risk/policies/shadows/stricter").status_code == 204


def test_a_bulk_is_one_command_and_refused_rows_are_told(journaled):
    add = [{"value": "c1"}, {"value": "c3", "expires_ms": 1}, {"value": "c2"}]
    changes = {"add": add, "remove": [{"value": "c-bad"}, {"value": "nobody"}]}
    before = journaled.backend.position()
    told = journaled.call("POST", "/api/risk/lists/blocked/bulk", json=changes).json()
    assert journaled.backend.position() == before + 1
    assert told["added"] + sum(each["list"] == "add" for each in told["errors"]) == 3
    assert told["ended"] == 1
    assert journaled.evaluate(payment(1)).json()["rules"] == ["listed"]
    entries = journaled.call("GET", "/api/risk/audit").json()
    assert entries[0]["action"] == "list.bulk"
    missing = journaled.call("POST", "/api/risk/lists/no_such/bulk", json={"add": [{"value": "x"}]}).json()
    assert (missing["added"], [each["row"] for each in missing["errors"]]) == (0, [0])


def test_a_label_counts_after_its_delay(journaled):
    journaled.evaluate(payment(1))
    answer = journaled.call("POST", "/api/risk/feedback", "sender", json={"event_id": "p1", "value": True})
    assert answer.status_code == 202


def test_a_batch_of_lines_and_of_arrow_is_decided_alike(journaled):
    events = [payment(number, amount="2000" if number % 3 == 0 else "1") for number in range(60)]
    table = pa.Table.from_pylist(
        [{**each, "id": f"a{each['id']}", "customer": f"x{each['customer']}"} for each in events]
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    lines = b"\n".join(json.dumps(each).encode() for each in events)
    path = "/api/risk/evaluate/batch"
    by_lines = journaled.call(
        "POST", path, "sender", content=lines, headers={"content-type": "application/x-ndjson"}
    )
    by_arrow = journaled.call(
        "POST",
        path,
        "sender",
        content=bytes(sink.getvalue()),
        headers={"content-type": "application/vnd.apache.arrow.stream"},
    )
    told = [json.loads(line) for line in by_lines.text.splitlines()]
    rows = pa.ipc.open_stream(by_arrow.content).read_all().to_pylist()
    assert [each["event_id"] for each in told] == [each["id"] for each in events]
    for name in ("action", "score", "rules", "reasons", "scenario", "policy_version", "rung", "durable"):
        assert [each[name] for each in rows] == [each[name] for each in told], name
    assert [each["sequence"] for each in rows] == [each["sequence"] + 60 for each in told]
    # Sent again, everything is its first answer; and changed content is refused in its place.
    changed = [*events[:5], {**events[5], "amount": "3"}, {"type": "payment"}, *events[7:9]]
    again = journaled.call(
        "POST",
        path,
        "sender",
        content=b"\n".join(json.dumps(each).encode() for each in changed),
        headers={"content-type": "application/x-ndjson"},
    )
    second = [json.loads(line) for line in again.text.splitlines()]
    assert [each.get("duplicate") for each in second] == [True] * 5 + [None, None] + [True] * 2
    assert [each["code"] for each in second[5:7]] == ["duplicate_differs", "event_invalid"]
    assert [each["request_id"] for each in second[:5]] == [each["request_id"] for each in told[:5]]


def test_a_policy_of_utilities_answers_with_probability_and_economics(tmp_path, settings):
    events = [json.loads(json.dumps(each, default=str)) for each in world.stream(3, 40)]
    events = list({each["id"]: each for each in events}.values())
    with Place(tmp_path, settings, journal=True, policy=world.policy()) as place:
        told = [place.evaluate(each).json() for each in events]
        priced = [each for each in told if each.get("economics")]
        assert len(priced) > 10
        for each in priced:
            assert 0 <= each["probability"] <= 1
            best = max((one for one in each["economics"] if one["open"]), key=lambda one: one["expected"])
            assert set(best) == {"action", "expected", "parts", "open"}
            full = place.call("GET", f"/api/risk/decisions/{each['event_id']}").json()
            assert (full["probability"], full["economics"]) == (each["probability"], each["economics"])
        why = place.call("GET", f"/api/risk/decisions/{priced[0]['event_id']}/explanation").json()
        assert why["economics"]
        assert why["action"] == priced[0]["action"]
    again = tmp_path / "again"
    again.mkdir()
    with Place(again, settings, journal=True, policy=world.policy()) as place:
        sent = b"\n".join(json.dumps(each).encode() for each in events)
        kind = {"content-type": "application/x-ndjson"}
        lines = place.call("POST", "/api/risk/evaluate/batch", "sender", content=sent, headers=kind).text
        for one, many in zip(told, map(json.loads, lines.splitlines()), strict=True):
            assert many.get("action") == one.get("action")
            assert many.get("probability") == one.get("probability")
            without = [
                {name: value for name, value in each.items() if name != "parts"}
                for each in one.get("economics", [])
            ]
            assert many.get("economics", []) == without
