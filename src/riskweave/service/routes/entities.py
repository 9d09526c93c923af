"""An entity: what an event of it would meet, and what is under way, now and as of a moment."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import Field

from riskweave.engine.decisions import Decision
from riskweave.engine.engine import Engine
from riskweave.engine.probe import probe
from riskweave.service.port import Recorded, Search
from riskweave.service.problems import Problem
from riskweave.service.roles import Identity, Permission
from riskweave.service.routes.asking import WAIT_S, Body, Language, ServiceOf, permit, time_ms
from riskweave.service.service import Service
from riskweave.service.telling import features_json, short_json

router = APIRouter(prefix="/api/risk/entities", tags=["entities"])

MayRead = Annotated[Identity, permit(Permission.ENTITIES)]
MayWrite = Annotated[Identity, permit(Permission.ENTITIES_WRITE)]
Role = Annotated[str, Path(max_length=100, description="An entity's role: customer, device, payer.")]
Key = Annotated[str, Path(max_length=200)]
Moment = Annotated[str | None, Query(max_length=40, description="ISO 8601 or milliseconds; now by default.")]

LOOKS_MAX = 20


class Attributes(Body):
    values: dict[str, str | int | float | bool | None] = Field(min_length=1, max_length=100)


def _key_field(service: Service, identity: Identity, role: str) -> str:
    """Return the field that holds a role's key; refuses who may not ask about it."""
    fields = service.live.keys_of.get(role)
    if fields is None:
        known = ", ".join(sorted(service.live.keys_of))
        raise Problem("not_found", f"there is no entity role `{role}` of one field", "role", known)
    if service.live.masks.is_personal(fields) and not identity.may(Permission.PERSONAL):
        raise Problem(
            "not_allowed", f"the key of `{role}` is personal; the role `{identity.role}` may not ask"
        )
    return fields


@router.get("/{role}/{key}/features", summary="Features of an entity")
def features(
    role: Role, key: Key, service: ServiceOf, identity: MayRead, words: Language, as_of: Moment = None
) -> dict[str, Any]:
    """Return the features that an event of this entity would meet now, or at a moment.

    They are computed from the state as it is, or was: for an event with the keys of the entity's latest
    one and nothing else, which leaves no trace. Like every event it counts itself; sums are what they
    were. `decision` is the latest one's own.
    """
    field = _key_field(service, identity, role)
    moment = time_ms(as_of, "as_of") if as_of else None
    latest = _latest(service, identity, field, key, moment)
    if latest is None:
        raise Problem("not_found", f"no decision of this {role} is known")

    def met(engine: Engine) -> tuple[int, Decision]:
        asked_ms = max(engine.state.watermark_ms, latest.decision.time_ms) if moment is None else moment
        return asked_ms, probe(engine, latest.event, asked_ms)

    if moment is None:
        asked_ms, decision = service.backend.read(met).result(WAIT_S)
    else:
        asked_ms, decision = service.backend.as_of(moment, met)
    return {
        "role": role,
        "key": key,
        "as_of_ms": asked_ms,
        "features": features_json(decision, service.live, identity),
        "decision": short_json(latest, service.live, identity, words),
    }


def _latest(
    service: Service, identity: Identity, field: str, key: str, moment_ms: int | None
) -> Recorded | None:
    """Return the latest decision of an entity, until a moment, that this identity may see."""
    search = Search(fields={field: key}, until_ms=None if moment_ms is None else moment_ms + 1)
    cursor: int | None = None
    for _ in range(LOOKS_MAX):
        part, cursor = service.backend.search(search, cursor, 50)
        for each in part:
            if identity.sees(service.live.scenario(each.event)):
                return each
        if cursor is None:
            break
    return None


@router.get("/{role}/{key}/partial-matches", summary="Patterns under way")
def partial_matches(
    role: Role, key: Key, service: ServiceOf, identity: MayRead, as_of: Moment = None
) -> dict[str, Any]:
    """Return the patterns that have begun for an entity: stages seen, time left."""
    _key_field(service, identity, role)
    identity.need_every_scenario()

    def under_way(engine: Engine) -> list[dict[str, Any]]:
        return [
            {
                "pattern": each.pattern,
                "started_ms": each.started_ms,
                "stages_seen": each.stages_seen,
                "stages": each.stages,
                "left_ms": each.left_ms,
                "events": {
                    name: [f"{hashed:016x}" for hashed in found] for name, found in each.events.items()
                },
            }
            for each in engine.partial_matches(role, key)
        ]

    if as_of is None:
        found = service.backend.read(under_way).result(WAIT_S)
    else:
        found = service.backend.as_of(time_ms(as_of, "as_of"), under_way)
    return {"role": role, "key": key, "partial_matches": found}


@router.put("/{role}/{key}/attributes", status_code=204, summary="What is known of an entity")
def attributes(role: Role, key: Key, known: Attributes, service: ServiceOf, identity: MayWrite) -> None:
    """Say what is known of an entity beside its events, from now on; `role` is the entity's name here."""
    identity.need_every_scenario()
    service.command(
        identity.actor,
        "attributes.put",
        f"{role} {key}",
        {"fields": sorted(known.values)},
        lambda: service.backend.update_attributes(role, key, known.values, identity.actor),
    )
