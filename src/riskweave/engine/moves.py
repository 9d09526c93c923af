"""Single keys on the move: everything that is remembered of them, from one engine to another.

Histories, partial matches and the sequences of models move word for word, so a key goes on bit for bit.
Texts are given the codes that the other engine has for them. What belongs to events, not to keys, stays:
ids and first answers, labels on their way; and so do lists, attributes and the last action of a key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from riskweave.engine.snapshot import Snapshot
from riskweave.engine.state import State
from riskweave.engine.texts import mark_patterns
from riskweave.errors import StateError
from riskweave.features import moves as features
from riskweave.features.state import FeaturesState
from riskweave.patterns import moves as patterns
from riskweave.patterns.state import PatternsState
from riskweave.policy.plan import Plan

Keys = Mapping[str, Iterable[int]]


def export_keys(plan: Plan, state: State, keys: Keys) -> Snapshot:
    """Return what is remembered of key hashes, by the role that they have in events."""
    wanted = {role: [int(key) for key in each] for role, each in keys.items()}
    tables = {table.name: wanted.get(table.role, []) for table in plan.features.tables}
    arrays: dict[str, NDArray[Any]] = {}
    remembered = features.export_keys(plan.features, state.features, tables)
    partial = patterns.export_keys(plan.patterns, state.patterns, wanted)
    arrays |= {f"features/{name}": array for name, array in remembered.items()}
    arrays |= {f"patterns/{name}": array for name, array in partial.items()}
    for number, scoring in enumerate(plan.models.sequences):
        for role, each in wanted.items():
            if _key_row(plan, role) != scoring.key_row:
                continue
            for at, key in enumerate(each):
                found = state.models.sequences[scoring.path].export_key(key) or {}
                arrays |= {f"models/{number}/{role}/{at}/{name}": array for name, array in found.items()}
    used = np.zeros(len(plan.pool), np.bool_)
    FeaturesState.restore(plan.features, remembered).mark_texts(plan.features, used)
    mark_patterns(PatternsState.restore(plan.patterns, partial), used)
    texts = {int(code): plan.pool.texts[code] for code in np.flatnonzero(used)}
    arrays["texts/texts"] = np.frombuffer(msgspec.msgpack.encode(texts), np.uint8)
    return Snapshot({"policy": plan.version, "watermark_ms": state.watermark_ms}, arrays)


def import_keys(plan: Plan, state: State, moved: Snapshot) -> None:
    """Remember what `export_keys` gave; raises StateError when a key is known here or the policy another."""
    if moved.meta.get("policy") != plan.version:
        raise StateError("the keys come from an engine with another policy")
    try:
        texts = msgspec.msgpack.decode(moved.arrays["texts/texts"].tobytes(), type=dict[int, str])
    except (KeyError, msgspec.DecodeError) as error:
        raise StateError(f"the exported keys are damaged: {error}") from None
    small = FeaturesState.restore(plan.features, moved.room("features"))
    partial = PatternsState.restore(plan.patterns, moved.room("patterns"))
    features.refuse_known(plan.features, state.features, small)
    patterns.refuse_known(state.patterns, partial)
    codes = np.zeros(max(texts, default=0) + 1, np.int64)
    for code, text in texts.items():
        codes[code] = plan.pool.code(text)
    features.recode_texts(plan.features, small, codes)
    is_text = np.array(
        [column.type.is_text for column in plan.layout.columns] + [False] * plan.layout.temp_rows
    )
    patterns.recode_texts(plan.patterns, partial, is_text, codes.astype(np.float64))
    features.import_keys(plan.features, state.features, small.snapshot())
    patterns.import_keys(plan.patterns, state.patterns, partial.snapshot())
    sequences: dict[tuple[str, str], dict[str, NDArray[Any]]] = {}
    for name, array in moved.room("models").items():
        number, _, rest = name.partition("/")
        key, _, part = rest.rpartition("/")
        sequences.setdefault((plan.models.sequences[int(number)].path, key), {})[part] = array
    for (path, _), found in sequences.items():
        state.models.sequences[path].import_key(found)


def _key_row(plan: Plan, role: str) -> int:
    """Return the row of `Batch.keys` in which the hash of a role's key stands; -1 when nothing reads it."""
    found = plan.events.role(role)
    if found is None:
        raise StateError(f"no entity has the role `{role}`")
    return plan.layout.keys.get("+".join(found.key), -1)
