"""What is known of an entity at a moment: the features that an event of it would meet, of unknown content."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from riskweave.batch import TIME_ROW, TYPE_ROW
from riskweave.engine.what_if import Scratch
from riskweave.events.record import type_of

if TYPE_CHECKING:
    from riskweave.engine.decisions import Decision
    from riskweave.engine.engine import Engine

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Probe(Scratch):
    """An event whose keys, type and time are known and nothing else."""

    def _decode(self, changes: Mapping[str, object] | None) -> str | None:
        identity = super()._decode(changes)
        rows = [row for row in self._plan.decode.rows if row not in (TIME_ROW, TYPE_ROW)]
        self._batch.values[rows] = np.nan
        return identity


def probe(engine: Engine, event: Mapping[str, object], moment_ms: int) -> Decision:
    """Return the decision of an event with the keys of this one at a moment; it leaves no trace.

    It counts as an event (a count says one more), but it has no amounts: sums are what they were.
    """
    names = type_of(engine.plan.decode, event).time.names
    moment = _EPOCH + timedelta(milliseconds=moment_ms)
    present = [name for name in names if event.get(name) is not None] or names[:1]
    return _Probe(engine, {**event, **dict.fromkeys(present, moment)}).decide()
