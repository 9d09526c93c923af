"""Every route with every role: the table is the documentation. A route without a line here fails."""

import json

import pytest
from starlette.routing import WebSocketRoute

from tests.service.conftest import payment, problem

ALL = frozenset({"admin", "risk_manager", "analyst", "auditor", "read_only", "sender", "monitor"})
NOBODY_NEEDED = None
PEOPLE = ALL - {"sender", "monitor"}
DECIDE = frozenset({"admin", "risk_manager", "sender"})
FEEDBACK = frozenset({"admin", "risk_manager", "analyst", "sender"})
WORK = frozenset({"admin", "risk_manager", "analyst"})
MANAGE = frozenset({"admin", "risk_manager"})
ADMIN = frozenset({"admin"})

# (method, path): who may. `NOBODY_NEEDED`: open to all, signed in or not.
MAY = {
    ("POST", "/api/risk/evaluate"): DECIDE,
    ("POST", "/api/risk/evaluate/batch"): DECIDE,
    ("POST", "/api/risk/feedback"): FEEDBACK,
    ("GET", "/api/risk/decisions"): PEOPLE,
    ("GET", "/api/risk/decisions/{name}"): PEOPLE,
    ("GET", "/api/risk/decisions/{name}/explanation"): PEOPLE,
    ("GET", "/api/risk/dashboard"): PEOPLE,
    ("GET", "/api/risk/stream"): PEOPLE,
    ("WEBSOCKET", "/api/risk/live"): PEOPLE,
    ("GET", "/api/risk/policies"): PEOPLE,
    ("POST", "/api/risk/policies"): MANAGE,
    ("POST", "/api/risk/policies/check"): PEOPLE,
    ("GET", "/api/risk/policies/history"): PEOPLE,
    ("GET", "/api/risk/policies/diff"): PEOPLE,
    ("GET", "/api/risk/policies/{version}"): PEOPLE,
    ("POST", "/api/risk/policies/roll-back"): MANAGE,
    ("POST", "/api/risk/policies/{version}/activate"): MANAGE,
    ("PUT", "/api/risk/policies/shadows/{name}"): MANAGE,
    ("GET", "/api/risk/policies/shadows/{name}"): PEOPLE,
    ("DELETE", "/api/risk/policies/shadows/{name}"): MANAGE,
    ("GET", "/api/risk/lists"): PEOPLE,
    ("GET", "/api/risk/lists/{name}"): PEOPLE,
    ("POST", "/api/risk/lists/{name}/entries"): WORK,
    ("POST", "/api/risk/lists/{name}/expire"): WORK,
    ("POST", "/api/risk/lists/{name}/bulk"): WORK,
    ("GET", "/api/risk/entities/{role}/{key}/features"): PEOPLE,
    ("GET", "/api/risk/entities/{role}/{key}/partial-matches"): PEOPLE,
    ("PUT", "/api/risk/entities/{role}/{key}/attributes"): MANAGE,
    ("GET", "/api/risk/alerts"): PEOPLE,
    ("POST", "/api/risk/alerts/{number}"): WORK,
    ("GET", "/api/risk/alerts/{number}/deliveries"): MANAGE,
    ("GET", "/api/risk/alert-rules"): PEOPLE,
    ("POST", "/api/risk/alert-rules"): MANAGE,
    ("PUT", "/api/risk/alert-rules/{number}"): MANAGE,
    ("DELETE", "/api/risk/alert-rules/{number}"): MANAGE,
    ("GET", "/api/risk/audit"): MANAGE | {"auditor"},
    ("GET", "/api/risk/audit/verify"): MANAGE | {"auditor"},
    ("GET", "/api/risk/users"): ADMIN | {"auditor"},
    ("POST", "/api/risk/users"): ADMIN,
    ("PATCH", "/api/risk/users/{number}"): ADMIN,
    ("POST", "/api/risk/users/{number}/reset"): ADMIN,
    ("GET", "/api/risk/keys"): ADMIN | {"auditor"},
    ("POST", "/api/risk/keys"): ADMIN,
    ("DELETE", "/api/risk/keys/{number}"): ADMIN,
    ("GET", "/api/risk/session"): ALL,
    ("DELETE", "/api/risk/session"): ALL,
    ("POST", "/api/risk/session"): NOBODY_NEEDED,
    ("POST", "/api/risk/invitation"): NOBODY_NEEDED,
    ("GET", "/api/risk/oidc/login"): NOBODY_NEEDED,
    ("GET", "/api/risk/oidc/callback"): NOBODY_NEEDED,
    ("GET", "/health"): PEOPLE | {"monitor"},
    ("GET", "/metrics"): PEOPLE | {"monitor"},
    ("GET", "/health/live"): NOBODY_NEEDED,
    ("GET", "/health/ready"): NOBODY_NEEDED,
    ("GET", "/openapi.json"): NOBODY_NEEDED,
    ("GET", "/"): NOBODY_NEEDED,
    ("GET", "/docs"): NOBODY_NEEDED,
    ("GET", "/setup"): NOBODY_NEEDED,
    ("GET", "/static/{name}"): NOBODY_NEEDED,
}

