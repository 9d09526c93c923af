"""Why a decision was made: its moment is brought back from the journal, and the event decided once more.

The engine is built anew as it was right before the event, from the snapshot before it and the entries in
between, so counterfactuals meet the very state that the event met. Where that would take too many entries,
or the policy was not run whole, the explanation is of what is stored, without counterfactuals.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from riskweave.engine.durable_host import Host
from riskweave.engine.durable_recovery import host_at
from riskweave.engine.engine import Engine
from riskweave.engine.explain import Explainer
from riskweave.engine.explain_known import field_value, known_values
from riskweave.engine.ports import DecisionFilter, Stores
from riskweave.errors import StorageFailed
from riskweave.explanation.explanation import Explanation
from riskweave.service.port import Recorded
from riskweave.storage.decisions import Decisions

# So many positions are replayed for an explanation: a few seconds of work.
REPLAYED_MAX = 200_000
KNOWN_EVENTS = 50
KEPT = 32

Hidden = Callable[[str], bool]


class Explanations:
    """Explains stored decisions, one at a time: each may need an engine of its own."""

    def __init__(self, stores: Stores, decisions: Decisions) -> None:
        self.stores = stores
        self.decisions = decisions
        self._lock = threading.Lock()
        self._made: OrderedDict[tuple[int, bool], Explanation] = OrderedDict()

    def of(self, recorded: Recorded, hidden: Hidden | None = None) -> Explanation:
        """Explain a decision; values of names that `hidden` says yes to are masked in every text."""
        key = (recorded.sequence, hidden is not None)
        with self._lock:
            found = self._made.get(key)
            if found is None:
                found = self._made[key] = self._explained(recorded, hidden)
                while len(self._made) > KEPT:
                    self._made.popitem(last=False)
            return found

    def _explained(self, recorded: Recorded, hidden: Hidden | None) -> Explanation:
        if recorded.rung == "full" and self._distance(recorded.sequence) <= REPLAYED_MAX:
            host = host_at(self.stores, recorded.sequence - 1)
            return self._decided_again(_engine(host), recorded, hidden)
        engine = self._engine_then(recorded.policy_version)
        return explainer(engine, hidden).of_stored(recorded.decision, recorded.event)

    def _distance(self, sequence: int) -> int:
        """Return how many positions lie between a decision and the state that it can be rebuilt from."""
        before = [each for each in self.stores.snapshots.positions() if each < sequence]
        if before:
            return sequence - max(before)
        return sequence if self.stores.journal.first().position == 0 else REPLAYED_MAX + 1

    def _decided_again(self, engine: Engine, recorded: Recorded, hidden: Hidden | None) -> Explanation:
        decision, explanation = explainer(engine, hidden).decide(
            recorded.event, known_values(engine, self._before(engine, recorded))
        )
        if (decision.action, decision.rules) != (recorded.decision.action, recorded.decision.rules):
            raise StorageFailed(
                f"the decision at {recorded.sequence} does not come out as it was answered; see `verify`"
            )
        return explanation

    def _before(self, engine: Engine, recorded: Recorded) -> list[dict[str, object]]:
        """Return events of the same first entity that were decided before, the latest first."""
        entities = engine.plan.events.entities
        if not entities:
            return []
        fields = {name: field_value(engine, recorded.event, name) for name in entities[0].roles[0].key}
        if any(value is None for value in fields.values()):
            return []
        search = DecisionFilter(fields={name: str(value) for name, value in fields.items()})
        page = self.decisions.search(search, recorded.sequence, KNOWN_EVENTS)
        return [dict(each.event) for each in page.decisions]

    def _engine_then(self, version: str) -> Engine:
        """Return an engine without a past, under the policy of a version."""
        for row in self.stores.journal.policies():
            if row.version == version:
                from riskweave.engine.durable_host import policy_of

                return Engine(policy_of(self.stores, row))
        raise StorageFailed(f"the journal does not have policy version {version[:12]}")


def _engine(host: Host) -> Engine:
    host.engine.plan = host.full
    return host.engine


def explainer(engine: Engine, hidden: Hidden | None) -> Explainer:
    """Return an explainer that masks the values of some names beside those that the policy masks."""
    made = Explainer(engine)
    if hidden is not None:
        book = made.book
        named = {*book.fields, *book.features}
        book.masked = book.masked | {name for name in named if hidden(name)}
    return made
