"""All that an engine remembers."""

from __future__ import annotations

from dataclasses import dataclass

from riskweave.decision.state import DecisionState
from riskweave.engine.labels import LabelQueue
from riskweave.engine.memory import EventMemory
from riskweave.events.attributes import AttributesState
from riskweave.expressions.run import StringTables
from riskweave.features.state import FeaturesState
from riskweave.lists.state import ListsState
from riskweave.models.plan import ModelsState
from riskweave.patterns.state import PatternsState
from riskweave.policy.plan import Plan

# Before any event: earlier than every time an event may have.
NEVER_MS = -(2**62)


@dataclass(slots=True)
class State:
    """Every room's state, and the engine's own: the watermark, recent ids, labels on their way."""

    strings: StringTables
    attributes: AttributesState
    lists: ListsState
    features: FeaturesState
    patterns: PatternsState
    models: ModelsState
    memory: EventMemory
    labels: LabelQueue
    decision: DecisionState
    watermark_ms: int = NEVER_MS
    events: int = 0

    @classmethod
    def create(cls, plan: Plan) -> State:
        """Return the state before the first event."""
        return cls(
            strings=StringTables(plan.programs, plan.pool),
            attributes=AttributesState.create(plan.attributes),
            lists=ListsState.create(plan.lists),
            features=FeaturesState.create(plan.features),
            patterns=PatternsState.create(plan.patterns),
            models=ModelsState.create(plan.models),
            memory=EventMemory(plan.settings.dedupe_ms),
            labels=LabelQueue(),
            decision=DecisionState.create(plan.decision),
        )

    def describe(self, plan: Plan) -> dict[str, object]:
        """Return how much is remembered, room by room.

        Bounded by what the policy needs: features (windows), ids (`dedupe`), texts (what is in use,
        or the pool's limit). Grows with what it is told, for ever: entries added to lists, versions
        of attributes. A label waits until its time has come.
        """
        return {
            "events": self.events,
            "watermark_ms": self.watermark_ms if self.events else None,
            "features": self.features.describe(plan.features),
            "patterns": self.patterns.describe(),
            "models": self.models.describe(),
            "decision": self.decision.describe(),
            "lists": self.lists.describe(),
            "attributes": self.attributes.describe(),
            "ids": {"remembered": len(self.memory), "bytes": self.memory.table.nbytes},
            "labels": {"on_their_way": len(self.labels), "bytes": self.labels.nbytes},
            "texts": {
                "count": len(plan.pool.codes),
                "codes": len(plan.pool),
                "dropped_beyond": plan.pool.until,
                "answers_bytes": self.strings.nbytes,
            },
        }
