"""State to a snapshot and back."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from riskweave.decision.state import DecisionState
from riskweave.engine.labels import LabelQueue
from riskweave.engine.memory import EventMemory
from riskweave.engine.snapshot import Snapshot
from riskweave.engine.state import State
from riskweave.errors import StateError
from riskweave.events.attributes import AttributesState
from riskweave.expressions.run import StringTables
from riskweave.expressions.strings import StringPool
from riskweave.features.state import FeaturesState
from riskweave.lists.state import ListsState
from riskweave.models import state as models
from riskweave.patterns.state import PatternsState
from riskweave.policy.plan import Plan

Arrays = dict[str, NDArray[np.generic]]


def take_snapshot(plan: Plan, state: State) -> Snapshot:
    """Return every room's state in one container."""
    arrays: Arrays = {
        "pool/texts": _bytes(msgspec.msgpack.encode(plan.pool.texts)),
        "pool/free": np.array(plan.pool.free, np.int64),
        "lists/state": _bytes(state.lists.snapshot()),
        "attributes/state": _bytes(state.attributes.snapshot()),
        **{f"features/{name}": array for name, array in state.features.snapshot().items()},
        **{f"patterns/{name}": array for name, array in state.patterns.snapshot().items()},
        **{f"models/{name}": array for name, array in models.snapshot(plan.models, state.models).items()},
        **{f"decision/{name}": array for name, array in state.decision.snapshot().items()},
        **{f"labels/{name}": array for name, array in state.labels.snapshot().items()},
        **{f"memory/{name}": array for name, array in state.memory.snapshot().items()},
    }
    meta: dict[str, object] = {
        "policy": plan.version,
        "labels": list(plan.labels),
        "watermark_ms": state.watermark_ms,
        "events": state.events,
    }
    return Snapshot(meta, arrays)


def pool_of(snapshot: Snapshot) -> StringPool:
    """Return the pool in which the snapshot's text codes mean what they meant."""
    try:
        texts = msgspec.msgpack.decode(snapshot.arrays["pool/texts"].tobytes(), type=list[str])
        return StringPool.of(texts, snapshot.arrays["pool/free"].tolist())
    except (KeyError, IndexError, ValueError, msgspec.DecodeError) as error:
        raise StateError(f"the snapshot's texts cannot be read ({error}); use an older one") from error


def restore_state(plan: Plan, snapshot: Snapshot) -> State:
    """Return the state that `take_snapshot` took; raises StateError when the policy is another one."""
    meta = snapshot.meta
    if meta.get("policy") != plan.version:
        raise StateError(
            f"the snapshot was taken under policy version {str(meta.get('policy'))[:12]}, this one is "
            f"{plan.version[:12]}; restore under the old policy, then replace it"
        )
    try:
        return State(
            strings=StringTables(plan.programs, plan.pool),
            attributes=AttributesState.restore(
                plan.attributes, snapshot.arrays["attributes/state"].tobytes()
            ),
            lists=ListsState.restore(plan.lists, snapshot.arrays["lists/state"].tobytes()),
            features=FeaturesState.restore(plan.features, snapshot.room("features")),
            patterns=PatternsState.restore(plan.patterns, snapshot.room("patterns")),
            models=models.restore(plan.models, snapshot.room("models")),
            memory=EventMemory.restore(plan.settings.dedupe_ms, snapshot.room("memory")),
            labels=LabelQueue.restore(snapshot.room("labels")),
            decision=DecisionState.restore(plan.decision, snapshot.room("decision")),
            watermark_ms=int(str(meta["watermark_ms"])),
            events=int(str(meta["events"])),
        )
    except (KeyError, ValueError, IndexError, msgspec.DecodeError) as error:
        raise StateError(f"the snapshot does not fit ({error!r}); use an older one") from error


def _bytes(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8)
