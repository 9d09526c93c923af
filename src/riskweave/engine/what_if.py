"""What would be decided: variations of an event, each decided as if it came now, leaving no trace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from riskweave.engine.decisions import Decision
from riskweave.engine.keeping import restore_state, take_snapshot

if TYPE_CHECKING:
    from riskweave.engine.engine import Engine

Record = Mapping[str, object]


class Scratch:
    """The state that an event meets, set aside: any number of variations of it can be decided.

    Taken before the event is decided it stays as it was then, whatever the engine decides later.
    """

    def __init__(self, engine: Engine, record: Record, changes: Iterable[Record] = ()) -> None:
        self.engine = engine
        self.record = record
        self.snapshot = take_snapshot(engine.plan, engine.state)

    def decide(self, changes: Record | None = None) -> Decision:
        """Return what `Engine.decide` would have answered to the event with some of its values changed.

        A value of None takes the field away. The event counts as a new one, whatever its id.
        """
        other = type(self.engine).__new__(type(self.engine))
        other._build(
            self.engine.policy,
            self.engine.plan.pool.of(list(self.engine.plan.pool.texts), list(self.engine.plan.pool.free)),
        )
        other.state = restore_state(other.plan, self.snapshot)
        other.state.memory.period_ms = 0
        return other.decide(varied(self.record, changes))


def varied(record: Record, changes: Record | None) -> Record:
    """Return an event with some values changed; None takes a value away."""
    if not changes:
        return dict(record)
    return {name: value for name, value in {**record, **changes}.items() if value is not None}
