"""Changes that are journaled: what they say, and what they do to an engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from riskweave.errors import EventError, RiskweaveError

if TYPE_CHECKING:
    from riskweave.engine.engine import Engine
    from riskweave.policy.policy import Policy

BULK_MAX = 100_000


class Command(msgspec.Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """A change, who made it and why; `time_ms` is event time, by default now."""

    by: str = ""
    why: str = ""


class ListAdd(Command, frozen=True, kw_only=True, tag=True):
    """Put a value on a list, until `expires_ms` if given. Returns the entry's number."""

    list: str
    value: str
    expires_ms: int | None = None
    time_ms: int | None = None


class ListRemove(Command, frozen=True, kw_only=True, tag=True):
    """Take a value off a list. Returns how many entries ended."""

    list: str
    value: str
    time_ms: int | None = None


class ListExpire(Command, frozen=True, kw_only=True, tag=True):
    """Let every entry of a value end at `at_ms`. Returns how many entries there were."""

    list: str
    value: str
    at_ms: int


class ListBulk(Command, frozen=True, kw_only=True, tag=True):
    """Many additions and removals at one position; returns a number, or an error, for each.

    Those that cannot be made are set aside; the others are made.
    """

    changes: list[ListAdd | ListRemove | ListExpire]


class SetAttributes(Command, frozen=True, kw_only=True, tag=True):
    """Say what is known of an entity."""

    entity: str
    key: str | int | list[str | int]
    values: dict[str, str | int | float | bool | None]
    time_ms: int | None = None


class Advance(Command, frozen=True, kw_only=True, tag=True):
    """Let event time pass without an event. Returns the matches of patterns that it brings."""

    to_ms: int


class Activated(Command, frozen=True, kw_only=True, tag=True):
    """A policy is in force from here on. Written by the engine; `policy` is its number in the journal."""

    policy: int
    version: str
    content: bytes
    history_from: int = 1
    rollback: bool = False


class ShadowAdded(Command, frozen=True, kw_only=True, tag=True):
    """A shadow policy looks on from here. Written by the engine."""

    name: str
    version: str
    content: bytes


class RemoveShadow(Command, frozen=True, kw_only=True, tag=True):
    """A shadow policy looks on no more."""

    name: str


@dataclass(frozen=True, slots=True)
class ActivatePolicy:
    """Go over to another policy; it fills what is new from the journal first. Returns its version."""

    policy: Policy
    by: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class RollBack:
    """Go back to the policy that was in force before this one. Returns its version."""

    by: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class AddShadow:
    """Let a policy look on: decided and recorded, but without a say. Returns its version."""

    name: str
    policy: Policy
    by: str = ""
    why: str = ""


Written = (
    ListAdd
    | ListRemove
    | ListExpire
    | ListBulk
    | SetAttributes
    | Advance
    | Activated
    | ShadowAdded
    | RemoveShadow
)
AnyCommand = Command | ActivatePolicy | RollBack | AddShadow

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Written)


def encode_command(command: Command) -> bytes:
    """Return the command as the journal keeps it."""
    return _encoder.encode(command)


def decode_command(data: bytes) -> Written:
    """Return a command from the journal."""
    command: Written = _decoder.decode(data)
    return command


def apply(engine: Engine, command: Command) -> tuple[Command, object]:
    """Change an engine; return the command with all that `now` meant written out, and what came of it.

    Raises an error of ours, and has changed nothing, when the command cannot be carried out.
    """
    now = engine._now()
    if isinstance(command, ListAdd):
        made = msgspec.structs.replace(command, time_ms=now if command.time_ms is None else command.time_ms)
        number = engine.add_to_list(
            made.list, made.value, made.expires_ms, made.by or None, made.why or None, made.time_ms
        )
        return made, number
    if isinstance(command, ListRemove):
        gone = msgspec.structs.replace(command, time_ms=now if command.time_ms is None else command.time_ms)
        return gone, engine.remove_from_list(
            gone.list, gone.value, gone.by or None, gone.why or None, gone.time_ms
        )
    if isinstance(command, ListExpire):
        return command, engine.remove_from_list(
            command.list, command.value, command.by or None, command.why or None, command.at_ms
        )
    if isinstance(command, ListBulk):
        return _apply_bulk(engine, command)
    if isinstance(command, SetAttributes):
        known = msgspec.structs.replace(command, time_ms=now if command.time_ms is None else command.time_ms)
        key = tuple(known.key) if isinstance(known.key, list) else known.key
        engine.update_attributes(known.entity, key, known.values, known.time_ms)
        return known, None
    if isinstance(command, Advance):
        return command, engine.advance(command.to_ms)
    if isinstance(command, (RemoveShadow, ShadowAdded)):
        return command, None
    raise EventError("command", type(command).__name__, "a command")


def _apply_bulk(engine: Engine, bulk: ListBulk) -> tuple[Command, object]:
    if len(bulk.changes) > BULK_MAX:
        raise EventError("changes", f"{len(bulk.changes)} changes", f"at most {BULK_MAX} at once")
    made: list[ListAdd | ListRemove | ListExpire] = []
    results: list[object] = []
    for change in bulk.changes:
        signed = msgspec.structs.replace(change, by=change.by or bulk.by, why=change.why or bulk.why)
        try:
            written, result = apply(engine, signed)
        except RiskweaveError as error:
            results.append(error)
            continue
        assert isinstance(written, (ListAdd, ListRemove, ListExpire))
        made.append(written)
        results.append(result)
    return msgspec.structs.replace(bulk, changes=made), results
