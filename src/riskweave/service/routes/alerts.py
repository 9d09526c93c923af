"""Alerts and the rules that raise them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import Field

from riskweave.service.alerts import RuleSettings
from riskweave.service.delivery import read_hook, read_mail_address
from riskweave.service.roles import Identity, Permission
from riskweave.service.routes.asking import Body, Limit, ServiceOf, permit
from riskweave.service.service import Service

router = APIRouter(prefix="/api/risk", tags=["alerts"])

MayRead = Annotated[Identity, permit(Permission.ALERTS)]
MayHandle = Annotated[Identity, permit(Permission.ALERTS_HANDLE)]
MayWrite = Annotated[Identity, permit(Permission.ALERTS_WRITE)]
Number = Annotated[int, Path(ge=1, le=2**53)]


class Target(Body):
    kind: Literal["webhook", "email"]
    to: str = Field(max_length=2_000)


class Rule(Body):
    name: str = Field(min_length=1, max_length=100)
    settings: RuleSettings
    targets: list[Target] = Field([], max_length=10)
    active: bool = True


class Handling(Body):
    state: Literal["open", "acknowledged", "resolved"]
    note: str = Field("", max_length=5_000)


@router.get("/alerts", summary="Alerts")
def alerts(
    service: ServiceOf,
    identity: MayRead,
    state: Annotated[Literal["open", "acknowledged", "resolved"] | None, Query()] = None,
    before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    limit: Limit = 100,
) -> list[dict[str, Any]]:
    """Return alerts, the latest first, with messages in English and Chinese."""
    return service.alerts.search(state, before, limit, identity.scenarios)


@router.post("/alerts/{number}", summary="Acknowledge or resolve an alert")
def handle(number: Number, handling: Handling, service: ServiceOf, identity: MayHandle) -> dict[str, Any]:
    return service.alerts.handle(identity.actor, number, handling.state, handling.note, identity.scenarios)


@router.get("/alerts/{number}/deliveries", summary="Where an alert was sent")
def deliveries(number: Number, service: ServiceOf, identity: MayWrite) -> list[dict[str, Any]]:
    return service.alerts.deliveries(number)


@router.get("/alert-rules", summary="Alert rules")
def rules(service: ServiceOf, identity: MayRead) -> list[dict[str, Any]]:
    return service.alerts.rules()


@router.post("/alert-rules", status_code=201, summary="Add an alert rule")
def add_rule(rule: Rule, service: ServiceOf, identity: MayWrite) -> dict[str, Any]:
    return _put(service, identity, None, rule)


@router.put("/alert-rules/{number}", summary="Change an alert rule")
def change_rule(number: Number, rule: Rule, service: ServiceOf, identity: MayWrite) -> dict[str, Any]:
    return _put(service, identity, number, rule)


def _put(service: Service, identity: Identity, number: int | None, rule: Rule) -> dict[str, Any]:
    identity.need_every_scenario()
    for target in rule.targets:
        if target.kind == "webhook":
            read_hook(target.to, service.settings.alerts)
        else:
            read_mail_address(target.to)
    targets = [target.model_dump() for target in rule.targets]
    return service.alerts.put_rule(identity.actor, number, rule.name, rule.settings, targets, rule.active)


@router.delete("/alert-rules/{number}", status_code=204, summary="Delete an alert rule")
def delete_rule(number: Number, service: ServiceOf, identity: MayWrite) -> None:
    identity.need_every_scenario()
    service.alerts.delete_rule(identity.actor, number)
