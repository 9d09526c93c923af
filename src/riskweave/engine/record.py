"""The decision record: all that is needed to decide an event again, years later, with no state.

It holds the event as it came, the value of every column (those that rooms with memory or outside
data filled cannot be computed again), what was decided, and the versions of everything that decided.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

import msgspec
import numpy as np

from riskweave.decision.outcome import Outcome
from riskweave.engine.decisions import ListMatch
from riskweave.engine.matches import PatternMatch
from riskweave.errors import StateError
from riskweave.expressions.types import Type

SCHEMA = 1

Value = bool | int | float | str | None


class Column(msgspec.Struct, frozen=True):
    """A column of a record: its type, the room that filled it, and what it means.

    `definition` is a hash of what the column computes, the same in every policy in which it means the
    same; it is empty for what can be computed again. `stage` and `room` say when it was filled.
    """

    name: str
    type: str
    room: str
    stage: int
    definition: str = ""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One decision, whole: see docs/records.md for every field."""

    schema: int
    engine: str
    policy: str
    models: dict[str, str]
    event: dict[str, Any]
    event_id: str | None
    time_ms: int
    watermark_ms: int
    arrival: int
    columns: dict[str, Value]
    definitions: dict[str, str]
    features: dict[str, Value]
    rules: list[str]
    score: float
    action: str
    lists: list[ListMatch] = []
    patterns: list[PatternMatch] = []
    elapsed: list[PatternMatch] = []
    incomplete: list[str] = []
    outcome: Outcome | None = None
    checksum: str = ""

    def sealed(self) -> Record:
        """Return the record with the checksum of all the rest."""
        return msgspec.structs.replace(self, checksum=self._digest())

    @property
    def intact(self) -> bool:
        """Tell whether the checksum is that of the rest."""
        return self.checksum == self._digest()

    def _digest(self) -> str:
        bare = msgspec.structs.replace(self, checksum="")
        return hashlib.sha256(bare.to_json()).hexdigest()

    def to_bytes(self) -> bytes:
        """Return compact msgpack."""
        return msgspec.msgpack.encode(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> Record:
        """Read what `to_bytes` gave; raises StateError."""
        record: Record = _checked(msgspec.msgpack.Decoder(cls), data)
        return record

    def to_json(self) -> bytes:
        """Return JSON text."""
        values = {name: getattr(self, name) for name in self.__struct_fields__}
        return msgspec.json.encode(values | {"outcome": plain_outcome(self.outcome)})

    @classmethod
    def from_json(cls, data: bytes | str) -> Record:
        """Read what `to_json` gave; raises StateError."""
        record = _checked(_JSON, data.encode() if isinstance(data, str) else data)
        values = {name: getattr(record, name) for name in cls.__struct_fields__}
        return cls(**(values | {"outcome": read_outcome(record.outcome)}))


class _JsonRecord(Record, frozen=True, kw_only=True):
    """A record whose outcome is not read yet."""

    outcome: Any = None


_JSON = msgspec.json.Decoder(_JsonRecord)


def plain_outcome(outcome: Outcome | None) -> Any:
    """Return an outcome as JSON values: what is no finite number is told in letters."""
    return None if outcome is None else _in_letters(msgspec.to_builtins(outcome))


def read_outcome(value: Any) -> Outcome | None:
    """Read what `plain_outcome` gave; raises StateError."""
    if value is None:
        return None
    try:
        return msgspec.convert(value, Outcome, strict=False)
    except msgspec.ValidationError as error:
        raise StateError(f"this is no decision record: {error}") from None


def _in_letters(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if value != value else "inf" if value > 0 else "-inf"
    if isinstance(value, dict):
        return {name: _in_letters(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_in_letters(each) for each in value]
    return value


def _checked(decoder: Any, data: bytes) -> Any:
    try:
        record = decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise StateError(f"this is no decision record: {error}") from None
    if record.schema != SCHEMA:
        raise StateError(f"the record has schema {record.schema}, this version reads {SCHEMA}")
    return record


def recorded(value: float, kind: Type) -> Value:
    """Return a number of the batch as a record keeps it: exact, and readable by people; NaN is None."""
    if value != value:
        return None
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if kind is Type.BOOL and value in (0.0, 1.0) and math.copysign(1.0, value) > 0:
        return value == 1.0
    if kind in (Type.INT, Type.TIME) and value.is_integer() and (value or math.copysign(1.0, value) > 0):
        return int(value)
    return value


def as_number(value: Value) -> float:
    """Return the number that `recorded` was given (for text columns see the pool)."""
    if value is None:
        return math.nan
    return float(value)


def plain_event(event: Mapping[str, object]) -> dict[str, Any]:
    """Return an event's values as JSON has them; decoding them gives what the event gave."""
    return {str(name): _plain(value) for name, value in event.items()}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(each) for each in value]
    return str(value)
