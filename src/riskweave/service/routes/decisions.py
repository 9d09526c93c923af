"""Decisions that were made: found, shown in full, explained, summed up."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from riskweave.explanation.as_html import as_html
from riskweave.explanation.as_json import as_json
from riskweave.explanation.as_text import plain_text
from riskweave.service.dashboard import summary
from riskweave.service.port import Recorded, Search
from riskweave.service.problems import Problem, invalid
from riskweave.service.roles import Identity, Permission
from riskweave.service.routes.asking import Language, Limit, ServiceOf, permit, time_ms
from riskweave.service.service import Service
from riskweave.service.telling import full_json, short_json

router = APIRouter(prefix="/api/risk", tags=["decisions"])

MayRead = Annotated[Identity, permit(Permission.DECISIONS)]
Name = Annotated[str, Path(max_length=200, description="An event id or a request id.")]
Text = Annotated[str | None, Query(max_length=200)]
LanguageChoice = Annotated[str | None, Query(alias="language", pattern="^(en|zh)$")]
# A page of a caller who is limited to scenarios may need several looks.
LOOKS_MAX = 20
# The page of an explanation carries its style; it has no script and fetches nothing.
PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"


@router.get("/decisions", summary="Search decisions")
def decisions(
    service: ServiceOf,
    identity: MayRead,
    words: Language,
    action: Annotated[list[str] | None, Query(max_length=4)] = None,
    since: Text = None,
    until: Text = None,
    score_min: Annotated[float | None, Query(ge=0, le=1)] = None,
    rule: Text = None,
    policy_version: Text = None,
    rung: Text = None,
    scenario: Text = None,
    where: Annotated[
        list[Annotated[str, Query(max_length=300)]] | None,
        Query(max_length=8, description="`field:value`: an event's field as text."),
    ] = None,
    cursor: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    limit: Limit = 50,
    language: LanguageChoice = None,
) -> dict[str, Any]:
    """Return decisions, the latest first; `cursor` of the answer goes on from there."""
    search = Search(
        actions=tuple(action) if action else None,
        from_ms=time_ms(since, "since") if since else None,
        until_ms=time_ms(until, "until") if until else None,
        score_min=score_min,
        rule=rule,
        policy_version=policy_version,
        rung=rung,
        fields=_fields(service, identity, where or []),
    )
    found: list[Recorded] = []
    looks = 0
    while len(found) < limit and looks < LOOKS_MAX:
        looks += 1
        part, cursor = service.backend.search(search, cursor, limit - len(found))
        found.extend(each for each in part if _seen(service, identity, each, scenario))
        if cursor is None:
            break
    return {
        "decisions": [short_json(each, service.live, identity, words) for each in found],
        "cursor": cursor,
    }


def _fields(service: Service, identity: Identity, where: list[str]) -> dict[str, str]:
    """Return the fields to compare; who may not see a personal field may not ask about it either."""
    fields: dict[str, str] = {}
    for each in where:
        name, colon, value = each.partition(":")
        if not colon or not name:
            raise invalid("where", f"`{each[:60]}` is no comparison", "field:value")
        if service.live.masks.is_personal(name) and not identity.may(Permission.PERSONAL):
            raise Problem(
                "not_allowed", f"the role `{identity.role}` may not ask about personal fields", "where"
            )
        fields[name] = value
    return fields


def _seen(service: Service, identity: Identity, recorded: Recorded, scenario: str | None) -> bool:
    its = service.live.scenario(recorded.event)
    return identity.sees(its) and (scenario is None or its == scenario)


def found(service: Service, identity: Identity, name: str) -> Recorded:
    """Return a decision that this identity may see; the same 404 for one it may not."""
    recorded = service.backend.find(name)
    if recorded is None or not _seen(service, identity, recorded, None):
        raise Problem("not_found", "there is no decision of this event id or request id")
    return recorded


@router.get("/decisions/{name}", summary="One decision in full")
def decision(
    name: Name, service: ServiceOf, identity: MayRead, words: Language, language: LanguageChoice = None
) -> dict[str, Any]:
    """Return everything that is kept of a decision; personal fields masked by role."""
    return full_json(found(service, identity, name), service.live, identity, words)


@router.get(
    "/decisions/{name}/explanation",
    summary="Why",
    response_class=Response,
    responses={200: {"content": {"application/json": {}, "text/html": {}, "text/plain": {}}}},
)
def explanation(
    name: Name,
    service: ServiceOf,
    identity: MayRead,
    words: Language,
    language: LanguageChoice = None,
    format: Annotated[Literal["json", "html", "text"], Query()] = "json",
) -> Response:
    """Return why: what moved the decision, what almost fired, and what would have changed it.

    `json` holds every text in English and Chinese, `html` and `text` are in one language. Personal values
    are masked by role.
    """
    recorded = found(service, identity, name)
    hidden = None if identity.may(Permission.PERSONAL) else service.live.masks.is_personal
    made = service.backend.explain(recorded, hidden)
    if format == "html":
        headers = {"content-security-policy": PAGE_POLICY}
        return Response(as_html(made, words), media_type="text/html", headers=headers)
    if format == "text":
        return Response(plain_text(made, words), media_type="text/plain")
    told = {"request_id": recorded.request_id, "language": words, **as_json(made)}
    return Response(msgspec.json.encode(told), media_type="application/json")


@router.get("/dashboard", summary="What is happening")
def dashboard(
    service: ServiceOf, identity: MayRead, hours: Annotated[float, Query(gt=0, le=2_160)] = 24.0
) -> dict[str, Any]:
    """Return counts by action, scenario and time, compared with the period before."""
    return summary(service.database, hours, identity.scenarios) | {"complete": service.caught_up}
