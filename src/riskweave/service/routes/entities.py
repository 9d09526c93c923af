"""An entity: what its latest event saw of it, and what is under way, now and as of a moment."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import Field

from riskweave.engine.engine import Engine
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
    """Return the features that the entity's latest event (until a moment) was decided with."""
    field = _key_field(service, identity, role)
    until = time_ms(as_of, "as_of") + 1 if as_of else None
    latest: Recorded | None = None
    cursor: int | None = None
    for _ in range(20):
        part, cursor = service.backend.search(Search(fields={field: key}, until_ms=until), cursor, 50)
        latest = next((each for each in part if identity.sees(service.live.scenario(each.event))), None)
        if latest is not None or cursor is None:
            break
    if latest is None:
        raise Problem("not_found", f"no decision of this {role} is known")
    return {
        "role": role,
        "key": key,
        "features": features_json(latest.decision, service.live, identity),
        "decision": short_json(latest, service.live, identity, words),
    }


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
