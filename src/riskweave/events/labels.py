"""A label as a record: which event, which label field, what is true, and when it became known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from riskweave.errors import EventError, Span, did_you_mean
from riskweave.events.spec import Field
from riskweave.events.values import cleaner
from riskweave.expressions.types import Type

_TIME, _ = cleaner(Field("time", Type.TIME, Span()))
_VALUE, _ = cleaner(Field("value", Type.BOOL, Span()))


@dataclass(frozen=True, slots=True)
class Label:
    """`value` is 1, 0, or NaN when the label is taken back; `time_ms` None means: now."""

    name: str
    event_id: str
    value: float
    time_ms: int | None


def read_label(record: Mapping[str, object], known: Sequence[str], place: str = "") -> Label:
    """Read `event_id`, the value, `time` and `label`; raises EventError.

    The value stands under the label field's own name or under `value` (true, false, empty to take
    it back); without either it is true. `label` may be left out when there is only one field.
    """
    name = record.get("label")
    if name is None and len(known) == 1:
        name = known[0]
    if not isinstance(name, str) or name not in known:
        expected = f"one of: {', '.join(known)}" if known else "a policy that declares a label"
        raise EventError("label", name, did_you_mean(str(name), known) or expected, place)
    identity = record.get("event_id")
    if not isinstance(identity, (str, int)) or isinstance(identity, bool) or identity == "":
        raise EventError("event_id", identity, "the id of an event", place)
    value, time = record.get(name, record.get("value", True)), record.get("time")
    try:
        return Label(
            name,
            str(identity),
            float("nan") if value is None or value == "" else float(_VALUE(value)),
            None if time is None or time == "" else int(_TIME(time)),
        )
    except EventError as error:
        raise EventError(
            error.field, value if error.field == "value" else time, error.expected, place
        ) from None
