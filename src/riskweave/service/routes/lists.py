"""Lists: searched, added to, taken from, in bulk too. Changes are journaled and count at once."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import Field

from riskweave.engine.engine import Engine
from riskweave.service.errors import problem_of
from riskweave.service.masking import masked
from riskweave.service.roles import Identity, Permission
from riskweave.service.routes.asking import WAIT_S, Body, Limit, ServiceOf, permit
from riskweave.service.service import Service

router = APIRouter(prefix="/api/risk/lists", tags=["lists"])

MayRead = Annotated[Identity, permit(Permission.LISTS)]
MayWrite = Annotated[Identity, permit(Permission.LISTS_WRITE)]
Name = Annotated[str, Path(max_length=100)]
BULK_MAX = 5_000
# How many entries are looked at per turn of the engine, and per request: decisions wait meanwhile.
LOOK = 5_000
LOOKS_MAX = 40


class Entry(Body):
    value: str = Field(min_length=1, max_length=1_000)
    expires_ms: int | None = Field(None, ge=0, le=2**53, description="Event time at which it ends.")
    why: str = Field("", max_length=1_000)


class Removal(Body):
    value: str = Field(min_length=1, max_length=1_000)
    why: str = Field("", max_length=1_000)


class Bulk(Body):
    add: list[Entry] = Field([], max_length=BULK_MAX)
    remove: list[Removal] = Field([], max_length=BULK_MAX)


@router.get("", summary="All lists")
def lists(service: ServiceOf, identity: MayRead) -> list[dict[str, Any]]:
    def described(engine: Engine) -> list[dict[str, Any]]:
        sizes = engine.describe().get("lists", {})
        known = sizes if isinstance(sizes, dict) else {}
        return [
            {"name": each.name, "kind": each.kind, **_figures(known.get(each.name))}
            for each in engine.plan.lists.lists
        ]

    return service.backend.read(described).result(WAIT_S)


def _figures(described: object) -> dict[str, Any]:
    return (
        {key: value for key, value in described.items() if key != "kind"}
        if isinstance(described, dict)
        else {}
    )


@router.get("/{name}", summary="Search a list")
def entries(
    name: Name,
    service: ServiceOf,
    identity: MayRead,
    contains: Annotated[str, Query(max_length=200)] = "",
    ended: bool = False,
    cursor: Annotated[int, Query(ge=0, le=2**53)] = 0,
    limit: Limit = 100,
) -> dict[str, Any]:
    """Return entries whose value contains a text; those that hold now, or `ended` ones too."""
    found: list[dict[str, Any]] = []
    after: int | None = cursor
    for _ in range(LOOKS_MAX):
        start = after or 0
        part, after, hidden = service.backend.read(
            lambda engine, start=start: _look(
                engine, name, contains.casefold(), ended, start, limit - len(found)
            )  # type: ignore[misc]
        ).result(WAIT_S)
        found.extend(_shown(service, each, hidden, identity) for each in part)
        if after is None or len(found) >= limit:
            break
    return {"name": name, "entries": found, "cursor": after}


def _look(
    engine: Engine, name: str, text: str, ended: bool, start: int, limit: int
) -> tuple[list[Any], int | None, list[str]]:
    """Return entries among the next few thousand, where to go on, and the list's operands."""
    state, now = engine.state.lists, engine.state.watermark_ms
    found: list[Any] = []
    plan = engine.plan.lists
    total = state.size(name)
    operands = [each.operand for each in plan.matchers if plan.lists[each.list].name == name]
    end = min(start + LOOK, total)
    for number in range(start, end):
        entry = state.entry(name, number)
        if text in entry.value.casefold() and (ended or entry.expires_ms is None or entry.expires_ms > now):
            found.append(entry)
            if len(found) >= limit:
                return found, number + 1 if number + 1 < total else None, operands
    return found, end if end < total else None, operands


def _shown(service: Service, entry: Any, operands: list[str], identity: Identity) -> dict[str, Any]:
    shown = asdict(entry)
    personal = any(service.live.masks.is_personal(each) for each in operands)
    if personal and not identity.may(Permission.PERSONAL):
        shown["value"] = masked(shown["value"])
    return shown


def _add(service: Service, identity: Identity, name: str, entry: Entry) -> object:
    return service.command(
        identity.actor,
        "list.add",
        name,
        entry.model_dump(),
        lambda: service.backend.add_to_list(
            name, entry.value, entry.expires_ms, identity.actor, entry.why or None
        ),
    )


def _remove(service: Service, identity: Identity, name: str, removal: Removal) -> object:
    return service.command(
        identity.actor,
        "list.remove",
        name,
        removal.model_dump(),
        lambda: service.backend.remove_from_list(name, removal.value, identity.actor, removal.why or None),
    )


@router.post("/{name}/entries", status_code=201, summary="Put a value on a list")
def add(name: Name, entry: Entry, service: ServiceOf, identity: MayWrite) -> dict[str, Any]:
    """Add an entry, for good or until it expires."""
    return {"number": _add(service, identity, name, entry)}


@router.post("/{name}/expire", summary="Take a value off a list")
def expire(name: Name, removal: Removal, service: ServiceOf, identity: MayWrite) -> dict[str, Any]:
    """End every entry of exactly this value, now."""
    return {"ended": _remove(service, identity, name, removal)}


@router.post("/{name}/bulk", summary="Many changes of a list")
def bulk(name: Name, changes: Bulk, service: ServiceOf, identity: MayWrite) -> dict[str, Any]:
    """Make many changes at one position of the journal.

    Those that cannot be made are told one by one, the others are made.
    """
    results = service.command(
        identity.actor,
        "list.bulk",
        name,
        changes.model_dump(),
        lambda: service.backend.change_list(
            name,
            [(entry.value, entry.expires_ms, entry.why) for entry in changes.add],
            [(removal.value, removal.why) for removal in changes.remove],
            identity.actor,
        ),
    )
    split = len(changes.add)
    errors = [
        {
            "list": "add" if at < split else "remove",
            "row": at if at < split else at - split,
            "message": problem_of(result).message,
        }
        for at, result in enumerate(results)
        if isinstance(result, Exception)
    ]
    ended = sum(result for result in results[split:] if isinstance(result, int))
    added = sum(not isinstance(result, Exception) for result in results[:split])
    return {"added": added, "ended": ended, "errors": errors}
