"""What the service asks of the engine below it; `durable.py` is the real one, a test's may be small."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from riskweave.engine.durable_answers import Answer as Decided
from riskweave.engine.ports import DecisionFilter as Search
from riskweave.engine.ports import ShadowRecord
from riskweave.engine.ports import StoredDecision as Recorded

if TYPE_CHECKING:
    import pyarrow as pa

    from riskweave.engine.engine import Engine
    from riskweave.explanation.explanation import Explanation
    from riskweave.policy.policy import Policy

T = TypeVar("T")
Event = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Health:
    """How the engine below is: `ok`, `degraded` or `failed`, and why."""

    state: str
    reasons: tuple[str, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)


class Backend(Protocol):
    """A durable engine and its decisions."""

    def submit(self, event: Event, deadline_s: float | None) -> Future[Decided]:
        """Decide one event within so many seconds."""
        ...

    def submit_many(self, events: Sequence[Event] | pa.Table) -> Future[Iterable[Decided | Exception]]:
        """Decide many; one result each, in order, an error where one cannot be decided."""
        ...

    def feedback(self, label: Event) -> Future[None]: ...

    def add_to_list(
        self, name: str, value: str, expires_ms: int | None, by: str, why: str | None
    ) -> Future[object]: ...

    def remove_from_list(self, name: str, value: str, by: str, why: str | None) -> Future[object]: ...

    def change_list(
        self,
        name: str,
        added: Sequence[tuple[str, int | None, str]],
        removed: Sequence[tuple[str, str]],
        by: str,
    ) -> Future[list[object]]:
        """Make many changes at once; a number or an error for each, additions first."""
        ...

    def update_attributes(self, entity: str, key: str, values: Event, by: str) -> Future[object]: ...

    def activate(self, policy: Policy, by: str) -> Future[object]: ...

    def roll_back(self, by: str) -> Future[object]: ...

    def add_shadow(self, name: str, policy: Policy, by: str) -> Future[object]: ...

    def remove_shadow(self, name: str, by: str) -> Future[object]: ...

    def shadow_records(self, name: str, first: int, limit: int) -> list[ShadowRecord]:
        """Return what a shadow would have answered from a position on."""
        ...

    def read(self, function: Callable[[Engine], T]) -> Future[T]: ...

    def as_of(self, time_ms: int, function: Callable[[Engine], T]) -> T: ...

    def find(self, identity: str) -> Recorded | None:
        """Return a decision by event id or request id."""
        ...

    def search(self, search: Search, cursor: int | None, limit: int) -> tuple[list[Recorded], int | None]:
        """Return decisions, the latest first, before the cursor; and the next cursor."""
        ...

    def stream(self, from_sequence: int) -> Iterator[Recorded]:
        """Yield decisions from a position on, as far as there are any now."""
        ...

    def explain(self, recorded: Recorded, hidden: Callable[[str], bool] | None) -> Explanation:
        """Explain a decision; values of names that `hidden` says yes to are masked."""
        ...

    def position(self) -> int:
        """Return the last position of the journal that was acknowledged."""
        ...

    def health(self) -> Health: ...

    def close(self, timeout_s: float) -> None: ...


__all__ = ["Backend", "Decided", "Event", "Health", "Recorded", "Search"]
