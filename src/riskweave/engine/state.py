"""All that an engine remembers."""

from __future__ import annotations

from dataclasses import dataclass

from riskweave.engine.labels import LabelQueue
from riskweave.engine.memory import EventMemory
from riskweave.events.attributes import AttributesState
from riskweave.expressions.run import StringTables
from riskweave.features.state import FeaturesState
from riskweave.lists.state import ListsState
from riskweave.models.plan import ModelsState
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
    models: ModelsState
    memory: EventMemory
    labels: LabelQueue
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
            models=ModelsState.create(plan.models),
            memory=EventMemory(plan.settings.dedupe_ms),
            labels=LabelQueue(),
        )

    def describe(self, plan: Plan) -> dict[str, object]:
        """Return how much is remembered, room by room."""
        return {
            "events": self.events,
            "watermark_ms": self.watermark_ms if self.events else None,
            "features": self.features.describe(plan.features),
            "models": self.models.describe(),
            "lists": self.lists.describe(),
            "attributes": self.attributes.describe(),
            "ids": {"remembered": len(self.memory), "bytes": self.memory.table.nbytes},
            "labels_on_their_way": len(self.labels),
            "texts": {"count": len(plan.pool), "answers_bytes": self.strings.nbytes},
        }
