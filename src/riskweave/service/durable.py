"""The durable engine behind the service's port."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from riskweave.engine.durable import DurableEngine
from riskweave.engine.durable_commands import (
    ActivatePolicy,
    AddShadow,
    ListAdd,
    ListBulk,
    ListExpire,
    ListRemove,
    RemoveShadow,
    RollBack,
    SetAttributes,
)
from riskweave.engine.ports import DurableSettings, Rung, ShadowRecord
from riskweave.policy.policy import Policy
from riskweave.service.explaining import Explanations
from riskweave.service.port import Decided, Event, Health, Recorded, Search
from riskweave.service.settings import Storage
from riskweave.storage.decisions import Decisions
from riskweave.storage.open import open_stores

if TYPE_CHECKING:
    import pyarrow as pa

    from riskweave.engine.engine import Engine
    from riskweave.explanation.explanation import Explanation

T = TypeVar("T")


class DurableBackend:
    """A durable engine and the decisions in its journal."""

    def __init__(self, engine: DurableEngine) -> None:
        self.engine = engine
        self.decisions = Decisions(engine.stores)
        self.explanations = Explanations(engine.stores, self.decisions)

    @classmethod
    def open(cls, data: Path, policy: Policy | None, settings: Storage) -> DurableBackend:
        """Open or begin the journal in a data folder; it goes on with the policy that was in force last."""
        stores = open_stores(data, settings.journal or None)
        try:
            return cls(DurableEngine.open(stores, policy, settings=durable_settings(settings)))
        except BaseException:
            stores.close()
            raise

    def policy(self) -> Policy:
        """Return the policy in force."""
        return self.engine.policy()

    def submit(self, event: Event, deadline_s: float | None) -> Future[Decided]:
        return self.engine.submit(event, None if deadline_s is None else time.monotonic() + deadline_s)

    def submit_many(self, events: Sequence[Event] | pa.Table) -> Future[Iterable[Decided | Exception]]:
        return cast("Future[Iterable[Decided | Exception]]", self.engine.submit_many(events))

    def feedback(self, label: Event) -> Future[None]:
        return self.engine.feedback(label)

    def add_to_list(
        self, name: str, value: str, expires_ms: int | None, by: str, why: str | None
    ) -> Future[Any]:
        return self.engine.command(
            ListAdd(list=name, value=value, expires_ms=expires_ms, by=by, why=why or "")
        )

    def remove_from_list(self, name: str, value: str, by: str, why: str | None) -> Future[Any]:
        return self.engine.command(ListRemove(list=name, value=value, by=by, why=why or ""))

    def change_list(
        self,
        name: str,
        added: Sequence[tuple[str, int | None, str]],
        removed: Sequence[tuple[str, str]],
        by: str,
    ) -> Future[list[object]]:
        changes: list[ListAdd | ListRemove | ListExpire] = [
            ListAdd(list=name, value=value, expires_ms=expires_ms, why=why)
            for value, expires_ms, why in added
        ]
        changes += [ListRemove(list=name, value=value, why=why) for value, why in removed]
        return self.engine.command(ListBulk(changes=changes, by=by))

    def update_attributes(self, entity: str, key: str, values: Event, by: str) -> Future[Any]:
        plain = cast("dict[str, str | int | float | bool | None]", dict(values))
        return self.engine.command(SetAttributes(entity=entity, key=key, values=plain, by=by))

    def activate(self, policy: Policy, by: str) -> Future[Any]:
        return self.engine.command(ActivatePolicy(policy, by))

    def roll_back(self, by: str) -> Future[Any]:
        return self.engine.command(RollBack(by))

    def add_shadow(self, name: str, policy: Policy, by: str) -> Future[Any]:
        return self.engine.command(AddShadow(name, policy, by))

    def remove_shadow(self, name: str, by: str) -> Future[Any]:
        return self.engine.command(RemoveShadow(name=name, by=by))

    def shadow_records(self, name: str, first: int, limit: int) -> list[ShadowRecord]:
        return self.engine.stores.shadows.read(name, first, limit)

    def read(self, function: Callable[[Engine], T]) -> Future[T]:
        return self.engine.read(function)

    def as_of(self, time_ms: int, function: Callable[[Engine], T]) -> T:
        from datetime import UTC, datetime

        return self.engine.as_of(datetime.fromtimestamp(time_ms / 1000, UTC), function)

    def find(self, identity: str) -> Recorded | None:
        return self.decisions.get(identity)

    def search(self, search: Search, cursor: int | None, limit: int) -> tuple[list[Recorded], int | None]:
        page = self.decisions.search(search, cursor, limit)
        return page.decisions, page.cursor

    def stream(self, from_sequence: int) -> Iterator[Recorded]:
        return self.decisions.stream(from_sequence)

    def explain(self, recorded: Recorded, hidden: Callable[[str], bool] | None) -> Explanation:
        return self.explanations.of(recorded, hidden)

    def position(self) -> int:
        return self.engine.stores.journal.tip().position

    def health(self) -> Health:
        found = asdict(self.engine.health())
        return Health(found.pop("state"), tuple(found.pop("why")), found)

    def close(self, timeout_s: float) -> None:
        self.engine.close(timeout_s)
        self.engine.stores.close()


def durable_settings(settings: Storage) -> DurableSettings:
    """Return how the engine works, as the service's settings say."""
    ladder = tuple(
        Rung(name, after_ms)
        for name, after_ms in (
            ("light", settings.light_after_ms),
            ("rules", settings.rules_after_ms),
            ("safe", settings.safe_after_ms),
        )
        if after_ms > 0
    )
    return DurableSettings(
        relaxed=settings.relaxed,
        queue_events=settings.queue_events,
        ladder=ladder,
        safe_action=settings.safe_action,
        snapshot_every_s=settings.snapshot_every_s,
        keep_days=settings.keep_days or None,
    )