PARTS = {"name": "p1", "version": "0" * 64, "number": "999", "role": "customer", "key": "c1"}
BODIES = {
    "/api/risk/evaluate": payment(1),
    "/api/risk/feedback": {"event_id": "p1", "value": True},
    "/api/risk/lists/{name}/entries": {"value": "x"},
    "/api/risk/lists/{name}/expire": {"value": "x"},
    "/api/risk/lists/{name}/bulk": {},
    "/api/risk/entities/{role}/{key}/attributes": {"values": {"age": 1}},
    "/api/risk/alerts/{number}": {"state": "resolved"},
    "/api/risk/alert-rules": {"name": "quiet", "settings": {"kind": "silence"}},
    "/api/risk/alert-rules/{number}": {"name": "quiet", "settings": {"kind": "silence"}},
    "/api/risk/users": {"name": "new", "role": "analyst"},
    "/api/risk/users/{number}": {"active": False},
    "/api/risk/keys": {"name": "new"},
    "/api/risk/policies/shadows/{name}": {"version": "0" * 64},
    "/api/risk/policies": {"files": {"policy.yaml": "x: 1"}},
    "/api/risk/policies/check": {"files": {"policy.yaml": "x: 1"}},
}


def every_route(place) -> set[tuple[str, str]]:
    application = place.client.app
    found = {("POST", path) for path in application.deciding.routes}
    stack = list(application.control.routes)
    while stack:
        route = stack.pop()
        inner = getattr(route, "original_router", None) or getattr(route, "router", None)
        if inner is not None:
            stack.extend(inner.routes)
        elif isinstance(route, WebSocketRoute) or type(route).__name__ == "APIWebSocketRoute":
            found.add(("WEBSOCKET", route.path))
        else:
            found |= {(method, route.path) for method in route.methods - {"HEAD", "OPTIONS"}}
    return found


def test_every_route_has_a_line_and_every_line_a_route(place):
    assert every_route(place) == set(MAY)


def call(place, method, path, role):
    address = path
    for name, value in PARTS.items():
        address = address.replace(f"{{{name}}}", value)
    more = {}
    if path in BODIES:
        more["json"] = BODIES[path]
    if path == "/api/risk/evaluate/batch":
        more = {"content": b"", "headers": {"content-type": "application/x-ndjson"}}
    if path == "/api/risk/policies/diff":
        address += f"?before={'0' * 64}&after={'1' * 64}"
    if path == "/api/risk/stream":
        address += "?once=true"
    return place.call(method, address, role, **more)


def test_every_route_asks_for_its_permission(place):
    for (method, path), may in MAY.items():
        if method == "WEBSOCKET" or may is NOBODY_NEEDED:
            continue
        problem(call(place, method, path, None), 401, "not_authenticated")
        for role in sorted(ALL - may):
            problem(call(place, method, path, role), 403, "not_allowed")
        for role in sorted(may):
            status = call(place, method, path, role).status_code
            assert status not in (401, 403), (method, path, role)
            assert status < 500, (method, path, role)


def test_the_web_socket_asks_too(place):
    from starlette.websockets import WebSocketDisconnect

    for role in sorted(ALL):
        headers = {"authorization": f"Bearer {place.keys[role]}"}
        if role in PEOPLE:
            with place.client.websocket_connect("/api/risk/live?cursor=0.0", headers=headers) as socket:
                place.evaluate(payment(ord(role[0])))
                assert json.loads(socket.receive_text())["decisions"]
        else:
            with (
                pytest.raises(WebSocketDisconnect),
                place.client.websocket_connect("/api/risk/live", headers=headers),
            ):
                pass
    with pytest.raises(WebSocketDisconnect), place.client.websocket_connect("/api/risk/live"):
        pass


def test_open_routes_answer_anybody(place):
    for (method, path), may in MAY.items():
        if may is NOBODY_NEEDED and path != "/static/{name}":
            assert place.call(method, path, None).status_code not in (403, 500), path


def test_who_is_limited_to_a_scenario_sees_no_other(place):
    place.evaluate(payment(1))
    _, token = place.service.accounts.add_key("test", "logins only", "risk_manager", ["login"])
    headers = {"authorization": f"Bearer {token}"}
    get = place.client.get
    assert get("/api/risk/decisions", headers=headers).json()["decisions"] == []
    problem(get("/api/risk/decisions/p1", headers=headers), 404, "not_found")
    problem(get("/api/risk/entities/customer/c1/features", headers=headers), 404, "not_found")
    assert b"p1" not in get("/api/risk/stream?cursor=0.0&once=true", headers=headers).content
    refused = place.client.post("/api/risk/policies/roll-back", headers=headers)
    problem(refused, 403, "not_allowed")
    refused = place.client.post("/api/risk/feedback", json={"event_id": "p1", "value": True}, headers=headers)
    problem(refused, 403, "not_allowed")
